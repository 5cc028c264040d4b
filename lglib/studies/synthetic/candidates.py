"""S5 to S7: what predicts the gain of a random-search candidate around a recovery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr
from torch import Tensor

from lglib.geometry.subspace import Subspace
from lglib.search import pools, random_search
from lglib.studies.synthetic import transformer
from lglib.studies.synthetic.basis_drift import FOLLOWED
from lglib.studies.synthetic.parameters import K
from lglib.studies.synthetic.trained import STEP_BATCH, Trained
from lglib.theory import correlation, laws, stats

SHARES = (0.001, 0.01, 0.1, 0.3, 1.0)  # lengths of a step, in units of |Delta|
BEST_OF = 8  # candidates of which the best is taken, where there are so many
FAMILIES = ("prefix", "local", "Krylov", "static", "static, normalised", "random", "whole space")
POOLS: Mapping[str, Sequence[str]] = {
    "all seven": FAMILIES,
    "no local": ("prefix", "static", "random", "whole space"),
    "no recovery": ("static", "random", "whole space"),
}


@dataclass(frozen=True)
class Correlation:
    """Correlation of the gain with alignment (S5) or static overlap (S6), for one pool and length of step.

    `law` is the correlation with the gain of the quadratic expansion; `between` the part between families.
    """

    claim: str
    pool: str
    norm: float
    found: stats.Interval
    law: float
    between: float


def pool_at(
    model: Trained,
    path: Tensor,
    step: int,
    planes: Mapping[str, Subspace],
    families: Sequence[str] = FAMILIES,
) -> pools.Pool:
    """Candidates around a point of a recovery (T + 1, d), from six ten-dimensional subspaces and all of R^d.

    Slope, curvature and gain come from one batch of 64. `planes` are the static planes. A candidate of one
    family is the same whatever other families are drawn.
    """
    space = model.space
    batch = model.batch(FOLLOWED, STEP_BATCH, "gain")
    space.load(path[step])
    gradients = space.gradient_matrix(transformer.loss, model.gradient_sets(FOLLOWED)[0])
    product, g = space.hvp_operator(transformer.loss, batch), space.gradient(transformer.loss, batch)
    plane, normalised = (Subspace(planes[name].basis[:, :K]) for name in ("static", "static, normalised"))
    spaces = {
        "prefix": Subspace.prefix(path[step:], K),
        "local": Subspace.from_gradients(gradients, K),
        "Krylov": Subspace.krylov(product, g, K),
        "static": plane,
        "static, normalised": normalised,
        "random": Subspace.random(space.d, K, model.seed, dtype=space.dtype, device=space.device),
        "whole space": None,
    }
    length = (path[-1] - path[0]).norm().item()
    return pools.draw(
        space,
        transformer.loss,
        batch,
        {name: spaces[name] for name in families},
        static=plane,
        norms=[share * length for share in SHARES],
        candidates=model.parameters.candidates,
        seed=model.seed,
    )


def correlations(whole: pools.Pool) -> Iterator[Correlation]:
    """Correlations of the gain with alignment and with static overlap, in each pool, at each length.

    Pools of which a family was not drawn are left out.
    """
    drawn = {name: families for name, families in POOLS.items() if set(families) <= set(whole.density)}
    for name, families in drawn.items():
        pool = whole.take(families)
        for j, share in enumerate(SHARES):
            for claim, x in (("S5", pool.alignment), ("S6", pool.overlap)):
                found = correlation.interval(pool.gains[:, j], x)
                law = correlation.interval(pool.quadratic[:, j], x).estimate
                between, _ = correlation.parts(pool.gains[:, j], x, pool.family)
                yield Correlation(claim, name, share, found, law, between)


def candidates_of(pool: pools.Pool) -> int:
    """N of the best of N: 8, or as many as each family has."""
    return min(BEST_OF, len(pool.family) // len(pool.density))


def best_of(pool: pools.Pool) -> np.ndarray:
    """Mean best gain of 8 candidates (or of all, if fewer) in nats, by family and norm, (families, norms)."""
    n = candidates_of(pool)
    return np.array(
        [
            [random_search.expected_best(gains, n) for gains in pool.gains[pool.family == name].T]
            for name in pool.density
        ]
    )


def best_by_law(density: float, norm: float, n: int) -> float:
    """Best gain of n steps of one length, were the loss linear: norm sqrt(density) m_n (chapter 1).

    >>> round(best_by_law(0.25, 0.1, 8), 4)
    0.0712
    """
    return norm * density**0.5 * laws.expected_maximum(n)


def rank_by_density(pool: pools.Pool) -> list[float]:
    """Rank correlation over the families of density with the best of 8, one for each norm."""
    density = list(pool.density.values())
    return [float(spearmanr(density, best)[0]) for best in best_of(pool).T]
