"""`make models`: train the shipped models from scratch, gate them, write each whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from lglib import answers, microskills, microworld, pretrain, progress, provenance, shipped, stats
from lglib.stats import Interval

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
    model, tokenizer = trained.model.cpu().float(), trained.tokenizer
    tested = test(model, tokenizer)
    require(name, tested)
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
            recipe=provenance.library_hash(["pretrain"]),
            tested=tested,
            curve=trained.curve,
        )
        for path in new.iterdir():
            path.chmod(0o644)  # safetensors writes for its owner only
        found["files"] = {path.name: shipped.sha256(path) for path in sorted(new.iterdir())}
        (new / "README.md").write_text(card(found), encoding="utf-8")
        (new / shipped.MANIFEST).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        old = root / f".{name}.{os.getpid()}.old"
        if (root / name).exists():
            (root / name).rename(old)
        new.rename(root / name)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return found


def test(model: torch.nn.Module, tokenizer: Any, n: int = TESTED) -> dict[str, Measured]:
    """Scores on the test part, which training never saw, each with a 95 % interval over items."""
    found: dict[str, Measured] = {}
    for kind in ("yes-no", "claim"):
        items = microworld.questions(n, kind, part="test", key="shipped")
        p = answers.probabilities(model, tokenizer, items)
        right = torch.tensor([item.label for item in items])
        found[kind] = _share((p.argmax(1) == right).sum().item(), n)
        yes = (p[:, 0] / p.sum(1)).double()
        for word, label in (("true", 0), ("false", 1)):
            own = stats.mean_interval(yes[right == label].numpy())
            found[f"P(yes|{word}), {kind}"] = _measured(own)
    for kind in ("open", "who"):
        items = microworld.questions(n, kind, part="test", key="shipped")
        found[kind] = _share(int(answers.exact_match(model, tokenizer, items).sum()), n)
    for skill in microskills.SKILLS:
        own_items = microskills.questions(n // 4, skill, part="test", key="shipped")
        found[skill] = _share(int(answers.exact_match(model, tokenizer, own_items).sum()), n // 4)
    told = microskills.stories(n // 4, part="test", key="shipped")
    losses = answers.text_loss(model, tokenizer, told).double().numpy()
    found["story, nats a token"] = _measured(stats.mean_interval(losses))
    return found


def require(name: str, tested: Mapping[str, Measured]) -> None:
    """Stop unless the model reads and answers softly. Raises GateNotMet with the figures."""
    figures = ", ".join(f"{what} {own['value']:.3f}" for what, own in tested.items())
    reads = all(tested[kind]["value"] >= pretrain.READS[kind] for kind in pretrain.READS)
    if not reads or not SOFT[0] <= tested["P(yes|true), yes-no"]["value"] <= SOFT[1]:
        raise GateNotMet(
            f"{name}: wanted {pretrain.READS} and P(yes|true) in {list(SOFT)} on the test part; got {figures}"
        )


def card(found: Measured) -> str:
    """The model card, in Markdown."""
    rows = "\n".join(
        f"| {what.replace('|', ' given ')} | {own['value']:.3f} | {own['low']:.3f} to {own['high']:.3f} | {own['n']} |"
        for what, own in found["tested"].items()
    )
    known = ", ".join(f"{name} {found['tested'][name]['value']:.2f}" for name in microskills.TABLES)
    stages = "\n".join(
        f"| {stage.name} | {rows_[-1]['step']} | {rows_[-1]['seconds']:.0f} |"
        for stage in pretrain.STAGES
        if (rows_ := [row for row in found["curve"] if row["stage"] == stage.name])
    )
    return f"""---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [micro-world, synthetic, interpretability]
---

# {found["name"]}

A language model of {found["parameters"]:,} parameters ({found["family"]} architecture, 4 blocks of width 128, 4 heads,
context 128, 4 bytes a number) that reads short passages about a small made-up world and answers questions on
them. It stands in for a large model where there is no GPU and no hub. It knows nothing of the real world.

## Data

Text made by `lglib.microworld`, `lglib.microskills` and `lglib.corpus` from seed {found["seed"]}: passages of one to four facts
with yes-no questions, claims and open questions, rows of words to repeat, nine small skills, plain stories. No
text of other people. Passages, stories and the inputs of sort, reverse and repeat are split into train (eight
tenths), validation and test by a hash of their content. The other skills are small tables that the model
knows by heart.

## Recipe

`make models NAMES={found["name"]}` (`lglib.pretrain`), {found["tokens"]:,} tokens, {found["seconds"]:,} seconds on {found["machine"]}.
Muon on the matrices of the blocks, AdamW on the rest. Each stage ends when its gate on validation items is met:

| stage | steps | seconds since the start |
| --- | --- | --- |
{stages}

In the last stage a tenth of the yes and no of the training text is wrong. That keeps the answers right and makes them
soft: a model that is sure to five digits has no gradient left to study.

## Measured on the test part

| what | value | 95 % interval over items | n |
| --- | --- | --- | --- |
{rows}

P(yes) is relative to yes and no. Tables known by heart, the same items in every part: {known}.

## Limits

One training run, one seed. Only the sentence forms of the micro-world are understood; other words are read as bytes
and mean nothing. Findings on it say what can happen in a transformer, not what does happen in a large one.

## Files

SHA-256 of `model.safetensors`: `{found["files"]["model.safetensors"]}`. `lglib.models.load` checks every file.
"""


def _inside(name: str, seed: int | None, device: str) -> int:
    torch.set_num_threads(1)  # more threads than that are not faster at this size
    root = shipped.root()
    root.mkdir(exist_ok=True)
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
    known = Path("/proc/cpuinfo")
    names = (
        [line for line in known.read_text().splitlines() if line.startswith("model name")]
        if known.is_file()
        else []
    )
    return f"one thread of {names[0].partition(':')[2].strip() if names else platform.machine()}"


if __name__ == "__main__":
    raise SystemExit(main())
