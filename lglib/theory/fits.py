"""Laws fitted to tables: how a mean falls with the noise, how the spread grows, whether a tail is Gaussian.

For candidates theta + sigma z around one point, of which a table gives the mean score and the best of n. A
bad argument raises ValueError, naming what it got and what it wants.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from lglib.base.checks import nonnegative, positive, real, sample, whole
from lglib.theory.maxima import expected_maximum, maximum_std
from lglib.theory.stats import Interval

POWERS = np.linspace(0.05, 8, 1591)  # exponents that `power` tries


@dataclass(frozen=True)
class Fall:
    """A mean score that falls as start - fall sigma^power; `p` is how well the points agree with it (chi^2).

    `fall` and `start` with 95 % intervals from the given errors; `power` is 2 unless it was fitted.
    """

    start: Interval
    fall: Interval
    power: Interval
    p: float

    @property
    def trace(self) -> Interval:
        """Twice the fall, as the mean falls by sigma^2 tr(H) / 2 with H the Hessian of minus the score."""
        return Interval(2 * self.fall.estimate, 2 * self.fall.low, 2 * self.fall.high, 0.95, self.fall.n)


def spread_from_best(mean: ArrayLike, best: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of n Gaussian scores from their mean and their best, and its standard error.

    (best - mean) / m_n: what can be told where a table gives neither the scores nor their spread. The error
    is that of the maximum, the rest is small beside it. n: whole, >= 2.

    >>> spread, error = spread_from_best(0.40, 0.50, 200)
    >>> float(spread.round(4)), float((error / spread).round(2))
    (0.0364, 0.15)
    """
    mean, best, n = real("mean", mean, "finite"), real("best", best, "finite"), whole("n", n, 2)
    spread = nonnegative("best - mean", best - mean) / np.asarray(expected_maximum(n))
    return spread, spread * np.asarray(maximum_std(n)) / np.asarray(expected_maximum(n))


def falling(sigma: ArrayLike, mean: ArrayLike, error: ArrayLike) -> Fall:
    """Fit mean = start - fall sigma^2 by weighted least squares; `error` is the standard error of each mean.

    sigma, mean, error: shape (k,), k >= 3.

    >>> found = falling([0.0, 1.0, 2.0, 3.0], [5.0, 4.6, 3.4, 1.4], [0.01] * 4)
    >>> print(found.trace, round(found.p, 2))
    0.8000 [0.7944, 0.8056] (n=4) 1.0
    """
    sigma, mean, error = _points(sigma, mean, error, 3)
    (start, fall), spread, chi2 = _line(sigma**2, mean, error)
    k = len(sigma)
    ends = _intervals(start, fall, spread, k)
    return Fall(*ends, Interval(2.0, 2.0, 2.0, 0.95, k), float(stats.chi2.sf(chi2, k - 2)))


def power(sigma: ArrayLike, mean: ArrayLike, error: ArrayLike) -> Fall:
    """Fit mean = start - fall sigma^power with the power free: is it 2?

    The interval of the power holds all whose chi^2 is within 3.84 of the least; those of start and fall are
    at the best power. Powers from 0.05 to 8 are tried: an end there is no bound. sigma >= 0; k >= 4.

    >>> found = power([0.0, 1.0, 2.0, 3.0, 4.0], [5.0, 4.6, 3.4, 1.4, -1.4], [0.01] * 5)
    >>> print(found.power)
    2.000 [1.985, 2.015] (n=5)
    """
    sigma, mean, error = _points(sigma, mean, error, 4)
    chi2 = np.array([_line(sigma**q, mean, error)[2] for q in POWERS])
    best = int(chi2.argmin())
    inside = POWERS[chi2 <= chi2[best] + stats.chi2.ppf(0.95, 1)]
    (start, fall), spread, _ = _line(sigma ** POWERS[best], mean, error)
    k = len(sigma)
    ends = _intervals(start, fall, spread, k)
    found = Interval(float(POWERS[best]), float(inside[0]), float(inside[-1]), 0.95, k)
    return Fall(*ends, found, float(stats.chi2.sf(chi2[best], max(k - 3, 1))))


def slope(sigma: ArrayLike, spread: ArrayLike, error: ArrayLike) -> tuple[Interval, Interval]:
    """Fit spread^2 = floor^2 + sigma^2 ||a||^2: the slope ||a|| of the score, and a floor that is not noise.

    spread, error: standard deviation of the scores at each sigma with its standard error, shape (k,), k >= 3,
    above 0. Fitted on the logarithm, where the error is nearly the same for all; intervals by the delta
    method. Returns (slope, floor). Raises ValueError also where the points do not tell the two apart.

    >>> found = slope([0.01, 0.1, 1.0, 3.0], [0.2, 0.25, 0.8, 2.4], [0.002, 0.0025, 0.008, 0.024])
    >>> [round(one.estimate, 2) for one in found]
    [0.79, 0.22]
    """
    sigma, spread, error = _points(sigma, spread, error, 3)
    positive("spread", spread)

    def law(s: np.ndarray, a: float, floor: float) -> np.ndarray:
        return np.asarray(np.logaddexp(2 * floor, 2 * (a + np.log(s))) / 2)

    guess = np.log([spread[-1] / sigma[-1], spread[0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", optimize.OptimizeWarning)
        try:
            (a, floor), found = optimize.curve_fit(
                law, sigma, np.log(spread), guess, sigma=error / spread, absolute_sigma=True
            )
        except (optimize.OptimizeWarning, RuntimeError) as why:
            raise ValueError(f"spread does not tell a slope from a floor: {why}") from why
    ends = 1.96 * np.sqrt(np.diag(found))
    pairs = zip((a, floor), ends, strict=True)
    one, two = (
        Interval(float(np.exp(v)), float(np.exp(v - h)), float(np.exp(v + h)), 0.95, len(sigma))
        for v, h in pairs
    )
    return one, two


def spread_ratio(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> Interval:
    """Spread of scores of one kind of noise over that of another, cell by cell, as one geometric mean.

    first, second: the scores of each cell, vectors of at least 2, in the same order of cells. Each logarithm
    of a ratio is weighted by the inverse of its variance under Gaussian scores, 1 / (2 (n - 1)) for each.

    >>> print(spread_ratio([[0.0, 2.0, 4.0]], [[0.0, 1.0, 2.0]]))
    2.0 [0.5, 8.0] (n=1)
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"first and second must be as many cells, got {len(first)} and {len(second)}")
    pairs = [(sample("first", a), sample("second", b)) for a, b in zip(first, second, strict=True)]
    logs = np.log([a.std(ddof=1) / b.std(ddof=1) for a, b in pairs])
    weight = 1 / np.array([0.5 / (len(a) - 1) + 0.5 / (len(b) - 1) for a, b in pairs])
    mean, half = float(weight @ logs / weight.sum()), 1.96 / float(np.sqrt(weight.sum()))
    low, high = np.exp([mean - half, mean + half]).tolist()
    return Interval(float(np.exp(mean)), low, high, 0.95, len(pairs))


@dataclass(frozen=True)
class Tail:
    """A Gaussian fitted to counts above thresholds: its mean and spread, and `p` of the fit (chi^2).

    `expected` (k + 1,) are the counts that it gives to the bins, `seen` those there are.
    """

    mean: float
    spread: float
    p: float
    seen: np.ndarray
    expected: np.ndarray


def tail(thresholds: ArrayLike, above: ArrayLike, n: int) -> Tail:
    """Fit a Gaussian to how many of n scores reach each of k rising thresholds, by maximum likelihood.

    Bins that would hold fewer than 5 are joined with their neighbour before chi^2 is taken. `above` falls.

    >>> found = tail([-1.0, 0.0, 1.0, 2.0], [841, 500, 159, 23], 1000)
    >>> round(found.mean, 2) + 0.0, round(found.spread, 2), found.p > 0.9
    (0.0, 1.0, True)
    """
    edges, above = real("thresholds", thresholds, "finite"), nonnegative("above", above)
    if edges.ndim != 1 or edges.shape != above.shape or len(edges) < 3 or not (np.diff(edges) > 0).all():
        raise ValueError(f"thresholds must be at least 3, rising, one for each of above, got {thresholds!r}")
    if (np.diff(above) > 0).any() or above[0] > n:
        raise ValueError(f"above must fall, from at most n = {n}, got {above.tolist()}")
    seen = -np.diff(np.concatenate([[float(n)], above, [0.0]]))  # (k + 1,), from below the first threshold up

    def shares(x: np.ndarray) -> np.ndarray:
        cdf = stats.norm.cdf(edges, x[0], np.exp(x[1]))
        return np.diff(np.concatenate([[0.0], cdf, [1.0]]))

    guess = [float(np.interp(-n / 2, -above, edges)), np.log(np.ptp(edges) / 3)]
    found = optimize.minimize(
        lambda x: -float(seen @ np.log(np.maximum(shares(x), 1e-300))),
        guess,
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000},
    )
    expected = n * shares(found.x)
    a, b = _joined(seen, expected)
    p = float(stats.chi2.sf(((a - b) ** 2 / b).sum(), max(len(a) - 3, 1)))
    return Tail(float(found.x[0]), float(np.exp(found.x[1])), p, seen, expected)


def expected_top(n: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Mean of the best k of n standard normals, averaged over the k: what an ensemble of winners selects.

    k = 1 is m_N, k = n is 0. n, k: whole, 1 <= k <= n. By quadrature, error below 1e-8.

    >>> expected_top([2, 300], [2, 25]).round(3) + 0.0
    array([0.  , 1.83])
    """
    n, k = np.broadcast_arrays(whole("n", n), whole("k", k))
    if (k > n).any():
        raise ValueError(f"k must be at most n, got k = {k.tolist()} and n = {n.tolist()}")
    z = np.linspace(-9, 9, 3601)
    # the chance that fewer than k of the others are above z
    among = stats.binom.cdf(k[..., None] - 1, n[..., None] - 1, stats.norm.sf(z))
    weight = stats.norm.pdf(z) * among * (z[1] - z[0])
    return np.asarray(n / k * (weight @ z))


def _points(x: ArrayLike, y: ArrayLike, error: ArrayLike, least: int) -> tuple[np.ndarray, ...]:
    x, y, error = nonnegative("sigma", x), real("values", y, "finite"), positive("error", error)
    if x.ndim != 1 or x.shape != y.shape or y.shape != error.shape or len(np.unique(x)) < least:
        raise ValueError(
            f"sigma, values and errors must be vectors of one length with at least {least} different sigma, "
            f"got shapes {x.shape}, {y.shape}, {error.shape}"
        )
    return x, y, error


def _line(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Weighted least squares of y = start - fall x: (start, fall), their covariance (2, 2), and chi^2."""
    design = np.stack([np.ones_like(x), -x], axis=1) / error[:, None]  # (k, 2)
    size = np.abs(design).max(axis=0)
    inverse = np.linalg.inv((design / size).T @ (design / size)) / np.outer(size, size)
    found = inverse @ (design.T @ (y / error))
    return found, inverse, float(((y / error - design @ found) ** 2).sum())


def _intervals(start: float, fall: float, spread: np.ndarray, n: int) -> tuple[Interval, Interval]:
    one, two = 1.96 * np.sqrt(np.diag(spread))
    return (
        Interval(float(start), float(start - one), float(start + one), 0.95, n),
        Interval(float(fall), float(fall - two), float(fall + two), 0.95, n),
    )


def _joined(seen: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins joined from both ends inwards until each is expected to hold 5."""
    seen, expected = seen.copy(), expected.copy()
    while len(expected) > 2 and expected.min() < 5:
        i = int(expected.argmin())
        j = i + 1 if i == 0 or (i < len(expected) - 1 and expected[i + 1] < expected[i - 1]) else i - 1
        seen[j] += seen[i]
        expected[j] += expected[i]
        seen, expected = np.delete(seen, i), np.delete(expected, i)
    return seen, expected
