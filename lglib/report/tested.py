"""A verdict from values: which side of its bar a row lies on, corrected for the number of rows of a claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lglib.theory.intervals import Scale, holm, on_scale, p_above

YES, NO, OPEN, PARTLY = "reproduced", "not reproduced", "inconclusive", "partly"
LEVEL = 0.025  # one-sided: that of a 95 % interval
Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Comparison:
    """Values of the seeds (S,), or of many draws of them (..., S), and where their expectation should lie.

    `low` and `high` are the ends of that range, one number a seed, or infinite. On the plain scale values are
    compared with them seed by seed, on any other their means are compared. A single value has an `error` of
    its own. `null` is what the mean would be without the effect.
    """

    values: Values
    low: Values
    high: Values
    scale: Scale
    null: float
    error: float | None = None

    def p(self) -> tuple[Values, Values]:
        """p-values for saying that the expectation is in the range, and that it is outside.

        >>> bars = np.full(3, 0.5), np.full(3, np.inf)
        >>> yes, no = Comparison(np.array([0.75, 0.8, 0.85]), *bars, scale="share", null=0.1).p()
        >>> bool(yes < LEVEL < no)
        True
        """
        over, under = self._above(self.low), self._above(self.high)
        return np.maximum(over, 1 - under), np.minimum(1 - over, under)

    def interval(self) -> tuple[float, float, float]:
        """The mean and its 95 % interval."""
        mean, error, degrees = self._summary(self.values)
        return (float(mean), *on_scale(float(mean), float(error), degrees, self.scale))

    def _above(self, bar: Values) -> Values:
        """p-value for saying that the expectation is above a bar."""
        if np.isinf(bar).all():
            return np.full(self.values.shape[:-1], float(bar.flat[0] > 0))
        if self.scale == "plain":
            return p_above(*self._summary(self.values - bar), bar=0.0)
        return p_above(*self._summary(self.values), bar=bar.mean(-1), scale=self.scale)

    def _summary(self, values: Values) -> tuple[Values, Values, float]:
        """Mean, standard error and degrees of freedom."""
        mean, n = values.mean(-1), values.shape[-1]
        if self.error is not None:
            return mean, np.full_like(mean, self.error), math.inf
        spread = np.where(np.ptp(values, axis=-1) == 0, 0.0, values.std(-1, ddof=1))
        return mean, spread / math.sqrt(n), n - 1


def family(p: Sequence[tuple[Any, Any]]) -> tuple[list[str], list[float]]:
    """Verdicts on the rows of one claim, from their p-values, and the adjusted p-value of each "reproduced".

    Holm's method over the rows, for both sides: the chance that a row is called reproduced which is not, or
    the other way round, is at most 2.5 % for the whole claim.

    >>> family([(0.001, 0.999), (0.02, 0.98), (1.0, 0.0)])[0]
    ['reproduced', 'inconclusive', 'not reproduced']
    """
    yes, no = (holm(np.array(side, dtype=float)) for side in zip(*p, strict=True))
    words = [YES if a <= LEVEL else NO if b <= LEVEL else OPEN for a, b in zip(yes, no, strict=True)]
    return words, yes.tolist()


def together(verdicts: Sequence[str]) -> str:
    """One verdict from those of several rows, each of which has one.

    Some rows reproduced, and others not or inconclusive: "partly". None reproduced, and one or more shown not
    to be: "not reproduced".

    >>> together([YES, OPEN]), together([NO, OPEN]), together([OPEN, OPEN])
    ('partly', 'not reproduced', 'inconclusive')
    """
    found = set(verdicts)
    if len(found) == 1:
        return found.pop()
    return PARTLY if found & {YES, PARTLY} else NO
