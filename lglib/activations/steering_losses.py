"""Losses whose gradient step makes a model say yes, or say what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from lglib.base.chunks import mean_over_items
from lglib.models.loading import LanguageModel
from lglib.parameters.space import LossFn
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO

KINDS = ("logit difference", "say yes", "correct answer")


def loss(model: LanguageModel, kind: str) -> LossFn:
    """Return a loss on a `supervised.Lesson` of yes-no questions; a step against its gradient steers.

    - `logit difference`: logit of no minus logit of yes, mean over the questions;
    - `say yes`: cross-entropy of yes, whatever is right;
    - `correct answer`: cross-entropy of the right answer.

    Raises ValueError for another kind; SplitAnswer when yes or no is several tokens.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> model = loading.load("micro-gpt2")
    >>> asked = supervised.lesson(model.tokenizer, data.micro(8))
    >>> right, yes = (loss(model, kind)(model.model, asked).item() for kind in ("correct answer", "say yes"))
    >>> right < yes
    True
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; there is: {', '.join(KINDS)}")
    yes, no = model.answer_ids(YES_NO)
    return _LOSSES[kind](yes, no)


def _difference(yes: int, no: int) -> LossFn:
    @mean_over_items
    def value(model: nn.Module, lesson: Any) -> Tensor:
        z = supervised.logits(model, lesson)[:, 0].float()  # (n, vocabulary)
        return (z[:, no] - z[:, yes]).mean()

    return value


def _say_yes(yes: int, _: int) -> LossFn:
    @mean_over_items
    def value(model: nn.Module, lesson: Any) -> Tensor:
        z = supervised.logits(model, lesson)[:, 0].float()
        return -z.log_softmax(-1)[:, yes].mean()

    return value


_LOSSES: dict[str, Callable[[int, int], LossFn]] = {
    "logit difference": _difference,
    "say yes": _say_yes,
    "correct answer": lambda *_: supervised.loss,
}
