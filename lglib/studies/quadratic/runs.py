"""Descent on a quadratic with noisy gradients: its points, in the coordinates of the eigenvectors."""

from __future__ import annotations

import torch

from lglib.base import seeding
from lglib.parameters.descent import Trajectory
from lglib.studies.quadratic.losses import Loss


def unit_noise(loss: Loss, steps: int, seed: int, *key: str) -> torch.Tensor:
    """Gradient noise (steps, d) at noise 1, by key: the same for every level of the noise and every momentum.

    >>> from lglib.studies.quadratic.losses import made
    >>> unit_noise(made("even, 0 to 1", "even", 30, 0), 3, seed=0).shape
    torch.Size([3, 30])
    """
    draw = seeding.generator("quadratic", seed, *key, "noise")
    drawn = torch.randn(steps, len(loss.scale), dtype=torch.float64, generator=draw)
    return drawn * torch.as_tensor(loss.scale)


def descend(loss: Loss, noise: torch.Tensor, *, rate: float, momentum: float) -> Trajectory:
    """Run of SGD with momentum: x <- x - rate (Hx - b - noise_t) + momentum (x - last x), from 0.

    `noise` (T, d) is added to the negative gradient of each step.

    >>> from lglib.studies.quadratic.losses import made
    >>> loss = made("even, 0 to 1", "even", 30, 0)
    >>> run = descend(loss, unit_noise(loss, 5, seed=0), rate=0.5, momentum=0.0)
    >>> run.points.shape
    torch.Size([6, 30])
    """
    h, b = (torch.as_tensor(x, dtype=torch.float64) for x in (loss.eigenvalues, loss.descent))
    x, last = torch.zeros_like(b), torch.zeros_like(b)
    points, losses = [x], []
    for push in noise:
        losses.append((0.5 * h * x - b) @ x)
        x, last = x - rate * (h * x - b - push) + momentum * (x - last), x
        points.append(x)
    return Trajectory(torch.stack(points), torch.stack(losses), torch.arange(len(points)))
