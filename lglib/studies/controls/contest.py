"""Who wins at equal forward passes: held-out loss and exact match of search and of descent (S9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from lglib.base.checks import NotMeasurable
from lglib.report import frames
from lglib.report.observations import Observations
from lglib.studies.controls import equal
from lglib.studies.controls.parameters import Parameters
from lglib.studies.lora.cases import Case, Row
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson
from lglib.theory import stats

DESCENT = "AdamW"  # what every other method is held against
ON = "held-out loss at equal forward passes"
RIGHT = "held-out exact match at equal forward passes"
LESS = "held-out loss less that of descent"


@dataclass(frozen=True)
class Score:
    """Loss in nats and share of right answers on n questions."""

    loss: float
    right: float
    n: int


def score(case: Case, point: object, lesson: Lesson) -> Score:
    """What a point (d,) is worth on a lesson."""
    with case.adapter.space.at(point) as net:  # type: ignore[arg-type]
        loss = case.adapter.space.loss(supervised.loss, lesson)
        return Score(loss, supervised.exact_match(net, lesson), len(lesson.tokens))


def compete(parameters: Parameters, case: Case) -> tuple[Score, dict[tuple[str, int], Score]]:
    """Scores on the held-out questions: of theta_f, and of what each method hands over for each budget.

    The search at the advised scale is left out where there is no sigma*.
    """
    asked = equal.parts(parameters, case)
    found = {}
    for name, run in equal.methods(parameters, case, asked).items():
        try:
            within = run()
        except NotMeasurable:
            continue
        for budget in parameters.budgets:
            found[name, budget] = score(case, within(budget), asked.held_out)
    return score(case, case.points.forgot, asked.held_out), found


def add_contest(
    found: Observations, pair: str, start: Score, scores: Mapping[tuple[str, int], Score]
) -> None:
    """Add held-out loss and exact match of each method and budget, and the loss less that of AdamW (S9)."""
    for (method, budget), one in scores.items():
        where: Row = dict(pair=pair, method=method, budget=budget)
        none: Row = dict(null_means="theta_f, no step at all")
        found.add("S9", ON, one.loss, unit="nats", null=start.loss, **none, **where)
        share = stats.proportion_interval(round(one.right * one.n), one.n)
        found.add("S9", RIGHT, share, null=start.right, **none, **where)
        if method != DESCENT:
            less = one.loss - scores[DESCENT, budget].loss
            found.add("S9", LESS, less, unit="nats", null=0.0, null_means="as good as descent", **where)


def add_over_pairs(found: Observations, filed: pd.DataFrame, pairs: int) -> None:
    """Add means over pairs, of the methods that all pairs have, from what is filed of each (S9)."""
    for measure, unit in ((ON, "nats"), (RIGHT, "1"), (LESS, "nats")):
        rows = frames.rows(filed, measure=measure)
        for (method, budget), own in rows.groupby(["method", "budget"], sort=False):
            if len(own) == pairs > 1:
                null: Row = dict(null=fmean(own["null"]), null_means=own["null_means"].iloc[0])
                mean = stats.mean_interval(own["value"].to_numpy())
                where: Row = dict(method=str(method), budget=int(budget))
                found.add("S9", f"{measure}, mean over pairs", mean, unit=unit, **null, **where)
