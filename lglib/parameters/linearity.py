"""The linear regime of a loss around theta: odd part F1 and even part F2 along a line, and where they cross.

Claim L2; F1 and F2 are our reading (PAPER.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.base import progress
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.parameters.vectors import dot, length


@dataclass(frozen=True)
class Regime:
    """F1 and F2 (S,) along one unit direction u at rising scales s (S,), and the slope g.u at theta.

    F1(s) = [L(theta + s u) - L(theta - s u)] / 2 is odd in s and begins with s g.u;
    F2(s) = [L(theta + s u) + L(theta - s u) - 2 L(theta)] / 2 is even and begins with s^2 u.Hu / 2.
    """

    scales: np.ndarray
    f1: np.ndarray
    f2: np.ndarray
    slope: float

    @property
    def ratio(self) -> np.ndarray:
        """|F2 / F1| at each scale (S,); inf where F1 is 0 or the loss is not finite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.abs(self.f2 / np.where(self.f1 == 0, 1, self.f1))
        return np.where((self.f1 == 0) | ~np.isfinite(found), np.inf, found)

    @property
    def error(self) -> np.ndarray:
        """|F1 / (s g.u) - 1| at each scale (S,), how far F1 is off first order; inf at slope 0."""
        if not self.slope:
            return np.full(len(self.scales), np.inf)
        return np.abs(self.f1 / (self.scales * self.slope) - 1)

    @property
    def crossing(self) -> float:
        """Scale at which |F2| reaches |F1|, log-linear between scales, the end of the linear regime.

        That regime is the longest run of scales with |F2| < |F1|; where rounding decides, at the smallest
        scales, the ratio jumps about. The largest scale if it never ends, the smallest if there is none.

        >>> s = np.array([0.01, 0.1, 1.0, 10.0])
        >>> round(Regime(s, 2 * s, s**2, 2.0).crossing, 6)
        2.0
        """
        log = np.log(np.clip(self.ratio, 1e-300, 1e300))
        runs = np.split(np.arange(len(log)), np.flatnonzero(np.diff(log < 0)) + 1)
        runs = [run for run in runs if log[run[0]] < 0]
        if not runs:
            return float(self.scales[0])
        i = int(max(runs, key=len)[-1])
        if i == len(log) - 1:
            return float(self.scales[-1])
        share = log[i] / (log[i] - log[i + 1])
        return float(np.exp((1 - share) * math.log(self.scales[i]) + share * math.log(self.scales[i + 1])))


def measure(
    space: ParameterSpace, loss_fn: LossFn, batch: Any, directions: Iterable[Tensor], scales: Sequence[float]
) -> list[Regime]:
    """F1 and F2 of a loss along unit directions (d,) at rising scales, in units of theta; theta is kept.

    2 S losses a direction, one gradient. Directions may be a generator: one is held at a time. Raises
    ValueError for scales that are empty, not rising, not finite or not above 0, a direction that is no unit
    vector of the space, a loss that is not finite at theta, or one that no step changes.
    """
    s = np.asarray(scales, dtype=float)
    if s.ndim != 1 or not len(s) or not np.isfinite(s).all() or (s <= 0).any() or (np.diff(s) <= 0).any():
        raise ValueError(f"scales must be finite, above 0 and rising, at least one; got {scales!r}")
    total = len(directions) if isinstance(directions, Sized) else None
    if total == 0:
        raise ValueError("directions is empty: give at least one unit vector")
    theta, gradient = space.flatten(), space.gradient(loss_fn, batch)
    base = space.loss(loss_fn, batch)
    if not math.isfinite(base):
        raise ValueError(f"loss_fn: returned {base} at theta, want a finite loss")
    found = []
    try:
        for i, given in enumerate(directions):
            u = given.to(theta)
            size = length(u) if u.shape == theta.shape else 0.0
            if not abs(size - 1) < 1e-2:
                raise ValueError(
                    f"directions[{i}] must be a unit vector {tuple(theta.shape)}, got {tuple(u.shape)} of "
                    f"length {size:.4g}"
                )
            losses = np.empty((len(s), 2))
            for j, scale in enumerate(s):
                for side, sign in enumerate((1, -1)):
                    space.load(torch.add(theta, u, alpha=sign * scale))
                    losses[j, side] = space.loss(loss_fn, batch)
            slope = dot(gradient, u)
            f1, f2 = (losses[:, 0] - losses[:, 1]) / 2, (losses[:, 0] + losses[:, 1] - 2 * base) / 2
            found.append(Regime(s, f1, f2, slope))
            progress.tell("directions", i + 1, total)
    finally:
        space.load(theta)
    if not found:
        raise ValueError("directions is empty: give at least one unit vector")
    if not any(one.f1.any() or one.f2.any() for one in found):
        raise ValueError(f"loss_fn: is constant, {base}, along every direction: no regime to locate")
    return found
