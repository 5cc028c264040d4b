"""make serve: show a built book at an address of this machine, and nothing outside its folder.

Of the standard library alone: a book can be shown where nothing is installed.
"""

from __future__ import annotations

import argparse
import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USUAL = "quick"  # the profile whose book lies in _build/html; the others have folders of their own
STAMP = ".stamp.json"  # written last when a book was built


class Inside(SimpleHTTPRequestHandler):
    """Serve the files of a folder; what a link leads to outside of it is not there."""

    def translate_path(self, path: str) -> str:
        """The file of a request, or one that does not exist."""
        found, root = Path(super().translate_path(path)), Path(self.directory).resolve()
        return str(found) if found.resolve().is_relative_to(root) else str(root / "not in this book")

    def log_message(self, format: str, *args: object) -> None:
        """Drop the line of each request."""


def books(root: Path) -> dict[str, Path]:
    """Folders of the books that are built, by profile, the last one built first."""
    found = {p.parent.parent.name: p for p in (root / "_build").glob("*/html/index.html")}
    if (usual := root / "_build" / "html" / "index.html").is_file():
        found[USUAL] = usual
    age = {name: _built(page) for name, page in found.items()}
    return {name: found[name].parent for name in sorted(found, key=lambda name: (-age[name], name))}


def chosen(root: Path, profile: str) -> tuple[str, Path]:
    """The book of a profile, or the last one built where none is named; its profile and its folder.

    Raises ValueError naming what is built.
    """
    there = books(root)
    if not there:
        raise ValueError("no book is built yet; type: make book")
    name = profile or next(iter(there))
    if name not in there:
        ask = "make book" if name == USUAL else f"make book PROFILE={name}"
        raise ValueError(f"no book of the profile {name!r} is built, only of {', '.join(there)}; type: {ask}")
    return name, there[name]


def port(text: str) -> int:
    """A port from the command line. Raises ValueError for anything but a whole number from 1 to 65535."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
        raise ValueError(f"PORT must be a whole number from 1 to 65535, got {text[:40]!r}")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Serve until Ctrl-C; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("--profile", default="")
    parser.add_argument("--port", default="8000")
    asked = parser.parse_args(argv)
    try:
        number = port(asked.port)
        name, folder = chosen(Path.cwd(), asked.profile)
        server = ThreadingHTTPServer(("127.0.0.1", number), functools.partial(Inside, directory=str(folder)))
    except OSError as error:
        told = f"port {asked.port} cannot be had ({error.strerror}); another one: make serve PORT=8001"
        print(f"make serve: {told}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"make serve: {error}", file=sys.stderr)
        return 2
    print(f"the book of the profile {name}: http://localhost:{number}  (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def _built(page: Path) -> float:
    stamp = page.parent / STAMP
    return (stamp if stamp.is_file() else page).stat().st_mtime


if __name__ == "__main__":
    sys.exit(main())
