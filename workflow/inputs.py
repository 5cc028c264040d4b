"""What a run reads from outside the project: a file of data from the command line, the folder of a model."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from lglib.base.files import write_atomically
from lglib.studies import naming
from lglib.studies.profiles import ProfileError

FOLDER = "runs/data"  # links to files that were named on a command line, so that no header has their path
SUMS = "runs/.sums.json"  # sha256 of large files by path, size and time
READ = ("config.json", "*.safetensors", "tokenizer.json", "tokenizer_config.json", "adapter_config.json")


def checked(path: str, *, template: str = "", answers: tuple[str, ...] = ()) -> str:
    """The file's absolute path, after all its lines were read. Raises ProfileError naming what is wrong."""
    from lglib.tasks import own

    where = os.path.abspath(os.path.expanduser(path))
    try:
        found = own.read(where, template=template, answers=answers)
    except (ValueError, OSError) as error:
        told = str(error)  # of what is no file, it says what `data` is
        raise ProfileError(
            told if told.startswith("data is ") else f"data is {path!r}, which cannot be read: {error}"
        ) from None
    if not found.items:
        raise ProfileError(f"data is {path!r}, which has no item")
    return where


def link(path: str, root: Path) -> str:
    """A path below `root` that leads to the file: what is filed of it names no folder of this machine.

    Another file of the same name takes its place, and makes stale what was measured on the first.
    """
    target = Path(os.path.abspath(os.path.expanduser(path)))
    place = root / FOLDER / target.name
    if place != target:
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}.{os.getpid()}")
        new.symlink_to(target)
        new.replace(place)
    return f"{FOLDER}/{target.name}"


def weights(model: str, root: Path) -> dict[str, str]:
    """One sha256 over the files of a model's folder that a run reads, under `model <name>`; none for others.

    A hub model is pinned by its commit and a shipped one by its manifest. A sum is taken once for a path,
    size and time of change.
    """
    if not naming.is_folder(model):
        return {}
    folder = Path(naming.located(model, root))
    files = sorted({path for pattern in READ for path in folder.glob(pattern) if path.is_file()})
    if not files:
        return {}
    whole = hashlib.sha256("".join(f"{p.name} {_sum(p, root)}\n" for p in files).encode()).hexdigest()
    return {f"model {naming.filed(model)}": whole}


def other_weights(model: str, files: dict[str, str], root: Path) -> str:
    """Why a run with these noted `files` was made of other weights than its folder has now; or empty."""
    for name, found in weights(model, root).items():
        if files.get(name, found) != found:
            return f"made of other weights ({name} has changed)"
    return ""


def _sum(path: Path, root: Path) -> str:
    memory, status = root / SUMS, path.stat()
    key = f"{path} {status.st_size} {status.st_mtime_ns}"
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if key not in known:
        with path.open("rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        memory.parent.mkdir(exist_ok=True)
        write_atomically(memory, json.dumps(known, indent=1))
    return str(known[key])
