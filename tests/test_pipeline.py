"""`make book` on a small project: what runs, what does not, and what survives a fault, a kill and an edit."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mini
import pytest
from mini import drive, executed, observations, page

from lglib import studies
from lglib.report import provenance
from workflow import execute, plan, request, terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, all measured and with its book, which no test may change."""
    project = mini.make(tmp_path_factory.mktemp("built") / "mini")
    made = drive(project, "measure")
    assert made.returncode == 0, made.stderr
    made = drive(project, "book")
    assert made.returncode == 0, made.stderr
    assert "The book stands" in made.stdout
    assert "[01_one]  cell   1 of" in made.stderr  # progress: chapter, cell of how many
    assert "measuring" not in made.stderr
    return project


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy of it: all stands, nothing is to be made."""
    shutil.copytree(built, tmp_path / "mini", symlinks=True)
    return tmp_path / "mini"


@pytest.fixture
def look(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], plan.State]:
    """Look at the copy from this process, which has loaded the studies of the real project."""
    monkeypatch.setattr(provenance, "STUDIES", ("one", "two"))
    monkeypatch.setattr(studies, "NAMES", ("one", "two"))
    fake = type("Fake", (studies.Parameters,), {"__annotations__": {"steps": int}, "steps": 3})
    monkeypatch.setattr(studies, "planned", lambda name, profile, root: fake(model="mini"))
    monkeypatch.setattr(studies, "declared", lambda name: fake)
    return lambda: plan.State("quick", project)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def by_hand(project: Path, chapter: str) -> subprocess.CompletedProcess[str]:
    """One chapter, as a user executes it."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.execute", chapter],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def stands(made: subprocess.CompletedProcess[str]) -> bool:
    """Whether make book said so, and meant it."""
    assert ("The book stands" in made.stdout) == (made.returncode == 0), made.stderr
    return made.returncode == 0


def wait_for(there, process: subprocess.Popen[str]) -> None:
    """Until something is there, while the process lives."""
    deadline = time.monotonic() + 180  # of a busy machine
    while not there():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come this far"
        time.sleep(0.05)


def test_a_book_is_made_once_and_remade_only_where_something_changed(project):
    measured, first = observations(project), executed(project)
    merged = project / "_build" / "quick" / "site" / "book" / "chapters" / "02_two.ipynb"
    shown = merged.read_bytes()
    again = drive(project, "book")
    assert stands(again)
    assert again.stderr == ""  # nothing was measured, executed or built

    edit(project / "notebooks" / "01_one.py", "Some prose.", "Better prose.")
    assert stands(drive(project, "book"))
    assert executed(project) == first  # a prose edit executes nothing
    assert "Better prose" in page(project, "01_one")

    edit(project / "notebooks" / "01_one.py", "1 + 1", "1 + 2")
    (project / "runs" / "quick" / "chapters" / "02_two.ipynb").unlink()
    assert stands(drive(project, "book"))
    assert executed(project)["01_one"] != first["01_one"]
    assert observations(project) == measured  # no notebook measures
    assert merged.read_bytes() == shown  # a second execution shows the same bytes


def test_a_change_of_prose_or_figure_never_makes_an_observation_stale(project, look):
    figures, study = project / "lglib" / "report" / "frames.py", project / "lglib" / "studies" / "one.py"
    figures.write_text(figures.read_text() + "\n\nLABEL = 'another label'\n")
    edit(study, '"""Measure it, a section a row."""', '"""Measure it, said better."""  # and a comment')
    edit(project / "notebooks" / "02_two.ipynb", "1 + 1", "1 + 2")
    state = look()
    assert state.missing(request.runs("quick", project)) == []
    assert not state.chapter_stands("01_one")  # a page shows the new figure


def test_a_change_in_a_tool_makes_stale_just_the_studies_that_use_it(project):
    before = observations(project)
    tool = project / "lglib" / "theory" / "maxima.py"  # imported by study one only
    tool.write_text(tool.read_text() + "\n\nNEW = 1\n")
    made = drive(project, "measure")
    assert made.returncode == 0, made.stderr
    assert "2 of 3 runs are to be measured" in made.stderr
    changed = {name for name, when in observations(project).items() if when != before[name]}
    assert changed == {"mini/seed0/one.csv", "mini/seed1/one.csv"}


def test_a_changed_parameter_makes_its_study_stale_and_the_page_names_what_it_left_out(project):
    edit(project / "config" / "quick.yml", "parameters: {}\ntwo", "parameters: {steps: 2}\ntwo")
    assert drive(project, "measure", "--seeds", "0", "--studies", "one").returncode == 0
    done = by_hand(project, "01")
    assert done.returncode == 0, done.stderr
    text = (project / "runs" / "quick" / "chapters" / "01_one.ipynb").read_text()
    assert "mini: seeds 0" in text
    assert re.search(r"seed1/one\.csv: made with other parameters \(steps\)", text)


def test_a_book_from_a_clean_clone_leaves_git_status_clean(project):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(project)]
    assert drive(project, "publish").returncode == 0
    shutil.rmtree(project / "runs")
    shutil.rmtree(project / "_build")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    made = drive(project, "book")
    assert stands(made)
    assert "measuring" not in made.stderr  # what is published is not measured again
    done = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize("how", ["deleted", "cut off", "its stamp is gone", "made from other code"])
def test_an_executed_chapter_that_is_not_whole_or_not_current_does_not_stand(project, look, how):
    path = project / "runs" / "quick" / "chapters" / "02_two.ipynb"
    assert look().chapter_stands("02_two")
    if how == "deleted":
        path.unlink()
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "its stamp is gone":
        path.with_suffix(".json").write_text("{")
    else:
        edit(project / "notebooks" / "02_two.ipynb", "1 + 1", "1 + 2")
    state = look()
    assert not state.chapter_stands("02_two")
    assert state.chapter_stands("01_one")
    assert not state.book_stands(state.chapters)


def test_a_book_of_which_a_page_was_deleted_or_cut_off_does_not_stand(project, look):
    assert look().book_stands(["01_one", "02_two"])
    path = project / "_build" / "html" / "book" / "chapters" / "01_one.html"
    path.write_bytes(path.read_bytes()[:-100])
    assert not look().book_stands(["01_one", "02_two"])
    path.unlink()
    assert not look().book_stands(["01_one", "02_two"])


@pytest.mark.long
def test_a_corrupt_published_chapter_is_not_shown_and_is_replaced_when_published(project):
    published = project / "book" / "chapters" / "01_one.ipynb"
    published.write_text("{ no notebook")
    assert stands(drive(project, "book"))
    shutil.move(project / "runs" / "quick" / "chapters" / "01_one.ipynb", project / "away.ipynb")
    refused = drive(project, "book", "--chapters", "02")
    assert not stands(refused)
    assert (
        "01_one: book/chapters/01_one.ipynb is no whole notebook; run: make book CHAPTERS=01"
        in refused.stderr
    )
    assert stands(drive(project, "book"))
    assert drive(project, "publish").returncode == 0
    assert "Some prose" in published.read_text()


def test_after_a_failed_build_the_next_one_fails_too_and_the_old_pages_stay(project):
    edit(project / "book" / "intro.md", "# Mini\n", "# Mini\n\n{doc}`nowhere`\n")
    for _ in range(2):
        failed = drive(project, "book")
        assert not stands(failed)
        assert "strict build failed" in failed.stderr
        assert "nowhere" in failed.stderr
        assert (project / "_build" / "html" / "book" / "intro.html").exists()
    edit(project / "book" / "intro.md", "\n{doc}`nowhere`\n", "")
    assert stands(drive(project, "book"))


@pytest.mark.long
def test_a_failing_notebook_is_named_with_cell_error_and_log_and_hurts_nothing_else(project):
    html = page(project, "01_one")
    mini.write_chapter(project, "01_one", work="object()")  # shows an address of this machine
    mini.write_chapter(project, "02_two", work="raise RuntimeError('the roof fell in')")
    for _ in range(2):
        failed = drive(project, "book")
        assert not stands(failed)
        for told in (
            "FAILED: notebooks/02_two.ipynb",
            "cell   3 of 4",
            "RuntimeError: the roof fell in",
            "log    runs/quick/chapters/02_two.log",
        ):
            assert told in failed.stderr
    assert "the roof fell in" in (project / "runs" / "quick" / "chapters" / "02_two.log").read_text()
    assert "[01_one]" not in failed.stderr  # executed the first time, and it stands
    assert page(project, "01_one") == html  # the book that stood still stands
    assert not list(project.rglob("*.tmp"))
    mini.write_chapter(project, "02_two")
    for _ in range(2):  # a chapter that may not be shown is refused, and the next time too
        refused = drive(project, "book")
        assert not stands(refused)
        assert "01_one, code cell 2 ('from lglib.studies import one, observed')" in refused.stderr
        assert "its output holds a path or address of this machine" in refused.stderr


def test_a_termination_during_the_build_leaves_the_old_pages_and_the_next_book_builds(project):
    edit(project / "book" / "intro.md", "# Mini\n", "# Mini\n\nNew words.\n")
    process = mini.started(project, "book")
    log = project / "runs" / "quick" / "book.log"
    log.unlink()
    wait_for(log.exists, process)
    process.terminate()  # the driver alone; it passes it on
    told, _ = process.communicate(timeout=180)
    assert process.returncode == 128 + signal.SIGTERM, told
    assert "The book stands" not in told
    assert "New words" not in (project / "_build" / "html" / "book" / "intro.html").read_text()
    assert stands(drive(project, "book"))
    assert "New words" in (project / "_build" / "html" / "book" / "intro.html").read_text()


@pytest.mark.long
def test_a_driver_killed_alone_keeps_the_lock_as_long_as_its_children_live(project):
    first = executed(project)
    pause = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.1)"
    mini.write_chapter(project, "02_two", work=pause)
    process = mini.started(project, "book")
    live = project / "runs" / "quick" / "chapters" / ".02_two.live.ipynb"
    wait_for(live.exists, process)
    process.kill()
    process.wait()
    refused = drive(project, "book")
    assert refused.returncode == 2
    assert "another run is at work in this folder" in refused.stderr
    for child in children(project):
        with contextlib.suppress(ProcessLookupError):  # it ended with its parent
            os.kill(child, signal.SIGKILL)
    assert executed(project) == first  # no half file
    (project / "go").touch()
    assert stands(drive(project, "book"))
    assert executed(project)["01_one"] == first["01_one"]  # what was finished was not done again
    assert not live.exists()


def children(project: Path) -> list[int]:
    """Processes that work in a project, kernels aside: those end with their parent."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (
                Path(os.readlink(folder / "cwd")) == project
                and b"workflow" in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended, or is not ours
    return found


def test_a_second_run_in_the_same_folder_waits_its_turn(project):
    with terminal.alone(project):
        for action in ("book", "measure", "publish", "verify"):
            refused = drive(project, action)
            assert refused.returncode == 2
            assert "another run is at work" in refused.stderr
    with terminal.at_work(project), pytest.raises(terminal.Busy), terminal.alone(project):
        pass


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--profile", "quik"], "profile is 'quik'; there is: paper, quick, smoke"),
        (["--chapters", "09"], "CHAPTERS has '09'; there is: 01_one, 02_two"),
        (["--seeds", "0 x"], "SEEDS has 'x'; a seed is a whole number"),
        (["--studies", "three"], "STUDIES has 'three'; there is: one, two"),
        (["--models", "../x"], "MODELS has '../x'; a model is"),
        (["--models", "other"], "MODELS has 'other', which is not in the plan of quick; name STUDIES too"),
        (["--cores", "0"], "CORES is '0'; it is a whole number from 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_starts(project, arguments, told):
    shutil.rmtree(project / "runs")
    refused = drive(project, "book", *arguments)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (project / "runs").exists()


@pytest.mark.long
def test_another_profile_in_a_folder_with_a_space_touches_no_other_book(project):
    deep = project.parent / "my own 'mini' \"$HOME\" #1 é {b}" / ("x" * 200)
    deep.mkdir(parents=True)
    project = project.rename(deep / "mini")  # what stood still stands
    html, measured = page(project, "01_one"), observations(project)
    made = drive(project, "book", "--profile", "smoke")
    assert stands(made)
    assert "one on mini: nothing current is filed; measuring one run of it" in made.stderr
    assert sorted(observations(project, "smoke")) == ["mini/seed0/one.csv", "mini/seed0/two.csv"]
    assert (project / "_build" / "smoke" / "html" / "book" / "chapters" / "01_one.html").exists()
    assert (page(project, "01_one"), observations(project)) == (html, measured)
    assert drive(project, "publish", "--profile", "smoke").returncode == 2  # quick alone is published


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("import sys\nsys.exit(0)", [r"cell   3 of 4", r"SystemExit: 0 ended the run"]),
        ("import os\nos._exit(1)", [r"cell   3 of 4", r"error  .*[Kk]ernel died"]),
        ("print(observed('one', 'smoke'))", [r"no observation of study one in profile smoke counts"]),
    ],
    ids=["sys.exit(0)", "dead kernel", "no observations"],
)
def test_a_chapter_that_did_not_run_to_its_end_is_not_kept_and_says_where_it_stopped(project, work, told):
    mini.write_chapter(project, "01_one", work=work)
    before = executed(project)
    done = by_hand(project, "01")
    assert done.returncode == 1
    assert "FAILED: notebooks/01_one.ipynb" in done.stderr
    for line in told:
        assert re.search(line, done.stderr)
    after = executed(project)
    assert after.pop("01_one.failed")
    assert after == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["01", "--profile", "quik"], "execute: profile is 'quik'"), (["09"], "execute: CHAPTERS has '09'")],
)
def test_execute_by_hand_refuses_what_makes_no_sense_in_one_line(root, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(root)
    assert execute.main(arguments) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_progress_within_a_cell_reaches_the_terminal_and_leaves_no_file(tmp_path, capsys):
    path = tmp_path / ".progress"
    with terminal.following(path, "[x seed 0]", pause=0.01), path.open("a") as file:
        file.write("base model: 10 of 500\n")
    assert capsys.readouterr().err == "[x seed 0]    base model: 10 of 500\n"
    assert not path.exists()


@pytest.mark.long
def test_papermill_and_jupyter_book_work_by_hand(project):
    environment = {**os.environ, "PYTHONPATH": str(project)}
    tools = Path(sys.executable).parent
    for name in ("01_one", "02_two"):
        command = [tools / "papermill", "-k", "python3", "--no-progress-bar", f"notebooks/{name}.ipynb"]
        done = subprocess.run(
            [*command, f"book/chapters/{name}.ipynb"], cwd=project, env=environment, check=False
        )
        assert done.returncode == 0
    shutil.rmtree(project / "_build")
    built = subprocess.run([tools / "jupyter-book", "build", "."], cwd=project, env=environment, check=False)
    assert built.returncode == 0
    assert "Some prose" in page(project, "01_one")


def test_the_stamp_of_a_book_holds_every_kind_of_source(project, look):
    chapters = ["01_one", "02_two"]
    before = look().book_stamp(chapters)
    sources = ("_toc.yml", "book/intro.md", "book/_static/custom.css", "lglib/theory/stats.py")
    (filed,) = project.glob("runs/observations/quick/*/seed0/one.csv")  # pages offer it for download
    executed = ("notebooks/02_two.ipynb", "runs/quick/chapters/02_two.ipynb")
    for name in (*sources, *executed, str(filed.relative_to(project))):
        path = project / name
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n")
        assert look().book_stamp(chapters) != before, name
        path.write_bytes(whole)
    assert look().book_stamp(chapters) == before


def test_the_stamp_of_a_chapter_holds_the_figures_that_were_typed_for_it_and_no_other(project, look):
    before = {name: look().chapter_stamp(name) for name in ("01_one", "02_two")}
    typed = project / "book" / "data" / "02_two" / "found.csv"
    typed.parent.mkdir(parents=True)
    typed.write_text("value\n1\n")
    assert look().chapter_stamp("01_one") == before["01_one"]
    assert look().chapter_stamp("02_two") != before["02_two"]
    shutil.rmtree(project / "book" / "data")
    assert look().chapter_stamp("02_two") == before["02_two"]
