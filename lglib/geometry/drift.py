"""Does a gradient basis stay where it was? Overlap with step 0, relative to a ceiling and above a floor (S4).

A basis made of few gradients does not even agree with a second
one of the same step: that agreement is the ceiling. What unrelated bases share is the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from lglib.geometry.subspace import Subspace


@dataclass(frozen=True)
class Drift:
    """Overlaps by step, each (steps,): with step 0, same-step ceiling, and their ratio above the floor."""

    steps: np.ndarray
    overlap: np.ndarray
    ceiling: np.ndarray
    floor: float
    relative: np.ndarray

    @property
    def half_life(self) -> float:
        """First step at which the relative overlap is 1/2, log-linear in 1 + step; inf if there is none.

        >>> steps, ones = np.array([0, 1, 3]), np.ones(3)
        >>> Drift(steps, ones, ones, 0.0, np.array([1.0, 0.75, 0.25])).half_life.__round__(2)
        1.83
        """
        below = np.flatnonzero(self.relative <= 0.5)
        if not len(below):
            return float("inf")
        if (i := int(below[0])) == 0:
            return 0.0
        x, y = np.log1p(self.steps[i - 1 : i + 1]), self.relative[i - 1 : i + 1]
        return float(np.expm1(x[0] + (y[0] - 0.5) / (y[0] - y[1]) * (x[1] - x[0])))


def measure(steps: Sequence[int], estimates: Sequence[Sequence[Subspace]], floor: float) -> Drift:
    """Drift of bases along a run: `estimates[i]` holds two or more independent ones of step `steps[i]`.

    overlap(t) is the mean over pairs (one of step 0, another set's of step t); ceiling(t) the mean over
    pairs of one step; relative(t) = (overlap - floor) / (sqrt(ceiling(0) ceiling(t)) - floor), 1 at step
    0 by definition. `floor` is the overlap of unrelated bases, k / d or more. Raises ValueError for fewer
    than two estimates, steps that do not rise from 0, or a ceiling that is not above the floor.
    """
    _check(steps, estimates)
    return _drift(steps, *_overlaps(estimates), floor)


def jackknife(
    steps: Sequence[int], estimates: Sequence[Sequence[Subspace]], floor: float, read: Callable[[Drift], Any]
) -> np.ndarray:
    """Jackknife pseudo-values of a reading of the drift, leaving out one of n >= 3 sets at a time, (n, ...).

    Their mean and Student-t interval estimate the reading and its spread over sets of batches.
    """
    n = len(estimates[0]) if estimates else 0
    if n < 3 or any(len(one) != n for one in estimates):
        raise ValueError("estimates must hold the same three or more sets at each step")
    _check(steps, estimates)
    across, within = _overlaps(estimates)
    whole = np.asarray(read(_drift(steps, across, within, floor)))
    if not np.isfinite(whole).all():
        raise ValueError(f"read must return finite numbers, got {whole}: cap a half-life at the run's length")
    left = []
    for i in range(n):
        rest = np.ix_(range(len(steps)), *[[j for j in range(n) if j != i]] * 2)
        left.append(np.asarray(read(_drift(steps, across[rest], within[rest], floor))))
    return np.stack([n * whole - (n - 1) * one for one in left])


def _check(steps: Sequence[int], estimates: Sequence[Sequence[Subspace]]) -> None:
    if len(steps) < 2 or steps[0] != 0 or list(steps) != sorted(set(steps)):
        raise ValueError(f"steps must rise from 0, got {list(steps)}")
    if len(estimates) != len(steps) or min(map(len, estimates)) < 2:
        raise ValueError("estimates must hold at least two bases for each step")


def _overlaps(estimates: Sequence[Sequence[Subspace]]) -> tuple[np.ndarray, np.ndarray]:
    """Overlaps of set i at step 0 with set j at each step, and of sets i, j of one step; nan for i = j."""
    most = max(map(len, estimates))
    across, within = (np.full((len(estimates), most, most), np.nan) for _ in range(2))
    for s, one in enumerate(estimates):
        for i, j in combinations(range(len(one)), 2):
            within[s, i, j] = one[i].overlap(one[j])
        for i, a in enumerate(estimates[0]):
            for j, b in enumerate(one):
                if i != j and s:
                    across[s, i, j] = a.overlap(b)
    return across, within


def _drift(steps: Sequence[int], across: np.ndarray, within: np.ndarray, floor: float) -> Drift:
    ceiling = np.nanmean(within, axis=(1, 2))
    overlap = np.concatenate([ceiling[:1], np.nanmean(across[1:], axis=(1, 2))])
    room = np.sqrt(ceiling[0] * ceiling) - floor
    if not (room > 0).all():
        raise ValueError(f"the ceiling {ceiling.round(4)} must lie above the floor {floor:.4g} at every step")
    return Drift(np.asarray(steps), overlap, ceiling, floor, (overlap - floor) / room)
