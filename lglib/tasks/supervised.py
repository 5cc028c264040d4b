"""Questions as tokens to learn from: the answer's loss, what the model answers, whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from lglib.tasks.items import Item


class Lesson(NamedTuple):
    """Prompts with their right answers, n rows of at most L tokens, answers of at most A tokens.

    `tokens` (n, L), filled on the right, where a causal model does not look; `kept` the positions, over all
    rows, at which an answer token is predicted; `place` (n, A) which of them, `targets` (n, A) the answer
    tokens, `there` (n, A) true where a row has one. `pair` (n, 2) holds the tokens of the first two answers
    that each item chooses from, -1 where there is none or it is no single token that the tokenizer knows.
    """

    tokens: Tensor
    kept: Tensor
    place: Tensor
    targets: Tensor
    there: Tensor
    pair: Tensor

    def rows(self, chosen: Tensor) -> Lesson:
        """Some of the items, in the order of their numbers; `kept` stays that of all.

        >>> from lglib.tasks.microworld import lexicon
        >>> both = lesson(lexicon.tokenizer(), [Item("So: Answer:", (" no",), 0), Item("Is it?", (" yes",), 0)])
        >>> both.rows(torch.tensor([1])).targets.equal(both.targets[1:])
        True
        """
        own = (x[chosen] for x in (self.place, self.targets, self.there, self.pair))
        return Lesson(self.tokens[chosen], self.kept, *own)


def lesson(
    tokenizer: Any, items: Sequence[Item], *, context: int | None = None, device: Any = "cpu"
) -> Lesson:
    """Encode items: each prompt is followed by its right answer, of one or several tokens.

    Raises ValueError for no item, a prompt or answer without a token, or more tokens than the context holds.

    >>> from lglib.tasks.microworld import lexicon
    >>> one = lesson(lexicon.tokenizer(), [Item("Sort: p c. Answer:", (" c p",), 0)])
    >>> one.tokens.shape, one.kept.tolist(), lexicon.tokenizer().decode(one.targets[0])
    (torch.Size([1, 10]), [7, 8], ' c p')
    """
    if not items:
        raise ValueError("items is empty: there is nothing to learn from")
    prompts = tokenizer([item.prompt for item in items]).input_ids
    rights = tokenizer([item.answer for item in items], add_special_tokens=False).input_ids
    if not all(prompts):
        raise ValueError("a prompt has no token: the answer would be read from nothing")
    if blank := [item.answer for item, ids in zip(items, rights, strict=True) if not ids]:
        raise ValueError(f"the answer {blank[0]!r} has no token")
    length = max(len(p) + len(a) for p, a in zip(prompts, rights, strict=True))
    if context is not None and length > context:
        raise ValueError(
            f"a prompt with its answer has {length} tokens, the context holds {context}: "
            "shorten it, or take a model with a longer context"
        )
    n, most = len(items), max(map(len, rights))
    tokens, targets = torch.zeros(n, length, dtype=torch.long), torch.zeros(n, most, dtype=torch.long)
    at, there = torch.zeros(n, most, dtype=torch.long), torch.zeros(n, most, dtype=torch.bool)
    for i, (prompt, answer) in enumerate(zip(prompts, rights, strict=True)):
        end = len(prompt) + len(answer)
        tokens[i, :end] = torch.tensor([*prompt, *answer])
        targets[i, : len(answer)] = torch.tensor(answer)
        at[i] = len(prompt) - 1
        at[i, : len(answer)] = torch.arange(len(prompt) - 1, end - 1)
        there[i, : len(answer)] = True
    kept, place = at.unique(return_inverse=True)
    pair = _pairs(tokenizer, items)
    return Lesson(*(x.to(device) for x in (tokens, kept, place, targets, there, pair)))


def _pairs(tokenizer: Any, items: Sequence[Item]) -> Tensor:
    """Tokens of the first two answers of each item, (n, 2); -1 for none, several or an unknown one."""
    words = sorted({answer for item in items for answer in item.answers[:2]})
    ids = tokenizer(words, add_special_tokens=False).input_ids
    known = [len(own) == 1 and own[0] != tokenizer.unk_token_id for own in ids]
    token = {word: own[0] if one else -1 for word, own, one in zip(words, ids, known, strict=True)}
    rows = [[token[answer] for answer in item.answers[:2]] for item in items]
    return torch.tensor([(own + [-1])[:2] for own in rows])


def join(lessons: Sequence[Lesson]) -> Lesson:
    """One lesson with the rows of several, one behind the other; ValueError for none.

    >>> from lglib.tasks.microworld import lexicon
    >>> read = lambda text: lesson(lexicon.tokenizer(), [Item(text, (" no",), 0)])
    >>> join([read("So: Answer:"), read("It is: Answer:")]).tokens.shape
    torch.Size([2, 8])
    """
    if not lessons:
        raise ValueError("lessons is empty: there is nothing to join")
    long, most = (max(getattr(one, x).shape[1] for one in lessons) for x in ("tokens", "targets"))
    parts = []
    for one in lessons:
        tokens = pad(one.tokens, (0, long - one.tokens.shape[1]))
        more = (0, most - one.targets.shape[1])
        at = one.kept[one.place]  # (n, A), where each answer token is predicted
        at = torch.cat([at, at[:, :1].expand(-1, more[1])], dim=1)
        parts.append((tokens, at, pad(one.targets, more), pad(one.there, more), one.pair))
    tokens, at, targets, there, pair = (torch.cat(column) for column in zip(*parts, strict=True))
    kept, place = at.unique(return_inverse=True)
    return Lesson(tokens, kept, place, targets, there, pair)


def logits(model: nn.Module, lesson: Lesson) -> Tensor:
    """Logits (n, A, vocabulary) of the answer tokens, each given the right ones before it."""
    found = model(input_ids=lesson.tokens, use_cache=False, logits_to_keep=lesson.kept).logits
    rows = torch.arange(len(lesson.tokens), device=found.device)[:, None]
    return found[rows, lesson.place]


def loss(model: nn.Module, lesson: Lesson) -> Tensor:
    """Cross-entropy of the answers in nats by token, mean over the items: a `parameters.space.LossFn`.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> known = lesson(found.tokenizer, [Item("Plural: cat. Answer:", (" cats",), 0)])
    >>> loss(found.model, known).item() < 0.5
    True
    """
    return losses(logits(model, lesson), lesson).mean()


def losses(logits: Tensor, lesson: Lesson) -> Tensor:
    """Loss of each item (..., n) from logits (..., n, A, vocabulary): mean over the tokens of its answer."""
    lead = logits.shape[:-3]
    targets = lesson.targets.expand(*lead, *lesson.targets.shape)
    each = cross_entropy(logits.float().flatten(0, -2), targets.reshape(-1), reduction="none")
    each = torch.where(lesson.there, each.view(targets.shape), 0.0)  # not by a product: inf times 0 is nan
    return each.sum(-1) / lesson.there.sum(-1)


def right(predicted: Tensor, lesson: Lesson) -> Tensor:
    """Whether all tokens of the answer are right, (..., n), for predicted tokens (..., n, A).

    The right tokens were fed in, which comes to the same as greedy decoding: both ask that the best token
    is the right one after a right beginning.
    """
    return ((predicted == lesson.targets) | ~lesson.there).all(-1)


@torch.no_grad()
def exact_match(model: nn.Module, lesson: Lesson) -> float:
    """Share of the items whose whole answer is the model's first choice."""
    return right(logits(model, lesson).argmax(-1), lesson).double().mean().item()
