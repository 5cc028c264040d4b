"""Random search on networks that read digits: local geometry, gains, and what is left on new images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lglib.parameters.space import ParameterSpace
from lglib.search import random_search
from lglib.studies.theory.best_of_n import N
from lglib.tasks import digits
from lglib.theory import laws, maxima, stats

STOPS = (1.0, 0.3, 0.1)  # training losses at which a network is looked at; the search is at the last
MULTIPLES = (0.03, 0.1, 0.3, 1.0, 2.0, 3.0)  # noise scale / sigma*
PROBES = 24  # sign vectors behind a trace
HELD_OUT = 200  # images of the selection set, and as many held out


@dataclass(frozen=True)
class Geometry:
    """Gradient a (d,) of the score, its length, estimates of tr H (probes,), and kappa = a.Ha / a.a."""

    a: torch.Tensor
    norm: float
    traces: np.ndarray
    kappa: float

    @property
    def sigma_star(self) -> float:
        """Noise scale at which the curvature law of the best of 16 is largest."""
        return float(laws.optimal_sigma(self.norm, self.traces.mean(), N, along=self.kappa))

    @property
    def effective_dimension(self) -> stats.Interval:
        """D = tr H / kappa, with its interval over the probes of the trace."""
        return stats.mean_interval(self.traces / self.kappa)


@dataclass(frozen=True)
class Search:
    """Gains on selection and held-out images (candidates, multiples); their linear parts (candidates,)."""

    multiples: tuple[float, ...]  # noise scales in units of sigma*
    sigma_star: float
    gains: np.ndarray
    held_out: np.ndarray
    linear: np.ndarray
    linear_held_out: np.ndarray
    norm: float  # of the selection gradient
    kept: float  # c, the share of the linear gain that is left on the held-out images

    def at(self, multiple: float) -> tuple[int, float]:
        """Index of a noise scale, and the scale itself. Raises ValueError for one that was not searched."""
        return self.multiples.index(multiple), multiple * self.sigma_star


def images(seed: int, device: str = "cpu") -> digits.Splits:
    """Digits for training, for selection and held out, the last two of 200 images each."""
    found = digits.load(seed, select=HELD_OUT, held_out=HELD_OUT)

    def moved(batch: digits.Batch) -> digits.Batch:
        return batch[0].to(device), batch[1].to(device)

    return digits.Splits(moved(found.train), moved(found.select), moved(found.held_out))


def geometry(space: ParameterSpace, batch: digits.Batch, seed: int, probes: int = PROBES) -> Geometry:
    """Local geometry of a network's loss on a batch; the score is minus the loss, H the loss's Hessian.

    The trace is by Hutchinson's estimator, the mean of v.Hv over random sign vectors v.

    >>> space = ParameterSpace(digits.network(2, seed=0))
    >>> geometry(space, images(0).select, seed=0, probes=2).traces.shape
    (2,)
    """
    a = -space.gradient(digits.mean_cross_entropy, batch)
    product = space.hvp_operator(digits.mean_cross_entropy, batch)
    signs = (torch.sign(random_search.noise(space, seed, -1 - i)) for i in range(probes))
    traces = np.array([(v @ product(v)).item() for v in signs])
    return Geometry(a, a.norm().item(), traces, ((a @ product(a)) / (a @ a)).item())


def along_training(space: ParameterSpace, data: digits.Splits, seed: int) -> dict[float, Geometry]:
    """Train a network to each of the three stops, in place; its geometry there, on the selection images."""
    found = {}
    for stop in STOPS:
        digits.fit(space.module, data.train, until=stop, seed=seed)
        found[stop] = geometry(space, data.select, seed)
    return found


def search(
    space: ParameterSpace,
    local: Geometry,
    data: digits.Splits,
    candidates: int,
    seed: int,
    multiples: tuple[float, ...] = MULTIPLES,
) -> Search:
    """Random search at multiples of sigma*; a candidate keeps its noise at all of them."""
    sets, scales = [data.select, data.held_out], [x * local.sigma_star for x in multiples]
    gains = random_search.gains(
        space, digits.mean_cross_entropy, sets, sigmas=scales, candidates=candidates, seed=seed
    )  # (candidates, multiples, 2)
    a_held = -space.gradient(digits.mean_cross_entropy, data.held_out)
    noise = (random_search.noise(space, seed, i) for i in range(candidates))
    linear = np.array([((local.a @ eps).item(), (a_held @ eps).item()) for eps in noise])
    kept = (local.a @ a_held).item() / local.norm**2
    parts = gains[..., 0], gains[..., 1], linear[:, 0], linear[:, 1]
    return Search(multiples, local.sigma_star, *parts, local.norm, kept)


def share_of_law(found: Search, multiple: float, seed: int) -> stats.Interval:
    """Mean best-of-16 gain at a multiple of sigma*, as a share of the linear law (Theorem 1).

    The linear part on the same noise, whose law is known, is a control variate: what it gained by luck is
    taken off.
    """
    j, sigma = found.at(multiple)
    law = laws.best_of_n_gain(sigma, found.norm, N)
    gains, linear = found.gains[:, j] / law, sigma * found.linear / law
    return random_search.best_of_n(gains, N, seed, control=linear, control_mean=1.0)


def held_out_share(found: Search, multiple: float, seed: int) -> stats.Interval:
    """Held-out gain of the best of 16 at a multiple of sigma*, as a share of the linear law (Proposition 4).

    The linear parts on both sets of images are control variates, as in `share_of_law`.
    """
    j, sigma = found.at(multiple)
    chosen, other = (gains[:, j] / sigma / found.norm for gains in (found.gains, found.held_out))
    seen, unseen, m = found.linear, found.linear_held_out, maxima.expected_maximum(N)

    def share(index: np.ndarray) -> float:
        i, pick = index.astype(int), random_search.expected_best
        lucky = pick(seen[i], N, measured=unseen[i]) / found.norm
        return float(found.kept + (pick(chosen[i], N, measured=other[i]) - lucky) / m)

    return stats.bootstrap_interval(np.arange(len(seen)), seed, statistic=share, resamples=400)


def distance_from(predicted: float, found: stats.Interval) -> stats.Interval:
    """How far an interval is from a prediction: of the estimate, from 0 to the farthest end.

    >>> print(distance_from(1.0, stats.Interval(1.1, 0.9, 1.4, level=0.95, n=9)))
    0.10 [0.00, 0.40] (n=9)
    """
    off = [abs(x - predicted) for x in (found.low, found.estimate, found.high)]
    return stats.Interval(off[1], 0.0, max(off), found.level, found.n)


def scaled(found: stats.Interval, factor: float) -> stats.Interval:
    """An interval in another unit.

    >>> print(scaled(stats.Interval(0.5, 0.4, 0.6, level=0.95, n=9), 2.0))
    1.00 [0.80, 1.20] (n=9)
    """
    low, high = sorted((factor * found.low, factor * found.high))
    return stats.Interval(factor * found.estimate, low, high, found.level, found.n)


def gradient_step(space: ParameterSpace, local: Geometry, batch: digits.Batch) -> float:
    """Measured decrease of the loss by the gradient step a / kappa, the best one on the quadratic."""
    before = space.loss(digits.mean_cross_entropy, batch)
    with space.at(space.flatten() + local.a / local.kappa):
        return before - space.loss(digits.mean_cross_entropy, batch)


def share_of_gradient_step(dimension: float) -> float:
    """Share of a gradient step that the best of 16 is worth at an effective dimension D, by law.

    m_N^2 / (D + q_N - 1): the book's equation eq-effective-dimension.

    >>> round(share_of_gradient_step(20.0), 3)
    0.139
    """
    return float(maxima.expected_maximum(N) ** 2 / (dimension + maxima.maximum_second_moment(N) - 1))
