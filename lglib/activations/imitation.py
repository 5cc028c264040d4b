"""The way back from activations to weights: the smallest step that imitates a steering vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, lsmr
from torch import Tensor

from lglib.activations.pushforward import Pushforward
from lglib.base.checks import count, nonnegative
from lglib.models.loading import LanguageModel
from lglib.parameters.space import ParameterSpace


@dataclass(frozen=True)
class Step:
    """A step `delta` (d,), the share of the target that is left, ||J delta - b|| / ||b||, the iterations."""

    delta: Tensor
    left: float
    iterations: int


def smallest_step(
    push: Callable[[Tensor], Tensor],
    pull: Callable[[Tensor], Tensor],
    target: Tensor,
    d: int,
    *,
    damp: float = 0.0,
    iterations: int = 30,
    tolerance: float = 1e-6,
) -> Step:
    """The delta (d,) that minimises ||J delta - target||^2 + damp^2 ||delta||^2, by LSMR (Fong and Saunders).

    `push(u) = J u` has the shape of `target`, `pull(v) = J^T v` is (d,). Started at zero, every iterate lies
    in the row space of J, so where several steps do equally well the limit is the shortest of them. Numbers
    are float64 within LSMR and of the target's dtype in the map. Raises ValueError for a target that is zero
    or not finite, a negative damp, or maps of wrong shape.

    >>> j = torch.tensor([[1.0, 1.0]])
    >>> smallest_step(lambda u: j @ u, lambda v: j.T @ v, torch.tensor([2.0]), 2).delta
    tensor([1., 1.])
    """
    iterations = count("iterations", iterations)
    if not target.isfinite().all() or not target.any():
        raise ValueError("target must be finite and not zero: there is no step to look for")
    nonnegative("damp", damp)

    def forward(u: np.ndarray) -> np.ndarray:
        moved = push(torch.as_tensor(u).to(target))
        if moved.shape != target.shape:
            raise ValueError(
                f"push must give {tuple(target.shape)} like the target, got {tuple(moved.shape)}"
            )
        return moved.detach().double().cpu().numpy().ravel()

    def back(v: np.ndarray) -> np.ndarray:
        pulled = pull(torch.as_tensor(v).to(target).view(target.shape))
        if pulled.shape != (d,):
            raise ValueError(f"pull must give ({d},), got {tuple(pulled.shape)}")
        return pulled.detach().double().cpu().numpy()

    operator = LinearOperator((target.numel(), d), matvec=forward, rmatvec=back, dtype=np.float64)
    b = target.double().cpu().numpy().ravel()
    found = lsmr(operator, b, damp=damp, atol=tolerance, btol=tolerance, maxiter=iterations)
    delta, steps = found[0], int(found[2])
    left = float(np.linalg.norm(forward(delta) - b) / np.linalg.norm(b))
    return Step(torch.as_tensor(delta).to(target), left, steps)


@dataclass(frozen=True)
class Imitation:
    """A step `delta` (d,), and the share of the wanted shift that is missing after each round."""

    delta: Tensor
    left: tuple[float, ...]


def imitate(h: Pushforward, vector: Tensor, *, iterations: int = 12, rounds: int = 2) -> Imitation:
    """Find a small step of `h.space` that moves every activation which h reads by `vector` (width,).

    Each round asks LSMR for the smallest step that brings what is still missing, linearised where the last
    one ended; it stops after `iterations`, which keeps the step short. The model is left as it was. Raises
    ValueError for a map of several layers, a vector of another width, or one that is zero or not finite.

    >>> from lglib.activations import pushforward, residual
    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> read = residual.encode(model, ["Anna is in the park.", "Ben is in the attic."])
    >>> h = Pushforward(model, pushforward.of_blocks(model, 2), read, (2,))
    >>> imitate(h, 10 * model.model.transformer.wte.weight[5].detach()).left[-1] < 0.1
    True
    """
    if len(h.layers) != 1 or vector.shape != (h.model.width,):
        raise ValueError(
            f"h must read one layer and vector be ({h.model.width},), "
            f"got layers {h.layers} and {tuple(vector.shape)}"
        )
    before, start = h.space.flatten(), h.values()
    goal = vector.to(start).expand_as(start).contiguous()
    left = []
    try:
        for _ in range(count("rounds", rounds)):
            missing = goal - (h.values() - start)
            step = smallest_step(h.push, h.pull(), missing, h.space.d, iterations=iterations)
            h.space.load(h.space.flatten() + step.delta)
            left.append(((h.values() - start - goal).norm() / goal.norm()).item())
        delta = h.space.flatten() - before
    finally:
        h.space.load(before)
    return Imitation(delta, tuple(left))


def biases(model: LanguageModel, layer: int) -> ParameterSpace:
    """The biases of blocks 1 to `layer`, but for the last one of block `layer`.

    That one, where a block ends in a linear layer, is added to its output: to move it is to steer. Raises
    ValueError for a model whose blocks have no other bias.

    >>> from lglib.models import loading
    >>> biases(loading.load("micro-gpt2"), 1).d
    1280
    """
    layer = count("layer", layer, most=len(model.blocks))
    named = [[p for n, p in block.named_parameters() if n.endswith("bias")] for block in model.blocks[:layer]]
    chosen = {id(p) for own in named for p in own} - {id(p) for p in named[-1][-1:]}
    if not chosen:
        raise ValueError(f"the blocks of {model.name} have no biases that could be moved")
    return ParameterSpace(model.model, where=lambda _, p: id(p) in chosen)
