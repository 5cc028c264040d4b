"""What the study of quadratics measures, row by row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lglib.report import sections
from lglib.report.observations import Observations
from lglib.studies.quadratic import captures, losses, runs
from lglib.studies.quadratic.parameters import K, Parameters, T
from lglib.theory import nulls

RANDOM = "random k-dimensional subspace"
ALIKE = "k of T equally long steps"


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: sections.Keep | None = None
) -> Observations:
    """Measure the captures on all spectra, in both settings: claim S3 where nothing is learned."""
    o = Observations() if found is None else found
    of: dict[str, Callable[[], None]] = {
        f"{spectrum}, {setting}": partial(add_loss, o, parameters, seed, spectrum, setting)
        for spectrum in losses.SPECTRA
        for setting in losses.SETTINGS
    }
    sections.measure_sections(o, of, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the rows of `measure`: one spectrum in one setting."""
    o = Observations()
    add_loss(o, parameters, seed, "falling as 1/i", losses.EVEN)
    return o


def add_loss(o: Observations, parameters: Parameters, seed: int, spectrum: str, setting: str) -> None:
    """Rows of one loss: each noise, momentum and pair (k, T)."""
    loss = losses.made(spectrum, setting, parameters.d, seed)
    of, steps = captures.pairs(parameters), parameters.horizons[-1]
    unit = runs.unit_noise(loss, steps, seed, spectrum, setting)
    for momentum in parameters.momenta:
        rate = parameters.rate * (1 - momentum)
        for noise in parameters.noises:
            run = runs.descend(loss, noise * unit, rate=rate, momentum=momentum)
            got = captures.measured(run, loss, of, exact=not noise)
            law = captures.by_law(loss, of, noise=noise, rate=rate, momentum=momentum)
            for pair in of:
                at: dict[str, Any] = {
                    "spectrum": spectrum,
                    "setting": setting,
                    "noise": noise,
                    "momentum": momentum,
                }
                _add(o, pair, got[pair], law[pair], parameters.d, at)


def _add(
    o: Observations,
    pair: captures.Pair,
    got: captures.Captures,
    law: captures.Captures,
    d: int,
    at: dict[str, Any],
) -> None:
    """Rows of one run at one k and T."""
    k, t = pair
    chance: dict[str, Any] = {"null": nulls.beta_null(k, d).mean, "null_means": RANDOM, "k": k, "T": t, **at}
    o.add("S3", "capture on a quadratic", got.whole, predicted=law.whole, **chance)
    o.add("S3", "capture to come on a quadratic", got.to_come, predicted=law.to_come, **chance)
    alike: dict[str, Any] = {"null": k / t, "null_means": ALIKE, "k": k, "T": t, **at}
    o.add("S3", "energy share on a quadratic", got.energy, predicted=law.energy, **alike)
    if pair == (K, T):
        lead = {**alike, "null": 0.0, "null_means": "no more than the lengths of the updates give"}
        o.add("S3", "capture less energy share", got.whole - got.energy, **lead)
