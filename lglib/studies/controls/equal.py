"""Search against descent with the same information: the same questions, forward passes and choice.

The unit of cost is one forward pass over the questions to learn from; a backward pass counts as two, a
Hessian product as six. Those to choose on are as many, so a look at them costs one. What every method hands
over within a budget is its point with the lowest loss on them, theta_f among them: early stopping and
selection in one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lglib.geometry.subspace import Subspace
from lglib.parameters import descent
from lglib.parameters.vectors import length
from lglib.search import lora_candidates, proposals
from lglib.search.advice import advised_sigma
from lglib.search.proposals import Proposal
from lglib.studies.controls.parameters import Parameters
from lglib.studies.lora.cases import TESTS, Case, Row
from lglib.tasks import items, pairs, supervised
from lglib.tasks.supervised import Lesson

GRADIENT, PRODUCT = 3, 6  # forward passes of a gradient, and of a Hessian product
PROBES = 4  # Hessian products behind the advised scale
LENGTHS = (0.03, 0.1, 0.3, 1.0)  # of the steps that a search tries, in lengths of theta_f
TOP = 8  # one in so many candidates is looked at on the questions to choose on

Within = Callable[[int], Tensor]  # the point that a method hands over for a budget


@dataclass(frozen=True)
class Parts:
    """Questions to learn from, to choose on, and to report on: no text is in two of them."""

    fit: Lesson
    choose: Lesson
    held_out: Lesson


@dataclass
class Offered:
    """What a method has found so far: points, each better on the choice than all before, and their price."""

    spent: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    points: list[Tensor] = field(default_factory=list)

    def offer(self, spent: int, loss: float, point: Tensor) -> None:
        """Note a point and its loss on the questions to choose on, if no earlier one was better."""
        if np.isfinite(loss) and (not self.losses or loss < self.losses[-1]):
            self.spent.append(spent)
            self.losses.append(loss)
            self.points.append(point)

    def within(self, budget: int) -> Tensor:
        """Point (d,) that is handed over for at most so many forward passes."""
        return self.points[int(np.searchsorted(self.spent, budget, side="right")) - 1]


def parts(parameters: Parameters, case: Case) -> Parts:
    """Part the test questions of A in three by their text; the first two have the same number."""
    one, base = case.experiment, case.adapter.base
    drawn = one.pair.a(2 * parameters.questions + TESTS, "test", f"{one.seed}/equal")
    unique = {item.group or item.prompt: item for item in drawn}
    order = sorted(unique, key=lambda text: (items.part_of(text, pairs.RANKS), text))
    n = min(parameters.questions, len(order) // 3)
    cut = (order[:n], order[n : 2 * n], order[2 * n :])
    own: Row = dict(context=base.context, device=base.device)
    fit, choose, held_out = (
        supervised.lesson(base.tokenizer, [unique[text] for text in texts], **own) for texts in cut
    )
    return Parts(fit, choose, held_out)


def loss_at(case: Case, point: Tensor, lesson: Lesson) -> float:
    """Loss in nats of a lesson at a point."""
    with case.adapter.space.at(point), torch.no_grad():
        return case.adapter.space.loss(supervised.loss, lesson)


def begin(case: Case, asked: Parts, cost: int = 0) -> Offered:
    """The point that all start from, theta_f, offered for what was spent before and one look."""
    found = Offered()
    theta = case.points.forgot
    case.adapter.space.load(theta)
    found.offer(cost + 1, loss_at(case, theta, asked.choose), theta)
    return found


def descended(parameters: Parameters, case: Case, asked: Parts, optimiser: str) -> Offered:
    """Descend on all questions to learn from, looking at those to choose on after each step."""
    found, each = begin(case, asked), GRADIENT + 1
    steps = max(1, (parameters.budgets[-1] - 1) // each)
    step = descent.optimizer(optimiser, case.experiment.rates[optimiser])
    batches = [asked.fit] * steps
    run = descent.descend(case.adapter.space, supervised.loss, step, batches, label=f"{case.name}, equal")
    for i, point in enumerate(run.points[1:], start=1):
        found.offer(1 + i * each, loss_at(case, point, asked.choose), point)
    return found


def gradient_basis(parameters: Parameters, case: Case, asked: Parts) -> Subspace:
    """Span of the gradients of the questions to learn from, one each, at theta_f: at most k directions."""
    case.adapter.space.load(case.points.forgot)
    rows = torch.arange(len(asked.fit.tokens), device=asked.fit.tokens.device)
    each = [asked.fit.rows(row[None]) for row in rows]
    gradients = lora_candidates.gradients(case.adapter, each)
    units = torch.nn.functional.normalize(gradients.double(), dim=1)
    values = torch.linalg.eigvalsh(units @ units.T).flip(0)
    rank = int((values > 1e-8 * values[0]).sum())
    return Subspace.from_gradients(gradients, min(parameters.k, rank), normalise=True)


def proposal(case: Case, basis: Subspace | None) -> Proposal:
    """Unit vectors to try: in a basis, or everywhere, keyed by tensor."""
    space, seed = case.adapter.space, case.experiment.seed
    if basis is None:
        return proposals.everywhere_by_tensor(space, seed)
    return proposals.within(basis, seed, f"{case.name}/equal")


def best_of(
    parameters: Parameters, case: Case, asked: Parts, propose: Proposal, lengths: Sequence[float], cost: int
) -> Within:
    """One round of random search: candidates in turn at each length, of which the best are looked at again.

    A candidate costs one; of N, the best N / 8 are looked at on the questions to choose on, one each. A
    smaller budget has the first of the same candidates.
    """
    theta, rungs = case.points.forgot, len(lengths)

    def number(budget: int) -> int:
        return max(0, (budget - cost - 1) * TOP // (TOP + 1)) // rungs * rungs

    gains = np.empty(number(parameters.budgets[-1]))
    case.adapter.space.load(theta)
    for r, norm in enumerate(lengths if len(gains) else []):
        how: Row = dict(norm=norm, candidates=len(gains) // rungs, label=f"{case.name}, best of N")
        gains[r::rungs] = lora_candidates.run(
            case.adapter, asked.fit, _every(propose, r, rungs), **how
        ).gains()

    def within(budget: int) -> Tensor:
        found, n = begin(case, asked), number(budget)
        best = np.argsort(-gains[:n], kind="stable")[: -(-n // TOP)]
        for i in best.tolist():
            point = theta + lengths[i % rungs] * propose(i)
            found.offer(budget, loss_at(case, point, asked.choose), point)
        return found.within(budget)

    return within


def _every(propose: Proposal, first: int, rungs: int) -> Proposal:
    """The candidates first, first + rungs, first + 2 rungs ..."""
    return lambda i: propose(first + rungs * i)


def evolved(parameters: Parameters, case: Case, asked: Parts, propose: Proposal, cost: int) -> Offered:
    """Evolution strategies: mirrored pairs, then a step along their score-weighted sum, again and again.

    The step is tried at a third of the last length, at that, and at three times it; the best is taken if the
    loss on the questions to learn from falls, else the length is a third. Pairs are tried at the shortest of
    the lengths.
    """
    found, p = begin(case, asked, cost), parameters.mirrored
    theta, size = case.points.forgot, length(case.points.forgot)
    probe, step, each = LENGTHS[0] * size, LENGTHS[1] * size, 2 * p + 3 + 1
    spent, loss, i = cost + 2, loss_at(case, theta, asked.fit), 0
    while spent + each <= parameters.budgets[-1]:
        case.adapter.space.load(theta)
        odd = _odd(case, asked.fit, propose, i, p, probe)
        u = sum((float(w) * propose(i + j) for j, w in enumerate(odd)), torch.zeros_like(theta))
        i, spent = i + p, spent + each
        if length(u) > 0:
            u = u / length(u)
            tried = {s: loss_at(case, theta + s * u, asked.fit) for s in (step / 3, step, 3 * step)}
            best = min(tried, key=lambda s: tried[s] if np.isfinite(tried[s]) else np.inf)
            if tried[best] < loss:
                theta, loss, step = theta + best * u, tried[best], best
                found.offer(spent, loss_at(case, theta, asked.choose), theta)
                continue
        step /= 3
    case.adapter.space.load(case.points.forgot)
    return found


def _odd(case: Case, fit: Lesson, propose: Proposal, first: int, pairs: int, norm: float) -> np.ndarray:
    """Odd part (pairs,) of the gain of each mirrored pair; 0 where a loss is not finite."""

    def mirrored(i: int) -> Tensor:
        return propose(first + i // 2) * (1 - 2 * (i % 2))

    gains = lora_candidates.run(case.adapter, fit, mirrored, norm=norm, candidates=2 * pairs).gains()
    odd = (gains[0::2] - gains[1::2]) / 2
    return np.where(np.isfinite(odd), odd, 0.0)


def advised_length(parameters: Parameters, case: Case, asked: Parts) -> float:
    """Length of steps of the advised noise, sigma sqrt(d); NotMeasurable where there is no sigma*."""
    space, n = case.adapter.space, parameters.budgets[-1]
    space.load(case.points.forgot)
    sigma = advised_sigma(space, supervised.loss, asked.fit, n=n, probes=PROBES, seed=case.experiment.seed)
    return float(sigma * space.d**0.5)


def methods(parameters: Parameters, case: Case, asked: Parts) -> dict[str, Callable[[], Within]]:
    """All methods by name; each is run when called, and gives its point for any of the budgets."""
    sizes = [share * length(case.points.forgot) for share in LENGTHS]

    def search(basis: bool, lengths: Sequence[float], cost: int) -> Within:
        propose = proposal(case, gradient_basis(parameters, case, asked) if basis else None)
        return best_of(parameters, case, asked, propose, lengths, cost)

    def evolve(basis: bool, cost: int) -> Within:
        propose = proposal(case, gradient_basis(parameters, case, asked) if basis else None)
        return evolved(parameters, case, asked, propose, cost).within

    def descend(optimiser: str) -> Within:
        return descended(parameters, case, asked, optimiser).within

    advice = GRADIENT + PRODUCT * (PROBES + 1)
    return {optimiser: partial(descend, optimiser) for optimiser in case.experiment.rates} | {
        "best of N": lambda: search(False, sizes, 0),
        "best of N, advised": lambda: search(False, [advised_length(parameters, case, asked)], advice),
        "best of N, gradient basis": lambda: search(True, sizes, GRADIENT),
        "mirrored pairs": lambda: evolve(False, 0),
        "mirrored pairs, gradient basis": lambda: evolve(True, GRADIENT),
    }
