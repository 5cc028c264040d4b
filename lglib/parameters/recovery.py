"""How much of a displacement a subspace captures, and the nulls beside which that is read (S2, S3).

Definitions: our reading (notation page, chapter 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lglib.base.checks import count
from lglib.geometry.subspace import Subspace
from lglib.parameters.descent import Trajectory
from lglib.theory import nulls


@dataclass(frozen=True)
class PrefixCapture:
    """Capture of theta_T - theta_0 by the first k of T updates, and what it must be read beside.

    `to_come` is the capture of theta_T - theta_k, the updates that the prefix does not hold (nan at k = T);
    `subspace` the law of a random k-dimensional subspace; `random_walk` what T equally long random steps
    would give; `energy_share` what random steps of this run's lengths would; `never_learned` the capture in
    the control run, where there is one.
    """

    value: float
    to_come: float
    k: int
    steps: int
    subspace: nulls.Null
    random_walk: float
    energy_share: float
    never_learned: float | None

    def __str__(self) -> str:
        lines = [f"capture by the first {self.k} of {self.steps} updates  {self.value:.3g}"]
        if self.k == self.steps:
            lines[0] += "  (1 by construction: all updates are in the prefix)"
        chance = self.subspace
        lines += [
            f"  of what is still to come  {self.to_come:.3g}",
            f"  null: random subspace     {chance.mean:.3g} [{chance.low:.2g}, {chance.high:.2g}]",
            f"  null: random walk         {self.random_walk:.3g}",
            f"  null: energy share        {self.energy_share:.3g}",
        ]
        if self.never_learned is not None:
            lines.append(f"  control: never learned    {self.never_learned:.3g}")
        return "\n".join(lines)


def prefix_capture(run: Trajectory, k: int, *, never_learned: Trajectory | None = None) -> PrefixCapture:
    """Capture of a run's displacement by its first k updates, with all its nulls (S3).

    `run` must hold every point (`descend(..., every=1)`); `never_learned` is a run of the same length from a
    point that never knew the task. Raises ValueError for k outside 1 to T, or below d.

    >>> points = torch.tensor([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]])
    >>> run = Trajectory(points, torch.zeros(2), torch.arange(3))
    >>> found = prefix_capture(run, 1)
    >>> round(found.value, 2), round(found.energy_share, 2), found.never_learned
    (0.36, 0.36, None)
    """
    steps, d = len(run.losses), run.points.shape[1]
    count("k", k, most=min(steps, d - 1))
    if never_learned is not None and len(never_learned.losses) != steps:
        raise ValueError(f"never_learned: has {len(never_learned.losses)} steps, want {steps} as the run")
    own, control = (
        None if one is None else captures({"": Subspace.prefix(one.points, k)}, one, [k], [steps])[""].item()
        for one in (run, never_learned)
    )
    return PrefixCapture(
        value=own or 0.0,
        to_come=still_to_come(run, [k], [steps]).item(),
        k=k,
        steps=steps,
        subspace=nulls.beta_null(k, d),
        random_walk=nulls.random_walk_capture(k, steps, d),
        energy_share=energy_share(run, [k], [steps]).item(),
        never_learned=control,
    )


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

    Shape (len(ks), len(horizons)). Chapter 1 derives it as the capture of a random walk with these step
    lengths. Raises ValueError as `captures` does.

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
