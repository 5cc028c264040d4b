"""What an edit or a steering vector does to a model: its answers, and what it costs elsewhere.

Questions have two answers, of which the first counts as yes: P(yes), accuracy, divergence. Costs: other
skills, plain text, own writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lglib.base.checks import count
from lglib.base.chunks import at_once, peak
from lglib.models.loading import LanguageModel
from lglib.tasks import scoring, supervised
from lglib.tasks.items import Item

OPENING = 8  # tokens of a story that the model goes on from
LEVEL = 0.95  # share of plain stories below the bar of a damaged one


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
def ask(model: LanguageModel, items: Sequence[Item], *, batch: int = 128) -> Outcome:
    """Answer questions with two answers with the model as it is now; the first answer counts as yes.

    Raises ValueError for no item or one without two answers, SplitAnswer for an answer of several tokens.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> ask(loading.load("micro-gpt2"), data.micro(10)).accuracy
    1.0
    """
    if other := [item.answers for item in items if len(item.answers) != 2]:
        raise ValueError(f"items must have two answers to choose from, got {other[0]}")
    batch, rows, moved = count("batch", batch), [], []
    encode = partial(supervised.lesson, context=model.context, device=model.device)
    size = supervised.at_once(model.model, encode(model.tokenizer, items), batch)
    for start in range(0, len(items), size):
        lesson = encode(model.tokenizer, items[start : start + size])
        yes, no = (x[:, None] for x in scoring.both(lesson))
        rows.append(supervised.logits(model.model, lesson)[:, 0].float().log_softmax(-1))
        moved.append((rows[-1].gather(1, yes) - rows[-1].gather(1, no))[:, 0])
    log_p, each = torch.cat(rows), torch.cat(moved).sigmoid()
    labels = torch.tensor([item.label for item in items], device=each.device)
    return Outcome(log_p, each, (each < 0.5).long() == labels)


@dataclass(frozen=True)
class Elsewhere:
    """Items of other skills, plain stories, and how unlikely a text must be to count as damaged.

    `bar` is in nats a token: the loss that the model, not edited, stays below on 95 % of the stories.
    """

    skills: Mapping[str, Sequence[Item]]
    stories: Sequence[str]
    bar: float
    length: int


def prepare(
    model: LanguageModel, skills: Mapping[str, Sequence[Item]], stories: Sequence[str], *, length: int = 12
) -> Elsewhere:
    """Set the bar with the model as it is. Raises ValueError for no skill, no story, or too short a one.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> from lglib.tasks.microworld import skills
    >>> model = loading.load("micro-gpt2")
    >>> stories = skills.stories(8, part="test", key=0)
    >>> prepare(model, {"plural": data.micro(8, "plural")}, stories).bar < 3
    True
    """
    if not skills or not all(skills.values()) or not stories:
        raise ValueError("skills and stories must not be empty: there is nothing that could be damaged")
    short = [s for s in stories if len(model.tokenizer(s).input_ids) < OPENING]
    if short:
        raise ValueError(f"a story must have at least {OPENING} tokens, got {short[0]!r}")
    losses = scoring.text_loss(model.model, model.tokenizer, stories)
    return Elsewhere(skills, stories, losses.quantile(LEVEL).item(), count("length", length))


@torch.no_grad()
def write(model: LanguageModel, stories: Sequence[str], length: int) -> Tensor:
    """Openings of the stories, and what the model writes behind them, greedily: (n, OPENING + length)."""
    tokens = torch.tensor(
        [model.tokenizer(story).input_ids[:OPENING] for story in stories], device=model.device
    )
    past, new = None, tokens
    for _ in range(length):
        out = model.model(input_ids=new, past_key_values=past, use_cache=True, logits_to_keep=1)
        past, new = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, new], dim=1)
    return tokens


@torch.no_grad()
def damaged(model: LanguageModel, tokens: Tensor, bar: float) -> float:
    """Share of written texts whose continuation the model, as it is now, finds less likely than the bar."""
    kept = torch.arange(OPENING - 1, tokens.shape[1] - 1, device=tokens.device)  # logits there alone

    def losses(own: Tensor) -> Tensor:
        z = model.model(input_ids=own, use_cache=False, logits_to_keep=kept).logits.float()
        each = torch.nn.functional.cross_entropy(z.transpose(1, 2), own[:, OPENING:], reduction="none")
        return each.mean(1)

    size = at_once(peak(lambda: losses(tokens[:1])), len(tokens), model.device)
    return (torch.cat([losses(own) for own in tokens.split(size)]) > bar).double().mean().item()


def skills_and_text(model: LanguageModel, elsewhere: Elsewhere) -> dict[str, float]:
    """Exact match of each skill, and nats a token of the stories, of the model as it is now.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> from lglib.tasks.microworld import skills
    >>> model = loading.load("micro-gpt2")
    >>> stories = skills.stories(8, part="test", key=0)
    >>> costs = skills_and_text(model, prepare(model, {"plural": data.micro(8, "plural")}, stories))
    >>> list(costs), costs["plural"]
    (['plural', 'plain text'], 1.0)
    """
    result = {
        name: scoring.exact_match(model.model, model.tokenizer, own).mean().item()
        for name, own in elsewhere.skills.items()
    }
    text = scoring.text_loss(model.model, model.tokenizer, elsewhere.stories)
    return result | {"plain text": text.mean().item()}
