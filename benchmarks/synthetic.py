"""The costs behind chapter 2, measured: `make bench` writes benchmarks/synthetic.json.

Candidates per second three ways, a gradient matrix two ways, Hessian-vector products against curvlinops, and
captures at d = 10^5 and 10^7 with their peak memory. Each figure stands beside a floor: the operations needed
over the rate at which this machine multiplies matrices. One thread on a CPU; `--device cuda` on a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from lglib.geometry.subspace import Subspace
from lglib.parameters.space import ParameterSpace
from lglib.report import provenance
from lglib.search import candidates
from lglib.studies.synthetic import transformer
from lglib.tasks import synthetic

ROOT = Path(__file__).resolve().parent.parent
BATCH, K = 64, 10


def seconds(work: Callable[[], Any], device: str, repeats: int = 5) -> dict[str, float]:
    """Median, least and most seconds of a call, after one call that is not counted."""
    times = []
    for i in range(repeats + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if i:
            times.append(time.perf_counter() - started)
    return {"median": median(times), "min": min(times), "max": max(times), "n": repeats}


def matmul_rate(device: str, size: int = 1024) -> float:
    """Operations a second of one float32 matrix product, the fastest of ten."""
    a = torch.randn(size, size, device=device)
    return 2 * size**3 / seconds(lambda: a @ a, device, 10)["min"]


def forward_operations(space: ParameterSpace, tokens: int, length: int) -> float:
    """Multiplications and additions of one forward pass: 2 a weight and token, plus attention scores."""
    weights = sum(p.numel() for p in space.parameters() if p.ndim == 2)
    config = space.module.config
    attention = 4 * length * config.n_embd * config.n_layer
    return tokens * (2 * weights + attention)


class Pure(nn.Module):
    """Inputs to logits, the signature that curvlinops wants."""

    def __init__(self, model: nn.Module, length: int) -> None:
        super().__init__()
        self.model, self.length = model, length

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of the answer tokens, (n L, vocabulary)."""
        return self.model(input_ids=tokens, logits_to_keep=self.length).logits.flatten(0, 1)


def of_candidates(
    space: ParameterSpace, batch: torch.Tensor, device: str, rate: float, n: int
) -> dict[str, Any]:
    """Candidates a second by each way, and the floor."""
    theta = space.flatten()
    directions = torch.randn(n, space.d, device=device)

    def run(method: str, chunk: int) -> list[list[float]]:
        points = (theta + 0.01 * u for u in directions)
        return list(candidates.losses(space, transformer.loss, points, [batch], method=method, chunk=chunk))

    operations = forward_operations(space, batch.shape[0] * (batch.shape[1] - 1), batch.shape[1] - 1)
    found: dict[str, Any] = {
        "floor, candidates a second": rate / operations,
        "rule picks": candidates.pick("auto", space.device),
    }
    for name, method, chunk in (
        ("loop", "loop", 1),
        ("functional_call", "functional", 1),
        ("vmap, 16", "vmap", 16),
        ("vmap, 64", "vmap", 64),
    ):
        took = seconds(lambda m=method, c=chunk: run(m, c), device)
        found[name] = {
            "candidates a second": n / took["median"],
            "share of the floor": n / took["median"] / (rate / operations),
            **took,
        }
    reference = torch.tensor(run("loop", 1))
    found["largest difference to the loop, relative"] = max(
        ((torch.tensor(run(m, 16)) - reference).abs() / reference).max().item()
        for m in ("functional", "vmap")
    )
    return found


def of_gradients(space: ParameterSpace, device: str, rate: float, n: int) -> dict[str, Any]:
    """A matrix of n minibatch gradients: one after the other, and vmap over grad."""
    batches = [synthetic.draw("sort", 32, part="train", key=i).to(device) for i in range(n)]
    stacked = torch.stack(batches)
    named = {name: p.detach() for name, p in space.module.named_parameters()}

    class Loss(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return transformer.loss(self.module, batch)

    whole = Loss(space.module)
    named = {f"module.{name}": value for name, value in named.items()}
    each = vmap(grad(lambda p, b: functional_call(whole, p, (b,))), in_dims=(None, 0), chunk_size=16)
    operations = 3 * n * forward_operations(space, 32 * (stacked.shape[2] - 1), stacked.shape[2] - 1)
    return {
        "gradients": n,
        "floor, seconds": operations / rate,
        "loop (gradient_matrix)": seconds(lambda: space.gradient_matrix(transformer.loss, batches), device),
        "vmap over grad, 16 at a time": seconds(lambda: each(named, stacked), device),
    }


def of_hessian(space: ParameterSpace, batch: torch.Tensor, device: str, rate: float) -> dict[str, Any]:
    """One Hessian-vector product by our operator and by curvlinops, and both against central differences."""
    v = torch.randn(space.d, device=device)
    v /= v.norm()
    product = space.hvp_operator(transformer.loss, batch)
    operations = 9 * forward_operations(space, batch.shape[0] * (batch.shape[1] - 1), batch.shape[1] - 1)
    found: dict[str, Any] = {
        "floor, seconds": operations / rate,
        "build the operator": seconds(lambda: space.hvp_operator(transformer.loss, batch), device),
        "lglib, one product": seconds(lambda: product(v), device),
    }
    double = ParameterSpace(transformer.build(width=64, seed=0).double().to(device))
    double.load(space.flatten().double())
    theta, h, w = double.flatten(), 1e-5, v.double()
    sides = []
    for sign in (1, -1):
        with double.at(theta + sign * h * w):
            sides.append(double.gradient(transformer.loss, batch))
    truth = (sides[0] - sides[1]) / (2 * h)

    def off(x: torch.Tensor) -> float:
        return ((x.double() - truth).norm() / truth.norm()).item()

    found["lglib, relative error"] = off(product(v))
    try:
        from curvlinops import HessianLinearOperator
    except ImportError:
        found["curvlinops"] = "not installed"
        return found
    length = batch.shape[1] // 2 - 1
    data = [(batch[:, :-1], batch[:, -length:].flatten())]
    model = Pure(space.module, length)
    operator = HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), data, check_deterministic=False
    )
    found["curvlinops, one product"] = seconds(lambda: operator @ v, device)
    found["curvlinops, relative error"] = off(operator @ v)
    return found


def capture_once(d: int, points: int) -> None:
    """Prefix and capture of a walk, in a process of its own; prints seconds and memory."""
    walk = torch.randn(points, d)
    torch.cumsum(walk, 0, out=walk)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def work() -> float:
        return Subspace.prefix(walk, K).capture(walk[-1] - walk[0])

    took = seconds(work, "cpu", 3)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    basis = torch.empty(K, d)
    floor = seconds(lambda: basis.copy_(walk[:K]), "cpu", 3)
    beyond = max(0, after - before) / 1024
    print(
        json.dumps({**took, "floor: one pass over k d numbers": floor["min"], "MB beyond the points": beyond})
    )


def of_captures() -> dict[str, Any]:
    """Captures at two sizes, each in a fresh process, so that peak memory is its own."""
    found = {}
    for d, points in ((10**5, 201), (10**7, 61)):
        command = [sys.executable, __file__, "--capture", str(d), str(points)]
        text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
        one = json.loads(text)
        one["points"] = points
        one["k d, MB in float32"] = K * d * 4 / 2**20
        found[f"d = {d:,}"] = one
    return found


def rounded(x: Any) -> Any:
    """Three significant digits are enough for a benchmark."""
    if isinstance(x, dict):
        return {key: rounded(value) for key, value in x.items()}
    return float(f"{x:.3g}") if isinstance(x, float) else x


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--machine", default="", help="name of the machine, for the record")
    parser.add_argument("--capture", nargs=2, type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.capture:
        capture_once(*asked.capture)
        return
    device = asked.device
    rate = matmul_rate(device)
    space = ParameterSpace(transformer.build(width=64, seed=0).to(device))
    batch = synthetic.draw("sort", BATCH, part="train", key=0).to(device)
    found: dict[str, Any] = {
        "machine": {
            "name": asked.machine or platform.machine(),
            "device": torch.cuda.get_device_name()
            if device == "cuda"
            else f"CPU, {torch.get_num_threads()} thread",
            "matmul, 10^9 operations a second": rate / 1e9,
            **provenance.versions(),
        },
        "parameters": space.d,
        "batch": BATCH,
        "candidates": of_candidates(space, batch, device, rate, 256 if device == "cpu" else 4096),
        "gradient matrix": of_gradients(space, device, rate, 64),
        "Hessian-vector product": of_hessian(space, batch, device, rate),
    }
    if device == "cpu":
        found["capture"] = of_captures()
    text = json.dumps(rounded(found), indent=1)
    name = "synthetic.json" if device == "cpu" else "synthetic-cuda.json"
    (ROOT / "benchmarks" / name).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
