"""The best of N random steps on a linear score, and what becomes of it when layers share their noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from lglib.geometry.subspace import Subspace
from lglib.parameters.space import ParameterSpace
from lglib.search import random_search
from lglib.theory import maxima, stats

DIMENSIONS = (10, 1_000, 1_000_000)
COUNTS = (2, 4, 8, 16, 32, 64)  # N
N = 16  # candidates of a search wherever only one number of them is measured
DIRECTIONS = 25  # gradients to one noise vector
ENTRIES = 4e8  # most random numbers drawn in one dimension


def projections(d: int, draws: int, seed: int) -> np.ndarray:
    """Draws of a . eps (draws,) for unit gradients a and standard normal eps in R^d, about `draws` of them.

    Each noise vector is projected on up to 25 orthonormal gradients, which gives independent draws.

    >>> projections(10, 400, seed=0).shape
    (400,)
    """
    a = Subspace.random(d, min(DIRECTIONS, d), seed, dtype=torch.float32).basis  # (d, k)
    vectors = max(40, min(draws // a.shape[1], int(ENTRIES / d)))
    noise = torch.Generator().manual_seed(seed + d)
    rows = [torch.randn(4, d, generator=noise) @ a for _ in range(vectors // 4)]
    return torch.cat(rows).flatten().double().numpy()  # (vectors * k,)


def gain_over_law(gains: np.ndarray, n: int) -> stats.Interval:
    """Mean best of n in units of the law m_n (Theorem 1), over disjoint blocks of draws (draws,).

    >>> gain_over_law(projections(10, 4000, seed=0), 16).contains(1.0)
    True
    """
    return stats.mean_interval(random_search.block_maxima(gains, n) / maxima.expected_maximum(n))


def layered_scores(seed: int) -> Mapping[str, np.ndarray]:
    """Unit gradients of four layers (4, 64) that agree, cancel in pairs, or are unrelated.

    >>> float(np.linalg.norm(layered_scores(0)["cancelling"].sum(0)).round(6))
    0.0
    """
    x, y = np.random.default_rng(seed).standard_normal((2, 64))
    blocks = {
        "agreeing": np.array([x, x, x, x]),
        "cancelling": np.array([x, -x, y, -y]),
        "unrelated": np.random.default_rng(seed + 1).standard_normal((4, 64)),
    }
    return {name: a / np.linalg.norm(a) for name, a in blocks.items()}


def layered_gain(a: np.ndarray, draws: int, seed: int, *, tied: bool) -> stats.Interval:
    """Mean best-of-16 gain of the linear score a (4, 64), with the noise of `random_search` in four layers.

    With `tied` all four layers, which have one shape, receive the same noise.

    >>> layered_gain(layered_scores(0)["cancelling"], 400, 0, tied=True).estimate < 1e-6
    True
    """
    layers = torch.nn.Sequential(*[torch.nn.Linear(8, 8, bias=False) for _ in a])
    space, slope = ParameterSpace(layers), torch.tensor(np.ravel(a), dtype=torch.float32)
    noise = (random_search.noise(space, seed, i, tied=tied) for i in range(max(20 * N, draws // 12)))
    return stats.mean_interval(random_search.block_maxima(np.array([float(slope @ e) for e in noise]), N))
