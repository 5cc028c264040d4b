"""What an error says of a parameter: what it got, what it wants, and which name may be meant. Not hashed."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any

from lglib.base.settings import shown

USUAL = {  # names that others use: what they may mean here, the first that there is
    "rate": "lr learning_rate step_size alpha",
    "candidates pairs examples items": "n N n_candidates samples num_samples population",
    "limit base_steps descent": "epochs max_steps num_steps steps",
    "ks rank": "k K ranks",
    "horizons": "T horizon",
    "sigma scales": "noise std scale",
    "precision": "dtype",
    "depths layers": "layers n_layer depth",
    "allow_download": "download downloads online",
    "data": "dataset file path",
    "runs": "seed seeds model models",
}
WORDS = {  # of pydantic, and ours
    "a valid tuple": "a list",
    "a valid list": "a list",
    "a valid dictionary": "a mapping of names to values",
    "a valid boolean": "true or false",
    "a valid string": "text",
    "a valid integer": "a whole number",
    "Tuple should have": "it should have",
    "List should have": "it should have",
    "Dictionary should have": "it should have",
    "String should have": "it should have",
    "String should match pattern": "it should match the pattern",
    " after validation": "",
    " or instance of Entry": "",
    " or instance of Family": "",
}


def near(word: Any, known: Iterable[str]) -> str:
    """The known name that may be meant, in brackets; empty where none is near.

    >>> near("lr", ["rate", "sigma"]), near("depth", ["depths"]), near("zzz", ["rate"])
    (" (did you mean 'rate'?)", " (did you mean 'depths'?)", '')
    """
    names = list(known)
    if not isinstance(word, str):
        return ""
    lower = {name.lower(): name for name in reversed(names)}
    found = [one for ours, theirs in USUAL.items() if word in theirs.split() for one in ours.split()]
    found = [name for name in found if name in names]
    found += [lower[one] for one in difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.7)]
    return f" (did you mean {found[0]!r}?)" if found else ""


def line(error: Any, name: str) -> str:
    """An error of pydantic in words: the parameter, what it got, and what it wants."""
    told = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    for theirs, ours in WORDS.items():
        told = told.replace(theirs, ours)
    value, known = error["input"], re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    return f"{name} is {shown(value)}{_as_text(value)}{near(value, known)}; {told}"


def _as_text(value: Any) -> str:
    """YAML reads 1e-3 as text, and a number in quotes too; say so instead of leaving a riddle."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    quoted = "." in value or "e" not in value.lower()
    how = "a number stands without quotes" if quoted else f"YAML wants {number:.1e} with a point"
    return f" (text: {how})"
