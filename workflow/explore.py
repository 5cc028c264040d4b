"""What the explorers of the book show: where they start, and observations over seeds, written as a script."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from lglib.base.files import write_atomically
from lglib.report import filing, frames
from workflow import plan, stills

PAGE = "book/explore.md"
FOLDER = "book/_static/explore"
CAPTURES = {"prefix": "S3", "still to come": "S3", "static": "S2"}  # bases, and the claim that they speak for
DOSES = ("P(yes)", "target gain", "accuracy change", "skills lost", "plain text", "damaged generations")
RUN = ("model", "pair", "optimiser", "k", "T")  # what tells the captures of one recovery from others
DOSE = ("model", "task", "measure", "depth", "vector")  # what tells one dose-response curve from another
VECTOR = "CAA, true - false"  # of the curve that is shown first
DIGITS = 5  # of every number that the page gets

# Where each explorer starts, and what its still picture shows.
FIRST: dict[str, dict[str, Any]] = {
    "best-of-n": {"d": 10_000, "n": 128, "sigma": 0.01, "c": 0.01},
    "density": {"ka": 10, "massa": 0.1, "kb": 10_000, "massb": 0.5, "n": 128},
    "capture": {"d": 10_000, "k": 10, "t": 100, "share": 0.3, "observed": 0.5},
}


def write(state: plan.State, site: Path) -> None:
    """Write data.js and a still picture of each explorer into a site before its build, if it has the page."""
    if not (site / PAGE).is_file():
        return
    found = data(state)
    script = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    (site / FOLDER).mkdir(parents=True, exist_ok=True)
    write_atomically(site / FOLDER / "data.js", f"window.EXPLORE = {script};\n")
    stills.write(found, site / FOLDER)


def data(state: plan.State) -> dict[str, Any]:
    """All that the page gets; an explorer of which no observation counts has no start."""
    found: dict[str, Any] = {"first": dict(FIRST)}
    if (measured := _measured(state, "lora")) is not None:
        rows = recovery(measured)
        found["recovery"] = {"rows": rows}
        found["first"]["recovery"] = first_of(rows, {"T": rows[-1]["T"], "k": rows[-1]["k"]}, RUN)
    tables = [table for study in ("bridge", "lens") if (table := _measured(state, study)) is not None]
    if rows := [row for table in tables for row in dose(table)]:
        found["dose"] = {"rows": rows}
        deepest = {"measure": DOSES[0], "depth": max(row["depth"] for row in rows), "vector": VECTOR}
        found["first"]["dose"] = {**first_of(rows, deepest, DOSE), "multiplier": 1.0}
    return found


def first_of(rows: list[dict[str, Any]], wanted: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Where an explorer starts: the first row with most of the wanted values and the usual model."""
    at = {"model": plan.USUAL, **wanted}
    best = max(rows, key=lambda row: sum(row[name] == value for name, value in at.items()))
    return {name: best[name] for name in names}


def _measured(state: plan.State, study: str) -> pd.DataFrame | None:
    """Observations of a study on all its models and seeds; None where the profile has none that count."""
    if study not in state.plan:
        return None
    code, parameters = state.wanted(study)
    try:
        return filing.gather(study, state.profile, parameters=parameters, code=code, root=state.root).frame
    except filing.NoObservation:
        return None


def recovery(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Captures and energy shares of each recovery: one row a model, pair, optimiser, k and T."""
    wanted = (frame["measure"] == "energy share") & (frame["claim"] == "S3")
    for basis, claim in CAPTURES.items():
        own = (frame["measure"] == "capture") & (frame["claim"] == claim)
        wanted |= own & (frame["basis"] == basis)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in _over_seeds(frame[wanted], [*RUN, "basis"]):
        key = tuple(row[name] for name in RUN)
        one = found.setdefault(key, {**{name: row[name] for name in RUN}, "cells": {}})
        one["cells"]["energy share" if row["measure"] == "energy share" else row["basis"]] = cell(row)
    whole = [row for row in found.values() if {"prefix", "energy share"} <= set(row["cells"])]
    return sorted(whole, key=lambda row: (row["T"], row["k"]))


def dose(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Responses to doses: one row a model, task, measure, depth and vector; cells by rising multiplier."""
    chosen = frame["measure"].isin([*DOSES, "P(first answer)"]) & frame["multiplier"].notna()
    wanted = frame[chosen & frame["vector"].notna() & frame["claim"].isin(["B2", "B5"])]
    wanted = wanted.assign(task=wanted["task"].fillna("yes-no"))  # the study of one question does not name it
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(_over_seeds(wanted, [*DOSE, "multiplier"]), key=lambda row: float(row["multiplier"])):
        key = tuple(row[name] for name in DOSE)
        start = {**{name: row[name] for name in DOSE}, "unit": row["unit"], "null": row["null_means"]}
        one = found.setdefault(key, {**start, "x": [], "cells": []})
        one["x"].append(row["multiplier"])
        one["cells"].append(cell(row))
    return sorted(found.values(), key=lambda row: [str(row[name]) for name in DOSE])


def _over_seeds(frame: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """Rows over seeds as plain dicts, of the columns that tell them apart."""
    kept = [*frames.RUN, *frames.LEFT, *(n for n in names if n not in frames.RUN), *frames.RIGHT]
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in frames.over_seeds(frame[list(dict.fromkeys(kept))]).to_dict("records")
    ]


def _plain(value: Any) -> Any:
    """A number of numpy as Python's own, a whole one as int."""
    return value.item() if hasattr(value, "item") else value


def cell(row: dict[str, Any]) -> list[Any]:
    """Mean, low, high, null and the values of the seeds, in DIGITS digits.

    >>> cell({"value": 2 / 3, "low": 0.5, "high": 0.8, "null": 0.0, "runs": ((0, 2 / 3, 0.0, None),)})
    [0.66667, 0.5, 0.8, 0.0, [0.66667]]
    """
    means = [digits(row[name]) for name in ("value", "low", "high", "null")]
    return [*means, [digits(value) for _, value, *_ in row["runs"]]]


def digits(value: float) -> float:
    """A number rounded to DIGITS significant digits.

    >>> digits(0.000123456789)
    0.00012346
    """
    return value if value == 0 else round(float(value), DIGITS - 1 - math.floor(math.log10(abs(value))))
