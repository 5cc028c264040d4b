"""Long vectors: inner products and lengths in float64 without a copy, and directions made when asked for.

float32 adds up the squares of 10^8 numbers with an error of up to 10^-4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

PIECE = 2**24  # numbers that are in float64 at a time


def dot(a: Tensor, b: Tensor) -> float:
    """Inner product of two vectors (d,), in float64, some numbers at a time.

    >>> dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    11.0
    """
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a and b must be vectors of one length, got {tuple(a.shape)} and {tuple(b.shape)}")
    pairs = zip(a.split(PIECE), b.to(a.device).split(PIECE), strict=True)
    return float(sum((x.double() @ y.double()).item() for x, y in pairs))


def length(a: Tensor) -> float:
    """Length of a vector (d,), added up in float64.

    >>> length(torch.tensor([3.0, 4.0]))
    5.0
    """
    return torch.linalg.vector_norm(a, dtype=torch.float64).item()


def unit(a: Tensor) -> Tensor:
    """A vector of length 1 along a (d,), its length added up in float64; ValueError for zero or no number.

    >>> unit(torch.tensor([3.0, 4.0]))
    tensor([0.6000, 0.8000])
    """
    size = length(a)
    if not 0 < size < float("inf"):
        raise ValueError(f"a must be finite and not zero, got a vector of length {size}")
    return a / size


class Lazy(Mapping[str, Tensor]):
    """Directions (d,) by name, each made anew whenever it is asked for, and held by nobody in between.

    `makers` give them by name; they must give the same each time, as noise by key does.

    >>> found = Lazy({"first": lambda: torch.tensor([1.0, 0.0])})
    >>> list(found), found["first"], found["first"] is found["first"]
    (['first'], tensor([1., 0.]), False)
    """

    def __init__(self, makers: Mapping[str, Callable[[], Tensor]]) -> None:
        self._makers = dict(makers)

    def __getitem__(self, name: str) -> Tensor:
        """Make a direction."""
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        """Names, in order."""
        return iter(self._makers)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._makers)

    def some(self, names: tuple[str, ...]) -> Lazy:
        """Those of some names, in the order of all; all where none is named.

        >>> len(Lazy({"a": lambda: torch.ones(1), "b": lambda: torch.ones(1)}).some(("b",)))
        1
        """
        return Lazy({name: make for name, make in self._makers.items() if name in names or not names})
