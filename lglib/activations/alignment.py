"""Do two mean vectors agree? Their cosine with an interval over items, and what chance gives."""

from __future__ import annotations

import torch
from torch import Tensor

from lglib.activations.steering import cosines
from lglib.base import seeding
from lglib.base.checks import count
from lglib.theory import stats

SHARE = 0.95  # of chance that lies below a null value


def cosine(a: Tensor, b: Tensor) -> stats.Interval:
    """Cosine of the means of a and b, both (n, width), with a jackknife interval over their rows.

    The i-th rows of both are left out together; where they are of different items, as here, that is as good
    as leaving them out apart. (A bootstrap would draw twice the noise, and a cosine only falls with noise.)
    Raises ValueError for other shapes, fewer than 2 rows, or means that are zero.

    >>> a = torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.0]])
    >>> round(cosine(a, a.flip(1)).estimate, 6)
    0.0
    """
    _same(a, b)
    if len(a) < 2 or not (a.mean(0).any() and b.mean(0).any()):
        raise ValueError("a and b need at least 2 rows, and means that are not zero: there is no direction")
    n, x, y = len(a), a.double(), b.double()
    value = cosines(x.mean(0), y.mean(0)).item()
    without = cosines(*((t.sum(0) - t) / (n - 1) for t in (x, y))).cpu().numpy()  # (n,)
    pseudo = n * value - (n - 1) * without
    spread = stats.mean_interval(pseudo)
    half = (spread.high - spread.low) / 2
    return stats.Interval(value, value - half, value + half, spread.level, n)


def halves(a: Tensor, seed: int, *, draws: int = 50) -> float:
    """Mean cosine of the means of two random halves of the rows of a (n, width): does it reproduce itself?

    >>> round(halves(torch.ones(6, 3), 0), 6)
    1.0
    """
    if a.ndim != 2 or len(a) < 2:
        raise ValueError(f"a split in halves needs at least 2 rows, got {tuple(a.shape)}")
    dice = seeding.generator("halves", seed)
    found = []
    for _ in range(count("draws", draws)):
        order = torch.randperm(len(a), generator=dice).to(a.device)
        first, second = order[: len(a) // 2], order[len(a) // 2 :]
        found.append(cosines(a[first].mean(0), a[second].mean(0)))
    return torch.stack(found).mean().item()


def permuted_halves(a: Tensor, seed: int, *, draws: int = 100, splits: int = 8) -> float:
    """Bound for `halves` that 95 % of permutations of the labels stay below, a (n, width).

    A permutation swaps the two texts of a pair, so it turns the sign of some rows. Each of `draws` of them is
    split `splits` times, and the inner product of the two means is taken in units of the lengths that the
    means have as the labels are: a plain cosine would forget how short a permuted mean is, and be 1 or -1
    where all rows lie on one line.

    >>> permuted_halves(torch.ones(60, 3), 0) < 0.1
    True
    """
    if a.ndim != 2 or len(a) < 2:
        raise ValueError(f"a split in halves needs at least 2 rows, got {tuple(a.shape)}")
    n, rows, dice = len(a), a.double(), seeding.generator("permuted halves", seed)
    signs = torch.randint(2, (count("draws", draws), 1, n), generator=dice) * 2 - 1
    order = torch.rand(draws, count("splits", splits), n, generator=dice).argsort(-1)
    parts = (order < n // 2, order >= n // 2)  # (draws, splits, n): of as many rows, or one more
    plain, swapped = ([(s * own).to(rows) @ rows for own in parts] for s in (1, signs))
    length = (plain[0].norm(dim=-1) * plain[1].norm(dim=-1)).mean()
    if not length > 0:
        return 0.0
    return ((swapped[0] * swapped[1]).sum(-1).mean(1) / length).quantile(SHARE).item()


def permuted(differences: Tensor, direction: Tensor, seed: int, *, draws: int = 400) -> tuple[float, float]:
    """What permuted labels give: bounds that 95 % stay below, of |cosine| and of |projection| on a direction.

    `differences` (n, width) are positive minus negative; a permutation swaps the two of a pair. The cosine
    forgets how short a permuted mean is; the projection of the mean on the direction does not.

    >>> cosine_bound, projection_bound = permuted(torch.ones(50, 3), torch.ones(3), 0)
    >>> round(cosine_bound, 6), projection_bound < 0.8
    (1.0, True)
    """
    if differences.ndim != 2 or differences.shape[1:] != direction.shape:
        raise ValueError(
            f"differences must be (n, width) and direction (width,), got {tuple(differences.shape)} and "
            f"{tuple(direction.shape)}"
        )
    dice = seeding.generator("permuted", seed)
    signs = torch.randint(2, (count("draws", draws), len(differences)), generator=dice) * 2 - 1
    means = signs.to(differences) @ differences / len(differences)  # (draws, width)
    unit = direction / direction.norm()
    return cosines(means, unit).abs().quantile(SHARE).item(), (means @ unit).abs().quantile(SHARE).item()


def _same(a: Tensor, b: Tensor) -> None:
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"a and b must be (n, width), both, got {tuple(a.shape)} and {tuple(b.shape)}")
