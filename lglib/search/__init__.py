"""Random search around a point: keyed noise, candidates, the best of N, votes, mirrored pairs, sigma*."""

from lglib.search.lora_candidates import Tries
from lglib.search.pools import Pool
from lglib.search.random_search import SearchResult, best_of_n, gains, noise
from lglib.search.step_length import SigmaStar, sigma_star
from lglib.search.votes import majority, pass_at

__all__ = [
    "Pool",
    "SearchResult",
    "SigmaStar",
    "Tries",
    "best_of_n",
    "gains",
    "majority",
    "noise",
    "pass_at",
    "sigma_star",
]
