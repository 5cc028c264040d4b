"""Net gain of the best of N on quadratic losses of one trace and different spectra."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lglib.studies.theory.best_of_n import N
from lglib.theory import laws, stats

D = 300
MULTIPLES = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5)  # noise scale / sigma*
SLOPE = np.ones(D)  # the gradient a of the score, in the eigenbasis of the Hessian
SIGMA_STAR = float(laws.optimal_sigma(np.linalg.norm(SLOPE), D, N, along=1.0))  # a.Ha / ||a||^2 is 1


def quadratics() -> Mapping[str, np.ndarray]:
    """Eigenvalues (d,) of two Hessians of trace d: all alike, and falling as 1 / i.

    >>> {name: float(values.sum().round(9)) for name, values in quadratics().items()}
    {'flat': 300.0, '1/i': 300.0}
    """
    falling = 1 / np.arange(1, D + 1)
    return {"flat": np.ones(D), "1/i": D * falling / falling.sum()}


def net_gain(eigenvalues: np.ndarray, multiple: float, draws: int, seed: int) -> stats.Interval:
    """Mean best-of-16 net gain a.eps - eps.H eps / 2 at a multiple of sigma*, over blocks of candidates.

    >>> net_gain(quadratics()["flat"], 1.0, 4000, seed=0).estimate > 0
    True
    """
    rng = np.random.default_rng([seed, round(100 * multiple)])
    eps = multiple * SIGMA_STAR * rng.standard_normal((max(40, draws // 100), N, D))
    return stats.mean_interval((eps @ SLOPE - 0.5 * eps**2 @ eigenvalues).max(1))


def curvature_law(multiple: float) -> float:
    """Net gain that the curvature law (Proposition 3) gives at a multiple of sigma*.

    >>> round(curvature_law(1.0) / curvature_law(0.5), 3)
    1.333
    """
    return float(laws.linear_winner_gain(multiple * SIGMA_STAR, np.linalg.norm(SLOPE), D, 1.0, N))
