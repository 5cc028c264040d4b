"""What a language model answers: the probability of each answer word, whether the right one comes first.

Rows are filled on the right, where a causal model does not look, not with padding tokens of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lglib.base.checks import count
from lglib.tasks import supervised
from lglib.tasks.items import Item


class SplitAnswer(ValueError):
    """An answer word that the tokenizer does not know as one token."""


def ids(tokenizer: Any, answers: Sequence[str]) -> list[int]:
    """Token of each answer word, which starts with its space.

    Raises SplitAnswer when a word is several tokens, or the unknown one, or when two words share one.

    >>> from lglib.tasks.microworld import lexicon
    >>> lexicon.tokenizer().convert_ids_to_tokens(ids(lexicon.tokenizer(), [" up", " down"]))
    ['Ġup', 'Ġdown']
    """
    found: list[int] = []
    for answer in answers:
        own = tokenizer(answer, add_special_tokens=False).input_ids
        if len(own) != 1 or own[0] == tokenizer.unk_token_id:
            raise SplitAnswer(
                f"the tokenizer makes {len(own)} tokens of the answer {answer!r}, "
                f"{tokenizer.convert_ids_to_tokens(own)}: an answer must be one token that it knows: "
                "choose other words (a common word with the space before it mostly is one)"
            )
        found += own
    if len(set(found)) < len(found):
        raise SplitAnswer(f"the answers {list(answers)!r} are not different tokens: {found}")
    return found


def both(lesson: supervised.Lesson) -> tuple[Tensor, Tensor]:
    """Tokens of the first and of the second answer of each item of a lesson, (n,) and (n,).

    Raises SplitAnswer for an item without two different answers of one token each.
    """
    first, second = lesson.pair[:, 0], lesson.pair[:, 1]
    if (bad := ((lesson.pair < 0).any(1) | (first == second)).nonzero()).numel():
        raise SplitAnswer(
            f"item {int(bad[0])} has no two different answers of one token each, which this measure compares: "
            "choose other answer words (a common word with the space before it mostly is one token)"
        )
    return first, second


@torch.no_grad()
def probabilities(model: nn.Module, tokenizer: Any, items: Sequence[Item], *, batch: int = 64) -> Tensor:
    """Probability of each answer at the read position, (n, answers) in float32, of the whole vocabulary.

    The read position is the last token of the prompt. Divide by the sum of a row for P(yes) relative to yes
    and no. Raises ValueError for no item, items whose answers differ, or a prompt beyond the context;
    SplitAnswer as `ids` does.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> item = Item("Anna is in the park. Question: Is Anna in the park? Answer:", (" yes", " no"), 0)
    >>> bool(probabilities(found.model, found.tokenizer, [item])[0].argmax() == 0)
    True
    """
    _check(items)
    if mixed := {item.answers for item in items} - {items[0].answers}:
        raise ValueError(f"items must have the same answers, got {items[0].answers} and {mixed.pop()}")
    own = ids(tokenizer, items[0].answers)
    found = torch.empty(len(items), len(own))
    prompts = [_encoded(tokenizer, item.prompt) for item in items]
    for rows, tokens in _batches(model, prompts, batch):
        last = torch.tensor([len(prompts[i]) - 1 for i in rows], device=tokens.device)
        kept, place = last.unique(return_inverse=True)  # logits of a whole vocabulary, there and nowhere else
        logits = model(input_ids=tokens, use_cache=False, logits_to_keep=kept).logits
        chosen = logits[torch.arange(len(rows), device=tokens.device), place]  # (rows, vocabulary)
        found[rows] = chosen.float().softmax(-1)[:, own].cpu()
    return found


@torch.no_grad()
def exact_match(model: nn.Module, tokenizer: Any, items: Sequence[Item], *, batch: int = 64) -> Tensor:
    """Whether greedy decoding would write the whole right answer, (n,) of 0 and 1.

    Measured with the right tokens fed in, which comes to the same. Raises ValueError for no item, or a prompt
    that, with its answer, goes beyond the context.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> exact_match(found.model, found.tokenizer, [Item("Plural: cat. Answer:", (" cats",), 0)])
    tensor([1.])
    """
    _check(items)
    answers = tokenizer([item.answer for item in items], add_special_tokens=False).input_ids
    whole = [_encoded(tokenizer, i.prompt) + own for i, own in zip(items, answers, strict=True)]
    found = torch.empty(len(items))
    for rows, tokens in _batches(model, whole, batch):
        lesson = supervised.lesson(tokenizer, [items[i] for i in rows], device=tokens.device)
        best = supervised.logits(model, lesson).argmax(-1)
        found[rows] = supervised.right(best, lesson).float().cpu()
    return found


@torch.no_grad()
def text_loss(model: nn.Module, tokenizer: Any, texts: Sequence[str], *, batch: int = 64) -> Tensor:
    """Mean cross-entropy in nats per token of each plain text, (n,); the first token is given.

    Raises ValueError for no text, one of fewer than two tokens, or one beyond the context.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> text_loss(found.model, found.tokenizer, ["They were all happy."]).shape
    torch.Size([1])
    """
    if not texts:
        raise ValueError("texts is empty: there is nothing to read")
    encoded = [_encoded(tokenizer, text) for text in texts]
    if short := [text for text, own in zip(texts, encoded, strict=True) if len(own) < 2]:
        raise ValueError(f"a text needs at least two tokens, got {short[0]!r}")
    found = torch.empty(len(texts))
    for rows, tokens in _batches(model, encoded, batch):
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
        each = cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")  # (rows, length - 1)
        lengths = torch.tensor([len(encoded[i]) - 1 for i in rows], device=tokens.device)
        there = torch.arange(each.shape[1], device=tokens.device) < lengths[:, None]
        found[rows] = ((each * there).sum(1) / lengths).cpu()
    return found


def _check(items: Sequence[Item]) -> None:
    if not items:
        raise ValueError("items is empty: there is nothing to answer")


def _encoded(tokenizer: Any, prompt: str) -> list[int]:
    return list(tokenizer(prompt).input_ids)


def _batches(
    model: nn.Module, rows: Sequence[Sequence[int]], size: int
) -> Iterator[tuple[list[int], Tensor]]:
    """Row numbers and their tokens, filled on the right; rows of like length together."""
    count("batch", size)
    context: Any = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    longest = max(range(len(rows)), key=lambda i: len(rows[i]))
    if context and len(rows[longest]) > context:
        raise ValueError(
            f"item {longest} has {len(rows[longest])} tokens, the context holds {context}: use data.fit first"
        )
    device = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), size):
        own = order[start : start + size]
        tokens = torch.zeros(len(own), len(rows[own[-1]]), dtype=torch.long)
        for place, i in enumerate(own):
            tokens[place, : len(rows[i])] = torch.tensor(rows[i])
        yield own, tokens.to(device)
