"""Descend and record: every point that an optimiser visits, as a trajectory in R^d.

Room: on `params`; chapters import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lglib.params import ParameterSpace


@dataclass(frozen=True)
class Trajectory:
    """Points theta_0 ... theta_T of a run as rows (T+1, d), and the loss before each step (T,), float64."""

    points: torch.Tensor
    losses: torch.Tensor

    @property
    def displacement(self) -> torch.Tensor:
        """Delta = theta_T - theta_0, shape (d,)."""
        return self.points[-1] - self.points[0]


class Diverged(RuntimeError):
    """A training loss or a point stopped being finite; `trajectory` holds what was recorded until then."""

    def __init__(self, message: str, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.trajectory = trajectory


def descend(
    space: ParameterSpace,
    loss_fn: Callable[[torch.nn.Module, Any], torch.Tensor],
    optimizer: Callable[[Sequence[torch.nn.Parameter]], torch.optim.Optimizer],
    batches: Iterable[Any],
) -> Trajectory:
    """Take one step per batch and record every point; the model is left at the last one.

    `optimizer` receives the parameters and returns a torch optimiser, for example
    `lambda p: torch.optim.SGD(p, lr=0.1)`. For full-batch descent give the same batch T times. Memory
    is (T+1) d numbers. Raises Diverged, with what was recorded, when a loss or a point is not finite, and
    ValueError when there is no batch.

    >>> net = torch.nn.Linear(3, 1)
    >>> run = descend(ParameterSpace(net), lambda m, x: m(x).square().mean(),
    ...               lambda p: torch.optim.SGD(p, lr=0.1), [torch.eye(3)] * 5)
    >>> run.points.shape, bool(run.losses[-1] < run.losses[0])
    (torch.Size([6, 4]), True)
    """
    parameters = space.parameters()
    stepper = optimizer(parameters)
    points = [space.flatten()]
    losses: list[float] = []
    for step, batch in enumerate(batches):
        loss = loss_fn(space.module, batch)
        if not torch.isfinite(loss):
            kept = Trajectory(torch.stack(points), torch.tensor(losses, dtype=torch.float64))
            raise Diverged(
                f"loss is {loss.item()} at step {step} with {type(stepper).__name__} {stepper.defaults}; "
                f"the {step} steps before it are in .trajectory",
                kept,
            )
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        stepper.step()
        stepper.zero_grad(set_to_none=True)
        theta = space.flatten()
        if not theta.isfinite().all():
            kept = Trajectory(torch.stack(points), torch.tensor(losses, dtype=torch.float64))
            raise Diverged(
                f"theta is not finite after the step at step {step} with {type(stepper).__name__} "
                f"{stepper.defaults}; the {step} steps before it are in .trajectory",
                kept,
            )
        losses.append(loss.item())
        points.append(theta)
    if not losses:
        raise ValueError("batches is empty: there is no step to take")
    return Trajectory(torch.stack(points), torch.tensor(losses, dtype=torch.float64))
