"""The losses of many points theta + delta: one after the other, or many in one forward pass.

Three ways give the same numbers to rounding: `loop` writes each point into the model; `functional` hands it
over without writing; `vmap` evaluates a stack of points, as many as memory holds, at once. The rule for
`auto`: loop on a CPU, vmap on a GPU. `benchmarks/synthetic.py` measures what it rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lglib.base.chunks import at_once, peak
from lglib.parameters.space import LossFn, ParameterSpace

METHODS = ("auto", "loop", "functional", "vmap")
MOST = 64  # points in one stack: more are no faster


class _Losses(nn.Module):
    """The module with its loss function as forward, so that functional_call reaches both."""

    def __init__(self, module: nn.Module, loss_fn: LossFn) -> None:
        super().__init__()
        self.module, self.loss_fn = module, loss_fn

    def forward(self, batch: Any) -> Tensor:
        loss = self.loss_fn(self.module, batch)
        if not isinstance(loss, Tensor) or loss.ndim:
            raise ValueError(f"loss_fn: returned {getattr(loss, 'shape', type(loss))}, want a scalar tensor")
        return loss


def pick(method: str, device: torch.device) -> str:
    """Return the way that `auto` stands for on a device: loop on a CPU, vmap elsewhere.

    Raises ValueError for an unknown method.

    >>> pick("auto", torch.device("cpu"))
    'loop'
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; there is: {', '.join(METHODS)}")
    return ("loop" if device.type == "cpu" else "vmap") if method == "auto" else method


@torch.no_grad()
def losses(
    space: ParameterSpace,
    loss_fn: LossFn,
    points: Iterable[Tensor],
    batches: Sequence[Any],
    *,
    method: str = "auto",
    chunk: int | None = None,
) -> Iterator[list[float]]:
    """Yield the losses (one a batch) at each theta (d,) of `points`, which may be a generator.

    The model is left as it was, also after an error. Memory beyond the model: one point for `loop` and
    `functional`, chunk points and their activations for `vmap`, which wants eager attention; by default the
    chunk is what memory holds by the measured cost of one point, at most 64. Raises ValueError for an unknown
    method, no batch, chunk < 1, or a point that is not a finite vector of the space.

    >>> space = ParameterSpace(nn.Linear(1, 1))
    >>> list(losses(space, lambda m, x: m(x).sum(), [torch.ones(2), torch.zeros(2)], [torch.ones(1)]))
    [[2.0], [0.0]]
    """
    way = pick(method, space.device)
    if not len(batches):
        raise ValueError("batches is empty: there is nothing to evaluate on")
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"chunk must be a whole number from 1, got {chunk!r}")
    if way == "loop":
        for theta in points:  # back at its own theta before the next one is made
            with space.at(theta):
                row = [space.loss(loss_fn, batch) for batch in batches]
            yield row
        return
    whole = _Losses(space.module, loss_fn)

    def at(theta: Tensor, batch: Any) -> Tensor:
        named = {f"module.{name}": value for name, value in space.split(theta).items()}
        return functional_call(whole, named, (batch,))

    if way == "functional":
        for theta in points:
            _check(space, theta)
            yield [at(theta, batch).item() for batch in batches]
        return
    waiting = iter(points)
    if chunk is None:
        theta = space.flatten()
        one = max(peak(lambda own=own: at(theta, own)) for own in batches)  # type: ignore[misc]
        chunk = at_once(one + 3.0 * theta.nbytes, MOST, space.device)  # a point, its copy, a tensor of it
        del theta
    while stack := list(islice(waiting, chunk)):
        for theta in stack:
            _check(space, theta)
        thetas = torch.stack(stack)  # (chunk, d)
        found = torch.stack([vmap(at, in_dims=(0, None))(thetas, batch) for batch in batches], dim=1)
        yield from found.tolist()


def _check(space: ParameterSpace, theta: Tensor) -> None:
    if theta.shape != (space.d,) or theta.dtype != space.dtype or not theta.isfinite().all():
        raise ValueError(
            f"theta must be a finite vector ({space.d},) of {space.dtype}, "
            f"got {tuple(theta.shape)} {theta.dtype}"
        )
