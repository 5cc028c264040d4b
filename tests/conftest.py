"""Shared fixtures: the project's root, a scratch copy of the project, and the built book."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("_config.yml", "_toc.yml", "pyproject.toml", "README.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that no core is left with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


def copy_project(target: Path) -> Path:
    """Everything that the pipeline reads, and none of what it has made before."""
    for folder in ("book", "notebooks", "lglib", "workflow", "config", "results"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED:
        shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")


def make_book(project: Path, *arguments: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """What `make book` runs, in a copy of the project, with this interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.book", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=False,
        **kwargs,
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The strictly built book, from the committed chapters: built once for all tests of its pages."""
    from workflow import site as builder

    project = copy_project(tmp_path_factory.mktemp("book") / "project")
    html = project / "_build" / "html"
    html.parent.mkdir()
    builder.build(project, project, html, project / "runs" / "book.log")
    return html


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved model of each family, which no test may change."""
    made = {family: tmp_path_factory.mktemp(family) for family in tiny.FAMILIES}
    for family, folder in made.items():
        tiny.save(folder, family)
    return made
