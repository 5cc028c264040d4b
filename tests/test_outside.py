"""A wheel of the library outside of the repository: the examples of the README run from an empty folder."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lglib

MOST_LINES = 15
NO_PROJECT = """
from lglib import studies
from lglib.studies import rank

assert studies.parameters("rank", model="micro-gpt2") == rank.Parameters(model="micro-gpt2")
try:
    studies.observed("theory")
except studies.NotMeasurable as why:
    print(why)
"""


@pytest.fixture(scope="module")
def unpacked(root, tmp_path_factory) -> Path:
    """The content of a wheel built from a copy of the sources, in a folder of its own."""
    work = tmp_path_factory.mktemp("wheel")
    (work / "source").mkdir()
    shutil.copytree(root / "lglib", work / "source" / "lglib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(root / name, work / "source" / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(work), str(work / "source")], check=True)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "installed")
    return work / "installed"


def run(unpacked: Path, empty: Path, code: str) -> str:
    """What a script prints that runs in an empty folder, with nothing of ours but the wheel's content."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def readme_scripts(root: Path) -> list[str]:
    own = (root / "README.md").read_text(encoding="utf-8").split("## In your own work")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", own, re.DOTALL)


def test_the_wheel_is_what_is_imported_and_its_models_load(unpacked, tmp_path):
    code = "import lglib; print(lglib.__file__); print(lglib.load('micro-qwen2').parameters)"
    where, numbers = run(unpacked, tmp_path, code).split()
    assert Path(where).is_relative_to(unpacked)
    assert int(numbers) > 800_000


def test_the_readme_has_three_short_scripts(root):
    scripts = readme_scripts(root)
    assert len(scripts) == 3
    assert all(len(code.strip().splitlines()) <= MOST_LINES for code in scripts)


def test_a_prefix_capture_of_a_run_stands_beside_all_its_nulls(root, unpacked, tmp_path):
    told = run(unpacked, tmp_path, readme_scripts(root)[0])
    for what in (
        "by the first 10 of 100 updates",
        "still to come",
        "random subspace",
        "random walk",
        "energy",
    ):
        assert what in told
    assert list(tmp_path.iterdir()) == []


def test_a_caa_vector_steers_towards_yes_and_away_from_it(root, unpacked, tmp_path):
    lines = [line.split() for line in run(unpacked, tmp_path, readme_scripts(root)[1]).splitlines()]
    away, plain, towards = (float(re.sub(r"[^0-9.]", "", words[1])) for words in lines)
    assert away + 0.1 < plain < towards - 0.1


def test_the_best_step_of_a_search_is_found_and_gains_elsewhere_too(root, unpacked, tmp_path):
    told = run(unpacked, tmp_path, readme_scripts(root)[2])
    assert told.startswith("sigma* = 0.0")
    held_out = [float(x) for x in re.findall(r"held out (-?[0-9.]+)", told)]
    assert len(held_out) == 3
    assert held_out[0] > 0


def test_about_thirty_names_make_the_face_and_each_has_an_executed_example():
    assert 28 <= len(lglib.__all__) <= 34
    for name in lglib.__all__:
        one = getattr(lglib, name)
        if not hasattr(one, "__path__") and type(one).__name__ != "module":
            assert ">>>" in (one.__doc__ or ""), name


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(AttributeError, match=r"no attribute 'subspace_capture'.*Subspace"):
        _ = lglib.subspace_capture


def test_importing_the_library_imports_neither_torch_nor_transformers():
    code = "import sys, lglib; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_of_the_face_is_in_the_room_that_it_says():
    for name, room in lglib._FACE.items():
        module = importlib.import_module("lglib." + (f"{room}.{name}" if room == "theory" else room))
        assert module is not None


def test_exercises_find_their_parameters_where_there_is_no_project(unpacked, tmp_path):
    told = run(unpacked, tmp_path, NO_PROJECT)
    assert "the observations are in the repository" in told
