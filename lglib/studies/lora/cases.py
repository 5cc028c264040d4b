"""One pair of tasks in one adapter: its points, its recoveries, its gradients and the bases made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lglib.geometry.subspace import Subspace
from lglib.models import lora
from lglib.models.loading import LanguageModel
from lglib.models.lora import Adapter
from lglib.parameters import recovery
from lglib.parameters.descent import Trajectory
from lglib.report.observations import Observations
from lglib.search import lora_candidates, votes
from lglib.studies import gates
from lglib.studies.lora.forget_and_recover import Experiment, Points
from lglib.studies.lora.parameters import Parameters
from lglib.tasks import own, pairs, supervised
from lglib.tasks.supervised import Lesson
from lglib.theory import stats

Row = dict[str, Any]  # what goes into Observations.add beside the value
SETS = 3  # of minibatch gradients, independent of each other: they give the spread
TESTS = 48  # questions of a score
STATIC = ("static", "static, normalised", "static, own task")
AT = {"initial": "initial", "theta*": "star", "theta_f": "forgot", "theta_0": "never"}  # names in Points


@dataclass(frozen=True)
class Case:
    """All that the measures of one pair share.

    `runs`, `others` and `never` by optimiser: recoveries from theta_f, their first k steps with another order
    of minibatches, and training from the point that never learned A. `sets`: three sets of minibatches of A;
    `gradients`: theirs, (gradients, d) each, by point; `bases`: those that can be made without a recovery.
    """

    experiment: Experiment
    points: Points
    runs: Mapping[str, Trajectory]
    others: Mapping[str, Trajectory]
    never: Mapping[str, Trajectory]
    sets: Sequence[Sequence[Lesson]]
    gradients: Mapping[str, Sequence[Tensor]]
    bases: Mapping[str, Subspace]

    @property
    def name(self) -> str:
        """Name of the pair."""
        return self.experiment.pair.name

    @property
    def adapter(self) -> Adapter:
        """The adapter in which everything happens."""
        return self.experiment.adapter


def attach(model: LanguageModel, shape: str, seed: int) -> Adapter:
    """Fresh adapters of a shape such as 4-attention: rank 4, on the attention's matrices."""
    rank, layers = shape.split("-")
    return lora.attach(model, int(rank), layers, seed=seed)


def experiment(parameters: Parameters, adapter: Adapter, name: str, seed: int) -> Experiment:
    """The experiment on a pair of tasks by its name, with the rates of the study."""
    pair = pairs.own(own_items(parameters).items) if name == "own" else pairs.pair(name, seed)
    return Experiment(adapter, pair, seed, parameters.rates)


def own_items(parameters: Parameters) -> own.Own:
    """The items of the file `data`, which the pair own is made of."""
    return own.read(parameters.data, template=parameters.template, answers=parameters.answers)


def prepare(
    parameters: Parameters, adapter: Adapter, name: str, seed: int, optimisers: Sequence[str] | None = None
) -> Case:
    """Learn and forget a pair from the adapter's present point, recover it, and make gradients and bases.

    `optimisers`: of the recoveries, by default all. Raises GateError when a task was not learned, A not lost
    or not recovered; the message has the figures. The adapter is left at its first point.
    """
    one = experiment(parameters, adapter, name, seed)
    points = one.learn_and_forget(bar=parameters.bar, lost=parameters.lost, limit=parameters.limit)
    names = list(optimisers or parameters.rates)
    runs = {o: one.recover(points.forgot, o, parameters.horizon) for o in names}
    others = {o: one.recover(points.forgot, o, parameters.k, order=1) for o in names}
    never = {o: one.recover(points.never, o, parameters.horizon) for o in names}
    adapter.space.load(points.initial)
    require_recovered(parameters, one, runs)
    sets = gradient_sets(one, parameters.gradients)
    thetas = {at: getattr(points, AT[at]) for at in ("initial", "theta*", "theta_f")}
    gradients = {at: gradients_at(one, theta, sets) for at, theta in thetas.items()}
    bases = bases_before(parameters, one, points, gradients)
    return Case(one, points, runs, others, never, sets, gradients, bases)


def require_recovered(
    parameters: Parameters, experiment: Experiment, runs: Mapping[str, Trajectory]
) -> dict[str, float]:
    """Exact match of A at the end of each recovery; GateError when one is below the bar `back`."""
    back = {o: experiment.scores(run.points[-1])["A"] for o, run in runs.items()}
    named = {f"{experiment.pair.name}, A back, {o}": score for o, score in back.items()}
    gates.require_learned(named, parameters.back)
    return back


def gradient_sets(experiment: Experiment, gradients: int) -> list[list[Lesson]]:
    """Three sets of minibatches of A, each of as many as there are to be gradients."""
    return [experiment.batches([experiment.pair.a], gradients, f"set {s}") for s in range(SETS)]


def gradients_at(experiment: Experiment, theta: Tensor, sets: Sequence[Sequence[Lesson]]) -> list[Tensor]:
    """Gradients (batches, d) of each set of minibatches at a point."""
    with experiment.adapter.space.at(theta):
        return [lora_candidates.gradients(experiment.adapter, batches) for batches in sets]


def bases_before(
    parameters: Parameters, experiment: Experiment, points: Points, gradients: Mapping[str, Sequence[Tensor]]
) -> dict[str, Subspace]:
    """Bases (d, k) that can be made without running the recovery (chapter 2; `sign` is ours).

    Static ones from gradients of A and B at theta*, `local`, `sign` and `Krylov` at theta_f, a `random` one,
    and the single line `way back` from theta_f to theta*.
    """
    space, k = experiment.adapter.space, parameters.k
    of_a, local = gradients["theta*"], torch.cat(list(gradients["theta_f"]))
    with space.at(points.star):
        batches = experiment.batches([experiment.pair.b], parameters.gradients, "static b")
        of_b = lora_candidates.gradients(experiment.adapter, batches)
    scaled = [g / g.square().sum(1).mean().sqrt() for g in (of_a[0], of_b)]
    batch = experiment.lesson(experiment.pair.a, 64, "train", "krylov")
    with space.at(points.forgot):
        product = space.hvp_operator(supervised.loss, batch)
        krylov = Subspace.krylov(product, space.gradient(supervised.loss, batch), k)
    return {
        "static": Subspace.from_gradients(torch.cat([of_a[0], of_b]), k),
        "static, normalised": Subspace.from_gradients(torch.cat(scaled), k),
        "static, own task": Subspace.from_gradients(torch.cat(list(of_a)), k),
        "local": Subspace.from_gradients(local, k),
        "sign": Subspace.from_gradients(local.sign(), k),
        "Krylov": krylov,
        "random": Subspace.random(space.d, k, experiment.seed, dtype=space.dtype, device=space.device),
        "way back": Subspace.from_vectors((points.star - points.forgot)[None]),
    }


def add_context(found: Observations, parameters: Parameters, case: Case) -> None:
    """Add the exact match of both tasks where a case has been, beside guessing among their answers."""
    one, end = case.experiment, parameters.horizon
    points = {at: getattr(case.points, AT[at]) for at in ("theta*", "theta_f", "theta_0")}
    points |= {f"recovered by {o}": recovery.point(run, end) for o, run in case.runs.items()}
    for at, theta in points.items():
        for task, score in one.scores(theta, n=TESTS).items():
            draw = one.pair.a if task == "A" else one.pair.b
            options = [len(item.answers) for item in draw(TESTS, "test", f"{one.seed}/scores")]
            share = stats.proportion_interval(round(score * TESTS), TESTS)
            chance: Row = dict(null=votes.chance(options, 1), null_means="guessing among the answers")
            found.add("context", "exact match", share, **chance, pair=case.name, task=task, point=at)
    taken = {"learn": case.points.learned_in, "forget": case.points.forgot_in}
    for what, steps in taken.items():
        most: Row = dict(unit="steps", null=parameters.limit, null_means="the most that is allowed")
        found.add("context", f"steps to {what}", steps, **most, pair=case.name)
