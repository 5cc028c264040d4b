"""What the study files: the steps of its other modules in order, one row a value, each with its null."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from lglib.base import progress
from lglib.parameters.gram import Grams
from lglib.report.observations import Observations
from lglib.report.sections import Keep, measure_sections
from lglib.search.step_length import SigmaStar
from lglib.studies import competence
from lglib.studies.rank import causes, ranks, regime, search
from lglib.studies.rank import subject as subject_items
from lglib.studies.rank.parameters import Parameters
from lglib.studies.rank.ranks import STATES, VIEWS
from lglib.studies.rank.shared import Shared
from lglib.studies.rank.subject import Subject, load
from lglib.tasks.items import Item
from lglib.theory.stats import mean_interval

Words = dict[str, Any]  # of a row: what varied, its null, its unit
LENGTHS = "random directions of equal lengths"
RANDOM: Words = dict(null=1.0, null_means="random directions")
NO_REGIME: Words = dict(null_means="no linear regime in the range", unit="decades")
NO_GAIN: Words = dict(null=0.0, null_means="no gain")


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: Keep | None = None
) -> Observations:
    """Everything that the chapter says of claims L1 and L2, for one model and seed, section by section.

    `found` are the rows of an earlier try, `keep` files what there is after each section. Raises
    NothingMeasured where no section can be measured.
    """
    o = found if found is not None else Observations()
    subject, tasks = load(parameters, seed), parameters.asked
    if subject.own is not None:
        o.used(subject.own.name, subject.own.sha256)
    one = Shared(subject)
    sections: dict[str, Callable[[], None]] = {}
    for task in tasks:
        sections[f"competence: {task}"] = partial(file_competence, o, one, task)
    for task in tasks:
        for state in STATES:
            places = task in tasks[:2]
            sections[f"gradients: {task}, {state}"] = partial(file_task, o, one, task, state, places=places)
    for m in parameters.answer_counts:
        for state in STATES[:2]:
            sections[f"{m} answers, {state}"] = partial(_answers, o, one, m, state)
    sketched = "open" if "open" in tasks else tasks[0]
    sections["sketches"] = lambda: file_sketches(o, subject, one.sets(sketched)[0])
    for width in parameters.widths:
        sections[f"width {width}"] = partial(_width, o, one, tasks[:2], width)
    sections |= {
        "linear regime": partial(_regime, o, one),
        "crossings": lambda: file_crossings(o, one.lines),
        "trace of the Hessian": partial(file_trace, o, one),
        "steps": lambda: file_steps(o, subject, one.star, one.steps),
        "sigma*": lambda: file_sigma_star(o, one.steps),
        "noise": lambda: file_noise(o, subject, one.star, one.tried),
    }
    measure_sections(o, sections, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the same rows: the first task, the least of each series, three directions, one step."""
    o, subject = Observations(), load(parameters, seed)
    one, tasks = Shared(subject), parameters.asked
    file_competence(o, one, tasks[0])
    file_task(o, one, tasks[0], STATES[0], places=True)
    _answers(o, one, parameters.answer_counts[0], STATES[0])
    _width(o, one, tasks[:2], parameters.widths[0])
    file_decades(o, regime.regimes(subject, ("random 0", "gradient", "steering")))
    tried = search.try_steps(subject, one.star.sigma, search.MULTIPLES[:1])
    file_steps(o, subject, one.star, search.best_of_n(subject, one.star, tried))
    return o


def file_competence(o: Observations, one: Shared, task: str) -> None:
    """Whether the model can do a task at all, and how its items fit the context."""
    subject = one.subject
    fitted = subject_items.fitted(subject, task, subject.parameters.examples, "set 0")
    competence.observe(o, subject.model, fitted.items, task=task)
    competence.observe_fit(o, fitted, task=task)


def file_task(o: Observations, one: Shared, task: str, state: str, *, places: bool) -> None:
    """All that is read from the gradients of a task in one state of the model."""
    progress.note(f"gradients: {task}, {state}")
    file_set(o, one.subject, task, state, one.sets(task), places=places)


def _answers(o: Observations, one: Shared, m: int, state: str) -> None:
    file_answers(o, one.subject, one.pool, m, state)


def _width(o: Observations, one: Shared, tasks: Sequence[str], width: int) -> None:
    file_width(o, one.subject, {task: one.sets(task)[0] for task in tasks}, width)


def _regime(o: Observations, one: Shared) -> None:
    one.subject.forget_twin()  # nothing below needs it
    file_decades(o, one.lines)


def file_set(
    o: Observations, one: Subject, task: str, state: str, sets: Sequence[Sequence[Item]], *, places: bool
) -> None:
    """All that is read from the Gram matrices of a task's sets in one state of the model."""
    grams = [ranks.grams(one, state, items) for items in sets]
    file_ranks(o, one, task, state, grams)
    if state != "shuffled labels":
        file_growth(o, task, state, grams)
    if state == "trained":
        shares = [ranks.answered_surely(one, g, items) for g, items in zip(grams, sets, strict=True)]
        none = "no answer is sure"
        o.add("context", "answered surely", mean_interval(shares), null=0.0, null_means=none, task=task)
        if places:
            file_places(o, one, task, grams)


def file_ranks(o: Observations, one: Subject, task: str, state: str, grams: Sequence[Grams]) -> None:
    """Each rank in each view, beside random directions of the same lengths, and its share of that."""
    for view in VIEWS:
        where: Words = dict(null_means=LENGTHS, view=view, state=state, task=task)
        for rank, (own, null) in ranks.with_control(one, grams, view).items():
            o.add("L1", rank, mean_interval(own), null=float(np.mean(null)), **where)
            o.add("L1", f"{rank} / control", mean_interval(np.divide(own, null)), null=1.0, **where)


def file_growth(o: Observations, task: str, state: str, grams: Sequence[Grams]) -> None:
    """Ranks at unit norm of the first gradients of each set, and the exponent of their growth."""
    curves = [ranks.growth(g) for g in grams]
    for rank in curves[0]:
        where: Words = dict(rank=rank, state=state, task=task)
        slopes = mean_interval([ranks.growth_exponent(c[rank]) for c in curves])
        o.add("L1", "growth exponent", slopes, **RANDOM, **where)
        for m in curves[0][rank]:
            value = mean_interval([c[rank][m] for c in curves])
            o.add("L1", "rank of the first items", value, **RANDOM | {"null": m}, items=m, **where)


def file_places(o: Observations, one: Subject, task: str, grams: Sequence[Grams]) -> None:
    """Participation ratio of each kind of matrix in each block, mean over the sets."""
    for block, matrix in ranks.places(one):
        value = ranks.at_place(grams, block, matrix)
        _directions(o, one, "at a place", value, task=task, block=block, matrix=matrix)


def file_answers(o: Observations, one: Subject, pool: Sequence[Item], m: int, state: str) -> None:
    """Participation ratio of open questions with m different answers."""
    items = causes.with_answers(pool, m, one.parameters.examples)
    value = ranks.participation_ratio(ranks.grams(one, state, items).total)
    _directions(o, one, "by answers", value, answers=m, state=state)


def file_width(o: Observations, one: Subject, sets: Mapping[str, Sequence[Item]], width: int) -> None:
    """Participation ratio in an untrained network of one width."""
    for task, value in causes.by_width(one, sets, width).items():
        _directions(o, one, "by width", value, width=width, task=task)


def file_sketches(o: Observations, one: Subject, items: Sequence[Item]) -> None:
    """What each sketch shows of a participation ratio, and how its inner products err."""
    exact, found = causes.sketched(one, items)
    _directions(o, one, "before sketching", exact)
    for row in found:
        varied: Words = dict(sketch=row.sketch, m=row.m)
        told: Words = dict(null=row.control, null_means="sketched random directions", predicted=row.law)
        o.add("L1", "sketched participation ratio", row.seen, **told, **varied)
        told = dict(null=0.0, null_means="exact inner products", predicted=1.0)
        o.add("L1", "error of sketched inner products / law", row.error, **told, **varied)


def file_decades(o: Observations, lines: regime.Lines) -> None:
    """Decades of linear regime along each direction, from a millionth of a unit; tensor units and |theta|."""
    for name in lines.regimes:
        told: Words = dict(**NO_REGIME, null=0.0, direction=name)
        o.add("L2", "decades of linear regime", lines.decades(name), **told)
        in_theta = np.log10(lines.regimes[name].crossing / lines.length / regime.SCALES[0])
        o.add("L2", "decades of linear regime in |theta|", in_theta, **told)


def file_crossings(o: Observations, lines: regime.Lines) -> None:
    """Where the linear regime ends along random directions, and whether curvature predicts it."""
    own, others = regime.crossing_errors(lines)
    told: Words = dict(unit="decades", null=others.mean(), null_means="another direction's prediction")
    o.add("L2", "error of the predicted crossing", mean_interval(own), **told)
    told = dict(unit="decades", null=0.0, null_means="no better than another's")
    o.add("L2", "error of the predicted crossing less that of another's", mean_interval(own - others), **told)
    null = np.log10(regime.SCALES[0])
    cross = mean_interval([np.log10(lines.regimes[name].crossing / lines.length) for name in lines.random()])
    o.add("L2", "log10 crossing / |theta|", cross, null=null, **NO_REGIME)
    cross = mean_interval([np.log10(lines.in_tensor_units(name)) for name in lines.random()])
    o.add("L2", "log10 crossing in tensor units", cross, null=null, **NO_REGIME)


def file_trace(o: Observations, one: Shared) -> None:
    """The Hessian's trace, whatever its sign, and what it says of the end of the linear regime."""
    found, kinks = one.curvature, len(one.subject.model.kinks)
    bent: Words = dict(null=0.0, null_means="no curvature", unit="nats")
    o.add("L2", "trace of the Hessian", found.trace, **bent)
    o.add("L2", "curvature along the gradient", found.along, **bent)
    smooth = "second derivatives everywhere"
    o.add("context", "kinds of kinks that curvature leaves out", kinks, null=0.0, null_means=smooth)
    _, others = regime.crossing_errors(one.lines)
    told: Words = dict(unit="decades", null=others.mean(), null_means="another direction's prediction")
    by_trace = mean_interval(regime.errors_by_trace(one.lines, found.trace.estimate))
    o.add("L2", "error of the crossing predicted by the trace", by_trace, **told)


def file_steps(o: Observations, one: Subject, star: SigmaStar, steps: Sequence[search.Step]) -> None:
    """Effective dimension; the best of N at each step, on the questions searched on and on others."""
    told: Words = dict(null=one.space.d, null_means="equal curvature in all directions")
    o.add("L2", "effective dimension", search.effective_dimension(star), **told)
    for step in steps:
        where: Words = dict(**NO_GAIN, multiple=step.multiple, N=star.n)
        nats: Words = dict(**where, unit="nats")
        o.add("L2", "gain", step.best, predicted=step.law, questions="selected", **nats)
        o.add("L2", "gain", step.held_out, predicted=step.held_out_law, questions="held out", **nats)
        kept = step.held_out / step.best.estimate
        o.add("L2", "held out / selected", kept, predicted=1.0, **where)
        o.add("L2", "gain / Theorem 1", step.share, predicted=1.0, **where)


def file_sigma_star(o: Observations, steps: Sequence[search.Step]) -> None:
    """Whether sigma* is the best of the steps."""
    reached, by_lot = search.share_at_sigma_star(steps)
    told: Words = dict(null=by_lot, null_means="one of the five, losses as no gain")
    o.add("L2", "gain at sigma* / largest gain over the steps", reached, **told)


def file_noise(o: Observations, one: Subject, star: SigmaStar, tried: search.Tried) -> None:
    """Antithetic pairs, and the spread of gains with independent and with tied noise, beside their laws."""
    tied = search.spread_of_tied(one, star, tried.a)
    for noise, value in {"independent": search.spread(star, tried), "tied": tied}.items():
        told: Words = dict(null=0.0, null_means="no spread", predicted=1.0)
        o.add("L2", "spread of gains / law", value, **told, noise=noise)
    value, law = search.best_pair(one, star)
    where: Words = dict(**NO_GAIN, N=star.n // 2)
    o.add("L2", "gain of the best antithetic pair", value, predicted=law, unit="nats", **where)
    o.add("L2", "gain of the best antithetic pair / law", value / law, predicted=1.0, **where)


def _directions(o: Observations, one: Subject, how: str, value: float, **varied: Any) -> None:
    """A participation ratio at unit norm, beside the n of random directions."""
    told: Words = dict(RANDOM, null=one.parameters.examples)
    o.add("L1", f"participation ratio {how}", value, **told, **varied)
