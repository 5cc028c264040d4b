"""The costs behind the models chapter, measured: `make bench` writes benchmarks/models.json.

Items a second of the micro-world, seconds to load a shipped model, tokens a second of training and yes-no
items a second of scoring, each beside plain transformers code that does the same, in one run. The floor is
the number of operations over the rate at which this machine multiplies matrices. One thread; `--device cuda`
on a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from synthetic import matmul_rate, rounded, seconds

from lglib.models import loading, shipped
from lglib.report import provenance
from lglib.tasks import scoring
from lglib.tasks.items import Item
from lglib.tasks.microworld import corpus, passages, pretrain

ROOT = Path(__file__).resolve().parent.parent
ROWS, LENGTH, SCORED = 18, 128, 512


def rate(work: Any, count: int, device: str, repeats: int = 5) -> dict[str, float]:
    """How many a second, from the median, with the least and the most."""
    took = seconds(work, device, repeats)
    return {
        "median": count / took["median"],
        "min": count / took["max"],
        "max": count / took["min"],
        "n": repeats,
    }


def generating(n: int = 20_000) -> dict[str, float]:
    """Items a second of yes-no questions of the test part, drawn and written out."""
    return rate(lambda: passages.questions(n, part="test", key=0), n, "cpu")


def training(family: str, device: str) -> dict[str, Any]:
    """Tokens a second of one step: ours, and plain transformers with AdamW, on the same batches."""
    tokenizer = loading.load(f"micro-{family}", device="cpu").tokenizer
    stream = corpus.batches(tokenizer, corpus.mixed(0, facts=(1, 4)), rows=ROWS, length=LENGTH)
    ours = pretrain.untrained(family, tokenizer, seed=0).to(device)
    plain = pretrain.untrained(family, tokenizer, seed=0).to(device)
    plain.set_attn_implementation("sdpa")  # what transformers takes by itself
    steppers = pretrain._optimizers(ours, alone=False)
    adam = torch.optim.AdamW(plain.parameters(), lr=1e-3)

    def our_step() -> None:
        batch = tuple(part.to(device) for part in next(stream))
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=pretrain._bfloat16(device)):
            value = pretrain.loss(ours, batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()

    def plain_step() -> None:
        tokens = next(stream)[0].to(device)
        plain(input_ids=tokens, labels=tokens).loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        adam.step()
        adam.zero_grad()

    tokens = ROWS * LENGTH
    weights = sum(p.numel() for n, p in ours.named_parameters() if p.ndim == 2 and "wpe" not in n)
    operations = 6 * weights + 12 * 4 * 128 * LENGTH / 2  # a token: 2 forward, 4 backward; and attention
    found = {"ours": rate(our_step, tokens, device), "plain": rate(plain_step, tokens, device)}
    return {**found, "operations a token": operations}


def scores_of(name: str, device: str) -> dict[str, Any]:
    """Yes-no items a second: ours, plain batches padded in the order given, and one at a time."""
    found = loading.load(name, device=device)
    model, tokenizer = found.model, found.tokenizer
    items = passages.questions(SCORED, part="test", key=0)
    yes, no = found.answer_ids((" yes", " no"))

    @torch.no_grad()
    def batches(size: int, chosen: list[Item]) -> torch.Tensor:
        rows = []
        for start in range(0, len(chosen), size):
            own = [item.prompt for item in chosen[start : start + size]]
            packed = tokenizer(own, return_tensors="pt", padding=True, padding_side="right").to(device)
            logits = model(**packed).logits
            last = packed.attention_mask.sum(1) - 1
            rows.append(logits[torch.arange(len(own)), last].softmax(-1)[:, [yes, no]].cpu())
        return torch.cat(rows)

    few = items[:64]
    gap = (scoring.probabilities(model, tokenizer, items) - batches(64, items)).abs().max().item()
    operations = 2 * sum(p.numel() for n, p in model.named_parameters() if p.ndim == 2 and "wpe" not in n)
    lengths = [len(tokenizer(item.prompt).input_ids) for item in items]
    return {
        "ours": rate(lambda: scoring.probabilities(model, tokenizer, items), SCORED, device),
        "plain, batches of 64": rate(lambda: batches(64, items), SCORED, device),
        "plain, one at a time": rate(lambda: batches(1, few), len(few), device),
        "largest difference of a probability": gap,
        "operations an item": operations * sum(lengths) / len(lengths),
    }


def main() -> int:
    """Measure everything and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    torch.set_num_threads(1)
    speed = matmul_rate(device)
    found: dict[str, Any] = {
        "machine": {
            "name": platform.machine(),
            "device": torch.cuda.get_device_name() if device == "cuda" else "CPU, 1 thread",
            "matmul, 10^9 operations a second": speed / 1e9,
            **provenance.versions(),
        },
        "micro-world, items a second": generating(),
        "seconds to load": {
            name: seconds(lambda name=name: loading.load(name, device=device), device)
            for name in shipped.NAMES
        },
    }
    for family in pretrain.FAMILIES:
        own = training(family, device)
        own["share of the matmul rate"] = own["ours"]["median"] * own["operations a token"] / speed
        found[f"training {family}, tokens a second"] = own
    own = scores_of("micro-gpt2", device)
    own["share of the matmul rate"] = own["ours"]["median"] * own["operations an item"] / speed
    found["scoring micro-gpt2, items a second"] = own
    text = json.dumps(rounded(found), indent=1)
    name = "models.json" if device == "cpu" else "models-cuda.json"
    (ROOT / "benchmarks" / name).write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
