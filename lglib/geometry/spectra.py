"""Spectrum and rank of a set of gradients, from their n x n Gram matrix: the d x d one is never formed.

Claims S1 and L1; definitions: PAPER.md, our reading of gradient rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lglib.base import seeding


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues (n,) of the Gram matrix of n vectors, descending, float64: squared singular values."""

    eigenvalues: Tensor

    @property
    def participation_ratio(self) -> float:
        """Return (sum lambda)^2 / sum lambda^2, between 1 and n, and n when all are equal.

        >>> Spectrum(torch.tensor([2.0, 2.0, 0.0])).participation_ratio
        2.0
        """
        return (self.eigenvalues.sum() ** 2 / self.eigenvalues.square().sum()).item()

    @property
    def stable_rank(self) -> float:
        """Return sum lambda / max lambda, at least 1 and moved by the largest direction alone."""
        return (self.eigenvalues.sum() / self.eigenvalues[0]).item()

    def rank(self, share: float = 0.9) -> int:
        """Fewest directions that hold `share` of the energy, sum lambda; ValueError unless 0 < share <= 1.

        >>> Spectrum(torch.tensor([6.0, 3.0, 1.0])).rank(0.9)
        2
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must lie in (0, 1], got {share!r}")
        held = self.eigenvalues.cumsum(0) / self.eigenvalues.sum()
        return int((held < share - 1e-12).sum()) + 1


def spectrum(vectors: Tensor, *, centre: bool = False) -> Spectrum:
    """Spectrum of n vectors (n, d), n >= 2; `centre=True` takes their mean off first.

    Raises ValueError for another shape, values that are not finite, or vectors that are all zero (all
    equal, when centred).

    >>> spectrum(torch.eye(3)).participation_ratio
    3.0
    """
    if vectors.ndim != 2 or len(vectors) < 2:
        raise ValueError(f"vectors must be (n, d) with n >= 2, got {tuple(vectors.shape)}")
    if not vectors.isfinite().all():
        raise ValueError("vectors must be finite")
    gram = torch.zeros(len(vectors), len(vectors), dtype=torch.float64)
    mean = vectors.mean(0, dtype=torch.float64) if centre else None
    energy = 0.0
    for start in range(0, vectors.shape[1], 2**16):  # by blocks of coordinates: memory n^2, not n d
        block = vectors[:, start : start + 2**16].double()
        energy += block.square().sum().item()
        if mean is not None:
            block = block - mean[start : start + 2**16]
        gram += (block @ block.T).cpu()
    values = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
    if not values[0] > (8 * torch.finfo(vectors.dtype).eps) ** 2 * energy:  # what rounding can leave
        raise ValueError(f"vectors must not be all {'equal' if centre else 'zero'}")
    return Spectrum(values)


def same_norms(vectors: Tensor, seed: int) -> Tensor:
    """Control of a spectrum: n random directions in R^d with the norms of the given vectors, (n, d).

    >>> same_norms(torch.diag(torch.tensor([1.0, 2.0])), seed=0).norm(dim=1).round(decimals=4)
    tensor([1., 2.])
    """
    noise = torch.randn(
        vectors.shape, generator=seeding.generator(seed, "same norms"), dtype=vectors.dtype
    ).to(vectors.device)
    want, have = (torch.linalg.vector_norm(x, dim=1, dtype=torch.float64) for x in (vectors, noise))
    return noise * (want / have)[:, None].to(noise)
