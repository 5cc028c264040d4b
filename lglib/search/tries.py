"""What N candidates around an adapter answer: their losses and first choices, one by one or many at a time.

A candidate is made again from its key: memory grows with k d for the basis and `chunk` d for the stack,
never with N d.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lglib.base import progress
from lglib.base.checks import count
from lglib.models.lora import Adapter
from lglib.parameters.space import ParameterSpace
from lglib.search import random_search, stacked
from lglib.search.proposals import Proposal
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

METHODS = ("auto", "loop", "stacked")
MOST = 1_000_000  # candidates of one search


@dataclass(frozen=True)
class Tries:
    """What N candidates did on the n items of a lesson.

    before (n,): loss of each item at theta; losses (N, n): after the step, inf where not finite; predicted
    (N, n, A): first choices; right (N, n): whether the whole answer was.
    """

    before: np.ndarray
    losses: np.ndarray
    predicted: np.ndarray
    right: np.ndarray

    def gains(self, rows: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Decrease (N,) of the mean loss of some items, in nats; -inf where it broke the model."""
        return self.before[rows].mean() - self.losses[:, rows].mean(1)


def everywhere(space: ParameterSpace, seed: int) -> Proposal:
    """Proposal uniform on the unit sphere of R^d, its noise keyed by (seed, candidate, name of the tensor).

    Two tensors of one shape never share it: see the tied noise of chapter 1.

    >>> propose = everywhere(ParameterSpace(torch.nn.Linear(5, 5)), seed=0)
    >>> round(propose(3).norm().item(), 5)
    1.0
    """

    def propose(candidate: int) -> Tensor:
        z = random_search.noise(space, seed, candidate)
        return z / torch.linalg.vector_norm(z, dtype=torch.float64).to(z)

    return propose


@torch.no_grad()
def run(
    adapter: Adapter,
    lesson: Lesson,
    direction: Proposal,
    *,
    norm: float,
    candidates: int,
    method: str = "auto",
    chunk: int = 8,
    label: str = "candidates",
) -> Tries:
    """Try theta + norm * direction(i) for i < candidates on a lesson; the adapter is left as it was.

    `method` is `loop` (each written into the model in turn) or `stacked` (`chunk` of them in one forward
    pass), which `auto` stands for. They agree to rounding. Raises ValueError for candidates outside 1 to a
    million, chunk < 1, a norm that is not finite and above 0, an unknown method, a loss that is not finite
    at theta, or a direction that is not a unit vector of the space.
    """
    candidates, chunk = count("candidates", candidates, most=MOST), count("chunk", chunk)
    if not 0 < norm <= torch.finfo(adapter.space.dtype).max:
        raise ValueError(f"norm must be finite and above 0, got {norm!r}")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; there is: {', '.join(METHODS)}")
    space, stack = adapter.space, method != "loop"
    theta = space.flatten()
    before = supervised.losses(supervised.logits(adapter.model, lesson), lesson).double().cpu()
    if not before.isfinite().all():
        raise ValueError(f"the loss is not finite at the starting point: {before.mean().item()}")
    losses, predicted = [], []
    for thetas in _stacks(theta, direction, norm, candidates, chunk if stack else 1):
        if stack:
            logits = stacked.logits(adapter, thetas, lesson)
        else:
            with space.at(thetas[0]):
                logits = supervised.logits(adapter.model, lesson)[None]
        losses.append(supervised.losses(logits, lesson).double().cpu())
        predicted.append(logits.argmax(-1).cpu())
        progress.tell(label, sum(map(len, losses)), candidates)
    after, chosen = torch.cat(losses), torch.cat(predicted)
    right = supervised.right(chosen, Lesson(*(x.cpu() for x in lesson)))
    after = torch.where(after.isfinite(), after, torch.inf)
    return Tries(before.numpy(), after.numpy(), chosen.numpy(), right.numpy())


def _stacks(theta: Tensor, direction: Proposal, norm: float, total: int, size: int) -> Iterator[Tensor]:
    """Points (size, d) to try, stack after stack."""
    for start in range(0, total, size):
        rows = theta.repeat(min(size, total - start), 1)
        for row in range(len(rows)):
            u = direction(start + row)
            length = torch.linalg.vector_norm(u, dtype=torch.float64).item() if u.shape == theta.shape else 0
            if not abs(length - 1) < 1e-3:
                raise ValueError(
                    f"direction({start + row}) must be a unit vector {tuple(theta.shape)}, "
                    f"got shape {tuple(u.shape)} and length {length:.4g}"
                )
            rows[row].add_(u.to(theta), alpha=norm)
        yield rows
