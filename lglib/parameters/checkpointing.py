"""Blocks that keep their inputs only and compute the rest again on the way back: gradient checkpointing.

Over torch's own checkpoint, without touching a model's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

Within = Callable[[int], AbstractContextManager[None]]


@contextmanager
def checkpointed(blocks: Sequence[nn.Module], within: Within) -> Iterator[None]:
    """While the body runs, these blocks keep their inputs only; their `forward` is as before in the end.

    Each application of a block has a number, from 1: its computation, the first and the one on the way back,
    runs inside of `within(number)`.

    >>> import torch
    >>> from contextlib import contextmanager
    >>> net, calls = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), []
    >>> @contextmanager
    ... def within(number):
    ...     calls.append(number)
    ...     yield
    >>> with checkpointed(list(net), within):
    ...     net(torch.ones(1, 2)).sum().backward()
    >>> calls
    [1, 2, 2, 1]
    """
    before = [(b, b.__dict__.get("forward")) for b in blocks]
    numbers = count(1)

    def lean(forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            number = next(numbers)

            def body(*given: Any, **named: Any) -> Any:
                with within(number):
                    return forward(*given, **named)

            return checkpoint(body, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

        return run

    try:
        for block in blocks:
            block.forward = lean(block.forward)
        with set_checkpoint_early_stop(False):
            yield
    finally:
        for block, own in before:
            if own is None:
                block.__dict__.pop("forward", None)
            else:
                block.forward = own
