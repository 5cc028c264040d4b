"""Study of chapter 1: the best of N steps, density, the Krylov space and the pushforward, and real digits."""

from lglib.studies.theory.best_of_n import gain_over_law, layered_gain, layered_scores, projections
from lglib.studies.theory.curvature import curvature_law, net_gain, quadratics
from lglib.studies.theory.density import best_gains, random_subspaces, rank_correlation, uneven_signal
from lglib.studies.theory.measure import measure, verify
from lglib.studies.theory.networks import (
    along_training,
    gradient_step,
    held_out_share,
    images,
    search,
    share_of_gradient_step,
    share_of_law,
)
from lglib.studies.theory.parameters import Parameters
from lglib.studies.theory.pushforward import SCALES, Outputs, directions, kernel_gap, order, remainders
from lglib.studies.theory.recovery import (
    OPTIMISERS,
    energy_share,
    krylov_distances,
    prefix_captures,
    random_captures,
    spectra,
    walk,
)

__all__ = [
    "OPTIMISERS",
    "SCALES",
    "Outputs",
    "Parameters",
    "along_training",
    "best_gains",
    "curvature_law",
    "directions",
    "energy_share",
    "gain_over_law",
    "gradient_step",
    "held_out_share",
    "images",
    "kernel_gap",
    "krylov_distances",
    "layered_gain",
    "layered_scores",
    "measure",
    "net_gain",
    "order",
    "prefix_captures",
    "projections",
    "quadratics",
    "random_captures",
    "random_subspaces",
    "rank_correlation",
    "remainders",
    "search",
    "share_of_gradient_step",
    "share_of_law",
    "spectra",
    "uneven_signal",
    "verify",
    "walk",
]
