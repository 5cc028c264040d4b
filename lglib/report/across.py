"""The same measurement over seeds: which committed runs count, and the interval over them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from lglib.report import provenance, results
from lglib.theory import stats


@dataclass(frozen=True)
class Seeds:
    """Records of one chapter by seed, and the seeds that were left out with the reason for each."""

    runs: Mapping[int, Mapping[tuple[str, str], results.Record]]
    left_out: Mapping[int, str]

    def values(self, claim: str, quantity: str) -> dict[int, float]:
        """Value of one quantity by seed. Raises KeyError naming the quantities there are."""
        found = {s: run[claim, quantity].value for s, run in self.runs.items() if (claim, quantity) in run}
        if not found:
            known = sorted({k for run in self.runs.values() for k in run})
            raise KeyError(f"no record of {claim} {quantity!r}; there is: {known}")
        return found

    def interval(self, claim: str, quantity: str) -> stats.Interval | None:
        """Student-t interval of the mean over seeds; None while there are fewer than two seeds."""
        values = list(self.values(claim, quantity).values())
        return stats.mean_interval(values) if len(values) > 1 else None

    def record(self, claim: str, quantity: str) -> results.Record:
        """The record over seeds: mean and interval over seeds, n = number of seeds.

        Null and prediction are means over seeds too.
        With a single seed it is that seed's own record, whose interval is over its own draws.
        """
        self.values(claim, quantity)  # names what there is when the quantity is unknown
        found = [run[claim, quantity] for run in self.runs.values() if (claim, quantity) in run]
        one, interval = found[0], self.interval(claim, quantity)
        if interval is None:
            return one
        predictions = [r.predicted for r in found if r.predicted is not None]
        return results.Record.of(
            claim,
            quantity,
            interval,
            unit=one.unit,
            null=fmean(r.null for r in found),
            null_means=one.null_means,
            predicted=fmean(predictions) if predictions else None,
        )

    def __str__(self) -> str:
        used = ", ".join(str(s) for s in sorted(self.runs))
        plural = "s" if len(self.runs) > 1 else ""
        text = f"{len(self.runs)} seed{plural} ({used})"
        if len(self.runs) == 1:
            text += (
                "; with one seed there is no interval over seeds: those shown are over the run's own draws"
            )
        for seed, reason in sorted(self.left_out.items()):
            text += f"\nseed {seed} left out: {reason}"
        return text


def seeds(this_run: str | Path, root: str | Path | None = None) -> Seeds:
    """Gather a run with the committed runs of the same chapter, profile and model on other seeds.

    `this_run` is the file that `results.write` returned; `root` the folder of committed results (default:
    the project's `results/`). A run counts while its code hash and its parameters (all but the seed)
    are those of this run; others are left out, with the reason. Raises ValueError for a committed file whose
    inside contradicts its place, and for seeds that describe one quantity differently.
    """
    mine = results.read(this_run)
    folder = Path(root or provenance.project_root() / "results") / mine["profile"] / mine["model"]
    runs, left_out = {mine["seed"]: _by_key(mine)}, {}
    for path in sorted(folder.glob(f"seed*/{mine['chapter']}.json")):
        other = results.read(path)
        place = {
            "profile": folder.parent.name,
            "model": folder.name,
            "seed": path.parent.name.removeprefix("seed"),
            "chapter": path.stem,
        }
        if wrong := [key for key, wanted in place.items() if str(other[key]) != wanted]:
            raise ValueError(f"{path}: its {', '.join(wrong)} inside is not that of its place")
        if other["seed"] == mine["seed"]:
            continue
        if other["code"] != mine["code"]:
            left_out[other["seed"]] = "made by other code; remake it"
        elif _settings(other) != _settings(mine):
            left_out[other["seed"]] = "made with other parameters"
        else:
            runs[other["seed"]] = _by_key(other)
    _check_alike(runs)
    return Seeds(dict(sorted(runs.items())), left_out)


def _check_alike(runs: Mapping[int, Mapping[tuple[str, str], results.Record]]) -> None:
    first: dict[tuple[str, str], tuple[int, results.Record]] = {}
    for seed, run in runs.items():
        for key, record in run.items():
            before, one = first.setdefault(key, (seed, record))
            for name in ("unit", "null_means"):
                if getattr(one, name) != getattr(record, name):
                    raise ValueError(f"{key}: {name} differs between seed {before} and seed {seed}")
            if (one.predicted is None) != (record.predicted is None):
                raise ValueError(f"{key}: only one of seed {before} and seed {seed} has a prediction")


def _settings(run: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in run["parameters"].items() if k != "seed"}


def _by_key(run: Mapping[str, Any]) -> dict[tuple[str, str], results.Record]:
    return {(r.claim, r.quantity): r for rows in run["claims"].values() for r in rows}


def fingerprint(
    chapter: str, profile: str, *, leave_out: Sequence[int] = (), root: str | Path | None = None
) -> list[str]:
    """Names and content hashes of the committed runs that an *Across seeds* section would read.

    The pipeline compares it with the last run's: a change asks for a new run of seed 0.
    """
    folder = Path(root or provenance.project_root()) / "results" / profile
    skip = {f"seed{s}" for s in leave_out}
    return [
        f"{path.parent.parent.name}/{path.parent.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        for path in sorted(folder.glob(f"*/seed*/{chapter}.json"))
        if path.parent.name not in skip
    ]
