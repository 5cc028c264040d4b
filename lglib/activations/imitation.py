"""A weight edit that imitates a steering vector: the smallest step, in rounds, in a space of weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lglib.activations import inverse
from lglib.activations.pushforward import Pushforward
from lglib.base.checks import count
from lglib.models.loading import LanguageModel
from lglib.parameters.space import ParameterSpace


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

    >>> from lglib.activations import pushforward, reading
    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> read = reading.encode(found, ["Anna is in the park.", "Ben is in the attic."])
    >>> h = Pushforward(found, pushforward.of_blocks(found, 2), read, (2,))
    >>> imitate(h, 10 * found.model.transformer.wte.weight[5].detach()).left[-1] < 0.1
    True
    """
    if len(h.layers) != 1 or vector.shape != (h.found.width,):
        raise ValueError(
            f"h must read one layer and vector be ({h.found.width},), "
            f"got layers {h.layers} and {tuple(vector.shape)}"
        )
    before, start = h.space.flatten(), h.values()
    goal = vector.to(start).expand_as(start).contiguous()
    left = []
    try:
        for _ in range(count("rounds", rounds)):
            missing = goal - (h.values() - start)
            step = inverse.smallest(h.push, h.pull(), missing, h.space.d, iterations=iterations)
            h.space.load(h.space.flatten() + step.delta)
            left.append(((h.values() - start - goal).norm() / goal.norm()).item())
        delta = h.space.flatten() - before
    finally:
        h.space.load(before)
    return Imitation(delta, tuple(left))


def biases(found: LanguageModel, layer: int) -> ParameterSpace:
    """The biases of blocks 1 to `layer`, but for the last one of block `layer`.

    That one, where a block ends in a linear layer, is added to its output: to move it is to steer. Raises
    ValueError for a model whose blocks have no other bias.

    >>> from lglib.models import loading
    >>> biases(loading.load("micro-gpt2"), 1).d
    1280
    """
    layer = count("layer", layer, most=len(found.blocks))
    named = [[p for n, p in block.named_parameters() if n.endswith("bias")] for block in found.blocks[:layer]]
    chosen = {id(p) for own in named for p in own} - {id(p) for p in named[-1][-1:]}
    if not chosen:
        raise ValueError(f"the blocks of {found.name} have no biases that could be moved")
    return ParameterSpace(found.model, where=lambda _, p: id(p) in chosen)
