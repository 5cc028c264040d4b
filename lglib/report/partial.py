"""What an unfinished run has measured so far: kept beside its place, taken up by the next try, never counted.

It is one file <study>.partial.json, which `filing.gather` does not read.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from lglib.base import progress, settings
from lglib.base.files import write_atomically
from lglib.report import filing
from lglib.report.headers import Header
from lglib.report.observations import Observations

ASKED = ("study", "profile", "model", "seed", "parameters", "device", "versions", "code", "schema", "noise")


def path_of(header: Header, root: Path) -> Path:
    """Where an unfinished run is kept."""
    return root / header.place() / f"{header.study}.partial.json"


def keep(found: Observations, header: Header, root: Path) -> Path:
    """Keep what there is so far, whole or not at all; return the path."""
    document = {"header": _asked(header), "found": found.as_json()}
    return write_atomically(path_of(header, root), json.dumps(document) + "\n")


def take_up(header: Header, root: Path) -> Observations:
    """What an earlier try of the same run has measured; nothing when there is none.

    It must be of the same code, parameters, versions and device; another one is discarded, which is said.
    """
    path = path_of(header, root)
    try:
        document = settings.json_of(path, largest=filing.LARGEST)
        kept, asked = document["header"], _asked(header)
        if other := [name for name in ASKED if kept.get(name) != asked[name]]:
            raise ValueError(f"it was made with other {', '.join(other)}")
        found = Observations.from_json(document["found"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, settings.BadSettings) and error.missing:
            return Observations()
        progress.note(f"an unfinished run is discarded ({path.name}): {error}")
        path.unlink(missing_ok=True)
        return Observations()
    progress.note(f"an unfinished run is taken up: {len(found.done)} sections, {len(found)} rows are there")
    return found


def discard(header: Header, root: Path) -> None:
    """Remove what an unfinished run has kept."""
    path_of(header, root).unlink(missing_ok=True)


def _asked(header: Header) -> dict[str, Any]:
    """What must be equal for a run to be taken up, as JSON holds it."""
    document: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(header)))
    return {name: document[name] for name in ASKED}
