"""The same measurement over seeds on several models: one `across.Seeds` a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lglib.report import across, provenance, results


@dataclass(frozen=True)
class Crossed:
    """Seeds of one chapter by model, this run's model first; the models left out, with reasons."""

    models: Mapping[str, across.Seeds]
    left_out: Mapping[str, str]

    def record(self, model: str, claim: str, quantity: str) -> results.Record:
        """The record of one model over its seeds. Raises KeyError for an unknown model or quantity."""
        if model not in self.models:
            raise KeyError(f"no run of {model!r}; there is: {', '.join(self.models)}")
        return self.models[model].record(claim, quantity)

    def __str__(self) -> str:
        lines = [f"{name}: {seeds}" for name, seeds in self.models.items()]
        return "\n".join(lines + [f"{name} left out: {why}" for name, why in sorted(self.left_out.items())])


def gather(this_run: str | Path, root: str | Path | None = None) -> Crossed:
    """Gather a run with the committed runs of its chapter and profile, on all seeds and all models.

    `this_run` is the file that `results.write` returned; `root` the folder of committed results (default:
    the project's `results/`). Another model counts by its runs whose code hash and parameters (all but model
    and seed) are those of this run; a model without such a run is left out, with the reason.
    """
    mine = results.read(this_run)
    base = Path(root or provenance.project_root() / "results")
    models, left_out = {mine["model"]: across.seeds(this_run, base)}, {}
    found: dict[str, list[Path]] = {}
    for path in sorted((base / mine["profile"]).glob(f"*/seed*/{mine['chapter']}.json")):
        found.setdefault(path.parent.parent.name, []).append(path)
    for name, paths in found.items():
        if name in models:
            continue
        runs = {path: results.read(path) for path in paths}
        alike = [path for path, run in runs.items() if run["code"] == mine["code"]]
        fitting = [path for path in alike if _settings(runs[path]) == _settings(mine)]
        if fitting:
            models[name] = across.seeds(fitting[0], base)
        else:
            left_out[name] = "made with other parameters" if alike else "made by other code; remake it"
    return Crossed(models, left_out)


def _settings(run: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in run["parameters"].items() if k not in ("model", "seed")}
