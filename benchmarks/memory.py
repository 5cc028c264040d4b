"""What work takes of memory, measured, beside the two estimates: `make bench` writes benchmarks/memory.json.

Tiny models of five families with random weights, of a few hundred MB, and with `--folder` a model of one's
own. Each work runs in a process of its own, whose high-water mark is set back when the libraries are loaded;
so a mark is that of the model and the work. Linux only. The measured estimate (`parameters.memory`) is made
from one item, the other (`parameters.footprint`) from the shapes alone.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from torch import nn

from lglib.activations.pushforward import Pushforward, of_blocks
from lglib.activations.residual import of_lesson
from lglib.base import chunks
from lglib.models import lora
from lglib.models.loading import LanguageModel
from lglib.parameters import footprint, gram, memory
from lglib.parameters.space import ParameterSpace
from lglib.report import provenance
from lglib.search import lora_candidates
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

ROOT = Path(__file__).resolve().parent.parent
WORKS = ("loading", "gradient", "gram", "hessian", "pushforward", "candidates")
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
    if work == "candidates":
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


def one(work: str, family: str, folder: str, n: int, tokens: int, share: float) -> dict[str, Any]:
    """Measure one work in this process."""
    import transformers.models.auto.modeling_auto  # noqa: F401  # before the mark is set back

    supervised.cross_entropy(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long))
    before = status("VmRSS")
    set_back()
    model = made(family, folder)
    for parameter in model.model.parameters():  # a file is mapped: a page counts when it is touched
        parameter.detach().sum()
    shape = footprint.shape_of(model.model.config, model.parameters)
    loaded = status("VmHWM") - before
    found: dict[str, Any] = dict(model=Path(folder).name if folder else family, work=work)
    found |= dict(parameters=model.parameters, items=n, tokens=tokens, interpreter=before)
    if work == "loading":
        planned = sum(footprint.loading(shape).values())
        return found | dict(measured=loaded, shapes=planned)
    asked = lesson(shape.vocabulary, n, tokens)
    free = share * 1e9 if share else chunks.free_memory("cpu")
    with chunks.limited(free):
        run, coordinates = work_on(work, model, asked)
        if work == "gram":
            one_item = asked.rows(torch.tensor([n // 2]))
            space = ParameterSpace(model.model)
            found["from one item"] = memory.memory_estimate(
                space, gram.item_losses, one_item, n, tokens=tokens
            ).total
        planned = footprint.estimate_from_shapes(
            shape, items=n, tokens=tokens, coordinates=coordinates, free=free
        )[work]
        set_back()
        start = time.perf_counter()
        run()
    took = time.perf_counter() - start
    return found | dict(measured=status("VmHWM") - before, shapes=sum(planned.values()), seconds=took)


def measured(work: str, family: str, folder: str, n: int, tokens: int, share: float) -> dict[str, Any]:
    """Measure one work in a process of its own; what it says of an error is passed on."""
    with tempfile.TemporaryDirectory() as own:
        if work == "loading" and not folder:
            folder = str(Path(own) / family)
            made(family, "").model.save_pretrained(folder)
        given = [work, family, folder, str(n), str(tokens), str(share)]
        command = [sys.executable, __file__, "--one", *given]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{work} of {folder or family} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for name in ("shapes", "from one item"):
        if name in found:
            found[f"{name} / measured"] = round(found[name] / found["measured"], 3)
    told = {k: f"{v / 1e6:,.0f} MB" for k, v in found.items() if k in ("measured", "shapes", "from one item")}
    print(f"{found['model']:14s} {work:12s} {told}", file=sys.stderr, flush=True)
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}


def main() -> int:
    """Measure everything and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="", help="a transformers model folder to measure too")
    parser.add_argument("--items", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "memory.json"))
    parser.add_argument("--one", nargs=6, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.one:
        work, family, folder, n, tokens, share = asked.one
        print(json.dumps(one(work, family, folder, int(n), int(tokens), float(share))))
        return 0
    rows = []
    chosen = [(name, "") for name in asked.families.split(",") if name]
    chosen += [("gemma3_text", asked.folder)] if asked.folder else []
    for family, folder in chosen:
        for work in asked.works.split(","):
            rows.append(measured(work, family, folder, asked.items, asked.tokens, 0.0))
        if "gram" in asked.works:  # and where not all items fit at once
            rows.append(measured("gram", family, folder, asked.items, asked.tokens, 1.0))
    found = {"machine": {"name": platform.machine(), "device": "CPU, 1 thread", **provenance.versions()}}
    Path(asked.out).write_text(json.dumps(found | {"rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
