"""Checks of exercises: the right number, how near it must be, and hints for wrong ones that are easy to get.

A right number that has to be computed is a function, and is computed when it is asked for.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

CHAPTERS = (1, 2, 3, 4, 5, 7)  # those with checks, each in a module `chapter<n>`
Number = float | Callable[[], float]


@dataclass(frozen=True)
class Check:
    """What is right, within a share of it, and hints: (wrong number, what to think of), three or more.

    `otherwise` is told for every other wrong number. Raises ValueError where a hint is for a number that is
    right, or two of them cannot be told apart.
    """

    right: Number
    hints: tuple[tuple[Number, str], ...]
    otherwise: str
    within: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.within < 1 or len(self.hints) < 3:
            raise ValueError(f"within must lie in (0, 1), with three hints or more; got {self!r}")

    def says(self, answer: float) -> str:
        """Nothing where an answer is right, else the hint."""
        if self._near(answer, self.right):
            return ""
        for wrong, hint in self.hints:
            if self._near(answer, wrong):
                return hint
        return self.otherwise

    def _near(self, answer: float, number: Number) -> bool:
        wanted = value(number)
        return abs(answer - wanted) <= self.within * max(abs(wanted), 1e-9)


def check(name: str, answer: Any) -> bool:
    """Say whether the answer to an exercise is right, with a hint where it is not; return whether it is.

    `answer` is a number, or `...` where there is none yet. Raises ValueError for an exercise without a check.

    >>> check("ex-llm-sketch", ...)
    ex-llm-sketch: no answer yet; put your number in the place of ...
    False
    >>> check("ex-llm-sketch", 36)
    ex-llm-sketch: right
    True
    """
    checks = known()
    if name not in checks:
        raise ValueError(f"no exercise {name!r} has a check; there is: {', '.join(checks)}")
    if answer is ...:
        print(f"{name}: no answer yet; put your number in the place of ...")
        return False
    number = _number(answer)
    if number is None:
        print(f"{name}: not yet. A number is wanted, got {type(answer).__name__} {str(answer)[:60]}")
        return False
    hint = checks[name].says(number)
    print(f"{name}: not yet. {hint}" if hint else f"{name}: right")
    return not hint


def known() -> dict[str, Check]:
    """All checks by the label of their exercise, in the order of the chapters.

    >>> "ex-llm-sketch" in known()
    True
    """
    found: dict[str, Check] = {}
    for chapter in CHAPTERS:
        module = importlib.import_module(f"lglib.course.chapter{chapter}")
        found |= module.CHECKS
    return found


def value(number: Number) -> float:
    """The number, computed where it is a function."""
    return float(number() if callable(number) else number)


def _number(answer: Any) -> float | None:
    """A single finite number from what a student has, also from an array or a tensor of one; else None."""
    if hasattr(answer, "item") and getattr(answer, "size", 1) in (1, ()):
        try:
            answer = answer.item()
        except (RuntimeError, ValueError):
            return None
    elif callable(getattr(answer, "numel", None)):
        if answer.numel() != 1:
            return None
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real) or not math.isfinite(answer):
        return None
    return float(answer)
