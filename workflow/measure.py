"""Measure one run of a study: checked before it starts, kept section by section, told where it failed."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lglib import studies
from lglib.base import progress
from lglib.report import provenance
from lglib.studies import naming, profiles
from workflow import inputs, request, terminal

if TYPE_CHECKING:
    from lglib.report.observations import Observations


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.measure", description=__doc__)
    parser.add_argument("study", help=f"one of {', '.join(studies.NAMES)}")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--model", default="", help="default: the first that the profile names")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--data", default="", help="a JSON-lines file of your own, for studies that take one")
    asked = parser.parse_args(argv)
    root = provenance.project_root()
    try:
        model, seed = _checked(asked, root)
        data = inputs.link(inputs.checked(asked.data), root) if asked.data else ""
    except profiles.ProfileError as error:
        print(f"measure: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # a fault in the code of a study
        log = root / "runs" / "logs" / asked.profile / f"{asked.study}.log"
        return _failed(error, log, f"[{asked.study}]", f"study {asked.study}, profile {asked.profile}")
    if terminal.isolate(root) | terminal.take_gpu(
        root, "LG_GPUS" in os.environ and _gpu(asked, root)
    ):  # much of it is read when the interpreter and torch start: start anew
        os.execv(sys.executable, [sys.executable, "-m", "workflow.measure", *(argv or sys.argv[1:])])
    with terminal.at_work(root):
        return measure(asked.study, asked.profile, model, seed, root, data)


def measure(study: str, profile: str, model: str, seed: int, root: Path, data: str = "") -> int:
    """Measure one run into runs/observations; returns the exit status, which is 0 when it is filed.

    What was measured before an interruption is kept beside it, and taken up by the next try.
    """
    name = profiles.filed(model)
    label = f"[{study} {name} seed {seed}]"
    log = root / "runs" / "logs" / profile / name / f"seed{seed}" / f"{study}.log"
    lines = log.with_suffix(".progress")
    os.environ["LG_PROGRESS"] = str(lines)
    log.unlink(missing_ok=True)
    started = time.monotonic()
    with terminal.following(lines, label):
        print(f"{label}  measuring (profile {profile})", file=sys.stderr, flush=True)
        try:
            path, found = _file(study, profile, model, seed, root, data)
        except Exception as error:  # of any kind: it is told in one place, with what was asked
            what = f"study {study}, profile {profile}, model {model}, seed {seed}"
            return _failed(error, log, label, what)
    seconds = time.monotonic() - started
    print(f"{label}  {seconds:.0f} s, {terminal.from_here(path)}", file=sys.stderr, flush=True)
    _tell_left_out(found, label, log)
    return 0


def _failed(error: Exception, log: Path, label: str, what: str) -> int:
    """Tell a fault with all that caused it, and write where it was to the log; returns the exit status."""
    _write(log, f"{causes(error)}\n\n{traceback.format_exc()}")
    told = f"{label}  FAILED: {what}\n{causes(error)}\n  log    {terminal.from_here(log)}"
    print(told, file=sys.stderr, flush=True)
    return 1


def causes(error: BaseException) -> str:
    """An error in lines for the terminal, and below it what caused it, and what caused that.

    >>> try:
    ...     raise RuntimeError("no model") from OSError("no file config.json")
    ... except RuntimeError as error:
    ...     print(causes(error))
      error  RuntimeError: no model
      cause  OSError: no file config.json
    """
    lines, word, one = [], "error", error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        lines.append(f"  {word}  {type(one).__name__}: {one or 'no words; the log has the place'}")
        seen.add(id(one))
        word = "cause"
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)  # type: ignore[assignment]
    return "\n".join(lines)


def _file(
    study: str, profile: str, model: str, seed: int, root: Path, data: str
) -> tuple[Path, Observations]:
    """Measure and write; the stamp is of the code that is in memory, not of what the files say by then."""
    from lglib.report import observations, partial

    module, place = studies.study(study), root / observations.FRESH
    changes: dict[str, Any] = {"data": data} if data else {}
    parameters = studies.parameters(study, profile, model=model, **changes)
    header = observations.Header.made_now(
        study,
        profile=profile,
        model=profiles.filed(model),
        seed=seed,
        parameters=told(parameters),
        device=device(parameters),
        noise=f"{parameters.device} stream",
    )

    def keep(found: Observations) -> None:
        partial.keep(found, header, place)

    def begun(found: Observations) -> Observations:
        for name, sha256 in inputs.weights(model, root).items():
            found.used(name, sha256)
        return found

    with provenance.unchanged(study):
        try:
            found = begun(partial.take_up(header, place))
            found = module.measure(parameters, seed, found=found, keep=keep)
        except observations.FileChanged as error:
            progress.note(f"started anew: {error}")
            partial.discard(header, place)
            found = module.measure(parameters, seed, found=begun(observations.Observations()), keep=keep)
    whole = dataclasses.replace(header, left_out=found.left_out, files=found.files)
    path = observations.write(found, whole, place)
    if not found.crashed:  # what ended in a fault is tried again by the next run, and by it alone
        partial.discard(header, place)
    return path, found


def _gpu(asked: argparse.Namespace, root: Path) -> bool:
    """Whether the run is one on a GPU."""
    from workflow import plan

    return bool(plan.State(asked.profile, root).parameters(asked.study)["device"] == "cuda")


def _tell_left_out(found: Observations, label: str, log: Path) -> None:
    """Say what was not measured and why; the log has where each fault was."""
    for section, why in found.left_out.items():
        print(f"{label}  LEFT OUT: {section}: {why}", file=sys.stderr, flush=True)
    if found.crashed:
        _write(log, "\n".join(f"section {name}\n{told}" for name, told in found.crashed.items()))
        told = f"{', '.join(found.crashed)} ended in a fault; measuring this run again tries that alone"
        print(f"{label}  {told}\n  log    {terminal.from_here(log)}", file=sys.stderr, flush=True)


def _write(log: Path, text: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text, encoding="utf-8")


def told(parameters: Any) -> dict[str, Any]:
    """Parameters as a header has them: the folder of a model by its filed name, not by its path."""
    values: dict[str, Any] = parameters.model_dump(mode="json")
    model = values["model"]
    return {**values, "model": naming.filed(model) if naming.is_folder(model) else model}


def device(parameters: Any) -> str:
    """Name of the device that a run used: a GPU's own name, or cpu."""
    if parameters.device == "cpu":
        return "cpu"
    import torch

    return torch.cuda.get_device_name(parameters.device)


def _checked(asked: argparse.Namespace, root: Path) -> tuple[str, int]:
    """Model and seed, after all checks. Raises ProfileError."""
    if asked.study not in studies.NAMES:
        raise profiles.ProfileError(f"study is {asked.study!r}; there is: {', '.join(studies.NAMES)}")
    entry = studies.check(asked.profile, root)[asked.study]
    seeds, models = request.pick_seeds(asked.seed), request.pick_models(asked.model or next(iter(entry.runs)))
    if len(seeds) != 1 or len(models) != 1:
        raise profiles.ProfileError(f"name one model and one seed, got {asked.model!r} and {asked.seed!r}")
    if wrong := naming.remember(asked.profile, models, root):
        raise profiles.ProfileError("; ".join(wrong))
    studies.parameters(asked.study, asked.profile, model=models[0])  # its GPU and its model are there
    return models[0], seeds[0]


if __name__ == "__main__":
    with terminal.plainly("measure"):
        raise SystemExit(main())
