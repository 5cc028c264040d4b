"""make release: wheel, book and course as files with checksums, into dist/; same input, same archives."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from lglib.report.provenance import project_root
from workflow import terminal

FOLDERS = {"book": "_build/html", "course": "course"}  # archives by name, and what is in them
SUMS = "SHA256SUMS"
NOTES = "notes.md"  # what changed, for the page of the release; no part of it


class ReleaseError(ValueError):
    """What stands against a release; the message says what to do."""


def version(root: Path) -> str:
    """The version that pyproject.toml has."""
    found: str = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


def notes(root: Path, tag: str) -> str:
    """What CHANGELOG.md says of the version of a tag. Raises ReleaseError where they differ."""
    own = version(root)
    if tag != f"v{own}":
        raise ReleaseError(f"the tag is {tag}, and pyproject.toml has the version {own}")
    sections = re.split(r"^## ", (root / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    for section in sections[1:]:
        title, _, text = section.partition("\n")
        if title.split()[0] == own:
            if not re.fullmatch(r"\S+ \(\d{4}-\d\d-\d\d\)", title):
                raise ReleaseError(f"CHANGELOG.md has '## {title}'; give it its date: ## {own} (2026-01-31)")
            return text.strip() + "\n"
    raise ReleaseError(f"CHANGELOG.md has no section of {own}")


def archive(folder: Path, target: Path, inside: str) -> Path:
    """Pack a folder as .tar.gz under the name `inside`, without times, owners and hidden files."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and not any(part.startswith(".") for part in parts):
                tar.add(path, "/".join((inside, *parts)), filter=plain)
    return target


def sums(folder: Path) -> Path:
    """Write the SHA-256 of every file beside it, as `sha256sum --check` reads them."""
    files = sorted(path for path in folder.iterdir() if path.name not in (SUMS, NOTES))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return folder / SUMS


def wheel(root: Path, folder: Path) -> Path:
    """Build the wheel of lglib with what is installed."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", str(folder), "."], cwd=root, check=True)
    (built,) = folder.glob("lglib-*.whl")
    return built


def make(root: Path, tag: str = "") -> list[Path]:
    """Fill dist/ anew; return its files. Raises ReleaseError where a part is missing."""
    told = notes(root, tag) if tag else ""
    missing = [place for place in FOLDERS.values() if not (root / place).is_dir()]
    if missing:
        raise ReleaseError(f"{' and '.join(missing)} is not there; type: make book course")
    folder = root / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    own = version(root)
    wheel(root, folder)
    for name, place in FOLDERS.items():
        archive(root / place, folder / f"{name}-{own}.tar.gz", f"{name}-{own}")
    sums(folder)
    if told:
        (folder / NOTES).write_text(told, encoding="utf-8")
    return sorted(folder.iterdir())


def main(argv: list[str] | None = None) -> int:
    """Make the files and name them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--tag", default="", help="v and the version, which must be that of the project")
    asked = parser.parse_args(argv)
    try:
        for path in make(project_root(), asked.tag):
            print(f"{terminal.from_here(path)}  {path.stat().st_size / 1e6:.1f} MB")
    except ReleaseError as error:
        print(f"make release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with terminal.plainly("make release"):
        sys.exit(main())
