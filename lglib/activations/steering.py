"""Steering vectors, and the hook that adds one to the residual stream and takes itself off again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lglib.activations import residual
from lglib.models.loading import LanguageModel


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
        for name in ("layer", "n"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int) or given < 1:
                raise ValueError(f"{name} must be a whole number, at least 1, got {given!r}")
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
    found: LanguageModel, vector: SteeringVector, multiplier: float = 1.0, *, unit: float | None = None
) -> Iterator[None]:
    """While the body runs, add a vector to h_l at every position.

    What is added is `multiplier` times the vector, or with `unit` (see `centred_norm`) times its direction
    times that length. The model is as before when the body ends, also by an error; several may be nested. A
    vector or multiplier of zero changes nothing, bit for bit. Raises ValueError for a layer or width that
    the model does not have, a multiplier or unit that is not finite, or a block that is no part of it.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> text = found.tokenizer(["Anna is in the park."], return_tensors="pt")
    >>> plain = found.model(**text).logits
    >>> with steer(found, SteeringVector(4, torch.ones(128), 1, "by hand"), 2.0):
    ...     moved = found.model(**text).logits
    >>> bool((moved == plain).all()), bool((found.model(**text).logits == plain).all())
    (False, True)
    """
    (layer,) = residual.check(found, [vector.layer])
    for name, given in (("multiplier", multiplier), ("unit", 1.0 if unit is None else unit)):
        if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
            raise ValueError(f"{name} must be a finite number, got {given!r}")
    if vector.values.shape != (found.width,):
        raise ValueError(f"the vector has width {len(vector.values)}, {found.name} has {found.width}")
    block = found.blocks[layer - 1]
    if not any(part is block for part in found.model.modules()):
        raise ValueError(f"block {layer} is no part of the model {found.name}: it has no hook point there")
    added = multiplier * (vector.values if unit is None else unit * vector.unit)
    handle = block.register_forward_hook(_adding(added.to(found.device, found.dtype)))
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
