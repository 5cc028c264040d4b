"""Gates of a forgetting experiment: what must have been learned was, what must be lost is.

It knows scores, no model.
"""

from __future__ import annotations

from collections.abc import Mapping

from lglib.base.checks import NotMeasurable


class GateError(NotMeasurable):
    """A model is not what the experiment needs, so going on would measure nothing.

    `scores` are those that were reached, `bar` what they had to reach, or to stay below.
    """

    def __init__(self, message: str, scores: Mapping[str, float] | None = None, bar: float = 0.0) -> None:
        super().__init__(message)
        self.scores, self.bar = dict(scores or {}), bar


def require_learned(scores: Mapping[str, float], bar: float) -> None:
    """Stop unless every score is at least the bar: a theta* that never knew a task cannot forget it.

    Raises GateError with all scores reached, ValueError for no score or a bar outside [0, 1].

    >>> require_learned({"copy": 0.99, "sort": 0.97}, bar=0.95)
    """
    _check(scores, bar)
    if failed := [name for name, score in scores.items() if not score >= bar]:
        raise GateError(
            f"{', '.join(failed)} never reached the bar of {bar:g}: {_shown(scores)}. "
            "Train longer or wider, or lower the bar knowingly",
            scores,
            bar,
        )


def require_forgotten(scores: Mapping[str, float], bar: float) -> None:
    """Stop unless every score is at most the bar: recovery of what was never lost is no recovery.

    Raises GateError with all scores, ValueError for no score or a bar outside [0, 1].

    >>> require_forgotten({"copy": 0.0, "sort": 0.01}, bar=0.1)
    """
    _check(scores, bar)
    if kept := [name for name, score in scores.items() if not score <= bar]:
        raise GateError(
            f"{', '.join(kept)} was not forgotten, the bar is {bar:g}: {_shown(scores)}. "
            "Train longer on the forgetting task",
            scores,
            bar,
        )


def _check(scores: Mapping[str, float], bar: float) -> None:
    if not scores:
        raise ValueError("scores is empty: there is nothing to check")
    if not 0 <= bar <= 1:
        raise ValueError(f"bar must lie in [0, 1], got {bar!r}")


def _shown(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {score:.5f}" for name, score in scores.items())
