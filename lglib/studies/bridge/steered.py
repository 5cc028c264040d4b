"""B2 and B5: what a vector does to the answers when it is added, and what it costs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.activations import effects, residual, steering
from lglib.activations.effects import Elsewhere, Outcome
from lglib.activations.steering import PairDifferences, SteeringVector
from lglib.base import progress, seeding
from lglib.base.checks import NotMeasurable
from lglib.models.loading import LanguageModel
from lglib.report.observations import Observations
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import Setup, columns, fitted
from lglib.studies.bridge.shifts import CONTRASTS, SHIFTS
from lglib.tasks import data
from lglib.tasks.items import Item
from lglib.tasks.microworld import skills

FEWEST = 4  # stories by which damage is measured
RANDOM_WEIGHTS, RANDOM_DIRECTION = "random weights", "random direction"
CAA = "CAA, true - false"  # the vector that shifts are held against
SOUGHT = "shift, logit difference"  # the vector that a weight edit imitates
COMPARED = (SOUGHT, "shift, class difference")
COSTS = ("target gain", "accuracy change", "skills lost", "plain text", "damaged generations")  # of B5
DOSED = (CAA, "CAA, answer token", *COMPARED, RANDOM_WEIGHTS, RANDOM_DIRECTION)


@dataclass(frozen=True)
class Judge:
    """Where steering is judged: evaluation questions, other skills, stories, and the model without it.

    `unit` is the centred residual norm of each layer, in which multipliers count; `plain`, `free` and
    `damaged` are the answers, the side scores and the share of damaged texts of the model as it is.
    """

    setup: Setup
    unit: Mapping[int, float]
    elsewhere: Elsewhere
    plain: Outcome
    free: Mapping[str, float]
    damaged: float

    def vector(self, values: Tensor, layer: int, how: str) -> SteeringVector:
        """One vector at one layer, out of values (layers, width)."""
        return SteeringVector(layer, values[self.setup.layers.index(layer)], len(values), how)

    def answers(self, vector: SteeringVector, multiplier: float) -> Outcome:
        """Answers to the evaluation questions under steering."""
        with steering.steer(self.setup.model, vector, multiplier, unit=self.unit[vector.layer]):
            return effects.ask(self.setup.model, self.setup.steered["evaluate"])

    def effect(self, vector: SteeringVector, multiplier: float) -> float:
        """P(yes) at plus the multiplier less that at minus."""
        return self.answers(vector, multiplier).p_yes - self.answers(vector, -multiplier).p_yes

    def costs(self) -> dict[str, float]:
        """Points of exact match lost on other skills, nats more on plain text, of the model as it is now."""
        now = effects.skills_and_text(self.setup.model, self.elsewhere)
        lost = 100 * float(np.mean([self.free[s] - now[s] for s in self.elsewhere.skills]))
        return {"skills lost": lost, "plain text": now["plain text"] - self.free["plain text"]}

    def respond(self, vector: SteeringVector, multiplier: float) -> dict[str, float]:
        """P(yes), accuracy, side costs and the share of damaged texts under steering."""
        model = self.setup.model
        with steering.steer(model, vector, multiplier, unit=self.unit[vector.layer]):
            out, costs = effects.ask(model, self.setup.steered["evaluate"]), self.costs()
            written = effects.write(model, self.elsewhere.stories, self.elsewhere.length)
        damaged = effects.damaged(model, written, self.elsewhere.bar)
        return {"P(yes)": out.p_yes, "accuracy": out.accuracy, **costs, "damaged": damaged}


def judge(setup: Setup, parameters: Parameters) -> Judge:
    """Measure the unit of each layer on extract, and the model without steering."""
    model, key = setup.model, f"{setup.seed}/bridge"
    h = residual.activations(model, setup.reading(setup.steered["extract"]), setup.layers)
    unit = {layer: steering.centred_norm(h[:, i]) for i, layer in enumerate(setup.layers)}
    stories = that_fit(model, skills.stories(parameters.stories, part="test", key=key))
    other: dict[str, list[Item]] = {
        skill: fitted(model, data.micro(parameters.stories, skill, key=key)) for skill in parameters.skills
    }
    elsewhere = effects.prepare(model, other, stories)
    plain = effects.ask(model, setup.steered["evaluate"])
    free = effects.skills_and_text(model, elsewhere)
    damaged = effects.damaged(model, effects.write(model, stories, elsewhere.length), elsewhere.bar)
    return Judge(setup, unit, elsewhere, plain, free, damaged)


def that_fit(model: LanguageModel, stories: Sequence[str]) -> list[str]:
    """The stories that a model can read whole, or where these are fewer than four, their first sentences.

    NotMeasurable where fewer than four have a first sentence that fits.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> len(that_fit(model, ["They were all happy."] * 4 + ["red " * 200]))
    4
    """

    def fits(text: str) -> bool:
        return len(model.tokenizer(text, verbose=False).input_ids) <= model.context

    found = [story for story in stories if fits(story)]
    if len(found) < FEWEST:
        shorter = ([part for part in beginnings(story) if fits(part)] for story in stories)
        found = [parts[0] for parts in shorter if parts]
    if len(found) < FEWEST:
        told = (
            f"{len(found)} of {len(stories)} stories fit the context of {model.name}, {model.context} tokens"
        )
        raise NotMeasurable(f"side costs need at least {FEWEST} plain stories: {told}")
    return found


def beginnings(story: str) -> list[str]:
    """A story, and what is left of it without its last sentences, the longest first.

    >>> beginnings("It rained. Ben slept. He was happy.")
    ['It rained. Ben slept. He was happy.', 'It rained. Ben slept.', 'It rained.']
    """
    ends = [i + 1 for i, letter in enumerate(story) if letter == "." and story[i + 1 : i + 2] in ("", " ")]
    return [story[:end] for end in reversed(ends)] or [story]


def random_directions(setup: Setup, count: int) -> Tensor:
    """Random vectors for every layer, (count, layers, width)."""
    dice = seeding.generator("steering", setup.seed)
    drawn = torch.randn(count, len(setup.layers), setup.model.width, generator=dice)
    return drawn.to(setup.model.device, setup.model.dtype)


def vectors(
    shifts: Mapping[str, Tensor], caa: Mapping[str, PairDifferences], weights: Tensor, directions: Tensor
) -> dict[str, Tensor]:
    """The vectors that are steered with, (layers, width) each: CAA, shifts, and one of each random kind."""
    made = {f"CAA, {how}": caa[how].mean for how in CONTRASTS}
    made |= {f"shift, {kind}": shifts[kind].mean(0) for kind in SHIFTS}
    return made | {RANDOM_WEIGHTS: weights[0], RANDOM_DIRECTION: directions[0]}


def effects_of_chance(judge: Judge, directions: Tensor, layer: int, multiplier: float = 1.0) -> list[float]:
    """Effects of random directions (count, layers, width) at one layer."""
    return [judge.effect(judge.vector(v, layer, RANDOM_DIRECTION), multiplier) for v in directions]


def observe_effects(
    o: Observations, judge: Judge, vectors: Mapping[str, Tensor], directions: Tensor, layers: Sequence[int]
) -> None:
    """File the effect of one unit of each vector, beside the largest of some random directions."""
    few = directions[: max(2, len(directions) // 3)]
    for layer in layers:
        chance = max(abs(x) for x in effects_of_chance(judge, few, layer))
        for name, values in vectors.items():
            progress.tell("effects", list(vectors).index(name), len(vectors), f"layer {layer}")
            effect = judge.effect(judge.vector(values, layer, name), 1.0)
            null = columns(null=chance, null_means="largest of the random directions")
            o.add("B2", "effect at one unit", effect, vector=name, depth=judge.setup.depth(layer), **null)


def observe_doses(
    o: Observations,
    judge: Judge,
    vectors: Mapping[str, Tensor],
    multipliers: Sequence[float],
    layers: Sequence[int],
) -> None:
    """File answers, gain and costs at every multiplier but 0, and shifts less the CAA vector."""
    for layer in layers:
        found = {
            (name, m): judge.respond(judge.vector(vectors[name], layer, name), m)
            for name in DOSED
            for m in multipliers
            if m
        }
        at = columns(depth=judge.setup.depth(layer))
        for name, m in found:
            _response(o, judge, found[name, m], found[RANDOM_DIRECTION, m], vector=name, multiplier=m, **at)
        for s in [m for m in multipliers if m > 0]:
            effect = {name: found[name, s]["P(yes)"] - found[name, -s]["P(yes)"] for name in DOSED}
            for name, value in effect.items():
                null = columns(null=effect[RANDOM_DIRECTION], null_means="a random direction")
                o.add("B2", "effect", value, vector=name, multiplier=s, **at, **null)
            for name in COMPARED:
                null = columns(null=0.0, null_means="no difference")
                more = effect[name] - effect[CAA]
                o.add("B2", "effect minus that of CAA", more, vector=name, multiplier=s, **at, **null)
                lost = found[name, s]["skills lost"] - found[CAA, s]["skills lost"]
                o.add(
                    "B2",
                    "skills lost minus that of CAA",
                    lost,
                    vector=name,
                    multiplier=s,
                    unit="points",
                    **at,
                    **null,
                )


def _response(
    o: Observations, judge: Judge, found: Mapping[str, float], random: Mapping[str, float], **at: Any
) -> None:
    """Gain and costs of one vector with one multiplier, in points but for the text."""
    plain = judge.plain
    gain, by_chance = (100 * (x["P(yes)"] - plain.p_yes) for x in (found, random))
    o.add("B2", "P(yes)", found["P(yes)"], null=plain.p_yes, null_means="no steering", **at)
    o.add("B5", "target gain", gain, unit="points", null=by_chance, null_means="a random direction", **at)
    null = columns(null=0.0, null_means="no steering")
    accuracy = 100 * (found["accuracy"] - plain.accuracy)
    o.add("B5", "accuracy change", accuracy, unit="points", **at, **null)
    o.add("B5", "skills lost", found["skills lost"], unit="points", **at, **null)
    o.add("B5", "plain text", found["plain text"], unit="nats", **at, **null)
    damaged = 100 * (found["damaged"] - judge.damaged)
    o.add("B5", "damaged generations", damaged, unit="points", **at, **null)
