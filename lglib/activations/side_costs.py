"""What an edit of a model costs elsewhere: other skills, plain text, and its own writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lglib.base.checks import count
from lglib.models.loading import LanguageModel
from lglib.tasks import scoring
from lglib.tasks.items import Item

OPENING = 8  # tokens of a story that the model goes on from
LEVEL = 0.95  # share of plain stories below the bar of a damaged one


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
    found: LanguageModel, skills: Mapping[str, Sequence[Item]], stories: Sequence[str], *, length: int = 12
) -> Elsewhere:
    """Set the bar with the model as it is. Raises ValueError for no skill, no story, or too short a one.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> from lglib.tasks.microworld import skills
    >>> found = loading.load("micro-gpt2")
    >>> stories = skills.stories(8, part="test", key=0)
    >>> prepare(found, {"plural": data.micro(8, "plural")}, stories).bar < 3
    True
    """
    if not skills or not all(skills.values()) or not stories:
        raise ValueError("skills and stories must not be empty: there is nothing that could be damaged")
    short = [s for s in stories if len(found.tokenizer(s).input_ids) < OPENING]
    if short:
        raise ValueError(f"a story must have at least {OPENING} tokens, got {short[0]!r}")
    losses = scoring.text_loss(found.model, found.tokenizer, stories)
    return Elsewhere(skills, stories, losses.quantile(LEVEL).item(), count("length", length))


@torch.no_grad()
def write(found: LanguageModel, stories: Sequence[str], length: int) -> torch.Tensor:
    """Openings of the stories, and what the model writes behind them, greedily: (n, OPENING + length)."""
    tokens = torch.tensor(
        [found.tokenizer(story).input_ids[:OPENING] for story in stories], device=found.device
    )
    past, new = None, tokens
    for _ in range(length):
        out = found.model(input_ids=new, past_key_values=past, use_cache=True, logits_to_keep=1)
        past, new = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, new], dim=1)
    return tokens


@torch.no_grad()
def damaged(found: LanguageModel, tokens: torch.Tensor, bar: float) -> float:
    """Share of written texts whose continuation the model, as it is now, finds less likely than the bar."""
    z = found.model(input_ids=tokens, use_cache=False).logits[:, OPENING - 1 : -1].float()
    each = torch.nn.functional.cross_entropy(z.transpose(1, 2), tokens[:, OPENING:], reduction="none")
    return (each.mean(1) > bar).double().mean().item()


def skills_and_text(found: LanguageModel, elsewhere: Elsewhere) -> dict[str, float]:
    """Exact match of each skill, and nats a token of the stories, of the model as it is now.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> from lglib.tasks.microworld import skills
    >>> found = loading.load("micro-gpt2")
    >>> stories = skills.stories(8, part="test", key=0)
    >>> costs = skills_and_text(found, prepare(found, {"plural": data.micro(8, "plural")}, stories))
    >>> list(costs), costs["plural"]
    (['plural', 'plain text'], 1.0)
    """
    result = {
        name: scoring.exact_match(found.model, found.tokenizer, own).mean().item()
        for name, own in elsewhere.skills.items()
    }
    text = scoring.text_loss(found.model, found.tokenizer, elsewhere.stories)
    return result | {"plain text": text.mean().item()}
