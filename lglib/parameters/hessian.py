"""Curvature of a loss without its Hessian: the trace by Hutchinson's estimator, and u.Hu along directions.

Everything is Hessian-vector products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from lglib.base import seeding
from lglib.base.checks import count
from lglib.parameters.vectors import dot
from lglib.theory import stats

Product = Callable[[Tensor], Tensor]


def trace(
    product: Product, like: Tensor, probes: int, seed: int, *, where: slice | None = None
) -> stats.Interval:
    """tr(H) by Hutchinson's estimator: the mean of z.Hz over random signs z, with its Student-t interval.

    Unbiased, with variance 2 sum_{i != j} H_ij^2 a probe (Hutchinson 1990). `product` is v to Hv, `like` any
    vector (d,) of the right dtype and device; `where` restricts to the diagonal block of some coordinates.
    Raises ValueError for fewer than two probes or a product that is not finite.

    >>> h = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> found = trace(lambda v: h @ v, torch.zeros(2), probes=200, seed=0)
    >>> found.contains(5.0)
    True
    """
    probes = count("probes", probes, 2)
    if where is not None and not like[where].numel():
        raise ValueError(f"where is {where}, which chooses none of the {len(like)} coordinates")
    values = []
    for i in range(probes):
        z = _signs(like, seed, i)
        if where is not None:
            kept, z = z[where].clone(), torch.zeros_like(z)
            z[where] = kept
        value = dot(z, product(z))
        if not math.isfinite(value):
            raise ValueError(f"product: z.Hz is {value}, want a finite number")
        values.append(value)
    return stats.mean_interval(values)


def _signs(like: Tensor, seed: int, probe: int) -> Tensor:
    """Random signs of the shape of a vector, drawn where it lies: a GPU has a stream of its own."""
    dice = seeding.generator(seed, "hutchinson", probe, device=like.device)
    return torch.randint(2, like.shape, generator=dice, device=like.device).to(like).mul_(2).sub_(1)


def along(product: Product, directions: Iterable[Tensor]) -> list[float]:
    """u.Hu of each direction (d,), in float64; the directions may be a generator, one is held at a time.

    >>> along(lambda v: 3 * v, [torch.tensor([1.0, 0.0])])
    [3.0]
    """
    return [dot(u, product(u)) for u in directions]
