"""Where things come from: packages by hash, actions by commit, and the licence of every file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest

from workflow import lock

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
TOLD = {"MIT License": "MIT", "BSD License": "BSD", "Apache Software License": "Apache-2.0"}
TOLD |= {"Python Software Foundation License": "PSF"}


def locked(root: Path, name: str) -> dict[str, str]:
    """Versions of a lock by package; each must have its hashes."""
    found = lock.entries((root / "requirements" / f"{name}.lock").read_text())
    assert all(HASH.search(entry) for entry in found)
    return {lock.name(entry): entry.split()[0].split("==")[1] for entry in found}


def listed(path: Path) -> dict[str, str]:
    """Versions of a list of requirements by package."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {lock.name(line): line.split()[0].split("==")[1] for line in lines}


def named(root: Path) -> set[str]:
    """Packages that the project names itself."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    lines = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    lines += [line for extra in project["project"]["optional-dependencies"].values() for line in extra]
    inputs = [name for path in (root / "requirements").glob("*.in") for name in listed(path)]
    tool = re.search(r"^UV := (.*)$", (root / "Makefile").read_text(), re.MULTILINE).group(1)
    return {*map(lock.name, [*lines, tool]), *inputs}


def table(root: Path, title: str) -> list[list[str]]:
    """Rows of a table of LICENSES.md."""
    text = (root / "LICENSES.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    return rows[2:]


def test_the_locks_pin_what_the_lists_say_and_nothing_twice(root):
    book, build = locked(root, "book"), locked(root, "build")
    assert listed(root / "requirements.txt").items() <= (book | build | locked(root, "torch-pypi")).items()
    for path in (root / "requirements").glob("*.in"):
        assert locked(root, path.stem) == listed(path)
    torch, extras = locked(root, "torch-pypi"), tomllib.loads((root / "pyproject.toml").read_text())
    for extra in lock.BESIDES:
        besides = locked(root, extra)
        names = [*book, *build, *besides, *torch]
        assert len(names) == len(set(names))
        wanted = extras["project"]["optional-dependencies"][extra]
        assert {lock.name(line) for line in wanted} <= {*besides, *build}


def test_what_two_tools_need_besides_is_of_one_version(root):
    """JupyterLab and the tools of tests may stand in one environment."""
    test, lab = locked(root, "test"), locked(root, "lab")
    assert {name: lab[name] for name in test.keys() & lab.keys()} == {
        name: test[name] for name in test.keys() & lab.keys()
    }


def test_both_builds_of_torch_are_pinned_and_of_one_version(root):
    """That of PyTorch's own index, and that of PyPI, which has CUDA on Linux."""
    (cpu,) = lock.entries((root / lock.CPU).read_text())
    pypi = lock.entries((root / "requirements" / "torch-pypi.lock").read_text())
    lock.same_torch(pypi, cpu)
    (plain,) = [entry for entry in pypi if lock.name(entry) == "torch"]
    one, other = set(HASH.findall(cpu)), set(HASH.findall(plain))
    assert len(one) >= 6
    assert other
    assert not one & other


@pytest.mark.parametrize("cpu", ["torch==2.13.0+cpu \\\n    --hash=sha256:cd\n", "# none\n"])
def test_hashes_of_a_cpu_build_of_another_version_are_refused(cpu):
    with pytest.raises(lock.LockError, match=r"torch-cpu.txt is of .*, not of torch==2\.14\.0\+cpu"):
        lock.same_torch(["torch==2.14.0 \\\n    --hash=sha256:ab\n"], cpu)


def test_make_installs_from_the_locks_alone(root):
    text = (root / "Makefile").read_text()
    assert "--require-hashes --no-deps" in text
    installs = re.findall(r"pip install[^\n\\]*", text)
    free = [line for line in installs if "--require-hashes" not in line]
    assert len(free) == 2  # the project itself, without its dependencies; uv, for the locks
    assert "--no-build-isolation --no-deps --editable ." in free[0]
    assert free[1].strip().endswith("$(UV)")


def test_actions_are_named_by_their_commit(root):
    used = [
        line.split("uses:")[1].strip()
        for path in (root / ".github" / "workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


def shipped(root: Path) -> list[str]:
    """Files that git has, or would take."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git here")
    return [name for name in done.stdout.splitlines() if (root / name).exists()]


def test_every_shipped_file_has_a_licence(root):
    patterns = [p for row in table(root, "Files") for p in re.findall(r"`([^`]+)`", row[0])]
    files = shipped(root)
    assert len(files) > 300
    assert [name for name in files if not any(fnmatch(name, p) for p in patterns)] == []
    assert [p for p in patterns if not any(fnmatch(name, p) for name in files)] == []


def test_every_package_that_the_project_names_has_a_licence_and_it_is_the_one_that_it_tells(root):
    rows = {row[0]: row[2] for row in table(root, "Packages")}
    assert set(rows) == named(root)
    for package, licence in rows.items():
        try:
            about = metadata.metadata(package)
        except metadata.PackageNotFoundError:
            continue  # of make gemma or make lock
        if expression := about.get("License-Expression"):
            assert licence == expression, package
        kinds = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if "License ::" in line]
        for kind in kinds:
            assert TOLD[kind] in licence, package


@pytest.fixture
def checkout(root, tmp_path) -> Path:
    """What make reads before it starts Python, in a folder with a link to the environment of another."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy2(root / name, tmp_path / name)
    shutil.copytree(root / "requirements", tmp_path / "requirements")
    return tmp_path


def made(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_into_an_environment_that_is_linked_nothing_is_installed(checkout, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "bin").mkdir()
    python = other / "bin" / "python"
    python.write_text(f"#!/bin/sh\ntouch {other}/ran\n")
    python.chmod(0o755)
    (checkout / ".venv").symlink_to(other)
    told = made(checkout, "setup")
    assert told.returncode == 0
    assert f".venv is a link to {other}: it is used as it is, nothing is installed into it" in told.stderr
    for tools in (".venv/.test", ".venv/.lab"):
        assert made(checkout, tools).returncode == 0
    assert sorted(os.listdir(other)) == ["bin"]
    python.unlink()
    told = made(checkout, "setup")
    assert told.returncode == 2
    assert "where there is no Python; remove it: rm .venv" in told.stderr


def test_a_python_that_is_too_old_is_named_before_anything_is_made(checkout):
    old, code = (
        checkout / "old python",
        "import sys; sys.version_info, sys.version = (3, 9, 1), '3.9.1 x'; exec(sys.argv[1])",
    )
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$2"\n')
    old.chmod(0o755)
    told = made(checkout, "setup", "PYTHON='./old python'")
    assert told.returncode == 2
    assert "[setup] Python 3.11.5 or newer is needed, this is 3.9.1\n" in told.stderr
    assert not (checkout / ".venv").exists()
