"""`make merge FROM=folder`: bring the observations of another machine into runs/observations.

Nothing that is here is replaced, except what no longer counts by what does. A run that two machines have
measured is refused, and both origins are shown: which of them is right is not for a program to say.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lglib import studies
from lglib.base.files import write_atomically
from lglib.report import filing
from lglib.report.headers import Header
from lglib.report.provenance import project_root
from workflow import plan, terminal, verify
from workflow.request import ProfileError

SAME = "here already"


def main(argv: Sequence[str] | None = None) -> int:
    """Bring what the command line names; returns the exit status, 1 when something was refused."""
    parser = argparse.ArgumentParser(prog="python -m workflow.bring", description=__doc__)
    parser.add_argument("source", help="a project's folder, or its runs/observations, of another machine")
    asked = parser.parse_args(argv)
    root = project_root()
    try:
        source = folder(asked.source)
        with terminal.alone(root):
            return bring(source, root)
    except (terminal.Busy, ProfileError) as error:
        print(f"make merge: {error}", file=sys.stderr)
        return 2


def folder(named: str) -> Path:
    """The folder of observations that FROM names. Raises ProfileError where there are none."""
    source = Path(os.path.expanduser(named))
    if not named or not source.is_dir():
        raise ProfileError(f"FROM is {named!r}; it is a folder with observations of another machine")
    inner = source / filing.FRESH
    source = (inner if inner.is_dir() else source).resolve()
    if not tables(source):
        raise ProfileError(f"FROM is {named!r}; below it is no <profile>/<model>/seed<k>/<study>.csv")
    return source


def tables(source: Path) -> list[Path]:
    """Tables below a folder of observations, also where only the header is there."""
    found = [*source.glob("*/*/seed*/*.csv"), *source.glob("*/*/seed*/*.json")]
    return sorted({p.with_suffix(".csv") for p in found if not p.name.endswith(".partial.json")})


def bring(source: Path, root: Path) -> int:
    """Bring every file that may come; say what was refused and why."""
    states: dict[str, plan.State] = {}
    counts: Counter[str] = Counter()
    for path in tables(source):
        said = _one(path, source, root, states)
        counts["refused" if said not in ("", SAME) else said or "brought"] += 1
        if said not in ("", SAME):
            print(f"{path.relative_to(source)}: refused, {said}")
    for path in sorted(source.glob("*/*/seed*/*.partial.json")):
        print(f"{path.relative_to(source)}: left there, its run is unfinished")
    told = ", ".join(f"{counts[name]} {name}" for name in ("brought", SAME, "refused"))
    print(f"make merge: {told}, from {terminal.from_here(source)}")
    return int(counts["refused"] > 0)


def _one(path: Path, source: Path, root: Path, states: dict[str, plan.State]) -> str:
    """Bring one file; returns why not, or SAME where the very same is here."""
    try:
        new = filing.read(path)
    except ValueError as error:
        return str(error).replace(f"{source}/", "")
    header = new.header
    if header.study not in studies.NAMES:
        return f"there is no study {header.study} here"
    target = root / filing.FRESH / header.place() / path.name
    published = root / filing.PUBLISHED / header.place() / path.name
    if any(_bytes(path) == _bytes(there) for there in (target, published)):
        return SAME
    if why := _stale(new, states, root):
        return f"it does not count here, {why}\n    there: {header.origin()}"
    for there in (target, published):
        try:
            mine = filing.read(there)
        except ValueError:  # none, or a damaged one
            continue
        if not _stale(mine, states, root):
            return _conflict(mine, new, there.relative_to(root))
    write_atomically(target, path.read_bytes().decode("utf-8"))
    write_atomically(target.with_suffix(".json"), path.with_suffix(".json").read_bytes().decode("utf-8"))
    return ""


def _stale(filed: filing.Filed, states: dict[str, plan.State], root: Path) -> str:
    """Why a file does not count for the code, profile and weights that are here; empty when it does."""
    header: Header = filed.header
    try:
        if header.profile not in states:
            states[header.profile] = plan.State(header.profile, root)
        state = states[header.profile]
        if header.study not in state.plan:
            return f"profile {header.profile} leaves out {header.study}"
        return state.stale(header)
    except ProfileError as error:
        return str(error)


def _conflict(mine: filing.Filed, new: filing.Filed, place: Path) -> str:
    """The same run measured twice: how far apart the values are, and both origins."""
    found = verify.compared(mine.frame, new.frame)
    apart = int((found["difference"] != 0).sum())
    beyond = int((~(found["off"] <= 1)).sum())
    how = "equal in all values" if not apart and not beyond else f"{apart} of {len(found)} values differ"
    return (
        f"it was measured here too ({how}, {beyond} beyond the tolerance of make verify)\n"
        f"    here:  {mine.header.origin()} ({place})\n    there: {new.header.origin()}\n"
        "    to take the other, remove the one that is here"
    )


def _bytes(path: Path) -> tuple[bytes, bytes] | None:
    pair = (path, path.with_suffix(".json"))
    return (pair[0].read_bytes(), pair[1].read_bytes()) if all(p.is_file() for p in pair) else None


if __name__ == "__main__":
    raise SystemExit(main())
