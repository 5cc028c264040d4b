"""Study `rank`, of chapter 4: the rank of gradients (L1), the linear regime and sigma* (L2)."""

from lglib.studies.rank.causes import answer_pool, by_width, sketched, with_answers
from lglib.studies.rank.measure import (
    file_answers,
    file_decades,
    file_growth,
    file_ranks,
    file_steps,
    measure,
    verify,
)
from lglib.studies.rank.parameters import Parameters
from lglib.studies.rank.ranks import STATES, effective_ranks, grams, growth, item_sets, with_control
from lglib.studies.rank.regime import SCALES, crossing_errors, in_rounded, regimes
from lglib.studies.rank.search import best_of_n, curvature, largest_absolute, predicted_step, try_steps
from lglib.studies.rank.subject import SETS, encode, fitted, gram_memory, items, load

__all__ = [
    "SCALES", "SETS", "STATES", "Parameters", "answer_pool", "best_of_n", "by_width", "crossing_errors",
    "curvature", "effective_ranks", "encode", "file_answers", "file_decades", "file_growth", "file_ranks",
    "file_steps", "fitted", "gram_memory", "grams", "growth", "in_rounded", "item_sets", "items",
    "largest_absolute", "load", "measure", "predicted_step", "regimes", "sketched", "try_steps", "verify",
    "with_answers", "with_control",
]  # fmt: skip
