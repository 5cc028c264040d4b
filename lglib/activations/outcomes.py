"""What a model answers to yes-no questions as it is now, edited or steered: P(yes), accuracy, divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lglib.models.loading import LanguageModel
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item


@dataclass(frozen=True)
class Outcome:
    """Log-probabilities (n, vocabulary) of the next token at the read position, and what they say.

    `each` (n,) is the probability of yes relative to yes and no, `right` (n,) whether the larger is right.
    """

    log_p: Tensor
    each: Tensor
    right: Tensor

    @property
    def p_yes(self) -> float:
        """Mean probability of yes."""
        return self.each.double().mean().item()

    @property
    def accuracy(self) -> float:
        """Share of questions answered rightly."""
        return self.right.double().mean().item()

    def divergence(self, other: Outcome) -> float:
        """Mean Kullback-Leibler divergence KL(self || other) in nats; ValueError for other questions."""
        if self.log_p.shape != other.log_p.shape:
            raise ValueError("the two outcomes are not of the same questions")
        return (self.log_p.exp() * (self.log_p - other.log_p)).sum(1).double().mean().item()


@torch.no_grad()
def ask(found: LanguageModel, items: Sequence[Item], *, batch: int = 128) -> Outcome:
    """Answer yes-no questions with the model as it is now; ValueError for no item or other answers.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> ask(loading.load("micro-gpt2"), data.micro(10)).accuracy
    1.0
    """
    if other := [item.answers for item in items if item.answers != YES_NO]:
        raise ValueError(f"items must be questions with the answers {YES_NO}, got {other[0]}")
    yes, no = found.answer_ids(YES_NO)
    rows = []
    for start in range(0, max(1, len(items)), batch):
        own = items[start : start + batch]
        lesson = supervised.lesson(found.tokenizer, own, context=found.context, device=found.device)
        rows.append(supervised.logits(found.model, lesson)[:, 0].float().log_softmax(-1))
    log_p = torch.cat(rows)
    each = (log_p[:, yes] - log_p[:, no]).sigmoid()
    labels = torch.tensor([item.label for item in items], device=each.device)
    return Outcome(log_p, each, (each < 0.5).long() == labels)
