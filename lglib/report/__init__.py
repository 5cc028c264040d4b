"""What was measured, and what it says of each claim: observations, claims, tables, figures, provenance.

Names are imported when they are asked for: provenance alone needs neither pandas nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import Any

_FACE = {
    "Observations": "observations",
    "gather": "filing",
    "over_seeds": "frames",
    "rows": "frames",
    "claims": "",
    "figures": "",
    "observations": "",
    "provenance": "",
    "tables": "",
}
__all__ = list(_FACE)


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_FACE[name] or name}")
    return getattr(module, name) if _FACE[name] else module
