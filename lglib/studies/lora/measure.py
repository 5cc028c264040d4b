"""Measure the study of LoRA adapters: which steps, in which order, and which rows they give."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lglib.models import loading
from lglib.models.lora import Adapter
from lglib.report import sections
from lglib.report.observations import Observations
from lglib.studies.gates import GateError
from lglib.studies.lora import candidates, captures, cases, drifting, function, prediction, refresh
from lglib.studies.lora.cases import Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.studies.lora.shared import Shared


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: sections.Keep | None = None
) -> Observations:
    """Measure everything that chapter 3 tells: S1 to S7, S9, and how often a basis must be refreshed.

    A pair that is not learned, not lost or not recovered is left out with its scores. When no pair works, the
    scores are all that is measured.
    """
    o = Observations() if found is None else found
    one = Shared(parameters, seed, o)
    one.load()
    of: dict[str, Callable[[], None]] = {
        one.section(name): partial(add_pair, one, name) for name in parameters.task_pairs
    }
    of |= {
        "gates": partial(add_gates, one),
        "captures": partial(add_captures, one),
        "captures over runs": partial(add_over_runs, one),
        "a third of the rate": partial(add_slow, one),
        "gauges": partial(add_gauges, one),
        "function": partial(add_function, one),
        "drift": partial(add_drift, one),
        "correlations": partial(add_correlations, one),
        "search": partial(add_search, one),
        "ranking": partial(add_ranking, one),
        "cost": partial(add_cost, one),
    }
    of |= {f"refresh, {name}": partial(add_refresh, one, name) for name in parameters.refresh_pairs}
    of |= {
        f"shape {shape}, {name}": partial(add_in_shape, one, shape, name)
        for shape in parameters.shapes[1:]
        for name in parameters.shape_pairs
    }
    sections.measure_sections(o, of, keep=keep)
    return o


def add_pair(one: Shared, name: str) -> None:
    """Add what a pair knows at its points, and the rank of its gradients (S1)."""
    cases.add_context(one.found, one.parameters, one.case(name))
    drifting.add_ranks(one.found, one.case(name), one.seed)


def add_gates(one: Shared) -> None:
    """Add the scores of the pairs that were stopped at a gate, beside its bar."""
    for name, (scores, bar) in one.stopped().items():
        for what, score in scores.items():
            told: Row = dict(pair=name, gate=what.removeprefix(f"{name}, "), unit="share of questions")
            one.found.add("context", "score at the gate", score, null=bar, null_means="the bar", **told)


def add_captures(one: Shared) -> None:
    """Add the captures of all pairs and optimisers (S2, S3)."""
    for (name, o), grid in one.grids.items():
        captures.add_captures(one.found, one.parameters, name, o, grid, one.adapter.space.d)


def add_over_runs(one: Shared) -> None:
    """Add what is read over all pairs and optimisers, of which there must be several (S2, S3)."""
    one.several()
    captures.add_over_runs(one.found, one.parameters, one.grids, one.adapter.space.d)


def add_slow(one: Shared) -> None:
    """Add captures at a third of the rate (S3)."""
    slow = {name: captures.at_a_third(one.parameters, case) for name, case in one.working().items()}
    captures.add_at_a_third(one.found, one.grids, slow)


def add_gauges(one: Shared) -> None:
    """Add captures in other gauges (S2, S3)."""
    gauged = {
        (name, gauge): function.in_gauge(case, "AdamW", one.parameters.k, *how)
        for name, case in one.several().items()
        for gauge, how in function.GAUGES.items()
    }
    function.add_gauges(one.found, gauged)


def add_function(one: Shared) -> None:
    """Add captures of the merged matrices, and what the captured part does (S2, S3)."""
    for case in one.working().values():
        for o in case.runs:
            function.add_function(one.found, one.parameters, case, o)


def add_drift(one: Shared) -> None:
    """Add the drift of the gradient basis of all pairs, and by block (S4)."""
    parameters, stranger = one.parameters, drifting.stranger(one.parameters, one.seed)
    steps, k = drifting.read_steps(parameters.horizon), parameters.k
    lives: dict[int, list[float]] = {}
    for case in one.working().values():
        unrelated = [stranger.gradients(batches) for batches in case.sets]
        for o in case.runs:
            along = drifting.gradients_along(case, o, steps)
            drifting.add_drift(one.found, drifting.drifted(along, unrelated, steps, k), case.name, o)
            for block in case.adapter.blocks if o == "AdamW" else []:
                life = drifting.half_life_of_block(case, along, unrelated[0], steps, block, k)
                lives.setdefault(block, []).append(life)
    if len(one.working()) > 1:
        drifting.add_blocks(one.found, lives, parameters.horizon)


def add_correlations(one: Shared) -> None:
    """Add what predicts the gain of a candidate, on the first pair that works (S5, S6)."""
    name, case = next(iter(one.working().items()))
    prediction.add_correlations(one.found, name, prediction.draw_pools(one.parameters, case))


def add_search(one: Shared) -> None:
    """Add the random searches of all pairs (S9)."""
    for name, (table, _) in one.searched.items():
        candidates.add_search(one.found, one.parameters, name, table)


def add_ranking(one: Shared) -> None:
    """Add how density ranks the bases (S7)."""
    pairs = one.several()
    tables = {name: one.searched[name][0] for name in pairs}
    density = {name: one.searched[name][1] for name in pairs}
    candidates.add_ranking(one.found, one.parameters, tables, density)


def add_cost(one: Shared) -> None:
    """Add what gradient steps of the price of a search bring (S9)."""
    pairs = one.several()
    tables = {name: one.searched[name][0] for name in pairs}
    steps = {name: candidates.gradient_steps(one.parameters, case) for name, case in pairs.items()}
    candidates.add_cost(one.found, tables, steps)


def add_refresh(one: Shared, name: str) -> None:
    """Add how long a basis serves on one pair (S4)."""
    case, ways = one.case(name), refresh.ways(one.parameters).items()
    kept = {way: refresh.recover_within(one.parameters, case, *how) for way, how in ways}
    refresh.add_refresh(one.found, one.parameters, case, kept)


def add_in_shape(one: Shared, shape: str, name: str) -> None:
    """Add captures of a pair in another shape of adapter (S2, S3)."""
    grids = captures.in_shape(one.parameters, one.without_adapter(), shape, name, one.seed)
    captures.add_in_shape(one.found, one.parameters, shape, name, grids)


def verify(parameters: Parameters, seed: int) -> Observations:
    """Measure a part of the rows of `measure` anew: one pair, AdamW, one search, in the first shape."""
    found = Observations()
    model = loading.load(parameters.model, device=parameters.device, allow_download=parameters.allow_download)
    adapter = cases.attach(model, parameters.shapes[0], seed)
    case = first_that_works(parameters, adapter, seed)
    name = case.name
    cases.add_context(found, parameters, case)
    drifting.add_ranks(found, case, seed)
    grid = captures.grid_of(parameters, case, "AdamW")
    captures.add_captures(found, parameters, name, "AdamW", grid, adapter.space.d)
    function.add_function(found, parameters, case, "AdamW")
    steps = drifting.read_steps(parameters.horizon)
    far = drifting.stranger(parameters, seed)
    unrelated = [far.gradients(batches) for batches in case.sets]
    along = drifting.gradients_along(case, "AdamW", steps)
    drifting.add_drift(found, drifting.drifted(along, unrelated, steps, parameters.k), name, "AdamW")
    asked, bases = candidates.questions(parameters, case), candidates.bases_of(parameters, case)
    basis, share = candidates.SPACES[0], parameters.norms[0]
    one = candidates.search(parameters, case, asked, basis, bases[basis], share)
    table = {(basis, share): candidates.scores(asked, one, candidates.draws(parameters))}
    candidates.add_search(found, parameters, name, table)
    return found


def first_that_works(parameters: Parameters, adapter: Adapter, seed: int) -> Case:
    """The first pair that is learned, lost and recovered, with AdamW alone. GateError when none is."""
    initial, told = adapter.space.flatten(), []
    for name in parameters.task_pairs:
        adapter.space.load(initial)
        try:
            return cases.prepare(parameters, adapter, name, seed, ["AdamW"])
        except GateError as error:
            told.append(str(error))
    raise GateError("no pair works: " + "; ".join(told))
