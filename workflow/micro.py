"""`make models`: train the shipped models from scratch, gate them, write each whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from lglib.base import progress
from lglib.models import shipped
from lglib.report import provenance
from lglib.tasks import scoring
from lglib.tasks.microworld import passages, pretrain, skills
from lglib.theory import stats
from lglib.theory.stats import Interval
from workflow import card, terminal

SEEDS = {"micro-gpt2": 0, "micro-qwen2": 0, "micro-olmo2": 0}
TESTED = 1000  # test items of each kind; skills a quarter of it
LARGEST = 4_000_000  # bytes of a weight file
SOFT = (0.80, 0.95)  # where the mean P(yes) of true questions must lie
Measured = dict[str, Any]


class GateNotMet(RuntimeError):
    """A finished model is not good enough to ship."""


def main(argv: list[str] | None = None) -> int:
    """Train what was asked, as many at a time as there are cores; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make models", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(SEEDS)}")
    parser.add_argument("--seed", type=int, default=None, help="another seed than the shipped one")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # one model, in this process
    asked = parser.parse_args(argv)
    names = asked.names or list(SEEDS)
    if unknown := [name for name in names if name not in SEEDS]:
        print(f"make models: no {', '.join(unknown)}; there is: {', '.join(SEEDS)}", file=sys.stderr)
        return 2
    if asked.inside:
        return _inside(names[0], asked.seed, asked.device)
    at_once = 1 if asked.device != "cpu" else min(len(names), len(os.sched_getaffinity(0)))
    started = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        rest = ["--device", asked.device] + ([] if asked.seed is None else ["--seed", str(asked.seed)])
        states = list(pool.map(lambda name: _outside(name, rest), names))
    failed = [name for name, state in zip(names, states, strict=True) if state]
    minutes = (time.monotonic() - started) / 60
    if failed:
        print(f"make models: {', '.join(failed)} not made ({minutes:.0f} min); what is shipped stands")
        return 1
    print(f"make models: {', '.join(names)} made in {minutes:.0f} min, in {shipped.root()}")
    return 0


def make(name: str, seed: int, device: str, root: Path) -> Measured:
    """Train one model, test it, and put it whole into its folder. Returns its manifest.

    Raises NotLearned or GateNotMet, and then the folder is as it was.
    """
    started = time.monotonic()
    family = name.removeprefix("micro-")
    trained = pretrain.train(family, seed=seed, device=device)
    seconds = time.monotonic() - started
    model: Any = trained.model
    model, tokenizer = model.to("cpu", torch.float32), trained.tokenizer
    scores = tested(model, tokenizer, TESTED)
    require(name, scores)
    new = root / f".{name}.{os.getpid()}.tmp"
    shutil.rmtree(new, ignore_errors=True)
    try:
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        size = (new / "model.safetensors").stat().st_size
        if size > LARGEST:
            raise GateNotMet(f"{name}: model.safetensors has {size:,} bytes, at most {LARGEST:,} are shipped")
        found: Measured = dict(
            name=name,
            family=family,
            seed=seed,
            parameters=sum(p.numel() for p in model.parameters()),
            bytes=size,
            seconds=round(seconds),
            tokens=trained.curve[-1]["tokens"],
            machine=_machine(device),
            versions=provenance.versions(),
            recipe=provenance.library_hash(["tasks.microworld.pretrain"]),
            tested=scores,
            curve=trained.curve,
        )
        for path in new.iterdir():
            path.chmod(0o644)  # safetensors writes for its owner only
        found["files"] = {path.name: shipped.sha256(path) for path in sorted(new.iterdir())}
        (new / "README.md").write_text(card.text(found), encoding="utf-8")
        (new / shipped.MANIFEST).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        old = root / f".{name}.{os.getpid()}.old"
        if (root / name).exists():
            (root / name).rename(old)
        new.rename(root / name)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return found


def tested(model: torch.nn.Module, tokenizer: Any, n: int) -> dict[str, Measured]:
    """Scores on the test part, which training never saw, each with a 95 % interval over items."""
    found: dict[str, Measured] = {}
    for kind in ("yes-no", "claim"):
        items = passages.questions(n, kind, part="test", key="shipped")
        p = scoring.probabilities(model, tokenizer, items)
        right = torch.tensor([item.label for item in items])
        found[kind] = _share((p.argmax(1) == right).sum().item(), n)
        yes = (p[:, 0] / p.sum(1)).double()
        for word, label in (("true", 0), ("false", 1)):
            own = stats.mean_interval(yes[right == label].numpy())
            found[f"P(yes|{word}), {kind}"] = _measured(own)
    for kind in ("open", "who"):
        items = passages.questions(n, kind, part="test", key="shipped")
        found[kind] = _share(int(scoring.exact_match(model, tokenizer, items).sum()), n)
    for skill in skills.SKILLS:
        own_items = skills.questions(n // 4, skill, part="test", key="shipped")
        found[skill] = _share(int(scoring.exact_match(model, tokenizer, own_items).sum()), n // 4)
    told = skills.stories(n // 4, part="test", key="shipped")
    losses = scoring.text_loss(model, tokenizer, told).double().numpy()
    found["story, nats a token"] = _measured(stats.mean_interval(losses))
    return found


def require(name: str, scores: Mapping[str, Measured]) -> None:
    """Stop unless the model reads and answers softly. Raises GateNotMet with the figures."""
    figures = ", ".join(f"{what} {own['value']:.3f}" for what, own in scores.items())
    reads = all(scores[kind]["value"] >= pretrain.READS[kind] for kind in pretrain.READS)
    if not reads or not SOFT[0] <= scores["P(yes|true), yes-no"]["value"] <= SOFT[1]:
        raise GateNotMet(
            f"{name}: wanted {pretrain.READS} and P(yes|true) in {list(SOFT)} on the test part; got {figures}"
        )


def _inside(name: str, seed: int | None, device: str) -> int:
    torch.set_num_threads(1)  # more threads than that are not faster at this size
    root = shipped.root()
    root.mkdir(exist_ok=True)
    tempfile.TemporaryDirectory(dir=root).cleanup()  # may we write there? Asked before minutes of training
    try:
        found = make(name, SEEDS[name] if seed is None else seed, device, root)
    except (pretrain.NotLearned, GateNotMet) as error:
        print(f"not made: {error}", flush=True)
        return 1
    progress.note(f"{name}: made, yes-no {found['tested']['yes-no']['value']:.3f} on the test part")
    return 0


def _outside(name: str, rest: list[str]) -> int:
    """Train in a process of its own with one thread; pass its lines on, under the model's name."""
    settings = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "LG_PROGRESS": "/dev/stdout"}
    command = [sys.executable, "-m", "workflow.micro", name, "--inside", *rest]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **settings}
    ) as process:
        for line in process.stdout or ():
            print(f"[{name}] {line.rstrip()}", flush=True)
    return process.returncode


def _share(right: float, n: int) -> Measured:
    return _measured(stats.proportion_interval(int(right), n))


def _measured(found: Interval) -> Measured:
    return dict(value=found.estimate, low=found.low, high=found.high, n=found.n)


def _machine(device: str) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"one thread of {provenance.processor()}"


if __name__ == "__main__":
    with terminal.plainly("make models"):
        raise SystemExit(main())
