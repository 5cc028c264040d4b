"""Measure one run of a study: checked before it starts, filed whole or not at all, told where it failed."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from lglib import studies
from lglib.report import provenance
from lglib.studies import profiles
from workflow import request, terminal


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.measure", description=__doc__)
    parser.add_argument("study", help=f"one of {', '.join(studies.NAMES)}")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--model", default="", help="default: the first that the profile names")
    parser.add_argument("--seed", default="0")
    asked = parser.parse_args(argv)
    root = provenance.project_root()
    try:
        model, seed = _checked(asked, root)
    except profiles.ProfileError as error:
        print(f"measure: {error}", file=sys.stderr)
        return 2
    if any(os.environ.get(name) != value for name, value in terminal.ENVIRONMENT.items()):
        # Threads and the seed of hashes are read when the interpreter and torch start: start anew.
        os.environ.update(terminal.ENVIRONMENT)
        os.execv(sys.executable, [sys.executable, "-m", "workflow.measure", *(argv or sys.argv[1:])])
    with terminal.at_work(root):
        return measure(asked.study, asked.profile, model, seed, root)


def measure(study: str, profile: str, model: str, seed: int, root: Path) -> int:
    """Measure one run into runs/observations, whole or not at all; returns the exit status."""
    name = profiles.filed(model)
    label = f"[{study} {name} seed {seed}]"
    log = root / "runs" / "logs" / profile / name / f"seed{seed}" / f"{study}.log"
    progress = log.with_suffix(".progress")
    os.environ["LG_PROGRESS"] = str(progress)
    log.unlink(missing_ok=True)
    started = time.monotonic()
    with terminal.following(progress, label):
        print(f"{label}  measuring (profile {profile})", file=sys.stderr, flush=True)
        try:
            path = _file(study, profile, model, seed, root)
        except Exception as error:  # of any kind: it is told in one place, with what was asked
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc(), encoding="utf-8")
            told = f"{label}  FAILED: study {study}, profile {profile}, model {model}, seed {seed}"
            told += f"\n  error  {type(error).__name__}: {error}\n  log    {terminal.from_here(log)}"
            print(told, file=sys.stderr, flush=True)
            return 1
    seconds = time.monotonic() - started
    print(f"{label}  {seconds:.0f} s, {terminal.from_here(path)}", file=sys.stderr, flush=True)
    return 0


def _file(study: str, profile: str, model: str, seed: int, root: Path) -> Path:
    """Measure and write; the stamp is of the code that is in memory, not of what the files say by then."""
    from lglib.report import observations

    module = studies.study(study)
    parameters = studies.parameters(study, profile, model=model)
    with provenance.unchanged(study):
        found = module.measure(parameters, seed)
    header = observations.Header.made_now(
        study,
        profile=profile,
        model=profiles.filed(model),
        seed=seed,
        parameters=parameters,
        device=device(parameters),
    )
    return observations.write(found, header, root / observations.FRESH)


def device(parameters: Any) -> str:
    """Name of the device that a run used: a GPU's own name, or cpu."""
    if parameters.device == "cpu":
        return "cpu"
    import torch

    return torch.cuda.get_device_name(parameters.device)


def _checked(asked: argparse.Namespace, root: Path) -> tuple[str, int]:
    """Model and seed, after all checks that need no torch. Raises ProfileError."""
    if asked.study not in studies.NAMES:
        raise profiles.ProfileError(f"study is {asked.study!r}; there is: {', '.join(studies.NAMES)}")
    entry = profiles.read(asked.profile, studies.NAMES, root)[asked.study]
    seeds, models = request.pick_seeds(asked.seed), request.pick_models(asked.model or next(iter(entry.runs)))
    if len(seeds) != 1 or len(models) != 1:
        raise profiles.ProfileError(f"name one model and one seed, got {asked.model!r} and {asked.seed!r}")
    return models[0], seeds[0]


if __name__ == "__main__":
    raise SystemExit(main())
