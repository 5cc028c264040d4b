"""Texts as tokens with one read position each, and h_l read there, without keeping what is not asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lglib.activations import residual
from lglib.base import seeding
from lglib.base.checks import count
from lglib.models.loading import LanguageModel


class Reading(NamedTuple):
    """n texts of at most L tokens, filled on the right, and the position of each that is read.

    `tokens` (n, L), where a causal model does not look at the filling; `at` (n,), the last token of each.
    """

    tokens: Tensor
    at: Tensor

    def rows(self, chosen: Tensor) -> Reading:
        """Some of the texts, without the columns that none of them needs."""
        at = self.at[chosen]
        return Reading(self.tokens[chosen, : int(at.max()) + 1], at)


class _Enough(Exception):
    """The last layer that is needed has run."""


def encode(found: LanguageModel, texts: Sequence[str]) -> Reading:
    """Texts as tokens, each read at its last one.

    Raises ValueError for no text, no token, or a text beyond the context.

    >>> from lglib.models import loading
    >>> encode(loading.load("micro-gpt2"), ["Is Anna in the park?", "Anna is in."]).at.tolist()
    [6, 4]
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"texts must be a list of at least one text, got {texts!r}")
    ids = found.tokenizer(list(texts)).input_ids
    for i, own in enumerate(ids):
        if not 1 <= len(own) <= found.context:
            raise ValueError(
                f"text {i} has {len(own)} tokens, the context of {found.name} holds 1 to {found.context}: "
                f"{texts[i][:60]!r}; data.fit makes prompts fit"
            )
    tokens = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    for row, own in zip(tokens, ids, strict=True):
        row[: len(own)] = torch.tensor(own)
    at = torch.tensor([len(own) - 1 for own in ids])
    return Reading(tokens.to(found.device), at.to(found.device))


def elsewhere(read: Reading, more: int, *key: object) -> Reading:
    """Each text read at its last token, and at `more` places before it, drawn by key: n (1 + more) rows.

    >>> one = Reading(torch.zeros(2, 9, dtype=torch.long), torch.tensor([8, 3]))
    >>> elsewhere(one, 2, "key").at.shape
    torch.Size([6])
    """
    more, dice = count("more", more, low=0), seeding.generator("elsewhere", *key)
    lot = torch.rand(more, len(read.at), generator=dice).to(read.at.device)
    places = torch.cat([read.at[None], (lot * read.at).long()])  # (1 + more, n), floors are below the last
    return Reading(read.tokens.repeat(more + 1, 1), places.flatten())


@contextmanager
def until(found: LanguageModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """While the body runs one forward pass, watch h_l; the pass ends, and the body with it, behind the last.

    Nothing above the last of `layers` is computed, so what stands behind the pass in the body does not run.
    Raises ValueError for a layer that is not there, a block that is no part of the model, or one that the
    pass did not reach.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> with until(found, [1]) as seen:
    ...     _ = found.model(**found.tokenizer(["Anna is in the park."], return_tensors="pt"))
    >>> seen[1].shape
    torch.Size([1, 7, 128])
    """
    layers = residual.check(found, layers)
    parts = set(map(id, found.model.modules()))
    if strange := [layer for layer in layers if id(found.blocks[layer - 1]) not in parts]:
        raise ValueError(
            f"block {strange[0]} is no part of the model {found.name}: it has no hook point there"
        )
    with residual.watch(found, layers) as seen:
        handle = found.blocks[max(layers) - 1].register_forward_hook(_stop)
        try:
            yield seen
        except _Enough:
            pass
        finally:
            handle.remove()
    if missing := [layer for layer in layers if layer not in seen]:
        raise ValueError(f"block {missing[0]} of {found.name} did not run: nothing was read from it")


def hidden(
    found: LanguageModel, reading: Reading, layers: Sequence[int], run: Callable[..., Any] | None = None
) -> Tensor:
    """h_l at the read position of each text, (n, layers, width), with its graph, in one forward pass.

    `run(input_ids=..., use_cache=False)` runs the model; by default that is the model itself.
    """
    with until(found, layers) as seen:
        (run or found.model)(input_ids=reading.tokens, use_cache=False)
    rows = torch.arange(len(reading.at), device=reading.at.device)
    return torch.stack([seen[layer][rows, reading.at] for layer in layers], dim=1)


@torch.no_grad()
def activations(found: LanguageModel, reading: Reading, layers: Sequence[int], *, batch: int = 64) -> Tensor:
    """h_l at the read position of each text, (n, layers, width), in batches of like length.

    Each pass stops at the last layer needed, and of each text only the read position is kept.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> activations(found, encode(found, ["Anna is in the park.", "So:"]), [2, 4]).shape
    torch.Size([2, 2, 128])
    """
    batch, order = count("batch", batch), reading.at.argsort()
    kept = torch.empty(len(order), len(layers), found.width, device=found.device, dtype=found.dtype)
    for own in order.split(batch):
        kept[own] = hidden(found, reading.rows(own), layers)
    return kept


def _stop(*_: Any) -> None:
    raise _Enough
