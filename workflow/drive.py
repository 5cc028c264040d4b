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

from lglib.report.provenance import project_root
from workflow import pairs, plan, publish, request, terminal, verify
from workflow.request import ProfileError

ACTIONS = ("measure", "book", "publish", "verify")


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.drive", description=__doc__)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--profile", default="quick")
    for name in ("--studies", "--models", "--seeds", "--chapters", "--cores", "--confirm"):
        parser.add_argument(name, default="")
    asked = parser.parse_args(argv)
    root = project_root()
    try:
        state = plan.State(asked.profile, root)
        chosen = dict(names=asked.studies, models=asked.models, seeds=asked.seeds)
        runs = request.runs(asked.profile, root, **chosen)
        chapters = request.pick_chapters(asked.chapters, state.chapters)
        cores = request.pick_cores(asked.cores)
    except ProfileError as error:
        print(f"make {asked.action}: {error}", file=sys.stderr)
        return 2
    try:
        with terminal.alone(root) as lock:
            if asked.action == "measure":
                return _measure(state, runs, asked, cores, lock)
            if asked.action == "verify":
                return verify.main(runs if asked.models or asked.seeds else _first(runs), cores, root)
            for message in pairs.sync(root):
                print(f"[pairs] {message}", file=sys.stderr)
            if asked.action == "publish":
                return publish.main(asked.profile, chapters, asked.confirm == "1", root)
            return _book(chapters, asked, cores, lock, root)
    except (terminal.Busy, ProfileError, SyntaxError) as error:
        print(f"make {asked.action}: {error}", file=sys.stderr)
        return 2


def _measure(
    state: plan.State, runs: list[request.Run], asked: argparse.Namespace, cores: int, lock: int
) -> int:
    started, missing = time.monotonic(), state.missing(runs)
    print(f"[measure] {len(missing)} of {len(runs)} runs are to be measured", file=sys.stderr)
    status = _snakemake("measured", asked, cores, lock, state.root) if missing else 0
    left = plan.State(asked.profile, state.root).missing(runs)
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
        runs = sorted({(r.study, r.name) for chapter in chapters for r in state.before(chapter)})
        for study, model in runs:
            told = "nothing current is filed; measuring one run of it (make measure: the whole plan)"
            print(f"[measure] {study} on {model}: {told}", file=sys.stderr)
        status = _snakemake("book", asked, cores, lock, root)
        state = plan.State(asked.profile, root)
    seconds = time.monotonic() - started
    if status or not state.book_stands(chapters):
        told = f"make book: not finished ({seconds:.0f} s). What failed is named above; all else stands."
        print(f"{told}\nThe workflow's own log: {_log(root)}", file=sys.stderr)
        return status or 1
    page = state.html / "index.html"
    print(f"The book stands ({seconds:.0f} s): open {page}, or type: make serve")
    return 0


def _first(runs: list[request.Run]) -> list[request.Run]:
    """The first run of each study."""
    return list({run.study: run for run in reversed(runs)}.values())[::-1]


def _log(root: Path) -> str:
    """Snakemake's newest log, and its first lines where they are an error of the graph itself."""
    logs = sorted((root / ".snakemake" / "log").glob("*.log"))
    if not logs:
        return "none"
    first = logs[-1].read_text(encoding="utf-8").splitlines()[:3]
    return "\n  ".join([str(logs[-1].relative_to(root)), *(first if "Error" in "".join(first[:1]) else [])])


def _snakemake(target: str, asked: argparse.Namespace, cores: int, lock: int, root: Path) -> int:
    """Have Snakemake make a target. It inherits the lock, so that the lock lives as long as it does."""
    shutil.rmtree(root / plan.FLAGS, ignore_errors=True)  # of a run that was killed
    config = (
        root / "runs" / ".asked.json"
    )  # a file, because on its command line Snakemake reads 02 as a number
    config.write_text(json.dumps(vars(asked)), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--nolock"),
        *("--cores", str(cores), "--keep-going", "--resources", "gpu=1", "--quiet", "all"),
        *("--rerun-triggers", "mtime", "--configfile", str(config.relative_to(root)), "--", target),
    ]
    got: list[int] = []
    with subprocess.Popen(command, cwd=root, pass_fds=(lock,), process_group=0) as process:

        def pass_on(number: int, _frame: object) -> None:
            got.append(number)
            os.killpg(process.pid, number)

        before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            status = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 128 + got[0] if got else abs(status)


if __name__ == "__main__":
    raise SystemExit(main())
