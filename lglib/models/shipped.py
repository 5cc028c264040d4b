"""The models that come with the project: where they lie, and that they are what was shipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lglib.tasks import microworld

NAMES = ("micro-gpt2", "micro-qwen2", "micro-olmo2")
MANIFEST = "manifest.json"
LISTED = {"config.json", "model.safetensors", "tokenizer.json"}  # what every manifest has the sha256 of


class Altered(ValueError):
    """A shipped file is not, byte for byte, what was shipped."""


def root() -> Path:
    """Folder of the shipped models, one folder each.

    >>> root().name
    'weights'
    """
    return Path(microworld.__file__).parent / "weights"


def manifest(name: str) -> Mapping[str, Any]:
    """What is known of a shipped model: files and their sha256, recipe, seconds, accuracies.

    Raises Altered when it is missing or cannot be read.

    >>> manifest("micro-gpt2")["family"]
    'gpt2'
    """
    path = root() / name / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Altered(f"{path} cannot be read ({type(error).__name__}). {_restore(name)}") from None
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, dict) or not set(files) >= LISTED:
        raise Altered(f"{path} does not list {', '.join(sorted(LISTED))}. {_restore(name)}")
    return found


def folder(name: str) -> Path:
    """Folder of a shipped model, after checking every file against its sha256.

    Raises Altered, with how to restore it, when a file is missing or differs.

    >>> folder("micro-gpt2").name
    'micro-gpt2'
    """
    own = root() / name
    for file, want in manifest(name)["files"].items():
        if not (own / file).is_file():
            raise Altered(f"{own / file} is missing. {_restore(name)}")
        if (got := sha256(own / file)) != want:
            raise Altered(
                f"{own / file} is not what was shipped: sha256 {got[:12]}..., want {str(want)[:12]}.... "
                f"{_restore(name)}"
            )
    return own


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces.

    >>> len(sha256(folder("micro-gpt2") / "config.json"))
    64
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest()


def _restore(name: str) -> str:
    return (
        f"Restore it: git checkout -- lglib/tasks/microworld/weights/{name}; "
        f"or train it anew: make models NAMES={name} "
        "(the weights will then differ in their last digits)"
    )
