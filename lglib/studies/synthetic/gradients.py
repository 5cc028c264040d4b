"""S1: how many directions the minibatch gradients of a task span, beside random directions of equal norms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from lglib.geometry import spectra
from lglib.geometry.spectra import Spectrum
from lglib.studies.synthetic import transformer
from lglib.studies.synthetic.trained import Trained
from lglib.theory import stats

SPECTRA = {  # gradients (n, d) -> their Gram matrix (n, n)
    "raw": spectra.gram_matrix,
    "centred": lambda vectors: spectra.gram_matrix(vectors, centre=True),
    "unit norm": lambda vectors: spectra.unit(spectra.gram_matrix(vectors)),
}
READINGS = {
    "participation ratio / null": lambda spectrum: spectrum.participation_ratio,
    "rank at 90 % / null": lambda spectrum: float(spectrum.rank(0.9)),
}


def gradient_sets(model: Trained, task: str, point: str) -> list[Tensor]:
    """Minibatch gradients of a task at a point: four matrices (gradients, d)."""
    with model.space.at(model.points[point]):
        sets = model.gradient_sets(task)
        return [model.space.gradient_matrix(transformer.loss, batches) for batches in sets]


def spectra_and_nulls(sets: Sequence[Tensor], kind: str, seed: int) -> tuple[list[Spectrum], list[Spectrum]]:
    """Spectrum of each set of gradients (n, d), and of random directions with the same norms.

    `kind` is raw, centred (their mean taken off) or unit norm.
    """
    grams = [SPECTRA[kind](vectors) for vectors in sets]
    nulls = [spectra.same_norms(gram, sets[0].shape[1], seed + i) for i, gram in enumerate(grams)]
    return [spectra.spectrum(gram) for gram in grams], [spectra.spectrum(gram) for gram in nulls]


def relative_ranks(sets: Sequence[Tensor], kind: str, seed: int) -> dict[str, stats.Interval]:
    """Participation ratio and rank at 90 % of the energy, each over that of its null: means over the sets."""
    found, null = spectra_and_nulls(sets, kind, seed)
    return {
        name: stats.mean_interval(np.divide([read(s) for s in found], [read(s) for s in null]))
        for name, read in READINGS.items()
    }


def share_of_mean(sets: Sequence[Tensor]) -> stats.Interval:
    """Squared length of the mean gradient over the mean squared length: 1/n for n that share nothing."""
    return stats.mean_interval([(g.mean(0).norm() ** 2 / g.square().sum(1).mean()).item() for g in sets])
