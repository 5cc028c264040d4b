"""The exact n x n Gram matrix of per-example gradients, by parameter (claim L1).

All ranks of n gradients follow from it (`geometry.spectra`), so the (n, d) matrix is never formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from lglib.base import chunks
from lglib.base.checks import count
from lglib.parameters import memory, per_example
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

SURE = 0.999  # probability above which an item counts as saturated
ROUNDING = 1e-6  # 1 - p below this is rounding of float32: such a gradient has no direction of its own
KINDS = (
    ("embedding", r"wte|wpe|embed|lm_head"),
    ("norm", r"(^|\.)ln_|norm"),
    ("attention in", r"c_attn|[qkv]_proj|query_key_value"),
    ("attention out", r"attn\.c_proj|o_proj|out_proj|attention\.dense"),
    ("MLP in", r"c_fc|fc_in|gate_proj|up_proj|dense_h_to_4h"),
    ("MLP out", r"mlp\.c_proj|fc_out|down_proj|dense_4h_to_h"),
)


class Saturated(ValueError):
    """Gradients that vanish because the model is sure of its answers."""


@dataclass(frozen=True)
class Grams:
    """Gram matrices (n, n) in float64 of n per-example gradients by parameter; the losses (n,), in nats."""

    parts: Mapping[str, Tensor]
    losses: Tensor
    d: int

    @property
    def total(self) -> Tensor:
        """Gram matrix (n, n) of the gradients over all parameters."""
        return self.of(lambda name: True)

    def of(self, where: Callable[[str], bool]) -> Tensor:
        """Gram matrix of the gradients over the parameters that `where(name)` chooses; ValueError if none."""
        chosen = [g for name, g in self.parts.items() if where(name)]
        if not chosen:
            raise ValueError(f"where: chose none of {list(self.parts)[:5]}...")
        return torch.stack(chosen).sum(0)


def item_losses(model: nn.Module, lesson: Lesson) -> Tensor:
    """Loss of each item of a lesson (n,): what `supervised.loss` is the mean of."""
    return supervised.losses(supervised.logits(model, lesson), lesson)


def grams(
    space: ParameterSpace,
    lesson: Lesson,
    *,
    budget: int = per_example.BUDGET,
    blocks: Sequence[nn.Module] = (),
    also: Sequence[per_example.Visitor] = (),
    chunk: int | None = None,
) -> Grams:
    """Gram matrices of the gradients of a lesson's items, n >= 2, at the present theta, exactly.

    One forward and one backward pass and n^2 d products; memory: the activations (with `blocks`, those of one
    block), n^2 a parameter, and `budget` bytes. Where the activations of all items do not fit, or beyond
    `chunk` items, half a chunk goes with each other half: K halves take K (K - 1) / 2 passes. `also` are
    visitors shown the same gradients, such as sketches. Raises ValueError for n < 2, a chunk below 2 or a
    loss that is not finite, Saturated when gradients vanish.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> found = loading.load("micro-gpt2")
    >>> asked = supervised.lesson(found.tokenizer, data.micro(4, "plural"))
    >>> grams(ParameterSpace(found.model), asked).total.shape
    torch.Size([4, 4])
    """
    n = len(lesson.tokens)
    if n < 2:
        raise ValueError(f"lesson: got n = {n} item, want at least 2: one gradient has no rank to speak of")
    size = _at_once(space, lesson, budget, blocks) if chunk is None else count("chunk", chunk, 2)
    if size >= n:
        parts, losses = _pass(space, lesson, budget, blocks, also)
    else:
        parts, losses = _by_pairs(space, lesson, budget, blocks, also, max(1, size // 2))
    order = [name for name in space.names if name in parts]
    found = Grams({name: parts[name] for name in order}, losses.double().cpu(), space.d)
    _require_signal(found, lesson)
    return found


def _at_once(space: ParameterSpace, lesson: Lesson, budget: int, blocks: Sequence[nn.Module]) -> int:
    """How many items' activations fit beside the blocks of gradients and the Gram matrices."""
    n, longest = len(lesson.tokens), lesson.rows(lesson.lengths.argmax()[None])
    one = memory.cost_of_one(space, item_losses, longest, blocks)
    beside = 3.0 * budget + (memory.gram_bytes(space, n) if space.device.type == "cpu" else 0.0)
    return chunks.at_once(one, n, space.device, beside=beside)


def _pass(
    space: ParameterSpace,
    lesson: Lesson,
    budget: int,
    blocks: Sequence[nn.Module],
    also: Sequence[Any],
    like: int | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Gram matrices by parameter and losses of items that go through together."""
    n, parts = len(lesson.tokens), dict[str, Tensor]()

    def see(name: str, row: int, block: Tensor) -> None:
        flat = block.reshape(n, -1)
        mine = (flat @ flat.T).double().cpu()
        parts[name] = parts[name] + mine if name in parts else mine
        for other in also:
            other(name, row, block)

    losses = per_example.per_example_gradients(
        space, item_losses, lesson, n, see, budget=budget, blocks=blocks, like=like
    )
    return parts, losses


def _by_pairs(
    space: ParameterSpace,
    lesson: Lesson,
    budget: int,
    blocks: Sequence[nn.Module],
    also: Sequence[Any],
    half: int,
) -> tuple[dict[str, Tensor], Tensor]:
    """The same from pairs of groups of `half` items, so that no more than two groups are held."""
    if deaf := [other for other in also if not hasattr(other, "fresh")]:
        raise ValueError(f"also: {deaf[0]!r} has no `fresh` and `put`, so it must see all items at once")
    n, found = len(lesson.tokens), dict[str, Tensor]()
    losses = torch.zeros(n, dtype=torch.float64)
    groups = lesson.lengths.argsort(descending=True, stable=True).split(half)
    for a, b in combinations(groups, 2):
        own = torch.cat([a, b])
        new = [other.fresh() for other in also]
        parts, each = _pass(space, lesson.rows(own), budget, blocks, new, n if also else None)
        own = own.cpu()
        losses[own] = each.double().cpu()
        for name, mine in parts.items():
            found.setdefault(name, mine.new_zeros(n, n))[own[:, None], own] = mine
        for other, part in zip(also, new, strict=True):
            other.put(own, n, part)
    return found, losses


def sure(losses: Tensor, lesson: Lesson) -> Tensor:
    """Probability (n,) of the whole right answer, from the losses of a lesson's items."""
    return (-losses.double().cpu() * lesson.there.sum(-1).cpu()).exp()


def _require_signal(found: Grams, lesson: Lesson) -> None:
    left = -torch.expm1(-found.losses)  # 1 - p, without loss of digits
    if float((left < ROUNDING).double().mean()) > 0.5:
        share = float((sure(found.losses, lesson) > SURE).double().mean())
        raise Saturated(
            f"the gradients vanish: the model is saturated, {share:.1%} of the items are answered with "
            f"probability above {SURE}; what is left is rounding. Use harder items or a calibrated model"
        )
    if not found.parts or not found.total.diagonal().sum() > 0:
        raise ValueError("space: no gradient reaches the chosen parameters; choose others")


def place(name: str) -> tuple[int | None, str]:
    """Block (from 1) and kind of matrix that a parameter's name tells; the block is None outside of them.

    >>> place("transformer.h.0.attn.c_attn.weight"), place("model.norm.weight")
    ((1, 'attention in'), (None, 'norm'))
    """
    number = re.search(r"\.(\d+)\.", name)
    kind = next((kind for kind, pattern in KINDS if re.search(pattern, name)), "other")
    return (int(number[1]) + 1 if number else None), kind
