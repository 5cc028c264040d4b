"""Steering vectors: read from pairs of texts (CAA), and added to the residual stream.

Contrastive activation addition is the mean difference of h_l over pairs of texts (Rimsky et al., 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lglib.activations import residual
from lglib.base.checks import count, real
from lglib.models.loading import LanguageModel
from lglib.tasks.items import Item, asked

Pairs = tuple[list[str], list[str]]  # positive texts, negative texts


@dataclass(frozen=True)
class SteeringVector:
    """A direction `values` (width,) for h_l after block `layer`; `n` items or pairs behind it; `how` made.

    Raises ValueError for values that are no finite vector, a layer below 1, or n below 1.

    >>> SteeringVector(4, torch.tensor([3.0, 4.0]), 10, "by hand").unit
    tensor([0.6000, 0.8000])
    """

    layer: int
    values: Tensor
    n: int
    how: str

    def __post_init__(self) -> None:
        count("layer", self.layer)
        count("n", self.n)
        if self.values.ndim != 1 or not self.values.isfinite().all():
            raise ValueError(f"values must be a finite vector (width,), got shape {tuple(self.values.shape)}")

    @property
    def unit(self) -> Tensor:
        """The direction with length 1; zero stays zero."""
        length = self.values.norm()
        return self.values / length if length > 0 else self.values


def centred_norm(h: Tensor) -> float:
    """Mean distance of activations (n, width) from their mean: the unit of all multipliers.

    Raw norms are mostly an offset that all texts share. Raises ValueError for fewer than two.

    >>> centred_norm(torch.tensor([[100.0, 1.0], [100.0, -1.0]]))
    1.0
    """
    if h.ndim != 2 or len(h) < 2:
        raise ValueError(f"h must be (n, width) with at least 2 rows, got {tuple(h.shape)}")
    return (h - h.mean(0)).norm(dim=1).mean().item()


@contextmanager
def steer(
    model: LanguageModel, vector: SteeringVector, multiplier: float = 1.0, *, unit: float | None = None
) -> Iterator[None]:
    """While the body runs, add a vector to h_l at every position.

    What is added is `multiplier` times the vector, or with `unit` (see `centred_norm`) times its direction
    times that length. The model is as before when the body ends, also by an error; several may be nested. A
    vector or multiplier of zero changes nothing, bit for bit. Raises ValueError for a layer or width that
    the model does not have, a multiplier or unit that is not finite, or a block that is no part of it.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> text = model.tokenizer(["Anna is in the park."], return_tensors="pt")
    >>> plain = model.model(**text).logits
    >>> with steer(model, SteeringVector(4, torch.ones(128), 1, "by hand"), 2.0):
    ...     moved = model.model(**text).logits
    >>> bool((moved == plain).all()), bool((model.model(**text).logits == plain).all())
    (False, True)
    """
    (layer,) = residual.check_layers(model, [vector.layer])
    real("multiplier", multiplier, "a finite number")
    real("unit", 1.0 if unit is None else unit, "a finite number")
    if vector.values.shape != (model.width,):
        raise ValueError(f"the vector has width {len(vector.values)}, {model.name} has {model.width}")
    block = model.blocks[layer - 1]
    if not any(part is block for part in model.model.modules()):
        raise ValueError(f"block {layer} is no part of the model {model.name}: it has no hook point there")
    added = multiplier * (vector.values if unit is None else unit * vector.unit)
    handle = block.register_forward_hook(_adding(added.to(model.device, model.dtype)))
    try:
        yield
    finally:
        handle.remove()


def _adding(added: Tensor) -> Callable[..., Any]:
    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        if not added.any():
            return None  # not even -0.0 becomes 0.0
        h = residual.stream(output) + added
        return (h, *output[1:]) if isinstance(output, tuple) else h

    return hook


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines along the last axis, in float64; 0 where a vector is zero.

    >>> cosines(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([0.0, 2.0]))
    tensor([0.0000, 0.7071], dtype=torch.float64)
    """
    return torch.cosine_similarity(a.double(), b.double(), dim=-1)


def statements(items: Sequence[Item]) -> Pairs:
    """True against false statements, read at the last token of the prompt, where the answer begins.

    Positive texts are the prompts whose first answer is right, as yes is for a true question; negative ones
    the others. Raises ValueError where there are none of a kind, or not as many of both.

    >>> answers = (" yes", " no")
    >>> statements([Item("Is 1 odd? Answer:", answers, 0), Item("Is 2 odd? Answer:", answers, 1)])
    (['Is 1 odd? Answer:'], ['Is 2 odd? Answer:'])
    """
    true, false = ([item.prompt for item in items if item.label == label] for label in (0, 1))
    if not true or len(true) != len(false):
        raise ValueError(
            f"items must be as many true as false, at least one, got {len(true)} and {len(false)}"
        )
    return true, false


def answer_tokens(items: Sequence[Item]) -> Pairs:
    """Each prompt with its first answer (yes) against the same with its second (no), read at the answer.

    That is CAA as it was published. Raises ValueError for an item without two answers.

    >>> answer_tokens([Item("Is 1 odd? Answer:", (" yes", " no"), 0)])
    (['Is 1 odd? Answer: yes'], ['Is 1 odd? Answer: no'])
    """
    if other := [item.answers for item in items if len(item.answers) != 2]:
        raise ValueError(f"items must have two answers to choose from, got {other[0]}")
    first, second = ([item.prompt + item.answers[i] for item in items] for i in (0, 1))
    return first, second


def text_after(items: Sequence[Item]) -> Pairs:
    """As `answer_tokens`, with the same question once more behind the answer, read at its end.

    h_l at the answer is the same whatever follows; it must be read later for something to depend on it.

    >>> text_after([Item("It is red. Question: Is it red? Answer:", (" yes", " no"), 0)])[1]
    ['It is red. Question: Is it red? Answer: no Question: Is it red? Answer:']
    """
    again = [asked(item.prompt) for item in items]
    yes, no = ([f"{a} {b}" for a, b in zip(own, again, strict=True)] for own in answer_tokens(items))
    return yes, no


CAA_TEXTS: dict[str, Callable[[Sequence[Item]], Pairs]] = {
    "true - false": statements,
    "answer token": answer_tokens,
    "text after": text_after,
}


@dataclass(frozen=True)
class PairDifferences:
    """Differences of h_l, positive minus negative, of n pairs: (n, layers, width), and how they were made."""

    differences: Tensor
    layers: tuple[int, ...]
    how: str

    @property
    def mean(self) -> Tensor:
        """The CAA vectors of all layers, (layers, width)."""
        return self.differences.mean(0)

    def vector(self, layer: int) -> SteeringVector:
        """The CAA vector of one layer, n pairs behind it. ValueError for a layer that was not read."""
        if layer not in self.layers:
            raise ValueError(f"layer must be one of those read, {list(self.layers)}, got {layer!r}")
        own = self.mean[self.layers.index(layer)]
        return SteeringVector(layer, own, len(self.differences), f"CAA, {self.how}")


def caa(
    model: LanguageModel, items: Sequence[Item], layers: Sequence[int], how: str, *, batch: int = 64
) -> PairDifferences:
    """Read positive and negative texts of `how` in the same batches, stopping at the last layer needed.

    `how` is one of `CAA_TEXTS`: "true - false", "answer token" or "text after". Raises ValueError for
    another one, no item, a class without items, a layer that is not there, or a text beyond the context.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data, splits
    >>> model = loading.load("micro-gpt2")
    >>> asked = splits.balanced(data.micro(40), 4)
    >>> caa(model, asked, [3, 4], "true - false").vector(4).values.shape
    torch.Size([128])
    """
    if how not in CAA_TEXTS:
        raise ValueError(f"how is {how!r}; there is: {', '.join(CAA_TEXTS)}")
    if not items:
        raise ValueError("items is empty: there is nothing to contrast")
    return caa_from_texts(model, *CAA_TEXTS[how](items), layers, how=how, batch=batch)


def caa_from_texts(
    model: LanguageModel,
    positive: Sequence[str],
    negative: Sequence[str],
    layers: Sequence[int],
    *,
    how: str = "pairs of texts",
    batch: int = 64,
) -> PairDifferences:
    """Differences of h_l at the last token of pairs of texts of one's own, positive minus negative.

    The i-th texts of both are a pair. Raises ValueError for lists of different lengths or without a text, a
    layer that is not there, or a text beyond the context.

    >>> from lglib.models import loading
    >>> found = caa_from_texts(loading.load("micro-gpt2"), ["Anna is happy."], ["Anna is sad."], [4])
    >>> found.vector(4).values.shape
    torch.Size([128])
    """
    if len(positive) != len(negative):
        raise ValueError(f"positive and negative must be as many, got {len(positive)} and {len(negative)}")
    both = [text for pair in zip(positive, negative, strict=True) for text in pair]
    h = residual.activations(model, residual.encode(model, both), layers, batch=batch)
    return PairDifferences(h[0::2] - h[1::2], tuple(layers), how)
