"""How much of a recovery displacement a subspace captures, and the controls a capture must be read against.

Definitions: PAPER section on recovery, our reading
(chapter 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from lglib.geometry.subspace import Subspace
from lglib.parameters.descent import Trajectory


def captures(
    bases: Mapping[str, Subspace], run: Trajectory, ks: Sequence[int], horizons: Sequence[int]
) -> dict[str, np.ndarray]:
    """Capture of theta_T - theta_0 by the first k directions of each basis, (len(ks), len(horizons)) by name.

    A basis with fewer than k directions (one single vector, say) gives nan there. Raises ValueError if a
    horizon was not recorded, k < 1, or k exceeds a horizon: a prefix of k steps needs T >= k.

    >>> steps = torch.arange(3)
    >>> run = Trajectory(torch.tensor([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]]), torch.zeros(2), steps)
    >>> captures({"prefix": Subspace.prefix(run.points, 2)}, run, ks=[1, 2], horizons=[2])["prefix"].round(2)
    array([[0.36],
           [1.  ]])
    """
    _check(ks, horizons)
    deltas = torch.stack([point(run, t) - point(run, 0) for t in horizons])  # (T's, d)
    if not deltas.any(dim=1).all():
        raise ValueError("the displacement is zero at a horizon: it has no capture")
    found = {}
    for name, basis in bases.items():
        share = basis.coordinates(deltas).double().square().cumsum(1)  # (T's, k): nested subspaces
        share /= deltas.double().square().sum(1, keepdim=True)
        column = [
            share[:, k - 1].clamp(max=1) if k <= basis.k else share.new_full([len(horizons)], torch.nan)
            for k in ks
        ]
        found[name] = torch.stack(column).cpu().numpy()
    return found


def still_to_come(run: Trajectory, ks: Sequence[int], horizons: Sequence[int]) -> np.ndarray:
    """Capture of theta_T - theta_k by the prefix of k steps: what it tells of the steps it does not hold.

    Shape (len(ks), len(horizons)); nan where k = T. Raises ValueError as `captures` does.
    """
    _check(ks, horizons)
    _unbroken(run, max(ks))
    found = np.full((len(ks), len(horizons)), np.nan)
    for i, k in enumerate(ks):
        prefix = Subspace.prefix(run.points[: k + 1], k)
        for j, t in enumerate(horizons):
            if t > k:
                found[i, j] = prefix.capture(point(run, t) - point(run, k))
    return found


def energy_share(run: Trajectory, ks: Sequence[int], horizons: Sequence[int]) -> np.ndarray:
    """Squared length of the first k updates over that of the first T: the capture, were updates orthogonal.

    Shape (len(ks), len(horizons)). Chapter 1 derives it as the capture of a blind walk. Raises ValueError
    as `captures` does.

    >>> run = Trajectory(torch.tensor([[0.0, 0], [3, 0], [3, 4]]), torch.zeros(2), torch.arange(3))
    >>> energy_share(run, ks=[1], horizons=[2])
    array([[0.36]])
    """
    _check(ks, horizons)
    _unbroken(run, max(horizons))
    energy = run.points.diff(dim=0).double().square().sum(1).cumsum(0)  # (T,)
    return np.array([[(energy[k - 1] / energy[t - 1]).item() for t in horizons] for k in ks])


def point(run: Trajectory, step: int) -> torch.Tensor:
    """Recorded point after a number of steps, (d,); ValueError if that step was not recorded."""
    row = (run.steps == step).nonzero()
    if not len(row):
        raise ValueError(f"step {step} was not recorded; the run has {len(run.losses)} steps")
    return run.points[int(row[0, 0])]


def _unbroken(run: Trajectory, last: int) -> None:
    point(run, last)
    if not torch.equal(run.steps[: last + 1].cpu(), torch.arange(last + 1)):
        raise ValueError(f"some of the steps 0 to {last} were not recorded: record every one (every=1)")


def _check(ks: Sequence[int], horizons: Sequence[int]) -> None:
    if not ks or not horizons or min(ks) < 1:
        raise ValueError(
            f"ks and horizons must hold whole numbers from 1, got {list(ks)} and {list(horizons)}"
        )
    if max(ks) > min(horizons):
        raise ValueError(f"T must be at least k: got T = {min(horizons)} with k = {max(ks)}")
