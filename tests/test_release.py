"""Releases and the workflows of GitHub: archives that repeat, checksums, the least permissions."""

import subprocess
import tarfile

import pytest
import yaml

from workflow import release


@pytest.fixture
def project(tmp_path):
    """A project with a version, its changes, a book and a course."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "lglib"\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changes\n\n## 1.2.3 (2026-01-31)\n\n- new\n\n## 1.2.2 (old)\n- old\n"
    )
    for name in ("_build/html/index.html", "_build/html/.stamp.json", "course/student/a.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_release_has_its_files_and_their_checksums_and_repeats_to_the_byte(project, monkeypatch):
    monkeypatch.setattr(release, "wheel", lambda root, folder: (folder / "lglib-1.2.3.whl").write_text("w"))
    found = {path.name: path.read_bytes() for path in release.make(project, "v1.2.3")}
    names = ["SHA256SUMS", "book-1.2.3.tar.gz", "course-1.2.3.tar.gz", "lglib-1.2.3.whl", "notes.md"]
    assert sorted(found) == names
    assert found["notes.md"] == b"- new\n"
    with tarfile.open(project / "dist" / "book-1.2.3.tar.gz") as packed:
        assert packed.getnames() == ["book-1.2.3/index.html"]
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=project / "dist", check=False)
    assert checked.returncode == 0
    (project / "_build" / "html" / "index.html").touch()
    assert {path.name: path.read_bytes() for path in release.make(project, "v1.2.3")} == found


@pytest.mark.parametrize(
    ("tag", "old", "new", "told"),
    [
        ("v1.2.4", "", "", "the tag is v1.2.4, and pyproject.toml has the version 1.2.3"),
        ("v1.2.3", "2026-01-31", "unreleased", r"has '## 1.2.3 \(unreleased\)'; give it its date"),
        ("v1.2.3", "## 1.2.3", "## 1.2.5", "CHANGELOG.md has no section of 1.2.3"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(project, tag, old, new, told):
    changes = project / "CHANGELOG.md"
    changes.write_text(changes.read_text().replace(old, new) if old else changes.read_text())
    with pytest.raises(release.ReleaseError, match=told):
        release.make(project, tag)


def test_without_a_book_it_is_said_what_to_type(project):
    (project / "_build" / "html").rename(project / "elsewhere")
    with pytest.raises(release.ReleaseError, match=r"_build/html is not there; type: make book course"):
        release.make(project)


def workflows(root):
    found = {p.stem: yaml.safe_load(p.read_text()) for p in (root / ".github" / "workflows").glob("*.yml")}
    return {name: {**one, "on": one.get("on", one.get(True))} for name, one in found.items()}  # YAML 1.1's on


def test_workflows_are_read_and_each_has_the_least_permissions(root):
    found = workflows(root)
    assert set(found) == {"book", "verify", "release"}
    for name, one in found.items():
        assert one["permissions"] == {"contents": "read"}, name
        for job, what in one["jobs"].items():
            more = {k for k, v in what.get("permissions", {}).items() if v == "write"}
            wanted = {"publish": {"pages", "id-token"}, "release": {"contents"}}.get(job, set())
            assert more == wanted, (name, job)
            assert what["timeout-minutes"] <= 90
            for step in what["steps"]:
                if "checkout" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False
                assert "secrets." not in str(step), (name, step)


def test_tests_run_on_each_push_verify_each_week_and_a_release_on_a_tag(root):
    found = workflows(root)
    assert found["book"]["on"]["push"] == {"branches": ["**"]}
    assert len(found["verify"]["on"]["schedule"]) == 1
    day, month, weekday = found["verify"]["on"]["schedule"][0]["cron"].split()[2:]
    assert (day, month) == ("*", "*")
    assert weekday in "0123456"
    assert found["release"]["on"] == {"push": {"tags": ["v*"]}}
    runs = [
        step["run"]
        for one in found.values()
        for job in one["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    commands = {run.split()[1] for run in runs if run.startswith("make ")}
    assert commands == {"test", "book", "verify"}


def test_no_text_of_others_is_put_into_a_command(root):
    """What a pull request or a tag is called reaches the shell as a variable, never as part of the line."""
    for one in workflows(root).values():
        for job in one["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")
