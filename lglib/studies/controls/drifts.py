"""S4: drift of the raw and of the centred gradient basis, along a recovery and along its twin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from lglib.base.checks import NotMeasurable
from lglib.report.observations import Observations
from lglib.studies.controls.prefixes import NEVER, RECOVERY, SAME
from lglib.studies.lora import cases, drifting
from lglib.studies.lora.cases import Case, Row
from lglib.studies.lora.drifting import Drifted, Stranger

RAW, CENTRED = "raw", "centred"
Sets = Sequence[Tensor]  # gradients (n, d), one of each set of minibatches
Drifts = dict[tuple[str, str, str], Drifted]  # by optimiser, run and view


def along(case: Case, optimiser: str, run: str, steps: Sequence[int], start: Sets) -> list[Sets]:
    """Gradients of each set at each step of the recovery, or of its twin; `start`: those of step 0."""
    points = (case.runs if run == RECOVERY else case.never)[optimiser].points
    return [start, *(cases.gradients_at(case.experiment, points[step], case.sets) for step in steps[1:])]


def viewed(gradients: Sets, basis: str) -> list[Tensor]:
    """Gradients as they are, or with the mean of each set taken off: what is then left is their spread."""
    return [g - g.mean(0) if basis == CENTRED else g for g in gradients]


def drifted(found: Sequence[Sets], unrelated: Sets, basis: str, steps: Sequence[int], k: int) -> Drifted:
    """Drift of the top-k basis in one view. NotMeasurable where two estimates of one step do not agree."""
    try:
        return drifting.drifted([viewed(one, basis) for one in found], viewed(unrelated, basis), steps, k)
    except ValueError as error:
        raise NotMeasurable(f"the {basis} basis: {error}") from error


def all_drifts(case: Case, stranger: Stranger, steps: Sequence[int], k: int) -> Drifts:
    """Drifts by optimiser, run and view of the gradients. NotMeasurable as `drifted`."""
    unrelated = [stranger.gradients(batches) for batches in case.sets]
    never = cases.gradients_at(case.experiment, case.points.never, case.sets)
    found = {}
    for optimiser in case.runs:
        for run, start in ((RECOVERY, case.gradients["theta_f"]), (NEVER, never)):
            gradients = along(case, optimiser, run, steps, start)
            for basis in (RAW, CENTRED):
                found[optimiser, run, basis] = drifted(gradients, unrelated, basis, steps, k)
    return found


def add_drifts(found: Observations, pair: str, drifts: Drifts) -> None:
    """Add relative overlaps, half-lives, ceilings and floors, and the recovery less its twin (S4)."""
    for (optimiser, run, basis), one in drifts.items():
        cell: Row = dict(pair=pair, optimiser=optimiser, run=run, basis=basis)
        steps, end = one.whole.steps, float(one.whole.steps[-1])
        for step, value in zip(steps[1:], one.relative, strict=True):
            found.add("S4", "controlled overlap", value, **drifting.STAYS, step=int(step), **cell)
        life: Row = dict(drifting.NEVER, null=end)
        found.add("S4", "controlled half-life", one.half_life, **life, **cell)
        none: Row = dict(null=one.whole.floor, null_means="bases of an unrelated network")
        found.add("S4", "ceiling of the overlap", float(np.mean(one.whole.ceiling)), **none, **cell)
    for (optimiser, run, basis), one in drifts.items():
        if run == RECOVERY:
            twin = drifts[optimiser, NEVER, basis]
            less = one.whole.relative[-1] - twin.whole.relative[-1]
            where: Row = dict(pair=pair, optimiser=optimiser, basis=basis)
            found.add("S4", "overlap at the end less its twin", float(less), **SAME, **where)
            lives = [min(d.whole.half_life, float(d.whole.steps[-1])) for d in (one, twin)]
            found.add("S4", "half-life less its twin", lives[0] - lives[1], unit="steps", **SAME, **where)
