"""Files written whole or not at all, and what is in them told apart by hash."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: str | Path, text: str) -> Path:
    """Write `text` to `path` through a temporary neighbour, so that no reader ever sees half a file.

    >>> import tempfile, pathlib
    >>> write_atomically(pathlib.Path(tempfile.mkdtemp()) / "a" / "b.json", "{}").read_text()
    '{}'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
