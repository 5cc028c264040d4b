"""make measure, book, publish, verify: check what was asked, hold the lock, have made what is missing."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from lglib.report import ledger
from lglib.report.provenance import project_root
from lglib.studies import naming
from workflow import forecast, inputs, pairs, plan, publish, request, terminal, verify
from workflow.request import ProfileError, Run

ACTIONS = ("measure", "book", "publish", "verify")


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.drive", description=__doc__)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--profile", default="quick")
    for name in ("--studies", "--models", "--seeds", "--chapters", "--cores", "--confirm", "--data"):
        parser.add_argument(name, default="")
    asked = parser.parse_args(argv)
    root = project_root()
    terminal.isolate(root)
    try:
        state = plan.State(asked.profile, root, _data(asked, root))
        chosen = dict(names=asked.studies, models=asked.models, seeds=asked.seeds)
        runs = with_data(state, request.runs(asked.profile, root, **chosen), asked.studies)
        chapters = state.pick(asked.chapters)
        cores = request.pick_cores(asked.cores)
        if asked.action in ("book", "publish"):
            _check_claims(root)
    except ProfileError as error:
        print(f"make {asked.action}: {error}", file=sys.stderr)
        return 2
    try:
        with terminal.alone(root) as lock:
            if asked.action == "measure":
                return _measure(state, runs, asked, cores, lock)
            if asked.action == "verify":
                if refused := _refused(forecast.refusals(state, runs, memory=False), asked):
                    return refused
                return verify.main(runs if asked.models or asked.seeds else _first(runs), cores, root)
            for message in pairs.sync(root):
                print(f"[pairs] {message}", file=sys.stderr)
            if asked.action == "publish":
                return publish.main(asked.profile, chapters, asked.confirm == "1", root)
            return _book(chapters, asked, cores, lock, root)
    except (terminal.Busy, ProfileError, SyntaxError) as error:
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


def _measure(state: plan.State, runs: list[Run], asked: argparse.Namespace, cores: int, lock: int) -> int:
    started, missing = time.monotonic(), state.missing(runs)
    print(f"[measure] {len(missing)} of {len(runs)} runs are to be measured", file=sys.stderr)
    if missing and (refused := _refused(_reasons(state, missing), asked)):
        return refused
    status = _snakemake("measured", asked, cores, lock, state, missing) if missing else 0
    left = plan.State(asked.profile, state.root, state.data).missing(runs)
    seconds = time.monotonic() - started
    if status or left:
        print(
            f"make measure: {len(left)} of {len(runs)} runs not measured ({seconds:.0f} s)", file=sys.stderr
        )
        return status or 1
    print(
        f"All {len(runs)} runs are measured ({seconds:.0f} s); make book shows them, make publish keeps them"
    )
    return 0


def _book(chapters: list[str], asked: argparse.Namespace, cores: int, lock: int, root: Path) -> int:
    started, state, status = time.monotonic(), plan.State(asked.profile, root), 0
    if not state.book_stands(chapters):
        runs = list(dict.fromkeys(run for chapter in chapters for run in state.before(chapter)))
        live = [
            run for chapter in chapters if not state.chapter_stands(chapter) for run in state.live(chapter)
        ]
        reasons = [*_reasons(state, runs), *forecast.refusals(state, live, memory=False)]
        if refused := _refused(list(dict.fromkeys(reasons)), asked):
            return refused
        for run in sorted(runs, key=lambda run: (run.study, run.name)):
            told = "nothing current is filed; measuring one run of it (make measure: the whole plan)"
            print(f"[measure] {run.study} on {run.name}: {told}", file=sys.stderr)
        status = _snakemake("book", asked, cores, lock, state, runs)
        state = plan.State(asked.profile, root)
    seconds = time.monotonic() - started
    if status or not state.book_stands(chapters):
        told = f"make book: not finished ({seconds:.0f} s). What failed is named above; all else stands."
        print(told, file=sys.stderr)
        return status or 1
    page = state.html / "index.html"
    print(f"The book stands ({seconds:.0f} s): open {page}, or type: make serve")
    return 0


def _reasons(state: plan.State, runs: list[Run]) -> list[str]:
    """Why these runs cannot be measured; the folders among their models are remembered otherwise."""
    if found := forecast.refusals(state, runs):
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


def _snakemake(
    target: str, asked: argparse.Namespace, cores: int, lock: int, state: plan.State, runs: list[Run]
) -> int:
    """Have Snakemake make a target. It inherits the lock, so that the lock lives as long as it does."""
    root, peaks = state.root, forecast.peaks(state, runs)
    have = forecast.memory_here() / 1e6
    shutil.rmtree(root / plan.FLAGS, ignore_errors=True)  # of a run that was killed
    config = (
        root / "runs" / ".asked.json"
    )  # a file, because on its command line Snakemake reads 02 as a number
    cache = {"XDG_CACHE_HOME": str(root / "runs" / ".home" / "cache")}  # its jobs have the user's
    settings = {**vars(asked), "peaks": peaks, "cache": os.environ.get("XDG_CACHE_HOME", "")}
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--nolock", "--keep-going"),
        *("--cores", str(cores), "--resources", "gpu=1", f"memory={have:.0f}"),
        *("--rerun-triggers", "mtime", "--configfile", str(config.relative_to(root))),
        *(
            "--runtime-source-cache-path",
            str(root / "runs" / ".home" / "snakemake"),
        ),  # not in the user's home
    ]
    got: list[int] = []
    with subprocess.Popen(
        [*command, "--quiet", "all", "--", target],
        cwd=root,
        env={**os.environ, **cache},
        pass_fds=(lock,),
        process_group=0,
    ) as process:

        def pass_on(number: int, _frame: object) -> None:
            got.append(number)
            os.killpg(process.pid, number)

        before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            status = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if status and not got:
        _tell_graph([*command, "--dry-run", "--", target], root, {**os.environ, **cache})
    return 128 + got[0] if got else abs(status)


def _tell_graph(command: list[str], root: Path, environment: dict[str, str]) -> None:
    """Say what is wrong with the graph itself, if anything is: Snakemake is quiet, and no job has told it."""
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-12:]
        print("\n  ".join(["The workflow's graph cannot be made:", *last]), file=sys.stderr)


if __name__ == "__main__":
    with terminal.plainly(" ".join(["make", *sys.argv[1:2]])):
        raise SystemExit(main())
