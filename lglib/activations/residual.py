"""The residual stream h_l: what block l of a model gives to the next, watched during a forward pass.

A block's output is read by a hook: `hidden_states[-1]` of
transformers is after the final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from lglib.models.loading import LanguageModel


def check(found: LanguageModel, layers: Sequence[int]) -> list[int]:
    """Layers as whole numbers from 1 to the number of blocks, each once; ValueError otherwise.

    >>> from lglib.models import loading
    >>> check(loading.load("micro-gpt2"), [4, 1])
    [4, 1]
    """
    last = len(found.blocks)
    given = list(layers)
    for layer in given:
        if isinstance(layer, bool) or not isinstance(layer, int) or not 1 <= layer <= last:
            raise ValueError(
                f"layer must be a whole number from 1 to {last}, the blocks of {found.name}, got {layer!r}"
            )
    if not given or len(set(given)) < len(given):
        raise ValueError(f"layers must be different, at least one, got {given}")
    return given


@contextmanager
def watch(found: LanguageModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """While the body runs, h_l (n, L, width) of the latest forward pass by layer l, with its graph.

    Layers count from 1; h_l is the output of block l. The hooks go when the body ends, also by an error.
    Raises ValueError for a layer that is not there.

    >>> from lglib.models import loading
    >>> found = loading.load("micro-gpt2")
    >>> with watch(found, [1, 4]) as seen:
    ...     _ = found.model(**found.tokenizer(["Anna is in the park."], return_tensors="pt"))
    >>> {layer: tuple(h.shape) for layer, h in seen.items()}
    {1: (1, 7, 128), 4: (1, 7, 128)}
    """
    seen: dict[int, Tensor] = {}
    handles = []
    try:
        for layer in check(found, layers):
            handles.append(found.blocks[layer - 1].register_forward_hook(_keep(seen, layer)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def stream(output: Any) -> Tensor:
    """The residual stream in a block's output: a tensor, or a tuple that begins with it."""
    return output[0] if isinstance(output, tuple) else output


def _keep(seen: dict[int, Tensor], layer: int) -> Callable[..., None]:
    def hook(_: nn.Module, __: Any, output: Any) -> None:
        seen[layer] = stream(output)

    return hook
