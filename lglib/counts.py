"""A count: a whole number between two bounds, or an error that names it.

Room: ground floor; any module may import it. (`arguments` is for reals and arrays of the laws.)
"""

from __future__ import annotations

import numbers
from typing import Any


def count(name: str, value: Any, low: int = 1, most: int | None = None) -> int:
    """Return value as an int if it is a whole number from low to most, else raise ValueError.

    >>> count("N", 256, low=1, most=1000)
    256
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    number = int(value) if whole else low - 1
    if number < low or (most is not None and number > most):
        upper = "" if most is None else f" to {most}"
        raise ValueError(f"{name} must be a whole number from {low}{upper}, got {value!r}")
    return number
