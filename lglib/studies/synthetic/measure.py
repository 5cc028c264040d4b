"""Measure the synthetic transformer: the steps of the study in order, each value with its null."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from torch import Tensor

from lglib.report import sections
from lglib.report.observations import Observations
from lglib.search.pools import Pool
from lglib.studies.synthetic import basis_drift, candidates, captures, gradients, schedules, setups, trained
from lglib.studies.synthetic.basis_drift import FOLLOWED, BasisDrift
from lglib.studies.synthetic.captures import STATIC, Recovery
from lglib.studies.synthetic.parameters import K, Parameters
from lglib.studies.synthetic.setups import SETUPS, Outcome
from lglib.studies.synthetic.shared import Shared
from lglib.studies.synthetic.trained import RATES, RECOVERED, SCORED, Trained
from lglib.theory import stats

SPAN = ("short", "middle", "long")  # the three horizons, whatever their steps
SEARCHED = "Adam"  # the optimiser whose recovery is searched around
Run = tuple[str, str]  # task and optimiser of a recovery
Told = dict[str, Any]  # what was varied, or what the null is


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: sections.Keep | None = None
) -> Observations:
    """Measure all that the chapter says of claims S1 to S8."""
    o, one = Observations() if found is None else found, Shared(trained.train(parameters, seed))
    of: dict[str, Callable[[], None]] = {"knowledge": partial(add_knowledge, o, one.model)}
    of |= {f"ranks, {task}": partial(add_all_ranks, o, one, task) for task in RECOVERED}
    of["captures"] = partial(add_all_captures, o, one)
    of |= {f"drift, {optimiser}": partial(add_way, o, one, optimiser) for optimiser in RATES}
    steps = {"theta_f": 0, "halfway": parameters.horizon // 2}
    of |= {f"candidates, {point}": partial(add_drawn, o, one, point, step) for point, step in steps.items()}
    of |= {f"schedule, {name}": partial(add_schedule, o, one, name) for name in schedules.SCHEDULES}
    of["schedules, means"] = partial(add_means, o, one)
    sections.measure_sections(o, of, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """Measure a part of it by the same steps: one task, optimiser, point, pool and schedule."""
    o, model = Observations(), trained.train(parameters, seed)
    add_knowledge(o, model)
    sets = gradients.gradient_sets(model, FOLLOWED, "theta_f")
    add_ranks(o, sets, FOLLOWED, "theta_f", seed)
    planes = captures.static_planes(model)
    beforehand = captures.bases_beforehand(model, FOLLOWED, planes)
    found = captures.recover_and_capture(model, FOLLOWED, SEARCHED, beforehand)
    add_captures(o, model, (FOLLOWED, SEARCHED), found)
    floor = basis_drift.overlap_of_strangers(model)
    add_overlaps(o, SEARCHED, basis_drift.follow_basis(model, found.path, floor, steps=[0, 1]))
    few = candidates.POOLS["no recovery"]
    add_pool(o, "theta_f", candidates.pool_at(model, found.path, 0, planes, few))
    schedule, setup = "PCGrad-lite", "sort + reverse, base"
    add_outcome(o, model, schedule, setup, setups.train_by(model, schedule, setup))
    return o


def add_knowledge(o: Observations, model: Trained) -> None:
    """Add what the model knows at each point."""
    for point, theta in model.points.items():
        for task, score in model.scores(theta).items():
            o.add("context", "exact match", _share(score), point=point, task=task, **_guess(model))


def add_all_ranks(o: Observations, one: Shared, task: str) -> None:
    """Add the ranks of one task's gradients at all points (S1)."""
    for point in trained.POINTS:
        sets = gradients.gradient_sets(one.model, task, point)
        add_ranks(o, sets, task, point, one.model.seed)


def add_all_captures(o: Observations, one: Shared) -> None:
    """Add the captures of all recoveries, and the largest of them (S2, S3)."""
    runs = {(task, optimiser): one.recovery(task, optimiser) for task in RECOVERED for optimiser in RATES}
    for run, found in runs.items():
        add_captures(o, one.model, run, found)
    add_largest(o, one.model, runs)


def add_way(o: Observations, one: Shared, optimiser: str) -> None:
    """Add a run from scratch, and the drift along the recovery that is followed (S3, S4)."""
    add_from_scratch(o, one.model, optimiser)
    path = one.recovery(FOLLOWED, optimiser).path
    add_drift(o, optimiser, basis_drift.follow_basis(one.model, path, one.floor))


def add_drawn(o: Observations, one: Shared, point: str, step: int) -> None:
    """Add the candidates around one step of a recovery (S5 to S7)."""
    path = one.recovery(FOLLOWED, SEARCHED).path
    add_pool(o, point, candidates.pool_at(one.model, path, step, one.planes))


def add_schedule(o: Observations, one: Shared, schedule: str) -> None:
    """Add what one schedule reached in all set-ups (S8)."""
    for setup in SETUPS:
        add_outcome(o, one.model, schedule, setup, one.outcome(schedule, setup))


def add_ranks(o: Observations, sets: Sequence[Tensor], task: str, point: str, seed: int) -> None:
    """Add the ranks of one task's gradients at one point, and the share of their mean (S1)."""
    told: Told = {"task": task, "point": point}
    for kind in gradients.SPECTRA:
        for name, ratio in gradients.relative_ranks(sets, kind, seed).items():
            means = "random directions of equal norms"
            o.add("S1", name, ratio, null=1.0, null_means=means, spectrum=kind, **told)
    share, n = gradients.share_of_mean(sets), len(sets[0])
    o.add("S1", "share of the mean", share, null=1 / n, null_means="noise without a mean", **told)


def add_captures(o: Observations, model: Trained, run: Run, found: Recovery) -> None:
    """Add the captures of one recovery, and by how much its prefix beats its controls (S2, S3)."""
    p = model.parameters
    told: Told = dict(zip(("task", "optimiser"), run, strict=True))
    for basis, table in found.captured.items():
        claim = "S2" if basis in STATIC else "S3"
        _add_table(o, model, claim, "capture", table, basis=basis, **told)
    _add_table(o, model, "S3", "energy share", found.energy_share, **told)
    _add_table(o, model, "S3", "capture to come", found.to_come, **told)
    cell = p.ks.index(K), 1
    controls = {"other order": found.captured["other order"], "energy share": found.energy_share}
    controls["local"] = found.captured["local"]
    for control, table in controls.items():
        gap = found.captured["prefix"][cell] - table[cell]
        where: Told = {"control": control, **told, "k": K, "T": p.horizon}
        o.add("S3", "prefix less control", gap, null=0.0, null_means="no difference", **where)
    for T, score in found.exact_match.items():
        o.add("context", "exact match after recovery", _share(score), **told, T=T, **_guess(model))


def add_largest(o: Observations, model: Trained, recoveries: Mapping[Run, Recovery]) -> None:
    """Add the largest capture of all recoveries, at ten dimensions and the middle horizon (S2, S3)."""
    p = model.parameters
    cell = p.ks.index(K), 1
    told: Told = {"k": K, "T": p.horizon, **_random(model, K)}
    for basis in STATIC:
        largest = max(found.captured[basis][cell] for found in recoveries.values())
        o.add("S2", "largest capture", largest, basis=basis, **told)
    largest = max(found.to_come[cell] for found in recoveries.values())
    o.add("S3", "largest capture to come", largest, **told)


def add_from_scratch(o: Observations, model: Trained, optimiser: str) -> None:
    """Add the capture by the prefix of a run in which nothing is recovered (S3)."""
    found = captures.capture_from_scratch(model, FOLLOWED, optimiser)
    told: Told = {"task": FOLLOWED, "optimiser": optimiser, "k": K, "T": model.parameters.horizon}
    o.add("S3", "capture from scratch", found, basis="prefix", **told, **_random(model, K))


def add_drift(o: Observations, optimiser: str, found: BasisDrift) -> None:
    """Add the drift of the gradient basis along one recovery (S4)."""
    add_overlaps(o, optimiser, found)
    never: Told = {"null": float(found.drift.steps[-1]), "null_means": "no drift: the run's length"}
    told: Told = {"task": FOLLOWED, "optimiser": optimiser}
    o.add("S4", "half-life", found.half_life, unit="steps", **told, **never)


def add_overlaps(o: Observations, optimiser: str, found: BasisDrift) -> None:
    """Add the overlaps of the gradient basis with itself, step by step (S4)."""
    d = found.drift
    told: Told = {"task": FOLLOWED, "optimiser": optimiser}
    strangers: Told = {"null": d.floor, "null_means": "bases of two unrelated networks"}
    for step, overlap, ceiling in zip(d.steps, d.overlap, d.ceiling, strict=True):
        o.add("S4", "overlap", overlap, step=int(step), **told, **strangers)
        o.add("S4", "same-step overlap", ceiling, step=int(step), **told, **strangers)
    stays: Told = {"null": 1.0, "null_means": "a basis that stays"}
    for step, relative in zip(d.steps[1:], found.relative, strict=True):
        o.add("S4", "relative overlap", relative, step=int(step), **told, **stays)


def add_pool(o: Observations, point: str, pool: Pool) -> None:
    """Add what the gains of the candidates at one point correlate with (S5, S6), and their ranking (S7)."""
    zero: Told = {"null": 0.0, "null_means": "unrelated"}
    for c in candidates.correlations(pool):
        told: Told = {"point": point, "pool": c.pool, "norm": c.norm}
        o.add(c.claim, "correlation", c.found, predicted=c.law, **told, **zero)
        o.add(c.claim, "correlation between families", c.between, **told, **zero)
    n = candidates.candidates_of(pool)
    everywhere = pool.density["whole space"]
    for (family, density), gains in zip(pool.density.items(), candidates.best_of(pool), strict=True):
        told = {"point": point, "family": family}
        curved, flat = (float(pool.curvature[pool.family == f].mean()) for f in (family, "whole space"))
        space: Told = {"null_means": "directions of the whole space"}
        o.add("S7", "density", density, unit="nats^2", null=everywhere, **space, **told)
        o.add("S7", "mean curvature", curved, unit="nats", null=flat, **space, **told)
        for share, norm, gain in zip(candidates.SHARES, pool.norms, gains, strict=True):
            law, null = (candidates.best_by_law(each, norm, n) for each in (density, everywhere))
            told |= {"norm": share, "best_of": n}
            means = "the linear law in the whole space"
            o.add("S7", "best gain", gain, unit="nats", predicted=law, null=null, null_means=means, **told)
    if set(pool.density) < set(candidates.FAMILIES):  # a ranking is one of all families
        return
    for share, rank in zip(candidates.SHARES, candidates.rank_by_density(pool), strict=True):
        told = {"point": point, "norm": share, "best_of": n}
        o.add("S7", "rank correlation", rank, null=0.0, null_means="unrelated ranking", **told)


def add_outcome(o: Observations, model: Trained, schedule: str, setup: str, found: Outcome) -> None:
    """Add what one schedule reached in one set-up (S8)."""
    told: Told = {"schedule": schedule, "setup": setup}
    o.add("S8", "worst-task exact match", _share(found.worst), **told, **_guess(model))
    for when, scores in {"end": found.end, "switch": found.switch or ()}.items():
        for task, score in zip(SETUPS[setup][0], scores, strict=False):
            o.add("S8", "exact match", _share(score), task=task, when=when, **told, **_guess(model))


def add_means(o: Observations, one: Shared) -> None:
    """Add the mean over the set-ups, and the gap between two schedules that are the same mathematics (S8)."""
    for schedule in schedules.SCHEDULES:
        mean = fmean(one.outcome(schedule, setup).worst for setup in SETUPS)
        o.add("S8", "mean worst-task exact match", mean, schedule=schedule, **_guess(one.model))
    alike = ("joint mixed", "raw gradient sum")
    gaps = {s: one.outcome(alike[0], s).worst - one.outcome(alike[1], s).worst for s in SETUPS}
    same: Told = {"null": 0.0, "null_means": "no noise"}
    for setup, gap in gaps.items():
        o.add("S8", "noise floor", abs(gap), setup=setup, **same)
    o.add("S8", "mean noise floor", abs(fmean(gaps.values())), **same)


def _add_table(
    o: Observations, model: Trained, claim: str, name: str, table: np.ndarray, **told: Any
) -> None:
    """Add a table (ks, horizons); "horizon" says which of the three it is, whatever its steps."""
    p = model.parameters
    for i, j in np.ndindex(table.shape):
        if np.isfinite(table[i, j]):
            where: Told = {"k": p.ks[i], "T": p.horizons[j], "horizon": SPAN[j]}
            o.add(claim, name, float(table[i, j]), **told, **where, **_random(model, p.ks[i]))


def _random(model: Trained, k: int) -> Told:
    return {"null": k / model.space.d, "null_means": "random k-dimensional subspace"}


def _guess(model: Trained) -> Told:
    return {"null": 10.0**-model.parameters.length, "null_means": "guessing every digit"}


def _share(score: float) -> stats.Interval:
    return stats.proportion_interval(round(score * SCORED), SCORED)
