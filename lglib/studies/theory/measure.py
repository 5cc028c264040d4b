"""What the theory study measures, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from lglib.geometry.subspace import Subspace
from lglib.parameters.space import ParameterSpace
from lglib.report import sections
from lglib.report.observations import Observations
from lglib.studies.theory import best_of_n, curvature, density, networks, pushforward, recovery
from lglib.studies.theory.best_of_n import N
from lglib.studies.theory.networks import Geometry
from lglib.studies.theory.parameters import Parameters
from lglib.tasks import digits
from lglib.theory import laws, nulls, stats

SMALL, BEST = 0.1, 1.0  # noise scales, in units of sigma*, at which the laws are judged
ONE_DRAW = "mean gain of one draw"
RANDOM = "random k-dimensional subspace"
ALIKE = "all directions bend alike"


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: sections.Keep | None = None
) -> Observations:
    """Measure the four claims, on synthetic losses and on networks that read digits."""
    o, draws = Observations() if found is None else found, parameters.draws
    of: dict[str, Callable[[], None]] = {
        "synthetic gains": partial(_synthetic_gains, o, draws, seed, best_of_n.DIMENSIONS),
        "layered gains": partial(_layered_gains, o, draws, seed),
        "density": partial(_density, o, draws, seed),
        "curvature": partial(_curvature, o, draws, seed),
    }
    of |= {
        f"network, width {width}": partial(_network, o, parameters, seed, width)
        for width in parameters.widths
    }
    of |= {
        "captures by chance": partial(_captures, o, draws, seed),
        "recovery": partial(_recovery, o, seed, recovery.spectra()),
        "pushforward": partial(_pushforward, o, seed),
    }
    sections.measure_sections(o, of, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the rows of `measure`: small dimensions, the smallest network, one spectrum."""
    o = Observations()
    _synthetic_gains(o, parameters.draws, seed, best_of_n.DIMENSIONS[:2])
    _density(o, parameters.draws, seed)
    _network(o, parameters, seed, parameters.widths[0])
    _recovery(o, seed, dict(islice(recovery.spectra().items(), 1)))
    _pushforward(o, seed)
    return o


def _beside(null: float, means: str, unit: str = "1", predicted: float | None = None) -> dict[str, Any]:
    """Null, its meaning, unit and prediction of a row."""
    return {"null": null, "null_means": means, "unit": unit, "predicted": predicted}


def _synthetic_gains(o: Observations, draws: int, seed: int, dimensions: Sequence[int]) -> None:
    for d in dimensions:
        gains = best_of_n.projections(d, draws, seed)
        for n in best_of_n.COUNTS:
            ratio = best_of_n.gain_over_law(gains, n)
            o.add("T1", "synthetic gain / law", ratio, d=d, N=n, **_beside(0.0, ONE_DRAW, predicted=1.0))


def _layered_gains(o: Observations, draws: int, seed: int) -> None:
    for blocks, a in best_of_n.layered_scores(seed).items():
        for noise in ("independent", "tied"):
            gain = best_of_n.layered_gain(a, draws, seed, tied=noise == "tied")
            norm = laws.tied_norm(list(a)) if noise == "tied" else 1.0
            law = _beside(0.0, ONE_DRAW, "sigma ||a||", float(laws.best_of_n_gain(1.0, norm, N)))
            o.add("T1", "gain over four layers", gain, blocks=blocks, noise=noise, **law)


def _density(o: Observations, draws: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mass = np.cumsum(density.uneven_signal() ** 2)
    for k, (fixed_noise, fixed_length) in density.nested_gains(draws, rng).items():
        by_noise = float(laws.subspace_gain(mass[k - 1], k, N, sigma=1.0))
        by_length = float(laws.subspace_gain(mass[k - 1], k, N, rho=density.RHO))
        for budget, gain, law in (
            ("fixed noise", fixed_noise, by_noise),
            ("fixed length", fixed_length, by_length),
        ):
            beside = _beside(0.0, ONE_DRAW, "||a||", law)
            o.add("T2", "gain in nested subspaces", gain, budget=budget, k=k, **beside)
    found = density.random_subspaces(draws, rng)
    for name, x in {"density": found.density, "mass": found.mass}.items():
        rank = density.rank_correlation(x, found.gain, seed)
        o.add("T2", "rank correlation with gain", rank, of=name, **_beside(0.0, "unrelated ranking"))


def _curvature(o: Observations, draws: int, seed: int) -> None:
    for spectrum, eigenvalues in curvature.quadratics().items():
        for x in curvature.MULTIPLES:
            gain = curvature.net_gain(eigenvalues, x, draws, seed)
            law = _beside(0.0, "no step", "score", curvature.curvature_law(x))
            o.add("T1", "net gain on a quadratic", gain, spectrum=spectrum, multiple=x, **law)


def _network(o: Observations, parameters: Parameters, seed: int, width: int) -> None:
    """All rows of one digit network: its geometry along training, and the search at the last stop."""
    data = networks.images(seed, parameters.device)
    space = ParameterSpace(digits.network(width, seed).to(parameters.device))
    at: dict[str, Any] = {"width": width, "d": space.d}
    along = networks.along_training(space, data, seed)
    for stop, one in along.items():
        alike = _beside(float(space.d), ALIKE, "directions")
        o.add("T1", "effective dimension", one.effective_dimension, **at, stop=stop, **alike)
    local = along[networks.STOPS[-1]]
    found = networks.search(space, local, data, parameters.candidates, seed)
    shares = {x: networks.share_of_law(found, x, seed) for x in found.multiples}
    for x, share in shares.items():
        for law, predicted in (("linear", 1.0), ("curved", 1 - x / 2)):
            beside = _beside(0.0, "no gain", predicted=predicted)
            o.add("T1", "gain / linear law", share, **at, multiple=x, law=law, **beside)
    _described(o, space, local, data, at)
    _against_gradient_step(o, space, local, data, shares[BEST], at)
    _held_out(o, found, seed, at)


def _described(
    o: Observations, space: ParameterSpace, local: Geometry, data: digits.Splits, at: dict[str, Any]
) -> None:
    """What the network is like at the last stop."""
    alike = float(laws.optimal_sigma(local.norm, local.kappa * space.d, N, along=local.kappa))
    o.add("context", "best noise scale", local.sigma_star, **at, **_beside(alike, ALIKE))
    o.add("context", "gradient norm", local.norm, **at, **_beside(0.0, "no slope", "nats"))
    guessing = _beside(float(np.log(digits.CLASSES)), "uniform guessing", "nats")
    for name, batch in {"training": data.train, "selection": data.select}.items():
        loss = space.loss(digits.mean_cross_entropy, batch)
        o.add("context", "loss", loss, images=name, **at, **guessing)


def _against_gradient_step(
    o: Observations,
    space: ParameterSpace,
    local: Geometry,
    data: digits.Splits,
    share: stats.Interval,
    at: dict[str, Any],
) -> None:
    """What the best of 16 at sigma* buys, beside the best gradient step on the same images."""
    law = float(laws.best_of_n_gain(local.sigma_star, local.norm, N))
    step = networks.gradient_step(space, local, data.select)
    o.add("context", "gain of the gradient step", step, **at, **_beside(0.0, "no step", "nats"))
    bought = networks.scaled(share, law)
    o.add("T1", "gain at the best scale", bought, **at, **_beside(0.0, "no step", "nats", law / 2))
    by_law, alike = (
        networks.share_of_gradient_step(D) for D in (local.effective_dimension.estimate, float(space.d))
    )
    beside = _beside(alike, ALIKE, predicted=by_law)
    o.add("T1", "gain / gradient step", networks.scaled(bought, 1 / step), **at, **beside)


def _held_out(o: Observations, found: networks.Search, seed: int, at: dict[str, Any]) -> None:
    unit = "share of the linear law"
    for x in (SMALL, BEST):
        share, law = networks.held_out_share(found, x, seed), found.kept - x / 2
        beside = _beside(0.0, "chosen by chance", unit, law)
        o.add("T1", "held-out gain", share, **at, multiple=x, **beside)
        if x == SMALL:
            beside = _beside(abs(1 + x / 2 - found.kept), "all is kept", unit)
            off = networks.distance_from(law, share)
            o.add("T1", "distance of the held-out gain from its law", off, **at, multiple=x, **beside)


def _captures(o: Observations, draws: int, seed: int) -> None:
    """What chance alone gives: captures by random subspaces, and by the first steps of a random walk."""
    law = nulls.beta_null(10, recovery.D).mean
    captures = stats.mean_interval(recovery.random_captures(max(100, draws // 20), seed))
    o.add("context", "capture by random subspaces", captures, k=10, **_beside(law, RANDOM, predicted=law))
    walks = [recovery.walk(trial, seed) for trial in range(max(8, draws // 1000))]
    for k in recovery.KS:
        capture = stats.mean_interval(
            [float(Subspace.prefix(points, k).capture(points[-1])) for points in walks]
        )
        chance = nulls.beta_null(k, recovery.WALK_D).mean
        beside = _beside(chance, RANDOM, predicted=recovery.energy_share(k))
        o.add("context", "prefix capture of a random walk", capture, k=k, **beside)


def _recovery(o: Observations, seed: int, spectra: Mapping[str, np.ndarray]) -> None:
    chance = float(np.sqrt(1 - recovery.KRYLOV_STEPS / recovery.KRYLOV_D))
    for name, optimizer in recovery.OPTIMISERS.items():
        off = recovery.krylov_distances(optimizer, seed)
        worst = stats.Interval(float(off.max()), float(off.min()), float(off.max()), 0.95, len(off))
        beside = _beside(chance, "random direction", "share of the distance moved")
        o.add("T3", "distance from the Krylov space", worst, optimiser=name, **beside)
    for name, eigenvalues in spectra.items():
        for gradients, noise in (("exact", 0.0), ("noisy", 1.0)):
            for k, capture in recovery.prefix_captures(eigenvalues, noise, seed).items():
                beside = _beside(nulls.beta_null(k, recovery.D).mean, RANDOM)
                o.add("T3", "prefix capture", capture, spectrum=name, gradients=gradients, k=k, **beside)


def _pushforward(o: Observations, seed: int) -> None:
    h = pushforward.Outputs.untrained(seed)
    orders = [pushforward.order(pushforward.remainders(h, u)) for u in pushforward.directions(h, seed)]
    beside = _beside(1.0, "no prediction", "power of the step", 2.0)
    o.add("T4", "order of the pushforward error", stats.mean_interval(orders), **beside)
    gap = pushforward.kernel_gap(h)
    o.add("T4", "difference of kernel form and pushforward", gap, **_beside(1.0, "no shift predicted"))
