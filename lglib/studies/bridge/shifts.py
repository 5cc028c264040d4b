"""B1: the activation shift of a gradient step beside a CAA vector, by definitions, each with its nulls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.activations import alignment, steering, steering_losses
from lglib.activations.steering import CAA_TEXTS, PairDifferences, cosines
from lglib.report.observations import Observations
from lglib.search import random_search
from lglib.studies.bridge.setup import Setup, columns
from lglib.tasks import splits
from lglib.theory.stats import Interval

BOTH = "both"  # templates: the mean of the two
SHIFTS = (*steering_losses.KINDS, "class difference")
CONTRASTS = tuple(CAA_TEXTS)


def gradient_shifts(setup: Setup, template: str) -> dict[str, Tensor]:
    """Shift of each true-false pair of held-out prompts by a unit gradient step, (pairs, layers, width).

    The gradient is of select, the prompts are of extract. "class difference" is half the shift of true less
    that of false prompts under the loss of the correct answer.
    """
    batch, h = setup.lesson(setup.parts[template]["select"]), setup.pushforward(setup.held_out(template))
    made = {}
    for kind in steering_losses.KINDS:
        g = setup.space.gradient(steering_losses.loss(setup.model, kind), batch)
        each = h.push(-g / g.norm())  # true and false in turn
        made[kind] = (each[0::2] + each[1::2]) / 2
        if kind == "correct answer":
            made["class difference"] = (each[0::2] - each[1::2]) / 2
    return made


def caa_vectors(setup: Setup, template: str) -> dict[str, PairDifferences]:
    """CAA vectors, made in three ways from the other half of extract."""
    items = splits.halves(setup.parts[template]["extract"])[1]
    return {how: steering.caa(setup.model, items, setup.layers, how) for how in CONTRASTS}


def random_shifts(setup: Setup, template: str, steps: int) -> Tensor:
    """Mean shifts of the held-out prompts by random weight steps of length one, (steps, layers, width)."""
    h, space = setup.pushforward(setup.held_out(template)), setup.space
    directions = (random_search.noise(space, setup.seed, -1 - i) / space.d**0.5 for i in range(steps))
    return torch.stack([h.push(u).mean(0) for u in directions])


@dataclass(frozen=True)
class Agreement:
    """Cosine of a shift and a CAA vector at one layer, beside what chance gives.

    `permuted` is the bound that 95 % of |cosines| under permuted labels stay below, `random_weights` the
    largest |cosine| of random weight steps, `projection` the projection of the CAA vector on the shift in
    units of its own bound under permutation.
    """

    cosine: Interval
    permuted: float
    random_weights: float
    projection: float


def agreement(shift: Tensor, differences: Tensor, random: Tensor, seed: int) -> Agreement:
    """Compare a shift (pairs, width) with CAA differences (n, width), these with random (steps, width)."""
    mean, direction = differences.mean(0), shift.mean(0)
    value = alignment.cosine(shift, by_pairs(differences, len(shift)))
    bound, length = alignment.permuted(differences, direction, seed)
    along = (mean @ direction / direction.norm()).item()
    return Agreement(value, bound, cosines(random, mean).abs().max().item(), along / length)


def by_pairs(differences: Tensor, pairs: int) -> Tensor:
    """Differences (n, width) as one row for each true-false pair: means of two where each question has one.

    >>> by_pairs(torch.tensor([[1.0], [3.0]]), 1)
    tensor([[2.]])
    """
    return differences if len(differences) == pairs else (differences[0::2] + differences[1::2]) / 2


def observe(
    o: Observations,
    setup: Setup,
    moved: Mapping[str, Mapping[str, Tensor]],
    caa: Mapping[str, Mapping[str, PairDifferences]],
    random: Mapping[str, Tensor],
) -> None:
    """File B1 for the templates of `moved`; with more than one, also their mean."""
    for how in CONTRASTS:
        for i, layer in enumerate(setup.layers):
            at = columns(caa=how, depth=setup.depth(layer))
            for t in moved:
                halves = alignment.halves(caa[t][how].differences[:, i], setup.seed)
                null = columns(null=0.0, null_means="halves that share nothing")
                o.add("B1", "cosine of split halves", halves, template=t, **at, **null)
            for kind in SHIFTS:
                found = {
                    t: agreement(
                        moved[t][kind][:, i], caa[t][how].differences[:, i], random[t][:, i], setup.seed
                    )
                    for t in moved
                }
                for t, a in found.items():
                    _one_agreement(o, a, shift=kind, template=t, **at)
                if len(found) > 1:
                    value = float(np.mean([a.cosine.estimate for a in found.values()]))
                    bound = float(np.mean([a.permuted for a in found.values()]))
                    _cosine(o, value, value - bound, bound, shift=kind, template=BOTH, **at)


def observe_halves(
    o: Observations,
    setup: Setup,
    moved: Mapping[str, Tensor],
    caa: Mapping[str, PairDifferences],
    **at: str,
) -> None:
    """File the cosine of halves of each vector, beside the bound of that under permuted labels."""
    vectors = {f"CAA, {how}": caa[how].differences for how in CONTRASTS}
    vectors |= {f"shift, {kind}": moved[kind] for kind in SHIFTS}
    for name, rows in vectors.items():
        for i, layer in enumerate(setup.layers):
            own = alignment.halves(rows[:, i], setup.seed)
            null = columns(null=alignment.permuted_halves(rows[:, i], setup.seed))
            where = columns(vector=name, depth=setup.depth(layer), **at)
            o.add("context", "split-half cosine", own, null_means="permuted labels, 95 %", **null, **where)


def _one_agreement(o: Observations, a: Agreement, **at: Any) -> None:
    value = a.cosine.estimate
    _cosine(o, a.cosine, value - a.permuted, a.permuted, **at)
    null = columns(null=1.0, null_means="permuted labels, 95 %")
    o.add("B1", "projection / permuted bound", a.projection, **null, **at)
    null = columns(null=0.0, null_means="the largest of the random weight steps")
    o.add("B1", "cosine minus random-weight bound", value - a.random_weights, **null, **at)


def _cosine(o: Observations, value: float | Interval, above: float, bound: float, **at: Any) -> None:
    null_means = "permuted labels, 95 % of absolute cosines"
    o.add("B1", "cosine", value, null=bound, null_means=null_means, **at)
    o.add("B1", "cosine minus permuted bound", above, null=0.0, null_means="permuted labels, 95 %", **at)
