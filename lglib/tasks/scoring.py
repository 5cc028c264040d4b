"""What a language model answers: the probability of each answer word, whether the right one comes first.

Rows are filled on the right, where a causal model does not look, not with padding tokens of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lglib.base.checks import count
from lglib.base.chunks import at_once
from lglib.tasks import encoding, supervised
from lglib.tasks.encoding import SplitAnswer
from lglib.tasks.items import Item

__all__ = ["SplitAnswer", "both", "exact_match", "ids", "probabilities", "text_loss"]


def ids(tokenizer: Any, answers: Sequence[str], prompt: str = encoding.CARRIER) -> list[int]:
    """Token of each answer word behind a prompt; an answer starts with its space.

    Raises SplitAnswer when a word is several tokens, or the unknown one, or when two words share one.

    >>> from lglib.tasks.microworld import lexicon
    >>> lexicon.tokenizer().convert_ids_to_tokens(ids(lexicon.tokenizer(), [" up", " down"]))
    ['Ġup', 'Ġdown']
    """
    found: list[int] = []
    for answer, own in zip(
        answers, encoding.answers(tokenizer, [prompt] * len(answers), answers), strict=True
    ):
        if len(own) != 1 or own[0] == tokenizer.unk_token_id:
            raise SplitAnswer(
                f"the tokenizer makes {len(own)} tokens of the answer {answer!r} behind {prompt[-20:]!r}, "
                f"{tokenizer.convert_ids_to_tokens(own)}: this measure needs an answer that is one token and "
                "known. Choose other words; a common word with one space before it mostly is one"
            )
        found += own
    _distinct([[token] for token in found], answers)
    return found


def both(lesson: supervised.Lesson) -> tuple[Tensor, Tensor]:
    """Tokens of the first and of the second answer of each item of a lesson, (n,) and (n,).

    Raises SplitAnswer for an item without two different answers of one token each.
    """
    first, second = lesson.pair[:, 0], lesson.pair[:, 1]
    if (bad := ((lesson.pair < 0).any(1) | (first == second)).nonzero()).numel():
        raise SplitAnswer(
            f"item {int(bad[0])} has no two different answers of one token each, which is what is compared: "
            "choose other answer words (a common word with the space before it mostly is one token)"
        )
    return first, second


@torch.no_grad()
def probabilities(model: nn.Module, tokenizer: Any, items: Sequence[Item], *, batch: int = 64) -> Tensor:
    """Probability of each answer at the read position, (n, answers) in float32, of the whole vocabulary.

    The read position is the last token of the prompt. Divide by the sum of a row for P(yes) relative to yes
    and no. Of answers of several tokens it is the product of the probabilities of these, each given the ones
    before, in one pass an answer; an answer with which another begins has the larger one in it. Raises
    ValueError for no item, items whose answers differ, or a prompt beyond the context; SplitAnswer for an
    answer that has no token, or one that is not known, or two answers that are the same tokens.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> item = Item("Anna is in the park. Question: Is Anna in the park? Answer:", (" yes", " no"), 0)
    >>> bool(probabilities(found.model, found.tokenizer, [item])[0].argmax() == 0)
    True
    """
    _check(items)
    if mixed := {item.answers for item in items} - {items[0].answers}:
        raise ValueError(f"items must have the same answers, got {items[0].answers} and {mixed.pop()}")
    own = [_chosen(tokenizer, [item.prompt for item in items], answer) for answer in items[0].answers]
    for each in {tuple(map(tuple, row)) for row in zip(*own, strict=True)}:
        _distinct(each, items[0].answers)
    if any(len(tokens) > 1 for column in own for tokens in column):
        return torch.stack([_of_several(model, tokenizer, items, j, batch) for j in range(len(own))], dim=1)
    at = torch.tensor([[tokens[0] for tokens in column] for column in own]).T  # (n, answers)
    found = torch.empty(len(items), len(own))
    prompts = encoding.prompts(tokenizer, [item.prompt for item in items])
    for rows, tokens in _batches(model, prompts, batch):
        last = torch.tensor([len(prompts[i]) - 1 for i in rows], device=tokens.device)
        kept, place = last.unique(return_inverse=True)  # logits of a whole vocabulary, there and nowhere else
        chosen = supervised.read(model, tokens, kept, place[:, None])[:, 0]  # (rows, vocabulary)
        found[rows] = chosen.float().softmax(-1).cpu().gather(1, at[rows])
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
    whole = _whole(tokenizer, items)
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
    encoded = encoding.prompts(tokenizer, texts)
    if short := [text for text, own in zip(texts, encoded, strict=True) if len(own) < 2]:
        raise ValueError(f"a text needs at least two tokens, got {short[0]!r}")
    found = torch.empty(len(texts))
    words = getattr(getattr(model, "config", None), "vocab_size", 1)
    one = 12.0 * words * max(map(len, encoded))  # logits, their copy and log-softmax, at every place
    batch = at_once(one, count("batch", batch), next(model.parameters()).device)
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


def _whole(tokenizer: Any, items: Sequence[Item]) -> list[list[int]]:
    """Prompts with their right answers, as tokens."""
    asked = [item.prompt for item in items]
    rights = encoding.answers(tokenizer, asked, [item.answer for item in items])
    return [p + own for p, own in zip(encoding.prompts(tokenizer, asked), rights, strict=True)]


def _of_several(model: nn.Module, tokenizer: Any, items: Sequence[Item], answer: int, batch: int) -> Tensor:
    """Probability (n,) of one of the answers, of any number of tokens."""
    asked = [replace(item, label=answer) for item in items]
    found = torch.empty(len(items))
    for rows, tokens in _batches(model, _whole(tokenizer, asked), batch):
        lesson = supervised.lesson(tokenizer, [asked[i] for i in rows], device=tokens.device)
        each = supervised.logits(model, lesson).float().log_softmax(-1)  # (rows, A, vocabulary)
        each = each.gather(-1, lesson.targets[..., None])[..., 0]
        found[rows] = torch.where(lesson.there, each, 0.0).sum(-1).exp().cpu()
    return found


def _chosen(tokenizer: Any, prompts: Sequence[str], answer: str) -> list[list[int]]:
    """Tokens of one answer behind each prompt, at least one and all known."""
    found = encoding.answers(tokenizer, prompts, [answer] * len(prompts))
    for prompt, own in zip(prompts, found, strict=True):
        if not own or tokenizer.unk_token_id in own:
            raise SplitAnswer(
                f"the tokenizer does not know the answer {answer!r} behind {prompt[-20:]!r}: it makes "
                f"{tokenizer.convert_ids_to_tokens(own)} of it. Choose other words"
            )
    return found


def _distinct(found: Sequence[Sequence[int]], answers: Sequence[str]) -> None:
    if len(set(map(tuple, found))) < len(found):
        raise SplitAnswer(f"the answers {list(answers)!r} are not different tokens: {list(found)}")


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
    _known(model, rows)
    device = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), size):
        own = order[start : start + size]
        tokens = torch.zeros(len(own), len(rows[own[-1]]), dtype=torch.long)
        for place, i in enumerate(own):
            tokens[place, : len(rows[i])] = torch.tensor(rows[i])
        yield own, tokens.to(device)


def _known(model: nn.Module, rows: Sequence[Sequence[int]]) -> None:
    """Raise ValueError for a token beyond the embedding, where a model has one."""
    embedding: Any = getattr(model, "get_input_embeddings", lambda: None)()
    most = embedding.weight.shape[0] if embedding is not None else None
    if most is not None and (largest := max(max(own, default=0) for own in rows)) >= most:
        item = next(i for i, own in enumerate(rows) if largest in own)
        raise ValueError(
            f"item {item} has the token {largest}, and the embedding has {most} rows: the text spells out a "
            "special token of the tokenizer, or the tokenizer is of another model"
        )
