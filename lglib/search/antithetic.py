"""Directions from random search in mirrored pairs: scores, weights, their sum, and how well it must point.

Noise is made again from its key, so only
the scores of N candidates are kept, and a few sums of the size of theta.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lglib.base import chunks
from lglib.base.checks import count
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.search import random_search

AT_ONCE = 16  # sums of noise that are made together: each direction is then drawn that many times less often


def scores(
    space: ParameterSpace, loss_fn: LossFn, batch: Any, *, sigma: float, pairs: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Odd and even part of the gain of each pair theta +- sigma eps, (pairs,) and (pairs,).

    The odd part, [L(theta - sigma eps) - L(theta + sigma eps)] / 2, is the score: to first order
    -sigma g . eps. The even part is curvature: the mean gain of both. Raises ValueError as `search.gains`,
    and for a candidate whose loss is not finite.

    >>> space = ParameterSpace(torch.nn.Linear(2, 1, bias=False))
    >>> odd, even = scores(space, lambda net, _: net.weight.sum(), None, sigma=0.1, pairs=3, seed=0)
    >>> odd.shape, bool(abs(even).max() < 1e-6)
    ((3,), True)
    """
    pairs = count("pairs", pairs)

    def direction(i: int) -> Tensor:
        return random_search.noise(space, seed, i // 2) * (1 - 2 * (i % 2))

    options: dict[str, Any] = dict(sigmas=[sigma], candidates=2 * pairs, seed=seed)
    found = random_search.gains(space, loss_fn, [batch], direction=direction, **options)[:, 0, 0]
    if not np.isfinite(found).all():
        raise ValueError(f"sigma {sigma} is too large: the loss of a candidate is not finite")
    ahead, behind = found[0::2], found[1::2]
    return (ahead - behind) / 2, (ahead + behind) / 2


def weighted(score: ArrayLike, n: int) -> np.ndarray:
    """Weights (pairs,) of the score-weighted sum of the first n pairs: the scores themselves.

    >>> weighted([3.0, -1.0, 2.0], 2)
    array([ 3., -1.,  0.])
    """
    own = np.array(score, dtype=float)
    own[count("n", n, most=len(own)) :] = 0.0
    return own


def top(score: ArrayLike, n: int, k: int) -> np.ndarray:
    """Weights (pairs,) of the mean of the k best of the first n pairs, each taken in its better direction.

    >>> top([3.0, -4.0, 2.0, 9.0], 3, 2)
    array([ 0.5, -0.5,  0. ,  0. ])
    """
    own = np.asarray(score, dtype=float)
    n = count("n", n, most=len(own))
    k = count("k", k, most=n)
    best = np.argsort(-np.abs(own[:n]), kind="stable")[:k]
    found = np.zeros(len(own))
    found[best] = np.sign(own[best]) / k
    return found


def at_random(pairs: int, n: int, k: int, seed: int) -> np.ndarray:
    """Weights (pairs,) of k of the first n pairs by lot, each in a direction by lot: what top-k must beat.

    >>> float(np.abs(at_random(4, 3, 2, seed=0)).sum())
    1.0
    """
    n, rng = count("n", n, most=pairs), np.random.default_rng([seed, pairs, n, k])
    chosen = rng.choice(n, size=count("k", k, most=n), replace=False)
    found = np.zeros(pairs)
    found[chosen] = rng.choice([-1.0, 1.0], size=len(chosen)) / k
    return found


def directions(
    space: ParameterSpace, weights: np.ndarray, seed: int, *, at_once: int | None = None
) -> Iterator[Tensor]:
    """Sums of w_i eps_i (d,), one for each row of weights (rows, pairs), made `at_once` rows at a time.

    By default as many as memory holds, at most 16. The noise of a pair is made from its key, used, and
    forgotten; only `at_once` sums are held.

    >>> space = ParameterSpace(torch.nn.Linear(2, 1))
    >>> (one,) = directions(space, np.array([[1.0, 0.0]]), seed=0)
    >>> torch.equal(one, random_search.noise(space, 0, 0))
    True
    """
    if at_once is None:
        at_once = chunks.at_once(2.0 * space.d * space.dtype.itemsize, AT_ONCE, space.device)
    table = torch.as_tensor(np.atleast_2d(weights)).to(space.device, space.dtype)
    for own in table.split(count("at_once", at_once)):
        sums = torch.zeros(len(own), space.d, dtype=space.dtype, device=space.device)
        for i in own.any(0).nonzero()[:, 0].tolist():
            sums += own[:, i, None] * random_search.noise(space, seed, i)
        yield from sums


def signal(weights: ArrayLike, score: ArrayLike) -> float:
    """Signal S = (sum w_i s_i)^2 / sum w_i^2 of a weighted sum, for scores s_i in standard units.

    >>> signal([1.0, 1.0], [2.0, 2.0])
    8.0
    """
    w, s = np.asarray(weights, dtype=float), np.asarray(score, dtype=float)
    if w.shape != s.shape or not w.any():
        raise ValueError(f"weights must be like the scores {s.shape} and not all zero, got {w.shape}")
    return float((w @ s) ** 2 / (w @ w))


def expected_cosine(signal: ArrayLike, directions: float) -> np.ndarray:
    """Law of the cosine with the gradient's own image, sqrt(S / (S + D)), for D effective directions.

    >>> expected_cosine([0.0, 3.0, 9.0], 3.0).round(3)
    array([0.   , 0.707, 0.866])
    """
    s = np.asarray(signal, dtype=float)
    if not directions > 0 or (s < 0).any():
        raise ValueError(
            f"directions must be above 0 and signal not below, got {directions!r} and {signal!r}"
        )
    return np.sqrt(s / (s + directions))
