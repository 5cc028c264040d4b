"""Tables of measured values, one row a value: checked, selected, taken over seeds.

A table has the columns of LEFT, then one column
for each thing that was varied (pair, optimiser, k, ...; empty where it means nothing), then those of RIGHT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lglib.report import scales
from lglib.theory.intervals import on_scale

CLAIMS = (
    *("T1", "T2", "T3", "T4"),
    *("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9"),
    *("L1", "L2", "B1", "B2", "B3", "B4", "B5"),
)
CONTEXT = "context"  # rows that describe and speak for no claim: accuracies, sizes
LEFT_OUT = "left out"  # measure of the row that stands for a section which was not measured
RUN = ("model", "seed")
LEFT = ("claim", "measure")
NUMBERS = ("value", "low", "high", "null", "predicted")
RIGHT = ("value", "low", "high", "n", "unit", "null", "null_means", "predicted")
RUNS = ("seed", "value", "null", "predicted")  # of each seed, behind a row of `over_seeds`
RESERVED = frozenset({*RUN, *LEFT, *RIGHT, "over", "runs"})  # never the name of what was varied
KINDS = {"text": "str", "whole": "Int64", "number": "float64"}  # of a varied column, and its dtype
LEVEL = 0.95  # of every interval of the book


class NoRows(KeyError):
    """A table has no row, or no column, of what was asked for; the message names those that there are."""


def varied(frame: pd.DataFrame) -> list[str]:
    """Names of the columns that say what was varied, in their order."""
    return [name for name in frame.columns if name not in RESERVED]


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of one run if it is whole, else raise ValueError: columns, nulls, intervals, doubles."""
    if missing := [name for name in (*LEFT, *RIGHT) if name not in frame.columns]:
        raise ValueError(f"it has no column {', '.join(missing)}")
    if not len(frame):
        raise ValueError("it has no row")
    given = frame[list(NUMBERS[:-1])]
    bad = {
        "a number that is missing or not finite (value, low, high and null must be there)": ~np.isfinite(
            given
        ).all(axis=1),
        "a prediction that is not finite": np.isinf(frame["predicted"]),
        "a value outside its interval": ~frame["value"].between(frame["low"], frame["high"]),
        "n below 1": frame["n"] < 1,
        "no unit or no null_means": frame[["unit", "null_means"]].isna().any(axis=1),
        f"a claim that is neither {CONTEXT!r} nor in the ledger": ~frame["claim"].isin([*CLAIMS, CONTEXT]),
        "the same claim, measure and varied columns as another": frame.duplicated([*LEFT, *varied(frame)]),
    }
    for what, found in bad.items():
        if found.any():
            raise ValueError(f"it has a row with {what}: {describe(frame[found].iloc[0])}")
    return frame


def describe(row: Mapping[str, Any]) -> str:
    """Say in words which row this is.

    >>> describe({"claim": "S3", "measure": "capture", "pair": "cipher", "k": 10, "value": 0.6})
    'S3 capture, cipher, k = 10'
    """
    words = [f"{row['claim']} {row['measure']}"]
    for name, value in row.items():
        if name not in RESERVED and not pd.isna(value):
            words.append(value if isinstance(value, str) else f"{name} = {value:g}")
    return ", ".join(words)


def rows(frame: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Rows with these values in these columns, without the columns that are empty in them.

    A value may be a list (any of them), None (empty there), and for a column of numbers "max" or "min": the
    largest or smallest among the rows that the other conditions leave. Raises NoRows, a KeyError that names
    the columns or values there are.

    >>> frame = pd.DataFrame({"claim": "S3", "measure": "capture", "k": [1, 10], "value": [0.2, 0.6]})
    >>> rows(frame, claim="S3", k="max")["value"].tolist()
    [0.6]
    """
    if unknown := [name for name in wanted if name not in frame.columns]:
        raise NoRows(f"no column {', '.join(unknown)}; there is: {', '.join(map(str, frame.columns))}")
    extremes = {k: v for k, v in wanted.items() if _is_extreme(frame, k, v)}
    left = frame
    before: list[str] = []
    for name, value in {**{k: v for k, v in wanted.items() if k not in extremes}, **extremes}.items():
        column = left[name]
        if name in extremes:
            found = left[column == getattr(column, value)()]
        elif value is None:
            found = left[column.isna()]
        else:
            found = left[column.isin(list(value) if isinstance(value, list | tuple) else [value])]
        if found.empty:
            there = ", ".join(map(str, column.dropna().unique())) or "nothing but empty cells"
            given = f" among rows with {' and '.join(before)}" if before else ""
            raise NoRows(f"no row with {name} = {value!r}{given}; there is: {there}")
        left = found
        before.append(f"{name} = {value!r}")
    return left.drop(columns=[name for name in varied(left) if left[name].isna().all()])


def _is_extreme(frame: pd.DataFrame, name: str, value: Any) -> bool:
    return isinstance(value, str) and value in ("max", "min") and pd.api.types.is_numeric_dtype(frame[name])


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each model, claim, measure and varied columns: the mean over seeds and its interval.

    The interval is Student's t at 95 %, on a scale that the measure cannot leave (`scales`), n is the number
    of seeds, null and prediction are means. A measure of one seed only keeps its own interval and n; the
    column `over` says "seeds" or "draws", and `runs` has a tuple RUNS for each seed. Raises ValueError when
    seeds describe one measure by other words, or only some of them have a prediction.
    """
    if missing := [name for name in (*RUN, *LEFT, *RIGHT) if name not in frame.columns]:
        raise ValueError(f"the table has no column {', '.join(missing)}; take it from gather")
    keys = ["model", *LEFT, *varied(frame)]
    groups = frame.groupby(keys, dropna=False, sort=False)
    _check_alike(frame, groups, keys)
    found = frame.assign(_run=list(zip(*(frame[name] for name in RUNS), strict=True)))
    found = (
        found.groupby(keys, dropna=False, sort=False)
        .agg(
            value=("value", "mean"),
            _spread=("value", "sem"),
            _range=("value", np.ptp),
            low=("low", "first"),
            high=("high", "first"),
            _seeds=("seed", "nunique"),
            n=("n", "first"),
            unit=("unit", "first"),
            null=("null", "mean"),
            null_means=("null_means", "first"),
            predicted=("predicted", "mean"),
            runs=("_run", tuple),
        )
        .reset_index()
    )
    many = found["_seeds"] > 1
    spread = found["_spread"].where(found["_range"] > 0, 0.0)
    told = zip(found["measure"], found["value"], spread, found["_seeds"], strict=True)
    ends = np.array([_interval(*row) if row[3] > 1 else (np.nan, np.nan) for row in told])
    found["low"], found["high"] = (
        found["low"].where(~many, ends[:, 0]),
        found["high"].where(~many, ends[:, 1]),
    )
    found["n"] = found["n"].where(~many, found["_seeds"])
    found["over"] = np.where(many, "seeds", "draws")
    return found[[*keys, *RIGHT, "over", "runs"]]


def _interval(measure: str, mean: float, error: float, seeds: int) -> tuple[float, float]:
    try:
        return on_scale(mean, error, seeds - 1, scales.of(measure), LEVEL)
    except ValueError as wrong:
        raise ValueError(f"{measure}: {wrong}") from wrong


def _check_alike(frame: pd.DataFrame, groups: Any, keys: list[str]) -> None:
    wrong = {
        "has a seed twice": groups["seed"].transform("size") != groups["seed"].transform("nunique"),
        "has two units": groups["unit"].transform("nunique") > 1,
        "has two meanings of its null": groups["null_means"].transform("nunique") > 1,
        "has a prediction in some seeds only": groups["predicted"]
        .transform("count")
        .between(1, groups["seed"].transform("size") - 1),
    }
    for what, found in wrong.items():
        if found.any():
            row = frame[found].iloc[0]
            raise ValueError(f"{describe(row)} of {row['model']} {what}")


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other: model and seed first, then LEFT, what was varied in any of them, RIGHT."""
    names = dict.fromkeys(name for part in parts for name in varied(part))
    order = [*(c for c in RUN if c in parts[0].columns), *LEFT, *names, *RIGHT]
    return pd.concat(parts, ignore_index=True)[order]


def with_left_out(frame: pd.DataFrame, left_out: Mapping[str, str]) -> pd.DataFrame:
    """A table with one row of context more for each section that was left out, and the reason.

    >>> empty = pd.DataFrame(columns=[*LEFT, *RIGHT])
    >>> with_left_out(empty, {"drift": "one step"})[["measure", "section", "reason"]].values.tolist()
    [['left out', 'drift', 'one step']]
    """
    words = dict(claim=CONTEXT, measure=LEFT_OUT, unit="sections", null_means="nothing is left out")
    numbers = dict(value=1.0, low=1.0, high=1.0, n=1, null=0.0, predicted=np.nan)
    added = [dict(section=name, reason=why, **words, **numbers) for name, why in left_out.items()]
    return joined([frame, pd.DataFrame(added)]) if added else frame


def kind(column: pd.Series) -> str:
    """What a varied column holds: "text", "whole" or "number". Raises ValueError when it holds several."""
    kinds = {type(value) for value in column.dropna().tolist()}
    if kinds == {str}:
        return "text"
    if kinds <= {int, float}:
        whole = all(float(value).is_integer() for value in column.dropna())
        return "whole" if whole else "number"
    raise ValueError(
        f"column {column.name!r} holds both texts and numbers: {column.dropna().unique().tolist()}"
    )
