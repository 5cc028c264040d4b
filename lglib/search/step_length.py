"""The best step of a random search around a point, from slope and curvature there: sigma*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lglib.base.checks import NotMeasurable
from lglib.parameters import hessian
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.parameters.vectors import length
from lglib.theory import laws, stats


@dataclass(frozen=True)
class Curvature:
    """Slope ||g|| of a loss at theta, tr(H) with its interval over probes, and g.Hg / ||g||^2."""

    slope: float
    trace: stats.Interval
    along: float


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


def curvature(
    space: ParameterSpace, loss_fn: LossFn, batch: Any = None, *, probes: int = 32, seed: int = 0
) -> Curvature:
    """Slope and curvature at theta, from one gradient and `probes` + 1 Hessian products.

    >>> import torch
    >>> net = torch.nn.Linear(4, 1, bias=False)
    >>> found = curvature(ParameterSpace(net), lambda m, x: m(x).square().mean(), torch.eye(4))
    >>> round(found.trace.estimate, 3)
    2.0
    """
    gradient = space.gradient(loss_fn, batch)
    product = space.hvp_operator(loss_fn, batch)
    trace = hessian.trace(product, gradient, probes, seed)
    slope = length(gradient)  # in float64: float32 adds up long vectors with an error of 1e-4
    (along,) = hessian.along(product, [gradient / slope])
    return Curvature(slope, trace, along)


def optimum(found: Curvature, n: int) -> SigmaStar:
    """Noise scale at which the best of n random candidates gains most, ||g|| m_N / tau_N.

    Raises NotMeasurable when mean curvature is not positive: then the quadratic law has no finite optimum
    (`theory.laws.optimal_sigma`).

    >>> try:
    ...     optimum(Curvature(1.0, stats.Interval(-3.1, -4.0, -2.0, 0.95, 8), 0.5), 16)
    ... except NotMeasurable as why:
    ...     print(why)
    no finite optimum: the Hessian's trace is -3.1, 0.5 along the gradient
    """
    slope, trace, along = found.slope, found.trace.estimate, found.along
    if not trace + along * (laws.maximum_second_moment(n) - 1) > 0:
        raise NotMeasurable(
            f"no finite optimum: the Hessian's trace is {trace:.3g}, {along:.3g} along the gradient"
        )
    sigma = laws.optimal_sigma(slope, trace, n, along=along)
    gain = laws.optimal_gain(slope, trace, n, along=along)
    return SigmaStar(sigma, gain, n, slope, found.trace, along)


def sigma_star(
    space: ParameterSpace, loss_fn: LossFn, batch: Any = None, *, n: int, probes: int = 32, seed: int = 0
) -> SigmaStar:
    """Best noise scale of random search at theta (`optimum`) from slope and `curvature` there.

    Raises NotMeasurable, a ValueError, where there is none.

    >>> import torch
    >>> net = torch.nn.Linear(4, 1, bias=False)
    >>> found = sigma_star(ParameterSpace(net), lambda m, x: m(x).square().mean(), torch.eye(4), n=16)
    >>> found.sigma > 0, round(found.trace.estimate, 3)
    (True, 2.0)
    """
    return optimum(curvature(space, loss_fn, batch, probes=probes, seed=seed), n)
