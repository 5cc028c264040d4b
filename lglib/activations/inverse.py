"""The way back: the smallest step of the weights that moves activations by what is asked.

It knows linear maps, no models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, lsmr
from torch import Tensor

from lglib.base.checks import count


@dataclass(frozen=True)
class Step:
    """A step `delta` (d,), the share of the target that is left, ||J delta - b|| / ||b||, the iterations."""

    delta: Tensor
    left: float
    iterations: int


def smallest(
    push: Callable[[Tensor], Tensor],
    pull: Callable[[Tensor], Tensor],
    target: Tensor,
    d: int,
    *,
    damp: float = 0.0,
    iterations: int = 30,
    tolerance: float = 1e-6,
) -> Step:
    """The delta (d,) that minimises ||J delta - target||^2 + damp^2 ||delta||^2, by LSMR (Fong and Saunders).

    `push(u) = J u` has the shape of `target`, `pull(v) = J^T v` is (d,). Started at zero, every iterate lies
    in the row space of J, so where several steps do equally well the limit is the shortest of them. Numbers
    are float64 within LSMR and of the target's dtype in the map. Raises ValueError for a target that is zero
    or not finite, a negative damp, or maps of wrong shape.

    >>> j = torch.tensor([[1.0, 1.0]])
    >>> smallest(lambda u: j @ u, lambda v: j.T @ v, torch.tensor([2.0]), 2).delta
    tensor([1., 1.])
    """
    iterations = count("iterations", iterations)
    if not target.isfinite().all() or not target.any():
        raise ValueError("target must be finite and not zero: there is no step to look for")
    if not 0 <= damp < np.inf:
        raise ValueError(f"damp must be finite and at least 0, got {damp!r}")

    def forward(u: np.ndarray) -> np.ndarray:
        moved = push(torch.as_tensor(u).to(target))
        if moved.shape != target.shape:
            raise ValueError(
                f"push must give {tuple(target.shape)} like the target, got {tuple(moved.shape)}"
            )
        return moved.detach().double().cpu().numpy().ravel()

    def back(v: np.ndarray) -> np.ndarray:
        pulled = pull(torch.as_tensor(v).to(target).view(target.shape))
        if pulled.shape != (d,):
            raise ValueError(f"pull must give ({d},), got {tuple(pulled.shape)}")
        return pulled.detach().double().cpu().numpy()

    operator = LinearOperator((target.numel(), d), matvec=forward, rmatvec=back, dtype=np.float64)
    b = target.double().cpu().numpy().ravel()
    found = lsmr(operator, b, damp=damp, atol=tolerance, btol=tolerance, maxiter=iterations)
    delta, steps = found[0], int(found[2])
    left = float(np.linalg.norm(forward(delta) - b) / np.linalg.norm(b))
    return Step(torch.as_tensor(delta).to(target), left, steps)
