"""Kill a run of the pipeline and look at what it leaves: used by test_kills.py and benchmarks/kills.py."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mini
import nbformat

from lglib.report import filing

MARK = "LG_KILLS"  # in the environment of all that a killed run has started
COMMANDS = {"measure": "measure", "execute": "book", "build": "book", "publish": "publish"}  # by stage
MOMENTS = {  # files that are there when a stage has begun, is at work, has made something
    "measure": ("runs/.asked.json", "runs/logs/**/*.progress", "runs/observations/**/*.json"),
    "execute": ("runs/.asked.json", "runs/quick/chapters/.*.live.ipynb", "runs/quick/chapters/[0-9]*.json"),
    "build": ("runs/.asked.json", "_build/.html.new/*", "_build/.html.new/_build/html/index.html"),
    "publish": ("runs/quick/published/*", "results/quick/mini/seed0/one.json", "book/chapters/01_one.ipynb"),
}
LATER = {"measure": 2.0, "execute": 2.0, "build": 2.0, "publish": 0.3}  # seconds after a moment, at most
SIGNALS = (("SIGKILL", "all"), ("SIGTERM", "driver"), ("SIGINT", "driver"), ("SIGKILL", "driver"))
MADE = {  # what a stage makes: removed before each kill, so that there is all of its work to do
    "measure": ("runs/observations/quick",),
    "execute": ("runs/quick/chapters",),
    "build": ("_build/html/.stamp.json",),
    "publish": ("results/quick", "book/chapters/01_one.ipynb", "book/chapters/02_two.ipynb"),
}
NAMED_BY_PLACE = (".parameters", ".home/snakemake/")  # files whose names hold that of the folder
STAMP = ".stamp.json"  # of the pages: it has when their chapters were executed
LONGEST = 300  # seconds that a command may take on a busy machine
PLAN = "one:\n  runs: {mini: [0]}\n  parameters: {}\ntwo:\n  runs: {mini: [0]}\n  parameters: {}\n"


@dataclass(frozen=True)
class Kill:
    """One kill: in which stage, by which signal, whom (`driver` or `all` processes), and when.

    `after` is a pattern of `MOMENTS` (empty: the start), `later` the seconds from the first file of it.
    """

    stage: str
    signal: str
    whom: str
    after: str
    later: float


@dataclass(frozen=True)
class Project:
    """A small project before all stages and after them, and the seconds of each."""

    before: Path
    whole: Path
    seconds: dict[str, float]


def prepared(folder: Path) -> Project:
    """Make the small project, publish and commit it; the copy before it has the commit too."""
    before, whole, seconds = mini.make(folder / "before"), folder / "whole", {}
    (before / "config" / "quick.yml").write_text(PLAN)
    shutil.copytree(before, whole, symlinks=True)
    for stage, command in COMMANDS.items():
        if stage == "build":
            shutil.rmtree(whole / "_build")
        started = time.monotonic()
        done = mini.drive(whole, command)
        assert done.returncode == 0, done.stdout + done.stderr
        seconds[stage] = time.monotonic() - started
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        git(whole, *command)
    shutil.copytree(whole / ".git", before / ".git")
    return Project(before, whole, seconds)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def git(project: Path, *arguments: str) -> str:
    """What git says of a project."""
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(project), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def lived(kills: list[Kill], made: Project, project: Path) -> Iterator[tuple[Kill | None, int, list[str]]]:
    """Make a copy of the project stage by stage, killed on the way.

    Yields each kill (None for a stage that was finished), the exit status and what was wrong after it.
    """
    shutil.copytree(made.before, project, symlinks=True)
    for stage, command in COMMANDS.items():
        for kill in [kill for kill in kills if kill.stage == stage]:
            for name in (*MADE[stage], "runs/.asked.json", "runs/quick/published", "_build/.html.new"):
                _remove(project / name)
            mark = uuid.uuid4().hex
            status, said = _killed(kill, project, mark)
            wrong = _status_is_wrong(status, kill, said) + _left_running(kill, mark)
            yield kill, status, wrong + _half_files(project, made.whole)
        if stage != "execute" or not [kill for kill in kills if kill.stage == "build"]:
            done = mini.drive(project, command)
            wrong = [f"make {command} after it: {done.stderr[-500:]!r}"] if done.returncode else []
        else:  # all chapters, and no pages yet
            wrong = _executed(project)
        yield None, 0, wrong
    changed = git(project, "status", "--porcelain").split()
    yield None, 0, ([f"not a clean tree: {changed}"] if changed else []) + _differences(project, made.whole)


def _executed(project: Path) -> list[str]:
    """Execute both chapters by hand, so that only the build is left."""
    wrong = []
    for chapter in ("01", "02"):
        done = subprocess.run(
            [sys.executable, "-m", "workflow.execute", chapter],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(project)},
            capture_output=True,
            text=True,
            check=False,
        )
        wrong += [f"executing {chapter} after it: {done.stderr[-500:]!r}"] if done.returncode else []
    return wrong


def _killed(kill: Kill, project: Path, mark: str) -> tuple[int, str]:
    """Exit status and output of a run that was killed at its moment."""
    environment = {**os.environ, "PYTHONPATH": str(project), MARK: mark}
    with (project.parent / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "workflow.drive", COMMANDS[kill.stage]],
            cwd=project, stdout=said, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + LONGEST
        while process.poll() is None and time.monotonic() < deadline:
            if not kill.after or any(project.glob(kill.after)):
                break
            time.sleep(0.01)
        time.sleep(kill.later)
        for pid in [process.pid] if kill.whom == "driver" else running(mark):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(pid, getattr(signal, kill.signal))
        status = process.wait(LONGEST)
        said.seek(0)
        return status, said.read()


def _status_is_wrong(status: int, kill: Kill, said: str) -> list[str]:
    """A run ends by its signal, or says so; or it was at its end already and all stands."""
    number = int(getattr(signal, kill.signal))
    found = ["a traceback"] if "Traceback" in said else []
    if status not in (0, -number, 128 + number):
        found.append(f"exit status {status}")
    stands = ("are measured (", "The book stands", " chapters\n")
    if status == 0 and not any(told in said for told in stands):
        found.append("exit status 0 without a word")
    return [f"{one}: {said[-700:]!r}" for one in found]


def running(mark: str) -> list[int]:
    """Processes that have the mark in their environment, those aside that have ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is not ours
        if marked:
            found.append(int(folder.name))
    return found


def _left_running(kill: Kill, mark: str) -> list[str]:
    """Who is still there: at once after a signal that can be passed on, and after a while where none can.

    A driver that is killed alone (SIGKILL) can end nobody: its jobs go on to their end, and hold the lock.
    """
    patience = LONGEST if kill.signal == "SIGKILL" and kill.whom == "driver" else 10
    deadline = time.monotonic() + patience
    while (left := running(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    names = []
    for pid in left:
        try:
            names.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
            os.kill(pid, signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue  # it has ended meanwhile
    return [f"still running after {patience} s: {name}" for name in names]


def _half_files(project: Path, whole: Path) -> list[str]:
    """Files that a kill left half: observations, chapters, and pages that are neither the old nor the new."""
    found = []
    for path in sorted([*project.glob("runs/observations/**/*.csv"), *project.glob("results/**/*.csv")]):
        found += _unreadable(path, project, filing.read)
    for path in [*project.glob("runs/quick/chapters/[0-9]*.ipynb"), *project.glob("book/chapters/*.ipynb")]:
        found += _unreadable(path, project, lambda path: nbformat.read(path, as_version=4))
    pages = project / "_build" / "html"
    if pages.exists():
        unlike = _unlike(pages, whole / "_build" / "html")
        found += [f"half pages: {name}" for name in unlike if name != STAMP]
    return found


def _unreadable(path: Path, project: Path, read: Callable[[Path], object]) -> list[str]:
    try:
        read(path)
    except ValueError as error:
        return [f"half file {path.relative_to(project)}: {error}"]
    return []


def _differences(project: Path, whole: Path) -> list[str]:
    """What differs from a run that was never killed: pages, what is published, and which files there are."""
    found = []
    for folder in ("_build", "book", "results", "runs/observations"):
        unlike = _unlike(project / folder, whole / folder)
        found += [f"not the same: {folder}/{name}" for name in unlike if not name.endswith(STAMP)]
    here, there = (set(_files(p / "runs")) for p in (project, whole))
    left = [name for name in sorted(here - there) if not any(part in name for part in NAMED_BY_PLACE)]
    return found + [f"left over: runs/{name}" for name in left]


def _unlike(one: Path, other: Path) -> list[str]:
    """Files that are in one folder only or differ."""
    names = sorted({*_files(one), *_files(other)})
    return [
        n
        for n in names
        if not (one / n).exists() or not (other / n).exists() or _bytes(one / n) != _bytes(other / n)
    ]


def _files(folder: Path) -> list[str]:
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"]


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def plan(lives: int, seed: int, each: int = 4) -> list[list[Kill]]:
    """Kills of some lives: after the moments of each stage, the last one first, and after its start."""
    draw = random.Random(seed)
    found = []
    for life in range(lives):
        kills = []
        for i, stage in enumerate(COMMANDS):
            moments = (*MOMENTS[stage][::-1], "")
            for j in range(each):
                after, turn = moments[j % len(moments)], j // len(moments)  # another signal in each turn
                later = draw.uniform(0, LATER[stage] if after else 1.5)
                kills.append(Kill(stage, *SIGNALS[(life + i + j + turn) % len(SIGNALS)], after, later))
        found.append(kills)
    return found
