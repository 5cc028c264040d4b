"""Sections of a study: each is measured by itself, filed before the next starts, left out where it fails."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from lglib.base import progress
from lglib.base.checks import NotMeasurable
from lglib.report.observations import FileChanged, Observations

LONGEST = 400  # characters of a reason
Keep = Callable[[Observations], None]


class NothingMeasured(RuntimeError):
    """No section of a study could be measured; the message has the reason of each."""


def measure_sections(
    found: Observations, sections: Mapping[str, Callable[[], None]], *, keep: Keep | None = None
) -> None:
    """Run sections in their order, each of which adds its rows to `found`; `keep` files what there is so far.

    A section that is in `found.done` is skipped: it was measured before the run was cut off. One that raises
    is left out: its rows are taken back, `found.left_out` has the reason, and the next one runs. What raised
    NotMeasurable is done with; what ended in another error is in `found.crashed` too, and is tried again by a
    run that is taken up. Raises NothingMeasured when no section was measured, and FileChanged as it comes.

    >>> o = Observations()
    >>> def right() -> None:
    ...     o.add("T1", "gain", 1.0, null=0.0, null_means="no step")
    >>> def wrong() -> None:
    ...     raise NotMeasurable("the trace is -3.1")
    >>> measure_sections(o, {"gains": right, "optimum": wrong})
    >>> o.done, o.left_out
    (['gains', 'optimum'], {'optimum': 'NotMeasurable: the trace is -3.1'})
    """
    for number, (name, section) in enumerate(sections.items(), start=1):
        if name in found.done:
            continue
        progress.tell("section", number, len(sections), name)
        _run(found, name, section)
        if keep is not None:
            keep(found)
    if not set(sections) - set(found.left_out):
        told = "".join(f"\n  {name}: {found.left_out[name]}" for name in sections)
        error = NothingMeasured(f"none of the {len(sections)} sections could be measured:{told}")
        for name, place in found.crashed.items():
            error.add_note(f"section {name}\n{place}")
        raise error


def _run(found: Observations, name: str, section: Callable[[], None]) -> None:
    kept = len(found)
    found.left_out.pop(name, None)
    found.crashed.pop(name, None)
    try:
        section()
    except FileChanged:
        raise
    except Exception as error:  # of any kind: what the other sections measure must not be lost with it
        found.take_back(kept)
        found.left_out[name] = reason(error)
        progress.note(f"left out: {name}: {found.left_out[name]}")
        if not isinstance(error, NotMeasurable):
            found.crashed[name] = traceback.format_exc()
            return
    found.done.append(name)


def reason(error: BaseException) -> str:
    """Kind and words of an error on one line, without folders of this machine.

    >>> reason(ValueError("a line\\nand another"))
    'ValueError: a line and another'
    """
    words = " ".join(str(error).split()) or "no words"
    for folder, short in ((Path.cwd(), "."), (Path.home(), "~")):
        words = words.replace(f"{folder}/", f"{short}/") if folder != Path("/") else words
    told = f"{type(error).__name__}: {words}"
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 3]}..."
