"""An adapter in a folder, in peft's own format, beside a note of the base model that it was made for."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lglib.base import files
from lglib.models.lora import Adapter, AdapterError

BASE = "base.json"  # beside peft's files: which weights the adapter was made for


def save(adapter: Adapter, folder: str | Path) -> None:
    """Write the adapter with peft (safetensors), and beside it which base model it was made for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a base without a hub name cannot be looked up, and need not be
        adapter.model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    files.write_atomically(Path(folder) / BASE, json.dumps(_base(adapter), indent=1) + "\n")


def read(adapter: Adapter, folder: str | Path) -> Tensor:
    """Theta (d,) of an adapter that was saved, for an adapter of the same shape and base.

    Only safetensors are read. Raises AdapterError when the folder holds no whole adapter, one of other
    layers, another rank or scaling, or one that was saved for another base model.
    """
    from peft.utils.save_and_load import load_peft_weights

    path = Path(folder)
    if not (path / "adapter_model.safetensors").is_file():
        raise AdapterError(f"{folder} holds no adapter_model.safetensors")
    if (path / BASE).is_file():
        mine = _base(adapter)
        try:
            made = json.loads((path / BASE).read_text(encoding="utf-8"))
            one, other = (f"{x['model']} (sha256 {x['sha256'][:12]})" for x in (made, mine))
            same = made["sha256"] == mine["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise AdapterError(f"{path / BASE} cannot be read ({type(error).__name__}: {error})") from None
        if not same:
            raise AdapterError(f"{folder} was saved for the base {one}, this one is {other}")
    try:
        held = load_peft_weights(str(path), device="cpu")
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
        scaling = config["lora_alpha"] / config["r"]
    except Exception as error:  # safetensors has errors of its own
        raise AdapterError(f"{folder} holds no whole adapter ({type(error).__name__}: {error})") from None
    want = {name.replace(".default.", "."): name for name in adapter.space.names}
    if wrong := sorted(set(held) ^ set(want)):
        raise AdapterError(f"{folder} is of other layers: {wrong[:3]} are only in one of the two")
    try:
        theta = adapter.space.join({want[n]: t.to(adapter.space.flatten()) for n, t in held.items()})
    except ValueError as error:
        raise AdapterError(f"{folder} has another rank or width: {error}") from None
    if scaling != adapter.layers[0].scaling:
        raise AdapterError(f"{folder} has scaling {scaling:g}, this adapter {adapter.layers[0].scaling:g}")
    return theta


def _base(adapter: Adapter) -> dict[str, Any]:
    """What tells the base from others: the hash of its files, or of its numbers if it has no files."""
    own = {k: v for k, v in adapter.base.record().items() if k in ("model", "revision", "sha256")}
    if not own["sha256"]:
        digest = hashlib.sha256()
        for name, parameter in adapter.model.named_parameters():
            if "lora_" not in name:
                digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        own["sha256"] = digest.hexdigest()
    return own
