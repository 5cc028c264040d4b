"""Merge an executed notebook into the page that is shown: prose of the source, outputs of the run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat

from lglib.base.files import write_atomically
from workflow import notebooks

ADDRESS = re.compile(r"0x[0-9a-f]{8,}", re.IGNORECASE)
MOST_TEXT = 1_000_000  # characters of one output, images aside: a reader loads the whole page


class MergeError(ValueError):
    """A run that may not be shown; the message says why and what to do."""


def merge(source: nbformat.NotebookNode, run: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Source cells with the outputs of the run. Raises MergeError when the run is not of this source.

    The run's code may differ from the source's in comments only. A failed or unexecuted cell, and an
    output that holds a memory address or a path of this machine or is very long, is refused.
    """
    code = [c for c in run.cells if c.cell_type == "code"]
    injected = [c for c in code if "injected-parameters" in c.metadata.get("tags", [])]
    executed = iter([c for c in code if c not in injected])
    merged, count = [], 0
    for cell in source.cells:
        cell = nbformat.from_dict(dict(cell))
        if cell.cell_type == "code":
            twin = next(executed, None)
            if twin is None or notebooks.code_only(twin.source) != notebooks.code_only(cell.source):
                raise MergeError(
                    f"{name}: the code of the run is not the code of notebooks/{name}.ipynb; run it again"
                )
            if cell.source.strip():
                count += 1
                cell.outputs, cell.execution_count = _outputs(twin, name, count), count
            else:  # Jupyter executes no blank cell
                cell.outputs, cell.execution_count = [], None
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")}
        merged.append(cell)
    if next(executed, None) is not None:
        raise MergeError(f"{name}: the run has more code cells than notebooks/{name}.ipynb; run it again")
    metadata = {"kernelspec": source.metadata["kernelspec"], "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=merged, metadata=metadata)


def _outputs(cell: Any, name: str, count: int) -> list[Any]:
    where = f"{name}, code cell {count} ({cell.source.strip().splitlines()[0][:60]!r})"
    if cell.execution_count is None or cell.metadata.get("papermill", {}).get("exception"):
        raise MergeError(f"{where}: was not executed to its end")
    kept: list[Any] = []
    for output in cell.outputs:
        if output.output_type == "error":
            raise MergeError(f"{where}: ended in {output.ename}: {output.evalue}")
        shown = dict(output)
        if "data" in shown:
            shown["data"] = {k: v for k, v in output.data.items() if k not in ("image/png", "image/jpeg")}
        text = str(shown)
        if private(text) or ADDRESS.search(text):
            raise MergeError(f"{where}: its output holds a path or address of this machine")
        if len(text) > MOST_TEXT:
            raise MergeError(f"{where}: its output is {len(text):,} characters long, at most {MOST_TEXT:,}")
        output = nbformat.from_dict(dict(output))
        if "execution_count" in output:
            output.execution_count = count
        before = kept[-1] if kept else None
        if before and output.output_type == "stream" == before.output_type and output.name == before.name:
            before.text += output.text  # how often the kernel flushes depends on the machine's load
        else:
            kept.append(output)
    return kept


def private(text: str) -> bool:
    """Whether a text holds a path that only this machine has."""
    folders = {str(Path.cwd()), os.path.expanduser("~"), sys.prefix, sys.base_prefix} - {"/"}
    held = [p for p in folders if p + "/" in text or (len(p) > 5 and p in text)]
    return bool(held) or "/tmp/ipykernel_" in text


def write(chapter: str, run: Path, target: Path, root: Path) -> None:
    """Write the merged chapter to `target`. Raises MergeError when the run is missing, damaged or stale."""
    again = f"run: make book CHAPTERS={chapter.split('_')[0]}"
    if not run.exists():
        raise MergeError(f"{chapter}: not executed yet; {again}")
    source = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
    try:
        merged = merge(source, nbformat.read(run, as_version=4), chapter)
        nbformat.validate(merged)
    except MergeError as error:
        raise MergeError(f"{error}; {again}") from None
    except (
        ValueError,
        KeyError,
        AttributeError,
        nbformat.ValidationError,
    ) as error:  # not JSON, or JSON that is no notebook
        raise MergeError(f"{chapter}: {run.relative_to(root)} is no whole notebook; {again}") from error
    write_atomically(target, nbformat.writes(merged) + "\n")
