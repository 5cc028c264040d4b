"""The exact n x n Gram matrix of per-example gradients, by parameter; centred, normalised, of random vectors.

Claim L1. All
ranks of n gradients follow from their Gram matrix, so the (n, d) matrix of the gradients is never formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lglib.base import seeding
from lglib.base.checks import count
from lglib.geometry.spectra import Spectrum
from lglib.parameters import per_example
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

SURE = 0.999  # probability above which an item counts as saturated
ROUNDING = 1e-6  # 1 - p below this is rounding of float32: such a gradient has no direction of its own
KINDS = (
    ("embedding", r"wte|wpe|embed|lm_head"),
    ("norm", r"(^|\.)ln_|norm"),
    ("attention in", r"c_attn|[qkv]_proj|query_key_value"),
    ("attention out", r"attn\.c_proj|o_proj|attention\.dense"),
    ("MLP in", r"c_fc|gate_proj|up_proj|dense_h_to_4h"),
    ("MLP out", r"mlp\.c_proj|down_proj|dense_4h_to_h"),
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
) -> Grams:
    """Gram matrices of the gradients of a lesson's items, n >= 2, at the present theta, exactly.

    One forward and one backward pass and n^2 d products; memory: the activations (with `blocks`, those of one
    block), n^2 a parameter, and `budget` bytes. `also` are visitors shown the same gradients, such as
    sketches. Raises ValueError for n < 2 or a loss that is not finite, Saturated when gradients vanish.

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
    parts: dict[str, Tensor] = {}

    def see(name: str, row: int, block: Tensor) -> None:
        flat = block.reshape(n, -1)
        mine = (flat @ flat.T).double().cpu()
        parts[name] = parts[name] + mine if name in parts else mine
        for other in also:
            other(name, row, block)

    losses = per_example.visit(space, item_losses, lesson, n, see, budget=budget, blocks=blocks)
    order = [name for name in space.names if name in parts]
    found = Grams({name: parts[name] for name in order}, losses.double().cpu(), space.d)
    _require_signal(found, lesson)
    return found


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


def centred(gram: Tensor) -> Tensor:
    """Gram matrix of the same vectors less their mean: H G H with H = I - 1/n.

    >>> centred(torch.eye(2, dtype=torch.float64)).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    _square(gram)
    found = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    rounding = 64 * torch.finfo(gram.dtype).eps * gram.abs().max()
    return torch.zeros_like(gram) if found.abs().max() <= rounding else found  # all vectors equal


def unit(gram: Tensor) -> Tensor:
    """Gram matrix of the same vectors at length one: their cosines. ValueError if one of them is zero.

    >>> unit(torch.tensor([[4.0, 1.0], [1.0, 1.0]])).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    _square(gram)
    norms = gram.diagonal().sqrt()
    if not (norms > 0).all():
        raise ValueError(f"gram: vectors {(~(norms > 0)).nonzero().flatten().tolist()[:5]} have length 0")
    return gram / norms / norms[:, None]


def spectrum(gram: Tensor) -> Spectrum:
    """Spectrum of n vectors from their Gram matrix (n, n), n >= 2; ValueError if it is none or zero.

    >>> spectrum(torch.eye(3)).participation_ratio
    3.0
    """
    _square(gram)
    if not torch.allclose(gram, gram.T, rtol=1e-5, atol=1e-6 * float(gram.diagonal().abs().max())):
        raise ValueError("gram must be symmetric")
    values = torch.linalg.eigvalsh(gram.double()).flip(0)
    if not values[0] > 0:
        raise ValueError("gram must not be zero: there is no direction in it")
    if values[-1] < -1e-5 * values[0]:
        raise ValueError(f"gram must have no negative eigenvalue, got {values[-1].item():.3g}")
    return Spectrum(values.clamp(min=0))


def same_norms(gram: Tensor, d: int, seed: int) -> Tensor:
    """Gram matrix of n random directions in R^d with the norms of the given vectors: the control of a rank.

    Drawn exactly and without the (n, d) matrix, by Bartlett's decomposition: n Gaussian vectors have the Gram
    matrix L L^T, with L lower triangular and its diagonal chi-distributed, d - i degrees of freedom in row
    i = 0, 1, ... (Bartlett 1934). Raises ValueError unless d >= n.

    >>> same_norms(torch.diag(torch.tensor([4.0, 9.0])), 10**6, seed=0).diagonal().tolist()
    [4.0, 9.0]
    """
    _square(gram)
    n, d = len(gram), count("d", d, len(gram))
    dice = np.random.default_rng(seeding.generator(seed, "bartlett", d).initial_seed() % 2**63)
    lower = np.tril(dice.standard_normal((n, n)), -1)
    lower[np.diag_indices(n)] = np.sqrt(dice.chisquare(d - np.arange(n)))
    found = unit(torch.from_numpy(lower @ lower.T))
    norms = gram.double().diagonal().sqrt()
    found = found * norms * norms[:, None]
    return found.fill_diagonal_(0) + torch.diag(gram.double().diagonal())


def growth(gram: Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Participation ratio of the first n vectors, for each n of `sizes`: a rank that grows with n is none.

    Raises ValueError for a size below 2 or above the number of vectors.

    >>> growth(torch.eye(8), [2, 8])
    {2: 2.0, 8: 8.0}
    """
    wanted = [count("size", n, 2, len(gram)) for n in sizes]
    return {n: spectrum(gram[:n, :n]).participation_ratio for n in wanted}


def place(name: str) -> tuple[int | None, str]:
    """Block (from 1) and kind of matrix that a parameter's name tells; the block is None outside of them.

    >>> place("transformer.h.0.attn.c_attn.weight"), place("model.norm.weight")
    ((1, 'attention in'), (None, 'norm'))
    """
    number = re.search(r"\.(\d+)\.", name)
    kind = next((kind for kind, pattern in KINDS if re.search(pattern, name)), "other")
    return (int(number[1]) + 1 if number else None), kind


def _square(gram: Any) -> None:
    if not isinstance(gram, Tensor) or gram.ndim != 2 or gram.shape[0] != gram.shape[1] or len(gram) < 2:
        raise ValueError(f"gram must be (n, n) with n >= 2, got {tuple(getattr(gram, 'shape', ()))}")
    if not gram.isfinite().all():
        raise ValueError("gram must be finite")
