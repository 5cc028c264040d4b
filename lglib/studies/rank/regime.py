"""L2: the linear regime of the loss along directions in weight space, and what curvature says of its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.parameters import double, hessian, linearity
from lglib.parameters.linearity import Regime
from lglib.parameters.space import ParameterSpace
from lglib.search import random_search
from lglib.studies.rank import directions
from lglib.studies.rank.ranks import places
from lglib.studies.rank.subject import Subject, encode, items
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

SCALES = np.logspace(-6, 0, 13)  # of a step, in units of the length of theta
CLAIMS, LORA_RANK = 64, 4  # behind the steering direction; of the LoRA step


def questions(subject: Subject, part: str) -> Lesson:
    """Questions behind the loss: those of part "select", and others in part "held"."""
    task, n = subject.parameters.tasks[0], subject.parameters.regime_items
    return encode(subject, items(subject, task, n, part))


def in_precision(subject: Subject, dtype: str) -> LanguageModel:
    """The trained model in another precision."""
    p = subject.parameters
    return loading.load(p.model, device=p.device, dtype=dtype, allow_download=p.allow_download)


def lines(subject: Subject, model: LanguageModel, space: ParameterSpace, asked: Lesson) -> dict[str, Tensor]:
    """Unit directions (d,) in weight space, by name.

    Random ones, the gradient, a LoRA step, a steering step at the last block, and one inside of each block.
    """
    gradient = space.gradient(supervised.loss, asked)
    found = {}
    for i in range(subject.parameters.random_directions):
        found[f"random {i}"] = directions.unit(random_search.noise(space, subject.seed, i))
    found["gradient"] = directions.unit(gradient)
    found["LoRA step"] = directions.lora(space, gradient, model.attention, LORA_RANK, subject.seed)
    claims = items(subject, "claim", CLAIMS, "claims")
    labels, last = [item.label for item in claims], len(model.blocks)
    found["steering"] = directions.steering(model, space, encode(subject, claims), last, labels)
    for block in sorted({block for block, _ in places(subject)}):
        noise = random_search.noise(space, subject.seed, -block)
        found[f"block {block}"] = directions.inside(space, noise, f".{block - 1}.")
    return found


@dataclass(frozen=True)
class Lines:
    """F1 and F2 along unit directions u, in double precision, with u.Hu; `length` is that of theta."""

    length: float
    directions: Mapping[str, Tensor]
    regimes: Mapping[str, Regime]
    curvature: Mapping[str, float]

    def random(self) -> list[str]:
        """Names of the random directions."""
        return [name for name in self.regimes if name.startswith("random")]

    def decades(self, name: str) -> float:
        """Decades of linear regime, from the smallest scale to where F1 and F2 cross."""
        return float(np.log10(self.regimes[name].crossing / self.regimes[name].scales[0]))

    def predicted(self, name: str) -> float:
        """Scale at which F1 and F2 cross on a quadratic, 2 |g.u| / |u.Hu| (prop-crossing)."""
        return 2 * abs(self.regimes[name].slope) / abs(self.curvature[name])

    def good_up_to(self, name: str) -> float:
        """Largest scale up to which F1 is within 10 % of first order; 0 if it never is."""
        one = self.regimes[name]
        good = one.scales[np.cumsum(one.error >= 0.1) == 0]  # before it is first off
        return float(good.max()) if len(good) else 0.0


def regimes(subject: Subject, names: tuple[str, ...] = ()) -> Lines:
    """F1, F2 and curvature along `lines` (or some of them, by name) for the loss on questions "select"."""
    model, asked = in_precision(subject, "float64"), questions(subject, "select")
    space = ParameterSpace(model.model)
    length = space.flatten().norm().item()
    with double.Throughout():
        along = lines(subject, model, space, asked)
        along = {name: u for name, u in along.items() if name in names or not names}
        units, scales = list(along.values()), (SCALES * length).tolist()
        found = linearity.measure(space, supervised.loss, asked, units, scales)
        bends = hessian.along(space.hvp_operator(supervised.loss, asked), units)
    return Lines(length, along, dict(zip(along, found, strict=True)), dict(zip(along, bends, strict=True)))


def in_rounded(subject: Subject, lines: Lines, dtype: str, names: tuple[str, ...]) -> dict[str, Regime]:
    """F1 and F2 along some of the directions when the model computes in float32 or bfloat16."""
    space = ParameterSpace(in_precision(subject, dtype).model)
    units = [lines.directions[name].to(space.dtype) for name in names]
    scales = (SCALES * lines.length).tolist()
    found = linearity.measure(space, supervised.loss, questions(subject, "select"), units, scales)
    return dict(zip(names, found, strict=True))


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
    bend = abs(trace) / len(lines.directions[lines.random()[0]])
    law = np.log10([2 * abs(lines.regimes[name].slope) / bend for name in lines.random()])
    return np.abs(_crossings(lines) - law)


def _crossings(lines: Lines) -> np.ndarray:
    return np.log10([lines.regimes[name].crossing for name in lines.random()])
