"""Questions as tokens to learn from: the answer's loss, what the model answers, whether it is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from lglib.base import chunks
from lglib.base.chunks import mean_over_items
from lglib.tasks import encoding
from lglib.tasks.items import Item

LITTLE = 2**24  # logits that may be made where they are not read; beyond, each item gets its own and no more


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

    @property
    def at(self) -> Tensor:
        """Positions (n, A) at which the answer tokens are predicted."""
        return self.kept[self.place]

    @property
    def lengths(self) -> Tensor:
        """Tokens (n,) of each row, the prompt's and the answer's."""
        return self.at.amax(1) + 2

    def rows(self, chosen: Tensor) -> Lesson:
        """Some of the items, as a lesson without the filling that none of them needs.

        >>> one = Lesson(*(torch.tensor(x) for x in ([[5, 6, 0], [7, 8, 9]], [0, 1], [[0], [1]])),
        ...              torch.tensor([[6], [9]]), torch.tensor([[True], [True]]), torch.full((2, 2), -1))
        >>> one.rows(torch.tensor([0])).tokens
        tensor([[5, 6]])
        """
        at = self.at[chosen]
        kept, place = at.unique(return_inverse=True)
        tokens = self.tokens[chosen, : int(kept.max()) + 2]
        own = (x[chosen] for x in (self.targets, self.there, self.pair))
        return Lesson(tokens, kept, place, *own)


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
    asked = [item.prompt for item in items]
    prompts = encoding.prompts(tokenizer, asked)
    rights = encoding.answers(tokenizer, asked, [item.answer for item in items])
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
    told = [(i, j) for i, item in enumerate(items) for j in range(min(2, len(item.answers)))]
    words = [items[i].answers[j] for i, j in told]
    ids = encoding.answers(tokenizer, [items[i].prompt for i, _ in told], words)
    found = torch.full((len(items), 2), -1)
    for (i, j), own in zip(told, ids, strict=True):
        if len(own) == 1 and own[0] != tokenizer.unk_token_id:
            found[i, j] = own[0]
    return found


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
    return read(model, lesson.tokens, lesson.kept, lesson.place)


def read(model: nn.Module, tokens: Tensor, kept: Tensor, place: Tensor) -> Tensor:
    """Logits (n, A, vocabulary) behind the tokens `kept[place]` (n, A) of each row of tokens (n, L).

    The head is applied where some row is read; where that would be many places at which most rows are not
    read, to the places of each row alone, which is the same to rounding.
    """
    rows = torch.arange(len(tokens), device=tokens.device)[:, None]
    head = _head(model)
    if head is None or len(tokens) * (len(kept) - place.shape[1]) * head.weight.shape[0] <= LITTLE:
        found = model(input_ids=tokens, use_cache=False, logits_to_keep=kept).logits
        return found[rows, place]
    with _read_at(head, rows, kept[place]):
        return model(input_ids=tokens, use_cache=False).logits


def at_once(model: nn.Module, lesson: Lesson, most: int, *, copies: float = 1.0) -> int:
    """How many items a pass without a graph may take, at most `most`, by the measured cost of the longest.

    `copies` is what else a pass holds, in what one item costs.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> at_once(found.model, lesson(found.tokenizer, [Item("Plural: cat. Answer:", (" cats",), 0)]), 64)
    64
    """
    longest = lesson.rows(lesson.lengths.argmax()[None])
    with torch.no_grad():
        cost = chunks.peak(lambda: losses(logits(model, longest), longest))
    return chunks.at_once(copies * cost, most, lesson.tokens.device)


def _head(model: nn.Module) -> Any:
    """The module that turns the last hidden states into logits; None where a model does not tell."""
    ask = getattr(model, "get_output_embeddings", None)
    found = ask() if callable(ask) else None
    return found if isinstance(found, nn.Module) and getattr(found, "weight", None) is not None else None


@contextmanager
def _read_at(head: nn.Module, rows: Tensor, at: Tensor) -> Iterator[None]:
    """While the body runs, a head is given the hidden states of some places only, (n, A, width)."""

    def gather(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0][rows, at], *args[1:])

    handle = head.register_forward_pre_hook(gather, prepend=True)  # so that other hooks see what it is given
    try:
        yield
    finally:
        handle.remove()


@mean_over_items
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
    n = len(lesson.tokens)
    size = at_once(model, lesson, n)
    groups = [lesson] if size >= n else [lesson.rows(own) for own in torch.arange(n).split(size)]
    return torch.cat([right(logits(model, own).argmax(-1), own) for own in groups]).double().mean().item()
