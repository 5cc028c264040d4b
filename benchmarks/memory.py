"""What work takes of memory, measured, beside the two estimates: `make bench` writes benchmarks/memory.json.

Tiny models of five families with random weights, of a few hundred MB, and with `--folder` a model of one's
own. Each model has a process of its own, whose high-water mark is set back before each work; what the
libraries took before the model was there is taken off. Linux only. The measured estimate
(`parameters.memory`) is made from one item, the other (`base.footprint`) from the shapes alone.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from synthetic import rounded

from lglib.activations.pushforward import Pushforward, of_blocks
from lglib.activations.residual import of_lesson
from lglib.base import chunks, footprint
from lglib.models import lora
from lglib.models.loading import LanguageModel
from lglib.parameters import gram, memory
from lglib.parameters.space import ParameterSpace
from lglib.report import provenance
from lglib.search import lora_candidates
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

ROOT = Path(__file__).resolve().parent.parent
WORKS = ("gradient", "gram", "hessian", "pushforward", "candidates")
FEW = 1e9  # bytes that count as free where chunks are to be small
LAYERS, WIDTH, INNER, WORDS, RANK = 4, 512, 2048, 32_000, 8
_LIKE = dict(
    hidden_size=WIDTH,
    intermediate_size=INNER,
    num_hidden_layers=LAYERS,
    num_attention_heads=8,
    num_key_value_heads=4,
    max_position_embeddings=1024,
)
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": dict(n_layer=LAYERS, n_embd=WIDTH, n_head=8, n_positions=1024),
    "llama": _LIKE,
    "qwen2": _LIKE | dict(tie_word_embeddings=True),
    "olmo2": _LIKE,
    "gemma3_text": _LIKE | dict(head_dim=64, query_pre_attn_scalar=64, sliding_window=64),
}


def status(name: str) -> float:
    """Bytes of a line of this process's status: VmRSS is now, VmHWM the most since the mark was set back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line for line in lines if line.startswith(name)).split()[1])


def set_back() -> None:
    """Set the high-water mark to what is there now."""
    Path("/proc/self/clear_refs").write_text("5")


def made(family: str, folder: str) -> LanguageModel:
    """A model of a family with random weights, or that of a folder; the tokenizer is not needed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if folder:
        model = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32, local_files_only=True
        ).eval()
    else:
        config = AutoConfig.for_model(family, vocab_size=WORDS, pad_token_id=None, **FAMILIES[family])
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    blocks = next(list(part) for part in model.modules() if isinstance(part, nn.ModuleList))
    own = ("c_attn",) if family == "gpt2" and not folder else ("q_proj", "k_proj", "v_proj", "o_proj")
    return LanguageModel(
        name=family,
        model=model,
        tokenizer=None,
        family=family,
        blocks=blocks,
        width=model.config.hidden_size,
        context=1024,
        attention=own,
        linear=own,
        fan_in_fan_out=own == ("c_attn",),
        device=torch.device("cpu"),
        dtype=torch.float32,
        parameters=sum(p.numel() for p in model.parameters()),
        sha256="",
        revision="",
    )


def lesson(vocabulary: int, n: int, tokens: int) -> Lesson:
    """n items of random tokens with one answer each, the longest of `tokens`, the shortest of half."""
    dice = torch.Generator().manual_seed(0)
    text = torch.randint(3, vocabulary, (n, tokens), generator=dice)
    last = torch.linspace(tokens // 2, tokens - 2, n).long()  # (n,)
    kept, place = last.unique(return_inverse=True)
    targets = text[torch.arange(n), last + 1][:, None]
    return Lesson(text, kept, place[:, None], targets, torch.ones(n, 1, dtype=torch.bool))


def work_on(work: str, model: LanguageModel, asked: Lesson) -> tuple[Callable[[], Any], int]:
    """The work as a function, and the coordinates of an adapter where it has one."""
    if work == "candidates":  # the last: the adapter stays
        adapter = lora.attach(model, r=RANK, targets=list(model.attention))
        space = adapter.space

        def direction(i: int) -> torch.Tensor:
            u = torch.randn(space.d, generator=torch.Generator().manual_seed(i))
            return u / torch.linalg.vector_norm(u, dtype=torch.float64).float()

        run = lora_candidates.run
        return lambda: run(adapter, asked, direction, norm=1.0, candidates=16), space.d
    space = ParameterSpace(model.model)
    if work == "gram":
        return lambda: gram.grams(space, asked), 0
    if work == "gradient":
        return lambda: space.gradient(supervised.loss, asked), 0
    if work == "hessian":
        u = torch.ones(space.d)
        return lambda: space.hvp(supervised.loss, u, asked), 0
    blocks = of_blocks(model)
    h = Pushforward(model, blocks, of_lesson(asked), (len(model.blocks),))
    u = torch.ones(blocks.d)
    return lambda: h.push(u), 0


def measured(family: str, folder: str, works: list[str], n: int, tokens: int) -> list[dict[str, Any]]:
    """Measure works on one model in this process, the high-water mark set back before each."""
    import transformers.models.auto.modeling_auto  # noqa: F401  # before the mark is set back

    supervised.cross_entropy(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long))
    before = status("VmRSS")
    set_back()
    model = made(family, folder)
    for parameter in model.model.parameters():  # a file is mapped: a page counts when it is touched
        parameter.detach().sum()
    told = dict(model=Path(folder).name if folder else family, parameters=model.parameters)
    shape = footprint.shape_of(model.model.config, model.parameters)
    rows = []
    if folder:  # weights drawn at random are not loaded
        loaded = sum(footprint.loading(shape).values())
        rows.append(told | dict(work="loading", measured=status("VmHWM") - before, shapes=loaded))
    asked = lesson(shape.vocabulary, n, tokens)
    for work in works:
        for free in (chunks.free_memory("cpu"), FEW)[: 2 if work in ("gram", "gradient") else 1]:
            row = told | dict(work=work, items=n, tokens=tokens, free=None if free != FEW else FEW)
            with chunks.limited(free):
                row |= one(work, model, asked, shape, free)
            rows.append(row | dict(measured=status("VmHWM") - before))
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # or what a work gave back would count for the next
    for row in rows:
        for name in ("shapes", "from one item"):
            if name in row:
                row[f"{name} / measured"] = round(row[name] / row["measured"], 3)
    return rows


def one(
    work: str, model: LanguageModel, asked: Lesson, shape: footprint.Shape, free: float
) -> dict[str, Any]:
    """Do one work and give the estimates of it; the mark is set back before it starts."""
    n, tokens = asked.tokens.shape
    run, coordinates = work_on(work, model, asked)
    found: dict[str, Any] = {}
    told = dict(items=n, tokens=tokens, coordinates=coordinates, free=free)
    found["shapes"] = sum(footprint.estimate_from_shapes(shape, **told)[work].values())
    if work == "gram" and free != FEW:
        shortest = asked.rows(asked.lengths.argmin()[None])
        space = ParameterSpace(model.model)
        plan = memory.memory_estimate(space, gram.item_losses, shortest, n, tokens=tokens)
        found["from one item"] = plan.total
    set_back()
    start = time.perf_counter()
    run()
    return found | dict(seconds=time.perf_counter() - start)


def main() -> int:
    """Measure everything and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="", help="a transformers model folder to measure too")
    parser.add_argument("--items", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "memory.json"))
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.one:
        rows = measured(asked.one, asked.folder, asked.works.split(","), asked.items, asked.tokens)
        print(json.dumps(rows))
        return 0
    found = {"machine": {"name": platform.machine(), "device": "CPU, 1 thread", **provenance.versions()}}
    rows = []
    chosen = [(name, "") for name in asked.families.split(",") if name]
    chosen += [("gemma3_text", asked.folder)] if asked.folder else []
    for family, folder in chosen:
        command = [sys.executable, __file__, "--one", family, "--folder", folder, "--works", asked.works]
        command += ["--items", str(asked.items), "--tokens", str(asked.tokens)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows += json.loads(done.stdout.splitlines()[-1])
        text = json.dumps(
            rounded(found | {"rows": rows}), indent=1
        )  # after each model: a late fault loses one
        Path(asked.out).write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
