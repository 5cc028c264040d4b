"""What a step does to the function, not to the coordinates: merged matrices B A, and logits.

Captures are computed from inner products, layer by layer: no vector of all merged matrices is formed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lglib.base.checks import count
from lglib.geometry.subspace import Subspace
from lglib.models import lora
from lglib.models.lora import Adapter
from lglib.parameters.space import LossFn
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

RANK = 1e-10  # a direction of a smaller share of the squared length is rounding
Matrices = dict[str, Tensor]  # by layer name, (outputs, inputs)


def change(adapter: Adapter, start: Tensor, end: Tensor) -> Matrices:
    """Change of each merged matrix, scaling (B A)(end) - scaling (B A)(start), by layer name."""
    before, after = lora.merged(adapter, start), lora.merged(adapter, end)
    return {name: after[name] - before[name] for name in after}


def updates(adapter: Adapter, points: Tensor, k: int) -> list[Matrices]:
    """Return the first k changes of the merged matrices along a path (T + 1, d).

    Raises ValueError when the path has fewer than k steps.
    """
    count("k", k, most=len(points) - 1)
    return [change(adapter, points[i], points[i + 1]) for i in range(k)]


def gradients(adapter: Adapter, loss_fn: LossFn, batches: Sequence[Any]) -> list[Matrices]:
    """Gradient of the loss by each adapted matrix itself, (outputs, inputs), one for every batch.

    The steepest change of the function's matrices, of any rank: what a gradient basis is without LoRA's
    coordinates. The base weights are frozen again afterwards, also after an error.
    """
    weights: Matrices = {one.name: one.module.base_layer.weight for one in adapter.layers}
    turned = [type(one.module.base_layer).__name__ == "Conv1D" for one in adapter.layers]  # (inputs, outputs)
    found = []
    with _thawed(list(weights.values())):
        for batch in batches:
            rows = torch.autograd.grad(loss_fn(adapter.model, batch), list(weights.values()))
            own = [(row.T if flip else row).detach() for row, flip in zip(rows, turned, strict=True)]
            found.append(dict(zip(weights, own, strict=True)))
    return found


def capture(basis: Sequence[Matrices], delta: Matrices, *, layers: Sequence[str] | None = None) -> float:
    """Share of the energy of a change that lies in the span of others, over some layers (default: all).

    c^T G^+ c / ||delta||^2 with the Gram matrix G (k, k) of the basis and c its inner products with delta;
    directions of relative squared length below 1e-10 are left out. ValueError for no basis or a zero change.

    >>> one, other = torch.eye(2)[:1], torch.eye(2)[1:]
    >>> round(capture([{"w": one}], {"w": 3 * one + 4 * other}), 3)
    0.36
    """
    names = list(delta) if layers is None else list(layers)
    if not names or not basis:
        raise ValueError("layers and basis must hold at least one each: there is no capture without")
    gram = _gram([*basis, delta], names)
    energy = gram[-1, -1].item()
    if not energy > 0:
        raise ValueError("delta is zero: it has no capture")
    size = gram.diagonal()[:-1].clamp(min=0).sqrt()
    if not size.all():
        raise ValueError(f"basis holds zero changes at {(size == 0).nonzero()[:, 0].tolist()}")
    g, c = gram[:-1, :-1] / size[:, None] / size, gram[:-1, -1] / size
    inside = (c @ torch.linalg.pinv(g, rtol=RANK, hermitian=True) @ c).item() / energy
    return min(max(inside, 0.0), 1.0)


def leading(changes: Sequence[Matrices], k: int) -> list[Matrices]:
    """Top-k directions of n changes, as `Subspace.from_gradients` takes them, from their Gram matrix (n, n).

    Raises ValueError when k is above the rank of the n changes.
    """
    count("k", k, most=len(changes))
    gram = _gram(changes, list(changes[0]))
    values, vectors = torch.linalg.eigh(gram)
    if k > (rank := int((values > RANK * values[-1]).sum())):
        raise ValueError(f"k: got {k}, want at most the rank found, {rank}")
    weights = vectors.flip(1)[:, :k]  # (n, k), the largest first
    mixed = []
    for column in weights.T.tolist():
        rows = {name: torch.zeros_like(value) for name, value in changes[0].items()}
        for w, one in zip(column, changes, strict=True):
            for name, value in rows.items():
                value.add_(one[name], alpha=w)
        mixed.append(rows)
    return mixed


def explained(whole: Tensor, part: Tensor) -> float:
    """Return 1 - ||whole - part||^2 / ||whole||^2: 1 if a part does it all, below 0 if it does harm.

    >>> explained(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 0.0])).__round__(2)
    0.36
    """
    energy = whole.double().square().sum().item()
    if not energy > 0:
        raise ValueError("whole is zero: nothing is there to explain")
    return 1 - (whole.double() - part.double()).square().sum().item() / energy


@torch.no_grad()
def logits(adapter: Adapter, theta: Tensor, lesson: Lesson) -> Tensor:
    """Logits (n, A, vocabulary) on a lesson at theta, less their mean over the vocabulary.

    A common shift of all logits changes no probability, so it is taken off. Entries without an answer are 0.
    """
    with adapter.space.at(theta):
        found = supervised.logits(adapter.model, lesson).float()
    return (found - found.mean(-1, keepdim=True)) * lesson.there[..., None]


def shares(
    adapter: Adapter, start: Tensor, end: Tensor, bases: Mapping[str, Subspace], lesson: Lesson
) -> dict[str, dict[str, float]]:
    """What the part of a displacement inside a subspace does of what the whole does, by basis.

    `coordinates`: capture of end - start; `matrices`: explained share of the change of merged matrices, when
    only P (end - start) is applied; `logits`: of the change of logits on a lesson; `loss`: of its decrease.
    Raises ValueError when the loss is the same at both ends.
    """
    whole, at_start = change(adapter, start, end), logits(adapter, start, lesson)
    moved = logits(adapter, end, lesson) - at_start
    before, after = (supervised.losses(z, lesson).mean().item() for z in (at_start, at_start + moved))
    if before == after:
        raise ValueError(f"the loss is {before} at both ends: there is no decrease to share")
    found = {}
    for name, basis in bases.items():
        part = start + basis.project(end - start)
        at_part = logits(adapter, part, lesson)
        reached = supervised.losses(at_part, lesson).mean().item()
        found[name] = {
            "coordinates": float(basis.capture(end - start)),
            "matrices": explained(lora.flat(whole), lora.flat(change(adapter, start, part))),
            "logits": explained(moved, at_part - at_start),
            "loss": (before - reached) / (before - after),
        }
    return found


def _gram(changes: Sequence[Matrices], layers: Sequence[str]) -> Tensor:
    gram = torch.zeros(len(changes), len(changes), dtype=torch.float64)
    for name in layers:
        rows = torch.stack([one[name].reshape(-1) for one in changes]).double()
        gram += (rows @ rows.T).cpu()
    return gram


@contextmanager
def _thawed(weights: Sequence[Tensor]) -> Iterator[None]:
    for weight in weights:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(False)
