"""Contrastive activation addition (CAA, Rimsky et al., 2024): mean difference of h_l over pairs of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from lglib.activations import reading
from lglib.activations.steering import SteeringVector
from lglib.models.loading import LanguageModel
from lglib.tasks.items import YES_NO, Item

Pairs = tuple[list[str], list[str]]  # positive texts, negative texts


def statements(items: Sequence[Item]) -> Pairs:
    """True against false statements, read at the last token of the prompt, where the answer begins.

    Positive texts are the prompts of the true questions, negative ones those of the false. Raises ValueError
    where there are none of a kind, or not as many of both.

    >>> asked = [Item("Is 1 odd? Answer:", YES_NO, 0), Item("Is 2 odd? Answer:", YES_NO, 1)]
    >>> statements(asked)
    (['Is 1 odd? Answer:'], ['Is 2 odd? Answer:'])
    """
    true, false = ([item.prompt for item in items if item.label == label] for label in (0, 1))
    if not true or len(true) != len(false):
        raise ValueError(
            f"items must be as many true as false, at least one, got {len(true)} and {len(false)}"
        )
    return true, false


def answer_tokens(items: Sequence[Item]) -> Pairs:
    """Each prompt answered yes against the same answered no, read at the answer: CAA as it was published.

    >>> answer_tokens([Item("Is 1 odd? Answer:", YES_NO, 0)])
    (['Is 1 odd? Answer: yes'], ['Is 1 odd? Answer: no'])
    """
    return tuple([item.prompt + answer for item in items] for answer in YES_NO)  # type: ignore[return-value]


def text_after(items: Sequence[Item]) -> Pairs:
    """As `answer_tokens`, with the same question once more behind the answer, read at its end.

    h_l at the answer is the same whatever follows; it must be read later for something to depend on it.

    >>> text_after([Item("It is red. Question: Is it red? Answer:", YES_NO, 0)])[1]
    ['It is red. Question: Is it red? Answer: no Question: Is it red? Answer:']
    """
    found = []
    for answer in YES_NO:
        found.append(
            [
                f"{item.prompt}{answer} {item.prompt[max(map(item.prompt.rfind, ('Question:', 'Claim:'))) :]}"
                for item in items
            ]
        )
    return found[0], found[1]


HOW: dict[str, Callable[[Sequence[Item]], Pairs]] = {
    "true - false": statements,
    "answer token": answer_tokens,
    "text after": text_after,
}


@dataclass(frozen=True)
class Contrast:
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


def extract(
    found: LanguageModel, items: Sequence[Item], layers: Sequence[int], how: str, *, batch: int = 64
) -> Contrast:
    """Read positive and negative texts of `how` in the same batches, stopping at the last layer needed.

    `how` is one of `HOW`: "true - false", "answer token" or "text after". Raises ValueError for another one,
    no item, a class without items, a layer that is not there, or a text beyond the context.

    >>> from lglib.models import loading, splits
    >>> from lglib.tasks import data
    >>> found = loading.load("micro-gpt2")
    >>> asked = splits.balanced(data.micro(40), 4)
    >>> extract(found, asked, [3, 4], "true - false").vector(4).values.shape
    torch.Size([128])
    """
    if how not in HOW:
        raise ValueError(f"how is {how!r}; there is: {', '.join(HOW)}")
    if not items:
        raise ValueError("items is empty: there is nothing to contrast")
    positive, negative = HOW[how](items)
    both = [text for pair in zip(positive, negative, strict=True) for text in pair]
    h = reading.activations(found, reading.encode(found, both), layers, batch=batch)
    return Contrast(h[0::2] - h[1::2], tuple(layers), how)
