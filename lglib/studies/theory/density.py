"""Density against mass: which subspace is best for a search, with fixed noise and at fixed length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from lglib.studies.theory.best_of_n import N
from lglib.theory import stats

SIZES = (1, 3, 10, 30, 100, 300, 1000)  # dimensions k of the nested subspaces
EQUAL_AT = 30  # the k at which both budgets give steps of about one length
RHO = float(np.sqrt(EQUAL_AT))  # the fixed length; the fixed noise has sigma = 1


def uneven_signal(d: int = 1000) -> np.ndarray:
    """Unit gradient (d,) whose squares fall as 1 / i.

    >>> float(np.linalg.norm(uneven_signal()).round(12))
    1.0
    """
    signal = 1 / np.sqrt(np.arange(1, d + 1))
    return signal / np.linalg.norm(signal)


def best_gains(a: np.ndarray, blocks: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Best-of-16 gains (blocks,) in a subspace in whose basis the gradient is a (k,): at sigma = 1, at RHO.

    >>> [gains.shape for gains in best_gains(np.ones(3), 5, np.random.default_rng(0))]
    [(5,), (5,)]
    """
    z = rng.standard_normal((blocks, N, len(a)))
    along = z @ a  # (blocks, N)
    return along.max(1), (RHO * along / np.linalg.norm(z, axis=2)).max(1)


def nested_gains(draws: int, rng: np.random.Generator) -> dict[int, tuple[stats.Interval, stats.Interval]]:
    """Mean gains in the span of the first k axes, by k: with fixed noise, and at fixed length."""
    signal, blocks = uneven_signal(), max(100, draws // 50)
    found = {}
    for k in SIZES:
        fixed_noise, fixed_length = best_gains(signal[:k], blocks, rng)
        found[k] = stats.mean_interval(fixed_noise), stats.mean_interval(fixed_length)
    return found


@dataclass(frozen=True)
class Subspaces:
    """Subspaces of random size: mass ||P a||^2, density mass / k, and gain at fixed length, (subspaces,)."""

    mass: np.ndarray
    density: np.ndarray
    gain: np.ndarray


def random_subspaces(draws: int, rng: np.random.Generator, count: int = 60) -> Subspaces:
    """Spans of k random axes each, k from 4 to 399, with their mean best-of-16 gain at fixed length."""
    signal, rows = uneven_signal(), []
    for k in rng.integers(4, 400, size=count):
        a = rng.permutation(signal)[:k]
        rows.append((a @ a, a @ a / k, best_gains(a, max(20, draws // 200), rng)[1].mean()))
    return Subspaces(*np.array(rows).T)


def rank_correlation(x: np.ndarray, gain: np.ndarray, seed: int) -> stats.Interval:
    """Spearman's correlation of x with the gains; the interval is a bootstrap over subspaces.

    >>> x = np.arange(20.0)
    >>> print(rank_correlation(x, np.sin(x / 9), seed=0))
    0.86 [0.53, 0.98] (n=20)
    """

    def spearman(index: np.ndarray) -> float:
        i = index.astype(int)
        return float(spearmanr(x[i], gain[i])[0])

    return stats.bootstrap_interval(np.arange(len(x)), seed, statistic=spearman, resamples=500)
