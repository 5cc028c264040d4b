"""A small project for tests of the pipeline: two fake studies that take no time, two notebooks, one page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

from workflow import pairs

STUDY = '''"""A fake study."""

from functools import partial

from lglib.report import sections
from lglib.report.observations import Observations
from lglib.studies.base import Parameters as Base
from lglib.studies.base import parameter
{imports}


class Parameters(Base):
    """Its parameters."""

    model: str = parameter("mini", "a model", unit="name")
    steps: int = parameter(3, "how many rows", ge=1, le=100)


def measure(parameters, seed, *, found=None, keep=None):
    """Measure it, a section a row."""
    found = Observations() if found is None else found

    def row(k):
        value = {value}
        found.add("T1", "gain", value, null=0.0, null_means="nothing", k=k)

    rows = {{f"row {{k}}": partial(row, k) for k in range(parameters.steps)}}
    sections.measure_sections(found, rows, keep=keep)
    return found


def verify(parameters, seed):
    """Measure a part of it."""
    return measure(parameters.changed(steps=1), seed)
'''
CHAPTER = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # {title}
#
# Some prose.

# %% tags=["parameters"]
profile = "quick"
seed = 0

# %%
from lglib.studies import {study}, observed

{work}

# %%
print(observed("{study}", profile))
print(observed("{study}", profile).frame["value"].tolist())
"""
TOC = """format: jb-book
root: book/intro
chapters:
  - file: book/chapters/01_one
  - file: book/chapters/02_two
"""
PROFILE = """one:
  runs: {mini: [0, 1]}
  parameters: {}
two:
  runs: {mini: [0]}
  parameters: {}
"""
OWN = {
    "__init__.py",
    "base.py",
    "limits.py",
    "naming.py",
    "profiles.py",
    "words.py",
}  # of lglib/studies: what is no study


def write_study(project: Path, name: str, value: str = "seed + k / 10", imports: str = "") -> None:
    """Write a fake study whose rows are `value`."""
    (project / "lglib" / "studies" / f"{name}.py").write_text(STUDY.format(value=value, imports=imports))


def write_chapter(project: Path, name: str, work: str = "1 + 1") -> None:
    """Write a notebook pair that does `work` and shows the observations of its study."""
    study = name.split("_")[1]
    text = CHAPTER.format(title=study.title(), study=study, work=work)
    (project / "notebooks" / f"{name}.py").write_text(text)
    (project / "notebooks" / f"{name}.ipynb").unlink(missing_ok=True)
    pairs.sync(project)


def make(target: Path) -> Path:
    """Make the small project: nothing is measured or executed yet."""
    for folder in ("lglib", "workflow"):
        shutil.copytree(ROOT / folder, target / folder, ignore=_left_out)
    for folder in ("notebooks", "config", "results", "book/chapters", "book/_ext", "book/_static"):
        (target / folder).mkdir(parents=True)
    for folder in ("book/_ext", "book/_static"):
        shutil.copytree(ROOT / folder, target / folder, dirs_exist_ok=True)
    for name in (
        "_config.yml",
        "pyproject.toml",
        "notebooks/jupytext.toml",
        "book/references.bib",
        ".gitignore",
    ):
        shutil.copy2(ROOT / name, target / name)
    names = target / "lglib" / "report" / "provenance.py"
    names.write_text(re.sub(r"STUDIES = \(.*?\)", 'STUDIES = ("one", "two")', names.read_text(), count=1))
    for profile in ("smoke", "quick", "paper"):
        (target / "config" / f"{profile}.yml").write_text(PROFILE)
    (target / "_toc.yml").write_text(TOC)
    (target / "book" / "intro.md").write_text("# Mini\n")
    write_study(target, "one", imports="from lglib.theory import maxima  # a tool of this study only")
    write_study(target, "two")
    write_chapter(target, "01_one")
    write_chapter(target, "02_two")
    return target


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What a small project does without: the real studies, and weights."""
    real = set(names) - OWN if Path(folder) == ROOT / "lglib" / "studies" else set()
    return real | ({"__pycache__", "weights"} & set(names))


def drive(project: Path, *arguments: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """What make runs, in a copy of the project, with this interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.drive", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=False,
        **kwargs,
    )


def started(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """The same, going on beside the test, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "workflow.drive", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(project)},
        start_new_session=True,
    )


def observations(project: Path, profile: str = "quick") -> dict[str, int]:
    """When each fresh observation was made."""
    folder = project / "runs" / "observations" / profile
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*.csv"))}


def executed(project: Path, profile: str = "quick") -> dict[str, int]:
    """When each chapter was executed."""
    folder = project / "runs" / profile / "chapters"
    return {p.stem: p.stat().st_mtime_ns for p in folder.glob("[0-9]*.ipynb")}


def page(project: Path, name: str) -> str:
    """The built page of a chapter."""
    return (project / "_build" / "html" / "book" / "chapters" / f"{name}.html").read_text()
