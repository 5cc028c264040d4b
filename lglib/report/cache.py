"""Trained tensors kept between runs: safetensors beside a manifest of how they were made, or made again.

What does not match its manifest
to the byte is never used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lglib.base import files, progress
from lglib.report import provenance

SCHEMA = 1


def tensors(
    name: str,
    make: Callable[..., Mapping[str, torch.Tensor]],
    *,
    folder: str | Path | None = None,
    told: Callable[[str], None] = progress.note,
    **settings: Any,
) -> dict[str, torch.Tensor]:
    """Return `make(**settings)`, from the cache when exactly that was made before by the same code.

    `make` must be a function of an lglib module; the manifest holds its settings, a hash of the code it
    may call, the versions and the file's sha256. A file that is missing, cut off, altered or made
    otherwise is made again, and `told` hears why (default: a line on the terminal). `folder` defaults to
    `runs/models` of the project. Raises ValueError for a function from elsewhere, or settings that JSON
    cannot hold.
    """
    module = getattr(make, "__module__", "") or ""
    if not module.startswith("lglib."):
        raise ValueError(f"make must be a function of an lglib module, whose code is hashed; got {module!r}")
    want = {
        "schema": SCHEMA,
        "made_by": f"{module}.{make.__qualname__}",
        "settings": _json(settings),
        "code": provenance.library_hash([module.removeprefix("lglib.")]),
        "versions": provenance.versions(),
    }
    key = hashlib.sha256(json.dumps(want, sort_keys=True).encode()).hexdigest()[:12]
    root = Path(folder) if folder is not None else provenance.project_root() / "runs" / "models"
    path = root / f"{name}-{key}.safetensors"
    manifest = path.with_suffix(".json")
    found, reason = _load(path, manifest, want)
    if found is not None:
        return found
    told(f"{path.name}: {reason}; making it")
    made = {
        k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in make(**settings).items()
    }
    root.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(made, temporary)
        digest = _sha256(temporary)
        manifest.unlink(missing_ok=True)  # never an old manifest beside a new file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    files.write_atomically(manifest, json.dumps({**want, "sha256": digest}, indent=1) + "\n")
    return made


def _load(path: Path, manifest: Path, want: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor] | None, str]:
    """The tensors, or nothing and why."""
    if not path.is_file():
        return None, "not made yet"
    if not manifest.is_file():
        return None, "its manifest is missing"
    try:
        kept = json.loads(manifest.read_text(encoding="utf-8"))
        digest = kept.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None, "its manifest is damaged"
    if kept != want:
        return None, "its manifest tells of another making"
    if _sha256(path) != digest:
        return None, "its content is not what was written"
    try:
        return load_file(path), ""
    except SafetensorError as error:
        return None, f"it cannot be read ({error})"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(settings: Mapping[str, Any]) -> Any:
    try:
        plain = json.loads(json.dumps(settings, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"settings must be plain numbers, texts and lists: {error}") from None
    if _listed(settings) != plain:  # keys that JSON turns into text
        raise ValueError(f"settings must be plain numbers, texts and lists, got {settings!r}")
    return plain


def _listed(value: Any) -> Any:
    """The same with lists for tuples, as JSON gives it back."""
    if isinstance(value, Mapping):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, list | tuple) else value
