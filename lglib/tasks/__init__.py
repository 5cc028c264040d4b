"""Questions with right answers, where they come from, how a model learns and answers them.

Names are imported when they are asked for: what reads a file of items needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lglib.tasks import data, pairs, scoring, splits, supervised, synthetic
    from lglib.tasks.items import Item

__all__ = ["Item", "data", "pairs", "scoring", "splits", "supervised", "synthetic"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; its names: {', '.join(__all__)}"
        )
    if name == "Item":
        return importlib.import_module(f"{__name__}.items").Item
    return importlib.import_module(f"{__name__}.{name}")
