"""What the lens study measures: B1 and B2 beside the logit lens and activation gradients, task by task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lglib.report.observations import Observations
from lglib.report.sections import Keep, measure_sections
from lglib.studies import competence
from lglib.studies.lens import compared, steered, vectors
from lglib.studies.lens.parameters import Parameters
from lglib.studies.lens.setup import Setup, prepare
from lglib.studies.lens.vectors import LENS, STEP, Vectors


@dataclass
class Shared:
    """The vectors of one run by task, each made once and when a section first asks for it."""

    setup: Setup
    _made: dict[str, Vectors] = field(default_factory=dict)

    def vectors(self, task: str) -> Vectors:
        """The vectors of a task."""
        if task not in self._made:
            self._made[task] = vectors.of_task(self.setup, task)
        return self._made[task]


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: Keep | None = None
) -> Observations:
    """Measure all rows, section by section: of each task its competence, cosines and effects.

    `found` are the rows of an earlier try, `keep` files what there is after each section. Raises
    NothingMeasured where no section can be measured.
    """
    o, setup = found if found is not None else Observations(), prepare(parameters, seed)
    one = Shared(setup)
    sections: dict[str, Callable[[], None]] = {}
    for task in parameters.tasks:
        sections[f"competence: {task}"] = partial(file_competence, o, setup, task)
        sections[f"cosines: {task}"] = partial(file_cosines, o, one, task)
        sections[f"effects: {task}"] = partial(file_effects, o, one, task, parameters)
    measure_sections(o, sections, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the rows of `measure`: the first task, one dose of two vectors at the last block."""
    o, task = Observations(), parameters.tasks[0]
    setup = prepare(parameters.changed(tasks=(task,)), seed)
    one = Shared(setup)
    file_competence(o, setup, task)
    file_cosines(o, one, task)
    some = {name: one.vectors(task).values[name] for name in (STEP, LENS)}
    random = vectors.random_directions(setup, parameters.random_directions)
    judge = steered.judge(setup, task, parameters)
    steered.observe(o, judge, task, some, random, setup.layers[-1:], [1.0])
    return o


def file_competence(o: Observations, setup: Setup, task: str) -> None:
    """Whether the model can do a task at all, by all of its items, and how the prompts fit its context."""
    drawn = setup.drawn[task]
    competence.observe(o, setup.model, [i for own in drawn.parts.values() for i in own], task=task)
    competence.observe_fit(o, drawn.fitted, task=task)


def file_cosines(o: Observations, one: Shared, task: str) -> None:
    """The cosine of each pair of vectors, by depth (B1)."""
    compared.observe(o, one.setup, task, one.vectors(task))


def file_effects(o: Observations, one: Shared, task: str, parameters: Parameters) -> None:
    """What each vector does to the answers, by depth and dose (B2)."""
    setup, judge = one.setup, steered.judge(one.setup, task, parameters)
    random = vectors.random_directions(setup, parameters.random_directions)
    values = one.vectors(task).values
    steered.observe(o, judge, task, values, random, setup.layers, parameters.doses)
