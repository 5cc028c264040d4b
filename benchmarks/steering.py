"""The costs behind chapter 5, measured: `make bench` writes benchmarks/steering.json.

CAA vectors as the chapter makes them (positive and negative texts in one batch, the pass stopped behind the
last layer needed, only the read position kept) against the usual way (two whole passes a batch, all
positions of all layers kept until the end): time, memory added, and that the vectors are the same. And what
J_h u and J_h^T v cost in forward passes. One thread on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lora import gpt2
from synthetic import matmul_rate, rounded, seconds

from lglib.activations import pushforward, residual, steering
from lglib.models import loading
from lglib.report import provenance
from lglib.search import random_search
from lglib.tasks import splits
from lglib.tasks.items import Item

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16


@torch.no_grad()
def usual(found: loading.LanguageModel, items: list[Item], layer: int, how: str) -> torch.Tensor:
    """The CAA vector of a layer as public libraries make it: everything recorded, then the mean."""
    positive, negative = steering.CAA_TEXTS[how](items)
    layers = list(range(1, len(found.blocks) + 1))
    kept: list[tuple[dict[int, torch.Tensor], torch.Tensor, int]] = []
    for start in range(0, len(positive), BATCH):
        for sign, texts in ((1, positive), (-1, negative)):
            read = residual.encode(found, texts[start : start + BATCH])
            with residual.watch(found, layers) as seen:
                found.model(input_ids=read.tokens, use_cache=False)
            kept.append((dict(seen), read.at, sign))
    total = sum(sign * seen[layer][torch.arange(len(at)), at].sum(0) for seen, at, sign in kept)
    return torch.as_tensor(total) / len(positive)


def ours(found: loading.LanguageModel, items: list[Item], layer: int, how: str) -> torch.Tensor:
    """The CAA vector of a layer as the chapter makes it, with as many texts at a time."""
    return steering.caa(found, items, [layer], how, batch=2 * BATCH).mean[0]


def questions(found: loading.LanguageModel, n: int) -> list[Item]:
    """Answered questions of different lengths, as many true as false."""
    return splits.draw(found, "yes-no", size=n, seed=0).parts["extract"]


def extraction(name: str, n: int, repeats: int) -> dict[str, Any]:
    """Both ways in turn, at a middle layer and at the last."""
    found = loading.load(name, device="cpu")
    items, result = questions(found, n), {}
    for where, layer in (("middle layer", len(found.blocks) // 2), ("last layer", len(found.blocks))):
        for how in ("true - false", "answer token"):
            one, other = (way(found, items, layer, how) for way in (ours, usual))
            took = {
                way.__name__: seconds(
                    lambda way=way, layer=layer, how=how: way(found, items, layer, how), "cpu", repeats
                )
                for way in (usual, ours)
            }
            result[f"{how}, {where} ({layer})"] = {
                **took,
                "times as fast": took["usual"]["median"] / took["ours"]["median"],
                "largest difference / length": float((one - other).abs().max() / other.norm()),
            }
    return result


def peak_of(way: str, folder: str, n: int) -> None:
    """Print the peak memory in MB that one extraction adds, in this process."""
    found = loading.load(folder, device="cpu")
    items = questions(found, n)
    make = {"usual": usual, "ours": ours}[way]
    make(found, items[:4], len(found.blocks) // 2, "answer token")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    make(found, items, len(found.blocks) // 2, "answer token")
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def memory(folder: str) -> dict[str, float]:
    """Memory that an extraction adds at GPT-2 size, each in a fresh process, for two numbers of questions."""
    found = {}
    for n in (8, 32):
        for way in ("usual", "ours"):
            command = [sys.executable, __file__, "--peak", way, "--folder", folder, "--n", str(n)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[f"{way}, {2 * n} questions, MB"] = float(text)
    return found


def products(name: str) -> dict[str, Any]:
    """J_h u and J_h^T v in forward passes over the same texts."""
    found = loading.load(name, device="cpu")
    space = pushforward.of_blocks(found)
    texts = [item.prompt for item in questions(found, 24)]
    h = pushforward.Pushforward(found, space, residual.encode(found, texts), (len(found.blocks),))
    u = random_search.noise(space, 0, 0)
    v = torch.ones_like(h.values())
    pull = h.pull()
    took = {
        "forward": seconds(h.values, "cpu"),
        "J u": seconds(lambda: h.push(u), "cpu"),
        "J^T v, graph kept": seconds(lambda: pull(v), "cpu"),
        "J^T v, graph made": seconds(lambda: h.pull()(v), "cpu"),
    }
    base = took["forward"]["median"]
    return took | {f"{k} / forward": t["median"] / base for k, t in took.items() if k != "forward"}


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peak", default="")
    parser.add_argument("--folder", default="")
    parser.add_argument("--n", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if asked.peak:
        peak_of(asked.peak, asked.folder, asked.n)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        large = gpt2(Path(folder))
        found = {
            "machine": {
                "name": platform.machine(),
                "device": "CPU, 1 thread",
                "matmul, 10^9 operations a second": matmul_rate("cpu") / 1e9,
                **provenance.versions(),
            },
            "CAA, micro-gpt2, 192 questions": extraction("micro-gpt2", 96, 5),
            "CAA, GPT-2 size, random weights, 16 questions": extraction(large, 8, 3),
            "memory added at GPT-2 size": memory(large),
            "products, micro-gpt2": products("micro-gpt2"),
        }
    text = json.dumps(rounded(found), indent=1)
    (ROOT / "benchmarks" / "steering.json").write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
