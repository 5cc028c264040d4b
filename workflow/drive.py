"""make measure, book, publish, verify: check what was asked, hold the lock, have made what is missing."""

from __future__ import annotations

import signal

if __name__ == "__main__":  # before what takes long to import: an interrupt ends it, as a termination does
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

from lglib.report import ledger
from lglib.report.provenance import project_root
from lglib.studies import naming
from workflow import forecast, inputs, pairs, plan, publish, request, sweep, terminal, verify
from workflow.request import ProfileError, Run

ACTIONS = ("measure", "book", "publish", "verify")
MEANS = ("cores", "memory", "gpus", "cluster")


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.drive", description=__doc__)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--profile", default="quick")
    for name in ("studies", "models", "seeds", "chapters", "confirm", "data", *MEANS):
        parser.add_argument(f"--{name}", default="")
    asked = parser.parse_args(argv)
    root = project_root()
    terminal.isolate(root)
    try:
        state = plan.State(asked.profile, root, _data(asked, root))
        chosen = dict(names=asked.studies, models=asked.models, seeds=asked.seeds)
        runs = with_data(state, request.runs(asked.profile, root, **chosen), asked.studies)
        chapters = state.pick(asked.chapters)
        means = sweep.Means(**request.pick_means({name: getattr(asked, name) for name in MEANS}, root))
        if asked.action in ("book", "publish"):
            _check_claims(root)
    except ProfileError as error:
        print(f"make {asked.action}: {error}", file=sys.stderr)
        return 2
    try:
        with terminal.alone(root) as lock:
            if asked.action == "measure":
                return _measure(state, runs, asked, means, lock)
            if asked.action == "verify":
                if refused := _refused(forecast.refusals(state, runs, memory=False), asked):
                    return refused
                return verify.main(runs if asked.models or asked.seeds else _first(runs), means.cores, root)
            for message in pairs.sync(root):
                print(f"[pairs] {message}", file=sys.stderr)
            if asked.action == "publish":
                return publish.main(asked.profile, chapters, asked.confirm == "1", root)
            return _book(chapters, asked, dataclasses.replace(means, cluster=""), lock, root)
    except (terminal.Busy, ProfileError, pairs.PairError, SyntaxError) as error:
        print(f"make {asked.action}: {error}", file=sys.stderr)
        return 2


def _check_claims(root: Path) -> None:
    """Read the file of claims, which the chapters judge by. Raises ProfileError with what is wrong in it."""
    path = root / "config" / "claims.yml"
    if not os.path.lexists(path):
        return  # a book without claims
    try:
        ledger.read(path)
    except ValueError as error:
        raise ProfileError(str(error)) from None


def _data(asked: argparse.Namespace, root: Path) -> str:
    """Path below `root` of the file that DATA names, checked; empty for none. Raises ProfileError."""
    if not asked.data:
        return ""
    if asked.action != "measure":
        raise ProfileError(
            f"DATA goes with make plan and make measure; for make {asked.action} write data: into a profile"
        )
    asked.data = inputs.link(inputs.checked(asked.data), root)
    return str(asked.data)


def with_data(state: plan.State, runs: list[Run], named: str) -> list[Run]:
    """Those of the runs that read the file of DATA, all without one. Raises ProfileError for others named."""
    if not state.data:
        return runs
    takes = {study: state.takes_data(study) for study in dict.fromkeys(run.study for run in runs)}
    if wrong := [study for study in named.split() if not takes.get(study, True)]:
        raise ProfileError(f"STUDIES has {wrong[0]!r}, which takes no DATA")
    if not any(takes.values()):
        raise ProfileError("no study of these takes DATA")
    return [run for run in runs if takes[run.study]]


def _measure(
    state: plan.State, runs: list[Run], asked: argparse.Namespace, means: sweep.Means, lock: int
) -> int:
    started, missing = time.monotonic(), state.missing(runs)
    print(f"[measure] {len(missing)} of {len(runs)} runs are to be measured", file=sys.stderr)
    if missing and (refused := _refused(_reasons(state, missing, means), asked)):
        return refused
    status = sweep.run("measured", vars(asked), means, lock, state, missing) if missing else 0
    left = plan.State(asked.profile, state.root, state.data).missing(runs)
    seconds = time.monotonic() - started
    if status or left:
        last = f"make measure: {len(left)} of {len(runs)} runs not measured ({seconds:.0f} s)"
        print(f"{last}\n{sweep.told(left, state.root)}", file=sys.stderr)
        return status or 1
    print(
        f"All {len(runs)} runs are measured ({seconds:.0f} s); make book shows them, make publish keeps them"
    )
    return 0


def _book(chapters: list[str], asked: argparse.Namespace, means: sweep.Means, lock: int, root: Path) -> int:
    started, state, status = time.monotonic(), plan.State(asked.profile, root), 0
    if not state.book_stands(chapters):
        runs = list(dict.fromkeys(run for chapter in chapters for run in state.before(chapter)))
        live = [
            run for chapter in chapters if not state.chapter_stands(chapter) for run in state.live(chapter)
        ]
        reasons = [*_reasons(state, runs, means), *forecast.refusals(state, live, memory=False)]
        if refused := _refused(list(dict.fromkeys(reasons)), asked):
            return refused
        for run in sorted(runs, key=lambda run: (run.study, run.name)):
            told = "nothing current is filed; measuring one run of it (make measure: the whole plan)"
            print(f"[measure] {run.study} on {run.name}: {told}", file=sys.stderr)
        status = sweep.run("book", vars(asked), means, lock, state, runs)
        state = plan.State(asked.profile, root)
    seconds = time.monotonic() - started
    if status or not state.book_stands(chapters):
        told = f"make book: not finished ({seconds:.0f} s). What failed is named above; all else stands."
        print(told, file=sys.stderr)
        return status or 1
    page = state.html / "index.html"
    print(f"The book stands ({seconds:.0f} s): open {page}, or type: make serve")
    return 0


def _reasons(state: plan.State, runs: list[Run], means: sweep.Means) -> list[str]:
    """Why these runs cannot be measured; the folders among their models are remembered otherwise.

    What the machines of a cluster have is not known here: it refuses a job itself.
    """
    found = forecast.refusals(state, runs, memory=not means.cluster, free=means.memory)
    if means.gpus == 0 and any(state.parameters(run.study)["device"] == "cuda" for run in runs):
        found.append("device: cuda, and GPUS is 0")
    if found := [why for why in found if not (means.cluster and why.endswith(forecast.NO_GPU))]:
        return found
    return naming.remember(state.profile, [run.model for run in runs], state.root)


def _refused(reasons: list[str], asked: argparse.Namespace) -> int:
    """Say all reasons, if there are any; returns the exit status."""
    guesses = [why for why in reasons if why.startswith("disk: ") or ": memory: " in why]
    if asked.confirm == "1":
        reasons = [why for why in reasons if why not in guesses]
    elif guesses:
        reasons = [*reasons, "memory and disk are estimates: CONFIRM=1 goes on in spite of them"]
    for why in reasons:
        print(f"make {asked.action}: {why}", file=sys.stderr)
    if reasons:
        print(
            f"make {asked.action}: nothing was started; make plan PROFILE={asked.profile} shows the plan",
            file=sys.stderr,
        )
    return 2 if reasons else 0


def _first(runs: list[Run]) -> list[Run]:
    """The first run of each study."""
    return list({run.study: run for run in reversed(runs)}.values())[::-1]


if __name__ == "__main__":
    with terminal.plainly(" ".join(["make", *sys.argv[1:2]])):
        raise SystemExit(main())
