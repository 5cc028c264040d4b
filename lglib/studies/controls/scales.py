"""sigma*: what the best of N gains on held-out questions at shares of it, beside the law (T1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from lglib.parameters import hessian
from lglib.parameters.vectors import length
from lglib.report import frames
from lglib.report.observations import Observations
from lglib.search import advice, lora_candidates, proposals, random_search, step_length
from lglib.search.step_length import Curvature, SigmaStar
from lglib.studies.controls import equal
from lglib.studies.controls.parameters import Parameters
from lglib.studies.lora.cases import Case, Row
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson
from lglib.theory import laws

GAIN = "held-out gain at a share of sigma*"
SELECTED = "selected gain at a share of sigma*"


@dataclass(frozen=True)
class Gained:
    """Mean gains in nats of the best of N, on the questions selected on and on others, each with its law."""

    selected: float
    selected_law: float
    held_out: float
    held_out_law: float


def curvature_along(case: Case, lesson: Lesson, u: Tensor, probes: int, seed: int) -> Curvature:
    """Slope and trace of a loss at the adapter's point, and its curvature along a unit vector u (d,)."""
    space = case.adapter.space
    gradient = space.gradient(supervised.loss, lesson)
    product = space.hvp_operator(supervised.loss, lesson)
    trace = hessian.trace(product, gradient, probes, seed)
    (along,) = hessian.along(product, [u])
    return Curvature(length(gradient), trace, along)


def at_shares(parameters: Parameters, case: Case, point: Tensor) -> tuple[SigmaStar, dict[float, Gained]]:
    """Gains of the best of N around a point at each share of sigma*. NotMeasurable where there is none.

    sigma* follows from the questions selected on; means over all choices of N among the candidates.
    """
    asked, space, seed = equal.parts(parameters, case), case.adapter.space, case.experiment.seed
    space.load(point)
    n, how = parameters.best_of, dict(probes=parameters.probes, seed=seed)
    star = step_length.sigma_star(space, supervised.loss, asked.fit, n=n, **how)
    g, other = (space.gradient(supervised.loss, part) for part in (asked.fit, asked.held_out))
    curved = curvature_along(case, asked.held_out, g / length(g), **how)
    both, cut = supervised.join([asked.fit, asked.held_out]), len(asked.fit.tokens)
    propose, found = proposals.everywhere_by_tensor(space, seed), {}
    for share in parameters.shares:
        sigma = share * star.sigma
        tried = lora_candidates.run(
            case.adapter, both, propose, norm=sigma * space.d**0.5,
            candidates=parameters.scale_candidates, label=f"{case.name}, sigma*",
        )  # fmt: skip
        select, held = tried.gains(slice(cut)), tried.gains(slice(cut, None))
        law = laws.linear_winner_gain(sigma, star.slope, star.trace.estimate, star.along, n)
        found[share] = Gained(
            random_search.expected_best(select, n),
            float(law),
            random_search.expected_best(select, n, measured=held),
            advice.held_out_law(sigma, g, other, curved, n),
        )
    return star, found


def add_shares(
    found: Observations,
    parameters: Parameters,
    pair: str,
    point: str,
    star: SigmaStar,
    gained: Mapping[float, Gained],
) -> None:
    """Add sigma* and what is gained at each share of it, beside the laws of the slope and curvature (T1)."""
    where: Row = dict(pair=pair, point=point)
    found.add("context", "sigma*", star.sigma, null=0.0, null_means="no noise", **where)
    none: Row = dict(unit="nats", null=0.0, null_means="no gain")
    for share, one in gained.items():
        at: Row = dict(share=share, candidates=parameters.best_of, **where)
        found.add("T1", GAIN, one.held_out, predicted=one.held_out_law, **none, **at)
        found.add("T1", SELECTED, one.selected, predicted=one.selected_law, **none, **at)


def add_over_pairs(found: Observations, filed: pd.DataFrame, shares: Sequence[float]) -> None:
    """Add sums over pairs: gain over its law at each share, and held-out gain over that at sigma* (T1)."""
    for measure in (GAIN, SELECTED):
        rows = frames.rows(filed, measure=measure)
        for point, own in rows.groupby("point", sort=False):
            gains = {s: own.loc[own["share"] == s, "value"].mean() for s in shares}
            where: Row = dict(point=str(point))
            for share in shares:
                law = own.loc[own["share"] == share, "predicted"].mean()
                told: Row = dict(null=0.0, null_means="no gain", share=share, **where)
                found.add(
                    "T1",
                    f"{measure}, mean over pairs",
                    float(gains[share]),
                    predicted=law,
                    unit="nats",
                    **told,
                )
                if share != shares[-1]:
                    less = float(gains[share] - gains[shares[-1]])
                    name = f"{measure} less that at sigma*, mean over pairs"
                    found.add("T1", name, less, unit="nats", **told | dict(null_means="as much as at sigma*"))
