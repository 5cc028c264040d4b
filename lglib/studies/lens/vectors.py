"""The vectors that are compared: a gradient step's shift, CAA, and what needs neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lglib.activations import alignment, lens, residual, steering, steering_losses
from lglib.activations.pushforward import Pushforward
from lglib.activations.steering import cosines
from lglib.base import seeding
from lglib.studies.lens.setup import Setup
from lglib.tasks import splits
from lglib.theory import nulls

CONTRAST = "true - false"  # of the prompts whose first answer is right, and of the others
CAA, STEP = f"CAA, {CONTRAST}", "shift, logit difference"  # as the bridge study calls them
GRADIENT, LENS, SCALED = "minus activation gradient", "logit lens", "logit lens, scale only"
RANDOM = "random direction"
NAMES = (CAA, STEP, GRADIENT, LENS, SCALED)
KIND = "logit difference"  # the loss of the step and of the activation gradient


@dataclass(frozen=True)
class Vectors:
    """Vectors of one task by name, (layers, width) each, and how well each repeats itself on halves of items.

    `differences` (pairs, layers, width) are those behind the CAA vector; `repeats` and `bounds` (layers,) are
    the cosine of two halves, and what chance gives for it.
    """

    values: Mapping[str, Tensor]
    differences: Tensor
    repeats: Mapping[str, Tensor]
    bounds: Mapping[str, Tensor]


def of_task(setup: Setup, task: str) -> Vectors:
    """All vectors of a task.

    The step is of select and its shift is read on one half of extract, CAA on the other; the lens and the
    activation gradient are of select.
    """
    first, second = shifts(setup, task)
    pairs = splits.halves(setup.part(task, "extract"))[1]
    caa = steering.caa(setup.model, pairs, setup.layers, CONTRAST)
    rows = {CAA: caa.differences, **baselines(setup, task)}
    values = {name: own.mean(0) for name, own in rows.items()} | {STEP: (first + second).mean(0)}
    places, bound = range(len(setup.layers)), nulls.random_direction(setup.model.width)
    half = len(first) // 2
    alike = {STEP: cosines(first[:half].mean(0), second[half:].mean(0))}
    for name, own in rows.items():
        alike[name] = torch.tensor([alignment.halves(own[:, i], setup.seed) for i in places])
    bounds = {name: torch.full((len(setup.layers),), bound) for name in NAMES}
    permuted = [alignment.permuted_halves(caa.differences[:, i], setup.seed) for i in places]
    bounds[CAA] = torch.tensor(permuted)
    return Vectors({name: values[name] for name in NAMES}, caa.differences, alike, bounds)


def shifts(setup: Setup, task: str) -> tuple[Tensor, Tensor]:
    """Shifts of held-out prompts by the gradients of two halves of select, (n, layers, width) each.

    Both have the length that these gradients have, so that their sum is the shift by the gradient of all.
    """
    read = splits.halves(setup.part(task, "extract"))[0]
    h = Pushforward(setup.model, setup.space, setup.reading(read), setup.layers)
    loss = steering_losses.loss(setup.model, KIND)
    first, second = (
        h.push(-setup.space.gradient(loss, setup.lesson(own)) / 2)
        for own in splits.halves(setup.part(task, "select"))
    )
    return first, second


def baselines(setup: Setup, task: str) -> dict[str, Tensor]:
    """What needs no weight step, item by item of select, (n, layers, width) each.

    The activation gradient is of the same loss as the step. The lens is W_U[first answer] less W_U[second
    answer], pulled through the final norm: by its Jacobian at each layer's mean state, or by its scale alone.
    """
    model, items = setup.model, setup.part(task, "select")
    lesson, loss = setup.lesson(items), steering_losses.loss(model, KIND)
    words = lens.word_differences(model, lesson)  # (n, width)
    states = residual.activations(model, setup.reading(items), setup.layers).mean(0)  # (layers, width)
    scaled = (words * lens.scale(setup.norm, words))[:, None].expand(-1, len(setup.layers), -1)
    return {
        GRADIENT: -len(items) * lens.gradients(model, loss, lesson, setup.layers),
        LENS: torch.stack([lens.through_norm(setup.norm, h[None], words) for h in states], dim=1),
        SCALED: scaled,
    }


def random_directions(setup: Setup, count: int) -> Tensor:
    """Random vectors for every layer, (count, layers, width)."""
    dice = seeding.generator("lens", setup.seed)
    drawn = torch.randn(count, len(setup.layers), setup.model.width, generator=dice)
    return drawn.to(setup.model.device, setup.model.dtype)
