"""Pearson's correlation with its interval, and what of it lies between groups and what within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from lglib.theory import stats


def interval(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> stats.Interval:
    """Return Pearson's correlation with its interval, over n pairs that are independent draws.

    x, y: shape (n,), n >= 4. The standard error comes from the influence function, so that pairs which are
    uncorrelated but not independent get an honest one, which Fisher's does not give; the interval is made on
    Fisher's scale, artanh r. Raises ValueError on fewer, on values that are not finite, or where one of
    the two does not vary.

    >>> print(interval([1, 2, 3, 4, 5], [1, 3, 2, 5, 4]))
    0.80 [0.13, 0.97] (n=5)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be strictly between 0 and 1, got {level!r}")
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 4:
        raise ValueError(f"x and y must be vectors of one length, at least 4, got {x.shape} and {y.shape}")
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            raise ValueError(
                f"{name} must be finite, {np.count_nonzero(~np.isfinite(values))} values are not"
            )
        if np.ptp(values) == 0:
            raise ValueError(f"{name} must vary, all its values are {values[0]}")
    zx, zy = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    r = float(np.clip(np.mean(zx * zy), -1, 1))
    influence = zx * zy - r * (zx**2 + zy**2) / 2
    error = float(influence.std(ddof=1) / np.sqrt(len(x)))
    if error < 1e-12:  # all pairs on one line
        return stats.Interval(r, r, r, level, len(x))
    half = student.ppf((1 + level) / 2, len(x) - 2) * error / (1 - r**2)
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    return stats.Interval(r, float(low), float(high), level, len(x))


def parts(x: ArrayLike, y: ArrayLike, groups: ArrayLike) -> tuple[float, float]:
    """Split Pearson's correlation into a part between group means and a part within groups: they add up.

    x, y, groups: shape (n,). The covariance is the covariance of the group means plus the mean covariance
    within a group; both are divided by the same total standard deviations. Raises ValueError as
    `interval` does.

    >>> [round(r, 3) for r in parts([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 0.0, 1.0], ["a", "a", "b", "b"])]
    [0.0, 0.447]
    """
    total = interval(x, y).estimate
    x, y, labels = np.asarray(x, float), np.asarray(y, float), np.unique(groups, return_inverse=True)[1]
    if labels.shape != x.shape:
        raise ValueError(f"groups must have one label a pair, {len(x)}, got {labels.shape}")
    counts = np.bincount(labels)
    mean_x, mean_y = (np.bincount(labels, weights=v) / counts for v in (x, y))
    between = np.mean((mean_x[labels] - x.mean()) * (mean_y[labels] - y.mean())) / (x.std() * y.std())
    return float(between), float(total - between)
