"""The one way to load a language model: shipped with the project, in a local folder, or on the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os.path import expanduser, isdir  # false for a name that no folder can have, where Path.is_dir raises
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lglib.base import hub, made, progress
from lglib.models import configs, families, shipped, weights
from lglib.models import tokenizer as words
from lglib.models.configs import ModelError, short
from lglib.models.families import Family
from lglib.models.tokenizer import LOCAL
from lglib.models.weights import Weights
from lglib.tasks import scoring as answering

__all__ = ["LanguageModel", "ModelError", "load"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
ATTENTION = ("eager", "sdpa")
SMALL = 1_000_000_000  # parameters up to which a GPU holds float32


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model, and what the chapters need to know of it.

    `model` is in eval mode. `blocks` are its blocks in order, whose outputs are the residual stream of width
    `width`. `attention` and `linear` are LoRA target names, `fan_in_fan_out` what peft wants to know with
    them. `sha256` is of the weight files, "" for an untrained twin; `revision` the hub's commit, or "".
    """

    name: str
    model: nn.Module
    tokenizer: Any
    family: str
    blocks: list[nn.Module]
    width: int
    context: int
    attention: tuple[str, ...]
    linear: tuple[str, ...]
    fan_in_fan_out: bool
    device: torch.device
    dtype: torch.dtype
    parameters: int
    sha256: str
    revision: str

    @property
    def left_out(self) -> list[str]:
        """Matrices of the blocks that LoRA cannot reach, such as fused experts; "linear" leaves them out."""
        return families.left_out(self.blocks)

    @property
    def kinks(self) -> list[str]:
        """Activation functions with a kink (ReLU), which a Hessian product does not see; mostly none."""
        return families.kinks(self.model)

    def answer_ids(self, answers: Sequence[str]) -> list[int]:
        """Token of each answer word. Raises SplitAnswer when one is several tokens, or two are the same."""
        return answering.ids(self.tokenizer, answers)

    def record(self) -> dict[str, Any]:
        """What a result must say of the model that made it, ready for JSON."""
        return {
            "model": self.name,
            "revision": self.revision,
            "sha256": self.sha256,
            "parameters": self.parameters,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
        }


def load(
    name: str,
    *,
    revision: str | None = None,
    trained: bool = True,
    seed: int = 0,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    attention: str = "eager",
    answers: Sequence[str] = (),
    allow_download: bool = False,
) -> LanguageModel:
    """Load a causal language model and its tokenizer.

    `name` is a shipped model (`micro-gpt2`, `micro-qwen2`, `micro-olmo2`), one that make puts into the cache
    (`gemma-3-270m`), a folder in transformers format (the model is called by its last part), or a hub id with
    the commit that is meant, as `revision` or behind an @:
    "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e". Nothing is downloaded unless
    `allow_download`. With `trained=False` the weights are drawn anew by the model's own initialisation from
    `seed`: the untrained twin, same architecture and tokenizer.

    `device="auto"` is a CUDA GPU if there is one, else the CPU. `dtype="auto"` is float32 on a CPU and for
    up to a billion parameters, above that bfloat16. With bfloat16 weights keep in float32 what is small
    beside them: peft makes LoRA adapters, and so their gradients and displacements, float32 by itself.
    `attention="eager"` has the second derivatives and the forward mode that `parameters.hessian`, `vmap`
    and the pushforward need; "sdpa" is faster and uses less memory where they are not needed.

    Each of `answers`, if there are any, must be one token with its space, told before the weights are read.
    Raises ModelError for a name that means nothing, an argument that is not offered, or files that are not a
    model (also a tokenizer with words beyond the embedding); UnsafeWeights for weights that are pickled, not
    whole, not finite, or hold a head that differs from the embedding it is tied to; and SplitAnswer, Altered,
    UnsupportedFamily, Unreachable and MemoryError, as their names say.

    >>> model = load("micro-gpt2")
    >>> model.family, len(model.blocks), model.width, model.attention
    ('gpt2', 4, 128, ('c_attn',))
    """
    where = _device(device)
    if attention not in ATTENTION:
        raise ModelError(f"attention is {attention!r}; there is: {', '.join(ATTENTION)}")
    folder, commit = _folder(name, revision, allow_download)
    described = configs.read(folder)
    family = families.of(described["model_type"], ", ".join(described.get("architectures") or []))
    files = weights.find(folder)
    kind = _dtype(dtype, where, files.numbers)
    weights.require_room(files, kind, where, name)
    with _quiet():
        tokenizer = words.read(folder)
        answering.ids(tokenizer, answers)
        model = _made(folder, files, family, kind, attention, None if trained else seed)
    words.require_within(tokenizer, model.get_input_embeddings().weight.shape[0], folder)
    context, width = configs.context(model.config), configs.width(model.config)
    blocks = families.blocks(model, family)
    weights.require_finite(model, str(folder))
    model = model.to(where).eval()
    if bent := families.kinks(model):
        progress.note(f"{name}: {', '.join(bent)} has a kink, which a Hessian product does not see")
    return LanguageModel(
        name=_called(name, folder, commit),
        model=model,
        tokenizer=tokenizer,
        family=family.model_type,
        blocks=blocks,
        width=width,
        context=context,
        attention=family.attention,
        linear=family.linear,
        fan_in_fan_out=family.fan_in_fan_out,
        device=where,
        dtype=kind,
        parameters=sum(p.numel() for p in model.parameters()),
        sha256=files.sha256 if trained else "",
        revision=commit,
    )


def _folder(name: str, revision: str | None, allow_download: bool) -> tuple[Path, str]:
    """Where the model's files are, and the commit that they are of."""
    if not isinstance(name, str) or not name.strip():
        raise ModelError(f"name must be a text that is not empty, got {name!r}")
    if name in made.HOW:
        if revision is not None:
            raise ModelError(f"{name} is made here and has no revision, got {revision!r}")
        try:
            return made.folder(name), ""
        except made.NotMade as error:
            raise ModelError(str(error)) from None
    at_home = expanduser(name)  # ~ is a habit of the shell, which a profile does not go through
    if name in shipped.NAMES or isdir(at_home):
        if revision is not None:
            raise ModelError(f"{name} is a folder and has no revision, got {revision!r}")
        return (shipped.folder(name) if name in shipped.NAMES else Path(at_home)), ""
    own, _, commit = name.partition("@")
    if commit and revision not in (None, commit):
        raise ModelError(f"name says revision {commit!r} and revision says {revision!r}")
    if hub.ID.fullmatch(own):
        return hub.fetch(own, commit or revision, allow_download=allow_download), commit or str(revision)
    raise ModelError(
        f"no model {name!r}: it is not shipped ({', '.join(shipped.NAMES)}), not a folder from {Path.cwd()}, "
        "and no hub id, which has an owner: for example 'openai-community/gpt2@<commit>'"
    )


def _called(name: str, folder: Path, commit: str) -> str:
    """What a model is called in results: a hub id, or the last part of its folder, of plain letters only."""
    if commit or name in shipped.NAMES or name in made.HOW:
        return name.partition("@")[0]
    return re.sub(r"[^\w.-]+", "-", folder.resolve().name, flags=re.ASCII).strip("-.") or "model"


def _made(
    folder: Path, files: Weights, family: Family, dtype: torch.dtype, attention: str, seed: int | None
) -> Any:
    """The model with its weights, or with new ones drawn from a seed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    kind: Any = AutoModelForCausalLM
    wanted = dict(dtype=dtype, attn_implementation=attention)
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
        configs.require_blocks(config, weights.blocks(files, family.blocks), folder)
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            shape = kind.from_config(config, **wanted)  # its names and sizes, without its numbers
        weights.require_tied(files, shape)
        if seed is None:
            read = dict(use_safetensors=True, output_loading_info=True)
            model, info = kind.from_pretrained(folder, **wanted, **read, **LOCAL)
        else:
            _require_no_more(shape, files, folder)
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                model, info = kind.from_config(AutoConfig.from_pretrained(folder, **LOCAL), **wanted), {}
    except (ModelError, weights.UnsafeWeights):
        raise
    except Exception as error:  # a config can be wrong in any way
        raise ModelError(f"{folder} does not load: {short(error)}") from error
    if bad := {k: sorted(map(str, info[k]))[:3] for k in ("missing_keys", "mismatched_keys") if info.get(k)}:
        raise ModelError(f"{folder}: the weights are not those of {type(model).__name__}: {bad}")
    return model


def _require_no_more(shape: nn.Module, files: Weights, folder: Path) -> None:
    """An untrained twin is made as large as its config says: not larger than the weights beside it."""
    if (numbers := sum(p.numel() for p in shape.parameters())) > files.numbers:
        raise ModelError(
            f"{folder} does not load: config.json is of a model of {numbers:,} numbers, the weights hold "
            f"{files.numbers:,}"
        )


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise ModelError(f"device is {device!r}, want auto, cpu or cuda")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"device is {device!r}, and torch sees no CUDA GPU here")
    return found


def _dtype(dtype: str | torch.dtype, device: torch.device, numbers: int) -> torch.dtype:
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" and numbers > SMALL else torch.float32
    found = DTYPES.get(str(dtype).removeprefix("torch."))
    if found is None:
        raise ModelError(f"dtype is {dtype!r}; there is: auto, {', '.join(DTYPES)}")
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Loading bars of transformers on a terminal only, so that none ends on a page."""
    from transformers.utils import logging

    with ExitStack() as after:
        if logging.is_progress_bar_enabled() and not progress.on_terminal():
            logging.disable_progress_bar()
            after.callback(logging.enable_progress_bar)
        yield
