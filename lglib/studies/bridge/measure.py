"""What the bridge study measures: T4 and B1 to B5 on one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from lglib.activations import steering_losses
from lglib.report.observations import Observations
from lglib.report.sections import Keep, measure_sections
from lglib.studies import competence
from lglib.studies.bridge import constructions, imitated, search, shifts, steered, taylor
from lglib.studies.bridge.imitated import BIASES, LORA, PLACES
from lglib.studies.bridge.parameters import Parameters, one_question
from lglib.studies.bridge.setup import Setup, prepare
from lglib.studies.bridge.shared import CONTRAST, Shared
from lglib.studies.bridge.steered import CAA, SOUGHT

Edit = tuple[str, int, int]  # kind, places, layer


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: Keep | None = None
) -> Observations:
    """Measure all rows, in the order of the chapter, section by section.

    `found` are the rows of an earlier try, `keep` files what there is after each section. Raises
    NothingMeasured where no section can be measured.
    """
    o, setup = found if found is not None else Observations(), prepare(parameters, seed)
    if setup.own is not None:
        o.used(setup.own.name, setup.own.sha256)
    one = Shared(setup, parameters)
    sections: dict[str, Callable[[], None]] = {
        "competence": partial(file_competence, o, setup),
        "Taylor remainders": lambda: taylor.observe(
            o, setup, parameters, (*steering_losses.KINDS, taylor.RANDOM)
        ),
        "shifts and CAA": partial(file_shifts, o, one, setup.templates),
        "halves of the vectors": partial(file_halves, o, one, setup.templates),
        "effects": lambda: steered.observe_effects(o, one.judge, one.vectors, one.directions, setup.layers),
        "doses": lambda: steered.observe_doses(o, one.judge, one.vectors, parameters.multipliers, setup.late),
        "constructions": lambda: constructions.observe(o, setup, one.constructions),
        "descent": partial(file_descent, o, one),
        "random search": partial(file_search, o, one),
    }
    for edit in edits(setup):
        sections[named(setup, edit)] = partial(file_imitation, o, one, edit)
    measure_sections(o, sections, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the rows of `measure`: one step, one template, the last block, one edit, few scores."""
    o, setup = Observations(), prepare(parameters, seed)
    one, first, last = Shared(setup, parameters), setup.templates[0], setup.late[-1]
    file_competence(o, setup)
    taylor.observe(o, setup, parameters, ("logit difference",))
    file_shifts(o, one, [first])
    file_halves(o, one, [first])
    some = {name: one.vectors[name] for name in (CAA, SOUGHT)}
    steered.observe_effects(o, one.judge, some, one.directions, [last])
    made = {f"CAA, {t}": constructions.by_contrast(one.caa(t)[CONTRAST]) for t in setup.templates}
    constructions.observe(o, setup, made)
    scored = search.scores(setup, parameters, min(search.CHECKED, parameters.pairs))
    search.observe_slopes(o, scored)
    shift = search.sought(setup, scored.gradient)
    search.observe_directions(o, setup, search.effective_directions(setup, shift, one.random(first)))
    file_imitation(o, one, (LORA, 1, last))
    return o


def file_competence(o: Observations, setup: Setup) -> None:
    """Whether the model can do each task at all, by all of its items, and how the prompts fit its context."""
    for template, role in zip(setup.templates, ("steered", "other"), strict=True):
        items = [item for own in setup.parts[template].values() for item in own]
        competence.observe(o, setup.model, items, task=template, role=role)
        competence.observe_fit(o, setup.fitted[template], task=template, role=role)


def file_shifts(o: Observations, one: Shared, templates: Iterable[str]) -> None:
    """Shifts of gradient steps beside CAA vectors (B1)."""
    chosen = list(templates)
    moved, caa = {t: one.moved(t) for t in chosen}, {t: one.caa(t) for t in chosen}
    shifts.observe(o, one.setup, moved, caa, {t: one.random(t) for t in chosen})


def file_halves(o: Observations, one: Shared, templates: Iterable[str]) -> None:
    """Whether each vector reproduces itself on halves of its items."""
    for template in templates:
        role = "steered" if template == one.first else "other"
        shifts.observe_halves(o, one.setup, one.moved(template), one.caa(template), task=template, role=role)


def file_descent(o: Observations, one: Shared) -> None:
    """The construction by descent, beside the others (B3).

    It is made from the second form of the question, or from what is steered where there is none.
    """
    setup = one.setup
    template = setup.templates[-1] if one_question(setup.templates) else one.first
    name = f"descent, {template}"
    made = constructions.by_descent(setup, template, one.parameters)
    constructions.observe(o, one.setup, {**one.constructions, name: made}, only=name)


def file_search(o: Observations, one: Shared) -> None:
    """The vector from random search (B4)."""
    scored = search.scores(one.setup, one.parameters)
    search.observe(o, one.judge, scored, one.vectors[CAA], one.random(one.first), one.parameters)


def edits(setup: Setup) -> list[Edit]:
    """The edits that imitate a vector: LoRA by places and layer, and biases where the model has any."""
    found = [(LORA, places, layer) for places in PLACES for layer in setup.late]
    return found + [(BIASES, 1, setup.late[-1])] * imitated.has_biases(setup.model)


def named(setup: Setup, edit: Edit) -> str:
    """Name of the section of an edit."""
    kind, places, layer = edit
    return f"imitation by {kind}, {places} places, depth {setup.depth(layer):g}"


def file_imitation(o: Observations, one: Shared, edit: Edit) -> None:
    """One imitation of the shift by a weight edit (T4)."""
    imitated.observe(o, one.judge, one.vectors[SOUGHT], one.parameters, [edit])
