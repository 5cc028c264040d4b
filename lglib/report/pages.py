"""What the pages of a chapter share: what was measured, the verdicts in short, the model that is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lglib.report import claims, frames, tables
from lglib.report.filing import Measured

WORDS_A_MINUTE = 200
TOLD = ("torch", "transformers", "peft")  # versions that a page names first


def measured(observed: Measured, *, seed: int, versions: Mapping[str, str]) -> str:
    """What a page stands on, in three lines: models and seeds, the live case's seed, versions.

    >>> two = pd.DataFrame({"model": ["a", "a"], "seed": [0, 1]})
    >>> print(measured(Measured(two, {}), seed=0, versions={}))
    a: seeds 0, 1
    live case: seed 0
    """
    known = ", ".join(f"{name} {versions[name]}" for name in TOLD if name in versions)
    return "\n".join([str(observed), f"live case: seed {seed}", *([known] if known else [])])


def seeds(observed: Measured) -> str:
    """Models and their seeds, in one line.

    >>> seeds(Measured(pd.DataFrame({"model": ["a", "a"], "seed": [0, 1]}), {}))
    'a: seeds 0, 1'
    """
    return str(observed).splitlines()[0]


def shown(model: str, models: Sequence[str]) -> str:
    """The model whose rows a page shows where it shows one: that of the live case, else the first.

    >>> shown("gpt", ["qwen", "olmo"])
    'qwen'
    """
    if not models:
        raise ValueError("models is empty: no observation counts")
    return model if model in models else models[0]


def verdicts(
    study: str, over: pd.DataFrame, *, also: Mapping[str, pd.DataFrame] | None = None, beyond: bool = False
) -> pd.DataFrame:
    """The verdicts of a study in short (`short`). `over` is its table over seeds (`frames.over_seeds`).

    `also` has such tables of further studies that judge the same claims.
    """
    asked = [
        (name, table, model)
        for name, table in {study: over, **(also or {})}.items()
        for model in table.get("model", pd.Series(dtype=str)).unique()
    ]
    return short([claims.judge(name, table, model, beyond=beyond) for name, table, model in asked])


def short(judged: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One line a statement, in the order of the claims: what the paper has, and the verdict by model.

    `judged` are judged rows, of one model or of several; those of one model and statement make one verdict,
    from whichever study they come. "partly" has with it how many rows reproduce.
    """
    lines: dict[tuple[str, str], list[str]] = {}
    for model, one in pd.concat(judged, ignore_index=True).groupby("model", sort=False):
        for row in claims.summary(one).to_dict("records"):
            told = f"{row['claim']}: {row['statement']} (in the paper: {row['paper']})"
            lines.setdefault((row["claim"], told), []).append(f"{model}: {row['verdict']}")
    order = sorted(lines, key=lambda key: frames.CLAIMS.index(key[0]))
    table = [{"claim": key[1], "here": "; ".join(lines[key])} for key in order]
    return tables.show(pd.DataFrame(table), ["claim", "here"])  # two columns fit a phone


def minutes(notebook: Path) -> int:
    """Minutes that the prose of a notebook takes to read, at 200 words a minute; at least one."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    words = sum(len("".join(c["source"]).split()) for c in cells if c["cell_type"] == "markdown")
    return max(1, round(words / WORDS_A_MINUTE))
