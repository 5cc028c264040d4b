"""Intervals and tests: what stands beside every number of the book. Thin over scipy.stats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from lglib.base.checks import count, level_of, numpy_generator, sample

Alternative = Literal["two-sided", "less", "greater"]


def with_spread(value: float, low: float, high: float) -> str:
    """Write a value and its interval with the digits that the interval warrants: two of its half-width.

    >>> with_spread(0.7712, 0.7154, 0.8301), with_spread(1240.4, 1100, 1400), with_spread(2e-12, 0, 9e-12)
    ('0.771 [0.715, 0.830]', '1240 [1100, 1400]', '2.0e-12 [0.0e+00, 9.0e-12]')
    """
    half, size = (high - low) / 2, max(abs(value), abs(low), abs(high))
    decimals = 1 - int(np.floor(np.log10(half))) if half > 0 else 0
    spec = f".{max(decimals, 0)}f" if half > 0 else ".4g"
    if half > 0 and (decimals > 6 or size >= 1e7):
        spec = f".{max(int(np.floor(np.log10(size))) + decimals, 1)}e"
    return f"{value:{spec}} [{low:{spec}}, {high:{spec}}]"


@dataclass(frozen=True)
class Interval:
    """An estimate from n values with its confidence interval [low, high] at the given level.

    A skewed bootstrap may leave the estimate outside [low, high]; that is kept. Raises ValueError on numbers
    that are not finite, low > high, a level outside (0, 1) or n < 1. A format spec applies to all three
    numbers (default: as many digits as `with_spread` gives).

    >>> interval = Interval(0.77, 0.71, 0.83, level=0.95, n=5)
    >>> print(interval), interval.contains(0.8)
    0.770 [0.710, 0.830] (n=5)
    (None, True)
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int

    def __post_init__(self) -> None:
        """Refuse what is not an interval."""
        if not np.all(np.isfinite([self.estimate, self.low, self.high])):
            raise ValueError(
                f"estimate, low and high must be finite, got {self.estimate}, {self.low}, {self.high}"
            )
        if self.low > self.high:
            raise ValueError(f"low must be at most high, got {self.low} and {self.high}")
        level_of(self.level)
        count("n", self.n)

    def __format__(self, spec: str) -> str:
        """Format as ``estimate [low, high] (n=...)``."""
        if not spec:
            return f"{with_spread(self.estimate, self.low, self.high)} (n={self.n})"
        return f"{self.estimate:{spec}} [{self.low:{spec}}, {self.high:{spec}}] (n={self.n})"

    def __str__(self) -> str:
        """Format with two digits of the half-width."""
        return format(self, "")

    def contains(self, x: float) -> bool:
        """Say whether x lies in [low, high], ends included."""
        return bool(self.low <= x <= self.high)


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the Student-t interval of a mean: the one for a handful of seeds.

    values: shape (n,), n >= 2, independent and roughly normal. Equal values give an interval of width 0.
    Raises ValueError on fewer values, values that are not finite or a level outside (0, 1).

    >>> print(mean_interval([0.7, 0.8, 0.75, 0.82, 0.78]))
    0.770 [0.712, 0.828] (n=5)
    """
    x, level = sample("values", values), level_of(level)
    mean = float(x.mean())
    half = 0.0 if np.ptp(x) == 0 else float(stats.sem(x) * stats.t.ppf((1 + level) / 2, len(x) - 1))
    return Interval(mean, mean - half, mean + half, level, len(x))


def bootstrap_interval(
    values: ArrayLike,
    seed: int | np.random.Generator,
    *,
    statistic: Callable[..., Any] = np.mean,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return the BCa bootstrap interval of a statistic; for a handful of values prefer mean_interval.

    values: shape (n,), n >= 2; statistic: vector to number, faster if it takes ``axis``. Equal values give an
    interval of width 0. Raises ValueError where BCa is undefined (a statistic that does not react to leaving
    one value out, such as the median of mostly equal values), and on bad values, seed, level or resamples.

    >>> print(bootstrap_interval([0.7, 0.8, 0.75, 0.82, 0.78], seed=0))
    0.770 [0.726, 0.802] (n=5)
    """
    x, level, rng = sample("values", values), level_of(level), numpy_generator(seed)
    options = {"n_resamples": count("resamples", resamples), "method": "BCa", "rng": rng}
    estimate = float(statistic(x))
    if np.ptp(x) == 0:
        return Interval(estimate, estimate, estimate, level, len(x))
    found = stats.bootstrap((x,), statistic, confidence_level=level, **options).confidence_interval
    if not np.isfinite([found.low, found.high]).all():
        raise ValueError(
            "statistic must vary when one value is left out (BCa is undefined here); use another one"
        )
    return Interval(estimate, float(found.low), float(found.high), level, len(x))


def proportion_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Return the Wilson interval of a proportion of n independent items.

    Raises ValueError unless 0 <= successes <= n and n >= 1.

    >>> print(proportion_interval(9, 10))
    0.90 [0.60, 0.98] (n=10)
    """
    n = count("n", n)
    if isinstance(successes, bool) or not isinstance(successes, int | np.integer) or not 0 <= successes <= n:
        raise ValueError(f"successes must be a whole number from 0 to {n}, got {successes!r}")
    found = stats.binomtest(int(successes), n).proportion_ci(level_of(level), method="wilson")
    share = successes / n
    return Interval(share, min(float(found.low), share), max(float(found.high), share), level, n)


def mean_difference(x: np.ndarray, y: np.ndarray, axis: int = -1) -> Any:
    """Return mean(x) - mean(y) along an axis.

    >>> float(mean_difference(np.array([2.0, 4.0]), np.array([1.0, 1.0])))
    2.0
    """
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


def permutation_test(
    x: ArrayLike,
    y: ArrayLike,
    seed: int | np.random.Generator,
    *,
    statistic: Callable[..., Any] = mean_difference,
    alternative: Alternative = "two-sided",
    resamples: int = 9999,
    paired: bool = False,
) -> float:
    """Return the p-value, never 0, of the hypothesis that x and y are exchangeable.

    x, y: shapes (n,) and (m,), at least 2 each; paired=True swaps only within pairs and wants n = m. All
    permutations are run where there are no more than resamples, else that many at random with the observed
    one added. Two-sided is twice the smaller tail. Raises ValueError on bad samples, seed, alternative or
    resamples, and on a statistic that is not finite or not the same for the same values.

    >>> permutation_test([5.0, 6.0, 7.0], [1.0, 2.0, 3.0], seed=0)  # 2 of the 20 splits
    0.1
    """
    x, y, rng = sample("x", x), sample("y", y), numpy_generator(seed)
    if paired and len(x) != len(y):
        raise ValueError(f"y must have as many values as x when paired, {len(x)}, got {len(y)}")
    if alternative not in ("two-sided", "less", "greater"):
        raise ValueError(f"alternative must be 'two-sided', 'less' or 'greater', got {alternative!r}")
    options = {"n_resamples": count("resamples", resamples), "alternative": alternative, "rng": rng}
    kind = "samples" if paired else "independent"
    found = stats.permutation_test((x, y), statistic, permutation_type=kind, **options)
    if not (np.isfinite(found.statistic) and np.isfinite(found.null_distribution).all()):
        raise ValueError("statistic must be finite on x and y and on each of their permutations")
    if not found.pvalue > 0:  # the observed split is among those counted
        raise ValueError(
            f"statistic must give the same number for the same values; p came out {found.pvalue}"
        )
    return float(found.pvalue)
