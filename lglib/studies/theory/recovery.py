"""Recovery on a quadratic: the Krylov space, what a prefix captures, and what a random walk gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from lglib.geometry.subspace import Subspace
from lglib.parameters.descent import OptimizerFactory, Trajectory, descend
from lglib.parameters.space import ParameterSpace

OPTIMISERS: Mapping[str, OptimizerFactory] = {
    "gradient descent": lambda p: torch.optim.SGD(p, lr=0.5),
    "heavy ball": lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.8),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
}
KRYLOV_D, KRYLOV_STEPS = 200, 10
D, STEPS, KS = 400, 100, (1, 2, 5, 10, 20)  # of the prefix captures
WALK_D = 2000


class Quadratic(torch.nn.Module):
    """The loss x.Hx / 2 - b.x with given eigenvalues (d,) of H, in random coordinates; x starts at 0."""

    def __init__(self, eigenvalues: np.ndarray, seed: int) -> None:
        super().__init__()
        d = len(eigenvalues)
        frame = Subspace.random(d, d, seed).basis  # (d, d), orthogonal
        self.H = frame @ torch.diag(torch.as_tensor(eigenvalues, dtype=torch.float64)) @ frame.T
        self.b = torch.randn(d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        self.x = torch.nn.Parameter(torch.zeros(d, dtype=torch.float64))

    def krylov(self, k: int) -> Subspace:
        """Krylov space of H and the first gradient, k-dimensional."""
        return Subspace.krylov(lambda v: self.H @ v, -self.b, k)


def _loss(quadratic: Any, noise: torch.Tensor) -> torch.Tensor:
    """Loss with the gradient Hx - b - noise."""
    x = quadratic.x
    return 0.5 * x @ quadratic.H @ x - (quadratic.b + noise) @ x


def recover(
    eigenvalues: np.ndarray, optimizer: OptimizerFactory, steps: int, seed: int, noise: float = 0.0
) -> tuple[Trajectory, Quadratic]:
    """Descend on a quadratic; `noise` is the length of gradient noise in lengths of the first gradient.

    >>> run, _ = recover(np.ones(4), OPTIMISERS["gradient descent"], 3, seed=0)
    >>> run.points.shape
    torch.Size([4, 4])
    """
    quadratic = Quadratic(eigenvalues, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    xi = noise * torch.randn(steps, len(eigenvalues), dtype=torch.float64, generator=generator)
    return descend(ParameterSpace(quadratic), _loss, optimizer, xi), quadratic


def krylov_distances(optimizer: OptimizerFactory, seed: int) -> np.ndarray:
    """Distance (T,) of each point from the Krylov space of its step, as a share of the way moved (Lemma 1).

    >>> bool(krylov_distances(OPTIMISERS["gradient descent"], seed=0).max() < 1e-12)
    True
    """
    run, quadratic = recover(np.linspace(0.01, 1, KRYLOV_D), optimizer, KRYLOV_STEPS, seed)
    x = run.points - run.points[0]  # (T + 1, d)
    spaces = [quadratic.krylov(t) for t in range(1, KRYLOV_STEPS + 1)]
    return np.array([((x[t] - K.project(x[t])).norm() / x[t].norm()).item() for t, K in enumerate(spaces, 1)])


def spectra() -> Mapping[str, np.ndarray]:
    """Eigenvalues (d,) of four Hessians, from even to a few large ones."""
    large_and_small = np.r_[np.linspace(0.5, 1, 10), np.linspace(1e-3, 2e-2, D - 10)]
    return {
        "within a factor 2": np.linspace(0.5, 1, D),
        "even, 0 to 1": np.linspace(0.001, 1, D),
        "falling as 1/i": 1 / np.arange(1, D + 1),
        "10 large, rest small": large_and_small,
    }


def prefix_captures(eigenvalues: np.ndarray, noise: float, seed: int) -> dict[int, float]:
    """Capture of 100 steps of gradient descent by the span of the first k updates, by k.

    Without noise the span is the Krylov space (Lemma 1) and is built as such: the updates themselves are too
    nearly parallel to be orthonormalised.
    """
    run, quadratic = recover(eigenvalues, OPTIMISERS["gradient descent"], STEPS, seed, noise)
    span: Callable[[int], Subspace] = (
        (lambda k: Subspace.prefix(run.points, k)) if noise else quadratic.krylov
    )
    return {k: float(span(k).capture(run.displacement)) for k in KS}


def walk(trial: int, seed: int) -> torch.Tensor:
    """Points (T + 1, d) of a random walk whose step length falls linearly to zero.

    >>> walk(0, seed=0).shape
    torch.Size([101, 2000])
    """
    noise = torch.Generator().manual_seed(trial + 1000 * seed)
    steps = _lengths()[:, None] * torch.randn(STEPS, WALK_D, dtype=torch.float64, generator=noise)
    return torch.cat([torch.zeros(1, WALK_D, dtype=torch.float64), steps.cumsum(0)])


def energy_share(k: int) -> float:
    """Share of the squared step lengths of `walk` that lies in its first k steps (Proposition 6, part 3).

    >>> round(energy_share(10), 2)
    0.27
    """
    size = _lengths()
    return (size[:k].square().sum() / size.square().sum()).item()


def _lengths() -> torch.Tensor:
    return torch.linspace(1, 0, STEPS + 1, dtype=torch.float64)[:STEPS]


def random_captures(count: int, seed: int, k: int = 10, d: int = D) -> np.ndarray:
    """Captures (count,) of one direction in R^d by random k-dimensional subspaces.

    >>> random_captures(3, seed=0).shape
    (3,)
    """
    delta = torch.randn(d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return np.array([Subspace.random(d, k, i).capture(delta) for i in range(count)])
