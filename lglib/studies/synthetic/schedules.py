"""Ways to train several tasks at once or in turn: which gradient each step takes (claim S8).

How gradients are combined comes from torchjd where torchjd
has it. Simultaneous schedules see every task in each step; the others see one task a step, or a mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchjd.aggregation import AlignedMTLWeighting, MGDAWeighting, PCGradWeighting, SumWeighting

from lglib.parameters import descent
from lglib.parameters.space import LossFn, ParameterSpace

BLOCKS = 8
Weights = Callable[[Tensor, Tensor], Tensor]  # (gramian (m, m), losses (m,)) -> weights (m,)
Batches = Callable[[Sequence[int], int, int], Any]  # (tasks, examples, step) -> a batch


def _equal_decrease(gramian: Tensor, losses: Tensor, *, relative: bool) -> Tensor:
    """Weights w with (G w)_i equal, or proportional to the loss; the result is as long as the plain sum."""
    target = losses if relative else torch.ones_like(losses)
    w = torch.linalg.lstsq(gramian, target[:, None], rcond=1e-13, driver="gelsd").solution[:, 0]
    length = (w @ gramian @ w).clamp(min=0).sqrt()
    if not length > 0:
        return torch.ones_like(losses)
    return w * gramian.sum().clamp(min=0).sqrt() / length


def _normalised(gramian: Tensor, losses: Tensor) -> Tensor:
    norms = gramian.diagonal().sqrt()
    return torch.where(norms > 0, 1 / norms, 0.0)


def _pcgrad(gramian: Tensor, losses: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]):  # torchjd draws an order of tasks: of two it changes nothing
        torch.default_generator.manual_seed(0)
        return PCGradWeighting()(gramian)


SIMULTANEOUS: Mapping[str, Weights] = {
    "raw gradient sum": lambda gramian, losses: SumWeighting()(gramian),
    "normalised gradient sum": _normalised,
    "PCGrad-lite": _pcgrad,
    "equal loss decrease": partial(_equal_decrease, relative=False),
    "equal relative decrease": partial(_equal_decrease, relative=True),
    "loss balanced": lambda gramian, losses: 1 / losses.clamp(min=1e-8),
    "MGDA": lambda gramian, losses: MGDAWeighting()(gramian),
    "Aligned-MTL": lambda gramian, losses: AlignedMTLWeighting()(gramian),
}
IN_TURN: Mapping[str, Callable[[int, int], Sequence[int]]] = {  # (step, steps) -> which of two tasks
    "alternating": lambda step, steps: [step % 2],
    "alternating, 8 blocks": lambda step, steps: [step * BLOCKS // steps % 2],
    "joint mixed": lambda step, steps: [0, 1],
    "sequential A then B": lambda step, steps: [int(step >= steps / 2)],
    "sequential B then A": lambda step, steps: [int(step < steps / 2)],
}
SCHEDULES = (*SIMULTANEOUS, *IN_TURN)


def weights(name: str, gramian: Tensor, losses: Tensor) -> Tensor:
    """Weights (m,) that a simultaneous schedule gives to m task gradients with this Gram matrix and losses.

    gramian: (m, m), inner products of the gradients, losses: (m,), in nats. Definitions: chapter 2.
    Raises ValueError for an unknown schedule, a wrong shape, or values that are not finite.

    >>> weights("PCGrad-lite", torch.tensor([[1.0, -0.5], [-0.5, 1.25]]), torch.ones(2))
    tensor([1.5000, 1.4000])
    """
    if name not in SIMULTANEOUS:
        raise ValueError(f"schedule is {name!r}; simultaneous ones are: {', '.join(SIMULTANEOUS)}")
    if losses.ndim != 1 or gramian.shape != (len(losses), len(losses)):
        raise ValueError(
            f"gramian and losses must be (m, m) and (m,), "
            f"got {tuple(gramian.shape)} and {tuple(losses.shape)}"
        )
    if not (gramian.isfinite().all() and losses.isfinite().all()):
        raise ValueError("gramian and losses must be finite")
    return SIMULTANEOUS[name](gramian, losses)


def combined(name: str) -> descent.GradientRule:
    """Gradient rule for `train.descend` on batches that are sequences, one batch a task."""

    def rule(
        space: ParameterSpace, loss_fn: LossFn, batches: Sequence[Any]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        found = [descent.single(space, loss_fn, batch) for batch in batches]
        losses = torch.stack([loss.detach() for loss, _ in found])
        if not losses.isfinite().all():
            return losses.sum(), []
        rows = torch.stack([torch.cat([g.reshape(-1) for g in gradients]) for _, gradients in found])
        gramian = rows.double() @ rows.double().T  # float32 would leave noise where gradients are parallel
        if not gramian.isfinite().all():  # the step makes theta not finite, and `descend` says so
            return losses.mean(), list(space.split(rows.sum(0)).values())
        gradient = weights(name, gramian.cpu(), losses.double().cpu()).to(rows) @ rows  # (d,)
        return losses.mean(), list(space.split(gradient).values())

    return rule


def run(
    name: str,
    space: ParameterSpace,
    loss_fn: LossFn,
    batches: Batches,
    *,
    optimizer: descent.OptimizerFactory,
    steps: int,
    examples: int,
) -> descent.Trajectory:
    """Train two tasks by a schedule, on the same number of examples and of steps whatever the schedule.

    `batches(tasks, examples, step)` makes a batch of that many examples of the tasks with these numbers
    (0 for A, 1 for B). Each step uses `examples` examples: all of one task, or of a mixture, or half of
    each task. The first, the middle and the last point are recorded. Raises ValueError for an
    unknown schedule, steps < 2, steps that do not fill 8 blocks where blocks are asked for, or an odd number
    of examples; Diverged as `descend`.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule is {name!r}; there is: {', '.join(SCHEDULES)}")
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (steps, examples))
    if not whole or steps < 2 or examples < 2 or examples % 2:
        raise ValueError(
            f"steps must be a whole number >= 2 and examples an even one >= 2, got {steps} and {examples}"
        )

    if "blocks" in name and steps % BLOCKS:
        raise ValueError(f"steps must be a multiple of {BLOCKS} for {name!r}, got {steps}")

    def in_turn() -> Iterator[Any]:
        for step in range(steps):
            yield batches(IN_TURN[name](step, steps), examples, step)

    def together() -> Iterator[Any]:
        for step in range(steps):
            yield [batches([task], examples // 2, step) for task in (0, 1)]

    simultaneous = name in SIMULTANEOUS
    return descent.descend(
        space,
        loss_fn,
        optimizer,
        together() if simultaneous else in_turn(),
        rule=combined(name) if simultaneous else descent.single,
        every=max(1, steps // 2),
        label=name,
    )
