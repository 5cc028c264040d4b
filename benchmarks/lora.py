"""The costs behind chapter 3, measured: `make bench` writes benchmarks/lora.json.

Candidates of LoRA adapters a second, one by one and stacked, on the shipped model and at GPT-2 size with
random weights; the share of the machine's matmul rate; the memory that a search takes when N grows; and what
a gradient costs in forward passes. One thread on a CPU; `--device cuda` on a GPU, into lora-cuda.json.
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
from synthetic import matmul_rate, rounded, seconds

from lglib.geometry.subspace import Subspace
from lglib.models import loading, lora
from lglib.report import provenance
from lglib.search import lora_candidates, proposals
from lglib.tasks import supervised
from lglib.tasks.microworld import lexicon, skills

ROOT = Path(__file__).resolve().parent.parent
K, ITEMS = 10, 32


def gpt2(folder: Path) -> str:
    """A model of GPT-2's shapes with random weights, in a folder as transformers writes it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    lexicon.tokenizer().save_pretrained(folder)
    return str(folder)


def operations(found: loading.LanguageModel, lesson: supervised.Lesson) -> float:
    """Multiplications and additions of one forward pass: 2 a weight and token, logits where they are read."""
    inner = sum(p.numel() for n, p in found.model.named_parameters() if p.ndim == 2 and "lora_" not in n)
    vocabulary = found.model.get_output_embeddings().weight.numel()
    rows, length = lesson.tokens.shape
    positions = sum(p.numel() for n, p in found.model.named_parameters() if n.endswith("wpe.weight"))
    return 2 * rows * (length * (inner - vocabulary - positions) + len(lesson.kept) * vocabulary)


def searching(name: str, device: str, rate: float, n: int, chunks: list[int]) -> dict[str, Any]:
    """Candidates a second, loop and stacked, at the two adapter shapes."""
    result: dict[str, Any] = {}
    for r, targets in ((4, "attention"), (8, "linear")):
        found = loading.load(name, device=device)
        adapter = lora.attach(found, r, targets)
        drawn = skills.questions(ITEMS, "plural", part="test", key=0)
        lesson = supervised.lesson(found.tokenizer, drawn, device=device)
        basis = Subspace.random(adapter.space.d, K, 0, dtype=torch.float32, device=device)
        u = proposals.within(basis, 0, "benchmark")

        def work(
            method: str, chunk: int, adapter: Any = adapter, lesson: Any = lesson, u: Any = u
        ) -> lora_candidates.Tries:
            asked = dict(norm=1.0, candidates=n, method=method, chunk=chunk)
            return lora_candidates.run(adapter, lesson, u, **asked)

        loop = work("loop", 1)
        took = {"loop": seconds(lambda work=work: work("loop", 1), device)}
        for chunk in chunks:
            stacked = work("stacked", chunk)
            worst = abs(loop.losses - stacked.losses).max()
            took[f"stacked {chunk}"] = seconds(lambda work=work, c=chunk: work("stacked", c), device)
            took[f"stacked {chunk}"]["largest difference of a loss, nats"] = float(worst)
        floor = operations(found, lesson) / rate
        own = {
            way: {
                "candidates a second": n / t["median"],
                "least": n / t["max"],
                "most": n / t["min"],
                "n": t["n"],
                "times the loop": took["loop"]["median"] / t["median"],
                "share of the matmul rate": floor * n / t["median"],
                **{k: v for k, v in t.items() if "difference" in k},
            }
            for way, t in took.items()
        }
        result[f"r = {r}, {targets}, d = {adapter.space.d}"] = own
    return result


def peak_of(n: int, folder: str) -> None:
    """Print the peak memory in MB that a search of n candidates adds, in this process, at GPT-2 size."""
    adapter = lora.attach(loading.load(folder, device="cpu"), 8, "linear")
    drawn = skills.questions(2, "plural", part="test", key=0)
    lesson = supervised.lesson(adapter.base.tokenizer, drawn)
    u = proposals.everywhere_by_tensor(adapter.space, 0)
    lora_candidates.run(adapter, lesson, u, norm=1.0, candidates=1, chunk=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lora_candidates.run(adapter, lesson, u, norm=1.0, candidates=n, chunk=8)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, adapter.space.d)


def memory(folder: str) -> dict[str, float]:
    """Peak memory of a search by N, each in a fresh process: it must not grow with N d."""
    found: dict[str, float] = {}
    for n in (8, 64):
        command = [sys.executable, __file__, "--peak", str(n), "--folder", folder]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        found[f"N = {n}, peak MB"] = float(text[0])
        found[f"N d at N = {n}, MB"] = n * float(text[1]) * 4 / 1e6
    return found


def costs(device: str) -> dict[str, Any]:
    """What a gradient and a step of training cost in forward passes, on the shipped model."""
    found = loading.load("micro-gpt2", device=device)
    adapter = lora.attach(found, 4)
    drawn = skills.questions(16, "sort", part="test", key=0)
    lesson = supervised.lesson(found.tokenizer, drawn, device=device)
    space = adapter.space
    forward = seconds(lambda: [space.loss(supervised.loss, lesson) for _ in range(20)], device)
    backward = seconds(lambda: [space.gradient(supervised.loss, lesson) for _ in range(20)], device)
    ratio = backward["median"] / forward["median"]
    return {"forward, 20 passes": forward, "gradient, 20": backward, "gradient / forward": ratio}


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--peak", type=int)
    parser.add_argument("--folder", default="")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.peak:
        peak_of(asked.peak, asked.folder)
        return 0
    if asked.device == "cpu":
        torch.set_num_threads(1)
    speed, cuda = matmul_rate(asked.device), asked.device == "cuda"
    with tempfile.TemporaryDirectory() as folder:
        large = gpt2(Path(folder))
        found = {
            "machine": {
                "name": platform.machine(),
                "device": torch.cuda.get_device_name() if cuda else "CPU, 1 thread",
                "matmul, 10^9 operations a second": speed / 1e9,
                **provenance.versions(),
            },
            "micro-gpt2": searching("micro-gpt2", asked.device, speed, 64, [4, 8, 16]),
            "GPT-2 size, random weights": searching(
                large, asked.device, speed, *((256, [16, 64, 128]) if cuda else (8, [4, 8]))
            ),
            "memory at GPT-2 size": memory(large),
            "cost of a gradient": costs(asked.device),
        }
    text = json.dumps(rounded(found), indent=1)
    name = "lora-cuda.json" if cuda else "lora.json"
    (ROOT / "benchmarks" / name).write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
