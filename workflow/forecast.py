"""`make plan`: what the runs of a profile will take and what will not fit, told without a download."""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lglib.report.provenance import project_root
from lglib.studies import limits, naming
from workflow import effort, facts, inputs, plan, request, terminal
from workflow.effort import DEVICES, GB
from workflow.request import ProfileError, Run

LITTLE = 20e6  # bytes of BoolQ's files on the hub
ROOM = 200e6  # bytes of disk for observations, chapters and the book
RATE = 10e6  # bytes a second of a download, for its minutes
ASSUMED = "h100-80g"  # where there is no GPU and none is named
NO_GPU = "device: cuda, and torch sees no GPU here"
FORBIDDEN = "and the profile does not say allow_download: true"


@dataclass(frozen=True)
class Device:
    """Where runs happen: its name, its free memory in bytes, whether it was only named."""

    name: str
    memory: float
    named: bool = False

    @property
    def cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.name != "cpu"


@dataclass(frozen=True)
class Row:
    """One study on one model: seeds, facts, peak bytes and largest part, seconds a run, what is wrong."""

    study: str
    model: str
    seeds: int
    known: facts.Facts | None
    peak: float
    part: str
    seconds: float | None
    wrong: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the plan of what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.forecast", description=__doc__)
    parser.add_argument("--profile", default="quick")
    for name in ("--studies", "--models", "--seeds", "--data", "--device"):
        parser.add_argument(name, default="")
    asked = parser.parse_args(argv)
    root = project_root()
    try:
        state = plan.State(asked.profile, root)
        runs = request.runs(asked.profile, root, names=asked.studies, models=asked.models, seeds=asked.seeds)
        found = rows(state, runs, named(asked.device), data_tokens(asked.data))
    except ProfileError as error:
        print(f"make plan: {error}", file=sys.stderr)
        return 2
    print(told(state, found, asked.device, len(state.missing(runs))))
    return 0


def named(device: str) -> Device | None:
    """The device that is named, or None to look for the ones there are. Raises ProfileError."""
    if not device:
        return None
    if device == "cpu":
        return here("cpu")
    if device not in DEVICES:
        raise ProfileError(f"DEVICE is {device!r}; there is: cpu, {', '.join(DEVICES)}")
    return Device(device, DEVICES[device][0], named=True)


@functools.cache
def here(kind: str) -> Device | None:
    """The CPU, or the GPU if there is one, of this machine with its free memory."""
    if kind == "cpu":
        return Device("cpu", memory_here())
    import torch

    if not torch.cuda.is_available():
        return None
    return Device(torch.cuda.get_device_name(), float(torch.cuda.mem_get_info()[0]))


def memory_here() -> float:
    """Bytes of memory that are free on this machine."""
    import psutil

    return float(psutil.virtual_memory().available)


def data_tokens(
    path: str, root: Path | None = None, *, template: str = "", answers: tuple[str, ...] = ()
) -> int:
    """Tokens of the longest line of a file of one's own, at three characters each; 0 for none.

    Every line is read as a run reads it. Raises ProfileError naming the lines that are no items.
    """
    if not path:
        return 0
    inputs.checked(os.path.join(root or ".", os.path.expanduser(path)), template=template, answers=answers)
    lines = Path(root or ".", os.path.expanduser(path)).read_text(encoding="utf-8").splitlines()
    return max(map(len, lines)) // 3


def gpus() -> list[str]:
    """The GPUs that torch sees here, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or list(map(str, range(torch.cuda.device_count()))))[: torch.cuda.device_count()]


def rows(
    state: plan.State, runs: Sequence[Run], device: Device | None, data: int = 0, free: float = 0.0
) -> list[Row]:
    """One row for each study and model of the runs; `device` stands for those of the profile.

    `free` bytes are what the CPU's runs may take; 0 for all that is free here.
    """
    seeds: dict[tuple[str, str], int] = {}
    for run in runs:
        seeds[run.study, run.model] = seeds.get((run.study, run.model), 0) + 1
    found = []
    for (study, model), count in seeds.items():
        given = state.parameters(study)
        on = device or here(given["device"])
        if free and on and not on.cuda:
            on = replace(on, memory=free)
        for name in given["names"] if study == "models" else [model]:
            found.append(_row(state, study, name, count, given, on, data))
    return found


def _row(
    state: plan.State, study: str, model: str, seeds: int, given: Any, on: Device | None, data: int
) -> Row:
    wrong = [] if on else [NO_GPU]
    if study not in effort.OF:
        return Row(study, model, seeds, None, 0.0, "", _seconds(state, study, on, given), tuple(wrong))
    known = facts.of(model, state.root)
    if known.missing:
        wrong.append(known.missing)
    elif known.fetched and not given["allow_download"]:
        wrong.append(f"not in the hub's cache, {FORBIDDEN}")
    elif known.shape is None:
        wrong.append(
            "unknown, not cached: nothing is known before it is fetched; write it into config/models.yml"
        )
    if boolq_missing(given) and not given["allow_download"]:
        wrong.append(f"BoolQ is not in the hub's cache, {FORBIDDEN}")
    if not data and given.get("data"):
        try:
            how = {"template": given.get("template", ""), "answers": tuple(given.get("answers", ()))}
            data = data_tokens(given["data"], state.root, **how)
        except ProfileError as error:
            wrong.append(str(error))
    if known.shape is None:
        return Row(study, model, seeds, known, 0.0, "", None, tuple(wrong))
    if unfit := limits.of_blocks(study, given, known.shape.layers):
        wrong.append(unfit)
    asked = effort.work(study, given, known.shape, known.context, data)
    memory = on.memory if on else DEVICES[ASSUMED][0]
    peak, part = effort.peak(asked, known.shape, memory, cuda=on is None or on.cuda)
    if on and peak > on.memory:
        wrong.append(
            f"memory: about {peak / GB:.2f} GB of {on.memory / GB:.2f} GB on {on.name}; largest: {part}"
        )
    seconds = _seconds(state, study, on, given, asked, known.shape)
    return Row(study, model, seeds, known, peak, part, seconds, tuple(wrong))


def _seconds(
    state: plan.State, study: str, on: Device | None, given: Any, asked: Any = None, shape: Any = None
) -> float | None:
    """Seconds of a run, from the measured ones of the quick profile; None where there are none."""
    name = on.name if on else ASSUMED
    if name != "cpu" and name not in DEVICES:
        near = [key for key in DEVICES if key.partition("-")[0] in name.lower()]
        if not near:
            return None
        name = near[0]
    if study not in effort.MEASURED:
        return None
    usual = plan.State(plan.PUBLISHED, state.root).parameters(study)
    if asked is None:
        return effort.own_seconds(study, given, usual, effort.speed(name))
    small = facts.of(effort.MODEL, state.root).shape
    work = effort.work(study, usual, small, 0)
    return effort.seconds(study, asked, shape, work, small, effort.speed(name))


def boolq_missing(given: Any) -> bool:
    """Whether a study asks for BoolQ from the hub, and it is not in the cache."""
    from lglib.tasks import data

    if given.get("data") or "boolq" not in (*given.get("tasks", ()), *given.get("templates", ())):
        return False
    return facts.snapshot(data.BOOLQ, data.BOOLQ_REVISION, "datasets") is None


def downloads(found: Sequence[Row], boolq: bool) -> float:
    """Bytes that are to be fetched, each model once."""
    sizes = {row.known.model: row.known.download for row in found if row.known and row.known.fetched}
    return float(sum(sizes.values())) + (LITTLE if boolq else 0.0)


def disk_wrong(found: Sequence[Row], boolq: bool) -> list[str]:
    """What does not fit on the disk of the hub's cache."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    want, free = downloads(found, boolq) + ROOM, shutil.disk_usage(there).free
    if want <= free:
        return []
    return [f"disk: {want / GB:.2f} GB are wanted, {free / GB:.2f} GB are free at {there}"]


def reasons(found: Sequence[Row], *, memory: bool = True) -> list[str]:
    """What is wrong with the rows: one line a reason, with the studies and models that it is of."""
    of: dict[str, dict[str, None]] = {}
    for row in found:
        for why in row.wrong:
            if memory or not why.startswith("memory"):
                where = row.study if why == NO_GPU else f"{row.study} on {row.model}"
                of.setdefault(why, {})[where] = None
    return [f"{', '.join(where)}: {why}" for why, where in of.items()]


def refusals(state: plan.State, runs: Sequence[Run], *, memory: bool = True, free: float = 0.0) -> list[str]:
    """Why these runs cannot be measured here, all reasons; with `memory=False` without the estimates."""
    found = rows(state, runs, None, free=free)
    boolq = any(boolq_missing(state.parameters(study)) for study in {run.study for run in runs})
    return reasons(found, memory=memory) + (disk_wrong(found, boolq) if memory else [])


def told(state: plan.State, found: Sequence[Row], device: str, missing: int) -> str:
    """The plan as text."""
    lines = [f"Plan of profile {state.profile}: {missing} runs are to be measured. Nothing is downloaded."]
    if any(NO_GPU in row.wrong for row in found):
        lines.append(f"There is no GPU here: the figures of cuda are for {ASSUMED} (DEVICE= names another).")
    lines += [_line(row) for row in found]
    boolq = any(boolq_missing(state.parameters(study)) for study in {row.study for row in found})
    size = downloads(found, boolq)
    held = {r.known.model: r.known.disk for r in found if r.known and not r.known.fetched}
    lines.append(
        f"download {size / GB:.2f} GB (about {size / RATE / 60:.0f} min at 10 MB/s); "
        f"disk {(size + sum(held.values())) / GB:.2f} GB"
    )
    hours = sum((row.seconds or 0.0) * row.seeds for row in found) / 3600
    lines.append(
        f"all runs of the plan, one after another: about {hours:.1f} h. An estimate, within a factor of "
        "three or so: seconds of the quick profile on one core, scaled by operations and the device's speed"
    )
    wrong = [f"  {line}" for line in reasons(found) + disk_wrong(found, boolq)]
    return "\n".join([*lines, *(["What will not do:", *wrong] if wrong else ["All of it fits."])])


def _line(row: Row) -> str:
    known = row.known
    parts = [f"{row.study:9s}  {naming.filed(row.model)}", f"{row.seeds} seed{'s' * (row.seeds > 1)}"]
    if known:
        size = f"download {known.download / GB:.2f} GB" if known.fetched else "no download"
        parts += [f"revision {known.revision or 'none'} ({known.source or 'not there'})", size]
        parts += [f"disk {known.disk / GB:.2f} GB"]
    if row.peak:
        parts.append(f"peak {row.peak / GB:.2f} GB ({row.part})")
    parts.append("minutes unknown" if row.seconds is None else f"{row.seconds / 60:.1f} min a seed")
    return "; ".join(parts)


if __name__ == "__main__":
    with terminal.plainly("make plan"):
        raise SystemExit(main())
