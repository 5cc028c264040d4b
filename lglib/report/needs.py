"""What must hold before a verdict: the model can do the task, vectors repeat, seeds and models suffice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lglib.report import frames
from lglib.report.ledger import Need, Rule

CANNOT, MODELS, SEEDS = "cannot be judged here", "needs more models", "needs more seeds"
UNSETTLED = (CANNOT, MODELS, SEEDS)  # said instead of a verdict; the first that holds
MET, OPEN, FAILED = "met", "open", "failed"  # all of an interval above the bar, a part, none


def standing(
    row: Mapping[str, Any], frame: pd.DataFrame, rule: Rule, needs: Sequence[Need], models: int
) -> tuple[str, str]:
    """What is said instead of a verdict on a row of `over_seeds`, and because of what; twice "" for none.

    `frame` has all rows of the model, `models` counts those with rows of the claim. A need that fails
    clearly comes first, then too few models, then too few seeds, which may be why another need is not
    clearly met.
    """
    found = [_state(need, row, frame) for need in needs]
    failed = [told for state, told in found if state == FAILED]
    if failed:
        return CANNOT, "; ".join(failed)
    if models < rule.models.least:
        return MODELS, f"{_count(models, 'model')}, wants {rule.models.least}: {rule.models.why}"
    if (seeds := seeds_of(row)) < rule.seeds.least:
        return SEEDS, f"{_count(seeds, 'seed')}, wants {rule.seeds.least}: {rule.seeds.why}"
    open_ = [told for state, told in found if state == OPEN]
    return (CANNOT, "; ".join(open_)) if open_ else ("", "")


def seeds_of(row: Mapping[str, Any]) -> int:
    """Seeds behind a row of `over_seeds`.

    >>> seeds_of({"over": "draws", "n": 48}), seeds_of({"over": "seeds", "n": 5})
    (1, 5)
    """
    return int(row["n"]) if row["over"] == "seeds" else 1


def filled(rows: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Rows that are asked for, with the names in braces replaced by what the judged row has there.

    Of a text "CAA, yes-no" in a column x, x_kind is what stands before the comma and x_form what follows.

    >>> filled({"vector": "CAA, {caa}", "template": "{other_form}"}, {"caa": "token", "other": "CAA, claim"})
    {'vector': 'CAA, token', 'template': 'claim'}
    """
    parts = {name: value.partition(", ") for name, value in row.items() if isinstance(value, str)}
    known = {
        **row,
        **{f"{k}_kind": v[0] for k, v in parts.items()},
        **{f"{k}_form": v[2] for k, v in parts.items()},
    }
    return {name: v.format_map(known) if isinstance(v, str) else v for name, v in rows.items()}


def left_out(frame: pd.DataFrame) -> str:
    """What was left out of the runs of a model, and why, in words; empty when nothing was."""
    if "section" not in frame.columns:
        return ""
    gone = frame[(frame["claim"] == frames.CONTEXT) & (frame["measure"] == frames.LEFT_OUT)]
    told = {f"{row['section']} is left out: {row['reason']}" for row in gone.to_dict("records")}
    return "; ".join(sorted(told))


def _state(need: Need, row: Mapping[str, Any], frame: pd.DataFrame) -> tuple[str, str]:
    """Whether a need is met for a row, and the words that say why not."""
    asked = {"claim": frames.CONTEXT, **filled(need.rows, row)}
    asked |= {name: row[name] for name in need.match}
    try:
        found = frames.rows(frame, **asked)
    except KeyError:
        return FAILED, f"no row says {frames.describe(asked)}"
    states = [_one(need, one) for one in found.to_dict("records")]
    order = (FAILED, OPEN, MET)
    return min(states, key=lambda state: order.index(state[0]))


def _one(need: Need, row: Mapping[str, Any]) -> tuple[str, str]:
    bar = need.bar + (row["null"] if need.beyond_null else 0.0)
    state = MET if row["low"] > bar else FAILED if row["high"] <= bar else OPEN
    what = frames.describe(row).removeprefix(f"{frames.CONTEXT} ")
    interval = f"{row['value']:.2g} [{row['low']:.2g}, {row['high']:.2g}]"
    return state, f"{what} is {interval}, wants above {bar:.2g}: {need.why}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
