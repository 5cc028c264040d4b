"""Observations: what a study measured, added value by value, each with its null."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from lglib.report import frames
from lglib.report.filing import FRESH, PUBLISHED, Filed, Header, Measured, gather, publish, read, write
from lglib.report.frames import over_seeds, rows
from lglib.theory.stats import Interval

__all__ = ["FRESH", "PUBLISHED", "Filed", "Header", "Measured", "Observations"]
__all__ += ["gather", "over_seeds", "publish", "read", "rows", "write"]

STATE = ("done", "left_out", "crashed", "files")  # of a run, beside its rows
DIGITS = 6  # significant digits of a filed number: enough to print, few enough to repeat elsewhere


class FileChanged(RuntimeError):
    """A file of data is not the one that an earlier part of the same run has read."""


class Observations:
    """Measured values of one run, added one by one; each has its null, and says what was varied.

    `done` are the sections that were measured or cannot be, `left_out` those that were not and why, `crashed`
    those that ended in a fault, with its traceback, and `files` the sha256 of the data that was read
    (`sections.measure_sections` fills in the first three, `used` the last).

    >>> o = Observations()
    >>> o.add("S3", "capture", 0.61, null=0.001, null_means="random subspace", pair="cipher", k=10)
    >>> o.frame()[["claim", "pair", "k", "value", "n"]].values.tolist()
    [['S3', 'cipher', 10, 0.61, 1]]
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._keys: set[tuple[Any, ...]] = set()
        self.done: list[str] = []
        self.left_out: dict[str, str] = {}
        self.crashed: dict[str, str] = {}
        self.files: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        claim: str,
        measure: str,
        value: float | Interval,
        *,
        null: float,
        null_means: str,
        unit: str = "1",
        predicted: float | None = None,
        **varied: str | int | float,
    ) -> None:
        """Add one value: a number (n = 1, no spread) or an interval at 95 %.

        `claim` is an id of the ledger, or "context" for what describes and speaks for none; `measure` names
        the quantity and `varied` what was varied: texts, whole numbers or numbers, left out where they mean
        nothing. `null` is what chance alone would give, `null_means` what that chance is. Numbers are rounded
        to 6 significant digits. Raises ValueError naming the row and what is wrong with it.
        """
        where = frames.describe({"claim": claim, "measure": measure, **varied})
        if claim not in (*frames.CLAIMS, frames.CONTEXT):
            raise ValueError(
                f"{where}: claim must be one of {', '.join(frames.CLAIMS)} or {frames.CONTEXT!r}"
            )
        for name, text in {"measure": measure, "unit": unit, "null_means": null_means}.items():
            if not (isinstance(text, str) and text.strip()):
                raise ValueError(f"{where}: {name} must be words, got {text!r}")
        told = {name: _setting(where, name, setting) for name, setting in varied.items()}
        key = _key({"claim": claim, "measure": measure, **told})
        if key in self._keys:
            raise ValueError(f"{where} is measured twice: name what was varied, or give it another measure")
        self._keys.add(key)
        numbers = {
            **_interval(where, value),
            "unit": unit,
            "null": _number(where, "null", null),
            "null_means": null_means,
            "predicted": math.nan if predicted is None else _number(where, "predicted", predicted),
        }
        self._rows.append({"claim": claim, "measure": measure, **told, **numbers})

    def used(self, name: str, sha256: str) -> None:
        """Note that a file of data was read, for the header. FileChanged when it was another one before.

        >>> o = Observations()
        >>> o.used("boolq.jsonl", "5f1e...")
        >>> o.files
        {'boolq.jsonl': '5f1e...'}
        """
        if self.files.setdefault(name, sha256) != sha256:
            raise FileChanged(f"{name} is no longer the file that this run began with (sha256 {sha256[:12]})")

    def take_back(self, kept: int) -> None:
        """Drop all rows but the first `kept`: those of a section that was not measured to its end.

        >>> o = Observations()
        >>> o.add("T1", "gain", 1.0, null=0.0, null_means="no step")
        >>> o.take_back(0)
        >>> len(o)
        0
        """
        self._rows = self._rows[:kept]
        self._keys = {_key(row) for row in self._rows}

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON holds it, for `from_json`."""
        return {"rows": self._rows, **{name: getattr(self, name) for name in STATE}}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Observations:
        """Observations from `as_json`.

        >>> o = Observations()
        >>> o.add("T1", "gain", 1.0, null=0.0, null_means="no step", d=10)
        >>> Observations.from_json(o.as_json()).frame().equals(o.frame())
        True
        """
        made = cls()
        made._rows = [dict(row) for row in given["rows"]]
        made.take_back(len(made._rows))
        for name in STATE:
            setattr(made, name, type(getattr(made, name))(given[name]))
        return made

    def frame(self) -> pd.DataFrame:
        """The rows as a table; what was varied has its own columns, empty where it means nothing."""
        if not self._rows:
            raise ValueError("nothing was measured: there is no row")
        table = pd.DataFrame(self._rows)
        table = table.astype({name: frames.KINDS[frames.kind(table[name])] for name in frames.varied(table)})
        return frames.check(frames.joined([table]))

    def beside(self, filed: pd.DataFrame, *, model: str, seed: int) -> str:
        """Say how far these values are from those filed for a model and a seed (`filed` is a gathered frame).

        >>> o = Observations()
        >>> o.add("S3", "capture", 0.61, null=0.001, null_means="random subspace", k=10)
        >>> o.beside(o.frame().assign(model="micro-gpt2", seed=0), model="micro-gpt2", seed=0)
        '1 of 1 live values filed for micro-gpt2, seed 0; largest difference 0.0e+00'
        """
        mine, own = self.frame(), filed[(filed["model"] == model) & (filed["seed"] == seed)]
        known = dict(zip(_keys(own), own["value"], strict=True))
        live = dict(zip(_keys(mine), mine["value"], strict=True))
        off = [abs(value - known[key]) for key, value in live.items() if key in known]
        told = f"{len(off)} of {len(live)} live values filed for {model}, seed {seed}"
        return f"{told}; largest difference {max(off):.1e}" if off else f"{told}: nothing to compare with"


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    varied = {name: x for name, x in row.items() if name not in frames.RESERVED}
    return row["claim"], row["measure"], frozenset(varied.items())


def _keys(table: pd.DataFrame) -> list[frozenset[tuple[str, Any]]]:
    """What each row is of: claim, measure and what was varied, whole numbers as numbers."""
    named = table[[*frames.LEFT, *frames.varied(table)]]
    return [
        frozenset((n, x if isinstance(x, str) else float(x)) for n, x in row.items() if not pd.isna(x))
        for row in named.to_dict("records")
    ]


def _interval(where: str, value: Any) -> dict[str, float | int]:
    if not isinstance(value, Interval):
        number = _number(where, "value", value)
        return {"value": number, "low": number, "high": number, "n": 1}
    if value.level != frames.LEVEL:
        raise ValueError(f"{where}: the level of the interval must be {frames.LEVEL}, got {value.level}")
    if not value.low <= value.estimate <= value.high:
        raise ValueError(
            f"{where}: value {value.estimate} is outside its interval [{value.low}, {value.high}]"
        )
    numbers = {"value": value.estimate, "low": value.low, "high": value.high}
    return {**{name: _number(where, name, x) for name, x in numbers.items()}, "n": int(value.n)}


def _number(where: str, name: str, given: Any) -> float:
    if isinstance(given, bool | np.bool_ | str) or not hasattr(given, "__float__"):
        raise ValueError(f"{where}: {name} must be a number, got {given!r}")
    if not math.isfinite(number := float(given)):
        raise ValueError(f"{where}: {name} must be finite, got {given!r}")
    return float(f"{number:.{DIGITS}g}")


def _setting(where: str, name: str, given: Any) -> str | int | float:
    if name in frames.RESERVED:
        raise ValueError(f"{where}: {name!r} is the name of a fixed column, not of what was varied")
    if isinstance(given, str) and given.strip():
        return given
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        return int(given)
    if isinstance(given, float | np.floating) and math.isfinite(given):
        return float(given)
    raise ValueError(f"{where}: {name} must be a text or a finite number, got {given!r}")
