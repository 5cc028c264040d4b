"""Which of the vectors point the same way: each pair's cosine by depth, and which is nearest to CAA."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from torch import Tensor

from lglib.activations import alignment
from lglib.activations.steering import cosines
from lglib.report.observations import Observations
from lglib.studies.lens.setup import Setup, columns
from lglib.studies.lens.vectors import CAA, GRADIENT, LENS, NAMES, SCALED, STEP, Vectors
from lglib.theory import nulls

PLACES = ("below the last block", "last block")
LEAD = "lead of the step over the logit lens"
LESS = "cosine of CAA with the step less that with another"


def cosines_with(values: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Cosine of one vector with each other one, (layers,).

    >>> import torch
    >>> cosines_with({"a": torch.eye(2), "b": torch.ones(2, 2)}, "a")
    {'b': tensor([0.7071, 0.7071], dtype=torch.float64)}
    """
    return {other: cosines(values[name], own) for other, own in values.items() if other != name}


def lead(step: float, other: float, chance: float) -> float:
    """How much nearer a step is to a vector than another one is, and than chance makes it: cosines.

    >>> lead(0.5, 0.25, 0.125), lead(0.25, -0.5, 0.125), lead(0.0, -0.5, 0.125)
    (0.25, 0.125, -0.125)
    """
    return step - max(other, chance)


def observe(o: Observations, setup: Setup, task: str, made: Vectors) -> None:
    """File the cosines of all pairs at all layers, how well each vector repeats itself, and what leads."""
    for i, layer in enumerate(setup.layers):
        at = columns(task=task, depth=setup.depth(layer))
        _repeats(o, made, i, at)
        _pairs(o, setup, made, i, at)
        _nearest(o, setup, made, i, at)


def _repeats(o: Observations, made: Vectors, i: int, at: Mapping[str, Any]) -> None:
    for name in NAMES:
        means = "permuted labels, 95 %" if name == CAA else "random directions, 95 %"
        null = columns(null=made.bounds[name][i].item(), null_means=means)
        o.add("context", "split-half cosine", made.repeats[name][i].item(), vector=name, **null, **at)


def _pairs(o: Observations, setup: Setup, made: Vectors, i: int, at: Mapping[str, Any]) -> None:
    bound = columns(null=nulls.random_direction(setup.model.width), null_means="random directions, 95 %")
    for name, other in combinations(NAMES, 2):
        value = cosines(made.values[name][i], made.values[other][i]).item()
        o.add("B1", "cosine", value, vector=name, other=other, **bound, **at)
        if name == CAA:
            permuted, _ = alignment.permuted(made.differences[:, i], made.values[other][i], setup.seed)
            null = columns(null=0.0, null_means="permuted labels, 95 % of absolute cosines")
            o.add(
                "B1", "cosine minus permuted bound", value - permuted, vector=name, other=other, **null, **at
            )


def _nearest(o: Observations, setup: Setup, made: Vectors, i: int, at: Mapping[str, Any]) -> None:
    found = {other: own[i].item() for other, own in cosines_with(made.values, CAA).items()}
    for other in (LENS, SCALED, GRADIENT):
        less = found[STEP] - found[other]
        o.add("B1", LESS, less, other=other, null=0.0, null_means="both are as near to CAA", **at)
    chance = nulls.random_direction(setup.model.width)
    null = columns(null=0.0, null_means="the logit lens, or a random direction, is as near to CAA")
    place = PLACES[setup.layers[i] == len(setup.model.blocks)]
    o.add("B1", LEAD, lead(found[STEP], found[LENS], chance), place=place, **null, **at)
