"""What was measured, and what it says of each claim: observations, claims, tables, figures, provenance.

Names are imported when they are asked for: provenance alone needs neither pandas nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import Any

_FACE = {  # names of functions and classes, and the module of each
    "Observations": "observations",
    "gather": "filing",
    "over_seeds": "frames",
    "rows": "frames",
}
__all__ = [
    "Observations",
    "claims",
    "figures",
    "gather",
    "observations",
    "over_seeds",
    "pages",
    "provenance",
    "rows",
    "tables",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_FACE.get(name, name)}")
    return getattr(module, name) if name in _FACE else module
