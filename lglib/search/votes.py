"""What a set of candidates knows together: majority vote, pass@k without bias, and what guessing would give.

It knows answers as whole numbers, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from lglib.base.checks import count


def majority(predicted: np.ndarray) -> np.ndarray:
    """Plurality vote of k candidates, (...): predicted (k, ...) of whole numbers, the best candidate first.

    Each entry is voted on by itself. Of answers with equally many votes the one wins that the better
    candidate gave. With several tokens an answer, fed in rightly, this is greedy decoding in which every
    step is a vote. Raises ValueError for no candidate, or entries that are not whole numbers.

    >>> majority(np.array([[1, 7], [2, 8], [2, 7]]))
    array([2, 7])
    """
    predicted = np.asarray(predicted)
    if predicted.ndim < 2 or not len(predicted) or predicted.dtype.kind not in "iu":
        raise ValueError(
            f"predicted must be whole numbers (k, items ...), got {predicted.dtype} {predicted.shape}"
        )
    votes = (predicted[:, None] == predicted[None]).sum(1)  # how many agree with candidate i, itself too
    winner = votes.argmax(0)  # the first of the largest: the best candidate among them
    return np.take_along_axis(predicted, winner[None], 0)[0]


def pass_at(right: np.ndarray, k: int) -> float:
    """Unbiased pass@k: the chance that one of k candidates is right, mean over items (Chen et al., 2021).

    right (N, items) is true where a candidate was right. With c of N right, k drawn without replacement
    all miss with probability C(N - c, k) / C(N, k). Raises ValueError unless 1 <= k <= N.

    >>> round(pass_at(np.array([[True], [False], [False]]), 2), 4)
    0.6667
    """
    right = np.asarray(right)
    if right.ndim != 2 or right.size == 0 or right.dtype != bool:
        raise ValueError(f"right must be true or false (N, items), got {right.dtype} {right.shape}")
    total = len(right)
    k = count("k", k, most=total)
    missed, often = np.unique(total - right.sum(0), return_counts=True)
    fail = [comb(int(m), k) / comb(total, k) for m in missed]
    return float(1 - np.dot(fail, often) / often.sum())


def chance(options: Sequence[int], k: int) -> float:
    """pass@k of independent guesses among so many answers by item: mean of 1 - (1 - 1 / options)^k.

    >>> chance([2, 2], 1), round(chance([2], 8), 3)
    (0.5, 0.996)
    """
    k, sizes = count("k", k), [count("options", one) for one in options]
    if not sizes:
        raise ValueError("options is empty: give the number of answers of each item")
    return float(np.mean([1 - (1 - 1 / m) ** k for m in sizes]))


def best_first(scores: np.ndarray, k: int) -> np.ndarray:
    """Numbers of the k candidates with the highest score, best first; of equal ones the earlier comes first.

    Raises ValueError for nan, or k outside 1 to the number of candidates.

    >>> best_first(np.array([0.5, 2.0, 0.5]), 2)
    array([1, 0])
    """
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 1 or np.isnan(scores).any():
        raise ValueError(f"scores must be (N,) without nan, got shape {scores.shape}")
    return np.argsort(-scores, kind="stable")[: count("k", k, most=len(scores))]
