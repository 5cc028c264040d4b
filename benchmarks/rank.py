"""The costs behind chapter 4, measured: `make bench` writes benchmarks/rank.json.

The exact Gram matrix of 128 per-example gradients on micro-gpt2, ours and by the ways of others, each in a
process of its own so that its peak memory is its own; sketches beside it; Hessian-vector products against
curvlinops; and the memory plan of Qwen2.5-0.5B's shapes against what a run takes. One thread on a CPU;
`--device cuda` on a GPU, into rank-cuda.json, with n = 256 at the large shapes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from synthetic import matmul_rate, rounded, seconds

from lglib.geometry import spectra
from lglib.models import loading
from lglib.parameters import double, gram, memory, per_example, sketches
from lglib.parameters.space import ParameterSpace
from lglib.report import provenance
from lglib.studies.rank import directions
from lglib.tasks import data, supervised
from lglib.tasks.microworld import lexicon

ROOT = Path(__file__).resolve().parent.parent
N = 128


def asked(device: str) -> tuple[ParameterSpace, supervised.Lesson]:
    """The shipped model and N yes-no questions."""
    found = loading.load("micro-gpt2", device=device)
    return ParameterSpace(found.model), supervised.lesson(
        found.tokenizer, data.micro(N, "yes-no"), device=device
    )


class Losses(nn.Module):
    """Tokens to one loss an example: the signature that curvlinops wants."""

    def __init__(self, model: nn.Module, lesson: supervised.Lesson) -> None:
        super().__init__()
        self.model, self.lesson = model, lesson

    def forward(self, tokens: Tensor) -> Tensor:
        """Losses (n, 1)."""
        return gram.item_losses(self.model, self.lesson._replace(tokens=tokens))[:, None]


class Mean(nn.Module):
    """The mean of losses as a loss function with targets that it does not need."""

    reduction = "mean"

    def forward(self, losses: Tensor, _: Tensor) -> Tensor:
        """Mean loss."""
        return losses.mean()


def ours(space: ParameterSpace, lesson: supervised.Lesson) -> Tensor:
    """By blocks, in one pass."""
    return gram.grams(space, lesson).total


def stacked(space: ParameterSpace, lesson: supervised.Lesson) -> Tensor:
    """A loop of single backward passes, stacked to (n, d) and multiplied."""
    rows = []
    for i in range(N):
        found = torch.autograd.grad(_one(space, lesson, i), space.parameters())
        rows.append(torch.cat([g.reshape(-1) for g in found]))
    matrix = torch.stack(rows)
    return (matrix @ matrix.T).double().cpu()


def _one(space: ParameterSpace, lesson: supervised.Lesson, i: int) -> Tensor:
    at = lesson.kept[lesson.place[i : i + 1]]
    kept, place = at.unique(return_inverse=True)
    one = supervised.Lesson(
        lesson.tokens[i : i + 1], kept, place, lesson.targets[i : i + 1], lesson.there[i : i + 1]
    )
    return supervised.loss(space.module, one)


def torchjd(space: ParameterSpace, lesson: supervised.Lesson) -> Tensor:
    """The Gramian engine of torchjd."""
    from torchjd.autogram import Engine

    engine = Engine(space.module, batch_dim=0)
    n, length = lesson.tokens.shape
    rows = torch.arange(n, device=space.device)[:, None]
    places = torch.arange(length, device=space.device).expand(n, length)  # or positions count as one example
    told = dict(position_ids=places, use_cache=False, logits_to_keep=lesson.kept)
    logits = space.module(input_ids=lesson.tokens, **told).logits[rows, lesson.place]
    return engine.compute_gramian(supervised.losses(logits, lesson)).double().cpu()


def curvlinops(space: ParameterSpace, lesson: supervised.Lesson) -> Tensor:
    """The transposed Jacobian of curvlinops times the identity, multiplied with itself."""
    from curvlinops import TransposedJacobianLinearOperator

    model = Losses(space.module, lesson)
    wanted = [(lesson.tokens, lesson.targets)]
    operator = TransposedJacobianLinearOperator(
        model, list(model.parameters()), wanted, check_deterministic=False
    )
    rows = operator @ torch.eye(N, device=space.device)
    return (rows.T @ rows).double().cpu()


def sketched(kind: str, m: int) -> Callable[[ParameterSpace, supervised.Lesson], Tensor]:
    """A sketch in R^m in place of the exact products."""

    def work(space: ParameterSpace, lesson: supervised.Lesson) -> Tensor:
        sketch = sketches.Sketch(kind, m=m, d=space.d, seed=0)
        per_example.per_example_gradients(space, gram.item_losses, lesson, N, sketch)
        return sketch.gram

    return work


WAYS: dict[str, Callable[[ParameterSpace, supervised.Lesson], Tensor]] = {
    "lglib, by blocks": ours,
    "loop, stacked": stacked,
    "torchjd": torchjd,
    "curvlinops": curvlinops,
    "CountSketch, m = 512": sketched("countsketch", 512),
    "dense sketch, m = 512": sketched("dense", 512),
}


def forget_peak() -> None:
    """Let the process's peak memory begin anew at what it holds now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Peak memory of this process since then, in MB."""
    told = Path("/proc/self/status").read_text()
    return int(told.split("VmHWM:")[1].split()[0]) / 1024


def run_way(name: str, device: str) -> None:
    """One way in this process: prints seconds, peak memory beyond the start, and its error."""
    space, lesson = asked(device)
    forget_peak()
    before = peak()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    began = time.perf_counter()
    try:
        found = WAYS[name](space, lesson)
    except Exception as error:  # another library may fail in any way: that is the result
        print(json.dumps({"failed": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}))
        return
    first = time.perf_counter() - began
    extra = (torch.cuda.max_memory_allocated() - held) / 2**20 if device == "cuda" else peak() - before
    took = {"median": first, "min": first, "max": first, "n": 1}
    if first < 20:
        took = seconds(lambda: WAYS[name](space, lesson), device, 5)
    exact = gram.grams(space, lesson).total
    error = ((found - exact).norm() / exact.norm()).item()
    print(json.dumps({**took, "peak MB": extra, "relative difference from lglib": error}))


def hessian(device: str, rate: float) -> dict[str, Any]:
    """A Hessian-vector product over all weights, ours and curvlinops's, against central differences."""
    space, lesson = asked(device)
    v = directions.unit(torch.randn(space.d, generator=torch.Generator().manual_seed(0)).to(device))
    product = space.hvp_operator(supervised.loss, lesson)
    reference = loading.load("micro-gpt2", dtype="float64", device=device)
    wide, sides = ParameterSpace(reference.model), []
    theta, h = wide.flatten(), 1e-4
    with double.Throughout():
        for sign in (1, -1):
            with wide.at(theta + sign * h * v.double()):
                sides.append(wide.gradient(supervised.loss, lesson))
    truth = (sides[0] - sides[1]) / (2 * h)

    def off(x: Tensor) -> float:
        return ((x.double() - truth).norm() / truth.norm()).item()

    floor = 9 * 2 * space.d * lesson.tokens.numel() / rate
    found: dict[str, Any] = {
        "floor, seconds": floor,
        "lglib, one product": seconds(lambda: product(v), device),
        "lglib, relative error": off(product(v)),
    }
    try:
        from curvlinops import HessianLinearOperator
    except ImportError:
        return {**found, "curvlinops": "not installed"}

    model = Losses(space.module, lesson)
    try:
        operator = HessianLinearOperator(
            model,
            Mean(),
            list(model.parameters()),
            [(lesson.tokens, lesson.targets)],
            check_deterministic=False,
        )
        found["curvlinops, one product"] = seconds(lambda: operator @ v, device)
        found["curvlinops, relative error"] = off(operator @ v)
    except Exception as error:
        found["curvlinops"] = f"failed: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return found


def large(device: str, n: int, length: int) -> None:
    """Plan and run at Qwen2.5-0.5B's shapes with random weights, in this process; prints both."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    shape = dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14)
    config = Qwen2Config(vocab_size=151936, num_key_value_heads=2, tie_word_embeddings=True, **shape)
    with tempfile.TemporaryDirectory() as folder:
        model = Qwen2ForCausalLM(config)
        model.save_pretrained(folder)
        del model
        lexicon.tokenizer().save_pretrained(folder)
        found = loading.load(folder, device=device, dtype="float32", answers=())
    space = ParameterSpace(found.model)
    tokens = torch.randint(151936, (n, length), generator=torch.Generator().manual_seed(1)).to(device)
    last = torch.tensor([length - 2], device=device)
    rest = (torch.zeros(n, 1, dtype=torch.long, device=device), tokens[:, -1:])
    lesson = supervised.Lesson(tokens, last, *rest, torch.ones(n, 1, dtype=torch.bool, device=device))
    one = supervised.Lesson(*(x if x is last else x[:1] for x in lesson))
    kept = dict(tokens=length, blocks=found.blocks)
    planned = memory.memory_estimate(space, gram.item_losses, one, n, **kept)
    full = memory.memory_estimate(space, gram.item_losses, one, n, tokens=length)
    planned.require(memory.free_memory(found.device))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    forget_peak()  # what is left: the weights, and some 0.4 GB of interpreter and libraries
    before = peak() * 2**20
    began = time.perf_counter()
    result = gram.grams(space, lesson, blocks=found.blocks)
    took = time.perf_counter() - began
    beside = planned.total - memory.SPARE * planned.parts["weights"]
    if device == "cuda":
        took_memory = torch.cuda.max_memory_allocated() - planned.parts["weights"]
    else:
        took_memory = peak() * 2**20 - before
    far = memory.memory_estimate(space, gram.item_losses, one, 256, **kept)
    print(
        json.dumps(
            {
                "d": space.d,
                "n": n,
                "tokens": length,
                "seconds": took,
                "weights, GB": planned.parts["weights"] / 1e9,
                "peak beside the weights, GB": took_memory / 1e9,
                "planned beside the weights, GB": beside / 1e9,
                "planned GB without dropping activations": full.total / 1e9,
                "n d in float32, GB": 4e-9 * n * space.d,
                "operations, 10^9": planned.operations / 1e9,
                "participation ratio": spectra.spectrum(result.total).participation_ratio,
                "planned GB at n = 256": far.total / 1e9,
                "operations at n = 256, 10^9": far.operations / 1e9,
            }
        )
    )


def alone(*command: str) -> dict[str, Any]:
    """Run a part of this script in a fresh process and read what it prints."""
    done = subprocess.run(
        [sys.executable, __file__, *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--way", choices=list(WAYS))
    parser.add_argument("--large", nargs=2, type=int)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    cuda = given.device == "cuda"
    if not cuda:
        torch.set_num_threads(1)
    if given.way:
        run_way(given.way, given.device)
        return 0
    if given.large:
        large(given.device, *given.large)
        return 0
    rate = matmul_rate(given.device)
    space, lesson = asked(given.device)
    passes, products = 4 * space.d * lesson.tokens.numel(), N * N * space.d
    where = ("--device", given.device)
    found = {
        "machine": {
            "name": platform.machine(),
            "device": torch.cuda.get_device_name() if cuda else "CPU, 1 thread",
            "matmul, 10^9 operations a second": rate / 1e9,
            **provenance.versions(),
        },
        f"Gram matrix, n = {N}, micro-gpt2": {
            "floor: passes and half of the products, seconds": (passes + products) / rate,
            "floor: the gradients written once, MB": 4e-6 * N * space.d,
            **{name: alone("--way", name, *where) for name in WAYS},
        },
        "Hessian product": hessian(given.device, rate),
        "Qwen2.5-0.5B shapes": alone("--large", *(("256", "64") if cuda else ("16", "32")), *where),
    }
    text = json.dumps(rounded(found), indent=1)
    (ROOT / "benchmarks" / ("rank-cuda.json" if cuda else "rank.json")).write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
