"""Null laws: what chance alone gives for a capture, a cosine, a prefix of a random walk.

Every capture and every cosine of the book stands beside one of these. A bad argument raises ValueError,
naming what it got and what it wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from lglib.base.checks import count, level_of, whole


def capture_law(k: ArrayLike, d: ArrayLike) -> Any:
    """Return the law of the capture of a fixed vector by a random k-dimensional subspace, Beta(k/2, (d-k)/2).

    A frozen scipy distribution, mean k/d. k, d: whole, 1 <= k < d; k = d is refused, since the capture is
    then 1 and has no density. Raises ValueError otherwise. Beyond the paper.

    >>> law = capture_law(10, 1000)
    >>> print(round(law.mean(), 6), round(law.ppf(0.975), 4))
    0.01 0.0204
    """
    k_, d_ = whole("k", k), whole("d", d)
    if np.any(k_ >= d_):
        raise ValueError(f"k must be below d (the capture by all of R^d is 1), got k={k!r} and d={d!r}")
    return stats.beta(k_ / 2, (d_ - k_) / 2)


def cosine_law(d: ArrayLike) -> Any:
    """Return the law of the cosine of two random directions in R^d, a Beta law stretched to [-1, 1].

    A frozen scipy distribution, both parameters (d-1)/2, mean 0, variance 1/d. d: whole, >= 2. Raises
    ValueError otherwise. Beyond the paper.

    >>> print(round(cosine_law(100).var(), 12))
    0.01
    """
    b = (whole("d", d, low=2) - 1) / 2
    return stats.beta(b, b, loc=-1, scale=2)


@dataclass(frozen=True)
class Null:
    """What chance alone gives: the mean, and the central range [low, high] holding a share level of draws."""

    mean: float
    low: float
    high: float
    level: float


def beta_null(k: int, d: int, level: float = 0.95) -> Null:
    """Return the null of a capture: that of a fixed vector by a random k-dimensional subspace of R^d.

    k, d: whole, 1 <= k < d. Raises ValueError otherwise or on a level outside (0, 1). Law:
    capture_law.

    >>> null = beta_null(10, 1000)
    >>> round(null.mean, 4), round(null.low, 4), round(null.high, 4)
    (0.01, 0.0033, 0.0204)
    """
    law, tail = capture_law(k, d), (1 - level_of(level)) / 2
    return Null(float(law.mean()), float(law.ppf(tail)), float(law.isf(tail)), float(level))


def capture_p_value(capture: float, k: int, d: int) -> float:
    """Return the chance that a random k-dimensional subspace of R^d captures at least this much (upper tail).

    capture: ||P Delta||^2 / ||Delta||^2, in [0, 1]; k, d: whole, 1 <= k < d. Raises ValueError otherwise.

    >>> round(capture_p_value(0.02, 10, 1000), 3)
    0.028
    """
    if not 0 <= capture <= 1:
        raise ValueError(f"capture must lie in [0, 1], got {capture!r}")
    return float(capture_law(k, d).sf(capture))


def random_walk_capture(k: int, t: int, d: int) -> float:
    """Return the capture that the first k of t equally long random steps in R^d have of their own sum.

    Steps in independent uniform directions: the prefix holds its own k steps and k / d of the others, so
    k/t + (1 - k/t) k/d, to first order in 1/d. 1 <= k <= t, k <= d. With k = t it is 1 by construction.

    >>> round(random_walk_capture(10, 100, 10**6), 4)
    0.1
    """
    t, d = count("t", t), count("d", d)
    k = count("k", k, most=min(t, d))
    return k / t + (1 - k / t) * k / d


def random_direction(width: int, share: float = 0.95) -> float:
    """Return the bound that a share of |cosines| of random directions in R^width stays below.

    About 1.96 / sqrt(width) at 95 %.

    >>> round(random_direction(128), 3)
    0.173
    """
    return float(cosine_law(width).isf((1 - level_of(share)) / 2))
