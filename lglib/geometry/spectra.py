"""Spectrum and rank of n vectors from their n x n Gram matrix, and the random control: claims S1 and L1.

A Gram matrix may be centred, or that of unit vectors, without the vectors. Definitions: notation page,
our reading of gradient rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.base import seeding
from lglib.base.checks import count


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


def gram_matrix(vectors: Tensor, *, centre: bool = False) -> Tensor:
    """Gram matrix (n, n) in float64 of n vectors (n, d), n >= 2; `centre=True` takes their mean off first.

    Raises ValueError for another shape, values that are not finite, or vectors that are all zero (all
    equal, when centred).

    >>> gram_matrix(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).tolist()
    [[1.0, 1.0], [1.0, 2.0]]
    """
    if vectors.ndim != 2 or len(vectors) < 2:
        raise ValueError(f"vectors must be (n, d) with n >= 2, got {tuple(vectors.shape)}")
    if not vectors.isfinite().all():
        raise ValueError("vectors must be finite")
    gram, energy = torch.zeros(len(vectors), len(vectors), dtype=torch.float64), 0.0
    for block in vectors.split(2**16, dim=1):  # by blocks of coordinates: memory n^2, not n d
        block = block.double()
        energy += block.square().sum().item()
        if centre:  # before the products: afterwards a large mean would cost digits
            block = block - block.mean(0)
        gram += (block @ block.T).cpu()
    if not gram.diagonal().max() > (8 * torch.finfo(vectors.dtype).eps) ** 2 * energy:  # rounding
        raise ValueError(f"vectors must not be all {'equal' if centre else 'zero'}")
    return gram


def centred(gram: Tensor) -> Tensor:
    """Gram matrix of the same vectors less their mean: H G H with H = I - 1/n.

    >>> centred(torch.eye(2, dtype=torch.float64)).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    _square(gram)
    found = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    rounding = 64 * torch.finfo(gram.dtype).eps * gram.abs().max()
    return torch.zeros_like(gram) if found.abs().max() <= rounding else found  # all vectors equal


def unit(gram: Tensor) -> Tensor:
    """Gram matrix of the same vectors at length one: their cosines. ValueError if one of them is zero.

    >>> unit(torch.tensor([[4.0, 1.0], [1.0, 1.0]])).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    _square(gram)
    norms = gram.diagonal().sqrt()
    if not (norms > 0).all():
        raise ValueError(f"gram: vectors {(~(norms > 0)).nonzero().flatten().tolist()[:5]} have length 0")
    return gram / norms / norms[:, None]


def spectrum(gram: Tensor) -> Spectrum:
    """Spectrum of n vectors from their Gram matrix (n, n), n >= 2; ValueError if it is none or zero.

    >>> spectrum(torch.eye(3)).participation_ratio
    3.0
    """
    _square(gram)
    if not torch.allclose(gram, gram.T, rtol=1e-5, atol=1e-6 * float(gram.diagonal().abs().max())):
        raise ValueError("gram must be symmetric")
    values = torch.linalg.eigvalsh(gram.double()).flip(0)
    if not values[0] > 0:
        raise ValueError("gram must not be zero: there is no direction in it")
    if values[-1] < -1e-5 * values[0]:
        raise ValueError(f"gram must have no negative eigenvalue, got {values[-1].item():.3g}")
    return Spectrum(values.clamp(min=0))


def same_norms(gram: Tensor, d: int, seed: int) -> Tensor:
    """Gram matrix of n random directions in R^d with the norms of the given vectors: the control of a rank.

    Drawn exactly and without the (n, d) matrix, by Bartlett's decomposition: n Gaussian vectors have the Gram
    matrix L L^T, with L lower triangular and its diagonal chi-distributed, d - i degrees of freedom in row
    i = 0, 1, ... (Bartlett 1934). Raises ValueError unless d >= n.

    >>> same_norms(torch.diag(torch.tensor([4.0, 9.0])), 10**6, seed=0).diagonal().tolist()
    [4.0, 9.0]
    """
    _square(gram)
    n, d = len(gram), count("d", d, len(gram))
    dice = np.random.default_rng(seeding.generator(seed, "bartlett", d).initial_seed() % 2**63)
    lower = np.tril(dice.standard_normal((n, n)), -1)
    lower[np.diag_indices(n)] = np.sqrt(dice.chisquare(d - np.arange(n)))
    found = unit(torch.from_numpy(lower @ lower.T))
    norms = gram.double().diagonal().sqrt()
    found = found * norms * norms[:, None]
    return found.fill_diagonal_(0) + torch.diag(gram.double().diagonal())


def growth(gram: Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Participation ratio of the first n vectors, for each n of `sizes`: a rank that grows with n is none.

    Raises ValueError for a size below 2 or above the number of vectors.

    >>> growth(torch.eye(8), [2, 8])
    {2: 2.0, 8: 8.0}
    """
    wanted = [count("size", n, 2, len(gram)) for n in sizes]
    return {n: spectrum(gram[:n, :n]).participation_ratio for n in wanted}


def _square(gram: Any) -> None:
    if not isinstance(gram, Tensor) or gram.ndim != 2 or gram.shape[0] != gram.shape[1] or len(gram) < 2:
        raise ValueError(f"gram must be (n, n) with n >= 2, got {tuple(getattr(gram, 'shape', ()))}")
    if not gram.isfinite().all():
        raise ValueError("gram must be finite")
