"""S2 and S3: what captures a recovery, beside the energy share, another order, and what was never learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from lglib.geometry.subspace import Subspace
from lglib.models import lora
from lglib.models.loading import LanguageModel
from lglib.parameters import recovery
from lglib.parameters.descent import Trajectory
from lglib.report.observations import Observations
from lglib.search import lora_candidates
from lglib.studies.lora import cases
from lglib.studies.lora.cases import STATIC, Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.theory import correlation

Grid = dict[str, np.ndarray]  # captures (ks, horizons) by basis
Grids = Mapping[tuple[str, str], Grid]  # by pair and optimiser
CONTROLS = ("other order", "energy share", "never learned")
RANDOM: Row = dict(null_means="random k-dimensional subspace")
SAME: Row = dict(null=0.0, null_means="no difference")


def capture_grid(
    run: Trajectory,
    other: Trajectory,
    control: Trajectory,
    bases: Mapping[str, Subspace],
    ks: Sequence[int],
    horizons: Sequence[int],
) -> Grid:
    """Captures (ks, horizons) of a recovery by `bases` and by its prefix, with the controls of the prefix.

    `other order`: the prefix of a run on other minibatches; `energy share`: squared lengths of the first k
    updates over all; `still to come`: capture of theta_T - theta_k; `never learned`: the prefix of the
    control run in its own displacement. Definitions: our reading (notation page).
    """
    k = ks[-1]
    own = {**bases, "prefix": Subspace.prefix(run.points, k), "other order": Subspace.prefix(other.points, k)}
    grid = recovery.captures(own, run, ks, horizons)
    grid["energy share"] = recovery.energy_share(run, ks, horizons)
    grid["energy share, never learned"] = recovery.energy_share(control, ks, horizons)
    grid["still to come"] = recovery.still_to_come(run, ks, horizons)
    first = {"prefix": Subspace.prefix(control.points, k)}
    grid["never learned"] = recovery.captures(first, control, ks, horizons)["prefix"]
    return grid


def grid_of(parameters: Parameters, case: Case, optimiser: str) -> Grid:
    """Captures of the recovery of a case by one optimiser, by all bases."""
    run, other, never = (own[optimiser] for own in (case.runs, case.others, case.never))
    return capture_grid(run, other, never, case.bases, parameters.ks, parameters.horizons)


def at_a_third(parameters: Parameters, case: Case) -> dict[str, float]:
    """Energy share and capture of the prefix when AdamW recovers at a third of its rate."""
    k, steps = parameters.k, parameters.horizon
    slow = replace(case.experiment, rates={"AdamW": parameters.rate / 3})
    run = slow.recover(case.points.forgot, "AdamW", steps)
    prefix = {"prefix": Subspace.prefix(run.points, k)}
    return {
        "energy share": recovery.energy_share(run, [k], [steps]).item(),
        "capture": recovery.captures(prefix, run, [k], [steps])["prefix"].item(),
    }


def in_shape(
    parameters: Parameters, model: LanguageModel, shape: str, name: str, seed: int
) -> dict[str, Grid]:
    """Captures in another shape of adapter, by optimiser; static: mixed batches of A and B at theta*.

    The model must have no adapter, and is left without one, also after an error.
    """
    adapter = cases.attach(model, shape, seed)
    try:
        one, k, steps = cases.experiment(parameters, adapter, name, seed), parameters.k, parameters.horizon
        p = one.learn_and_forget(bar=parameters.bar, lost=parameters.lost, limit=parameters.limit)
        batches = one.batches([one.pair.a, one.pair.b], parameters.gradients, "static")
        with adapter.space.at(p.star):
            bases = {"static": Subspace.from_gradients(lora_candidates.gradients(adapter, batches), k)}
        grids = {}
        for o in parameters.rates:
            run, control = (one.recover(start, o, steps) for start in (p.forgot, p.never))
            other = one.recover(p.forgot, o, k, order=1)
            grids[o] = capture_grid(run, other, control, bases, parameters.ks, parameters.horizons)
            grids[o]["null"] = np.array([[k / adapter.space.d]])
        return grids
    finally:
        lora.detach(adapter)


def claim_of(basis: str) -> str:
    """S2 for static planes, S3 for all others."""
    return "S2" if basis in STATIC else "S3"


def add_captures(
    found: Observations, parameters: Parameters, pair: str, optimiser: str, grid: Grid, d: int
) -> None:
    """Add the last row and column of a grid of captures, and the lead of the prefix over its controls."""
    ks, horizons = parameters.ks, parameters.horizons
    for basis, table in grid.items():
        for i, j in np.ndindex(table.shape):
            shown = ks[i] == parameters.k or horizons[j] == parameters.horizon
            if not (shown and np.isfinite(table[i, j])):
                continue
            where: Row = dict(pair=pair, optimiser=optimiser, k=ks[i], T=horizons[j])
            if basis.startswith("energy share"):
                walk: Row = dict(null=ks[i] / horizons[j], null_means="updates of equal length")
                found.add("S3", basis, float(table[i, j]), **walk, **where)
            else:
                chance: Row = RANDOM | dict(null=ks[i] / d, basis=basis)
                found.add(claim_of(basis), "capture", float(table[i, j]), **chance, **where)
    for control in (*CONTROLS, "local"):
        lead = grid["prefix"][-1, -1] - grid[control][-1, -1]
        found.add(
            "S3", "lead of the prefix", lead, **SAME, over_basis=control, pair=pair, optimiser=optimiser
        )


def add_over_runs(found: Observations, parameters: Parameters, grids: Grids, d: int) -> None:
    """Add what is read over all pairs and optimisers: mean leads, largest captures, correlations."""
    last = {cell: {basis: table[-1, -1] for basis, table in grid.items()} for cell, grid in grids.items()}
    for control in CONTROLS:
        lead = fmean(one["prefix"] - one[control] for one in last.values())
        found.add("S3", "lead of the prefix, mean over runs", lead, **SAME, over_basis=control)
    for basis in (*STATIC, "still to come"):
        largest = max(one[basis] for one in last.values())
        found.add(claim_of(basis), "largest capture", largest, null=parameters.k / d, basis=basis, **RANDOM)
    told: Row = dict(null=0.0, null_means="unrelated")
    prefix, share = (np.array([one[b] for one in last.values()]) for b in ("prefix", "energy share"))
    name = "correlation of capture and energy share"
    found.add("S3", name, correlation.interval(prefix, share), **told)
    for o in parameters.rates:
        own = [i for i, (_, optimiser) in enumerate(last) if optimiser == o]
        found.add("S3", name, np.corrcoef(prefix[own], share[own])[0, 1], optimiser=o, **told)


def add_at_a_third(found: Observations, grids: Grids, slow: Mapping[str, Mapping[str, float]]) -> None:
    """Add by how much energy share and capture change at a third of the rate, mean over pairs."""
    told: Row = dict(null=0.0, null_means="no change")
    for what, basis in (("energy share", "energy share"), ("capture", "prefix")):
        change = fmean(own[what] - grids[name, "AdamW"][basis][-1, -1] for name, own in slow.items())
        found.add("S3", "change at a third of the rate, mean over pairs", change, of=what, **told)


def add_in_shape(
    found: Observations, parameters: Parameters, shape: str, pair: str, grids: Mapping[str, Grid]
) -> None:
    """Add the captures in another shape of adapter at the last k and T."""
    for o, grid in grids.items():
        where: Row = dict(pair=pair, optimiser=o, shape=shape, k=parameters.k, T=parameters.horizon)
        walk: Row = dict(null=parameters.k / parameters.horizon, null_means="updates of equal length")
        found.add("S3", "energy share in another shape", grid["energy share"][-1, -1], **walk, **where)
        for basis in ("prefix", "other order", "never learned", "still to come", "static"):
            chance: Row = RANDOM | dict(null=grid["null"].item(), basis=basis)
            found.add(claim_of(basis), "capture in another shape", grid[basis][-1, -1], **chance, **where)
