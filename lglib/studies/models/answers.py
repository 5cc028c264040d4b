"""What a model answers: its accuracy by kind of item, and how sure it is of yes and no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from lglib.base.checks import NotMeasurable
from lglib.models.loading import LanguageModel
from lglib.studies.models.questions import YES_NO
from lglib.tasks import scoring
from lglib.tasks.items import Item
from lglib.theory import stats

FLIPS = 0.1  # share of yes-no labels that the last stage of training flipped
SURE = 0.999
BINS, TENTHS = 20, 10  # of the histogram, and of the calibration curve
FEWEST = 20  # items in a tenth of the calibration curve


def accuracy(model: LanguageModel, items: Sequence[Item], kind: str = "yes-no") -> stats.Interval:
    """Share of right answers with its interval over items.

    Of yes and no the more probable one counts; any other answer must be written whole by greedy decoding.
    Raises NotMeasurable for no item.
    """
    if not items:
        raise NotMeasurable(f"there is no item of kind {kind} to ask: draw more")
    if kind in YES_NO:
        p = scoring.probabilities(model.model, model.tokenizer, items)
        right = p.argmax(1) == torch.tensor([item.label for item in items])
    else:
        right = scoring.exact_match(model.model, model.tokenizer, items)
    return stats.proportion_interval(int(right.sum()), len(items))


def drawn(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """At most `count` of the items, drawn without repeating by the seed, in their order.

    >>> [item.prompt for item in drawn([Item(f"{i} + 1 =", (" 2",), 0) for i in range(9)], 2, seed=0)]
    ['4 + 1 =', '5 + 1 =']
    """
    chosen = np.random.default_rng(seed).permutation(len(items))[:count]
    return [items[i] for i in sorted(chosen)]


def kind_of(items: Sequence[Item]) -> str:
    """How items are asked: "yes-no" where all choose from the same two answers, else "written".

    >>> kind_of([Item("Is it so?", (" yes", " no"), 0)]), kind_of([Item("2 + 2 =", (" 4",), 0)])
    ('yes-no', 'written')
    """
    options = {item.answers for item in items}
    return "yes-no" if len(options) == 1 and len(next(iter(options))) == 2 else "written"


def largest_class(items: Sequence[Item]) -> float:
    """Share of the most frequent right answer: what one answer to all would reach.

    >>> largest_class([Item(f"{i}?", (" yes", " no"), int(i > 2)) for i in range(4)])
    0.75
    """
    return max(Counter(item.answer for item in items).values()) / len(items)


def mass(model: LanguageModel, items: Sequence[Item]) -> np.ndarray:
    """Probability of both answers together, of each item (n,)."""
    return scoring.probabilities(model.model, model.tokenizer, items).sum(1).double().numpy()


def p_yes(model: LanguageModel, items: Sequence[Item]) -> np.ndarray:
    """P(yes) of each yes-no item (n,), relative to yes and no together."""
    p = scoring.probabilities(model.model, model.tokenizer, items)
    return (p[:, 0] / p.sum(1)).double().numpy()


def are_true(items: Sequence[Item]) -> np.ndarray:
    """Whether yes is right (n,)."""
    return np.array([item.label == 0 for item in items])


def shares(p: np.ndarray) -> list[stats.Interval]:
    """Share of items in each of 20 equal bins of P(yes).

    >>> [round(share.estimate, 2) for share in shares(np.array([0.02, 0.92, 0.94]))][-3:]
    [0.0, 0.67, 0.0]
    """
    counts = np.histogram(p, bins=BINS, range=(0, 1))[0]
    return [stats.proportion_interval(int(c), len(p)) for c in counts]


def calibration(p: np.ndarray, true: np.ndarray, seed: int) -> dict[int, tuple[float, stats.Interval]]:
    """Mean P(yes) and share labelled yes, by tenths of P(yes) with at least 20 items.

    A tenth of the labels is flipped at random, as in training.

    >>> p = np.repeat([0.1, 0.9], 500)
    >>> {tenth: round(share.estimate, 1) for tenth, (_, share) in calibration(p, p > 0.5, seed=0).items()}
    {1: 0.1, 9: 0.9}
    """
    labels = true ^ (np.random.default_rng(seed).random(len(true)) < FLIPS)
    tenths = np.digitize(p, np.linspace(0, 1, TENTHS + 1)[1:-1])
    found = {}
    for tenth in range(TENTHS):
        inside = tenths == tenth
        if inside.sum() >= FEWEST:
            share = stats.proportion_interval(int(labels[inside].sum()), int(inside.sum()))
            found[tenth] = float(p[inside].mean()), share
    return found
