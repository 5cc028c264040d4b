"""Subspaces of weight space and what they capture, linear in k * d: P = U U^T (d, d) is never formed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lglib.base.checks import count

DTYPES = (torch.float32, torch.float64)  # half precision has no QR and too few digits for orthonormality
DeviceLike = torch.device | str
BLOCK = 2**16  # rows summed at a time: one float32 sum over d = 1e7 terms is off by 1e-3


@dataclass(frozen=True, eq=False)
class Subspace:
    """A k-dimensional subspace of R^d, held as an orthonormal basis U (PAPER.md, Notation).

    `basis` is (d, k), float32 or float64, finite, 1 <= k <= d; it is kept, not copied. ValueError if an entry
    of U^T U is further than sqrt(eps) from the identity (3e-4 in float32, 1.5e-8 in float64).

    >>> Subspace(torch.tensor([[0.6], [0.8]])).d
    2
    """

    basis: Tensor

    def __post_init__(self) -> None:
        """Refuse anything that is not an orthonormal basis."""
        _check("basis", self.basis, (2,))
        count("k", self.k, most=self.d)
        defect = (_dot(self.basis, self.basis).cpu() - torch.eye(self.k)).abs().max().item()
        if defect > torch.finfo(self.basis.dtype).eps ** 0.5:
            raise ValueError(f"basis: U^T U is off the identity by {defect:.1e}, want orthonormal columns")

    @classmethod
    def from_vectors(cls, vectors: Tensor) -> Subspace:
        """Span of the rows of `vectors` (n, d), orthonormalised in order as by Gram-Schmidt.

        Rows are scaled to unit norm first, so a row's length changes nothing. ValueError for a zero row or a
        rank below n; a singular value counts above 100 eps (1e-5 in float32) of the largest, whatever d is.

        >>> round(Subspace.from_vectors(torch.tensor([[2.0, 0, 0], [5, 3, 0]])).capture(torch.ones(3)), 3)
        0.667
        """
        _check("vectors", vectors, (2,))
        q, r, _, rank = _factor(_unit_rows("vectors", vectors))  # (d, n), (n, n) if the rank is n
        if rank < len(vectors):
            raise ValueError(f"vectors: found rank {rank}, want {len(vectors)} linearly independent rows")
        return cls(q * r.diagonal().sign())

    @classmethod
    def from_gradients(cls, gradients: Tensor, k: int, *, normalise: bool = False) -> Subspace:
        """Top-k directions of gradients (n, d): the static task plane or a local gradient basis (PAPER.md).

        They are the leading left singular vectors of the (d, n) matrix, uncentred, the largest entry of each
        positive. `normalise=True` gives every row unit norm first. ValueError if k exceeds the rank found.

        >>> round(Subspace.from_gradients(torch.tensor([[3.0, 0], [0, 1]]), k=1).capture(torch.ones(2)), 3)
        0.5
        """
        _check("gradients", gradients, (2,))
        count("k", k, most=gradients.shape[1])
        q, _, left, rank = _factor(_unit_rows("gradients", gradients) if normalise else gradients)
        if k > rank:
            raise ValueError(f"k: got {k}, want at most the rank found, {rank}")
        u = q @ left[:, :k]  # (d, k)
        return cls(u * u.gather(0, u.abs().argmax(0, keepdim=True)).sign())

    @classmethod
    def random(
        cls, d: int, k: int, seed: int, *, dtype: torch.dtype = torch.float64, device: DeviceLike = "cpu"
    ) -> Subspace:
        """Haar-uniform subspace, the null of every capture; a seed gives the same one on every device.

        >>> Subspace.random(d=50, k=3, seed=0).basis.shape
        torch.Size([50, 3])
        """
        count("k", k, most=d)
        if dtype not in DTYPES:
            raise ValueError(f"dtype: got {dtype}, want float32 or float64")
        q, r = _qr(torch.randn(d, k, generator=torch.Generator().manual_seed(seed), dtype=dtype))
        return cls((q * r.diagonal().sign()).to(device))  # the sign fix makes the QR unique, hence q Haar

    @classmethod
    def krylov(cls, hvp: Callable[[Tensor], Tensor], g0: Tensor, k: int) -> Subspace:
        """Krylov space span{g0, H g0, ..., H^(k-1) g0}: k gradient steps on a quadratic stay in it (Lemma 1).

        `hvp` maps (d,) to (d,). Arnoldi, orthogonalised twice against the whole basis. ValueError if the
        space closes before k: the new part is at most eps^(2/3) of ||H||, as in ARPACK (2e-5 in float32).

        >>> Subspace.krylov(lambda v: v.flip(0), torch.tensor([1.0, 0.0, 0.0]), k=2).capture(torch.eye(3)[2])
        1.0
        """
        _check("g0", g0, (1,))
        count("k", k, most=len(g0))
        u, scale = g0.new_zeros(len(g0), k), 0.0  # scale: largest ||H u_i|| so far, a lower bound for ||H||
        u[:, 0] = _unit_rows("g0", g0.detach()[None])[0]
        for i in range(1, k):
            w = hvp(u[:, i - 1].clone()).detach()
            _check("hvp(v)", w, (1,), like=g0)
            scale = max(scale, w.norm().item())
            for _ in range(2):  # once loses orthogonality when most of w is cancelled
                w = w - u[:, :i] @ _dot(u[:, :i], w).to(w)
            if w.norm().item() <= torch.finfo(g0.dtype).eps ** (2 / 3) * scale:
                raise ValueError(f"k: the Krylov space closes at dimension {i}, want {k}")
            u[:, i] = _unit_rows("hvp(v)", w[None])[0]
        return cls(u)

    @classmethod
    def prefix(cls, points: Tensor, k: int) -> Subspace:
        """Trajectory prefix: the first k updates theta_(i+1) - theta_i, orthonormalised in order (PAPER.md).

        `points` is (T + 1, d). Prefix k lies in prefix k + 1. ValueError if T < k or updates are dependent.

        >>> round(Subspace.prefix(torch.tensor([[0.0, 0], [0, 2], [1, 2]]), k=1).capture(torch.ones(2)), 3)
        0.5
        """
        _check("points", points, (2,))
        count("k", k, most=points.shape[1])
        if len(points) <= k:
            raise ValueError(f"points: got {len(points)} points, want at least k + 1 = {k + 1}")
        return cls.from_vectors(points[: k + 1].diff(dim=0))

    @property
    def d(self) -> int:
        """Dimension of the whole space."""
        return self.basis.shape[0]

    @property
    def k(self) -> int:
        """Dimension of the subspace."""
        return self.basis.shape[1]

    def coordinates(self, x: Tensor) -> Tensor:
        """Coordinates U^T x in the basis, (k,) for x of shape (d,) or (n, k) for (n, d), summed in float64.

        >>> Subspace(torch.eye(3)[:, :2]).coordinates(torch.tensor([3.0, 4.0, 5.0]))
        tensor([3., 4.])
        """
        _check("x", x, (1, 2), like=self.basis)
        return _dot(x.movedim(-1, 0), self.basis).to(x)

    def project(self, x: Tensor) -> Tensor:
        """P x = U U^T x for x of shape (d,) or (n, d); differentiable in x.

        >>> Subspace(torch.eye(3)[:, :1]).project(torch.tensor([3.0, 4.0, 0.0]))
        tensor([3., 0., 0.])
        """
        return self.coordinates(x) @ self.basis.T

    def capture(self, delta: Tensor) -> float | Tensor:
        """Share of the displacement's energy inside, ||P delta||^2 / ||delta||^2, between 0 and 1.

        A float for (d,), (n,) for (n, d). Clamped at 1 against rounding only. ValueError for a zero delta.

        >>> round(Subspace(torch.eye(2)[:, :1]).capture(torch.tensor([3.0, 4.0])), 6)
        0.36
        """
        _check("delta", delta, (1, 2), like=self.basis)
        coordinates = _dot(_unit_rows("delta", torch.atleast_2d(delta)).T, self.basis)  # (n, k)
        share = coordinates.square().sum(1).clamp(max=1.0).to(delta)
        return share if delta.ndim == 2 else share.item()

    def norm_ratio(self, delta: Tensor) -> float | Tensor:
        """Norm ratio ||P delta|| / ||delta||, the square root of the capture; shapes and errors as there.

        >>> round(Subspace(torch.eye(2)[:, :1]).norm_ratio(torch.tensor([3.0, 4.0])), 6)
        0.6
        """
        return self.capture(delta) ** 0.5

    def mass(self, a: Tensor) -> float | Tensor:
        """Signal mass ||P a||^2 (Proposition 1), in squared units of a: a float for (d,), (n,) for (n, d).

        >>> Subspace(torch.eye(3)[:, :2]).mass(torch.tensor([3.0, 4.0, 5.0]))
        25.0
        """
        _check("a", a, (1, 2), like=self.basis)
        mass = _dot(a.movedim(-1, 0), self.basis).square().sum(-1).to(a)
        return mass if a.ndim == 2 else mass.item()

    def density(self, a: Tensor) -> float | Tensor:
        """Signal density ||P a||^2 / k (Proposition 1); shapes as for `mass`.

        >>> Subspace(torch.eye(3)[:, :2]).density(torch.tensor([3.0, 4.0, 5.0]))
        12.5
        """
        return self.mass(a) / self.k

    def overlap(self, other: Subspace) -> float:
        """Mean squared cosine of the principal angles, ||U^T U'||_F^2 / min(k, k'), between 0 and 1.

        Dividing by the smaller k (the paper has k = k') gives nested ones 1; random ones: max(k, k') / d.

        >>> Subspace(torch.eye(3)[:, :1]).overlap(Subspace(torch.eye(3)[:, :2]))
        1.0
        """
        _check("other", other.basis.T, (2,), like=self.basis)
        return min(_dot(self.basis, other.basis).square().sum().item() / min(self.k, other.k), 1.0)

    def principal_angles(self, other: Subspace) -> Tensor:
        """Principal angles to `other` in radians, ascending, (min(k, k'),): arctan of sine over cosine.

        >>> Subspace(torch.eye(2)[:, :1]).principal_angles(Subspace(torch.tensor([[0.6], [0.8]])))
        tensor([0.9273])
        """
        _check("other", other.basis.T, (2,), like=self.basis)
        big, small = (self.basis, other.basis) if self.k >= other.k else (other.basis, self.basis)
        cross = _dot(big, small).to(big)  # (k_big, k_small); its cosines cannot tell angles below sqrt(eps)
        residual = _qr(small - big @ cross)[1]  # from 0, so take the sines too (Bjorck and Golub 1973)
        return torch.atan2(torch.linalg.svdvals(residual).flip(0), torch.linalg.svdvals(cross))


def _check(name: str, x: Tensor, ndims: tuple[int, ...], *, like: Tensor | None = None) -> None:
    if not isinstance(x, Tensor) or x.ndim not in ndims or x.numel() == 0 or x.dtype not in DTYPES:
        got = f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name}: got {got}, want a non-empty float32 or float64 tensor, ndim in {ndims}")
    if like is not None and (x.shape[-1], x.dtype, x.device) != (len(like), like.dtype, like.device):
        got = f"{name}: got d = {x.shape[-1]}, {x.dtype}, {x.device}"
        raise ValueError(f"{got}, want d = {len(like)}, {like.dtype}, {like.device}")
    if not torch.linalg.vector_norm(x.detach(), ord=float("inf")).isfinite():  # one pass and no copy of x
        raise ValueError(f"{name}: got non-finite values, want finite ones")


def _unit_rows(name: str, x: Tensor) -> Tensor:
    size = torch.linalg.vector_norm(x, ord=float("inf"), dim=1, keepdim=True)  # (n, 1)
    if zeros := (size[:, 0] == 0).nonzero()[:, 0].tolist():
        raise ValueError(f"{name}: got zero at {zeros[:10]}, want non-zero vectors")
    x = x / size  # first, so that no square over- or underflows
    parts = [torch.linalg.vector_norm(part, dim=1, dtype=torch.float64) for part in x.split(BLOCK, dim=1)]
    return x.div_(torch.linalg.vector_norm(torch.stack(parts), dim=0)[:, None].to(x))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    parts = zip(a.split(BLOCK), b.split(BLOCK), strict=True)  # a^T b in float64
    return torch.stack([x.movedim(0, -1).double() @ y.double() for x, y in parts]).sum(0)


def _qr(a: Tensor) -> tuple[Tensor, Tensor]:
    rows = max(BLOCK, 4 * a.shape[1])
    if len(a) <= rows:
        return torch.linalg.qr(a)
    qs, rs = zip(*map(torch.linalg.qr, a.split(rows)), strict=True)  # "tall and skinny" QR: block by block,
    q, r = _qr(torch.cat(rs))  # then of the stacked R
    return torch.cat([x @ y for x, y in zip(qs, q.split([len(x) for x in rs]), strict=True)]), r


def _factor(rows: Tensor) -> tuple[Tensor, Tensor, Tensor, int]:
    q, r = _qr(rows.detach().T)  # (d, m), (m, n), m = min(n, d)
    left, values, _ = torch.linalg.svd(r, full_matrices=False)
    return q, r, left, int((values > 100 * torch.finfo(rows.dtype).eps * values[0]).sum())
