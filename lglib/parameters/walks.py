"""A run as a walk: what k of its updates capture, and what a walk without memory would give (S3).

Everything follows from the inner products of the updates, so nothing of the size of theta is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lglib.base.checks import count, numpy_generator
from lglib.geometry import spectra
from lglib.parameters.descent import Trajectory

CUT = 1e-10  # eigenvalues of unit vectors below this share of the largest count as rounding


@dataclass(frozen=True)
class Captured:
    """Capture of the whole displacement, and of what is still to come: the updates outside the basis."""

    whole: float
    to_come: float


@dataclass(frozen=True, eq=False)
class Walk:
    """The T updates of a run in R^d by their inner products `gram` (T, T), in float64."""

    gram: np.ndarray
    d: int

    @classmethod
    def of(cls, run: Trajectory) -> Walk:
        """Make it of a run of which every point was recorded. Raises ValueError for one with gaps.

        >>> import torch
        >>> points = torch.tensor([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]])
        >>> Walk.of(Trajectory(points, torch.zeros(2), torch.arange(3))).gram.tolist()
        [[9.0, 0.0], [0.0, 16.0]]
        """
        if len(run.points) != len(run.losses) + 1:
            raise ValueError("some steps of the run were not recorded: record every one (every=1)")
        return cls(spectra.gram_matrix(run.points.diff(dim=0)).numpy(), run.points.shape[1])

    @property
    def steps(self) -> int:
        """T, the number of updates."""
        return len(self.gram)

    def capture(self, span: Sequence[int], of: Sequence[int]) -> float:
        """Share of the squared length of the sum of updates `of` that lies in the span of updates `span`.

        >>> round(Walk(np.diag([9.0, 16.0]), 3).capture([0], [0, 1]), 2)
        0.36
        """
        inside = self._inside(span, self.gram[:, list(of)].sum(1))
        return min(inside / float(self.gram[np.ix_(of, of)].sum()), 1.0)

    def prefix(self, k: int) -> Captured:
        """Captures by the first k updates, 1 <= k < T: `parameters.recovery` gives the same from points."""
        return self._by(range(count("k", k, most=self.steps - 1)))

    def shuffled(self, k: int, draws: int, seed: int | np.random.Generator) -> Captured:
        """Captures by k updates of the run drawn at random, means over draws: the shuffled-update prefix.

        What is to come is then the sum of the updates that were not drawn. For a walk whose updates are
        exchangeable, such as independent ones of one law, that is the law of the prefix.
        """
        rng, k = numpy_generator(seed), count("k", k, most=self.steps - 1)
        drawn = [
            self._by(np.sort(rng.permutation(self.steps)[:k]).tolist()) for _ in range(count("draws", draws))
        ]
        whole, to_come = (np.mean([getattr(one, name) for one in drawn]) for name in ("whole", "to_come"))
        return Captured(float(whole), float(to_come))

    def isotropic(self, k: int, *, lengths: bool) -> Captured:
        """Expected captures of a Gaussian walk without direction: equal steps, or steps of these `lengths`.

        The prefix holds its own share of the energy, k/T for equal steps, and k/d of all the rest.

        >>> walk = Walk(np.diag([9.0, 16.0]), 100)
        >>> walk.isotropic(1, lengths=True).whole
        0.3664
        """
        energy = np.diag(self.gram)
        k = count("k", k, most=self.steps - 1)
        share = float(energy[:k].sum() / energy.sum()) if lengths else k / self.steps
        return Captured(share + (1 - share) * k / self.d, k / self.d)

    def uncorrelated(self, k: int) -> Captured:
        """Expected captures if the updates after the prefix were independent draws of their own covariance.

        Each, Gaussian, then lies in the prefix with the share that it has, but they no longer agree with each
        other or with the prefix: tr(P C) / tr(C), with C the mean of u u^T over the later updates u.
        """
        k = count("k", k, most=self.steps - 1)
        energy = np.diag(self.gram)
        later = range(k, self.steps)
        held = sum(self._inside(range(k), self.gram[:, i]) for i in later)
        rest = float(energy[k:].sum())
        return Captured(min(float(energy[:k].sum() + held) / float(energy.sum()), 1.0), min(held / rest, 1.0))

    def _by(self, span: Sequence[int]) -> Captured:
        every = range(self.steps)
        taken = set(span)
        return Captured(self.capture(span, every), self.capture(span, [i for i in every if i not in taken]))

    def _inside(self, span: Sequence[int], products: np.ndarray) -> float:
        """Squared length of the part within the span of a vector with these inner products (T,)."""
        rows = list(span)
        lengths = np.sqrt(np.diag(self.gram)[rows])
        if not (lengths > 0).all():
            raise ValueError("an update is zero: it has no direction")
        values, axes = np.linalg.eigh(self.gram[np.ix_(rows, rows)] / lengths / lengths[:, None])
        kept = values > CUT * values[-1]
        along = axes[:, kept].T @ (products[rows] / lengths)
        return float((along**2 / values[kept]).sum())
