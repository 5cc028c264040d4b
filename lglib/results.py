"""Records by claim id: what a run measured, written atomically, read back across seeds, judged by rule.

Room: above `stats` and `provenance`; knows nothing of models. Notebooks and the ledger import it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lglib import provenance, stats

CLAIMS = (
    *("T1", "T2", "T3", "T4"),
    *("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9"),
    *("L1", "L2", "B1", "B2", "B3", "B4", "B5"),
)
SCHEMA = 1
Rule = Callable[["Record", float], str]
DIGITS = 6  # significant digits of a record: enough to print, few enough to repeat elsewhere


@dataclass(frozen=True)
class Record:
    """One measured value of a run, with its n, interval and null, and its prediction where a law exists.

    `claim` is an id of the ledger; `quantity` says what was measured; `n` is how many independent draws
    stand behind `value`, and [low, high] is the interval over them; `null` is the value that chance
    alone would give and `null_means` says what that chance is. Raises ValueError when a field is
    missing, not finite, or the interval does not hold the value.

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
        if not (self.quantity and self.unit and self.null_means):
            raise ValueError(f"a record of {self.claim} needs quantity, unit and null_means, got {self}")
        numbers = [self.value, self.low, self.high, self.null]
        numbers += [] if self.predicted is None else [self.predicted]
        if not all(math.isfinite(x) for x in numbers):
            raise ValueError(f"{self.claim} {self.quantity!r}: all numbers must be finite, got {numbers}")
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"{self.claim} {self.quantity!r}: value {self.value} is outside its interval "
                f"[{self.low}, {self.high}]"
            )
        if self.n < 1:
            raise ValueError(f"{self.claim} {self.quantity!r}: n must be at least 1, got {self.n}")

    @classmethod
    def of(cls, claim: str, quantity: str, interval: stats.Interval, **rest: Any) -> Record:
        """Record made from a `stats.Interval`; the other fields by name."""
        return cls(claim, quantity, interval.estimate, interval.low, interval.high, n=interval.n, **rest)


def agrees(record: Record, tolerance: float) -> str:
    """Verdict on a predicted value: does the interval lie within `tolerance` (a share) of the prediction?

    "reproduced" when all of the interval does, "not reproduced" when none of it does, else "partly".

    >>> agrees(Record("T1", "ratio", 1.0, 0.99, 1.01, 9, "1", 0.0, "one draw", predicted=1.0), 0.05)
    'reproduced'
    """
    if record.predicted is None:
        raise ValueError(f"{record.claim} {record.quantity!r} has no prediction to agree with")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}")
    slack = tolerance * abs(record.predicted)
    return _verdict(record.low, record.high, record.predicted - slack, record.predicted + slack)


def exceeds(record: Record, bar: float) -> str:
    """Verdict on a claimed effect: is the interval above `bar`?

    >>> exceeds(Record("S3", "capture", 0.6, 0.5, 0.7, 5, "1", 0.001, "random subspace"), 0.1)
    'reproduced'
    """
    return _verdict(record.low, record.high, bar, math.inf)


def falls_below(record: Record, bar: float) -> str:
    """Verdict on a claimed smallness: is the interval below `bar`?

    >>> falls_below(Record("T3", "residual", 1e-12, 0, 1e-11, 3, "1", 1.0, "random"), 1e-10)
    'reproduced'
    """
    return _verdict(record.low, record.high, -math.inf, bar)


def overall(verdicts: Iterable[str]) -> str:
    """One verdict for a claim from the verdicts of its records: the same if all agree, else "partly".

    >>> overall(["reproduced", "partly"])
    'partly'
    """
    found = set(verdicts)
    if not found:
        raise ValueError("no verdict was given; a claim without a record is 'not testable here'")
    return found.pop() if len(found) == 1 else "partly"


def row(record: Record, rule: Rule, bar: float) -> dict[str, str]:
    """A line of a chapter's table of claims: the value beside its null, the rule, and what the rule says.

    >>> record = Record("T1", "ratio", 1.0, 0.99, 1.01, 9, "1", 0.0, "one draw", predicted=1.0)
    >>> row(record, agrees, 0.05)["rule"]
    'within 5% of prediction'
    """
    words = {
        "agrees": f"within {bar:.0%} of prediction",
        "exceeds": f"above {bar:g}",
        "falls_below": f"below {bar:g}",
    }
    return {
        "claim": record.claim,
        "measured": record.quantity,
        "value [95 %] (n)": f"{record.value:.3g} [{record.low:.3g}, {record.high:.3g}] ({record.n})",
        "null": f"{record.null:.3g}: {record.null_means}",
        "prediction": "none" if record.predicted is None else f"{record.predicted:.3g}",
        "rule": words[rule.__name__],
        "verdict": rule(record, bar),
    }


def _verdict(low: float, high: float, wanted_low: float, wanted_high: float) -> str:
    if wanted_low < low and high < wanted_high:
        return "reproduced"
    if high <= wanted_low or low >= wanted_high:
        return "not reproduced"
    return "partly"


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
    `results/`. Raises ValueError for no records, two records of one claim and quantity, or a bad seed.
    """
    if not records:
        raise ValueError("records is empty: a run must record at least one value")
    keys = [(r.claim, r.quantity) for r in records]
    if twice := sorted({k for k in keys if keys.count(k) > 1}):
        raise ValueError(f"recorded twice: {twice}")
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0, got {seed!r}")
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
        "parameters": dict(parameters),
        "device": device,
        "versions": provenance.versions(),
        "code": provenance.code_hash(chapter),
        "claims": by_claim,
    }
    default = os.environ.get("LG_RESULTS") or provenance.project_root() / "results"
    path = Path(root or default) / profile / model / f"seed{seed}" / f"{chapter}.json"
    return provenance.write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read(path: str | Path) -> dict[str, Any]:
    """Read one results file; its `claims` become lists of `Record`.

    Raises ValueError, naming the file, when it is cut off, of another schema, or holds a bad record.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}, this code reads {SCHEMA}")
        document["claims"] = {
            claim: [Record(claim=claim, **fields) for fields in rows]
            for claim, rows in document["claims"].items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a whole results file: {error}") from error
    return document


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
