"""Records by claim id: what a run measured, written atomically, read back across seeds.

Notebooks and the ledger import it.
"""

from __future__ import annotations

import json
import math
import numbers
import operator
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lglib.base import files
from lglib.report import provenance
from lglib.theory import stats

CLAIMS = (
    *("T1", "T2", "T3", "T4"),
    *("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9"),
    *("L1", "L2", "B1", "B2", "B3", "B4", "B5"),
)
SCHEMA = 1
KEYS = {"chapter", "profile", "model", "seed", "parameters", "device", "versions", "code", "claims"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a chapter, profile or model: it becomes part of a path
LEVEL = 0.95  # of every interval of the book
DIGITS = 6  # significant digits of a record: enough to print, few enough to repeat elsewhere


@dataclass(frozen=True)
class Record:
    """One measured value of a run, with its n, interval and null, and its prediction where a law exists.

    `claim` is an id of the ledger; `quantity` says what was measured; `n` is how many independent draws
    stand behind `value`, and [low, high] is the interval over them; `null` is the value that chance
    alone would give and `null_means` says what that chance is. Numbers become float, n becomes int. Raises
    ValueError, naming the field, when one is missing, of the wrong kind or not finite, or when the interval
    does not hold the value.

    >>> Record("T1", "gain / law", 1.01, 0.98, 1.04, n=200, unit="1", null=0.0, null_means="one draw").value
    1.01
    """

    claim: str
    quantity: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    null: float
    null_means: str
    predicted: float | None = None

    def __post_init__(self) -> None:
        if self.claim not in CLAIMS:
            raise ValueError(f"claim is {self.claim!r}; the ledger has {', '.join(CLAIMS)}")
        for name in ("quantity", "unit", "null_means"):
            text = getattr(self, name)
            if not (isinstance(text, str) and text.strip()):
                raise ValueError(
                    f"a record of {self.claim} needs quantity, unit and null_means; {name} is {text!r}"
                )
        for name in ("value", "low", "high", "null", "predicted"):
            given = getattr(self, name)
            if name == "predicted" and given is None:
                continue
            where = f"{self.claim} {self.quantity!r}: {name}"
            if isinstance(given, bool | np.bool_) or not hasattr(given, "__float__"):
                raise ValueError(f"{where} must be a number, got {given!r}")
            if not math.isfinite(number := float(given)):
                raise ValueError(f"{where} must be finite, got {given!r}")
            object.__setattr__(self, name, number)
        if isinstance(self.n, bool) or not hasattr(self.n, "__index__"):
            raise ValueError(f"{self.claim} {self.quantity!r}: n must be a whole number, got {self.n!r}")
        object.__setattr__(self, "n", operator.index(self.n))
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"{self.claim} {self.quantity!r}: value {self.value} is outside its interval "
                f"[{self.low}, {self.high}]"
            )
        if self.n < 1:
            raise ValueError(f"{self.claim} {self.quantity!r}: n must be at least 1, got {self.n}")

    @classmethod
    def of(cls, claim: str, quantity: str, interval: stats.Interval, **rest: Any) -> Record:
        """Record made from a `stats.Interval` at 95 %, as it is printed; the other fields by name."""
        if interval.level != LEVEL:
            raise ValueError(f"{claim} {quantity!r}: the interval's level is {interval.level}, want {LEVEL}")
        return cls(claim, quantity, interval.estimate, interval.low, interval.high, n=interval.n, **rest)


def write(
    records: Sequence[Record],
    *,
    chapter: str,
    profile: str,
    model: str,
    seed: int,
    parameters: Mapping[str, Any],
    device: str,
    root: str | Path | None = None,
) -> Path:
    """Write the records of one run to `<root>/<profile>/<model>/seed<k>/<chapter>.json`, atomically.

    `root` defaults to the environment's LG_RESULTS (the workflow's scratch folder) or the project's
    `results/`. Raises ValueError for no records, two records of one claim and quantity, a bad seed, a name
    that cannot be part of a path, or a parameter that JSON cannot hold.
    """
    if not records:
        raise ValueError("records is empty: a run must record at least one value")
    keys = [(r.claim, r.quantity) for r in records]
    if twice := sorted({k for k in keys if keys.count(k) > 1}):
        raise ValueError(f"recorded twice: {twice}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0, got {seed!r}")
    for key, name in {"chapter": chapter, "profile": profile, "model": model}.items():
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            hint = "; write a hub id org/name as org--name" if "/" in str(name) else ""
            raise ValueError(f"{key} must be letters, digits, '.', '_' and '-', got {name!r}{hint}")
    by_claim: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(records, key=lambda r: CLAIMS.index(r.claim)):
        fields = {k: _rounded(v) for k, v in asdict(record).items() if k != "claim"}
        by_claim.setdefault(record.claim, []).append(fields)
    document = {
        "schema": SCHEMA,
        "chapter": chapter,
        "profile": profile,
        "model": model,
        "seed": seed,
        "parameters": _plain("parameters", parameters),
        "device": str(device),
        "versions": provenance.versions(),
        "code": provenance.code_hash(chapter),
        "claims": by_claim,
    }
    if root is None:
        root = os.environ.get("LG_RESULTS") or provenance.project_root() / "results"
    path = Path(root) / profile / model / f"seed{seed}" / f"{chapter}.json"
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    return files.write_atomically(path, text + "\n")


def read(path: str | Path) -> dict[str, Any]:
    """Read one results file; its `claims` become lists of `Record`.

    Raises ValueError, naming the file, when it is cut off, of another schema, or holds a bad record.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}, this code reads {SCHEMA}")
        if missing := sorted(KEYS - set(document)):
            raise ValueError(f"it has no {', '.join(missing)}")
        document["claims"] = {
            claim: [Record(claim=claim, **fields) for fields in rows]
            for claim, rows in document["claims"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole results file: {error}") from error
    return document


def _plain(key: str, value: Any) -> Any:
    """A parameter as JSON holds it: numpy scalars become Python's; the error names the key."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    if isinstance(value, list | tuple):
        return [_plain(f"{key}[{i}]", one) for i, one in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: _plain(f"{key}[{name!r}]", one) for name, one in value.items()}
    raise ValueError(f"{key} must be finite numbers, texts, lists and mappings by text, got {value!r}")


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
