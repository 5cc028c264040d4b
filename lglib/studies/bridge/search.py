"""B4: the vector from random search in mirrored pairs, beside the law of its aim and random pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.activations import steering_losses
from lglib.activations.steering import cosines
from lglib.report.observations import Observations
from lglib.search import antithetic, random_search
from lglib.studies.bridge import steered
from lglib.studies.bridge.constructions import KIND
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import Setup, columns
from lglib.studies.bridge.steered import Judge

WAYS = ("score-weighted", "top-K")  # of averaging candidates
CHECKED = 16  # pairs whose score is held against the slope


@dataclass(frozen=True)
class Scores:
    """Scores of mirrored pairs (pairs,) in standard units, and what they were made from.

    `gradient` (d,) is that of the loss that is searched on, `even` (pairs,) the curvature in units of the
    scores' spread, `slope_correlation` that of the first scores with minus the slopes along their directions.
    """

    score: np.ndarray
    even: np.ndarray
    gradient: Tensor
    slope_correlation: float


def scores(setup: Setup, parameters: Parameters, pairs: int | None = None) -> Scores:
    """Score the first `pairs` mirrored pairs (default: all) on select. Noise is made again from its key."""
    space, seed = setup.space, setup.seed
    items = setup.steered["select"][: max(8, parameters.questions // 2)]
    batch, loss = setup.lesson(items), steering_losses.loss(setup.model, KIND)
    g = space.gradient(loss, batch)
    odd, even = antithetic.scores(
        space, loss, batch, sigma=parameters.sigma, pairs=pairs or parameters.pairs, seed=seed
    )
    slopes = [-(g @ random_search.noise(space, seed, i)).item() for i in range(min(len(odd), CHECKED))]
    slope_correlation = float(np.corrcoef(odd[: len(slopes)], slopes)[0, 1])
    return Scores(odd / (parameters.sigma * g.norm().item()), even / odd.std(), g, slope_correlation)


def counts(pairs: int) -> list[int]:
    """Numbers of pairs at which the search is looked at.

    >>> counts(40)
    [4, 8, 32]
    """
    return [n for n in (4, 8, 32, 128, 512, 2048) if n <= pairs]


def chosen_pairs(score: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
    """Weights (pairs,) of each way of averaging the first n pairs; an eighth of them are the top K."""
    found = {}
    for n in counts(len(score)):
        found["score-weighted", n] = antithetic.weighted(score, n)
        found["top-K", n] = antithetic.top(score, n, _kept(n))
    return found


def random_pairs(parameters: Parameters, seed: int) -> dict[int, np.ndarray]:
    """Weights (draws, pairs) of as many pairs as the top K, by lot, for the smallest and the largest n."""
    n_all, draws = counts(parameters.pairs), max(4, parameters.random_steps // 2)
    return {
        n: np.array([antithetic.at_random(parameters.pairs, n, _kept(n), seed + j) for j in range(draws)])
        for n in {n_all[0], n_all[-1]}
    }


def _kept(n: int) -> int:
    return max(1, n // 8)


def images(setup: Setup, weights: np.ndarray, gradient: Tensor) -> tuple[Tensor, list[float]]:
    """Mean shifts (rows, layers, width) by sums of noise of weights (rows, pairs); cosines with -gradient."""
    h = setup.pushforward(setup.held_out(setup.templates[0]))
    found, aim = [], []
    for u in antithetic.directions(setup.space, weights, setup.seed):
        found.append(h.push(u / u.norm()).mean(0))
        aim.append(-cosines(u, gradient).item())
    return torch.stack(found), aim


def sought(setup: Setup, gradient: Tensor) -> Tensor:
    """The mean shift (layers, width) by a unit step against the gradient: what the search should find."""
    return setup.pushforward(setup.held_out(setup.templates[0])).push(-gradient / gradient.norm()).mean(0)


def effective_directions(setup: Setup, sought: Tensor, random_shifts: Tensor) -> np.ndarray:
    """How many directions matter at each layer, in units of the one that is sought: D of the law of aim.

    From the mean shifts (steps, layers, width) by random weight steps of length one.
    """
    scatter = random_shifts.square().sum(-1).mean(0) * setup.space.d
    return (scatter / sought.square().sum(-1) - 1).double().clamp(min=1e-9).cpu().numpy()


def expected_aim(weights: np.ndarray, score: np.ndarray, directions: float) -> float:
    """Law of the cosine of a weighted search with the gradient's own image, sqrt(S / (S + D))."""
    return antithetic.expected_cosine(antithetic.signal(weights, score), directions).item()


@dataclass(frozen=True)
class Found:
    """What a search found: images (layers, width) and aims in weight space by way and n; random ones by n."""

    weights: Mapping[tuple[str, int], np.ndarray]
    images: Mapping[tuple[str, int], Tensor]
    aims: Mapping[tuple[str, int], float]
    random: Mapping[int, Tensor]

    def chance(self, n: int, vector: Tensor, i: int) -> list[float]:
        """|cosines| of the images of random pairs with a vector (layers, width) at the i-th layer."""
        return cosines(self.random[n][:, i], vector[i]).abs().tolist()


def find(setup: Setup, scored: Scores, parameters: Parameters) -> Found:
    """Average the scored candidates in each way, and random ones, and push the averages forward."""
    weights, lots = chosen_pairs(scored.score), random_pairs(parameters, setup.seed)
    own, aims = images(setup, np.array(list(weights.values())), scored.gradient)
    random = {n: images(setup, rows, scored.gradient)[0] for n, rows in lots.items()}
    return Found(weights, dict(zip(weights, own, strict=True)), dict(zip(weights, aims, strict=True)), random)


def observe(
    o: Observations,
    judge: Judge,
    scored: Scores,
    caa_vector: Tensor,
    random_shifts: Tensor,
    parameters: Parameters,
) -> None:
    """File how well the search aims and steers, beside its law, random pairs and the exact shift."""
    setup = judge.setup
    found = find(setup, scored, parameters)
    shift = sought(setup, scored.gradient)
    directions = effective_directions(setup, shift, random_shifts)
    largest = max(n for _, n in found.weights)
    observe_slopes(o, scored)
    _scores(o, scored)
    observe_directions(o, setup, directions)
    for (way, n), weights in found.weights.items():
        at = columns(weighting=way, N=2 * n)
        law = expected_aim(weights, scored.score, setup.space.d - 1)
        null = columns(null=0.0, null_means="a random direction", predicted=law)
        o.add("B4", "cosine with the gradient in weight space", found.aims[way, n], **at, **null)
        for i, layer in _late(setup):
            chance = float(np.mean(found.chance(largest, shift, i)))
            law = expected_aim(weights, scored.score, directions[i])
            value = cosines(found.images[way, n][i], shift[i]).item()
            null = columns(null=chance, null_means="random K of the same size", predicted=law)
            o.add("B4", "cosine with the gradient's shift", value, depth=setup.depth(layer), **at, **null)
    for i, layer in _late(setup):
        at = columns(depth=setup.depth(layer))
        bound = max(found.chance(largest, caa_vector, i))
        for way in WAYS:
            value = cosines(found.images[way, largest][i], caa_vector[i]).item()
            told = columns(weighting=way, N=2 * largest, **at)
            _beside_random_pairs(o, "cosine with CAA", value, bound, **told)
        _search_effects(o, judge, found, shift, layer, parameters.strengths[0], largest)


BLIND = columns(null=0.0, null_means="scores that know nothing of the gradient", predicted=1.0)


def observe_slopes(o: Observations, scored: Scores) -> None:
    """File how far the first scores are minus the slopes along their directions."""
    o.add("B4", "correlation of score and slope", scored.slope_correlation, **BLIND)


def observe_directions(o: Observations, setup: Setup, directions: np.ndarray) -> None:
    """File how many directions matter, at the late layers."""
    null = columns(null=float(setup.space.d), null_means="all directions alike", unit="directions")
    for i, layer in _late(setup):
        o.add("B4", "directions that matter", directions[i], depth=setup.depth(layer), **null)


def _scores(o: Observations, scored: Scores) -> None:
    o.add("B4", "standard deviation of the scores", float(scored.score.std()), **BLIND)
    null = columns(null=0.0, null_means="no curvature")
    o.add("B4", "mean even part / spread of the odd part", float(scored.even.mean()), **null)


def _search_effects(
    o: Observations, judge: Judge, found: Found, sought: Tensor, layer: int, multiplier: float, n: int
) -> None:
    at = columns(N=2 * n, depth=judge.setup.depth(layer), multiplier=multiplier)
    bound = max(abs(x) for x in steered.effects_of_chance(judge, found.random[n], layer, multiplier))
    exact = judge.effect(judge.vector(sought, layer, "exact shift"), multiplier)
    null = columns(null=bound, null_means="the largest of random-K draws")
    o.add("B4", "effect of the exact shift", exact, **at, **null)
    for way in WAYS:
        effect = judge.effect(judge.vector(found.images[way, n], layer, way), multiplier)
        _beside_random_pairs(o, "effect", effect, bound, weighting=way, **at)
        null = columns(null=0.0, null_means="no effect")
        o.add("B4", "effect / that of the exact shift", effect / exact, weighting=way, **at, **null)


def _beside_random_pairs(o: Observations, measure: str, value: float, bound: float, **at: Any) -> None:
    null_means = "the largest of random-K draws"
    o.add("B4", measure, value, null=bound, null_means=null_means, **at)
    o.add("B4", f"{measure} minus the largest random K", value - bound, null=0.0, null_means=null_means, **at)


def _late(setup: Setup) -> list[tuple[int, int]]:
    return [(setup.layers.index(layer), layer) for layer in setup.late]
