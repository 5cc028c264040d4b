"""Means over items, some items at a time: loss, gradient and Hessian product within the memory at hand."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lglib.base.chunks import at_once, peak

LossFn = Callable[[nn.Module, Any], Tensor]
Pieces = Sequence[tuple[Any, float]]  # batches and their weights, which add up to 1
COSTS = {"loss": 1.0, "gradient": 1.3, "curvature": 5.0}  # in the peak of a forward pass of the kind
_measured: weakref.WeakKeyDictionary[nn.Module, dict[Any, float]] = weakref.WeakKeyDictionary()


def pieces(
    module: nn.Module,
    loss_fn: LossFn,
    batch: Any,
    work: str,
    *,
    chunk: int | None = None,
    beside: float = 0.0,
) -> Pieces:
    """Chunks of a batch with the share of its items in each; one piece, the batch itself, for no `groups`.

    >>> pieces(nn.Linear(1, 1), lambda module, batch: module(batch).sum(), torch.ones(2), "loss", chunk=1)
    [(tensor([1., 1.]), 1.0)]
    """
    found = groups(module, loss_fn, batch, work, chunk=chunk, beside=beside)
    return [(batch.rows(own), len(own) / len(batch.lengths)) for own in found] or [(batch, 1.0)]


def groups(
    module: nn.Module,
    loss_fn: LossFn,
    batch: Any,
    work: str,
    *,
    chunk: int | None = None,
    beside: float = 0.0,
) -> Sequence[Tensor]:
    """Items of a batch in groups as large as memory allows, or of `chunk`; the dearest first.

    None where the whole batch fits, where the loss is not marked by `chunks.mean_over_items`, or where the
    batch does not offer `rows` and `lengths`. The cost of an item is measured on the longest, in one forward
    pass, once for a module and length. `work` is one of COSTS; `beside` bytes that it takes however few items
    there are. Raises ValueError for a chunk below 1.

    >>> groups(nn.Linear(1, 1), lambda module, batch: module(batch).sum(), torch.ones(2), "loss")
    []
    """
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"chunk must be a whole number from 1, got {chunk!r}")
    if not (getattr(loss_fn, "over_items", False) and hasattr(batch, "rows")):
        return []
    lengths = batch.lengths
    if len(lengths) == 1:
        return []
    size = chunk or _size(module, loss_fn, batch, work, beside)
    if size >= len(lengths):
        return []
    order = lengths.argsort(descending=True, stable=True)  # the dearest first: too little shows at once
    return [own.sort().values for own in order.split(size)]


def _size(module: nn.Module, loss_fn: LossFn, batch: Any, work: str, beside: float) -> int:
    lengths = batch.lengths
    first = next(module.parameters())
    longest = int(lengths.max())
    key = (work == "loss", longest, first.dtype)
    costs = _measured.setdefault(module, {})
    if key not in costs:
        one = batch.rows(lengths.argmax()[None])
        devices = [first.device] if first.device.type == "cuda" else []
        with torch.set_grad_enabled(work != "loss"), torch.random.fork_rng(devices=devices):
            costs[key] = peak(lambda: loss_fn(module, one))
    return at_once(COSTS[work] * costs[key], len(lengths), first.device, beside=beside)


def accumulate(parts: Iterable[tuple[Sequence[Tensor], float]], d: int, like: Tensor) -> Tensor:
    """Weighted sum (d,) of gradients that come tensor by tensor; each is let go as soon as it is added.

    >>> accumulate([([torch.ones(2)], 0.5), ([torch.ones(2)], 0.5)], 2, torch.zeros(1))
    tensor([1., 1.])
    """
    total = like.new_zeros(d)
    for tensors, weight in parts:
        start = 0
        for x in tensors:
            total[start : start + x.numel()].add_(x.detach().reshape(-1), alpha=weight)
            start += x.numel()
    return total


def curvature(
    gradients: Sequence[Tensor], tensors: Sequence[Tensor]
) -> Callable[[Sequence[Tensor]], Sequence[Tensor]]:
    """Function v -> H v, tensor by tensor, from gradients with their graph, which it keeps.

    >>> x = torch.ones(2, requires_grad=True)
    >>> curvature(torch.autograd.grad((x**3).sum(), [x], create_graph=True), [x])([torch.ones(2)])
    (tensor([6., 6.]),)
    """
    curved = [g for g in gradients if g.requires_grad]  # the others are constant, with zero rows in H

    def product(vector: Sequence[Tensor]) -> Sequence[Tensor]:
        along = [v for v, g in zip(vector, gradients, strict=True) if g.requires_grad]
        if not curved:
            return [torch.zeros_like(x) for x in tensors]
        return torch.autograd.grad(curved, tensors, along, retain_graph=True, materialize_grads=True)

    return product


def unchanged(tensors: Sequence[Tensor]) -> Callable[[], None]:
    """Return a check that raises RuntimeError once one of the tensors has been written to since now.

    >>> unchanged([torch.ones(1)])()
    """
    before = [(x, x._version) for x in tensors]

    def check() -> None:
        if any(x._version != version for x, version in before):
            raise RuntimeError(
                "a parameter has been modified by an inplace operation since the product was made: "
                "make a new one at the new point"
            )

    return check
