"""S4: how fast the basis of minibatch gradients leaves its place during a recovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from torch import Tensor

from lglib.geometry import drift
from lglib.geometry.subspace import Subspace
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.studies.synthetic import transformer
from lglib.studies.synthetic.parameters import K
from lglib.studies.synthetic.trained import Trained
from lglib.theory import stats

FOLLOWED = "sort"  # the one task whose basis is followed, and whose recovery is searched around
EARLY = (0, 1, 2, 5, 10, 30)  # steps at which the basis is looked at, before the horizon
STRANGER = 1000  # added to the seed: an untrained network that shares nothing with the first


@dataclass(frozen=True)
class BasisDrift:
    """Overlaps by step, and with jackknife intervals over sets: relative overlap from the second step on."""

    drift: drift.Drift
    relative: list[stats.Interval]
    half_life: stats.Interval


def gradient_bases(
    space: ParameterSpace, loss_fn: LossFn, sets: Sequence[Sequence[Any]], k: int
) -> list[Subspace]:
    """Top-k gradient basis at the present theta from each set of batches: independent estimates of one thing.

    Raises ValueError if a set has fewer batches than k.
    """
    if short := [len(s) for s in sets if len(s) < k]:
        raise ValueError(f"sets must hold at least k = {k} batches each, got {short}")
    return [Subspace.from_gradients(space.gradient_matrix(loss_fn, batches), k) for batches in sets]


def steps_followed(horizon: int) -> list[int]:
    """Steps of the recovery at which the basis is looked at.

    >>> steps_followed(20)
    [0, 1, 2, 5, 10, 20]
    """
    return [step for step in EARLY if step < horizon] + [horizon]


def overlap_of_strangers(model: Trained) -> float:
    """Floor of the overlap: bases at theta_f beside those of an untrained network of another seed."""
    p = model.parameters
    other = transformer.build(width=p.width, seed=model.seed + STRANGER, length=p.length, layers=p.layers)
    sets = model.gradient_sets(FOLLOWED)
    with model.space.at(model.points["theta_f"]):
        own = gradient_bases(model.space, transformer.loss, sets, K)
    strange = gradient_bases(ParameterSpace(other.to(p.device)), transformer.loss, sets, K)
    return fmean(a.overlap(b) for i, a in enumerate(own) for j, b in enumerate(strange) if i != j)


def follow_basis(
    model: Trained, path: Tensor, floor: float, steps: Sequence[int] | None = None
) -> BasisDrift:
    """Follow the top-ten gradient basis along the points of a recovery (T + 1, d) of the followed task.

    `steps` rise from 0 (default: `steps_followed`). A basis that never falls to one half has the length of
    the run as its half-life.
    """
    steps = steps_followed(len(path) - 1) if steps is None else steps
    sets = model.gradient_sets(FOLLOWED)
    estimates = []
    for step in steps:
        with model.space.at(path[step]):
            estimates.append(gradient_bases(model.space, transformer.loss, sets, K))

    def read(found: drift.Drift) -> list[float]:
        return [*found.relative[1:], min(found.half_life, float(steps[-1]))]

    columns = drift.jackknife(steps, estimates, floor, read).T  # (readings, sets)
    *relative, half_life = map(stats.mean_interval, columns)
    return BasisDrift(drift.measure(steps, estimates, floor), relative, half_life)
