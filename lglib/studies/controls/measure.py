"""Measure the study of controls: which steps, in which order, and which rows they give."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from lglib.base.checks import NotMeasurable
from lglib.models import loading
from lglib.parameters.recovery import point
from lglib.report import sections
from lglib.report.observations import Observations
from lglib.studies.controls import contest, drifts, pooled, prefixes, scales
from lglib.studies.controls.parameters import Parameters
from lglib.studies.lora import cases, drifting
from lglib.studies.lora.measure import first_that_works
from lglib.studies.lora.shared import FEWEST, Shared


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: sections.Keep | None = None
) -> Observations:
    """Measure the controls of chapter 3: for S3, S4, S5, S6, search against descent, and shares of sigma*.

    Pair by pair, on the runs that the study `lora` has with the same seed. A pair that is not learned, not
    lost or not recovered is left out with its scores.
    """
    o = Observations() if found is None else found
    one = Shared(parameters.lora, seed, o)
    one.load()
    of: dict[str, Callable[[], None]] = {}
    for name in parameters.task_pairs:
        of[one.section(name)] = partial(add_pair, one, name)
        of[f"prefixes, {name}"] = partial(add_prefixes, one, parameters, name)
        of[f"drift, {name}"] = partial(add_drift, one, parameters, name)
        if name in parameters.search_pairs:
            of[f"search and descent, {name}"] = partial(add_contest, one, parameters, name)
            of[f"candidates, {name}"] = partial(add_pools, one, parameters, name)
            for at in POINTS:
                of[f"sigma* at {at}, {name}"] = partial(add_scales, one, parameters, name, at)
    of |= {
        "search and descent over pairs": partial(add_contest_over_pairs, one, parameters),
        "correlations over pairs": partial(add_pools_over_pairs, one),
        "sigma* over pairs": partial(add_scales_over_pairs, one, parameters),
    }
    sections.measure_sections(o, of, keep=keep)
    return o


POINTS = ("theta_f", "halfway")  # around which noise scales are tried


def add_pair(one: Shared, name: str) -> None:
    """Add what a pair knows at its points."""
    cases.add_context(one.found, one.parameters, one.case(name))


def add_prefixes(one: Shared, parameters: Parameters, name: str) -> None:
    """Add the captures of a pair with their controls (S3)."""
    case = one.case(name)
    for optimiser in case.runs:
        for k in parameters.ks:
            tables = prefixes.tables(parameters, case, optimiser, k)
            prefixes.add_captures(one.found, parameters, case, optimiser, tables, k)


def add_drift(one: Shared, parameters: Parameters, name: str) -> None:
    """Add the drift of raw and centred bases along the recoveries of a pair and their twins (S4)."""
    case, far = one.case(name), drifting.stranger(one.parameters, one.seed)
    steps = drifting.read_steps(parameters.horizon)
    drifts.add_drifts(one.found, name, drifts.all_drifts(case, far, steps, parameters.k))


def add_contest(one: Shared, parameters: Parameters, name: str) -> None:
    """Add search against descent on a pair (S9)."""
    contest.add_contest(one.found, name, *contest.compete(parameters, one.case(name)))


def add_pools(one: Shared, parameters: Parameters, name: str) -> None:
    """Add what predicts the gain of a candidate on a pair (S5, S6); seed 0 files its candidates."""
    case = one.case(name)
    drawn = pooled.pools(parameters, case)
    pooled.add_correlations(one.found, parameters, case, drawn)
    if one.seed == 0:
        pooled.add_candidates(one.found, parameters, case, drawn[POINTS[0]])


def add_scales(one: Shared, parameters: Parameters, name: str, at: str) -> None:
    """Add what the best of N gains at shares of sigma* around a point of a pair (T1)."""
    case = one.case(name)
    step = 0 if at == POINTS[0] else parameters.horizon // 2
    star, gained = scales.at_shares(parameters, case, point(case.runs["AdamW"], step))
    scales.add_shares(one.found, parameters, name, at, star, gained)


def _filed(one: Shared, measure: str) -> pd.DataFrame:
    """Rows of a measure so far. NotMeasurable where fewer than two pairs have it."""
    frame = one.found.frame()
    own = frame[frame["measure"] == measure]
    if own["pair"].nunique() < FEWEST:
        raise NotMeasurable(f"a mean over pairs wants {FEWEST}, and {own['pair'].nunique()} has {measure}")
    return frame


def add_contest_over_pairs(one: Shared, parameters: Parameters) -> None:
    """Add search against descent, means over pairs (S9)."""
    frame = _filed(one, contest.ON)
    pairs = frame.loc[frame["measure"] == contest.ON, "pair"].nunique()
    contest.add_over_pairs(one.found, frame, pairs)


def add_pools_over_pairs(one: Shared) -> None:
    """Add mean correlations over pairs (S5, S6)."""
    pooled.add_over_pairs(one.found, _filed(one, pooled.R))


def add_scales_over_pairs(one: Shared, parameters: Parameters) -> None:
    """Add gains at shares of sigma*, means over the pairs that have one (T1)."""
    scales.add_over_pairs(one.found, _filed(one, scales.GAIN), parameters.shares)


def verify(parameters: Parameters, seed: int) -> Observations:
    """Measure a part of the rows of `measure` anew: one pair, AdamW, its captures and its noise scales."""
    found = Observations()
    model = loading.load(parameters.model, device=parameters.device, allow_download=parameters.allow_download)
    adapter = cases.attach(model, parameters.shape, seed)
    case = first_that_works(parameters.lora, adapter, seed)
    cases.add_context(found, parameters.lora, case)
    for k in parameters.ks:
        tables = prefixes.tables(parameters, case, "AdamW", k)
        prefixes.add_captures(found, parameters, case, "AdamW", tables, k)
    if case.name in parameters.search_pairs:
        at = POINTS[1]
        middle = point(case.runs["AdamW"], parameters.horizon // 2)
        scales.add_shares(found, parameters, case.name, at, *scales.at_shares(parameters, case, middle))
    return found
