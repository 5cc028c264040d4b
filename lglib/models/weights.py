"""The weight files of a model folder: safetensors, whole, how many numbers, will they fit.

It reads headers, never a pickle.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from lglib.base import hub
from lglib.models import shipped

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


class UnsafeWeights(ValueError):
    """Weights that are not there as whole safetensors files."""


@dataclass(frozen=True)
class Weights:
    """The safetensors files of a model, and the count of numbers in them and in the largest tensor."""

    files: tuple[Path, ...]
    numbers: int
    largest: int

    @property
    def sha256(self) -> str:
        """SHA-256 of the one file; of several, the SHA-256 of their names and digests.

        Raises UnsafeWeights for a file of the hub's cache whose content is not what the hub named it after.
        """
        digests = [(path.name, _checked(path)) for path in self.files]
        if len(digests) == 1:
            return digests[0][1]
        return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()


def find(folder: Path) -> Weights:
    """Find the weights of a folder in transformers format.

    Raises UnsafeWeights for a folder with pickled weights only, without weights, with a shard missing, or
    with a file that is cut off.

    >>> find(shipped.root() / "micro-gpt2").numbers > 500_000
    True
    """
    if (folder / SINGLE).is_file():
        names = [SINGLE]
    elif (folder / INDEX).is_file():
        names = _shards(folder / INDEX)
    else:
        others = sorted(p.name for p in folder.iterdir() if p.suffix in hub.PICKLES)
        if others:
            raise UnsafeWeights(
                f"{folder} holds its weights as {', '.join(others)}, which are pickles: they can run code "
                "when read, so they are never opened. Use a revision with safetensors, or convert the file "
                "where you trust it: AutoModelForCausalLM.from_pretrained(...).save_pretrained(...)"
            )
        raise UnsafeWeights(f"{folder} has no weights: neither {SINGLE} nor {INDEX} is there")
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise UnsafeWeights(
            f"{folder} is not whole: {', '.join(missing)} of {len(names)} weight files missing"
        )
    sizes = [size for name in names for size in _sizes(folder / name)]
    if not sizes:
        raise UnsafeWeights(f"{folder}: the weight files hold no tensor")
    return Weights(tuple(folder / name for name in sorted(names)), sum(sizes), max(sizes))


def needed(weights: Weights, dtype: torch.dtype) -> int:
    """Bytes that loading takes at most: every number in this type, the largest tensor once more in float32.

    >>> needed(Weights((), 1000, 100), torch.bfloat16)
    2400
    """
    return weights.numbers * dtype.itemsize + weights.largest * 4


def require_room(weights: Weights, dtype: torch.dtype, device: torch.device, name: str) -> None:
    """Stop, with both figures, when the device has not the free memory that loading takes.

    Raises MemoryError. What a chapter then computes needs more: this is the floor.
    """
    want = needed(weights, dtype)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if want > free:
        raise MemoryError(
            f"{name} has {weights.numbers:,} parameters and needs {want / 1e9:.2f} GB to load as "
            f"{str(dtype).removeprefix('torch.')} on {device}; {free / 1e9:.2f} GB are free. Close other "
            "programs, choose dtype='bfloat16' (half the size), a larger device or a smaller model"
        )


def blocks(weights: Weights, path: str) -> int:
    """How many blocks the files hold, by the names of their tensors; 0 where none is named so.

    `path` is that of the list of blocks, of which the last part counts: some files leave out the rest.

    >>> blocks(find(shipped.root() / "micro-gpt2"), "transformer.h")
    4
    """
    numbered = re.compile(rf"(?:^|\.){re.escape(path.rpartition('.')[2])}\.(\d+)\.")
    found = [int(hit[1]) for file in weights.files for name in _names(file) if (hit := numbered.search(name))]
    return max(found, default=-1) + 1


def require_tied(weights: Weights, model: nn.Module) -> None:
    """Stop when a config ties head and embedding, and the files hold two that differ.

    Which of them is meant is not known. `model` needs no numbers (it may be on the meta device).
    Raises UnsafeWeights.
    """
    config: Any = model.config
    head, words = model.get_output_embeddings(), model.get_input_embeddings()  # type: ignore[operator]
    if not getattr(config, "tie_word_embeddings", False) or head is None or words is None:
        return
    named = {id(part): name for name, part in model.named_modules()}
    pair = []
    for part in (head, words):
        own = f"{named[id(part)]}.weight"
        short = own.removeprefix(f"{getattr(model, 'base_model_prefix', '')}.")
        pair += [tensor for file in weights.files for tensor in _read(file, (own, short))][:1]
    if len(pair) == 2 and not torch.equal(*pair):
        raise UnsafeWeights(
            f"{weights.files[0].parent}: config.json ties the head to the embedding (tie_word_embeddings), "
            f"and the files hold a head that differs from it ({named[id(head)]}.weight). Set the flag to "
            "false, or leave the head out of the files, whichever the model was trained with"
        )


def require_finite(model: nn.Module, name: str) -> None:
    """Stop at the first tensors that hold NaN or an infinity: their model answers nothing but NaN.

    Raises UnsafeWeights.

    >>> require_finite(nn.Linear(2, 1), "mine")
    """
    bad = {n: int((~p.isfinite()).sum()) for n, p in model.named_parameters() if not p.isfinite().all()}
    if bad:
        told = ", ".join(f"{n} ({k:,} of its numbers)" for n, k in list(bad.items())[:3])
        raise UnsafeWeights(
            f"{name}: {len(bad)} tensors are not finite (NaN or infinite): {told}. The file is damaged, or "
            "the training that made it had diverged"
        )


def _names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _read(path: Path, names: Sequence[str]) -> list[torch.Tensor]:
    """Those of these tensors that a file holds."""
    held = set(_names(path))
    with safe_open(path, framework="pt") as file:
        return [file.get_tensor(name) for name in dict.fromkeys(names) if name in held]


def _checked(path: Path) -> str:
    digest, named = shipped.sha256(path), path.resolve().name  # the cache names a file after its SHA-256
    if re.fullmatch(r"[0-9a-f]{64}", named) and named != digest:
        raise UnsafeWeights(
            f"{path} was altered or cut off: its sha256 is {digest[:12]}..., the hub's is {named[:12]}.... "
            f"Delete {path.resolve()} and load again with allow_download=True"
        )
    return digest


def _shards(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise UnsafeWeights(f"{index} is no index of weights ({type(error).__name__})") from None
    bad = [
        n for n in names if not isinstance(n, str) or Path(n).name != n or Path(n).suffix != ".safetensors"
    ]
    if bad:
        raise UnsafeWeights(f"{index} names {bad[:3]}, want names of safetensors files beside it")
    return names


def _sizes(path: Path) -> list[int]:
    """Numbers in each tensor, from the header; safetensors checks that the file is as long as it says."""
    try:
        with safe_open(path, framework="pt") as file:
            return [math.prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        size = path.stat().st_size
        raise UnsafeWeights(f"{path} is cut off or no safetensors file: {size} bytes ({error})") from None
