"""Quadratic losses in the coordinates of their eigenvectors: spectrum, first gradient, law of the noise.

Captures do not change under a rotation, so nothing is lost by these coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from lglib.base import seeding

FEW = 10  # large eigenvalues of the last spectrum
SPECTRA: Mapping[str, Callable[[int], np.ndarray]] = {
    "within a factor 2": lambda d: np.linspace(1, 0.5, d),
    "even, 0 to 1": lambda d: np.linspace(1, 0.001, d),
    "geometric, 1 to 1e-4": lambda d: np.geomspace(1, 1e-4, d),
    "falling as 1/i": lambda d: 1 / np.arange(1, d + 1),
    "falling as 1/i^2": lambda d: 1 / np.arange(1, d + 1) ** 2,
    "10 large, rest small": lambda d: np.r_[np.linspace(1, 0.5, FEW), np.linspace(2e-2, 1e-3, d - FEW)],
}
EVEN, MINIMUM = "even", "near a minimum"
SETTINGS = (EVEN, MINIMUM)


@dataclass(frozen=True)
class Loss:
    """x.Hx / 2 - b.x for H with these eigenvalues (d,), in their coordinates; descent starts at x = 0.

    `descent` is b (d,), the negative first gradient, and `scale` (d,) the standard deviation of the noise by
    coordinate at noise 1, where the mean squared length of the noise is |b|^2. `made` has 1 as the largest
    eigenvalue.
    """

    eigenvalues: np.ndarray
    descent: np.ndarray
    scale: np.ndarray


def made(spectrum: str, setting: str, d: int, seed: int) -> Loss:
    """Loss with a spectrum of SPECTRA in a setting of SETTINGS.

    "even": b is a random direction and the noise is alike in all directions. "near a minimum": the minimum is
    in a random direction, so b is H times that, and the covariance of the noise is H, as for a likelihood.
    Raises KeyError for a spectrum or a setting that does not exist.

    >>> loss = made("falling as 1/i", "even", 30, seed=0)
    >>> bool(np.isclose((loss.scale**2).sum(), (loss.descent**2).sum()))
    True
    """
    if setting not in SETTINGS:
        raise KeyError(f"setting is {setting!r}; there is: {', '.join(SETTINGS)}")
    eigenvalues = SPECTRA[spectrum](d)
    draw = seeding.generator("quadratic", seed, spectrum, setting, "direction")
    direction = torch.randn(d, dtype=torch.float64, generator=draw).numpy()
    even = setting == EVEN
    descent = direction if even else eigenvalues * direction
    scale = np.ones(d) if even else np.sqrt(eigenvalues)
    return Loss(eigenvalues, descent, scale * np.linalg.norm(descent) / np.linalg.norm(scale))
