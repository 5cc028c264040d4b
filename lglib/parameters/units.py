"""The length of a weight step with each tensor measured in its own root mean square.

|theta| is no unit where a few tensors are long: in Gemma 3 270M the gains of the norms are 65 times as long
as all matrices of the blocks together, so a step of a thousandth of |theta| is no small step of a matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lglib.parameters.space import ParameterSpace

FLOOR = 0.01  # of the median root mean square over tensors: what a smaller tensor counts with


class TensorScale:
    """Root mean square of each tensor at theta, and the length of steps (d,) in these units.

    Over the tensors t of n_t of the d parameters,

        length(delta) = sqrt(sum_t n_t / d (rms(delta_t) / rms(theta_t))^2),

    the root mean square over parameters of the step relative to the tensor it is in; |delta| / |theta| where
    all tensors have one root mean square. A tensor below 1 % of the median over tensors that are not zero
    counts with that (a bias that is still zero, say). The direction of a step is left as it is. `rms` holds
    the units by name, fixed at the theta of now. Raises ValueError where all tensors are zero: then there is
    no unit.

    >>> net = torch.nn.Linear(2, 1, bias=False)
    >>> with torch.no_grad():
    ...     _ = net.weight.copy_(torch.tensor([[3.0, 4.0]]))
    >>> scale = TensorScale(ParameterSpace(net))
    >>> round(scale.length(torch.tensor([0.3, 0.4])), 6)
    0.1
    """

    def __init__(self, space: ParameterSpace) -> None:
        """Measure the tensors of a space at its present theta."""
        self._slices = dict(space.slices)
        found = {name: space.module.get_parameter(name).detach() for name in space.names}
        sizes = {name: _norm(p) / max(p.numel(), 1) ** 0.5 for name, p in found.items()}
        if not any(sizes.values()):
            raise ValueError("space: all of its tensors are zero at theta, so a step has no unit of length")
        there = torch.tensor([size for size in sizes.values() if size > 0], dtype=torch.float64)
        floor = FLOOR * there.median().item()
        self.rms = {name: max(size, floor) for name, size in sizes.items()}
        self.d = space.d

    def length(self, delta: Tensor) -> float:
        """Length of a step (d,) in units of the tensors' own root mean squares.

        Raises ValueError for a step of another shape, or one that is not finite.
        """
        if delta.shape != (self.d,):
            raise ValueError(f"delta must be ({self.d},), got {tuple(delta.shape)}")
        squares = sum((_norm(delta[part]) / self.rms[name]) ** 2 for name, part in self._slices.items())
        length = float(squares / self.d) ** 0.5
        if not length < float("inf"):
            raise ValueError(f"delta must be finite, got a length of {length}")
        return length

    def unit(self, delta: Tensor) -> float:
        """Factor that gives a step (d,) the length 1; ValueError for a step that is zero.

        >>> scale = TensorScale(ParameterSpace(torch.nn.Linear(2, 1)))
        >>> u = torch.ones(3)
        >>> round(scale.length(scale.unit(u) * u), 6)
        1.0
        """
        if not (length := self.length(delta)) > 0:
            raise ValueError("delta is zero: no factor gives it a length")
        return 1 / length


def _norm(x: Tensor) -> float:
    return torch.linalg.vector_norm(x, dtype=torch.float64).item()
