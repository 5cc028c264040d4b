"""How long does a basis of gradients serve? Recoveries within a subspace that is made anew every m steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from lglib.base import seeding
from lglib.geometry import spectra
from lglib.geometry.subspace import Subspace
from lglib.parameters import descent, subspace_descent
from lglib.parameters.subspace_descent import SubspaceRun
from lglib.report.observations import Observations
from lglib.search import lora_candidates
from lglib.studies.lora.cases import TESTS, Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.tasks import supervised

FRESH, SMALL = 10, 4  # gradients behind a basis, items of each
PLAIN = "plain SGD"


def ways(parameters: Parameters) -> dict[str, tuple[int | None, str]]:
    """Ways to keep a basis: steps between two refreshes (None: never) and what it is made of.

    >>> list(ways(Parameters(refresh=(5,))))
    ['every 5', 'never', 'mean, every 1', 'random, every 1', 'prefix, kept']
    """
    found: dict[str, tuple[int | None, str]] = {f"every {m}": (m, "fresh") for m in parameters.refresh}
    found["never"] = (None, "fresh")
    return found | {
        "mean, every 1": (1, "mean"),
        "random, every 1": (1, "random"),
        "prefix, kept": (None, "prefix"),
    }


def fresh_gradients(case: Case, step: int) -> Tensor:
    """Gradients (10, d) of A at the adapter's present point, four items each."""
    small = replace(case.experiment, size=SMALL)
    batches = small.batches([case.experiment.pair.a], FRESH, f"refresh {step}")
    return lora_candidates.gradients(case.adapter, batches)


def fresh_basis(case: Case, step: int, k: int) -> Subspace:
    """Span of fresh gradients at unit length, at most k directions; late gradients may be dependent."""
    g = fresh_gradients(case, step)
    values = spectra.spectrum(spectra.unit(spectra.gram_matrix(g))).eigenvalues
    rank = int((values > 1e-8 * values[0]).sum())
    return Subspace.from_gradients(g, min(k, FRESH, rank), normalise=True)


def basis_maker(case: Case, kind: str, k: int) -> Callable[[int], Subspace]:
    """How a basis is made at a step: fresh, mean (one direction), random, or the prefix of another run."""
    space, seed = case.adapter.space, case.experiment.seed

    def random(step: int) -> Subspace:
        own = seeding.generator(seed, case.name, step).initial_seed() % 2**31
        return Subspace.random(space.d, k, own, dtype=space.dtype, device=space.device)

    return {
        "fresh": lambda step: fresh_basis(case, step, k),
        "mean": lambda step: Subspace.from_vectors(fresh_gradients(case, step).mean(0)[None]),
        "random": random,
        "prefix": lambda step: Subspace.prefix(case.others["SGD"].points, k),
    }[kind]


def recover_within(parameters: Parameters, case: Case, every: int | None, kind: str = "fresh") -> SubspaceRun:
    """Recover by SGD within a basis that is made anew every m steps: theta = theta_s + U z, z in R^k.

    Steps, minibatches and rate are those of the plain run with SGD. What is paid is counted in items whose
    gradient was computed: 16 a step, 40 a refresh, 160 for the ten steps behind a prefix.
    """
    one, k = case.experiment, parameters.k
    one.adapter.space.load(case.points.forgot)
    paid = {"fresh": FRESH * SMALL, "mean": FRESH * SMALL, "prefix": k * one.size, "random": 0}
    batches = one.batches([one.pair.a], parameters.horizon, "recover 0")
    how: Row = dict(basis=basis_maker(case, kind, k), every=every, label=f"{case.name}, refresh {every}")
    how |= dict(cost=paid[kind], price=one.size)
    step = descent.optimizer("SGD", parameters.sgd_rate)
    return subspace_descent.descend(one.adapter.space, supervised.loss, step, batches, **how)


def looks(horizon: int) -> list[int]:
    """Eleven steps, from 0 to the end, at which the loss is read; fewer in a short run.

    >>> looks(100)[:3], looks(4)
    ([0, 10, 20], [0, 1, 2, 3, 4])
    """
    steps: list[int] = np.unique(np.linspace(0, horizon, 11).round().astype(int)).tolist()
    return steps


def held_out_losses(case: Case, points: Tensor, steps: Sequence[int]) -> list[float]:
    """Loss in nats on test questions of A at some of the recorded points (T + 1, d)."""
    lesson, space = (
        case.experiment.lesson(case.experiment.pair.a, TESTS, "test", "scores"),
        case.adapter.space,
    )
    losses = []
    for step in steps:
        with space.at(points[step]):
            losses.append(space.loss(supervised.loss, lesson))
    return losses


def steps_paid(run: SubspaceRun, items: int) -> int:
    """Steps that a number of items pays for."""
    return int((run.spent <= items).sum()) - 1


def add_refresh(
    found: Observations, parameters: Parameters, case: Case, kept: Mapping[str, SubspaceRun]
) -> None:
    """Add losses along the way, at the end and at equal cost, and the share of the plain decrease."""
    end, at = parameters.horizon, looks(parameters.horizon)
    plain = held_out_losses(case, case.runs["SGD"].points, at)
    curves, equal = {PLAIN: plain}, {PLAIN: plain[-1]}
    for way, one in kept.items():
        curves[way] = held_out_losses(case, one.run.points, at)
        (equal[way],) = held_out_losses(case, one.run.points, [steps_paid(one, case.experiment.size * end)])
    nothing: Row = dict(null_means="no step at all", pair=case.name)
    for way, curve in curves.items():
        start = nothing | dict(null=plain[0], unit="nats", basis=way)
        for step, loss in zip(at, curve, strict=True):
            found.add("S4", "loss in a kept basis", loss, **start, step=step)
        found.add("S4", "loss in a kept basis at equal cost", equal[way], **start)
        share = (plain[0] - curve[-1]) / (plain[0] - plain[-1])
        found.add("S4", "share of the plain decrease", share, **nothing, null=0.0, basis=way)
