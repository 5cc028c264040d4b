"""S1 and S4: the rank of gradients at three points, and how fast their basis drifts along a recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from lglib.base import seeding
from lglib.geometry import drift, spectra
from lglib.geometry.drift import Drift
from lglib.geometry.subspace import Subspace
from lglib.models import loading
from lglib.models.lora import Adapter
from lglib.report.observations import Observations
from lglib.search import lora_candidates
from lglib.studies.lora import cases
from lglib.studies.lora.cases import Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.tasks.supervised import Lesson
from lglib.theory import stats
from lglib.theory.stats import Interval

STAYS: Row = dict(null=1.0, null_means="a basis that stays")
NEVER: Row = dict(unit="steps", null_means="no drift: the run's length")


@dataclass(frozen=True)
class Stranger:
    """An unrelated network: the untrained twin of the model, with an adapter whose B is not zero."""

    adapter: Adapter
    theta: Tensor

    def gradients(self, batches: Sequence[Lesson]) -> Tensor:
        """Gradients (n, d) of minibatches in the unrelated network: their bases share what chance gives."""
        with self.adapter.space.at(self.theta):
            return lora_candidates.gradients(self.adapter, batches)


@dataclass(frozen=True)
class Drifted:
    """Drift along a run, with jackknife intervals over the three sets, one for each step but 0."""

    whole: Drift
    relative: Sequence[Interval]
    half_life: Interval


def stranger(parameters: Parameters, seed: int) -> Stranger:
    """Make the unrelated network, in the first shape of adapter."""
    own: Row = dict(device=parameters.device, allow_download=parameters.allow_download)
    twin = loading.load(parameters.model, trained=False, seed=seed + 1000, **own)
    adapter = cases.attach(twin, parameters.shapes[0], seed + 1000)
    space, dice = adapter.space, seeding.generator("stranger", seed)
    noise = 0.05 * torch.randn(space.d, generator=dice, dtype=space.dtype).to(space.device)
    return Stranger(adapter, space.flatten() + noise)


def rank_ratio(gradients: Tensor, seed: int, *, centre: bool) -> float:
    """Participation ratio of gradients (n, d) over that of random directions of equal norms (S1)."""
    gram = spectra.gram_matrix(gradients, centre=centre)
    null = spectra.same_norms(gram, gradients.shape[1], seed)
    null = spectra.centred(null) if centre else null
    return spectra.spectrum(gram).participation_ratio / spectra.spectrum(null).participation_ratio


def read_steps(horizon: int) -> list[int]:
    """Steps of a recovery at which the drift is read: 0, 2 and 10 where they come before the end, the end."""
    return [step for step in (0, 2, 10) if step < horizon] + [horizon]


def gradients_along(case: Case, optimiser: str, steps: Sequence[int]) -> list[Sequence[Tensor]]:
    """Gradients of each set at each step of a recovery; those of step 0 are at theta_f."""
    points = case.runs[optimiser].points
    later = [cases.gradients_at(case.experiment, points[step], case.sets) for step in steps[1:]]
    return [case.gradients["theta_f"], *later]


def drifted(
    along: Sequence[Sequence[Tensor]], unrelated: Sequence[Tensor], steps: Sequence[int], k: int
) -> Drifted:
    """Drift of the top-k gradient basis along a run, relative to ceiling and floor (eq-relative-overlap).

    `along[i]`: gradients (n, d) of each set at `steps[i]`; `unrelated`: those of the stranger.
    """
    estimates = [[Subspace.from_gradients(g, k) for g in one] for one in along]
    far = [Subspace.from_gradients(g, k) for g in unrelated]
    floor = fmean(a.overlap(b) for a in estimates[0] for b in far)
    end = float(steps[-1])

    def read(d: Drift) -> list[float]:
        return [*d.relative[1:], min(d.half_life, end)]

    values = drift.jackknife(steps, estimates, floor, read).T
    *relative, half = map(stats.mean_interval, values)
    return Drifted(drift.measure(steps, estimates, floor), relative, half)


def half_life_of_block(
    case: Case, along: Sequence[Sequence[Tensor]], unrelated: Tensor, steps: Sequence[int], block: int, k: int
) -> float:
    """Half-life in steps, at most the run's length, of the basis in the coordinates of one block."""
    own = case.adapter.of_block(block)
    estimates = [[Subspace.from_gradients(g[:, own], k) for g in one] for one in along]
    far = Subspace.from_gradients(unrelated[:, own], k)
    floor = fmean(a.overlap(far) for a in estimates[0])
    return min(drift.measure(steps, estimates, floor).half_life, float(steps[-1]))


def add_ranks(found: Observations, case: Case, seed: int) -> None:
    """Add the participation ratios of the gradients of A over their null, raw and centred (S1)."""
    told: Row = dict(null=1.0, null_means="random directions of equal norms")
    for point, sets in case.gradients.items():
        for kind in ("raw", "centred"):
            ratios = [rank_ratio(g, seed + i, centre=kind == "centred") for i, g in enumerate(sets)]
            where: Row = dict(spectrum=kind, point=point, pair=case.name)
            found.add("S1", "participation ratio / null", stats.mean_interval(ratios), **told, **where)


def add_drift(found: Observations, one: Drifted, pair: str, optimiser: str) -> None:
    """Add relative overlaps and half-life along a recovery, with floor and ceiling for the reader."""
    where: Row = dict(pair=pair, optimiser=optimiser)
    steps = one.whole.steps
    for step, value in zip(steps[1:], one.relative, strict=True):
        found.add("S4", "relative overlap", value, **STAYS, step=step, **where)
    found.add("S4", "half-life", one.half_life, null=float(steps[-1]), **NEVER, **where)


def add_blocks(found: Observations, lives: Mapping[int, Sequence[float]], horizon: int) -> None:
    """Add the half-life in each block with AdamW, mean over pairs."""
    for block, values in lives.items():
        told: Row = NEVER | dict(null=float(horizon), block=block, optimiser="AdamW")
        found.add("S4", "half-life in a block, mean over pairs", stats.mean_interval(values), **told)
