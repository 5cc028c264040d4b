"""Laws of random search, null laws, intervals and tests. Knows numbers, no model."""

from lglib.theory import correlation, laws, maxima, nulls, stats
from lglib.theory.nulls import beta_null, capture_law, cosine_law
from lglib.theory.stats import Interval, mean_interval

__all__ = [
    "Interval",
    "beta_null",
    "capture_law",
    "correlation",
    "cosine_law",
    "laws",
    "maxima",
    "mean_interval",
    "nulls",
    "stats",
]
