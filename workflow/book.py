"""`make book`: check what was asked, hold the lock, sync the pairs, drive Snakemake, tell the place."""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
import time

from lglib.report import provenance
from workflow import pairs, profiles


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make book", description=__doc__)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seeds", default="")
    parser.add_argument("--chapters", default="")
    parser.add_argument("--models", default="")
    parser.add_argument("--cores", default="")
    return parser.parse_args(argv)


def cores(wanted: str) -> int:
    """Notebooks at a time; default: the cores that this process may use."""
    if not wanted:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (wanted.isascii() and wanted.isdigit() and int(wanted) > 0):
        raise profiles.ProfileError(f"CORES is {wanted!r}; it is a whole number from 1")
    return int(wanted)


def main(argv: list[str] | None = None) -> int:
    """Drive the workflow; returns the exit status."""
    asked, started = arguments(argv), time.monotonic()
    root = provenance.project_root()
    try:
        profiles.load(asked.profile, root)
        chapters = " ".join(profiles.pick_chapters(asked.chapters, provenance.chapters(root)))
        seeds = " ".join(map(str, profiles.pick_seeds(asked.seeds)))
        profiles.pick_models(asked.models)
        count = cores(asked.cores)
    except profiles.ProfileError as error:
        print(f"make book: {error}", file=sys.stderr)
        return 2
    (root / "runs").mkdir(exist_ok=True)
    with (root / "runs" / ".lock").open("w") as lock:
        try:  # the kernel drops this lock when the process dies, so a kill never leaves it behind
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("make book: another `make book` is running in this folder; wait for it", file=sys.stderr)
            return 2
        for message in pairs.sync(root):
            print(f"[pairs] {message}", file=sys.stderr)
        snakemake = [
            *(sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--nolock"),
            *("--cores", str(count), "--keep-going", "--rerun-incomplete", "--resources", "gpu=1"),
            *("--rerun-triggers", "mtime", "params", "input", "--quiet", "all"),
            *("--config", f"profile={asked.profile}", f"seeds={seeds}", f"chapters={chapters}"),
            f"models={asked.models}",
        ]
        # Seed 0 reads the other seeds and the other models, so they come first.
        targets = ["others"] * bool(asked.models.split()) + ["seeds"] * (seeds != "0") + ["book"]
        passes = [subprocess.run([*snakemake, "--", t], cwd=root, check=False).returncode for t in targets]
        status = max(
            passes, key=abs
        )  # a seed that fails in one chapter does not keep the others from the book
    seconds = time.monotonic() - started
    if status:
        logs = sorted((root / ".snakemake" / "log").glob("*.log"))
        print(
            f"make book: not finished ({seconds:.0f} s). What failed is named above; all else stands.\n"
            f"The workflow's own log: {logs[-1].relative_to(root) if logs else 'none'}",
            file=sys.stderr,
        )
        return status
    html = root / "_build" / ("html" if asked.profile == "quick" else f"{asked.profile}/html") / "index.html"
    print(f"The book stands ({seconds:.0f} s): open {html}, or type: make serve")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
