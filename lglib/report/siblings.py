"""The same measurement on other models: committed runs of one chapter, profile and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lglib.report import provenance, results


@dataclass(frozen=True)
class Models:
    """Records of one chapter and seed by model, and the models left out with the reason for each."""

    runs: Mapping[str, Mapping[tuple[str, str], results.Record]]
    left_out: Mapping[str, str]

    def record(self, model: str, claim: str, quantity: str) -> results.Record | None:
        """The record of one model, None if it did not measure this. Raises KeyError for an unknown model."""
        if model not in self.runs:
            raise KeyError(f"no run of {model!r}; there is: {', '.join(self.runs)}")
        return self.runs[model].get((claim, quantity))

    def __str__(self) -> str:
        lines = [f"{len(self.runs)} model{'s' if len(self.runs) > 1 else ''} ({', '.join(self.runs)})"]
        return "\n".join(lines + [f"{name} left out: {why}" for name, why in sorted(self.left_out.items())])


def gather(this_run: str | Path, root: str | Path | None = None) -> Models:
    """Gather a run with the committed runs of the same chapter, profile and seed on other models.

    `this_run` is the file that `results.write` returned and comes first; `root` the folder of committed
    results (default: the project's `results/`). A run counts while its code hash and parameters, all but the
    model, are those of this run; others are left out, with the reason.
    """
    mine = results.read(this_run)
    folder = Path(root or provenance.project_root() / "results") / mine["profile"]
    runs, left_out = {mine["model"]: _by_key(mine)}, {}
    for path in sorted(folder.glob(f"*/seed{mine['seed']}/{mine['chapter']}.json")):
        other, name = results.read(path), path.parent.parent.name
        if name == mine["model"]:
            continue
        if other["code"] != mine["code"]:
            left_out[name] = "made by other code; remake it"
        elif _settings(other["parameters"]) != _settings(mine["parameters"]):
            left_out[name] = "made with other parameters"
        else:
            runs[name] = _by_key(other)
    return Models(runs, left_out)


def fingerprint(chapter: str, profile: str, model: str, root: str | Path | None = None) -> list[str]:
    """Names and content hashes of the committed runs of seed 0 on models other than this one.

    The pipeline compares it with the last run's: a change asks for a new run of seed 0.
    """
    folder = Path(root or provenance.project_root()) / "results" / profile
    return [
        f"{path.parent.parent.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        for path in sorted(folder.glob(f"*/seed0/{chapter}.json"))
        if path.parent.parent.name != model
    ]


def _settings(parameters: Mapping[str, object]) -> dict[str, object]:
    return {k: v for k, v in parameters.items() if k not in ("model", "seed")}


def _by_key(run: Mapping[str, Mapping[str, list[results.Record]]]) -> dict[tuple[str, str], results.Record]:
    return {(r.claim, r.quantity): r for rows in run["claims"].values() for r in rows}
