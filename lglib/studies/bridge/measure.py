"""What the bridge study measures: T4 and B1 to B5 on one model."""

from __future__ import annotations

from lglib.activations import steering_losses
from lglib.report.observations import Observations
from lglib.studies.bridge import constructions, imitated, search, shifts, steered, taylor
from lglib.studies.bridge.imitated import BIASES, LORA, PLACES
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import prepare
from lglib.studies.bridge.steered import CAA, SOUGHT

CONTRAST = "true - false"  # the CAA vector that is a construction of its own


def measure(parameters: Parameters, seed: int) -> Observations:
    """Measure all rows, in the order of the chapter."""
    o, setup = Observations(), prepare(parameters, seed)
    taylor.observe(o, setup, parameters, (*steering_losses.KINDS, "random"))
    moved = {t: shifts.gradient_shifts(setup, t) for t in setup.templates}
    caa = {t: shifts.caa_vectors(setup, t) for t in setup.templates}
    random = {t: shifts.random_shifts(setup, t, parameters.random_steps) for t in setup.templates}
    shifts.observe(o, setup, moved, caa, random)
    first = setup.templates[0]
    judge = steered.judge(setup, parameters)
    directions = steered.random_directions(setup, parameters.random_steps)
    vectors = steered.vectors(moved[first], caa[first], random[first], directions)
    steered.observe_effects(o, judge, vectors, directions, setup.layers)
    steered.observe_doses(o, judge, vectors, parameters.multipliers, setup.late)
    contrasts = {t: caa[t][CONTRAST] for t in setup.templates}
    constructions.observe(o, setup, constructions.constructions(setup, contrasts, parameters))
    scored = search.scores(setup, parameters)
    search.observe(o, judge, scored, vectors[CAA], random[first], parameters)
    edits = [(LORA, places, layer) for places in PLACES for layer in setup.late]
    edits += [(BIASES, 1, setup.late[-1])] * imitated.has_biases(judge)
    imitated.observe(o, judge, vectors[SOUGHT], parameters, edits)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the rows of `measure`: one step, one template, the last block, one edit."""
    o, setup = Observations(), prepare(parameters, seed)
    taylor.observe(o, setup, parameters, ("logit difference",))
    first, last = setup.templates[0], setup.late[-1]
    moved, random = (
        shifts.gradient_shifts(setup, first),
        shifts.random_shifts(setup, first, parameters.random_steps),
    )
    caa = {t: shifts.caa_vectors(setup, t) for t in setup.templates}
    shifts.observe(o, setup, {first: moved}, caa, {first: random})
    judge = steered.judge(setup, parameters)
    directions = steered.random_directions(setup, parameters.random_steps)
    vectors = steered.vectors(moved, caa[first], random, directions)
    steered.observe_effects(o, judge, {name: vectors[name] for name in (CAA, SOUGHT)}, directions, [last])
    made = {f"CAA, {t}": constructions.by_contrast(caa[t][CONTRAST]) for t in setup.templates}
    constructions.observe(o, setup, made)
    imitated.observe(o, judge, vectors[SOUGHT], parameters, [(LORA, 1, last)])
    return o
