"""Models that a make target puts into the user's cache: their names, where they lie, how they are made.

They are in no repository, because their licences are not this one.
"""

from __future__ import annotations

import os
from pathlib import Path

HOW = {"gemma-3-270m": "make gemma ACCEPT_TERMS=yes"}  # how each is made, by name


class NotMade(FileNotFoundError):
    """A model that is known by name and is not in the cache yet; the message says how to make it."""


def cache() -> Path:
    """Folder of the project in the user's cache: $XDG_CACHE_HOME/lglib, or ~/.cache/lglib.

    >>> cache().name
    'lglib'
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "lglib"


def folder(name: str) -> Path:
    """Folder of a made model. Raises NotMade, with the command that makes it, and KeyError for another name.

    >>> sorted(HOW)
    ['gemma-3-270m']
    """
    found = cache() / name
    if not (found / "config.json").is_file():
        raise NotMade(f"{name} is not in {cache()}; run: {HOW[name]}")
    return found
