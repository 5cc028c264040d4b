"""`make book` on a small project: what runs, what does not, and what survives a fault, a kill and an edit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import copy_project, make_book

from workflow import execute, pairs

pytestmark = pytest.mark.slow

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
from lglib import across, results
from lglib.results import Record

{work}

# %%
record = Record("T1", "{title}", value, value - 1, value + 1, 3, "1", 0.0, "nothing")
path = results.write(
    [record], chapter="{name}", profile=profile, model="mini", seed=seed, parameters={{}}, device="cpu"
)
print(across.seeds(path))
"""
TOC = """format: jb-book
root: book/intro
chapters:
  - file: book/chapters/01_one
  - file: book/chapters/02_two
"""


def write_chapter(project: Path, name: str, work: str = "value = float(seed)") -> None:
    """A notebook pair of one measured value."""
    text = CHAPTER.format(title=name.split("_")[1].title(), name=name, work=work)
    (project / "notebooks" / f"{name}.py").write_text(text)
    (project / "notebooks" / f"{name}.ipynb").unlink(missing_ok=True)
    pairs.sync(project)


def make_mini(target: Path) -> Path:
    """The project with two tiny chapters and a one-page book instead of its own."""
    project = copy_project(target)
    for path in [*(project / "notebooks").glob("0*"), *(project / "book").rglob("*.md")]:
        path.unlink()
    for path in [*(project / "book" / "chapters").iterdir(), *(project / "results").rglob("*.json")]:
        path.unlink()
    for profile in ("smoke", "quick", "paper", "schema"):
        (project / "config" / f"{profile}.yml").write_text("{}\n")
    (project / "_toc.yml").write_text(TOC)
    (project / "book" / "intro.md").write_text("# Mini\n")
    write_chapter(project, "01_one")
    write_chapter(project, "02_two")
    return project


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    return make_mini(tmp_path / "mini")


def runs(project: Path) -> dict[str, int]:
    """When each raw run was made."""
    return {
        str(p.relative_to(project)): p.stat().st_mtime_ns for p in (project / "runs").glob("*/seed*/*.ipynb")
    }


def chapter(project: Path, name: str) -> Path:
    return project / "book" / "chapters" / f"{name}.ipynb"


def page(project: Path, name: str) -> str:
    return (project / "_build" / "html" / "book" / "chapters" / f"{name}.html").read_text()


def test_a_book_is_made_once_and_remade_only_where_something_changed(mini):
    made = make_book(mini)
    assert made.returncode == 0, made.stderr
    assert "The book stands" in made.stdout
    assert "[01_one seed 0]  cell   1 of" in made.stderr  # progress: chapter, cell of how many
    assert "Some prose" in page(mini, "01_one")
    first, published = runs(mini), chapter(mini, "01_one").read_bytes()

    again = make_book(mini)
    assert again.returncode == 0
    assert "cell" not in again.stderr
    assert "building" not in again.stderr  # nothing to do: nothing was built

    script = mini / "notebooks" / "01_one.py"
    script.write_text(script.read_text().replace("Some prose.", "Better prose."))
    assert make_book(mini).returncode == 0
    assert runs(mini) == first  # a prose edit executes nothing
    assert "Better prose" in page(mini, "01_one")

    script.write_text(script.read_text().replace("float(seed)", "float(seed) + 1"))
    assert make_book(mini).returncode == 0
    after = runs(mini)
    changed = {name for name in first if after[name] != first[name]}
    assert changed == {"runs/quick/seed0/01_one.ipynb"}  # a code edit executes its own chapter only
    assert chapter(mini, "01_one").read_bytes() != published


def test_two_runs_from_nothing_publish_the_same_bytes(mini):
    assert "02_two: not executed yet" in make_book(mini, "--chapters", "01").stderr
    first = chapter(mini, "01_one").read_bytes()
    (mini / "runs" / "quick" / "seed0" / "01_one.ipynb").unlink()
    chapter(mini, "01_one").unlink()
    make_book(mini, "--chapters", "01")
    assert chapter(mini, "01_one").read_bytes() == first


def test_other_seeds_come_first_and_seed_zero_shows_them(mini):
    make_book(mini, "--chapters", "02", "--seeds", "1 2")
    stored = sorted(p.parent.name for p in (mini / "results" / "quick" / "mini").glob("seed*/02_two.json"))
    assert stored == ["seed0", "seed1", "seed2"]
    assert "3 seeds (0, 1, 2)" in chapter(mini, "02_two").read_text()
    before = runs(mini)
    make_book(mini, "--chapters", "02")
    assert runs(mini) == before  # asking for fewer seeds is no reason to run seed 0 again

    write_chapter(mini, "02_two", work="value = float(seed) + 5")  # now seeds 1 and 2 are stale
    make_book(mini, "--chapters", "02")
    text = chapter(mini, "02_two").read_text()
    assert "1 seed (0)" in text
    assert "seed 1 left out: made by other code" in text


def test_a_seed_that_fails_in_one_chapter_does_not_keep_the_others_from_the_book(mini):
    write_chapter(mini, "01_one", work="value = 1.0 / (1 - seed)")
    failed = make_book(mini, "--seeds", "1")
    assert failed.returncode != 0
    assert "ZeroDivisionError" in failed.stderr
    assert "2 seeds (0, 1)" in chapter(mini, "02_two").read_text()


def test_a_failing_notebook_is_named_with_cell_error_and_log_and_hurts_nothing_else(mini):
    assert make_book(mini).returncode == 0
    before = chapter(mini, "02_two").read_bytes()
    html = page(mini, "01_one")
    write_chapter(mini, "01_one", work="value = float(seed) + 3")
    write_chapter(mini, "02_two", work="raise RuntimeError('the roof fell in')")
    failed = make_book(mini)
    assert failed.returncode != 0
    for told in (
        "FAILED: notebooks/02_two.ipynb",
        "cell   3 of 4",
        "RuntimeError: the roof fell in",
        "log    runs/quick/seed0/02_two.log",
    ):
        assert told in failed.stderr
    assert "the roof fell in" in (mini / "runs" / "quick" / "seed0" / "02_two.log").read_text()
    assert "seed) + 3" in chapter(mini, "01_one").read_text()  # the other chapter was run and published
    assert chapter(mini, "02_two").read_bytes() == before  # no traceback took the chapter's place
    assert page(mini, "01_one") == html  # the book that stood still stands
    assert not list(mini.rglob("*.tmp"))


def test_a_build_that_is_killed_leaves_no_half_file_and_is_taken_up_again(mini):
    write_chapter(
        mini,
        "02_two",
        work="import time\ntime.sleep(600 if not __import__('os').path.exists('go') else 0)\nvalue = 1.0",
    )
    started = subprocess.Popen(
        [sys.executable, "-m", "workflow.book", "--cores", "2"],  # one after the other, in either order, else
        cwd=mini,
        env={**os.environ, "PYTHONPATH": str(mini)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    live = mini / "runs" / "quick" / "seed0" / ".02_two.live.ipynb"
    deadline = time.monotonic() + 90
    try:
        while not (live.exists() and chapter(mini, "01_one").exists()):  # published, so its run is on record
            assert time.monotonic() < deadline, "the run did not come this far"
            time.sleep(0.2)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    assert not (mini / "runs" / "quick" / "seed0" / "02_two.ipynb").exists()
    assert not chapter(mini, "02_two").exists()
    for path in (mini / "results").rglob("*.json"):
        json.loads(path.read_text())  # whole
    done = runs(mini)["runs/quick/seed0/01_one.ipynb"]

    (mini / "go").touch()
    resumed = make_book(mini)
    assert resumed.returncode == 0, resumed.stderr
    assert runs(mini)["runs/quick/seed0/01_one.ipynb"] == done  # what was finished was not done again
    assert "Some prose" in page(mini, "02_two")


def test_a_second_build_in_the_same_folder_waits_its_turn(mini):
    import fcntl

    (mini / "runs").mkdir()
    with (mini / "runs" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = make_book(mini)
    assert refused.returncode == 2
    assert "another `make book` is running" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--profile", "quik"], "PROFILE is 'quik'; there is: paper, quick, smoke"),
        (["--chapters", "09"], "CHAPTERS has '09'; there is: 01_one, 02_two"),
        (["--seeds", "0 x"], "SEEDS has 'x'; a seed is a whole number"),
        (["--cores", "0"], "CORES is '0'; it is a whole number from 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_starts(mini, arguments, told):
    refused = make_book(mini, *arguments)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (mini / "runs").exists()


def test_a_page_with_a_broken_link_is_not_built_and_the_old_book_stands(mini):
    assert make_book(mini).returncode == 0
    (mini / "book" / "intro.md").write_text("# Mini\n\n{doc}`nowhere`\n")
    failed = make_book(mini)
    assert failed.returncode != 0
    assert "strict build failed" in failed.stderr
    assert "nowhere" in failed.stderr
    assert (mini / "_build" / "html" / "book" / "intro.html").exists()


def test_another_profile_leaves_the_committed_chapters_and_results_alone(mini):
    assert make_book(mini).returncode == 0
    kept = {
        p: p.read_bytes()
        for folder in ("book/chapters", "results/quick")
        for p in (mini / folder).rglob("*.*")
    }
    made = make_book(mini, "--profile", "smoke")
    assert made.returncode == 0, made.stderr
    assert {p: p.read_bytes() for p in kept} == kept
    assert (mini / "_build" / "smoke" / "html" / "book" / "chapters" / "01_one.html").exists()


def test_a_notebook_that_records_nothing_or_twice_is_refused(mini, monkeypatch):
    monkeypatch.setenv("LG_RESULTS", "")
    script = mini / "notebooks" / "01_one.py"
    script.write_text(script.read_text().replace("path = results.write(", "path = (lambda *a, **k: None)("))
    script.write_text(script.read_text().replace("print(across.seeds(path))", "print(1)"))
    pairs.sync(mini)
    monkeypatch.chdir(mini)
    with pytest.raises(SystemExit, match=r"must call results\.write once, it wrote 0 files"):
        execute.execute("01_one", profile="quick", seed=0, root=mini)


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("import sys\nvalue = 1.0\nsys.exit(0)", [r"cell   3 of 4", r"SystemExit: 0 ended the run"]),
        ("import os\nos._exit(1)", [r"cell   3 of 4", r"error  .*[Kk]ernel died"]),
        ("seed, value = 7, 1.0", [r"filed seed 7, it was run for 0"]),
        ("if (n := globals().get('n', 0) + 1) > 1:\n    raise RuntimeError\nvalue = 1.0", [r"cell   4 of 5"]),
    ],
    ids=["sys.exit(0)", "dead kernel", "another seed", "the second of two equal cells"],
)
def test_a_run_that_did_not_do_what_was_asked_files_nothing_and_says_where_it_stopped(
    mini, monkeypatch, work, told
):
    monkeypatch.setenv("LG_RESULTS", "")
    monkeypatch.chdir(mini)
    write_chapter(mini, "01_one", work=work)
    if "n :=" in work:
        path = mini / "notebooks" / "01_one.ipynb"
        notebook = json.loads(path.read_text())
        notebook["cells"].insert(3, notebook["cells"][2] | {"id": "twin"})
        path.write_text(json.dumps(notebook))
    with pytest.raises(SystemExit) as caught:
        execute.execute("01_one", profile="quick", seed=0, root=mini)
    assert "FAILED: notebooks/01_one.ipynb" in str(caught.value)
    for line in told:
        assert re.search(line, str(caught.value))
    assert not list((mini / "results").rglob("*.json"))
    assert not (mini / "runs" / "quick" / "seed0" / "01_one.ipynb").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["01_one", "--profile", "quik"], "execute: PROFILE is 'quik'"),
        (["09_none"], "execute: chapter is '09_none'; there is: 01_one, 02_two"),
        (["01_one", "--seed", "-1"], "a seed is a whole number from 0"),
        (["01_one", "--seed", ""], "seed is ''"),
    ],
)
def test_execute_by_hand_refuses_what_makes_no_sense_in_one_line(mini, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(mini)
    argv = [f"--seed={arguments[2]}", arguments[0]] if "--seed" in arguments else arguments
    assert execute.main(argv) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_project_folder_with_a_space_in_its_name_works(tmp_path):
    project = make_mini(tmp_path / "my own 'mini' $book")
    made = make_book(project)
    assert made.returncode == 0, made.stderr
    assert "Some prose" in page(project, "01_one")


def test_progress_within_a_cell_reaches_the_terminal_and_leaves_no_file(tmp_path, capsys):
    path = tmp_path / ".progress"
    with execute.following(path, "[x seed 0]", pause=0.01), path.open("a") as file:
        file.write("base model: 10 of 500\n")
    assert capsys.readouterr().err == "[x seed 0]    base model: 10 of 500\n"
    assert not path.exists()


def test_papermill_and_jupyter_book_work_by_hand(mini):
    environment = {**os.environ, "PYTHONPATH": str(mini), "LG_RESULTS": ""}
    tools = Path(sys.executable).parent
    for name in ("01_one", "02_two"):
        command = [tools / "papermill", "-k", "python3", "--no-progress-bar", f"notebooks/{name}.ipynb"]
        done = subprocess.run(
            [*command, f"book/chapters/{name}.ipynb"], cwd=mini, env=environment, check=False
        )
        assert done.returncode == 0
    built = subprocess.run([tools / "jupyter-book", "build", "."], cwd=mini, env=environment, check=False)
    assert built.returncode == 0
    assert "Some prose" in page(mini, "01_one")
