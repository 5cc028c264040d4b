"""Verdicts by rule: what the interval of a record says of a claim, and the tables that chapters end with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from lglib.report.results import Record

VERDICTS = ("reproduced", "partly", "not reproduced")
Rule = Callable[[Record, float], str]


def agrees(record: Record, tolerance: float) -> str:
    """Verdict on a predicted value: does the interval lie within `tolerance` (a share) of the prediction?

    "reproduced" when all of the interval does, "not reproduced" when none of it does, else "partly".

    >>> agrees(Record("T1", "ratio", 1.0, 0.99, 1.01, 9, "1", 0.0, "one draw", predicted=1.0), 0.05)
    'reproduced'
    """
    if record.predicted is None:
        raise ValueError(f"{record.claim} {record.quantity!r} has no prediction to agree with")
    if not (tolerance > 0 and math.isfinite(tolerance)):
        raise ValueError(f"tolerance must be finite and above 0, got {tolerance}")
    if record.predicted == 0:
        raise ValueError(
            f"{record.claim} {record.quantity!r}: no share of a prediction of 0 is above 0; use falls_below"
        )
    slack = tolerance * abs(record.predicted)
    return _verdict(record.low, record.high, record.predicted - slack, record.predicted + slack)


def exceeds(record: Record, bar: float) -> str:
    """Verdict on a claimed effect: is the interval above `bar`?

    >>> exceeds(Record("S3", "capture", 0.6, 0.5, 0.7, 5, "1", 0.001, "random subspace"), 0.1)
    'reproduced'
    """
    return _verdict(record.low, record.high, _bar(bar), math.inf)


def falls_below(record: Record, bar: float) -> str:
    """Verdict on a claimed smallness: is the interval below `bar`?

    >>> falls_below(Record("T3", "residual", 1e-12, 0, 1e-11, 3, "1", 1.0, "random"), 1e-10)
    'reproduced'
    """
    return _verdict(record.low, record.high, -math.inf, _bar(bar))


def overall(verdicts: Iterable[str]) -> str:
    """One verdict for a claim from the verdicts of its records: the same if all agree, else "partly".

    >>> overall(["reproduced", "partly"])
    'partly'
    """
    if isinstance(verdicts, str):
        raise ValueError(f"verdicts must be a list of verdicts, got the text {verdicts!r}")
    found = set(verdicts)
    if wrong := found - set(VERDICTS):
        raise ValueError(f"verdicts has {sorted(map(str, wrong))}; a verdict is one of {', '.join(VERDICTS)}")
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
        "agrees": f"within {100 * bar:g}% of prediction",
        "exceeds": f"above {bar:g}",
        "falls_below": f"below {bar:g}",
    }
    return {
        "claim": record.claim,
        "measured": record.quantity,
        "verdict": rule(record, bar),
        "value [interval] (n)": f"{record.value:.4g} [{record.low:.4g}, {record.high:.4g}] ({record.n})",
        "prediction": "none" if record.predicted is None else f"{record.predicted:.4g}",
        "null": f"{record.null:.4g}: {record.null_means}",
        "rule": words[rule.__name__],
    }


def _bar(bar: float) -> float:
    if not math.isfinite(bar):
        raise ValueError(f"bar must be finite, got {bar}")
    return bar


def _verdict(low: float, high: float, wanted_low: float, wanted_high: float) -> str:
    if wanted_low < low and high < wanted_high:
        return "reproduced"
    if high <= wanted_low or low >= wanted_high:
        return "not reproduced"
    return "partly"


def by_claim(judged: Sequence[Mapping[str, str]], statements: Mapping[str, str]) -> list[dict[str, str]]:
    """One line a claim, from the lines of `row`: its statement, its overall verdict, how many lines agree.

    Raises ValueError for a claim that has no line, or a line whose claim has no statement.

    >>> by_claim([{"claim": "T1", "verdict": "partly"}], {"T1": "the law holds"})
    [{'claim': 'T1', 'statement': 'the law holds', 'verdict': 'partly', 'reproduced': '0 of 1'}]
    """
    if extra := sorted({line["claim"] for line in judged} - set(statements)):
        raise ValueError(f"statements has no words for {', '.join(extra)}")
    return [
        {
            "claim": claim,
            "statement": words,
            "verdict": overall(found := [line["verdict"] for line in judged if line["claim"] == claim]),
            "reproduced": f"{found.count('reproduced')} of {len(found)}",
        }
        for claim, words in statements.items()
    ]
