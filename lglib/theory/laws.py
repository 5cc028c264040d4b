"""Laws and nulls: what random search should gain, and what a random subspace captures, in closed form.

Gains are in units of the loss (or score) f; ``norm`` is
||a||, the length of the local gradient a; ``sigma`` is the standard deviation of the noise per coordinate and
``rho`` its norm. Numeric arguments broadcast against each other: scalars give a float, arrays an array of
float64. A bad argument raises ValueError, naming what it got and what it wants.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lglib.base.checks import Values, nonnegative, plain, positive, real, whole
from lglib.theory.maxima import (
    expected_maximum,
    expected_maximum_cosine,
    maximum_bound,
    maximum_cdf,
    maximum_quantile,
    maximum_second_moment,
    maximum_std,
)

__all__ = [
    "best_of_n_gain",
    "curved_gain",
    "expected_maximum",
    "expected_maximum_cosine",
    "held_out_gain",
    "linear_winner_gain",
    "maximum_bound",
    "maximum_cdf",
    "maximum_quantile",
    "maximum_second_moment",
    "maximum_std",
    "optimal_gain",
    "optimal_sigma",
    "sphere_gain",
    "subspace_gain",
    "tied_norm",
]


def best_of_n_gain(sigma: ArrayLike, norm: ArrayLike, n: ArrayLike) -> Values:
    """Return sigma ||a|| m_N, the mean gain of the best of N Gaussian candidates (Theorem 1).

    sigma > 0; norm >= 0; n: N. Raises ValueError otherwise.

    >>> round(best_of_n_gain(0.1, 2.0, 100), 4)
    0.5015
    """
    return plain(positive("sigma", sigma) * nonnegative("norm", norm) * expected_maximum(n))


def sphere_gain(rho: ArrayLike, norm: ArrayLike, d: ArrayLike, n: ArrayLike) -> Values:
    """Return rho ||a|| E max cosine, the mean gain of the best of N steps of length rho (beyond the paper).

    rho > 0; norm >= 0; d, n >= 1. Near rho ||a|| m_N / sqrt(d) for large d. Raises ValueError otherwise.

    >>> round(sphere_gain(1.0, 1.0, 10_000, 100), 6), round(expected_maximum(100) / 100, 6)
    (0.025074, 0.025076)
    """
    return plain(positive("rho", rho) * nonnegative("norm", norm) * expected_maximum_cosine(n, d))


def subspace_gain(
    mass: ArrayLike,
    k: ArrayLike,
    n: ArrayLike,
    *,
    sigma: ArrayLike | None = None,
    rho: ArrayLike | None = None,
) -> Values:
    """Return the mean gain of the best of N candidates drawn in a k-dimensional subspace S (Proposition 1).

    mass: ||P a||^2 >= 0; k, n whole, >= 1; exactly one budget: sigma > 0 per coordinate (Gaussian noise in S)
    or rho > 0 for the norm (uniform on the sphere in S, exact). Raises ValueError otherwise.

    >>> round(subspace_gain(4.0, 10, 100, sigma=0.1), 4)  # k does not enter
    0.5015
    >>> round(subspace_gain(1.0, 10, 100, rho=1.0), 3), round(subspace_gain(4.0, 1000, 100, rho=1.0), 3)
    (0.714, 0.158)
    """
    mass, k = nonnegative("mass", mass), whole("k", k)
    if sigma is not None and rho is None:
        return best_of_n_gain(sigma, np.sqrt(mass) + 0 * k, n)  # 0 * k: k still gives the answer its shape
    if rho is not None and sigma is None:
        return sphere_gain(rho, np.sqrt(mass), k, n)
    raise ValueError(f"give exactly one of sigma and rho, got sigma={sigma!r} and rho={rho!r}")


def curved_gain(
    sigma: ArrayLike, norm: ArrayLike, trace: ArrayLike, n: ArrayLike, *, frobenius: ArrayLike | None = None
) -> Values:
    """Return the net mean gain of the best of N on a loss with Hessian H, sigma ||a|| m_N - sigma^2 tr(H)/2.

    sigma > 0; norm >= 0; trace: tr(H), of any sign; n: N. The plain law charges every candidate the mean
    curvature cost, neglecting its spread and the curvature along a. With frobenius = ||H||_F >= 0, candidates
    are ranked by the quadratic gain itself: its variance sigma^2 ||a||^2 + sigma^4 ||H||_F^2 / 2 is exact,
    and what is neglected is that its law is not quite Gaussian (good when no eigenvalue of H dominates) and
    all terms of third order and above. Raises ValueError otherwise. Beyond the paper.

    >>> round(curved_gain(0.1, 2.0, 30.0, 100), 4), round(curved_gain(0.1, 2.0, 30.0, 100, frobenius=6.0), 4)
    (0.3515, 0.3627)
    """
    sigma, norm, trace = (
        positive("sigma", sigma),
        nonnegative("norm", norm),
        real("trace", trace, "finite"),
    )
    frobenius = nonnegative("frobenius", 0.0 if frobenius is None else frobenius)
    spread = np.hypot(sigma * norm, sigma**2 * frobenius / np.sqrt(2))
    return plain(spread * expected_maximum(n) - sigma**2 * trace / 2)


def linear_winner_gain(
    sigma: ArrayLike, norm: ArrayLike, trace: ArrayLike, along: ArrayLike, n: ArrayLike
) -> Values:
    """Return the net mean gain, on a quadratic loss, of the candidate with the best linear gain (exact).

    sigma ||a|| m_N - sigma^2 (tr(H) + h (q_N - 1)) / 2, where `along` is h = a.Ha / ||a||^2; a lower bound on
    the best of N. sigma > 0; norm >= 0; trace, along: of any sign; n: N. Raises ValueError otherwise. Beyond
    the paper.

    >>> round(linear_winner_gain(0.1, 2.0, 30.0, 1.0, 100), 4)
    0.3242
    """
    sigma, trace = positive("sigma", sigma), real("trace", trace, "finite")
    cost = trace + real("along", along, "finite") * (maximum_second_moment(n) - 1)
    return plain(best_of_n_gain(sigma, norm, n) - sigma**2 * cost / 2)


def optimal_sigma(norm: ArrayLike, trace: ArrayLike, n: ArrayLike, *, along: ArrayLike = 0.0) -> Values:
    """Return the noise scale that maximises linear_winner_gain, ||a|| m_N / tau_N (beyond the paper).

    tau_N = tr(H) + kappa (q_N - 1) with the curvature kappa = a.Ha / ||a||^2 given as `along`; it must be
    above 0. norm >= 0; n: N. The scale is 0 at N = 1: a single draw only pays. Raises ValueError otherwise.

    >>> round(optimal_sigma(2.0, 30.0, 100), 4), round(optimal_sigma(2.0, 30.0, 100, along=1.0), 4)
    (0.1672, 0.1414)
    """
    return plain(nonnegative("norm", norm) * expected_maximum(n) / _cost(trace, along, n))


def optimal_gain(norm: ArrayLike, trace: ArrayLike, n: ArrayLike, *, along: ArrayLike = 0.0) -> Values:
    """Return linear_winner_gain at optimal_sigma, (||a|| m_N)^2 / (2 tau_N) (beyond the paper).

    Arguments and errors as for optimal_sigma.

    >>> round(optimal_gain(2.0, 30.0, 100), 4)
    0.4192
    """
    return plain((nonnegative("norm", norm) * expected_maximum(n)) ** 2 / (2 * _cost(trace, along, n)))


def _cost(trace: ArrayLike, along: ArrayLike, n: ArrayLike) -> np.ndarray:
    """tau_N = tr(H) + kappa (q_N - 1), if it is above 0."""
    kappa = real("along", along, "finite")
    tau = real("trace", trace, "finite") + kappa * (maximum_second_moment(n) - 1)
    if np.any(tau <= 0):
        raise ValueError(
            "trace must be such that tr(H) + along (q_N - 1) > 0 (without positive mean curvature there is "
            f"no finite optimum), got trace={trace!r} and along={along!r}"
        )
    return tau


def tied_norm(blocks: Sequence[ArrayLike]) -> float:
    """Return ||sum of blocks||, the norm that replaces ||a|| when these blocks of a share one noise tensor.

    blocks: arrays of one shape. Independent noise would give sqrt(sum ||a_b||^2) instead. Raises ValueError
    if there are no blocks or their shapes differ. Beyond the paper.

    >>> tied_norm([[3.0, 0.0], [0.0, 4.0]]), tied_norm([[3.0, 0.0], [-3.0, 0.0]])
    (5.0, 0.0)
    """
    arrays = [real(f"blocks[{i}]", block, "an array of finite numbers") for i, block in enumerate(blocks)]
    shapes = sorted({x.shape for x in arrays})
    if len(shapes) != 1:
        raise ValueError(
            f"blocks must be arrays of one shape (noise is shared entry by entry), got shapes {shapes}"
        )
    return float(np.linalg.norm(sum(arrays)))


def held_out_gain(sigma: ArrayLike, a_select: ArrayLike, a_held: ArrayLike, n: ArrayLike) -> Values:
    """Return the mean gain on a held-out split of the best of N on a selection split (beyond the paper).

    a_select, a_held: gradients of the two scores, shape (d,), the first not 0; sigma > 0; n: N. The gain is
    sigma m_N <a_select, a_held> / ||a_select||. Raises ValueError otherwise.

    >>> round(held_out_gain(0.1, [2.0, 0.0], [1.0, 5.0], 100), 4)
    0.2508
    """
    a, b = (real(s, v, "finite") for s, v in (("a_select", a_select), ("a_held", a_held)))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"a_select and a_held must be vectors of one length, got shapes {a.shape} and {b.shape}"
        )
    if not np.any(a):
        raise ValueError("a_select must not be 0: selection then has no direction")
    return plain(positive("sigma", sigma) * expected_maximum(n) * (a @ b / np.linalg.norm(a)))
