"""make lock: pins with the hash of every file, made by uv from requirements.txt; what make installs from.

Of the standard library alone: it runs where nothing but uv is installed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

TORCH = ("torch==", "nvidia-", "cuda-", "triton==")  # PyTorch, and what only its CUDA build needs
BESIDES = ("test", "lab")  # extras of pyproject.toml with a lock of their own, of what the book does not have
CPU = "requirements/torch-cpu.txt"
MADE = "# Made by `make lock` from {source}; see requirements/README.md.\n"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class LockError(ValueError):
    """What is wrong with the inputs of the lock."""


def main(argv: list[str] | None = None) -> int:
    """Write the locks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make lock", description=__doc__)
    parser.add_argument(
        "--anew", default="", help="1: first resolve requirements.txt anew from pyproject.toml"
    )
    asked = parser.parse_args(argv)
    root = Path.cwd()
    try:
        if asked.anew == "1":
            _anew(root)
        _lock(root)
    except (LockError, OSError) as error:
        print(f"make lock: {error}", file=sys.stderr)
        return 1
    return 0


def entries(text: str) -> list[str]:
    """Entries of a compiled file: a line `name==version ; marker` with the lines of hashes below it.

    >>> entries("# by uv\\na==1 \\\\\\n    --hash=sha256:0\\n    # via b\\nb==2\\n")
    ['a==1 \\\\\\n    --hash=sha256:0\\n', 'b==2\\n']
    """
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if not line.lstrip().startswith("#"):
            if line[:1].isspace():
                found[-1] += line
            else:
                found.append(line)
    return found


def name(entry: str) -> str:
    """The package of an entry or requirement, as PyPI writes it.

    >>> name("Jinja2==3.1.6 ; python_version > '3'"), name("typing_extensions>=4")
    ('jinja2', 'typing-extensions')
    """
    found = NAME.match(entry)
    return re.sub(r"[-_.]+", "-", found.group().lower()) if found else ""


def parted(found: Iterable[str]) -> tuple[list[str], list[str]]:
    r"""Entries of the book, and those of PyTorch as PyPI has it: on Linux with CUDA.

    >>> parted(["tqdm==4\n", "torch==2\n", "triton==3\n", "nvidia-nccl-cu13==2\n"])
    (['tqdm==4\n'], ['torch==2\n', 'triton==3\n', 'nvidia-nccl-cu13==2\n'])
    """
    every = list(found)
    return [e for e in every if not e.startswith(TORCH)], [e for e in every if e.startswith(TORCH)]


def same_torch(torch: Iterable[str], cpu: str) -> None:
    r"""Refuse hashes of another version of the CPU build: LockError naming both.

    >>> same_torch(["torch==2.1.0 \n"], "torch==2.1.0+cpu \n")
    """
    wanted = next(entry.split()[0] for entry in torch if entry.startswith("torch=="))
    found = [entry.split()[0] for entry in entries(cpu)]
    if found != [f"{wanted}+cpu"]:
        raise LockError(
            f"{CPU} is of {', '.join(found) or 'nothing'}, not of {wanted}+cpu; it says where to take it from"
        )


def _lock(root: Path) -> None:
    """Write all locks of what requirements.txt, pyproject.toml and the inputs in requirements/ say."""
    folder, project = root / "requirements", tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    listed = (root / "requirements.txt").read_text("utf-8")
    builds = project["build-system"]["requires"]
    every = entries(_compiled("\n".join([listed, *builds]), root))
    first = set(map(name, builds))
    book, torch = parted(entry for entry in every if name(entry) not in first)
    same_torch(torch, (root / CPU).read_text("utf-8"))
    _write(folder / "build.lock", [e for e in every if name(e) in first], "pyproject.toml")
    _write(folder / "book.lock", book, "requirements.txt")
    _write(folder / "torch-pypi.lock", torch, "requirements.txt")
    have, extras = {name(entry) for entry in every}, project["project"]["optional-dependencies"]
    for extra in BESIDES:
        found = entries(_compiled("\n".join(extras[extra]), root, "--constraints", "requirements.txt"))
        _write(folder / f"{extra}.lock", [e for e in found if name(e) not in have], "pyproject.toml")
    for source in sorted(folder.glob("*.in")):
        alone = entries(_compiled(source.read_text("utf-8"), root, "--no-deps"))
        _write(source.with_suffix(".lock"), alone, f"requirements/{source.name}")


def _anew(root: Path) -> None:
    """Resolve requirements.txt anew from pyproject.toml; its first lines of comment stay."""
    path = root / "requirements.txt"
    head = "".join(line for line in path.read_text("utf-8").splitlines(keepends=True) if line[0] == "#")
    asked = ["pyproject.toml", "--extra", "book", "--no-annotate", "--no-header"]
    found = [entry for entry in entries(_uv(root, *asked)) if not entry.startswith(TORCH[1:])]
    path.write_text(head + "".join(found), encoding="utf-8")


def _compiled(text: str, root: Path, *options: str) -> str:
    """What uv makes of a list of requirements."""
    with tempfile.NamedTemporaryFile("w", suffix=".in", encoding="utf-8") as source:
        source.write(text)
        source.flush()
        return _uv(root, source.name, "--generate-hashes", "--no-annotate", "--no-header", *options)


def _uv(root: Path, *options: str) -> str:
    """Run uv's resolver, for the platforms and the Pythons that pyproject.toml names. Raises LockError."""
    tool = str(Path(sys.executable).with_name("uv"))
    least = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    command = [tool, "pip", "compile", "--quiet", "--universal", "--no-progress", "--python-version"]
    done = subprocess.run(
        [*command, least.lstrip(">="), *options], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LockError(f"uv cannot resolve it\n{done.stderr.strip()}")
    return done.stdout


def _write(path: Path, found: list[str], source: str) -> None:
    path.write_text(MADE.format(source=source) + "".join(found), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
