"""Descend and record: the points that an optimiser visits, as a trajectory in R^d."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch

from lglib.base import progress
from lglib.base.checks import count
from lglib.parameters import micro_batches
from lglib.parameters.space import LossFn, ParameterSpace

OptimizerFactory = Callable[[Sequence[torch.nn.Parameter]], torch.optim.Optimizer]
GradientRule = Callable[[ParameterSpace, LossFn, Any], tuple[torch.Tensor, Sequence[torch.Tensor]]]
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "Adam": lambda p, lr: torch.optim.Adam(p, lr=lr, fused=True),  # one pass a tensor, on CPU too
    "AdamW": lambda p, lr: torch.optim.AdamW(p, lr=lr, fused=True),
}


@dataclass(frozen=True)
class Trajectory:
    """Recorded points of a run (n, d), the step of each (n,), and the loss before every step (T,).

    By default every point is recorded: n = T + 1 and steps are 0 ... T.

    >>> run = Trajectory(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.zeros(1), torch.arange(2))
    >>> run.displacement
    tensor([3., 4.])
    """

    points: torch.Tensor
    losses: torch.Tensor
    steps: torch.Tensor

    @property
    def displacement(self) -> torch.Tensor:
        """Delta = theta_T - theta_0, shape (d,)."""
        return self.points[-1] - self.points[0]


class Diverged(RuntimeError):
    """A training loss or a point stopped being finite; `trajectory` holds what was recorded until then."""

    def __init__(self, message: str, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.trajectory = trajectory


def optimizer(name: str, rate: float) -> OptimizerFactory:
    """Return a factory for `descend`: torch's SGD, SGD with momentum 0.9, Adam or AdamW, at a rate.

    Raises ValueError for an unknown name or a rate that is not above 0.

    >>> type(optimizer("momentum", 0.1)(list(torch.nn.Linear(2, 1).parameters()))).__name__
    'SGD'
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimiser is {name!r}; there is: {', '.join(OPTIMIZERS)}")
    if not 0 < rate < float("inf"):
        raise ValueError(f"rate must be finite and above 0, got {rate!r}")
    return lambda parameters: OPTIMIZERS[name](parameters, lr=rate)


def require_factory(optimizer: OptimizerFactory) -> None:
    """Raise ValueError unless an optimiser is given as a function of the parameters."""
    if not callable(optimizer):
        raise ValueError(
            f"optimizer: got {optimizer!r}, want a function that makes a torch optimiser of the parameters, "
            "such as descent.optimizer('Adam', 1e-3)"
        )


def warm_and_decay(steps: int, warm: int) -> Callable[[int], float]:
    """Factor of the learning rate: up over `warm` steps, then down in a line to a twentieth at `steps`.

    >>> [warm_and_decay(100, 10)(step) for step in (0, 9, 50, 99)]
    [0.1, 0.91, 0.5, 0.05]
    """
    if steps < 1 or warm < 1:
        raise ValueError(f"steps and warm must be at least 1, got {steps} and {warm}")
    return lambda step: min(1.0, (step + 1) / warm) * max(0.05, 1 - step / steps)


def single(space: ParameterSpace, loss_fn: LossFn, batch: Any) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
    """Gradient rule of ordinary descent: the loss of the batch and its gradients, parameter by parameter.

    Means over items go in `micro_batches` where memory does not hold all.
    """
    beside = 2.0 * space.d * space.dtype.itemsize
    parts = micro_batches.pieces(space.module, loss_fn, batch, "gradient", beside=beside)
    tensors, total = space.parameters(), torch.zeros(())
    sums: Sequence[torch.Tensor] = []
    for own, weight in parts:
        loss = loss_fn(space.module, own)
        if not torch.isfinite(loss):
            return loss, []
        if len(parts) == 1:
            return loss, torch.autograd.grad(loss, tensors)
        total = total.to(loss) + weight * loss.detach()
        rows = torch.autograd.grad(loss, tensors)
        sums = sums or [torch.zeros_like(x) for x in rows]
        for to, x in zip(sums, rows, strict=True):
            to.add_(x, alpha=weight)
    return total, sums


def descend(
    space: ParameterSpace,
    loss_fn: LossFn,
    optimizer: OptimizerFactory,
    batches: Iterable[Any],
    *,
    rule: GradientRule = single,
    rate: Callable[[int], float] | None = None,
    clip: float | None = None,
    every: int = 1,
    label: str = "descent",
) -> Trajectory:
    """Take one step per batch and record the points; the model is left at the last one.

    `optimizer` receives the parameters and returns a torch optimiser, for example `lambda p:
    torch.optim.SGD(p, lr=0.1)`. For full-batch descent give the same batch T times. `rule` makes the loss
    and the gradients of a batch (default: plain descent); `rate` is a factor of the learning rate by
    step, `clip` the longest gradient. Every `every`-th point is kept, and the first and the last: memory
    is (T / every + 2) d numbers. Raises Diverged, with what was recorded, when a loss or a point is not
    finite, and ValueError when there is no batch or `every` or `clip` is not above 0.

    >>> net = torch.nn.Linear(3, 1)
    >>> run = descend(ParameterSpace(net), lambda m, x: m(x).square().mean(),
    ...               lambda p: torch.optim.SGD(p, lr=0.1), [torch.eye(3)] * 5)
    >>> run.points.shape, bool(run.losses[-1] < run.losses[0])
    (torch.Size([6, 4]), True)
    """
    require_factory(optimizer)
    every = count("every", every)
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be above 0, got {clip!r}")
    parameters = space.parameters()
    stepper = optimizer(parameters)
    settings = f"{type(stepper).__name__} {stepper.defaults}"
    rates = [group["lr"] for group in stepper.param_groups]
    theta, total = space.flatten(), len(batches) if isinstance(batches, Sized) else None
    points, steps, losses = [theta], [0], list[float]()

    def diverged(what: str, step: int) -> Diverged:
        text = f"{what} at step {step} with {settings}; the {step} steps before it are in .trajectory"
        return Diverged(text, _trajectory(points, losses, steps))

    for step, batch in enumerate(batches):
        loss, gradients = rule(space, loss_fn, batch)
        if not torch.isfinite(loss):
            if steps[-1] != step:  # keep the last good point
                points, steps = [*points, theta], [*steps, step]
            raise diverged(f"loss is {loss.item()}", step)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        if rate is not None:
            for group, lr in zip(stepper.param_groups, rates, strict=True):
                group["lr"] = lr * rate(step)
        stepper.step()
        stepper.zero_grad(set_to_none=True)
        last, theta = theta, space.flatten()
        if not theta.isfinite().all():
            if steps[-1] != step:
                points, steps = [*points, last], [*steps, step]
            raise diverged("theta is not finite after the step", step)
        losses.append(loss.item())
        if (step + 1) % every == 0:
            points.append(theta)
            steps.append(step + 1)
        progress.tell(label, step + 1, total, f"loss {losses[-1]:.3f}")
    if not losses:
        raise ValueError("batches is empty: there is no step to take")
    if steps[-1] != len(losses):
        points, steps = [*points, theta], [*steps, len(losses)]
    return _trajectory(points, losses, steps)


def _trajectory(points: list[torch.Tensor], losses: list[float], steps: list[int]) -> Trajectory:
    return Trajectory(
        torch.stack(points), torch.tensor(losses, dtype=torch.float64), torch.tensor(steps, dtype=torch.int64)
    )
