"""Progress of long work: a line on the terminal now and then, and never on a page.

The pipeline names a file in LG_PROGRESS
and shows what is added to it; without one, lines go to stderr if that is a terminal, else nowhere.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

EVERY = 3.0  # seconds between two lines
_last = time.monotonic()


def tell(what: str, done: int, total: int | None = None, detail: str = "") -> None:
    """Say how far some work is, at most once in three seconds: cheap enough to call in every step.

    >>> tell("base model", 10, 500, "loss 2.30")
    """
    global _last
    now = time.monotonic()
    if now - _last < EVERY:
        return
    _last = now
    note(f"{what}: {done}{f' of {total}' if total else ''}{f', {detail}' if detail else ''}")


def note(line: str) -> None:
    """Say one thing at once, for example why something is made again.

    >>> note("model-0.safetensors: its content is not what was written; making it")
    """
    if path := os.environ.get("LG_PROGRESS"):
        with (
            suppress(OSError),
            open(path, "a", encoding="utf-8") as file,
        ):  # a full disk must not end a training
            file.write(line + "\n")
    elif sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


def on_terminal() -> bool:
    """Whether someone sees a terminal directly: then bars of other libraries may be drawn.

    >>> isinstance(on_terminal(), bool)
    True
    """
    return not os.environ.get("LG_PROGRESS") and sys.stderr.isatty()
