"""The two files of a notebook pair: are they in step, and if not, bring the older one up to date."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jupytext

from workflow import terminal

SHOWN = ("tags", "mystnb")


def content(path: Path) -> list[tuple[str, str, str]]:
    """Cells of a notebook file as (type, source, shown metadata): what must agree within a pair."""
    return [
        (
            c.cell_type,
            c.source.rstrip(),
            json.dumps({k: c.metadata[k] for k in SHOWN if k in c.metadata}, sort_keys=True),
        )
        for c in jupytext.read(path).cells
    ]


def out_of_step(root: Path) -> list[str]:
    """Pairs of `notebooks/` whose files differ or of which one is missing, each with the reason."""
    folder = root / "notebooks"
    wrong = []
    for stem in sorted({p.stem for p in folder.glob("[0-9]*") if p.suffix in (".py", ".ipynb")}):
        script, notebook = folder / f"{stem}.py", folder / f"{stem}.ipynb"
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
    """Bring every pair that is out of step up to date from its newer file; returns what was done."""
    done = []
    for line in out_of_step(root):
        stem = line.split(":")[0]
        found = [p for p in (root / "notebooks" / f"{stem}{end}" for end in (".py", ".ipynb")) if p.exists()]
        newest = max(found, key=lambda p: p.stat().st_mtime_ns)
        subprocess.run(
            [sys.executable, "-m", "jupytext", "--quiet", "--sync", str(newest)], check=True, cwd=root
        )
        done.append(f"{line}; both now follow {newest.name}, the newer")
    return done


if __name__ == "__main__":
    with terminal.plainly("make sync"):
        for message in sync(Path.cwd()) or ["every notebook pair is in step"]:
            print(message)
