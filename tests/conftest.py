"""Shared fixtures: the project's root, a scratch copy of the project, and the built book."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import sitecheck
import tiny

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    "CITATION.cff",
    "_config.yml",
    "_toc.yml",
    "pyproject.toml",
    "README.md",
    "benchmarks/null_table.json",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that no core is left with one of them at the end."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ("slow", "long"))))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


def copy_project(target: Path) -> Path:
    """Everything that the pipeline reads, and none of what it has made before."""
    for folder in ("book", "notebooks", "lglib", "workflow", "config", "results"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "benchmarks").mkdir()
    for name in COPIED:
        shutil.copy2(ROOT / name, target / name)
    return target


def make_book(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What make runs (measure, book, publish or verify), in a copy of the project, with this interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.drive", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=False,
    )


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A copy of the project with something made in it, once for all workers of a test run."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.made").exists():
            shutil.rmtree(shared / name, ignore_errors=True)
            make(copy_project(shared / name))
            (shared / f"{name}.made").touch()
    return shared / name


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The strictly built book, from the committed chapters: built once for all tests of its pages."""
    from workflow import site as builder

    project = made_once(tmp_path_factory, "site", lambda project: builder.build("quick", [], project))
    return project / "_build" / "html"


def browser_path() -> str:
    """Path of the system's Chromium; without one the test is skipped, or failed if REQUIRE_BROWSER=1."""
    path = sitecheck.chromium()
    if path is None and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail("no chromium on PATH, and REQUIRE_BROWSER=1")
    return path or pytest.skip("no chromium on PATH")


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system, driven by playwright."""
    path = browser_path()
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core; without its package tests are skipped, or failed if REQUIRE_BROWSER=1."""
    spec = find_spec("axe_playwright_python")  # found, not imported: its file alone is needed
    if spec is None or spec.origin is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("axe-playwright-python is not installed, and REQUIRE_BROWSER=1")
        pytest.skip("axe-playwright-python is not installed")
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


OTHERS = tuple((study, "micro-qwen2") for study in ("lora", "rank", "bridge", "lens"))  # beside micro-gpt2


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with its book in the smoke profile, each study also on another model, executed once."""

    def make(project: Path) -> None:
        others = ("measure", "--studies", " ".join(s for s, _ in OTHERS), "--models", OTHERS[0][1])
        for action in (others, ("book",)):
            made = make_book(project, *action, "--profile", "smoke")
            assert made.returncode == 0, made.stdout + made.stderr

    return made_once(tmp_path_factory, "smoke", make)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved model of each family, which no test may change."""
    made = {family: tmp_path_factory.mktemp(family) for family in tiny.FAMILIES}
    for family, folder in made.items():
        tiny.save(folder, family)
    return made
