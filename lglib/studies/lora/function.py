"""Captures and the function: other gauges, merged matrices, and what the captured part does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lglib.base import seeding
from lglib.geometry.subspace import Subspace
from lglib.models import function_space, lora
from lglib.models.lora import Adapter
from lglib.report.observations import Observations
from lglib.studies.lora.captures import RANDOM, claim_of
from lglib.studies.lora.cases import TESTS, Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.tasks import supervised
from lglib.theory import stats

GAUGES = {f"c = {c:g}": (c, 1.0) for c in (0.1, 0.3, 1.0, 3.0, 10.0)}  # factor, spread of singular values
GAUGES |= {f"random, {w:g}": (1.0, w) for w in (3.0, 10.0)}  # each layer its own
UNCHANGED = "c = 1"
PROJECTED = ("prefix", "other order", "local", "static, normalised", "random")


def gauge_matrices(adapter: Adapter, key: tuple[object, ...], c: float, wide: float) -> list[Tensor]:
    """One M (r, r) for each layer: c times a random matrix with singular values from 1 / wide to wide."""
    r, made = adapter.r, []
    for layer in adapter.layers:
        dice = seeding.generator(*key, layer.name)
        left, right = torch.linalg.qr(torch.randn(2, r, r, generator=dice))[0]
        values = wide ** torch.linspace(-1, 1, r) if wide > 1 else torch.ones(r)
        made.append(c * left @ torch.diag(values) @ right)
    return [m.to(adapter.space.flatten()) for m in made]


def in_gauge(case: Case, optimiser: str, k: int, c: float, wide: float) -> dict[str, float]:
    """Captures of a recorded run in other coordinates, by basis: points go by G, gradients by its dual."""
    adapter, key = case.adapter, (case.experiment.seed, "gauge", case.name)
    m = gauge_matrices(adapter, key, c, wide)
    path = lora.gauge(adapter, case.runs[optimiser].points, m)
    other = lora.gauge(adapter, case.others[optimiser].points, m)
    at_star, at_f = (
        lora.gauge(adapter, torch.cat(list(case.gradients[at])), m, dual=True) for at in ("theta*", "theta_f")
    )
    delta, steps = path[-1] - path[0], path.diff(dim=0).square().sum(1)
    bases = {
        "prefix": Subspace.prefix(path, k),
        "other order": Subspace.prefix(other, k),
        "static, own task": Subspace.from_gradients(at_star, k),
        "local": Subspace.from_gradients(at_f, k),
    }
    shares = {name: float(basis.capture(delta)) for name, basis in bases.items()}
    return shares | {"energy share": (steps[:k].sum() / steps.sum()).item()}


def merged_captures(case: Case, optimiser: str, k: int) -> dict[str, float]:
    """Captures of the change of the merged matrices s B A, which no gauge can change, by basis.

    Static and local bases are made of gradients by the matrices themselves.
    """
    adapter, points = case.adapter, case.runs[optimiser].points
    delta = function_space.change(adapter, points[0], points[-1])
    bases = {
        "prefix": function_space.updates(adapter, points, k),
        "other order": function_space.updates(adapter, case.others[optimiser].points, k),
    }
    batches = [batch for one in case.sets for batch in one]
    for basis, theta in (("static, own task", case.points.star), ("local", case.points.forgot)):
        with adapter.space.at(theta):
            gradients = function_space.gradients(adapter, supervised.loss, batches)
        bases[basis] = function_space.leading(gradients, k)
    return {basis: function_space.capture(changes, delta) for basis, changes in bases.items()}


def effects(case: Case, optimiser: str, k: int) -> dict[str, dict[str, float]]:
    """What the part of the displacement inside a basis does alone, by basis: see function_space.shares."""
    points = case.runs[optimiser].points
    own = {**case.bases, "prefix": Subspace.prefix(points, k)}
    own["other order"] = Subspace.prefix(case.others[optimiser].points, k)
    held_out = case.experiment.lesson(case.experiment.pair.a, TESTS, "test", "logits")
    bases = {basis: own[basis] for basis in PROJECTED}
    return function_space.shares(case.adapter, points[0], points[-1], bases, held_out)


def add_gauges(found: Observations, gauged: Mapping[tuple[str, str], Mapping[str, float]]) -> None:
    """Add the log of captures in other gauges over those in peft's coordinates, mean over pairs.

    `gauged`: captures by basis, by pair and gauge, of the recoveries with AdamW.
    """
    names = list(dict.fromkeys(pair for pair, _ in gauged))
    told: Row = dict(unit="log", null=0.0, null_means="a capture that survives", optimiser="AdamW")
    for basis in gauged[names[0], UNCHANGED]:
        for gauge in (g for g in GAUGES if g != UNCHANGED):
            logs = [np.log(gauged[n, gauge][basis] / gauged[n, UNCHANGED][basis]) for n in names]
            ratio = stats.mean_interval(logs)
            found.add(claim_of(basis), "log ratio of captures", ratio, **told, basis=basis, gauge=gauge)


def add_function(found: Observations, parameters: Parameters, case: Case, optimiser: str) -> None:
    """Add captures of the merged matrices, and the explained shares of matrices, logits and loss."""
    entries = sum(layer.inputs * layer.outputs for layer in case.adapter.layers)
    where: Row = dict(pair=case.name, optimiser=optimiser)
    for basis, value in merged_captures(case, optimiser, parameters.k).items():
        chance: Row = RANDOM | dict(null=parameters.k / entries, basis=basis)
        found.add(claim_of(basis), "capture of merged matrices", value, **chance, **where)
    told: Row = dict(null=0.0, null_means="a part that does nothing")
    for basis, shares in effects(case, optimiser, parameters.k).items():
        for of in ("matrices", "logits", "loss"):
            found.add(claim_of(basis), "explained share", shares[of], **told, basis=basis, of=of, **where)
