"""The two files of a notebook pair: in step? If not, the one without the edit is brought up to date."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
from nbformat.reader import NotJSONError

from lglib.base.files import write_atomically
from workflow import terminal

SHOWN = ("tags", "mystnb")
ENDS = (".py", ".ipynb")
MEMORY = "runs/.pairs.json"  # digests of the pairs when they were last in step
KEPT = "runs/pairs"  # what was overwritten and is not in git


class PairError(ValueError):
    """A pair of which no half can be taken without losing the other; the message says what to do."""


def content(path: Path) -> list[tuple[str, str, str]]:
    """Cells of a notebook file as (type, source, shown metadata): what must agree within a pair.

    Raises PairError for a file that cannot be read.
    """
    try:
        return _cells(path.read_text(encoding="utf-8"), path.suffix)
    except (NotJSONError, UnicodeDecodeError, AttributeError, KeyError) as error:
        told = f"{path.name} is no whole notebook ({type(error).__name__})"
        raise PairError(f"{told}; remove it, and make sync makes it from its other half") from None


def _cells(text: str, end: str) -> list[tuple[str, str, str]]:
    return [
        (
            c.cell_type,
            c.source.rstrip(),
            json.dumps({k: c.metadata[k] for k in SHOWN if k in c.metadata}, sort_keys=True),
        )
        for c in jupytext.reads(text, fmt="py:percent" if end == ".py" else "ipynb").cells
    ]


def out_of_step(root: Path) -> list[str]:
    """Pairs of `notebooks/` whose files differ or of which one is missing, each with the reason."""
    folder = root / "notebooks"
    wrong = []
    for stem in _stems(root):
        script, notebook = (folder / f"{stem}{end}" for end in ENDS)
        if not (script.exists() and notebook.exists()):
            wrong.append(f"{stem}: {(notebook if script.exists() else script).name} is missing")
        elif content(script) != content(notebook):
            wrong.append(f"{stem}: {script.name} and {notebook.name} differ")
    return wrong


def carries_outputs(root: Path) -> list[str]:
    """Source notebooks that hold outputs; a source has none, they belong to `book/chapters/`."""
    return [
        p.name
        for p in sorted((root / "notebooks").glob("*.ipynb"))
        if any(c.get("outputs") for c in jupytext.read(p).cells)
    ]


def sync(root: Path) -> list[str]:
    """Bring every pair that is out of step up to date from the half with the edit; returns what was done.

    That is the half that git does not have, or that changed since both were in step: times tell nothing after
    a stash or a checkout. Raises PairError where both have an edit; nothing is written then.
    """
    chosen = {line: _edited(root, line.split(":")[0]) for line in out_of_step(root)}
    done = []
    for line, (path, why) in chosen.items():
        other = path.with_suffix(ENDS[path.suffix == ENDS[0]])
        kept = _keep(other, root)
        if other.exists():  # jupytext takes the newer half
            before = path.stat().st_mtime - 1
            os.utime(other, (before, before))
        subprocess.run(
            [sys.executable, "-m", "jupytext", "--quiet", "--sync", str(path)], check=True, cwd=root
        )
        done.append(f"{line}; both now follow {path.name}, {why}{kept}")
    _remember(root)
    return done


def _edited(root: Path, stem: str) -> tuple[Path, str]:
    """The half of a pair that the other has to follow, and why. Raises PairError when both have an edit."""
    found = [p for p in (root / "notebooks" / f"{stem}{end}" for end in ENDS) if p.exists()]
    if len(found) == 1:
        return found[0], "the one that is there"
    new = [p for p in found if not _in_git(p, root)]
    if len(new) == 1:
        return new[0], "the one that git does not have"
    if before := _remembered(root).get(stem):
        new = [p for p in found if _digest(content(p)) != before]
        if len(new) == 1:
            return new[0], "the one that was changed"
        told = (
            f"{stem}: {found[0].name} and {found[1].name} were both changed, and differ; nothing was written"
        )
        raise PairError(f"{told}. Move away the one that is not to stay, then type: make sync")
    return max(found, key=lambda p: p.stat().st_mtime_ns), "the newer"


def _keep(path: Path, root: Path) -> str:
    """Keep a copy of a half that will be overwritten, unless git has it; says where."""
    if not path.exists() or _in_git(path, root):
        return ""
    place = root / KEPT / f"{path.stem}.{_digest(content(path))[:8]}{path.suffix}"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, place)
    return f"; what {path.name} was is in {place.relative_to(root)}"


def _in_git(path: Path, root: Path) -> bool:
    """Whether the last commit has a file with these cells."""
    command = ["git", "show", f"HEAD:./{path.relative_to(root).as_posix()}"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
        return not done.returncode and _cells(done.stdout.decode(), path.suffix) == content(path)
    except (OSError, NotJSONError, UnicodeDecodeError):  # no git here, or no notebook there
        return False


def _remembered(root: Path) -> dict[str, str]:
    try:
        found = json.loads((root / MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(root: Path) -> None:
    """Note what each pair is, now that both halves are in step."""
    found = {stem: _digest(content(root / "notebooks" / f"{stem}.py")) for stem in _stems(root)}
    if found != _remembered(root):
        write_atomically(root / MEMORY, json.dumps(found, indent=1))


def _stems(root: Path) -> list[str]:
    return sorted({p.stem for p in (root / "notebooks").glob("[0-9]*") if p.suffix in ENDS})


def _digest(cells: list[tuple[str, str, str]]) -> str:
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def main(root: Path) -> int:
    """Bring all pairs in step and say what was done; returns the exit status."""
    try:
        for message in sync(root) or ["every notebook pair is in step"]:
            print(message)
    except PairError as error:
        print(f"make sync: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with terminal.plainly("make sync"):
        sys.exit(main(Path.cwd()))
