"""Checks of arguments: a number is what it must be, or the error names it, what it got and wants."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Values = Any  # a float when every argument is scalar, else a float64 array
_LARGEST = 2**53  # above it a float no longer tells neighbouring whole numbers apart


class NotMeasurable(ValueError):
    """A known impossibility: the thing cannot be measured here, and the message says why in a sentence.

    >>> try:
    ...     raise NotMeasurable("no finite optimum: the Hessian's trace is -3.1")
    ... except NotMeasurable as why:
    ...     print(why)
    no finite optimum: the Hessian's trace is -3.1
    """


def real(name: str, value: ArrayLike, wants: str, low: float = -np.inf, strict: bool = False) -> np.ndarray:
    """Return value as float64 if it is finite and >= low (> low if strict), else raise ValueError."""
    raw = np.asarray(value)
    if raw.dtype.kind in "iuf":
        x = raw.astype(np.float64)
        if x.size and np.all(np.isfinite(x) & ((x > low) if strict else (x >= low))):
            return x
    raise ValueError(f"{name} must be {wants}, got {value!r}")


def positive(name: str, value: ArrayLike) -> np.ndarray:
    """Return value as float64 if it is finite and above 0, else raise ValueError."""
    return real(name, value, "finite and > 0", 0.0, strict=True)


def nonnegative(name: str, value: ArrayLike) -> np.ndarray:
    """Return value as float64 if it is finite and at least 0, else raise ValueError."""
    return real(name, value, "finite and >= 0", 0.0)


def whole(name: str, value: ArrayLike, low: int = 1) -> np.ndarray:
    """Return value as float64 if it holds whole numbers from low to 2**53, else raise ValueError.

    >>> float(whole("n", 3))
    3.0
    """
    wants = f"a whole number from {low} to 2**53"
    x = real(name, value, wants, low)
    if np.any(x != np.floor(x)) or np.any(x > _LARGEST):
        raise ValueError(f"{name} must be {wants}, got {value!r}")
    return x


def plain(x: Any) -> Values:
    """Return a float for a scalar, an array as it is."""
    return float(x) if np.ndim(x) == 0 else x


def count(name: str, value: Any, low: float = 1, most: int | None = None) -> int:
    """Return value as an int if it is a whole number from low to most, else raise ValueError.

    >>> count("N", 256, low=1, most=1000)
    256
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < low or (most is not None and value > most):
        lower = "" if low == -np.inf else f" from {low}"
        upper = "" if most is None else f" to {most}"
        raise ValueError(f"{name} must be a whole number{lower}{upper}, got {value!r}")
    return int(value)


def level_of(level: float) -> float:
    """Return a confidence level strictly between 0 and 1, else raise ValueError."""
    if not 0 < level < 1:
        raise ValueError(f"level must be strictly between 0 and 1, got {level!r}")
    return float(level)


def sample(name: str, values: ArrayLike) -> np.ndarray:
    """Return values as a float64 vector of at least 2 finite numbers, else raise ValueError."""
    x = np.asarray(values)
    if x.ndim != 1 or x.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be a vector of numbers, got shape {x.shape} and dtype {x.dtype}")
    if x.size < 2:
        raise ValueError(f"{name} must hold at least 2 values (fewer say nothing about spread), got {x.size}")
    x = x.astype(np.float64)
    if bad := np.count_nonzero(~np.isfinite(x)):
        raise ValueError(f"{name} must be finite, got {bad} values that are not")
    return x


def numpy_generator(seed: int | np.random.Generator) -> np.random.Generator:
    """Return a numpy generator from a seed, or the one that is given."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(count("seed", seed, 0))
