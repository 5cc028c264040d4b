"""The guides for teachers and contributors name files, commands, pages and exercises that there are."""

import re
import tomllib

import pytest
import yaml

GUIDES = ("book/teaching.md", "CONTRIBUTING.md")
TO_MAKE = (
    "08_mine",
    "08x_mine",
    "mine.yml",
    "chapter8",
    "course/",
    "_build/",
    "runs/",
)  # made by who follows it
FOLDERS = "lglib/|tests/|workflow/|config/|book/|notebooks/|requirements/|course/|_build/|runs/"
FILE = re.compile(rf"`((?:{FOLDERS})[\w./*-]*|[A-Z]+\.md|CITATION\.cff|_\w+\.yml|pyproject\.toml)`")


@pytest.fixture(params=GUIDES)
def guide(root, request):
    return (root / request.param).read_text(encoding="utf-8")


def test_each_file_that_a_guide_names_is_there(root, guide):
    named = {name for name in FILE.findall(guide) if not any(part in name for part in TO_MAKE)}
    assert len(named) > 3
    patterns = {re.sub(r"/chapterN\.py|/NNx_name\.py", "/*.py", name) for name in named}
    assert [name for name in patterns if not list(root.glob(name.rstrip("/") or "."))] == []


def test_each_command_that_a_guide_names_is_one_of_make(root, guide):
    targets = set(re.findall(r"^@?([a-z]+)(?: [a-z ]+)?:", (root / "Makefile").read_text(), re.MULTILINE))
    targets |= set(re.findall(r'echo "make (\w+) ', (root / "Makefile").read_text()))
    asked = set(re.findall(r"(?:`|^ *)make ([a-z]+)\b", guide, re.MULTILINE))
    assert len(asked) > 3
    assert asked <= targets


def test_each_page_of_the_teaching_guide_is_in_the_table_of_contents(root):
    text, toc = (root / GUIDES[0]).read_text(), (root / "_toc.yml").read_text()
    assert f"book/{GUIDES[0].split('/')[1].removesuffix('.md')}\n" in toc
    for page in re.findall(r"\{doc\}`(?:[^`<]+<)?([\w/]+)>?`", text):
        assert re.search(rf"book/{page}$", toc, re.MULTILINE), page


def test_each_exercise_that_the_plan_names_is_one_of_the_book(root):
    text = (root / GUIDES[0]).read_text()
    titles = re.findall(
        r"\{exercise\} (.*)", "\n".join(p.read_text() for p in (root / "notebooks").glob("*.py"))
    )
    weeks = text.split("## Six weeks")[1].split("## One day")[0]
    named = re.findall(r"\*([A-Z][^*]+)\*", weeks.split("| 6 |")[0])
    assert named
    assert set(named) <= set(titles)


def test_the_minutes_of_exercises_are_those_that_they_say(root):
    told = re.findall(r"<chapters/(\d\d\w*x_\w+)>`: (\d+) min", (root / GUIDES[0]).read_text())
    assert told
    for page, minutes in told:
        text = (root / "notebooks" / f"{page}.py").read_text()
        assert sum(map(int, re.findall(r"^# \*Goal: .*? (\d+) minutes", text, re.MULTILINE))) == int(
            minutes
        ), page


def test_there_is_no_button_to_launch_a_page_before_the_address_of_a_repository_is_set(root):
    settings = yaml.safe_load((root / "_config.yml").read_text())
    buttons = {key for key in settings["launch_buttons"] if key.endswith("_url")}
    if not settings["repository"]["url"]:
        assert buttons == set()
        assert not settings["html"]["use_repository_button"]
    else:
        assert settings["repository"]["url"].startswith("https://")


def test_the_wheel_of_the_guide_has_the_version_of_the_project(root):
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    wheels = re.findall(r"lglib-([\d.]+)-py3-none-any\.whl", (root / GUIDES[0]).read_text())
    assert set(wheels) == {version}
    assert yaml.safe_load((root / "CITATION.cff").read_text())["version"] == version


def test_the_profile_and_the_lines_of_the_guide_are_read(root, tmp_path, monkeypatch):
    """As a teacher would copy them."""
    from lglib import studies
    from lglib.tasks import own

    text = (root / GUIDES[0]).read_text()
    profile, lines = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1] for kind in ("yaml", "json"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mine.yml").write_text(profile)
    (tmp_path / "mine.jsonl").write_text(lines)
    monkeypatch.chdir(tmp_path)
    assert studies.check("mine", tmp_path)["rank"].runs == {"micro-qwen2": [7, 8, 9]}
    assert [item.answer for item in own.read("mine.jsonl").items] == [" yes", " no"]
