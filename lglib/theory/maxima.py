"""The largest of N draws: of standard normals, and of cosines of random directions.

Numeric arguments broadcast against
each other: scalars give a float, arrays a float64 array. A bad argument raises ValueError, naming what it got
and what it wants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lglib.base.checks import Values, plain, real, whole

_GRID = np.arange(-14 * 64, 14 * 64 + 1) / 64  # even, so that x -> -x maps the grid onto itself


def _maximum_weights(n: np.ndarray) -> np.ndarray:
    """Return the law of the maximum as weights on _GRID; the trapezoidal rule is exact to rounding here."""
    n = n[..., None]  # (..., 1), against the grid (1793,)
    log_density = -(_GRID**2) / 2 - np.log(2 * np.pi) / 2 + (n - 1) * special.log_ndtr(_GRID)
    return n * np.exp(log_density) * (_GRID[1] - _GRID[0])


def expected_maximum(n: ArrayLike) -> Values:
    """Return m_N, the mean of the largest of N independent standard normals (Theorem 1).

    n: N, whole, >= 1. By quadrature, relative error below 1e-13. Raises ValueError otherwise.

    >>> round(expected_maximum(2), 6)  # 1 / sqrt(pi)
    0.56419
    """
    w = _maximum_weights(whole("n", n))
    return plain((w - w[..., ::-1]) @ _GRID / 2)  # folded: exactly 0 at N = 1


def maximum_std(n: ArrayLike) -> Values:
    """Return the standard deviation of the largest of N independent standard normals (beyond the paper).

    n: N, whole, >= 1. Raises ValueError otherwise.

    >>> round(maximum_std(2), 6)  # sqrt(1 - 1 / pi)
    0.825645
    """
    w = _maximum_weights(whole("n", n))
    mean = (w - w[..., ::-1]) @ _GRID / 2
    return plain(np.sqrt(np.sum(w * (_GRID - mean[..., None]) ** 2, axis=-1)))


def maximum_second_moment(n: ArrayLike) -> Values:
    """Return q_N, the mean of the squared maximum of N independent standard normals (beyond the paper).

    n: N, whole, >= 1. Raises ValueError otherwise.

    >>> round(maximum_second_moment(2), 12)
    1.0
    """
    return plain(_maximum_weights(whole("n", n)) @ _GRID**2)


def maximum_bound(n: ArrayLike) -> Values:
    """Return sqrt(2 ln N), the upper bound on m_N (Theorem 1).

    n: N, whole, >= 1. Raises ValueError otherwise.

    >>> round(maximum_bound(100), 3), round(expected_maximum(100), 3)
    (3.035, 2.508)
    """
    return plain(np.sqrt(2 * np.log(whole("n", n))))


def maximum_cdf(x: ArrayLike, n: ArrayLike) -> Values:
    """Return P(max of N standard normals <= x) = Phi(x)^N (beyond the paper).

    x: finite; n: N, whole, >= 1. Raises ValueError otherwise.

    >>> round(maximum_cdf(0.0, 3), 12)
    0.125
    """
    return plain(np.exp(whole("n", n) * special.log_ndtr(real("x", x, "finite"))))


def maximum_quantile(q: ArrayLike, n: ArrayLike) -> Values:
    """Return the q-quantile of the maximum of N standard normals, Phi^-1(q^(1/N)) (beyond the paper).

    q: strictly between 0 and 1; n: N, whole, >= 1. Raises ValueError otherwise.

    >>> round(maximum_quantile(0.125, 3), 12) == 0
    True
    """
    p = real("q", q, "strictly between 0 and 1", 0.0, strict=True)
    if np.any(p >= 1):
        raise ValueError(f"q must be strictly between 0 and 1, got {q!r}")
    return plain(special.ndtri_exp(np.log(p) / whole("n", n)))


def expected_maximum_cosine(n: ArrayLike, d: ArrayLike) -> Values:
    """Return E max of the cosines of N random directions in R^d to a fixed one (beyond the paper).

    n: N, whole, >= 1; d: whole, >= 1 (in R^1 a cosine is +1 or -1). By quadrature over the Beta law, relative
    error below 1e-11. Raises ValueError otherwise.

    >>> round(expected_maximum_cosine(9, 3), 12)  # (N - 1) / (N + 1): in R^3 the cosine is uniform
    0.8
    """
    n, d = np.broadcast_arrays(whole("n", n), whole("d", d))
    n1, b = n[..., None] - 1, np.maximum(d, 2)[..., None] - 1  # (..., 1); d = 1 is dealt with at the end
    # With cos = tanh(u) the density is sech(u)^(d-1), smooth with a fast tail: the trapezoidal rule converges
    # exponentially. The grid ends where the density is exp(-90), so it scales as 1/sqrt(d) for large d.
    top = 90 / b + np.log1p(np.sqrt(-np.expm1(-180 / b)))
    u = top * np.linspace(0, 1, 1024)  # (..., 1024)
    cosine = np.tanh(u)
    log_sech = -np.log1p(np.sinh(u) ** 2) / 2
    # P(|cos| > tanh u), from whichever end of the incomplete beta function keeps its digits.
    near, far = special.betaincc(0.5, b / 2, cosine**2), special.betainc(b / 2, 0.5, np.exp(2 * log_sech))
    tail = np.where(cosine < 0.5, near, far) / 2  # P(cos > tanh u)
    w = np.exp(b * log_sech)
    w /= 2 * w.sum(axis=-1, keepdims=True) - w[..., :1]
    fold = np.exp(n1 * np.log1p(-tail)) - tail**n1  # cdf^(N-1) at u and at -u
    mean = n * np.sum(w * cosine * fold, axis=-1)
    return plain(np.where(d == 1, 1 - 2 ** (1 - n), np.minimum(mean, 1)))
