"""Random sketches of gradients, R^d to R^m: CountSketch and dense (Johnson-Lindenstrauss), and their laws.

A sketch is a visitor of `per_example_gradients`: it adds up blocks
of gradients and never holds the (n, d) matrix. Claim L1; the laws are proved in chapter 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lglib.base import seeding
from lglib.base.checks import count

KINDS = ("countsketch", "dense")
CHUNK = 4096  # columns of a dense sketch that exist at a time


class Sketch:
    """Sketches S x_i in R^m of n vectors of R^d that come in blocks.

    `kind` "countsketch" (Charikar, Chen and Farach-Colton 2002): each coordinate is added, with a random
    sign, to one of m buckets. "dense": S has independent N(0, 1/m) entries. Both keep inner products on
    average. Randomness is keyed by (seed, name of the parameter, row at which a block begins), so another
    budget of `per_example_gradients` gives another sketch. Raises ValueError unless 1 <= m <= d, or for an
    unknown kind.

    >>> sketch = Sketch("countsketch", m=2, d=3, seed=0)
    >>> sketch("weight", 0, torch.eye(3))
    >>> sketch.gram.diagonal().tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, kind: str, *, m: int, d: int, seed: int) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; there is: {', '.join(KINDS)}")
        m = count("m, the sketch's dimension,", m, 1, d)
        self.kind, self.m, self.d, self.seed = kind, m, d, seed
        self.rows: Tensor | None = None

    def __call__(self, name: str, row: int, block: Tensor) -> None:
        """Add the part of the vectors that lies in a block (n, ...)."""
        flat = block.reshape(len(block), -1)  # (n, w)
        if self.rows is None:
            self.rows = flat.new_zeros(len(flat), self.m)
        dice = seeding.generator(self.seed, self.kind, name, row)
        width = flat.shape[1]
        if self.kind == "countsketch":
            bucket = torch.randint(self.m, (width,), generator=dice).to(flat.device)
            sign = (2 * torch.randint(2, (width,), generator=dice) - 1).to(flat)
            self.rows.index_add_(1, bucket, flat * sign)
            return
        for start in range(0, width, CHUNK):
            part = flat[:, start : start + CHUNK]
            s = torch.randn(part.shape[1], self.m, generator=dice, dtype=flat.dtype).to(flat.device)
            self.rows.addmm_(part, s, alpha=self.m**-0.5)

    def fresh(self) -> Sketch:
        """The same sketch before its first block: for some of the vectors."""
        return Sketch(self.kind, m=self.m, d=self.d, seed=self.seed)

    def put(self, chosen: Tensor, n: int, part: Sketch) -> None:
        """Take the sketches of the vectors `chosen`, out of n, from a `fresh` one that was shown those."""
        if part.rows is None:
            return
        if self.rows is None:
            self.rows = part.rows.new_zeros(n, self.m)
        self.rows[chosen.to(self.rows.device)] = part.rows

    @property
    def gram(self) -> Tensor:
        """Gram matrix (n, n) of the sketches, float64; ValueError before the first block."""
        if self.rows is None:
            raise ValueError("the sketch has seen no block yet")
        rows = self.rows.double()
        return (rows @ rows.T).cpu()


class Squares:
    """Visitor that adds up sum_k x_ik^2 x_jk^2, the one term in which the two sketches' variances differ."""

    def __init__(self) -> None:
        self.gram: Tensor | None = None

    def __call__(self, name: str, row: int, block: Tensor) -> None:
        """Add a block (n, ...)."""
        squared = block.reshape(len(block), -1).square()
        mine = (squared @ squared.T).double().cpu()
        self.gram = mine if self.gram is None else self.gram + mine

    def fresh(self) -> Squares:
        """An empty one."""
        return Squares()

    def put(self, chosen: Tensor, n: int, part: Squares) -> None:
        """Take the sums of the vectors `chosen`, out of n, from a `fresh` one that was shown those."""
        if part.gram is None:
            return
        if self.gram is None:
            self.gram = part.gram.new_zeros(n, n)
        own = chosen.cpu()
        self.gram[own[:, None], own] = part.gram


def variance(gram: Tensor, m: int, *, squares: Tensor | None = None) -> Tensor:
    """Variance (n, n) of each inner product of sketches in R^m, from the exact Gram matrix G.

    Dense: (G_ii G_jj + G_ij^2) / m. CountSketch, with `squares` Q_ij = sum_k x_ik^2 x_jk^2:
    (G_ii G_jj + G_ij^2 - 2 Q_ij) / m. Raises ValueError for m < 1.

    >>> variance(torch.eye(2), 4).tolist()
    [[0.5, 0.25], [0.25, 0.5]]
    """
    if not m >= 1:
        raise ValueError(f"m must be at least 1, got {m!r}")
    lengths = gram.diagonal()
    found = lengths * lengths[:, None] + gram.square()
    return (found if squares is None else found - 2 * squares) / m


def participation_ratio(exact: float, m: int) -> float:
    """Participation ratio that a dense sketch in R^m shows, from the exact one: 1/r' = (1 + 1/m)/r + 1/m.

    The ratio of expectations (tr G)^2 / E ||G'||_F^2; it is below r, and below m however large r is. Raises
    ValueError for a ratio below 1 or m < 1.

    >>> round(participation_ratio(100.0, 100), 2), round(participation_ratio(1.0, 10**9), 6)
    (49.75, 1.0)
    """
    if not (exact >= 1 and m >= 1):
        raise ValueError(f"exact and m must be at least 1, got {exact!r} and {m!r}")
    return 1 / ((1 + 1 / m) / exact + 1 / m)
