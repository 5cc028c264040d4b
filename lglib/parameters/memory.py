"""What a Gram matrix will cost before it is made: memory by part and operations, measured on one example."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from lglib.base.checks import count
from lglib.parameters import per_example
from lglib.parameters.per_example import LossesFn
from lglib.parameters.space import ParameterSpace

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

    def require(self, free: float | None = None) -> None:
        """Raise MemoryError, naming the parts, unless `free` bytes suffice (default: the machine's)."""
        have = free_memory("cpu") if free is None else free
        need = self.total - SPARE * self.parts["weights"]  # those are loaded already
        if need > have:
            told = ", ".join(f"{name} {size / 1e9:.3g} GB" for name, size in self.parts.items())
            more = "" if self.lean else ", or give `blocks` to keep the activations of one block only"
            raise MemoryError(
                f"the Gram matrix of n = {self.n} gradients of d = {self.d:,} needs about "
                f"{need / 1e9:.3g} GB beside the weights ({told}), and {have / 1e9:.3g} GB are free: take "
                f"fewer or shorter items{more}"
            )

    def __str__(self) -> str:
        told = "; ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in self.parts.items())
        return (
            f"n = {self.n}, d = {self.d:,}: {told}; in all {self.total / 1e9:.2f} GB, where n x d would be "
            f"{4e-9 * self.n * self.d:.2f} GB; {self.operations / 1e9:,.0f} x 10^9 operations"
        )


def free_memory(device: torch.device | str) -> float:
    """Bytes that are free on a device: of a GPU, or of the machine.

    >>> free_memory("cpu") > 0
    True
    """
    if torch.device(device).type == "cuda":
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    return float(psutil.virtual_memory().available)


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
    """Estimate the Gram matrix of n gradients from a batch of `one` example of the greatest length, `tokens`.

    What one example keeps for the way back is measured in a single pass; the rest follows from n. With
    `blocks`, those keep their input only, and the largest of them is counted once. The operations: 2 a
    weight and token forward, 2 back, 2 for the gradient, and 2 n^2 d for the products.

    >>> net = nn.Linear(8, 2)
    >>> losses = lambda module, x: module(x).square().sum(-1)
    >>> found = memory_estimate(ParameterSpace(net), losses, torch.ones(1, 8), 64, tokens=1)
    >>> found.n, found.d, found.total < found.parts["Gram matrices"] + 1e9
    (64, 18, True)
    """
    n, tokens = count("n", n, 2), count("tokens", tokens)
    outside, inside, entry = _kept(space, losses_fn, one, blocks)
    parts = {
        "weights": float(sum(p.numel() * p.element_size() for p in space.module.parameters())),
        "activations": n * (outside + sum(entry) + max(inside, default=0.0)),
        "three blocks of gradients": 3.0 * max(budget, n * 4),
        "work space of one product": float(max(p.numel() * p.element_size() for p in space.parameters())),
        "Gram matrices": 8.0 * n * n * (len(space.names) + 2),
    }
    again = 2 if blocks else 0  # the blocks' second pass forward
    operations = (6 + again) * space.d * n * tokens + 2.0 * n * n * space.d
    return MemoryEstimate(parts, operations, n, space.d, bool(blocks))


def _kept(
    space: ParameterSpace, losses_fn: LossesFn, one: Any, blocks: Sequence[nn.Module]
) -> tuple[float, list[float], list[float]]:
    """Bytes that one example keeps outside of the blocks, inside each, and at the entry of each."""
    own = {p.untyped_storage().data_ptr() for p in space.module.parameters()}
    seen: set[int] = set(own)
    sizes = [0.0] * (len(blocks) + 1)
    entry: list[float] = []
    where = [len(blocks)]
    alive: list[Tensor] = []  # or a storage freed in between would be counted under its successor's address

    def add(x: Tensor) -> None:
        storage = x.untyped_storage()
        if storage.data_ptr() not in seen and x.is_floating_point():
            seen.add(storage.data_ptr())
            alive.append(x)
            sizes[where[0]] += storage.nbytes()

    def pack(x: Tensor) -> Tensor:
        add(x)
        return x

    def enter(index: int) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            where[0] = index
            entry.append(float(args[0].untyped_storage().nbytes()) if args else 0.0)

        return hook

    def leave(_: nn.Module, __: Any, ___: Any) -> None:
        where[0] = len(blocks)

    with ExitStack() as after:
        for i, block in enumerate(blocks):
            after.callback(block.register_forward_pre_hook(enter(i)).remove)
            after.callback(block.register_forward_hook(leave).remove)
        for module in space.module.modules():
            if any(
                True for _ in module.parameters(recurse=False)
            ):  # the tape keeps what such a module is given
                hold = module.register_forward_pre_hook(
                    lambda _, args: add(args[0]) if args and isinstance(args[0], Tensor) else None
                )
                after.callback(hold.remove)
        after.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x))
        with torch.enable_grad():
            losses_fn(space.module, one)
    return sizes[-1], sizes[:-1], entry
