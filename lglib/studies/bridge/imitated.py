"""The way back (T4): a small weight edit that imitates a steering vector, and how well it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from lglib.activations import effects, imitation, residual, steering
from lglib.activations.effects import Outcome
from lglib.activations.pushforward import Pushforward
from lglib.base import progress
from lglib.models import lora
from lglib.models.loading import LanguageModel
from lglib.parameters.space import ParameterSpace
from lglib.report.observations import Observations
from lglib.search import random_search
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import columns
from lglib.studies.bridge.steered import Judge

LORA, BIASES = "LoRA", "biases"
PLACES = (1, 3)  # positions of each prompt that the edit is asked to move


@dataclass(frozen=True)
class Imitated:
    """An edit `delta` (d,), what it leaves of the shift in each round, and what the model then does.

    `answers` and `costs` (side costs) are by "steered", "edited" and "random": one as long as the edit.
    """

    delta: Tensor
    left: tuple[float, ...]
    answers: Mapping[str, Outcome]
    costs: Mapping[str, Mapping[str, float]]

    def explained(self, plain: Outcome, by: str = "edited") -> float:
        """Share of the divergence of the steered from the plain model that an edit explains."""
        steered = self.answers["steered"]
        return 1 - steered.divergence(self.answers[by]) / steered.divergence(plain)

    def correlation(self, plain: Outcome, by: str = "edited") -> float:
        """Correlation of the changes of P(yes) by steering and by an edit, question by question."""
        moved = [(self.answers[x].each - plain.each).double().cpu().numpy() for x in ("steered", by)]
        return float(np.corrcoef(np.stack(moved))[0, 1])


def imitate(
    judge: Judge,
    values: Tensor,
    layer: int,
    multiplier: float,
    parameters: Parameters,
    *,
    edit: str,
    places: int,
) -> Imitated:
    """Imitate a vector (layers, width) at one layer by LoRA or biases; judge it; leave the model as it was.

    The edit is asked to move the last token of some prompts of extract, and `places - 1` others of each.
    """
    setup, vector = judge.setup, judge.vector(values, layer, "to imitate")
    items = setup.held_out(setup.templates[0])[: max(8, parameters.questions // 3)]
    read = setup.reading(items)
    read = residual.elsewhere(read, places - 1, setup.seed) if places > 1 else read
    with _editable(judge, layer, parameters, edit) as space:
        h = Pushforward(setup.model, space, read, (layer,))
        goal = multiplier * judge.unit[layer] * vector.unit
        made = imitation.imitate(h, goal, iterations=parameters.iterations)
        lot = random_search.noise(space, setup.seed, -7)
        answers, costs = {}, {}
        with steering.steer(setup.model, vector, multiplier, unit=judge.unit[layer]):
            answers["steered"], costs["steered"] = _behaviour(judge)
        for name, u in {"edited": made.delta, "random": lot * (made.delta.norm() / lot.norm())}.items():
            with space.at(space.flatten() + u):
                answers[name], costs[name] = _behaviour(judge)
    return Imitated(made.delta, made.left, answers, costs)


def has_biases(model: LanguageModel) -> bool:
    """Whether the blocks of a model have biases that could be edited."""
    return any(name.endswith("bias") for name, _ in model.blocks[0].named_parameters())


@contextmanager
def _editable(judge: Judge, layer: int, parameters: Parameters, edit: str) -> Iterator[ParameterSpace]:
    """The space of one kind of edit; an adapter is taken off when the body ends."""
    model = judge.setup.model
    if edit == BIASES:
        yield imitation.biases(model, layer)
        return
    if edit != LORA:
        raise ValueError(f"edit is {edit!r}; there is: {LORA}, {BIASES}")
    adapter = lora.attach(model, parameters.rank, "linear", seed=judge.setup.seed)
    try:
        yield adapter.space
    finally:
        lora.detach(adapter)


def _behaviour(judge: Judge) -> tuple[Outcome, dict[str, float]]:
    return effects.ask(judge.setup.model, judge.setup.steered["evaluate"]), judge.costs()


def observe(
    o: Observations,
    judge: Judge,
    values: Tensor,
    parameters: Parameters,
    edits: Sequence[tuple[str, int, int]],
) -> None:
    """Imitations of one vector at the smallest multiplier, by kind of edit, places and layer."""
    multiplier = parameters.strengths[0]
    for edit, places, layer in edits:
        progress.tell("imitations", edits.index((edit, places, layer)), len(edits), edit)
        made = imitate(judge, values, layer, multiplier, parameters, edit=edit, places=places)
        at = columns(edit=edit, places=places, depth=judge.setup.depth(layer), multiplier=multiplier)
        _one_imitation(o, judge, made, at)


def _one_imitation(o: Observations, judge: Judge, made: Imitated, at: Mapping[str, Any]) -> None:
    means = "a random step of equal length"
    explained, by_chance = (made.explained(judge.plain, by) for by in ("edited", "random"))
    o.add("T4", "divergence explained", explained, null=by_chance, null_means=means, **at)
    for i, left in enumerate(made.left):
        o.add("T4", "vector left", left, rounds=i + 1, null=1.0, null_means="no step", **at)
    wanted, edited, lot = (made.answers[name].p_yes for name in ("steered", "edited", "random"))
    o.add("T4", "P(yes), edited minus steered", edited - wanted, null=lot - wanted, null_means=means, **at)
    alike, by_chance = (made.correlation(judge.plain, by) for by in ("edited", "random"))
    o.add("T4", "correlation of the changes of P(yes)", alike, null=by_chance, null_means=means, **at)
    for measure, unit in {"skills lost": "points", "plain text": "nats"}.items():
        gap = made.costs["edited"][measure] - made.costs["steered"][measure]
        null = columns(null=0.0, null_means="no difference", unit=unit)
        o.add("T4", f"{measure}, edited minus steered", gap, **at, **null)
