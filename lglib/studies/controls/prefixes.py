"""S3: what is still to come after a prefix, beside k random updates, Gaussian walks and a twin run."""

from __future__ import annotations

from collections.abc import Mapping

from lglib.base import seeding
from lglib.parameters.descent import Trajectory
from lglib.parameters.walks import Captured, Walk
from lglib.report.observations import Observations
from lglib.studies.controls.parameters import Parameters
from lglib.studies.lora.cases import Case, Row

PREFIX, SHUFFLED = "prefix", "shuffled updates"
WALKS = ("isotropic walk", "walk of these lengths", "walk of these updates")  # Gaussian, from least known
RECOVERY, NEVER = "recovery", "never learned"
OF = ("to come", "whole")  # the first is free of self-overlap
SAME: Row = dict(null=0.0, null_means="no difference")
Table = dict[str, Captured]  # captures by what spans the basis


def captured(run: Trajectory, k: int, draws: int, *key: object) -> Table:
    """Captures of a run by its first k updates, by k at random (means over draws), and by Gaussian walks.

    `isotropic walk`: steps of equal length in random directions; `walk of these lengths`: of the lengths of
    this run, whose share is the energy share; `walk of these updates`: independent Gaussian updates with the
    covariance of the later ones of this run.
    """
    walk, seed = Walk.of(run), seeding.generator("shuffled", *key).initial_seed() % 2**32
    return {
        PREFIX: walk.prefix(k),
        SHUFFLED: walk.shuffled(k, draws, seed),
        WALKS[0]: walk.isotropic(k, lengths=False),
        WALKS[1]: walk.isotropic(k, lengths=True),
        WALKS[2]: walk.uncorrelated(k),
    }


def tables(parameters: Parameters, case: Case, optimiser: str, k: int) -> dict[str, Table]:
    """Captures along the recovery and along its twin, which never learned the task."""
    runs = {RECOVERY: case.runs[optimiser], NEVER: case.never[optimiser]}
    key = (case.experiment.seed, case.name, optimiser, k)
    return {name: captured(run, k, parameters.draws, *key, name) for name, run in runs.items()}


def add_captures(
    found: Observations,
    parameters: Parameters,
    case: Case,
    optimiser: str,
    tables: Mapping[str, Table],
    k: int,
) -> None:
    """Add all captures of a pair and optimiser, and the leads of the prefix at the last k (S3)."""
    chance: Row = dict(null=k / case.adapter.space.d, null_means="random k-dimensional subspace")
    cell: Row = dict(pair=case.name, optimiser=optimiser, k=k)
    for run, table in tables.items():
        for by, share in table.items():
            for of, value in zip(OF, (share.to_come, share.whole), strict=True):
                found.add("S3", "controlled capture", value, **chance, run=run, of=of, by=by, **cell)
    if k != parameters.k:
        return
    for of, name in zip(OF, ("to_come", "whole"), strict=True):
        twin = getattr(tables[RECOVERY][PREFIX], name) - getattr(tables[NEVER][PREFIX], name)
        found.add("S3", "prefix less its twin", twin, **SAME, of=of, **cell)
        for run, table in tables.items():
            for by in (SHUFFLED, *WALKS):
                lead = getattr(table[PREFIX], name) - getattr(table[by], name)
                found.add("S3", "prefix less control", lead, **SAME, run=run, of=of, over_basis=by, **cell)
