"""Subspaces of R^d: what they capture, how they drift, the spectrum of a set of vectors."""

from lglib.geometry import drift, spectra, subspace
from lglib.geometry.drift import Drift
from lglib.geometry.spectra import Spectrum, gram_matrix, same_norms, spectrum
from lglib.geometry.subspace import Subspace

__all__ = [
    "Drift",
    "Spectrum",
    "Subspace",
    "drift",
    "gram_matrix",
    "same_norms",
    "spectra",
    "spectrum",
    "subspace",
]
