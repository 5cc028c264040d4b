"""Questions with right answers, where they come from, how a model learns and answers them."""

from lglib.tasks import data, pairs, scoring, splits, supervised, synthetic
from lglib.tasks.items import Item

__all__ = ["Item", "data", "pairs", "scoring", "splits", "supervised", "synthetic"]
