"""How many go at a time: items, candidates or directions, from the memory at hand and the cost of one.

Where everything fits it goes at once, and the numbers are those of the plain way, bit for bit; cut in chunks,
sums are taken in another order, which is rounding.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lglib.base.checks import positive

SHARE = 0.5  # of free memory that one chunk may fill: other jobs, vectors and the allocator need theirs
VARIABLE = "LGLIB_MEMORY"  # gigabytes that a process may count as free, where the machine would say more
_LIMIT: ContextVar[float | None] = ContextVar("limit", default=None)
_GROUP = Path("/sys/fs/cgroup")
_FILES = (  # bound, use and statistics of a control group, of version 2 and 1
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)
F = TypeVar("F", bound=Callable[..., Any])


def free_memory(device: torch.device | str) -> float:
    """Bytes that are free on a device: of a GPU, or of the machine, or of what this process may use of it.

    What torch holds of a GPU but has no tensor in counts as free. The environment variable LGLIB_MEMORY (in
    gigabytes) and `limited` set an upper bound. Raises ValueError for a variable that is no number above 0.

    >>> free_memory("cpu") > 0
    True
    """
    where = torch.device(device)
    if where.type == "cuda":
        held = torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)
        found = float(torch.cuda.mem_get_info(where)[0] + held)
    else:
        found = min(float(psutil.virtual_memory().available), _of_group())
    if told := os.environ.get(VARIABLE):
        try:
            found = min(found, 1e9 * float(positive(VARIABLE, float(told))))
        except ValueError:
            raise ValueError(f"{VARIABLE} must be a number of gigabytes above 0, got {told!r}") from None
    limit = _LIMIT.get()
    return found if limit is None else min(found, limit)


@contextmanager
def limited(size: float) -> Iterator[None]:
    """While the body runs, at most `size` bytes count as free, on any device.

    >>> with limited(1000.0):
    ...     at_once(10.0, 64)
    50
    """
    token = _LIMIT.set(float(positive("size", size)))
    try:
        yield
    finally:
        _LIMIT.reset(token)


def at_once(one: float, most: int, device: torch.device | str = "cpu", *, beside: float = 0.0) -> int:
    """How many of `most`, each of `one` byte count, fit into half of the free memory: at least one.

    `beside` bytes are taken off first, for what is needed however many they are.

    >>> with limited(1000.0):
    ...     at_once(100.0, 64), at_once(1.0, 64), at_once(5000.0, 64)
    (5, 64, 1)
    """
    return max(1, min(most, int((SHARE * free_memory(device) - beside) // max(one, 1.0))))


def mean_over_items(loss_fn: F) -> F:
    """Mark a loss as the mean, over the items of a batch, of what each item gives by itself.

    Such a loss and its derivatives are weighted means over chunks of items, so they can be taken in chunks,
    if the batch offers `rows(chosen)` and `lengths` as `tasks.supervised.Lesson` does.

    >>> mean_over_items(lambda module, batch: module(batch).mean()).over_items
    True
    """
    loss_fn.over_items = True  # type: ignore[attr-defined]
    return loss_fn


class Watermark(TorchDispatchMode):
    """While the body runs, `most` is the largest number of bytes in tensors made in it and not yet freed.

    It counts tensors on every device, and not what a kernel takes for itself while it runs.

    >>> with Watermark() as mark:
    ...     for _ in range(3):
    ...         x = torch.ones(100) + 1
    >>> mark.most
    1200
    """

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most = 0, 0
        self.known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and note the storages of what it returns."""
        kwargs = kwargs or {}
        for x in tree_leaves((args, kwargs)):
            self._note(x, new=False)
        out = func(*args, **kwargs)
        for x in tree_leaves(out):
            self._note(x, new=True)
        return out

    def _note(self, x: Any, *, new: bool) -> None:
        if not isinstance(x, Tensor) or x.layout is not torch.strided:
            return
        storage = x.untyped_storage()
        key = storage._cdata
        if key in self.known:
            return
        size = storage.nbytes() if new else 0

        def gone(_: Any) -> None:
            self.known.pop(key, None)
            self.now -= size

        self.known[key] = weakref.ref(storage, gone)
        self.now += size
        self.most = max(self.most, self.now)


def peak(work: Callable[[], Any]) -> float:
    """Bytes in tensors at the worst moment of some work, beside those that were there before.

    On a GPU what its allocator says counts, if that is more: the way back runs in threads of its own there.

    >>> peak(lambda: torch.ones(1000).exp())
    8000.0
    """
    there = torch.cuda.is_available() and torch.cuda.is_initialized()
    before = torch.cuda.memory_allocated() if there else 0
    if there:
        torch.cuda.reset_peak_memory_stats()
    with Watermark() as mark:
        work()
    return float(max(mark.most, torch.cuda.max_memory_allocated() - before if there else 0))


def _of_group() -> float:
    """Bytes that the control group of this process leaves free; infinite where there is none."""
    for most, used, stat, spare in _FILES:
        try:
            bound, now = (float((_GROUP / name).read_text()) for name in (most, used))
            told = dict(line.split() for line in (_GROUP / stat).read_text().splitlines())
            return bound - now + float(told[spare])  # file pages that nobody uses can be had
        except (OSError, ValueError, KeyError):  # no such files, or no bound: "max"
            continue
    return float("inf")
