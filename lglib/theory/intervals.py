"""Tests and intervals on a scale that a value cannot leave, for a handful of seeds, and families of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # scipy.stats has the same and takes a second to load

from lglib.base.checks import level_of, sample

Scale = Literal["plain", "share", "correlation", "positive"]


Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class _Map:
    """A scale without ends for a range [low, high]: there, its slope, and back."""

    low: float
    high: float
    there: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    back: Callable[[Any], Any]

    def inside(self, x: Any) -> Any:
        """Where x lies within the range and not at its ends."""
        return (x > self.low) & (x < self.high)


MAPS: dict[Scale, _Map] = {
    "plain": _Map(-np.inf, np.inf, lambda x: x, lambda x: 1.0, lambda y: y),
    "share": _Map(0.0, 1.0, special.logit, lambda x: 1 / (x * (1 - x)), special.expit),
    "correlation": _Map(-1.0, 1.0, np.arctanh, lambda x: 1 / (1 - x * x), np.tanh),
    "positive": _Map(0.0, np.inf, np.log, lambda x: 1 / x, lambda y: np.exp(np.minimum(y, 700.0))),
}
MIDDLE = 0.5  # inside of every range


def on_scale(
    mean: float, error: float, degrees: float, scale: Scale, level: float = 0.95
) -> tuple[float, float]:
    """Student's t interval of a mean with this standard error, made on a scale that it cannot leave.

    The error is carried to the scale by its slope at the mean (the delta method), so that the mean stays the
    estimate and a single value at the end of the range does no harm. Scales: logit for a share, Fisher's z
    for a correlation, the logarithm for what is positive. `degrees` of freedom, inf for a normal interval. A
    mean at the end of its range, where all values are alike, has an interval of width 0. Raises ValueError
    for a mean outside of the range.

    >>> low, high = on_scale(0.95, 0.02, 4, "share")
    >>> print(f"{low:.2f} {high:.3f}")
    0.86 0.984
    """
    over = MAPS[scale]
    if error == 0 or mean in (over.low, over.high):
        return mean, mean
    if not over.low < mean < over.high:
        raise ValueError(f"mean of a {scale} must lie in [{over.low:g}, {over.high:g}], got {mean}")
    half = _quantile(degrees, (1 + level_of(level)) / 2) * error * over.slope(mean)
    centre = over.there(mean)
    low, high = float(over.back(centre - half)), float(over.back(centre + half))
    return min(low, mean), max(high, mean)  # however it is rounded


def p_above(
    mean: ArrayLike, error: ArrayLike, degrees: float, bar: ArrayLike, scale: Scale = "plain"
) -> Array:
    """One-sided p-value of the hypothesis that the expectation is not above a bar: that of `on_scale`.

    It is at most .025 where the 95 % interval lies above the bar. Where nothing varies it is 0 or 1. A bar at
    the end of the range, or beyond it, is one that the expectation is above, or is not. Numbers, or arrays of
    one shape.

    >>> round(float(p_above(0.95, 0.02, 4, 0.86, "share")), 3)
    0.028
    """
    over = MAPS[scale]
    m, e, b = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (mean, error, bar)))
    open_ = (e > 0) & over.inside(b) & over.inside(m)
    m_, b_ = np.where(open_, m, MIDDLE), np.where(open_, b, MIDDLE)
    t = (over.there(m_) - over.there(b_)) / np.where(open_, e * over.slope(m_), 1.0)
    p = special.ndtr(-t) if math.isinf(degrees) else special.stdtr(degrees, -t)
    return np.where(open_, p, m <= b)


def holm(p: ArrayLike) -> Array:
    """p-values of a family of tests, adjusted by Holm's method along the last axis.

    The chance that any of those true hypotheses is rejected is at most the level, however the tests depend on
    each other. p: shape (..., m), m >= 1.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=float)
    if not given.ndim or not given.shape[-1] or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"p must be one or more numbers from 0 to 1, got {p!r}")
    order = np.argsort(given, axis=-1, kind="stable")
    steps = np.take_along_axis(given, order, -1) * np.arange(given.shape[-1], 0, -1)
    adjusted = np.empty_like(given)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0), -1)
    return adjusted


def of_groups(groups: list[ArrayLike], level: float = 0.95) -> tuple[float, float, float]:
    """Mean over groups with its interval, where groups are drawn at random and values within them too.

    A model is a group, its seeds are the values. The means of the groups are what is independent, so the
    interval is Student's t over these, and spread within groups enters through them. groups: 3 or more, each
    of shape (n,). Returns (mean, low, high).

    >>> mean, low, high = of_groups([[0.4, 0.6], [0.7, 0.8], [0.5, 0.5, 0.8]])
    >>> print(f"{mean:.2f} [{low:.2f}, {high:.2f}]")
    0.62 [0.30, 0.93]
    """
    if len(groups) < 3:
        raise ValueError(f"groups must be 3 or more, got {len(groups)}")
    means = sample("means of the groups", [float(np.mean(np.asarray(one, float))) for one in groups])
    mean, error = float(means.mean()), float(means.std(ddof=1) / math.sqrt(len(means)))
    return (mean, *on_scale(mean, error, len(means) - 1, "plain", level))


def largest_gap(table: Array) -> float:
    """Largest difference between the means of two rows of a table (groups, seeds).

    >>> largest_gap(np.array([[1.0, 3.0], [2.0, 2.0], [5.0, 7.0]]))
    4.0
    """
    means = table.mean(axis=1)
    return float(means.max() - means.min())


def p_largest_gap(table: Array, draws: np.ndarray[Any, Any]) -> float:
    """p-value of `largest_gap` if the rows were alike: values are permuted among the rows within each column.

    The gap is the largest of several, so no test of two groups fits it; its permutations are selected in the
    same way. table: (groups, seeds); draws: (count, groups, seeds), in each column a permutation of the
    groups (`permutations`). The observed table counts as one of them.

    >>> table = np.array([[1.0, 2.0, 1.5, 1.2], [9.0, 8.0, 8.5, 9.1]])
    >>> p_largest_gap(table, permutations(2, 4, 999, seed=0)) < 0.2
    True
    """
    permuted = np.take_along_axis(np.broadcast_to(table, draws.shape), draws, axis=1).mean(axis=2)
    gaps = permuted.max(axis=1) - permuted.min(axis=1)
    reached = np.count_nonzero(gaps >= largest_gap(table) * (1 - 1e-12))
    return float((reached + 1) / (len(draws) + 1))


def permutations(groups: int, seeds: int, count: int, seed: int) -> np.ndarray[Any, Any]:
    """Random permutations of groups, one for each seed and draw: (count, groups, seeds).

    >>> permutations(3, 2, 5, seed=0).shape
    (5, 3, 2)
    """
    rng = np.random.default_rng(seed)
    return np.argsort(rng.random((count, groups, seeds)), axis=1)


def _quantile(degrees: float, q: float) -> float:
    return float(special.ndtri(q) if math.isinf(degrees) else special.stdtrit(degrees, q))
