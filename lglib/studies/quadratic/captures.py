"""What the first updates of a run on a quadratic capture: measured, and by the expected Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lglib.geometry.subspace import Subspace
from lglib.parameters import recovery
from lglib.parameters.descent import Trajectory
from lglib.studies.quadratic import law
from lglib.studies.quadratic.losses import Loss
from lglib.studies.quadratic.parameters import K, Parameters, T

Pair = tuple[int, int]  # k, T


@dataclass(frozen=True)
class Captures:
    """Shares of squared length, each between 0 and 1, at one k and T.

    `whole` is the capture of theta_T - theta_0 by the first k updates, `to_come` that of theta_T - theta_k,
    `energy` the squared length of the first k updates over that of all T.
    """

    whole: float
    to_come: float
    energy: float


def pairs(parameters: Parameters) -> list[Pair]:
    """The pairs (k, T) that are measured: every k at T = 100, and every T at k = 10.

    >>> pairs(Parameters(ks=(5, 10), horizons=(50, 100)))
    [(5, 100), (10, 50), (10, 100)]
    """
    return sorted({(k, T) for k in parameters.ks} | {(K, t) for t in parameters.horizons})


def measured(run: Trajectory, loss: Loss, of: list[Pair], *, exact: bool) -> dict[Pair, Captures]:
    """Captures of a run at these pairs (k, T); `exact` says that its gradients had no noise.

    Then the span of the first k updates is the Krylov space (Lemma 1), and it is built as such: the updates
    themselves are too nearly parallel.
    """
    most = max(k for k, _ in of)
    h, b = (torch.as_tensor(x, dtype=torch.float64) for x in (loss.eigenvalues, loss.descent))
    basis = Subspace.krylov(lambda v: h * v, b, most) if exact else Subspace.prefix(run.points, most)

    def share(delta: Tensor, k: int) -> float:
        return (basis.coordinates(delta)[:k].square().sum() / delta.square().sum()).item()

    return {
        (k, t): Captures(
            share(run.points[t] - run.points[0], k),
            share(run.points[t] - run.points[k], k),
            recovery.energy_share(run, [k], [t]).item(),
        )
        for k, t in of
    }


def by_law(loss: Loss, of: list[Pair], *, noise: float, rate: float, momentum: float) -> dict[Pair, Captures]:
    """What `measured` should give: exact without noise, else from the expected Gram matrix of the updates.

    The capture of a mean Gram matrix is not the mean capture; the two come together where many directions
    share the noise.
    """
    steps = max(t for _, t in of)
    gram = law.expected_gram(loss, steps, noise=noise, rate=rate, momentum=momentum)
    updates = law.responses(loss.eigenvalues, steps, rate=rate, momentum=momentum).cumsum(0) * loss.descent

    def one(k: int, t: int) -> Captures:
        part = gram[:t, :t]
        if noise:
            return Captures(law.capture(part, k), law.capture_to_come(part, k), law.energy_share(part, k))
        whole, to_come = (law.krylov_capture(loss, updates[i:t].sum(0), k) for i in (0, k))
        return Captures(whole, to_come, law.energy_share(part, k))

    return {(k, t): one(k, t) for k, t in of}
