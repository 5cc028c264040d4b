"""S7 and S9: random search in adapters, which basis it favours, votes, pass@N, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import spearmanr

from lglib.geometry.subspace import Subspace
from lglib.parameters import descent
from lglib.report.observations import Observations
from lglib.search import lora_candidates, proposals, votes
from lglib.search.lora_candidates import Tries
from lglib.search.proposals import Proposal
from lglib.studies.lora.cases import Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.tasks import pairs, supervised
from lglib.tasks.supervised import Lesson
from lglib.theory import stats

Table = dict[tuple[str, float], dict[str, float]]  # scores by basis and norm
SPACES = ("prefix", "local", "static, normalised", "whole space")
VOTERS = 16  # of the best candidates, fewer where there are fewer
FORWARDS = 3  # forward passes that a gradient step costs: one, and about two for the way back
NO_LEAD: Row = dict(null=0.0, null_means="no difference")


@dataclass(frozen=True)
class Questions:
    """Test questions to select on, others to report on, and the number of answers of those selected on."""

    select: Lesson
    held_out: Lesson
    options: Sequence[int]


@dataclass(frozen=True)
class Searched:
    """One search: all candidates on the questions to select on, which are best, and these on the others."""

    tried: Tries
    best: Sequence[int]
    again: Tries


def questions(parameters: Parameters, case: Case) -> Questions:
    """Part the test questions by their text, so that no question is in both."""
    one, base = case.experiment, case.adapter.base
    drawn = one.pair.a(4 * parameters.items, "test", f"{one.seed}/search")
    drawn = list({item.prompt: item for item in drawn}.values())  # a table has each but once
    first, second = ([drawn[i] for i in half] for half in pairs.halves(drawn))
    first = first[: parameters.items // 2]
    select, held_out = (
        supervised.lesson(base.tokenizer, part, context=base.context, device=base.device)
        for part in (first, second)
    )
    return Questions(select, held_out, [len(item.answers) for item in first])


def bases_of(parameters: Parameters, case: Case) -> dict[str, Subspace | None]:
    """The four subspaces that are searched; None stands for the whole space."""
    prefix = Subspace.prefix(case.runs["AdamW"].points, parameters.k)
    return {
        "prefix": prefix,
        "local": case.bases["local"],
        "static, normalised": case.bases["static, normalised"],
        "whole space": None,
    }


def search(
    parameters: Parameters, case: Case, asked: Questions, name: str, basis: Subspace | None, share: float
) -> Searched:
    """Try N directions of a basis around theta_f at a share of the recovery's length, then the best again."""
    space, pair, seed = case.adapter.space, case.name, case.experiment.seed
    space.load(case.points.forgot)
    propose: Proposal = (
        proposals.everywhere_by_tensor(space, seed)
        if basis is None
        else proposals.within(basis, seed, f"{pair}/{name}")
    )
    norm = share * case.runs["AdamW"].displacement.norm().item()
    how: Row = dict(norm=norm, label=f"{pair}, {name}")
    tried = lora_candidates.run(case.adapter, asked.select, propose, candidates=parameters.candidates, **how)
    best = votes.best_first(tried.gains(), min(VOTERS, parameters.candidates)).tolist()
    again = lora_candidates.run(
        case.adapter, asked.held_out, lambda i: propose(best[i]), candidates=len(best), **how
    )
    return Searched(tried, best, again)


def densities(case: Case, asked: Questions, bases: Mapping[str, Subspace | None]) -> dict[str, float]:
    """Signal density ||P g||^2 / k of each basis at theta_f, on the questions to select on."""
    space = case.adapter.space
    with space.at(case.points.forgot):
        g = space.gradient(supervised.loss, asked.select)
    return {
        name: g.square().sum().item() / space.d if basis is None else float(basis.density(g))
        for name, basis in bases.items()
    }


def scores(asked: Questions, one: Searched, draws: Sequence[int]) -> dict[str, float]:
    """What a search brought: gains in nats, exact match of the best and of the vote, pass@N beside guessing.

    `draws`: the N of pass@N, the estimator without bias of Chen et al. (2021).
    """
    vote = torch.as_tensor(votes.majority(one.again.predicted)).to(asked.held_out.tokens.device)
    return {
        "selected gain": one.tried.gains()[one.best[0]],
        "held-out gain": one.again.gains()[0],
        "best of N": one.again.right[0].mean(),
        "vote": supervised.right(vote, asked.held_out).double().mean().item(),
        **{f"pass@{n}": votes.pass_at(one.tried.right, n) for n in draws},
        **{f"chance@{n}": votes.chance(asked.options, n) for n in draws},
    }


def draws(parameters: Parameters) -> tuple[int, ...]:
    """The N of pass@N: one, four, and all candidates.

    >>> draws(Parameters(candidates=4))
    (1, 4)
    """
    return tuple(sorted({1, 4, parameters.candidates}))


def search_all(parameters: Parameters, case: Case) -> tuple[Table, dict[str, float]]:
    """Scores of a pair by basis and norm, and the densities of the bases."""
    asked, bases = questions(parameters, case), bases_of(parameters, case)
    table = {
        (name, share): scores(asked, search(parameters, case, asked, name, basis, share), draws(parameters))
        for name, basis in bases.items()
        for share in parameters.norms
    }
    return table, densities(case, asked, bases)


def gradient_steps(parameters: Parameters, case: Case) -> tuple[float, float]:
    """Held-out loss before and after as many steps of AdamW as the candidates of one search cost.

    On the same questions, from theta_f; a step counts as three forward passes.
    """
    asked, space = questions(parameters, case), case.adapter.space
    space.load(case.points.forgot)
    step = descent.optimizer("AdamW", parameters.rate)
    batches = [asked.select] * (parameters.candidates // FORWARDS)
    run = descent.descend(space, supervised.loss, step, batches, label=f"{case.name}, cost")
    losses = []
    for theta in (run.points[0], run.points[-1]):
        with space.at(theta):
            losses.append(space.loss(supervised.loss, asked.held_out))
    return losses[0], losses[1]


def add_search(found: Observations, parameters: Parameters, pair: str, table: Table) -> None:
    """Add gain, exact match, vote and pass@N of each search of a pair, each beside its null (S9)."""
    for (basis, share), one in table.items():
        where: Row = dict(pair=pair, basis=basis, norm=share)
        gain: Row = dict(unit="nats", null=0.0, null_means="no gain")
        found.add("S9", "held-out gain", one["held-out gain"], **gain, **where)
        best: Row = dict(null=0.0, null_means="the forgetful model")
        found.add("S9", "exact match of the best", one["best of N"], **best, **where)
        alone: Row = dict(null=one["best of N"], null_means="the best candidate alone")
        found.add("S9", "exact match of the vote", one["vote"], **alone, **where)
        found.add("S9", "vote minus best", one["vote"] - one["best of N"], **NO_LEAD, **where)
        for n in draws(parameters):
            right, chance = one[f"pass@{n}"], one[f"chance@{n}"]
            guess: Row = dict(null=chance, null_means="independent guesses")
            found.add("S9", "pass@N", right, **guess, candidates=n, **where)
            found.add("S9", "pass@N minus chance", right - chance, **NO_LEAD, candidates=n, **where)


def add_ranking(
    found: Observations,
    parameters: Parameters,
    tables: Mapping[str, Table],
    density: Mapping[str, Mapping[str, float]],
) -> None:
    """Add how density ranks the bases by gain, and the lead of the prefix, means over pairs (S7)."""
    for share in parameters.norms:
        ranks: list[float] = []
        leads: dict[str, list[float]] = {basis: [] for basis in SPACES[1:]}
        for name, table in tables.items():
            gain = {basis: table[basis, share]["held-out gain"] for basis in SPACES}
            ranks.append(float(spearmanr([density[name][b] for b in SPACES], list(gain.values()))[0]))
            for basis, own in leads.items():
                own.append(gain["prefix"] - gain[basis])
        told: Row = dict(null=0.0, null_means="unrelated ranking", norm=share)
        name = "rank correlation of density and gain, mean over pairs"
        found.add("S7", name, stats.mean_interval(ranks), **told)
        for basis, own in leads.items():
            none: Row = dict(unit="nats", null=0.0, null_means="no lead", norm=share, over_basis=basis)
            name = "lead of the prefix in held-out gain, mean over pairs"
            found.add("S7", name, stats.mean_interval(own), **none)


def add_cost(
    found: Observations,
    tables: Mapping[str, Table],
    steps: Mapping[str, tuple[float, float]],
) -> None:
    """Add the held-out loss after the best search and after gradient steps of the same price (S9).

    The best search of a pair is chosen by its held-out gain among all bases and norms, which favours it.
    """
    leads = []
    for name, (before, after) in steps.items():
        best = max(one["held-out gain"] for one in tables[name].values())
        told: Row = dict(unit="nats", null=before, null_means="no step at all", pair=name)
        found.add("S9", "loss after the best search", before - best, **told)
        found.add("S9", "loss after gradient steps of the same price", after, **told)
        leads.append(after - (before - best))
    equal: Row = dict(unit="nats", null=0.0, null_means="as good as gradient steps")
    name = "lead of the best search over gradient steps, mean over pairs"
    found.add("S9", name, stats.mean_interval(leads), **equal)
