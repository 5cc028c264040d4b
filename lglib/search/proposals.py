"""Directions to try: unit vectors, uniform on the sphere of a subspace or of all of R^d, by key."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lglib.base import seeding
from lglib.geometry.subspace import Subspace
from lglib.parameters.space import ParameterSpace
from lglib.search import random_search

Proposal = Callable[[int], Tensor]  # candidate number -> unit vector (d,)


def within(subspace: Subspace, seed: int, name: str) -> Proposal:
    """Return the proposal that is uniform on the unit sphere of a subspace: candidate i gives U z / ||z||.

    z is standard normal in R^k, keyed by (seed, name, i): nothing is stored but the basis.

    >>> propose = within(Subspace.random(50, 3, seed=0), seed=0, name="random")
    >>> round(propose(7).norm().item(), 6), bool((propose(7) == propose(7)).all())
    (1.0, True)
    """
    basis = subspace.basis

    def propose(candidate: int) -> Tensor:
        z = torch.randn(
            subspace.k, generator=seeding.generator(seed, name, candidate), dtype=torch.float64
        )  # (k,)
        return basis @ (z / z.norm()).to(basis)

    return propose


def everywhere(
    d: int, seed: int, name: str, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Proposal:
    """Return the proposal that is uniform on the unit sphere of R^d.

    >>> round(everywhere(1000, seed=0, name="full")(3).norm().item(), 5)
    1.0
    """

    def propose(candidate: int) -> Tensor:
        dice = seeding.generator(seed, name, candidate, device=device)
        z = torch.randn(d, generator=dice, dtype=dtype, device=device)
        return z.div_(torch.linalg.vector_norm(z, dtype=torch.float64).to(z))

    return propose


def everywhere_by_tensor(space: ParameterSpace, seed: int) -> Proposal:
    """Proposal uniform on the unit sphere of R^d, its noise keyed by (seed, candidate, name of the tensor).

    Two tensors of one shape never share it: see the tied noise of chapter 1.

    >>> propose = everywhere_by_tensor(ParameterSpace(torch.nn.Linear(5, 5)), seed=0)
    >>> round(propose(3).norm().item(), 5)
    1.0
    """

    def propose(candidate: int) -> Tensor:
        z = random_search.noise(space, seed, candidate)
        return z.div_(torch.linalg.vector_norm(z, dtype=torch.float64).to(z))

    return propose
