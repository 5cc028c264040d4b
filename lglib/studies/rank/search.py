"""L2: random search over all weights at steps around sigma*, beside the laws of chapter 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import Tensor

from lglib.parameters.space import ParameterSpace
from lglib.search import random_search, step_length
from lglib.search.step_length import Curvature, SigmaStar
from lglib.studies.rank.regime import questions
from lglib.studies.rank.subject import Subject
from lglib.tasks import supervised
from lglib.theory import laws
from lglib.theory.stats import Interval

MULTIPLES = (0.1, 0.3, 1.0, 3.0, 10.0)  # of sigma*, the steps tried
SMALL = 0.3  # multiple at which antithetic pairs and tied noise are tried


def curvature(subject: Subject) -> Curvature:
    """Slope and curvature of the loss on the questions "select"."""
    p, asked = subject.parameters, questions(subject, "select")
    return step_length.curvature(subject.space, supervised.loss, asked, probes=p.probes, seed=subject.seed)


def predicted_step(subject: Subject, found: Curvature | None = None) -> SigmaStar:
    """sigma* from slope and curvature alone, before any search; NotMeasurable where there is none."""
    return step_length.optimum(found or curvature(subject), subject.parameters.best_of)


def effective_dimension(star: SigmaStar) -> Interval:
    """tr H / kappa: how many directions bend as much as the gradient's own, with the spread of the trace."""
    ends = [x / star.along for x in (star.trace.estimate, star.trace.low, star.trace.high)]
    return Interval(ends[0], min(ends), max(ends), star.trace.level, star.trace.n)


@dataclass(frozen=True)
class Tried:
    """Gains (candidates, steps, 2) on the questions searched on and on others; both gradients (d,), negated.

    `linear` (candidates,) is the gain of a unit step to first order, eps.a.
    """

    multiples: tuple[float, ...]
    gains: np.ndarray
    a: Tensor
    a_held: Tensor
    linear: np.ndarray

    @property
    def alike(self) -> float:
        """Cosine of the gradients on the two sets of questions."""
        return torch.nn.functional.cosine_similarity(self.a, self.a_held, dim=0).item()


def try_steps(subject: Subject, sigma: float, multiples: tuple[float, ...] = MULTIPLES) -> Tried:
    """Gains of random candidates at these multiples of a noise scale."""
    space, seed, n = subject.space, subject.seed, subject.parameters.candidates
    both = [questions(subject, part) for part in ("select", "held")]
    sigmas = [m * sigma for m in multiples]
    gains = random_search.gains(space, supervised.loss, both, sigmas=sigmas, candidates=n, seed=seed)
    a, a_held = (-space.gradient(supervised.loss, asked) for asked in both)
    linear = np.array([(random_search.noise(space, seed, i) @ a).item() for i in range(n)])
    return Tried(multiples, gains, a, a_held, linear)


@dataclass(frozen=True)
class Step:
    """The best of N at one step: its gain, that on other questions, and what the laws say of both, in nats.

    `mean` is the gain of a single candidate. `law` knows curvature, `first_order` (Theorem 1) does not.
    """

    multiple: float
    best: Interval
    held_out: float
    mean: float
    law: float
    first_order: float
    held_out_law: float

    @property
    def share(self) -> Interval:
        """The gain as a share of what Theorem 1 says."""
        value, low, high = (x / self.first_order for x in (self.best.estimate, self.best.low, self.best.high))
        return Interval(value, low, high, self.best.level, self.best.n)


def best_of_n(subject: Subject, star: SigmaStar, tried: Tried) -> list[Step]:
    """The best of N at each step of a search, by exact order statistics over all candidates.

    What a candidate gains to first order is a control variate: its mean best of N is known.
    """
    a, a_held = (x.double().cpu().numpy() for x in (tried.a, tried.a_held))
    found = []
    for j, multiple in enumerate(tried.multiples):
        sigma = multiple * star.sigma
        own, other = tried.gains[:, j, 0], tried.gains[:, j, 1]
        first_order = laws.best_of_n_gain(sigma, star.slope, star.n)
        luck: dict[str, Any] = dict(control=sigma * tried.linear, control_mean=first_order)
        best = random_search.best_of_n(own, star.n, subject.seed, **luck)
        held_out = random_search.expected_best(own, star.n, measured=other)
        law = laws.linear_winner_gain(sigma, star.slope, star.trace.estimate, star.along, star.n)
        held_out_law = laws.held_out_gain(sigma, a, a_held, star.n)
        found.append(Step(multiple, best, held_out, own.mean(), law, first_order, held_out_law))
    return found


def share_at_sigma_star(steps: Sequence[Step]) -> tuple[float, float]:
    """Gain at sigma* as a share of the largest over the steps; and that of one of the steps by lot.

    By lot: a step that loses counts as no gain.
    """
    gains = {step.multiple: step.best.estimate for step in steps}
    largest = max(gains.values())
    by_lot = sum(max(gain, 0.0) for gain in gains.values()) / len(gains)
    return gains[1.0] / largest, by_lot / largest


def largest_absolute(n: int) -> tuple[float, float]:
    """Mean and second moment of the largest |z| of n standard normals, whose distribution is (2 Phi - 1)^n.

    >>> [round(x, 4) for x in largest_absolute(1)]
    [0.7979, 1.0]
    """

    def moment(p: int) -> float:
        return quad(lambda x: p * x ** (p - 1) * (1 - (2 * norm.cdf(x) - 1) ** n), 0, 12)[0]

    return moment(1), moment(2)


def best_pair(subject: Subject, star: SigmaStar) -> tuple[float, float]:
    """Gain of the best of N / 2 antithetic pairs at 0.3 sigma*, and its law, in nats.

    The law: sigma ||a|| E max|z| - sigma^2 (tr H + kappa (E max|z|^2 - 1)) / 2, over N / 2 normals z.
    """
    half, sigma = star.n // 2, SMALL * star.sigma

    def signed(i: int) -> Tensor:
        return random_search.noise(subject.space, subject.seed, i // 2) * (1 if i % 2 == 0 else -1)

    pairs = _gains(subject, sigma, signed).reshape(-1, 2).max(1)
    mean, square = largest_absolute(half)
    cost = star.trace.estimate + star.along * (square - 1)
    law = sigma * star.slope * mean - sigma**2 * cost / 2
    return random_search.expected_best(pairs, half), law


def spread(star: SigmaStar, tried: Tried) -> float:
    """Spread of the gains at 0.3 sigma* on the questions searched on, divided by its law, sigma ||a||."""
    gains = tried.gains[:, tried.multiples.index(SMALL), 0]
    return float(gains.std(ddof=1) / (SMALL * star.sigma * star.slope))


def spread_of_tied(subject: Subject, star: SigmaStar, a: Tensor) -> float:
    """Spread of the gains at 0.3 sigma* with one stream of noise for all tensors, divided by its law."""
    space, sigma = subject.space, SMALL * star.sigma
    gains = _gains(subject, sigma, lambda i: random_search.noise(space, subject.seed, i, tied=True))
    return float(gains.std(ddof=1) / (sigma * tied_slope(space, a)))


def tied_slope(space: ParameterSpace, a: Tensor) -> float:
    """What replaces ||a|| under tied noise: the streams of all tensors begin alike, so parts of a add up.

    >>> tied_slope(ParameterSpace(torch.nn.Linear(2, 1)), torch.tensor([3.0, 4.0, -3.0]))
    4.0
    """
    stream = a.new_zeros(max(p.numel() for p in space.parameters()))
    for part in space.split(a).values():
        stream[: part.numel()] += part.reshape(-1)
    return stream.norm().item()


def _gains(subject: Subject, sigma: float, direction: Callable[[int], Tensor]) -> np.ndarray:
    options: dict[str, Any] = dict(candidates=subject.parameters.candidates, seed=subject.seed)
    asked = [questions(subject, "select")]
    found = random_search.gains(
        subject.space, supervised.loss, asked, sigmas=[sigma], direction=direction, **options
    )
    return found[:, 0, 0]
