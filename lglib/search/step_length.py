"""The best step of a random search around a point, from slope and curvature there: sigma*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lglib.parameters import hessian
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.parameters.vectors import length
from lglib.theory import laws, stats


@dataclass(frozen=True)
class SigmaStar:
    """Best standard deviation of the noise, the gain it promises, and what it was made from.

    `slope` is ||g||; `trace` tr(H) with its interval over probes; `along` g.Hg / ||g||^2. Gain in units of
    the loss, of the best of `n` on the questions it was selected on; the gain elsewhere is smaller.
    """

    sigma: float
    gain: float
    n: int
    slope: float
    trace: stats.Interval
    along: float

    def __str__(self) -> str:
        return (
            f"sigma* = {self.sigma:.3g} promises {self.gain:.3g} for the best of {self.n} "
            f"(slope {self.slope:.3g}, tr H {self.trace}, curvature along the gradient {self.along:.3g})"
        )


def sigma_star(
    space: ParameterSpace, loss_fn: LossFn, batch: Any = None, *, n: int, probes: int = 32, seed: int = 0
) -> SigmaStar:
    """Noise scale at which the best of n random candidates gains most, ||g|| m_N / tau_N, at theta.

    One gradient and `probes` + 1 Hessian products. Raises ValueError when mean curvature is not positive:
    then the quadratic law has no finite optimum (`theory.laws.optimal_sigma`).

    >>> import torch
    >>> net = torch.nn.Linear(4, 1, bias=False)
    >>> found = sigma_star(ParameterSpace(net), lambda m, x: m(x).square().mean(), torch.eye(4), n=16)
    >>> found.sigma > 0, round(found.trace.estimate, 3)
    (True, 2.0)
    """
    gradient = space.gradient(loss_fn, batch)
    product = space.hvp_operator(loss_fn, batch)
    trace = hessian.trace(product, gradient, probes, seed)
    slope = length(gradient)  # in float64: float32 adds up long vectors with an error of 1e-4
    (along,) = hessian.along(product, [gradient / slope])
    sigma = laws.optimal_sigma(slope, trace.estimate, n, along=along)
    gain = laws.optimal_gain(slope, trace.estimate, n, along=along)
    return SigmaStar(sigma, gain, n, slope, trace, along)
