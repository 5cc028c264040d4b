"""Which noise scale to take: a share of sigma*, since what holds on questions not searched on is less."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lglib.base.checks import real
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.parameters.vectors import dot, length
from lglib.search import step_length
from lglib.search.step_length import Curvature
from lglib.theory import laws

SHARE = 0.3  # of sigma*: what chapter 3 advises


def advised_sigma(
    space: ParameterSpace,
    loss_fn: LossFn,
    batch: Any = None,
    *,
    n: int,
    share: float = SHARE,
    probes: int = 16,
    seed: int = 0,
) -> float:
    """Standard deviation of the noise for a best-of-n search at theta: 0.3 sigma*, or another share of it.

    sigma* (`search.sigma_star`) is best for the questions that were searched on, where loss and gradient are
    quadratic and exact. Elsewhere the slope is smaller and the curvature is not, so a smaller step gains
    more and risks less; at 0.3 sigma* the law itself gives up half of the gain. Where the gradient of other
    questions has nothing in common with that of these, no scale gains there. Costs one gradient and
    `probes` + 1 Hessian products. Raises NotMeasurable, a ValueError, where mean curvature is not positive
    and there is no sigma*: try lengths then. ValueError for a share that is not above 0.

    >>> import torch
    >>> net = torch.nn.Linear(4, 1, bias=False)
    >>> loss, x = lambda m, x: m(x).square().mean(), torch.eye(4)
    >>> star = step_length.sigma_star(ParameterSpace(net), loss, x, n=16, probes=16)
    >>> round(advised_sigma(ParameterSpace(net), loss, x, n=16) / star.sigma, 6)
    0.3
    """
    if not real("share", share, "above 0") > 0:
        raise ValueError(f"share must be above 0, got {share!r}")
    return share * step_length.sigma_star(space, loss_fn, batch, n=n, probes=probes, seed=seed).sigma


def held_out_law(sigma: float, select: Tensor, held: Tensor, curved: Curvature, n: int) -> float:
    """Mean gain on held-out questions of the best of n on others, with curvature (beyond the paper).

    `select`, `held`: gradients (d,) of the two losses, the first not zero; `curved`: curvature of the
    held-out loss, `along` the first. sigma m_N <select, held> / |select| - sigma^2 (tr H + h (q_N - 1)) / 2,
    where h is u.Hu along u = select / |select|. Exact on a quadratic loss for the candidate that is best by
    the linear gain; `linear_winner_gain` where both losses are one.

    >>> import torch
    >>> g = torch.tensor([3.0, 4.0])
    >>> from lglib.theory.stats import Interval
    >>> curved = Curvature(5.0, Interval(2.0, 1.0, 3.0, 0.95, 8), 1.0)
    >>> round(held_out_law(0.1, g, g, curved, 16), 6)
    0.860927
    >>> round(laws.linear_winner_gain(0.1, 5.0, 2.0, 1.0, 16), 6)
    0.860927
    """
    linear = sigma * laws.expected_maximum(n) * dot(select, held) / length(select)
    tau = curved.trace.estimate + curved.along * (laws.maximum_second_moment(n) - 1)
    return float(linear - sigma**2 * tau / 2)
