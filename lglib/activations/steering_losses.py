"""Losses whose gradient step makes a model say yes, or say what is right.

"Yes" is the first of the two answers of an item, "no" the second, whatever words they are.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lglib.base.chunks import mean_over_items
from lglib.models.loading import LanguageModel
from lglib.parameters.space import LossFn
from lglib.tasks import scoring, supervised
from lglib.tasks.supervised import Lesson

KINDS = ("logit difference", "say yes", "correct answer")


def loss(model: LanguageModel, kind: str) -> LossFn:
    """Return a loss on a `supervised.Lesson` of items with two answers; a step against its gradient steers.

    - `logit difference`: logit of no minus logit of yes, mean over the items;
    - `say yes`: cross-entropy of yes, whatever is right;
    - `correct answer`: cross-entropy of the right answer.

    Raises ValueError for another kind; the loss itself, SplitAnswer when one of the answers is no single
    token. `model` is the one that will be asked.

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
    return _LOSSES[kind]


@mean_over_items
def _difference(model: nn.Module, lesson: Lesson) -> Tensor:
    yes, no = scoring.both(lesson)
    z = supervised.logits(model, lesson)[:, 0].float()  # (n, vocabulary)
    return (_at(z, no) - _at(z, yes)).mean()


@mean_over_items
def _say_yes(model: nn.Module, lesson: Lesson) -> Tensor:
    yes, _ = scoring.both(lesson)
    return -_at(supervised.logits(model, lesson)[:, 0].float().log_softmax(-1), yes).mean()


def _at(z: Tensor, tokens: Tensor) -> Tensor:
    return z.gather(1, tokens[:, None])[:, 0]  # (n,)


_LOSSES: dict[str, Callable[..., Tensor]] = {
    "logit difference": _difference,
    "say yes": _say_yes,
    "correct answer": supervised.loss,
}
