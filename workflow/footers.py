"""The foot of each chapter: what was measured, where, the observations to download, how to cite the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import yaml

from lglib.base.files import write_atomically
from lglib.report import frames, pages
from workflow import plan

FOLDER = "book/observations"  # in the site that is to be built: one table a study and profile
TOLD = ("python", "torch", "numpy", "scipy", "transformers", "peft")  # of the versions of a run
HIDDEN = frozenset(
    {"hide-input", "remove-input", "hide-cell", "remove-cell"}
)  # cells that a reader does not see


def write(state: plan.State, site: Path) -> None:
    """Add its foot to each chapter of a site before its build, and write the observations that it offers."""
    read = {name: state.studies_of(name) for name in state.chapters}
    told: dict[str, list[str]] = {}
    for study in sorted({study for studies in read.values() for study in studies}):
        looks = [state, *([state.other] if state.other else [])]
        told[study] = [line for look in looks for line in of_study(look, study, site)]
    cite = citation(state.root)
    for chapter, studies in read.items():
        page = site / "book" / "chapters" / f"{chapter}.ipynb"
        notebook = nbformat.read(page, as_version=4)
        lines = [line for study in studies for line in told[study]]
        text = foot(lines, reading(state.source(chapter)), f"{cite} Page: {title(notebook)}.".strip())
        notebook.cells.append(nbformat.v4.new_markdown_cell(text, id="foot"))
        write_atomically(page, nbformat.writes(notebook) + "\n")


def foot(lines: Sequence[str], minutes: str, cite: str) -> str:
    """The Markdown of a foot: a folded note with one line a study."""
    measured = [f"- {line}" for line in lines] or ["- Nothing: the page reads no observations."]
    what = "On this page was measured" if lines else "About this page"
    parts = [f"To read: {minutes}.", *measured, f"To cite: {cite}"]
    body = "\n".join(f"{part}\n" if not part.startswith("- ") else part for part in [parts[0], *measured])
    return f":::{{admonition}} {what}\n:class: note dropdown measured\n\n{body}\n\n{parts[-1]}\n:::\n"


def of_study(state: plan.State, study: str, site: Path) -> list[str]:
    """Write all observations of a study that count, as one table; say what they are, in one line or none."""
    if study not in state.plan or not (counted := state.standing(study).counted):
        return []
    runs, paths = sorted(counted), [counted[run][0] for run in sorted(counted)]
    name = study if state.profile == plan.PUBLISHED else f"{state.profile}-{study}"
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # As text: these files were read with distrust by `standing`, and their digits stay as they are.
    tables = [pd.read_csv(path, dtype="str", keep_default_na=False) for path in paths]
    parts = [t.assign(model=model, seed=seed) for t, (model, seed) in zip(tables, runs, strict=True)]
    whole = frames.joined(parts)
    write_atomically(folder / f"{name}.csv", whole.to_csv(index=False, lineterminator="\n"))
    about = [json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) for path in paths]
    write_atomically(folder / f"{name}.json", json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    where = ", ".join(dict.fromkeys(one.get("machine") or one["device"] for one in about))
    data = f"{{download}}`{name}.csv <../observations/{name}.csv>`"
    source = f"{{download}}`{name}.json <../observations/{name}.json>`"
    return [
        f"*{study}* (profile {state.profile}): {models(runs)}; on {where}; {versions(about)}. "
        f"{len(whole):,} values in {data}; parameters and versions of each run in {source}."
    ]


def models(runs: Iterable[tuple[str, int]]) -> str:
    """Models with their seeds, from pairs sorted by model.

    >>> models([("gpt", 0), ("gpt", 1), ("olmo", 0)])
    'gpt, seeds 0, 1 (n = 2); olmo, seed 0 (n = 1)'
    """
    told = []
    for model, group in groupby(runs, key=lambda run: run[0]):
        seeds = [str(seed) for _, seed in group]
        told.append(
            f"{model}, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)} (n = {len(seeds)})"
        )
    return "; ".join(told)


def versions(headers: Sequence[dict[str, Any]]) -> str:
    """Versions behind runs, each once; more than one of a package where runs differ.

    >>> versions([{"versions": {"torch": "2.1"}}, {"versions": {"torch": "2.2"}}])
    'torch 2.1 or 2.2'
    """
    known = {n: dict.fromkeys(h["versions"][n] for h in headers if n in h["versions"]) for n in TOLD}
    return ", ".join(f"{name} {' or '.join(found)}" for name, found in known.items() if found)


def reading(notebook: Path) -> str:
    """How long the text of a page takes to read, and how many code cells it shows."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    shown = sum(not HIDDEN & set(c["metadata"].get("tags", [])) for c in code)
    minutes = pages.minutes(notebook)
    return f"about {minutes} {'minute' if minutes == 1 else 'minutes'} for the text, {shown} code cells shown"


def title(notebook: Any) -> str:
    """First heading of a notebook, without its mark.

    >>> cell = {"cell_type": "markdown", "source": "# A title\\n\\ntext"}
    >>> title(nbformat.from_dict({"cells": [cell]}))
    'A title'
    """
    first: str = notebook.cells[0].source
    return first.splitlines()[0].removeprefix("#").strip()


def citation(root: Path) -> str:
    """How to cite the book, from CITATION.cff; empty where a project has none."""
    path = root / "CITATION.cff"
    if not path.is_file():
        return ""
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = ", ".join(a.get("name") or f"{a['given-names']} {a['family-names']}" for a in known["authors"])
    return f"{names} ({str(known['date-released'])[:4]}). {known['title']}. Version {known['version']}."
