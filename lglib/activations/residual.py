"""The residual stream h_l: what block l of a model gives to the next, read at one position of each text.

A block's output is read by a hook: `hidden_states[-1]` of transformers is after the final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lglib.base import seeding
from lglib.base.checks import count
from lglib.base.chunks import at_once, peak
from lglib.models.loading import LanguageModel
from lglib.tasks.supervised import Lesson


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


def encode(model: LanguageModel, texts: Sequence[str]) -> Reading:
    """Texts as tokens, each read at its last one.

    Raises ValueError for no text, no token, or a text beyond the context.

    >>> from lglib.models import loading
    >>> encode(loading.load("micro-gpt2"), ["Is Anna in the park?", "Anna is in."]).at.tolist()
    [6, 4]
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"texts must be a list of at least one text, got {texts!r}")
    ids = model.tokenizer(list(texts)).input_ids
    for i, own in enumerate(ids):
        if not 1 <= len(own) <= model.context:
            raise ValueError(
                f"text {i} has {len(own)} tokens, the context of {model.name} holds 1 to {model.context}: "
                f"{texts[i][:60]!r}; data.fit makes prompts fit"
            )
    tokens = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    for row, own in zip(tokens, ids, strict=True):
        row[: len(own)] = torch.tensor(own)
    at = torch.tensor([len(own) - 1 for own in ids])
    return Reading(tokens.to(model.device), at.to(model.device))


def of_lesson(lesson: Lesson) -> Reading:
    """The questions of a lesson, each read at the last token of its prompt, where the answer begins.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data, supervised
    >>> asked = supervised.lesson(loading.load("micro-gpt2").tokenizer, data.micro(2, "claim"))
    >>> of_lesson(asked).at.shape
    torch.Size([2])
    """
    return Reading(lesson.tokens, lesson.kept[lesson.place[:, 0]])


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


def check_layers(model: LanguageModel, layers: Sequence[int]) -> list[int]:
    """Layers as whole numbers from 1 to the number of blocks, each once; ValueError otherwise.

    >>> from lglib.models import loading
    >>> check_layers(loading.load("micro-gpt2"), [4, 1])
    [4, 1]
    """
    given = [count("layer", layer, most=len(model.blocks)) for layer in layers]
    if not given or len(set(given)) < len(given):
        raise ValueError(f"layers must be different, at least one, got {given}")
    return given


@contextmanager
def watch(model: LanguageModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """While the body runs, h_l (n, L, width) of the latest forward pass by layer l, with its graph.

    Layers count from 1; h_l is the output of block l. The hooks go when the body ends, also by an error.
    Raises ValueError for a layer that is not there.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> with watch(model, [1, 4]) as seen:
    ...     _ = model.model(**model.tokenizer(["Anna is in the park."], return_tensors="pt"))
    >>> {layer: tuple(h.shape) for layer, h in seen.items()}
    {1: (1, 7, 128), 4: (1, 7, 128)}
    """
    seen: dict[int, Tensor] = {}
    handles = []
    try:
        for layer in check_layers(model, layers):
            handles.append(model.blocks[layer - 1].register_forward_hook(_keep(seen, layer)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def stream(output: Any) -> Tensor:
    """The residual stream in a block's output: a tensor, or a tuple that begins with it."""
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def until(model: LanguageModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """While the body runs one forward pass, watch h_l; the pass ends, and the body with it, behind the last.

    Nothing above the last of `layers` is computed, so what stands behind the pass in the body does not run.
    Raises ValueError for a layer that is not there, a block that is no part of the model, or one that the
    pass did not reach.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> with until(model, [1]) as seen:
    ...     _ = model.model(**model.tokenizer(["Anna is in the park."], return_tensors="pt"))
    >>> seen[1].shape
    torch.Size([1, 7, 128])
    """
    layers = check_layers(model, layers)
    parts = set(map(id, model.model.modules()))
    if strange := [layer for layer in layers if id(model.blocks[layer - 1]) not in parts]:
        raise ValueError(
            f"block {strange[0]} is no part of the model {model.name}: it has no hook point there"
        )
    with watch(model, layers) as seen:
        handle = model.blocks[max(layers) - 1].register_forward_hook(_stop)
        try:
            yield seen
        except _Enough:
            pass
        finally:
            handle.remove()
    if missing := [layer for layer in layers if layer not in seen]:
        raise ValueError(f"block {missing[0]} of {model.name} did not run: nothing was read from it")


def hidden(
    model: LanguageModel, reading: Reading, layers: Sequence[int], run: Callable[..., Any] | None = None
) -> Tensor:
    """h_l at the read position of each text, (n, layers, width), with its graph, in one forward pass.

    `run(input_ids=..., use_cache=False)` runs the model; by default that is the model itself.
    """
    with until(model, layers) as seen:
        (run or model.model)(input_ids=reading.tokens, use_cache=False)
    rows = torch.arange(len(reading.at), device=reading.at.device)
    return torch.stack([seen[layer][rows, reading.at] for layer in layers], dim=1)


@torch.no_grad()
def activations(model: LanguageModel, reading: Reading, layers: Sequence[int], *, batch: int = 64) -> Tensor:
    """h_l at the read position of each text, (n, layers, width), in batches of like length.

    `batch` is the most of one pass, fewer where memory does not hold them.
    Each pass stops at the last layer needed, and of each text only the read position is kept.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> activations(model, encode(model, ["Anna is in the park.", "So:"]), [2, 4]).shape
    torch.Size([2, 2, 128])
    """
    order = reading.at.argsort()
    longest = reading.rows(order[-1:])
    batch = at_once(peak(lambda: hidden(model, longest, layers)), count("batch", batch), model.device)
    kept = torch.empty(len(order), len(layers), model.width, device=model.device, dtype=model.dtype)
    for own in order.split(batch):
        kept[own] = hidden(model, reading.rows(own), layers)
    return kept


def _keep(seen: dict[int, Tensor], layer: int) -> Callable[..., None]:
    def hook(_: nn.Module, __: Any, output: Any) -> None:
        seen[layer] = stream(output)

    return hook


def _stop(*_: Any) -> None:
    raise _Enough
