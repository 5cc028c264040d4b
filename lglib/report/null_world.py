"""The whole table of verdicts in a world without any effect: how often would a claim be called reproduced?

Each row gets the mean that its null says, and keeps the spread over seeds that was recorded, on the scale of
its measure, with its correlations with the other rows. The rules, bars and corrections are those of `claims`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from lglib.report import asked as questions
from lglib.report import claims
from lglib.report.asked import Asked
from lglib.report.tested import LEVEL, PARTLY, YES, Comparison, Values
from lglib.theory.intervals import MAPS, Scale, holm

FILE = "benchmarks/null_table.json"  # in the project's folder
MOST = 0.05  # of the draws in which a claim may be called reproduced or partly
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True)
class _World:
    """Where values lie without an effect: on a scale, around a centre, with recorded deviations."""

    scale: Scale
    centre: float
    deviations: Values

    def draw(self, mix: Values) -> Values:
        """Values of the seeds (..., S): recorded deviations, mixed by normal numbers (..., >= S, >= S)."""
        n = len(self.deviations)
        moved: Values = self.centre + mix[..., :n, :n] @ self.deviations / np.sqrt(max(n - 1, 1))
        return np.asarray(MAPS[self.scale].back(moved), dtype=float)


def world(test: Comparison) -> _World:
    """The world of a test without its effect: the mean of a draw is the null, the spread is the recorded one.

    On the plain scale where a value or the null lies at the end of the range.

    >>> test = Comparison(np.array([0.1, 0.2, 0.4]), np.zeros(3), np.ones(3), "share", null=0.02)
    >>> mix = np.random.default_rng(0).standard_normal((4000, 3, 3))
    >>> bool(abs(world(test).draw(mix).mean() - 0.02) < 0.002)
    True
    """
    ends = MAPS[test.scale]
    inside = bool(np.all(ends.inside(np.array([*test.values, test.null]))))
    scale: Scale = test.scale if inside else "plain"
    there, back = MAPS[scale].there, MAPS[scale].back
    moved = there(test.values)
    deviations = moved - moved.mean() if test.error is None else np.array([test.error])
    sigma = float(moved.std(ddof=1)) if len(moved) > 1 else test.error or 0.0
    if scale == "plain" or sigma == 0:
        return _World(scale, float(there(test.null)), deviations)

    def off(centre: float) -> float:
        return float(WEIGHTS @ back(centre + sigma * NODES) / WEIGHTS.sum()) - test.null

    reach = 2 * sigma + sigma**2 + 1
    return _World(scale, float(brentq(off, there(test.null) - reach, there(test.null) + reach)), deviations)


def rates(asked: Sequence[Asked], draws: int, seed: int) -> pd.DataFrame:
    """How often each claim is called reproduced, and partly, in so many worlds without an effect.

    `asked` are the questions of one model. Lines that have no verdict have none in these worlds either;
    checks of code are left out.
    """
    own = [one for one in asked if not one.rule.check]
    open_ = [one for one in own if not one.instead]
    most = max([len(w.deviations) for one in open_ for w in _worlds(one)], default=1)
    mix = np.random.default_rng(seed).standard_normal((draws, most, most))
    lines = []
    for name in dict.fromkeys(one.claim for one in open_):
        mine = [one for one in open_ if one.claim == name]
        p = np.stack([_drawn(one, mix).p()[0] for one in mine], axis=-1)  # (draws, rows)
        found = holm(p) <= LEVEL
        rest = any(one.claim == name and one.instead for one in own)
        whole = found.all(axis=-1) & (not rest)
        lines.append({"claim": name, YES: whole.mean(), PARTLY: (found.any(axis=-1) & ~whole).mean()})
    return pd.DataFrame(lines, columns=["claim", YES, PARTLY])


def table(study: str, over: pd.DataFrame, draws: int, seed: int = 0) -> pd.DataFrame:
    """`rates` of each model of a study, and of all of them at once where there are three with a verdict."""
    read, models = claims.read(), over["model"].unique().tolist()
    asked = [questions.questions(study, over, model, read) for model in models]
    parts = [rates(own, draws, seed).assign(model=name) for own, name in zip(asked, models, strict=True)]
    pooled = [one for one, count in questions.pooled(asked) if count >= claims.MODELS_LEAST]
    if pooled:
        parts.append(rates(pooled, draws, seed).assign(model=claims.ALL))
    found = pd.concat(parts, ignore_index=True).assign(study=study, draws=draws)
    return found[["study", "model", "claim", "draws", YES, PARTLY]]


def of_rules() -> str:
    """A hash of the rules that the table was drawn for; words about them do not enter.

    >>> len(of_rules())
    16
    """
    kept = {name: claim.model_dump(include={"judged", "needs"}) for name, claim in claims.read().items()}
    text = json.dumps(_without_why(kept), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_why(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_why(v) for k, v in value.items() if k != "why"}
    return [_without_why(v) for v in value] if isinstance(value, list) else value


def _worlds(one: Asked) -> list[_World]:
    """Worlds of the tests of a question; where models are compared, of the values of each, all alike."""
    if one.table is not None:
        flat = np.full_like(one.table[0], np.inf)
        return [world(Comparison(row, -flat, flat, "plain", null=0.0)) for row in one.table]
    return [world(test) for test in (one.own, *one.also) if test is not None]


def _drawn(one: Asked, mix: Values) -> Asked:
    """The question with values drawn from its worlds, (draws, S) each."""
    worlds = _worlds(one)
    if one.own is None:
        raise ValueError(f"{one.claim} has no test")
    if one.table is None:
        tests = zip((one.own, *one.also), worlds, strict=True)
        drawn = [replace(test, values=own.draw(mix)) for test, own in tests]
        return replace(one, own=drawn[0], also=tuple(drawn[1:]))
    table = np.stack([own.draw(mix) for own in worlds], axis=-2)  # (draws, models, S)
    means = table.mean(axis=-1)
    ends = (
        np.take_along_axis(table, best[:, None, None], 1) for best in (means.argmax(-1), means.argmin(-1))
    )
    high, low = (end[:, 0] for end in ends)
    seeds = table.shape[-1]
    above, below = np.full(seeds, one.own.low[0]), np.full(seeds, one.own.high[0])
    return replace(one, table=table, own=replace(one.own, values=high - low, low=above, high=below))
