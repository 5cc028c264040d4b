"""What a Gram matrix will cost before it is made: memory by part and operations, measured on one example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.functional import pad

from lglib.base.checks import count
from lglib.base.chunks import free_memory as free_memory
from lglib.base.chunks import peak
from lglib.parameters import per_example
from lglib.parameters.per_example import LossesFn, per_example_gradients
from lglib.parameters.space import ParameterSpace
from lglib.tasks.supervised import Lesson

SPARE = 1.25  # what allocators and the interpreter take beside what is asked for


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of each part of a Gram matrix of n per-example gradients, and its operations."""

    parts: dict[str, float]
    operations: float
    n: int
    d: int
    lean: bool

    @property
    def total(self) -> float:
        """Bytes in all, with a quarter to spare."""
        return SPARE * sum(self.parts.values())

    @property
    def least(self) -> float:
        """Bytes with the activations of two items at a time, the fewest of which a Gram matrix is made."""
        return self.total - SPARE * self.parts["activations"] * (1 - 2 / self.n)

    def require(self, free: float | None = None) -> None:
        """Raise MemoryError, naming the parts, unless `free` bytes (default: the machine's) hold `least`."""
        have = free_memory("cpu") if free is None else free
        need = self.least - SPARE * self.parts["weights"]  # those are loaded already
        if need > have:
            told = ", ".join(f"{name} {size / 1e9:.3g} GB" for name, size in self.parts.items())
            more = "" if self.lean else ", or give `blocks` to keep the activations of one block only"
            raise MemoryError(
                f"the Gram matrix of n = {self.n} gradients of d = {self.d:,} needs about "
                f"{need / 1e9:.3g} GB beside the weights, two items at a time (all at once: {told}), and "
                f"{have / 1e9:.3g} GB are free: take fewer or shorter items{more}"
            )

    def __str__(self) -> str:
        told = "; ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in self.parts.items())
        return (
            f"n = {self.n}, d = {self.d:,}: {told}; in all {self.total / 1e9:.2f} GB, where n x d would be "
            f"{4e-9 * self.n * self.d:.2f} GB; {self.operations / 1e9:,.0f} x 10^9 operations"
        )


def memory_estimate(
    space: ParameterSpace,
    losses_fn: LossesFn,
    one: Any,
    n: int,
    *,
    tokens: int,
    budget: int = per_example.BUDGET,
    blocks: Sequence[nn.Module] = (),
) -> MemoryEstimate:
    """Estimate the Gram matrix of n gradients of at most `tokens` tokens from a batch of `one` example.

    What one example takes at the worst moment of both ways is measured; a shorter lesson is filled up to
    `tokens` first. The rest follows from n. With `blocks`, their activations are computed again. The
    operations: 2 a weight and token forward, 2 back, 2 for the gradient, and 2 n^2 d for the products.

    >>> import torch
    >>> net = nn.Linear(8, 2)
    >>> losses = lambda module, x: module(x).square().sum(-1)
    >>> found = memory_estimate(ParameterSpace(net), losses, torch.ones(1, 8), 64, tokens=1)
    >>> found.n, found.d, found.total < found.parts["Gram matrices"] + 1e9
    (64, 18, True)
    """
    n, tokens = count("n", n, 2), count("tokens", tokens)
    largest = max(p.numel() for p in space.parameters())
    wide = max(4, space.dtype.itemsize)
    parts = {
        "weights": float(sum(p.numel() * p.element_size() for p in space.module.parameters())),
        "activations": n * cost_of_one(space, losses_fn, _filled(one, tokens), blocks),
        "three blocks of gradients": 3.0 * min(max(budget, n * wide), n * wide * largest),
        "work space of one product": float(min(budget, largest * space.dtype.itemsize)),
        "Gram matrices": gram_bytes(space, n),
    }
    again = 2 if blocks else 0  # the blocks' second pass forward
    operations = (6 + again) * space.d * n * tokens + 2.0 * n * n * space.d
    return MemoryEstimate(parts, operations, n, space.d, bool(blocks))


def cost_of_one(
    space: ParameterSpace, losses_fn: LossesFn, one: Any, blocks: Sequence[nn.Module] = ()
) -> float:
    """Bytes that one example takes at the worst moment of a pass forward and back, measured.

    >>> import torch
    >>> losses = lambda module, x: module(x).square().sum(-1)
    >>> cost_of_one(ParameterSpace(nn.Linear(8, 2)), losses, torch.ones(1, 8)) < 200
    True
    """
    return peak(lambda: per_example_gradients(space, losses_fn, one, 1, None, blocks=blocks))


def gram_bytes(space: ParameterSpace, n: int) -> float:
    """Bytes of the n x n Gram matrices of all parameters, in float64, and of two sums.

    >>> gram_bytes(ParameterSpace(nn.Linear(8, 2)), 10)
    3200.0
    """
    return 8.0 * n * n * (len(space.names) + 2)


def _filled(one: Any, tokens: int) -> Any:
    """A lesson filled up on the right, which costs as a longer text does; anything else as it is."""
    if not isinstance(one, Lesson) or one.tokens.shape[1] >= tokens:
        return one
    return one._replace(tokens=pad(one.tokens, (0, tokens - one.tokens.shape[1])))
