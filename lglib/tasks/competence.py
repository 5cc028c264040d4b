"""Can a model do a task at all? Its accuracy beside the largest class, and the weight of the answer words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lglib.tasks import supervised
from lglib.tasks.items import Item
from lglib.theory import stats
from lglib.theory.stats import Interval


@dataclass(frozen=True)
class Competence:
    """Accuracy with its Wilson interval over the items, and the share of the most frequent class, `chance`.

    `mass` is the mean probability of both answer words together, None where the items have no two answers of
    one token each. An item without answers to choose from is right when its whole answer comes first.
    """

    accuracy: Interval
    chance: float
    mass: Interval | None


@torch.no_grad()
def competence(model: Any, items: Sequence[Item], *, batch: int = 64) -> Competence:
    """Ask a `models.loading.LanguageModel` some items, at least two, that fit its context.

    Of items with two answers of one token each the likelier is the model's answer. Raises ValueError for
    fewer than two items, or items beyond the context.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> found = competence(loading.load("micro-gpt2"), data.micro(20))
    >>> found.accuracy.estimate, found.mass.estimate > 0.9
    (1.0, True)
    """
    if len(items) < 2:
        raise ValueError(f"items must be at least two, got {len(items)}")
    right, mass = [], []
    for start in range(0, len(items), batch):
        own = items[start : start + batch]
        lesson = supervised.lesson(model.tokenizer, own, context=model.context, device=model.device)
        z = supervised.logits(model.model, lesson)  # (n, A, vocabulary)
        if (lesson.pair >= 0).all():
            both = z[:, 0].float().softmax(-1).gather(1, lesson.pair)  # (n, 2)
            labels = torch.tensor([item.label for item in own], device=both.device)
            right += (both.argmax(1) == labels).tolist()
            mass += both.sum(1).tolist()
        else:
            right += supervised.right(z.argmax(-1), lesson).tolist()
    return Competence(
        stats.proportion_interval(sum(right), len(right)),
        largest_class(items),
        stats.mean_interval(mass) if len(mass) == len(items) else None,
    )


def largest_class(items: Sequence[Item]) -> float:
    """Share of the most frequent class: the label where items have several answers, else the answer itself.

    >>> asked = [Item("a", (" x", " y"), 0), Item("b", (" x", " y"), 1), Item("c", (" x", " y"), 1)]
    >>> round(largest_class(asked), 3), largest_class([Item("a", (" x",), 0), Item("b", (" y",), 0)])
    (0.667, 0.5)
    """
    classes = Counter(item.label if len(item.answers) > 1 else item.answer for item in items)
    return max(classes.values()) / len(items)
