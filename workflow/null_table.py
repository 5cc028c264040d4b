"""`make null`: how often the rules of claims call a claim reproduced in a world without any effect."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lglib import studies
from lglib.base.checks import NotMeasurable
from lglib.base.files import write_atomically
from lglib.report import claims, frames, null_world
from lglib.report.provenance import project_root


def draw(profile: str, draws: int, root: Path) -> Path:
    """Draw the table for all observations of a profile and write it; return its path."""
    lines = []
    judged = {study for claim in claims.read().values() for study in claim.judged}
    for study in (study for study in claims.STUDIES if study in judged):
        print(f"[null] {study}", file=sys.stderr, flush=True)
        try:
            over = frames.over_seeds(studies.observed(study, profile).frame)
        except NotMeasurable as why:
            print(f"[null] {study} is left out: {why}", file=sys.stderr, flush=True)
            continue
        lines += null_world.table(study, over, draws).to_dict("records")
    document = {"profile": profile, "rules": null_world.of_rules(), "rates": lines}
    return write_atomically(root / null_world.FILE, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the table of verdicts in a world without any effect.")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--draws", type=int, default=2000)
    asked = parser.parse_args()
    print(draw(asked.profile, asked.draws, project_root()))
