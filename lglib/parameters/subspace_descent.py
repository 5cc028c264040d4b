"""Descent within a subspace that is made anew every m steps: how long does a basis stay useful?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lglib.base import progress
from lglib.base.checks import count
from lglib.geometry.subspace import Subspace
from lglib.parameters import descent
from lglib.parameters.descent import Diverged, OptimizerFactory, Trajectory
from lglib.parameters.space import LossFn, ParameterSpace


@dataclass(frozen=True)
class SubspaceRun:
    """A run within subspaces: its trajectory, and what had been paid before each point (T + 1,)."""

    run: Trajectory
    spent: Tensor


def descend(
    space: ParameterSpace,
    loss_fn: LossFn,
    optimizer: OptimizerFactory,
    batches: Sequence[Any],
    *,
    basis: Callable[[int], Subspace],
    every: int | None,
    cost: int,
    price: int = 1,
    label: str = "subspace descent",
) -> SubspaceRun:
    """One step a batch along U z: only the k coordinates z move, in a basis that is refreshed.

    `basis(step)` makes the subspace at the present point; it is asked at step 0 and after every `every` steps
    (None: never again). Each time costs `cost`, each step `price`, both in items, say. The optimiser moves z
    from 0 and starts anew with each basis, so with SGD this is projected gradient descent (weight decay pulls
    z to 0). The model is left at the last point.
    Raises ValueError for every < 1 or no batch, Diverged when the loss or a point is not finite.

    >>> net = torch.nn.Linear(3, 1)
    >>> space = ParameterSpace(net)
    >>> fixed = Subspace.random(space.d, 2, seed=0, dtype=torch.float32)
    >>> one = descend(space, lambda m, x: m(x).square().mean(), lambda p: torch.optim.SGD(p, lr=0.1),
    ...               [torch.eye(3)] * 5, basis=lambda step: fixed, every=None, cost=0)
    >>> round(fixed.capture(one.run.displacement), 4), one.spent.tolist()
    (1.0, [0, 1, 2, 3, 4, 5])
    """
    descent.require_factory(optimizer)
    if not len(batches):
        raise ValueError("batches is empty: there is no step to take")
    every = len(batches) if every is None else count("every", every)
    cost, price = count("cost", cost, low=0), count("price", price, low=0)
    points, losses, spent = [space.flatten()], list[float](), [0]
    for step, batch in enumerate(batches):
        if step % every == 0:
            subspace, anchor, paid = basis(step), points[-1], cost
            z = torch.nn.Parameter(torch.zeros(subspace.k, dtype=space.dtype, device=space.device))
            stepper = optimizer([z])
        else:
            paid = 0
        loss, parts = descent.single(space, loss_fn, batch)
        if not loss.isfinite():
            raise Diverged(f"loss is {loss.item()} at step {step}", _trajectory(points, losses))
        losses.append(loss.item())
        gradient = torch.cat([part.reshape(-1) for part in parts])
        if not gradient.isfinite().all():
            raise Diverged(f"the gradient is not finite at step {step}", _trajectory(points, losses[:-1]))
        z.grad = subspace.coordinates(gradient)
        stepper.step()
        theta = anchor + subspace.basis @ z.detach()
        if not theta.isfinite().all():
            raise Diverged(f"theta is not finite after step {step}", _trajectory(points, losses[:-1]))
        space.load(theta)
        points.append(theta)
        spent.append(spent[-1] + paid + price)
        progress.tell(label, step + 1, len(batches))
    return SubspaceRun(_trajectory(points, losses), torch.tensor(spent))


def _trajectory(points: list[Tensor], losses: list[float]) -> Trajectory:
    steps = torch.arange(len(points))
    return Trajectory(torch.stack(points), torch.tensor(losses, dtype=torch.float64), steps)
