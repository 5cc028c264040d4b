"""Measure the study of LoRA adapters: which steps, in which order, and which rows they give."""

from __future__ import annotations

from lglib.models import loading, lora
from lglib.report.observations import Observations
from lglib.studies.lora import candidates, captures, cases, drifting, function, prediction, refresh
from lglib.studies.lora.candidates import Table
from lglib.studies.lora.cases import Case
from lglib.studies.lora.drifting import Stranger
from lglib.studies.lora.parameters import Parameters


def measure(parameters: Parameters, seed: int) -> Observations:
    """Measure everything that chapter 3 tells: S1 to S7, S9, and how often a basis must be refreshed.

    Raises GateError, with the scores, when a pair is not learned, not lost or not recovered.
    """
    found = Observations()
    model = loading.load(parameters.model, device=parameters.device, allow_download=parameters.allow_download)
    adapter = cases.attach(model, parameters.shapes[0], seed)
    everything: dict[str, Case] = {
        name: cases.prepare(parameters, adapter, name, seed) for name in parameters.task_pairs
    }
    for case in everything.values():
        cases.add_context(found, parameters, case)
        drifting.add_ranks(found, case, seed)
    add_captures(found, parameters, everything)
    add_function(found, parameters, everything)
    add_drift(found, parameters, everything, drifting.stranger(parameters, seed))
    subject = everything[parameters.task_pairs[0]]
    prediction.add_correlations(found, subject.name, prediction.draw_pools(parameters, subject))
    add_search(found, parameters, everything)
    for name in parameters.refresh_pairs:
        case = everything[name]
        ways = refresh.ways(parameters).items()
        kept = {way: refresh.recover_within(parameters, case, *how) for way, how in ways}
        refresh.add_refresh(found, parameters, case, kept)
    lora.detach(adapter)
    for shape in parameters.shapes[1:]:
        for name in parameters.shape_pairs:
            grids = captures.in_shape(parameters, model, shape, name, seed)
            captures.add_in_shape(found, parameters, shape, name, grids)
    return found


def add_captures(found: Observations, parameters: Parameters, everything: dict[str, Case]) -> None:
    """Add the captures of all pairs and optimisers, and those at a third of the rate (S2, S3)."""
    grids = {
        (name, o): captures.grid_of(parameters, case, o)
        for name, case in everything.items()
        for o in case.runs
    }
    d = next(iter(everything.values())).adapter.space.d
    for (name, o), grid in grids.items():
        captures.add_captures(found, parameters, name, o, grid, d)
    captures.add_over_runs(found, parameters, grids, d)
    slow = {name: captures.at_a_third(parameters, case) for name, case in everything.items()}
    captures.add_at_a_third(found, grids, slow)


def add_function(found: Observations, parameters: Parameters, everything: dict[str, Case]) -> None:
    """Add captures in other gauges and of the merged matrices, and what the captured part does (S2, S3)."""
    gauged = {
        (name, gauge): function.in_gauge(case, "AdamW", parameters.k, *how)
        for name, case in everything.items()
        for gauge, how in function.GAUGES.items()
    }
    function.add_gauges(found, gauged)
    for case in everything.values():
        for o in case.runs:
            function.add_function(found, parameters, case, o)


def add_drift(
    found: Observations, parameters: Parameters, everything: dict[str, Case], stranger: Stranger
) -> None:
    """Add the drift of the gradient basis of all pairs, and by block (S4)."""
    steps, k = drifting.read_steps(parameters.horizon), parameters.k
    lives: dict[int, list[float]] = {}
    for case in everything.values():
        unrelated = [stranger.gradients(batches) for batches in case.sets]
        for o in case.runs:
            along = drifting.gradients_along(case, o, steps)
            drifting.add_drift(found, drifting.drifted(along, unrelated, steps, k), case.name, o)
            for block in case.adapter.blocks if o == "AdamW" else []:
                life = drifting.half_life_of_block(case, along, unrelated[0], steps, block, k)
                lives.setdefault(block, []).append(life)
    drifting.add_blocks(found, lives, parameters.horizon)


def add_search(found: Observations, parameters: Parameters, everything: dict[str, Case]) -> None:
    """Add the random searches of all pairs, how density ranks the bases, and what gradient steps bring."""
    tables: dict[str, Table] = {}
    density: dict[str, dict[str, float]] = {}
    for name, case in everything.items():
        tables[name], density[name] = candidates.search_all(parameters, case)
        candidates.add_search(found, parameters, name, tables[name])
    candidates.add_ranking(found, parameters, tables, density)
    steps = {name: candidates.gradient_steps(parameters, case) for name, case in everything.items()}
    candidates.add_cost(found, tables, steps)


def verify(parameters: Parameters, seed: int) -> Observations:
    """Measure a part of the rows of `measure` anew: the first pair, AdamW, one search, in the first shape."""
    found, name = Observations(), parameters.task_pairs[0]
    model = loading.load(parameters.model, device=parameters.device, allow_download=parameters.allow_download)
    adapter = cases.attach(model, parameters.shapes[0], seed)
    case = cases.prepare(parameters, adapter, name, seed, ["AdamW"])
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
