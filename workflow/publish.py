"""Merge a run into a published chapter: prose and tags of the source, outputs of the run."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat

from lglib.base import files
from lglib.report import provenance

ADDRESS = re.compile(r"0x[0-9a-f]{8,}", re.IGNORECASE)
MOST_TEXT = 1_000_000  # characters of one output, images aside: a reader loads the whole page


class PublishError(ValueError):
    """A run that may not be published; the message says why and what to do."""


def merge(source: nbformat.NotebookNode, run: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Source cells with the outputs of the run. Raises PublishError when the run is not of this source.

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
            if twin is None or provenance.code_only(twin.source) != provenance.code_only(cell.source):
                raise PublishError(
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
        raise PublishError(f"{name}: the run has more code cells than notebooks/{name}.ipynb; run it again")
    metadata = {"kernelspec": source.metadata["kernelspec"], "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=merged, metadata=metadata)


def _outputs(cell: Any, name: str, count: int) -> list[Any]:
    where = f"{name}, code cell {count} ({cell.source.strip().splitlines()[0][:60]!r})"
    if cell.execution_count is None or cell.metadata.get("papermill", {}).get("exception"):
        raise PublishError(f"{where}: was not executed to its end")
    kept: list[Any] = []
    for output in cell.outputs:
        if output.output_type == "error":
            raise PublishError(f"{where}: ended in {output.ename}: {output.evalue}")
        shown = dict(output)
        if "data" in shown:
            shown["data"] = {k: v for k, v in output.data.items() if k not in ("image/png", "image/jpeg")}
        text = str(shown)
        if _private(text) or ADDRESS.search(text):
            raise PublishError(f"{where}: its output holds a path or address of this machine")
        if len(text) > MOST_TEXT:
            raise PublishError(f"{where}: its output is {len(text):,} characters long, at most {MOST_TEXT:,}")
        output = nbformat.from_dict(dict(output))
        if "execution_count" in output:
            output.execution_count = count
        before = kept[-1] if kept else None
        if before and output.output_type == "stream" == before.output_type and output.name == before.name:
            before.text += output.text  # how often the kernel flushes depends on the machine's load
        else:
            kept.append(output)
    return kept


def _private(text: str) -> bool:
    """Does the text hold a path that only this machine has?"""
    folders = {str(Path.cwd()), os.path.expanduser("~"), sys.prefix, sys.base_prefix} - {"/"}
    held = [p for p in folders if p + "/" in text or (len(p) > 5 and p in text)]
    return bool(held) or "/tmp/ipykernel_" in text


def publish(chapter: str, run: Path, target: Path, root: Path) -> bool:
    """Write the merged chapter to `target` if it changed; True when it did."""
    source = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
    merged = merge(source, nbformat.read(run, as_version=4), chapter)
    nbformat.validate(merged)
    text = nbformat.writes(merged) + "\n"
    if target.exists() and target.read_text(encoding="utf-8") == text:
        target.touch()  # up to date: say so to the workflow, which looks at the time
        return False
    files.write_atomically(target, text)
    return True


def not_current(root: Path, folder: Path) -> list[str]:
    """Chapters in `folder` that may not be built: missing, of other code than their source, or failed."""
    wrong = []
    for chapter in provenance.chapters(root):
        path = folder / f"{chapter}.ipynb"
        again = f"run: make book CHAPTERS={chapter.split('_')[0]}"
        if not path.exists():
            wrong.append(f"{chapter}: not executed yet; {again}")
            continue
        source = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
        published = nbformat.read(path, as_version=4)
        try:
            merge(source, published, chapter)
        except PublishError as error:
            wrong.append(f"{error}; {again}")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Merge a run into the chapter that is published.")
    parser.add_argument("chapter")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    asked = parser.parse_args()
    try:
        publish(asked.chapter, asked.run, asked.target, provenance.project_root())
    except PublishError as refusal:
        raise SystemExit(f"[publish] {refusal}") from None
