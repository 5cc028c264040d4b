"""Correlations beside what chance gives: the pairing of the two is permuted, over all or within groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lglib.base.checks import count, level_of, numpy_generator


@dataclass(frozen=True)
class Permuted:
    """Pearson's r, its mean under permutation, and its two-sided p-value (never 0), by distance from there.

    95 % of the permutations stay within `bound` of that mean, unless another level was asked for.
    """

    r: float
    mean: float
    p: float
    bound: float


def correlation(
    x: ArrayLike,
    y: ArrayLike,
    seed: int | np.random.Generator,
    *,
    groups: ArrayLike | None = None,
    permutations: int = 999,
    level: float = 0.95,
) -> Permuted:
    """Correlation of n pairs with its null by permutation of y, within `groups` (n,) where they are given.

    Within groups, what lies between their means stays as it is: it is the mean of the null, and what is left
    to find is whether x tells members of one group apart. Raises ValueError unless x and y are (n,), n >= 4,
    finite, and vary.

    >>> found = correlation([1.0, 2, 3, 4, 5, 6], [1.0, 3, 2, 5, 4, 6], seed=0)
    >>> round(found.r, 2), found.p < 0.1
    (0.89, True)
    >>> correlation([0.0, 1, 9, 8], [0.0, 1, 8, 9], seed=0, groups=["a", "a", "b", "b"]).p > 0.4
    True
    """
    x, y, rng = np.asarray(x, dtype=float), np.asarray(y, dtype=float), numpy_generator(seed)
    permutations, level = count("permutations", permutations, 19), level_of(level)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 4:
        raise ValueError(f"x and y must be vectors of one length, at least 4, got {x.shape} and {y.shape}")
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            raise ValueError(f"{name} must be finite and vary")
    labels = np.zeros(len(x), int) if groups is None else np.unique(groups, return_inverse=True)[1]
    if labels.shape != x.shape:
        raise ValueError(f"groups must have one label a pair, {len(x)}, got {labels.shape}")
    zx, zy = (v - v.mean() for v in (x, y))
    zx, zy = zx / np.linalg.norm(zx), zy / np.linalg.norm(zy)
    r = float(np.clip(zx @ zy, -1, 1))
    order = np.lexsort((rng.random((permutations, len(x))), np.broadcast_to(labels, (permutations, len(x)))))
    shuffled = np.empty((permutations, len(x)))
    shuffled[:, np.argsort(labels, kind="stable")] = zy[order]  # each group's values, in its own places
    counts = np.bincount(labels)
    mean = float((np.bincount(labels, zx) * np.bincount(labels, zy) / counts).sum())
    off = np.abs(shuffled @ zx - mean)
    at_least = int((off >= abs(r - mean) - 1e-12).sum())
    return Permuted(r, mean, (1 + at_least) / (1 + permutations), float(np.quantile(off, level)))
