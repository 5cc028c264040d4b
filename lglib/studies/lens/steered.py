"""What each vector does to the answers when it is added, all with one length, beside random directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from lglib.activations import effects, residual, steering
from lglib.activations.steering import SteeringVector
from lglib.base import progress
from lglib.report.observations import Observations
from lglib.studies.lens.parameters import Parameters
from lglib.studies.lens.setup import Setup, columns
from lglib.studies.lens.vectors import CAA, GRADIENT, LENS, RANDOM, STEP
from lglib.tasks import splits
from lglib.tasks.items import Item

COMPARED = (CAA, STEP, GRADIENT)  # whose effect is held against that of the lens


@dataclass(frozen=True)
class Judge:
    """Questions on which steering is judged, the length of one dose by layer, P(first answer) without it."""

    setup: Setup
    items: Sequence[Item]
    unit: Mapping[int, float]
    plain: float

    def answer(self, values: Tensor, layer: int, dose: float) -> float:
        """P(first answer) relative to both, with a vector (layers, width) added to one layer everywhere."""
        own = values[self.setup.layers.index(layer)]
        vector = SteeringVector(layer, own, len(self.items), "steered")
        with steering.steer(self.setup.model, vector, dose, unit=self.unit[layer]):
            return effects.ask(self.setup.model, self.items).p_yes


def judge(setup: Setup, task: str, parameters: Parameters) -> Judge:
    """Measure one dose, the centred residual norm on extract, and the model without steering."""
    h = residual.activations(setup.model, setup.reading(setup.part(task, "extract")), setup.layers)
    unit = {layer: steering.centred_norm(h[:, i]) for i, layer in enumerate(setup.layers)}
    items = splits.balanced(setup.part(task, "evaluate"), parameters.judged)
    return Judge(setup, items, unit, effects.ask(setup.model, items).p_yes)


def observe(
    o: Observations,
    judge: Judge,
    task: str,
    values: Mapping[str, Tensor],
    random: Tensor,
    layers: Sequence[int],
    doses: Sequence[float],
) -> None:
    """File answers and effects of each vector at each dose, beside random ones (count, layers, width)."""
    for layer in layers:
        for dose in doses:
            progress.tell("effects", layers.index(layer), len(layers), f"{task}, {layer}, {dose:g}")
            chance = [_both(judge, own, layer, dose) for own in random]
            found = {name: _both(judge, own, layer, dose) for name, own in values.items()}
            _file(o, judge, task, layer, dose, {**found, RANDOM: chance[0]}, chance)


Both = tuple[float, float]  # P(first answer) at a dose and at its negative


def _both(judge: Judge, values: Tensor, layer: int, dose: float) -> Both:
    return judge.answer(values, layer, dose), judge.answer(values, layer, -dose)


def _file(
    o: Observations,
    judge: Judge,
    task: str,
    layer: int,
    dose: float,
    found: Mapping[str, Both],
    chance: Sequence[Both],
) -> None:
    at = columns(task=task, depth=judge.setup.depth(layer))
    largest = max(abs(up - down) for up, down in chance)
    effect = {name: up - down for name, (up, down) in found.items()}
    for name, both in found.items():
        for sign, p in zip((1, -1), both, strict=True):
            null = columns(null=judge.plain, null_means="no steering", multiplier=sign * dose)
            o.add("B2", "P(first answer)", p, vector=name, **null, **at)
        null = columns(null=largest, null_means="largest of the random directions", multiplier=dose)
        o.add("B2", "effect", effect[name], vector=name, **null, **at)
    for name in [name for name in COMPARED if name in effect and LENS in effect]:
        null = columns(null=0.0, null_means="no difference", multiplier=dose)
        more = effect[name] - effect[LENS]
        o.add("B2", "effect minus that of the logit lens", more, vector=name, **null, **at)
