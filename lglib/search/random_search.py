"""Random search around a point: keyed noise, gains, and the best of N by exact order statistics.

Noise is keyed by (seed,
candidate, tensor name), so it can be made again instead of kept, and two tensors of one shape never share
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import gammaln

from lglib.base import progress, seeding
from lglib.base.checks import count
from lglib.parameters.space import ParameterSpace
from lglib.search import candidates as many
from lglib.theory import stats


def noise(space: ParameterSpace, seed: int, candidate: int, *, tied: bool = False) -> torch.Tensor:
    """Standard normal direction (d,) of one candidate, made tensor by tensor from its own key.

    It is drawn where theta lies: on a GPU from another stream of the same law than on the CPU, so a search
    does not try the same points on both.
    `tied=True` repeats a mistake met in public code on purpose: the generator is re-seeded for every
    tensor, so tensors of one shape receive the same noise. For the tied-noise law of chapter 1. Raises
    ValueError unless `seed` is whole and >= 0 and `candidate` whole (it may be negative).

    >>> space = ParameterSpace(torch.nn.Linear(2, 3))
    >>> first, again, other = noise(space, 0, 5), noise(space, 0, 5), noise(space, 0, 6)
    >>> torch.equal(first, again), torch.equal(first, other)
    (True, False)
    """
    seed, candidate = count("seed", seed, 0), count("candidate", candidate, -math.inf)
    drawn = torch.empty(space.d, dtype=space.dtype, device=space.device)
    for name, shape in space.shapes.items():
        key = (seed, candidate) if tied else (seed, candidate, name)
        dice = seeding.generator(*key, device=space.device)
        drawn[space.slices[name]].view(shape).normal_(generator=dice)
    return drawn


def gains(
    space: ParameterSpace,
    loss_fn: Callable[[torch.nn.Module, Any], torch.Tensor],
    batches: Sequence[Any],
    *,
    sigmas: Sequence[float],
    candidates: int,
    seed: int,
    direction: Callable[[int], torch.Tensor] | None = None,
    method: str = "auto",
) -> np.ndarray:
    """Loss decrease of theta + sigma * eps, shape (candidates, sigmas, batches).

    Positive is better. eps is `noise` of the candidate unless `direction(candidate)` is given; `method`
    is how losses are evaluated (see `candidates`). The model is left exactly as it was, also after an
    error. A candidate whose loss is not finite has the gain -inf. Raises ValueError for candidates < 1, a
    sigma that is not above 0 or too small to move theta, no batch, a direction that is no finite vector
    of the space, or a loss that is not finite or not repeatable at the start.

    >>> space = ParameterSpace(torch.nn.Linear(2, 1))
    >>> loss = lambda net, x: net(x).square().mean()
    >>> gains(space, loss, [torch.ones(4, 2)], sigmas=[0.1, 1.0], candidates=8, seed=0).shape
    (8, 2, 1)
    """
    candidates, seed = count("candidates", candidates), count("seed", seed, 0)
    if not len(sigmas) or not all(s > 0 and np.isfinite(s) for s in sigmas):
        raise ValueError(f"every sigma must be finite and above 0, and there must be one; got {list(sigmas)}")
    if isinstance(batches, torch.Tensor):
        raise ValueError(
            f"batches: got one tensor {tuple(batches.shape)}, want a list of batches: [x] for one"
        )
    if not len(batches):
        raise ValueError("batches is empty: there is nothing to measure a gain on")
    theta = space.flatten()

    def points() -> Iterator[torch.Tensor]:
        for i in range(candidates):
            eps = noise(space, seed, i) if direction is None else direction(i)
            if eps.shape != theta.shape or eps.dtype != theta.dtype or not eps.isfinite().all():
                raise ValueError(
                    f"direction({i}) must be a finite vector {tuple(theta.shape)} of {theta.dtype}, "
                    f"got {tuple(eps.shape)} of {eps.dtype}"
                )
            for sigma in sigmas:
                point = torch.add(theta, eps, alpha=sigma)
                if torch.equal(point, theta) and eps.any():
                    raise ValueError(f"sigma {sigma} is too small: in {theta.dtype} it does not move theta")
                yield point

    base, again = ([space.loss(loss_fn, batch) for batch in batches] for _ in range(2))
    if not np.isfinite(base).all():
        raise ValueError(f"the loss is not finite at the starting point: {base}")
    if again != base:
        raise ValueError(
            f"the loss differs between two evaluations at one point, {base} and {again}: "
            "call module.eval() first (dropout), and draw nothing inside loss_fn"
        )
    found = np.empty((candidates * len(sigmas), len(batches)))
    for row, losses in enumerate(many.losses(space, loss_fn, points(), batches, method=method)):
        found[row] = losses
        progress.tell("candidates", row // len(sigmas) + 1, candidates)
    gained = np.where(np.isfinite(found), np.array(base) - found, -np.inf)
    return gained.reshape(candidates, len(sigmas), len(batches))


@dataclass(frozen=True)
class SearchResult:
    """The best of n candidates: its point theta (d,), its gain, its held-out gain, and all gains (n,)."""

    theta: torch.Tensor
    gain: float
    held_out: float | None
    gains: np.ndarray


def random_search(
    space: ParameterSpace,
    loss_fn: Callable[[torch.nn.Module, Any], torch.Tensor],
    batch: Any,
    *,
    sigma: float,
    n: int,
    seed: int,
    held_out: Any = None,
) -> SearchResult:
    """Draw n candidates theta + sigma eps and return the one with the lowest loss on a batch (Theorem 1).

    Its gain on `held_out`, a batch that it was not selected on, is the one to report. The model is left as it
    was; `space.load(result.theta)` puts it there. Raises ValueError as `gains` does.

    >>> space = ParameterSpace(torch.nn.Linear(2, 1))
    >>> loss = lambda net, x: net(x).square().mean()
    >>> found = random_search(space, loss, torch.ones(4, 2), sigma=0.1, n=16, seed=0, held_out=torch.eye(2))
    >>> bool(found.gain == found.gains.max()), found.theta.shape
    (True, torch.Size([3]))
    """
    batches = [batch] if held_out is None else [batch, held_out]
    table = gains(space, loss_fn, batches, sigmas=[sigma], candidates=n, seed=seed)[:, 0]  # (n, batches)
    best = int(table[:, 0].argmax())
    theta = torch.add(space.flatten(), noise(space, seed, best), alpha=sigma)
    other = None if held_out is None else float(table[best, 1])
    return SearchResult(theta, float(table[best, 0]), other, table[:, 0])


def block_maxima(gains: np.ndarray, n: int) -> np.ndarray:
    """The best of each block of n gains, shape (len(gains) // n,): independent draws of the best of n.

    A last, shorter block is left out. Raises ValueError unless gains (draws,) hold at least one block.

    >>> block_maxima(np.array([3.0, 1.0, 2.0, 5.0, 4.0]), 2)
    array([3., 5.])
    """
    gains = np.asarray(gains, dtype=float).ravel()
    n = count("n", n, most=len(gains))
    return gains[: len(gains) // n * n].reshape(-1, n).max(1)


def order_weights(total: int, n: int) -> np.ndarray:
    """Weight (total,) of each order statistic, ascending, in the mean best of n out of `total` draws.

    The i-th smallest is the best of a random n-subset with probability C(i-1, n-1) / C(total, n).
    Raises ValueError unless 1 <= n <= total.

    >>> order_weights(3, 2).round(4)
    array([0.    , 0.3333, 0.6667])
    """
    n = count("n", n, most=count("total", total))
    i = np.arange(n, total + 1)
    log = gammaln(i) - gammaln(n) - gammaln(i - n + 1)
    log -= gammaln(total + 1) - gammaln(n + 1) - gammaln(total - n + 1)
    return np.concatenate([np.zeros(n - 1), np.exp(log)])


def expected_best(scores: np.ndarray, n: int, *, measured: np.ndarray | None = None) -> float:
    """Mean over all n-subsets of the candidates of the best one's score: an unbiased estimate of best-of-n.

    With `measured` (same length) the winner is chosen by `scores` and its `measured` value is averaged:
    the honest, held-out gain of a selected candidate. Candidates of equal score count as drawn in random
    order, so each of them is given the mean `measured` of all of them. A score of -inf (a candidate that
    failed) is never preferred. Raises ValueError for nan or +inf.

    >>> expected_best(np.array([1.0, 2.0, 3.0]), 2).__round__(4)
    2.6667
    """
    scores = np.asarray(scores, dtype=float)
    values = scores if measured is None else np.asarray(measured, dtype=float)
    if scores.ndim != 1 or values.shape != scores.shape:
        raise ValueError(f"scores and measured must be (candidates,), got {scores.shape} and {values.shape}")
    for name, x in (("scores", scores), ("measured", values)):
        if np.isnan(x).any() or np.isposinf(x).any():
            raise ValueError(f"{name} must be finite or -inf, got nan or inf")
    weights = order_weights(len(scores), n)
    if measured is not None:
        _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
        values = (np.bincount(group, weights=values) / sizes)[group]
    order = np.argsort(scores, kind="stable")
    drawn = weights > 0  # 0 times -inf is nan
    return float(weights[drawn] @ values[order][drawn])


def best_of_n(
    scores: np.ndarray,
    n: int,
    seed: int,
    *,
    control: np.ndarray | None = None,
    control_mean: float = 0.0,
    resamples: int = 400,
) -> stats.Interval:
    """Mean best of n with its bootstrap interval over the candidates.

    `control` (candidates,) is a control variate: a score on the same candidates whose mean best of n is
    known to be `control_mean`. What it gained by luck is taken off, which changes the scatter, not the mean.
    Raises ValueError unless 1 <= n < candidates (the interval leaves each candidate out once), or when a
    score is not finite.

    >>> draws = np.random.default_rng(0).standard_normal(200)
    >>> round(best_of_n(draws + 1, 16, 0, control=draws, control_mean=1.766).estimate, 3)
    2.766
    """
    scores = np.asarray(scores, dtype=float)
    if control is not None and np.shape(control) != scores.shape:
        raise ValueError(f"control must have the shape of scores, {scores.shape}, got {np.shape(control)}")
    if scores.ndim != 1:
        raise ValueError(f"scores must be (candidates,), got {scores.shape}")
    seed, n = count("seed", seed, 0), count("n", n, most=len(scores) - 1)  # the jackknife leaves one out
    for name, x in (("scores", scores), ("control", np.asarray(0.0 if control is None else control))):
        if bad := np.count_nonzero(~np.isfinite(x)):
            raise ValueError(f"{name}: {bad} of {len(scores)} candidates have no finite score")
    if not np.isfinite(control_mean):
        raise ValueError(f"control_mean must be finite, got {control_mean}")

    def statistic(index: np.ndarray) -> float:
        i = index.astype(int)
        luck = 0.0 if control is None else expected_best(control[i], n) - control_mean
        return expected_best(scores[i], n) - luck

    return stats.bootstrap_interval(np.arange(len(scores)), seed, statistic=statistic, resamples=resamples)
