"""A pool of random-search candidates from several subspaces: their gains, and what they looked like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.base.chunks import at_once
from lglib.geometry.subspace import Subspace
from lglib.parameters.space import LossFn, ParameterSpace
from lglib.parameters.vectors import length
from lglib.search import proposals, random_search


@dataclass(frozen=True)
class Pool:
    """Candidates rho u, u a unit vector, at one point theta: n of them, each tried at every norm rho.

    family (n,): where u was drawn; gains (n, norms): loss decrease in nats; slope (n,): -g.u, the gain by
    unit norm if the loss were linear; alignment (n,): cosine of u with -g; overlap (n,): capture of u by
    the static plane; curvature (n,): u^T H u; norms (norms,); density: ||P g||^2 / k by family.
    """

    family: np.ndarray
    gains: np.ndarray
    slope: np.ndarray
    alignment: np.ndarray
    overlap: np.ndarray
    curvature: np.ndarray
    norms: np.ndarray
    density: Mapping[str, float]

    def take(self, families: Sequence[str]) -> Pool:
        """Return the pool of some families only; ValueError for an unknown one."""
        if unknown := sorted(set(families) - set(self.density)):
            raise ValueError(f"families {unknown} are not in the pool; there is: {', '.join(self.density)}")
        kept = np.isin(self.family, list(families))
        columns = ("family", "gains", "slope", "alignment", "overlap", "curvature")
        density = {name: self.density[name] for name in families}
        return replace(self, density=density, **{name: getattr(self, name)[kept] for name in columns})

    @property
    def quadratic(self) -> np.ndarray:
        """Return the gains (n, norms) of the second-order expansion, rho slope - rho^2 curvature / 2."""
        return self.norms * self.slope[:, None] - 0.5 * self.norms**2 * self.curvature[:, None]


def draw(
    space: ParameterSpace,
    loss_fn: LossFn,
    batch: Any,
    spaces: Mapping[str, Subspace | None],
    *,
    static: Subspace,
    norms: Sequence[float],
    candidates: int,
    seed: int,
) -> Pool:
    """Try `candidates` directions of each subspace (None stands for all of R^d) at every norm, on one batch.

    Gradient, curvature and gains are those of the same batch at the present theta. Curvatures take one
    Hessian-vector product for each basis vector, and one a candidate for None. Raises ValueError for no
    subspace, candidates < 2, or what `search.gains` refuses.
    """
    if not spaces:
        raise ValueError("spaces is empty: name at least one subspace to draw from")
    if isinstance(candidates, bool) or not isinstance(candidates, int) or candidates < 2:
        raise ValueError(f"candidates must be at least 2 a subspace, got {candidates!r}")
    for name, one in {"static": static, **spaces}.items():
        if one is not None and (one.d, one.basis.dtype) != (space.d, space.dtype):
            raise ValueError(
                f"subspace {name!r} is one of R^{one.d} in {one.basis.dtype}, "
                f"the model has d = {space.d} in {space.dtype}"
            )
    gradient = space.gradient(loss_fn, batch)
    if not gradient.any():
        raise ValueError("the gradient is zero at this point: slope and alignment say nothing")
    steepness = length(gradient)
    size = at_once(8.0 * gradient.nbytes, candidates, space.device)  # directions, and their float64 copies
    product = space.hvp_operator(loss_fn, batch)  # before any candidate is written into the model
    proposed: dict[str, proposals.Proposal] = {}
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []  # slope, alignment, overlap, curvature
    for name, subspace in spaces.items():
        if subspace is None:
            proposed[name] = proposals.everywhere(space.d, seed, name, dtype=space.dtype, device=space.device)
        else:
            proposed[name] = proposals.within(subspace, seed, name)
        bent = _bending(product, subspace)
        for own in torch.arange(candidates).split(size):
            u = torch.stack([proposed[name](i) for i in own.tolist()])  # (size, d)
            slope = -(u.double() @ gradient.double())
            parts.append((slope, slope / steepness, torch.as_tensor(static.capture(u)), bent(u)))
    del product  # its graph would not survive the candidates
    asked: dict[str, Any] = dict(sigmas=list(norms), candidates=candidates, seed=seed)
    gained = [
        random_search.gains(space, loss_fn, [batch], direction=proposal, **asked)[:, :, 0]
        for proposal in proposed.values()
    ]
    slopes, alignments, overlaps, curvatures = (
        torch.cat(c).double().cpu().numpy() for c in zip(*parts, strict=True)
    )
    density = {
        name: gradient.square().sum().item() / space.d if s is None else float(s.density(gradient))
        for name, s in spaces.items()
    }
    family = np.repeat(list(spaces), candidates)
    return Pool(
        family,
        np.concatenate(gained),
        slopes,
        alignments,
        overlaps,
        curvatures,
        np.array(norms),
        density,
    )


def _bending(product: Any, subspace: Subspace | None) -> Callable[[Tensor], Tensor]:
    """Function from rows u (n, d) to u^T H u (n,): by U^T H U where they lie in the span of U."""
    if subspace is None:
        return lambda u: torch.stack([row @ product(row) for row in u])
    basis = subspace.basis
    curved = torch.stack([product(basis[:, j].contiguous()) for j in range(subspace.k)], dim=1)  # (d, k)
    inner = basis.T @ curved  # (k, k)

    def bent(u: Tensor) -> Tensor:
        z = subspace.coordinates(u)  # (n, k)
        return ((z @ inner) * z).sum(1)

    return bent
