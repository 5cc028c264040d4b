"""Checks of chapter 1: the largest of two, too long a step, antithetic pairs, a walk, a gradient's price."""

from __future__ import annotations

import math

from scipy.integrate import quad
from scipy.stats import norm

from lglib.course.checks import Check
from lglib.theory import laws

STEPS, PREFIX, BETA = 30, 10, 0.9  # of the walk with momentum
NOISES = [(1 - BETA ** (STEPS - s)) / (1 - BETA) for s in range(STEPS)]  # weight of each noise in the end
SIZES = [(1 - BETA ** (2 * t)) / (1 - BETA**2) for t in range(1, STEPS + 1)]  # squared length of each step
SADDLE = 1 - 0.7  # trace of diag(1, -0.7), and its effective dimension: the curvature along a is 1


def largest_absolute(n: int) -> float:
    """Mean of the largest |z| of n standard normals, whose distribution function is (2 Phi - 1)^n.

    >>> round(largest_absolute(1), 4)
    0.7979
    """
    return float(quad(lambda x: 1 - (2 * norm.cdf(x) - 1) ** n, 0, 12)[0])


def first(weights: list[float], power: int = 1) -> float:
    """Share of the first ten in a sum of 30 weights, each to a power.

    >>> round(first([1.0] * 30), 4)
    0.3333
    """
    return sum(w**power for w in weights[:PREFIX]) / sum(w**power for w in weights)


def rate(dimension: float, n: int = 2) -> float:
    """Gain of the best of n per evaluation, in units of a gradient step, at an effective dimension.

    >>> round(rate(1.0), 4)
    0.1592
    """
    square = laws.maximum_second_moment(n)
    return float(laws.expected_maximum(n) ** 2 / (n * (dimension + square - 1)))


CHECKS = {
    "ex-two": Check(
        right=lambda: laws.expected_maximum(2),
        hints=(
            (0.0, "That is one draw. The larger of two is above the mean: E|x - y| / 2."),
            ((2 / math.pi) ** 0.5, "That is E|Z|. Here x - y has the variance 2, and counts by half."),
            (0.5 * (2 / math.pi) ** 0.5, "x - y has the variance 2, so E|x - y| is sqrt 2 times E|Z|."),
            (2 / math.pi**0.5, "That is E|x - y|. The larger of two has half of it."),
        ),
        otherwise="max(x, y) = (x + y) / 2 + |x - y| / 2. Take means; E|Z| = sqrt(2 / pi) for variance 1.",
        within=0.005,
    ),
    "ex-sign": Check(
        right=-0.5,
        hints=(
            (-1.0, "That is the power of sigma. The length of the step is about sigma sqrt(d)."),
            (0.5, "That is sqrt(d) at a fixed sigma. Here sigma itself falls as 1 / d."),
            (0.0, "The length does not stay: sigma falls faster than sqrt(d) grows."),
        ),
        otherwise="sigma = 2 ||a|| m_N / tau_N, and tau_N grows as d. Multiply by sqrt(d).",
    ),
    "ex-antithetic": Check(
        right=lambda: largest_absolute(8),
        hints=(
            (
                lambda: laws.expected_maximum(16),
                "That is 16 independent steps. The two of a pair are never both good, nor both bad.",
            ),
            (
                lambda: laws.expected_maximum(8),
                "That is the best of 8 steps. Of each pair the better one counts: |Z|, not Z.",
            ),
            (
                lambda: largest_absolute(16),
                "That is 16 pairs. 16 evaluations pay for 8.",
            ),
        ),
        otherwise="Integrate 1 - (2 Phi(x) - 1)^8 from 0 to infinity.",
        within=0.002,
    ),
    "ex-walk": Check(
        right=lambda: first(NOISES, 2),
        hints=(
            (PREFIX / STEPS, "That is k / T, without momentum. With it the first noises count more."),
            (lambda: first(NOISES), "Captures are shares of squared length: square the weights w_s."),
            (lambda: first(SIZES), "That is the energy share of the steps, which are not orthogonal here."),
        ),
        otherwise="w_s = 1 + beta + ... + beta^(T - s). Sum w_s^2 over s up to k, and divide by the whole.",
    ),
    "ex-price": Check(
        right=lambda: rate(SADDLE),
        hints=(
            (lambda: 2 * rate(SADDLE), "That is the gain of the best of 2. Divide by its two evaluations."),
            (
                lambda: rate(1.0, 3),
                "That is d_eff = 1, the best for a search on a convex loss. At the saddle it is 0.3.",
            ),
            (lambda: rate(1.7), "The trace is 1 - 0.7: the curvature that falls away counts with its sign."),
            (1 / 3, "That is the gradient. Find the N at which the search gains most per evaluation."),
        ),
        otherwise="m_N^2 / (N (0.3 + q_N - 1)), largest over N: try N = 2, where q_N = 1.",
        within=0.01,
    ),
}
