"""From a weight step to an activation shift: the error of the pushforward on a digit network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev, jvp

from lglib.parameters.space import ParameterSpace
from lglib.tasks import digits

SCALES = np.geomspace(1e-5, 1e-1, 9)  # lengths of the weight step
RANDOM = 8  # random directions beside the gradient
IMAGES, WIDTH = 5, 20


@dataclass(frozen=True)
class Outputs:
    """The outputs h(theta) (50,) of a digit network on five images, in double precision, and its loss."""

    space: ParameterSpace
    images: Tensor
    labels: Tensor

    @classmethod
    def untrained(cls, seed: int) -> Outputs:
        """Outputs of a network of 20 hidden units with fresh weights."""
        images, labels = digits.load(seed).train
        return cls(
            ParameterSpace(digits.network(WIDTH, seed).double()), images[:IMAGES].double(), labels[:IMAGES]
        )

    def __call__(self, theta: Tensor) -> Tensor:
        """h(theta), shape (50,)."""
        return self.space.functional(theta, self.images).flatten()

    def gradient(self) -> Tensor:
        """Gradient g (d,) of the mean cross-entropy at the present weights."""
        return self.space.gradient(digits.mean_cross_entropy, (self.images, self.labels))


def directions(h: Outputs, seed: int) -> list[Tensor]:
    """The gradient, and eight random directions, (d,) each."""
    generator = torch.Generator().manual_seed(seed)
    random = [torch.randn(h.space.d, dtype=torch.float64, generator=generator) for _ in range(RANDOM)]
    return [h.gradient(), *random]


def remainders(h: Outputs, direction: Tensor) -> np.ndarray:
    """|| h(theta + delta) - h(theta) - J delta || (scales,) for steps of falling length in one direction.

    >>> h = Outputs.untrained(0)
    >>> bool(remainders(h, h.gradient())[0] < 1e-9)
    True
    """
    theta, found = h.space.flatten(), []
    for scale in SCALES:
        delta = direction * scale / direction.norm()
        before, push = jvp(h, (theta,), (delta,))[:2]
        found.append((h(theta + delta) - before - push).norm().item())
    return np.array(found)


def order(errors: np.ndarray) -> float:
    """Power of the step with which the errors (scales,) fall: the slope on logarithmic axes.

    >>> round(order(3 * SCALES**2), 6)
    2.0
    """
    return float(np.polyfit(np.log(SCALES), np.log(errors), 1)[0])


def kernel_gap(h: Outputs) -> float:
    """Relative difference of two forms of a gradient step's shift: -J J^T grad_h loss, and the pushforward.

    >>> kernel_gap(Outputs.untrained(0)) < 1e-12
    True
    """
    theta = h.space.flatten()
    J = jacrev(h)(theta)  # (50, d)
    out = h(theta).detach().requires_grad_()
    loss = torch.nn.functional.cross_entropy(out.view(IMAGES, digits.CLASSES), h.labels)
    kernel = -J @ J.T @ torch.autograd.grad(loss, out)[0]  # (50,)
    push = jvp(h, (theta,), (-h.gradient(),))[1]
    return ((kernel - push).norm() / push.norm()).item()
