"""L2: the linear regime of the loss along directions in weight space, and what curvature says of its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lglib.base import progress
from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.parameters import double, hessian, linearity
from lglib.parameters.linearity import Regime
from lglib.parameters.space import ParameterSpace
from lglib.parameters.units import TensorScale
from lglib.search import random_search
from lglib.studies.rank import directions
from lglib.studies.rank.ranks import places
from lglib.studies.rank.subject import FINITE, Subject, encode, items
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

SCALES = np.logspace(-6, 0, 13)  # of a step, in tensor units (parameters.units)
CLAIMS, LORA_RANK = 64, 4  # behind the steering direction; of the LoRA step


def questions(subject: Subject, part: str) -> Lesson:
    """Questions behind the loss: those of part "select", and others in part "held"."""
    task, n = subject.parameters.asked[0], subject.parameters.regime_items
    return encode(subject, items(subject, task, n, part))


def in_precision(subject: Subject, dtype: str) -> LanguageModel:
    """The trained model in another precision; the model itself where it is in this one."""
    if dtype == str(subject.model.dtype).removeprefix("torch."):
        return subject.model
    p = subject.parameters
    return loading.load(p.model, device=p.device, dtype=dtype, allow_download=p.allow_download)


def spread(values: Sequence[int], most: int) -> list[int]:
    """At most so many of the values, evenly over their order, the last among them.

    >>> spread(range(1, 19), 3)
    [6, 12, 18]
    """
    count = min(most, len(values))
    return [values[len(values) * (i + 1) // count - 1] for i in range(count)]


def names(subject: Subject) -> list[str]:
    """Names of the directions: random ones, the gradient, a LoRA step, a steering step, one in each block."""
    random = [f"random {i}" for i in range(subject.parameters.random_directions)]
    blocks = spread(sorted({block for block, _ in places(subject)}), subject.parameters.block_directions)
    return [*random, "gradient", "LoRA step", "steering", *(f"block {block}" for block in blocks)]


def direction(
    subject: Subject, model: LanguageModel, space: ParameterSpace, asked: Lesson, name: str
) -> Tensor:
    """One of the unit directions (d,) in weight space by its name, made anew from its key: none is held.

    The steering step is at the last block, along the difference of the two classes of the first task where
    its items have two answers, else of claims. Raises ValueError for a name that is none.
    """
    if name == "steering":
        first = subject.parameters.asked[0]
        two = first in FINITE and all(len(item.answers) == 2 for item in subject.pool(first))
        claims = items(subject, first if two else "claim", CLAIMS, "claims")
        labels, last = [item.label for item in claims], len(model.blocks)
        return directions.steering(model, space, encode(subject, claims), last, labels)
    if name in ("gradient", "LoRA step"):
        gradient = space.gradient(supervised.loss, asked)
        if name == "gradient":
            return directions.unit(gradient)
        return directions.lora(space, gradient, model.attention, LORA_RANK, subject.seed)
    kind, _, number = name.partition(" ")
    if kind == "random":
        return directions.unit(random_search.noise(space, subject.seed, int(number)))
    if kind == "block":
        noise = random_search.noise(space, subject.seed, -int(number))
        return directions.inside(space, noise, f".{int(number) - 1}.")
    raise ValueError(f"name is {name!r}; there is: {', '.join(names(subject))}")


@dataclass(frozen=True)
class Lines:
    """F1 and F2 along unit directions u, with u.Hu, by name; scales are steps in theta.

    `length` is that of theta (d,), `unit` the length of a step along u that is one tensor unit long.
    """

    length: float
    d: int
    unit: Mapping[str, float]
    regimes: Mapping[str, Regime]
    curvature: Mapping[str, float]

    def random(self) -> list[str]:
        """Names of the random directions."""
        return [name for name in self.regimes if name.startswith("random")]

    def decades(self, name: str) -> float:
        """Decades of linear regime, from the smallest scale to where F1 and F2 cross."""
        return float(np.log10(self.regimes[name].crossing / self.regimes[name].scales[0]))

    def in_tensor_units(self, name: str) -> float:
        """Where F1 and F2 cross, each tensor measured in its own size."""
        return self.regimes[name].crossing / self.unit[name]

    def predicted(self, name: str) -> float:
        """Scale at which F1 and F2 cross on a quadratic, 2 |g.u| / |u.Hu| (prop-crossing)."""
        return 2 * abs(self.regimes[name].slope) / abs(self.curvature[name])

    def good_up_to(self, name: str) -> float:
        """Largest scale up to which F1 is within 10 % of first order; 0 if it never is."""
        one = self.regimes[name]
        good = one.scales[np.cumsum(one.error >= 0.1) == 0]  # before it is first off
        return float(good.max()) if len(good) else 0.0


def regimes(subject: Subject, chosen: Sequence[str] = ()) -> Lines:
    """F1, F2 and curvature along all directions (or some, by name) for the loss on questions "select".

    One direction after another, in the precision of the parameters.
    """
    model, asked = in_precision(subject, subject.parameters.precision), questions(subject, "select")
    space = ParameterSpace(model.model)
    length, scale = space.flatten().norm().item(), TensorScale(space)
    unit, found, bends = dict[str, float](), dict[str, Regime](), dict[str, float]()
    with double.Throughout():
        for name in chosen or names(subject):
            u = direction(subject, model, space, asked, name)
            unit[name] = scale.unit(u)
            steps = (SCALES * unit[name]).tolist()
            (found[name],) = linearity.measure(space, supervised.loss, asked, [u], steps)
            (bends[name],) = hessian.along(space.hvp_operator(supervised.loss, asked), [u])
            progress.tell("directions", len(found), len(chosen or names(subject)), name)
    return Lines(length, space.d, unit, found, bends)


def in_rounded(subject: Subject, lines: Lines, dtype: str, chosen: Sequence[str]) -> dict[str, Regime]:
    """F1 and F2 along some of the directions when the model computes in float32 or bfloat16."""
    exact, asked = in_precision(subject, subject.parameters.precision), questions(subject, "select")
    reference, space = ParameterSpace(exact.model), ParameterSpace(in_precision(subject, dtype).model)
    found = {}
    for name in chosen:
        with double.Throughout():
            u = direction(subject, exact, reference, asked, name)
        steps = (SCALES * lines.unit[name]).tolist()
        (found[name],) = linearity.measure(space, supervised.loss, asked, [u.to(space.dtype)], steps)
    return found


def crossing_errors(lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """Decades by which u.Hu misses the crossing of each random direction, and by which another's would.

    Two arrays (directions,); the second is the mean over the predictions of all other directions.
    """
    names = lines.random()
    law = np.log10([lines.predicted(name) for name in names])
    misses = np.abs(_crossings(lines)[:, None] - law)  # (direction, prediction)
    own = np.diag(misses)
    return own, (misses.sum(1) - own) / (len(names) - 1)


def errors_by_trace(lines: Lines, trace: float) -> np.ndarray:
    """Decades by which tr(H) / d, the mean of u.Hu, misses the crossing of each random direction."""
    bend = abs(trace) / lines.d
    law = np.log10([2 * abs(lines.regimes[name].slope) / bend for name in lines.random()])
    return np.abs(_crossings(lines) - law)


def _crossings(lines: Lines) -> np.ndarray:
    return np.log10([lines.regimes[name].crossing for name in lines.random()])
