"""`make pdf`: the built pages as one PDF with bookmarks, printed by the system's Chromium and checked.

Proofs are shown. Solutions, answers of the quiz, folded code and what else a page folds are left out.
"""

from __future__ import annotations

import argparse
import html
import importlib.util
import io
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from lglib.report.provenance import project_root
from workflow import chromium, paper, release, serve, terminal

FRONT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 0 }} p {{ margin: .3rem 0 }}
.line {{ display: flex; justify-content: space-between; gap: 1rem }} a {{ color: inherit }}
a {{ text-decoration: none }} h2 {{ margin: 1rem 0 .3rem }}</style>
<body><article><h1>{title}</h1><p>{author}. Version {version}.</p>
<p>Made from the pages of the book. Proofs are shown. Solutions of exercises, answers of the quiz, folded code
and the folded rows of the ledger are left out; the pages have them. Explorers show where they start.</p>
<h2>Contents</h2>{lines}</article></body></html>"""


Places = dict[tuple[str, str], tuple[int, float, float]]  # (file, id): leaf, points from left, from below


class PdfError(ValueError):
    """What stands against a PDF; the message says what to do."""


@dataclass(frozen=True)
class Entry:
    """A line of the table of contents: a page, or the caption of a part, which has no file."""

    depth: int
    file: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Sheet:
    """A printed page of the book, and the numbers of its leaves: `first`, and how many there are."""

    entry: Entry
    printed: paper.Printed
    first: int
    leaves: int


def entries(toc: dict[str, Any]) -> list[Entry]:
    """Lines of a `_toc.yml` of the format jb-book, in order.

    >>> chapter = {"file": "b", "sections": [{"file": "c"}]}
    >>> toc = {"root": "a", "parts": [{"caption": "One", "chapters": [chapter]}]}
    >>> [(line.depth, line.file or line.caption) for line in entries(toc)]
    [(0, 'a'), (0, 'One'), (1, 'b'), (2, 'c')]
    """
    found = [Entry(0, toc["root"])]

    def add(pages: list[dict[str, Any]], depth: int) -> None:
        for page in pages:
            found.append(Entry(depth, page["file"]))
            add(page.get("sections", []), depth + 1)

    for part in toc.get("parts", [{"chapters": toc.get("chapters", [])}]):
        if "caption" in part:
            found.append(Entry(0, caption=part["caption"]))
        add(part.get("chapters", []), int("caption" in part))
    return found


def make(folder: Path, toc: dict[str, Any], about: dict[str, str], target: Path) -> tuple[int, list[str]]:
    """Print the pages of `folder` in the order of `toc` into `target`; how many leaves, and what is wrong.

    Raises PdfError for a page that is not built, ChromiumError where Chromium is missing or fails.
    """
    from pypdf import PdfReader

    lines, sheets, wrong = entries(toc), [], []
    for line in lines:
        if line.file and not (folder / f"{line.file}.html").is_file():
            raise PdfError(f"{terminal.from_here(folder)} has no page {line.file}; type: make book")
    with chromium.tab() as tab, tempfile.TemporaryDirectory() as scratch:
        before = 0
        for line in lines:
            if line.file:
                printed = paper.print_page(tab, folder / f"{line.file}.html", before)
                leaves = PdfReader(io.BytesIO(printed.pdf)).pages
                told = [*printed.problems, *(f"leaf {i} of it is empty" for i in paper.empty(leaves))]
                wrong += [f"{line.file} (from page {before + 1}): {problem}" for problem in told]
                sheets.append(Sheet(line, printed, before + 1, len(leaves)))
                before += len(leaves)
        contents = Path(scratch, "contents.html")
        contents.write_text(front(folder, lines, sheets, about), encoding="utf-8")
        printed = paper.print_page(tab, contents, 0, "lower-roman")
        wrong += [f"contents: {problem}" for problem in printed.problems]
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(merged(folder, lines, sheets, printed.pdf, about))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return before + len(PdfReader(io.BytesIO(printed.pdf)).pages), wrong


def front(folder: Path, lines: list[Entry], sheets: list[Sheet], about: dict[str, str]) -> str:
    """The first page: title, what is left out, and the contents with their page numbers."""
    by_file, told = {sheet.entry.file: sheet for sheet in sheets}, []
    for line in lines:
        if line.file:
            sheet, url = by_file[line.file], (folder / f"{line.file}.html").resolve().as_uri()
            link = f'<a href="{url}">{html.escape(sheet.printed.title)}</a>'
            told.append(
                f'<p class="line" style="padding-left: {line.depth}rem">{link}<span>{sheet.first}</span></p>'
            )
        else:
            told.append(f"<p><b>{html.escape(line.caption)}</b></p>")
    return FRONT.format(**{name: html.escape(text) for name, text in about.items()}, lines="\n".join(told))


def merged(
    folder: Path, lines: list[Entry], sheets: list[Sheet], contents: bytes, about: dict[str, str]
) -> bytes:
    """One PDF of all, with bookmarks, links that stay inside, and no dates."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.constants import PageLabelStyle

    writer, places = PdfWriter(), Places()
    for leaf in PdfReader(io.BytesIO(contents)).pages:
        writer.add_page(leaf)
    shift = len(writer.pages) - 1
    for sheet in sheets:
        reader = PdfReader(io.BytesIO(sheet.printed.pdf))
        for leaf in reader.pages:
            writer.add_page(leaf)
        start = sheet.first + shift
        places[sheet.entry.file, ""] = (start, 0, 842)
        for name, to in reader.named_destinations.items():
            number = reader.get_destination_page_number(to)
            places[sheet.entry.file, name.lstrip("/")] = (start + (number or 0), to.left or 0, to.top or 842)
    owner = [""] * (shift + 1) + [sheet.entry.file for sheet in sheets for _ in range(sheet.leaves)]
    for file, leaf in zip(owner, writer.pages, strict=True):
        _relink(writer, leaf, file, folder.resolve().as_uri() + "/", places)
    _bookmarks(writer, lines, sheets, places)
    writer.set_page_label(0, shift, style=PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(shift + 1, len(writer.pages) - 1, style=PageLabelStyle.DECIMAL)
    writer.metadata = {"/Title": about["title"], "/Author": about["author"]}
    writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _bookmarks(writer: Any, lines: list[Entry], sheets: list[Sheet], places: Places) -> None:
    """A bookmark for each line of the contents, and below a page one for each of its sections."""
    from pypdf.generic import Fit

    parents: list[Any] = []
    by_file = {sheet.entry.file: sheet for sheet in sheets}
    following = [line.file for line in lines]
    for i, line in enumerate(lines):
        file = line.file or following[i + 1]
        above = parents[line.depth - 1] if line.depth else None
        title = by_file[file].printed.title if line.file else line.caption
        mark = writer.add_outline_item(
            title=title, page_number=places[file, ""][0], parent=above, is_open=line.depth == 0
        )
        parents[line.depth :] = [mark]
        for text, place in by_file[file].printed.sections if line.file else ():
            number, left, top = places.get((file, place), places[file, ""])
            writer.add_outline_item(
                title=text, page_number=number, parent=mark, fit=Fit.xyz(left, top), is_open=False
            )


def _relink(writer: Any, leaf: Any, file: str, base: str, places: Places) -> None:
    """Links of a leaf lead to leaves of this PDF; those to other files go, and the dots of READY too."""
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    kept = ArrayObject()
    for reference in leaf.get("/Annots", []):
        link = reference.get_object()
        url, to = str(link.get("/A", {}).get("/URI", "")), None
        if float(link["/Rect"][2]) - float(link["/Rect"][0]) < 2:
            continue
        if "/Dest" in link:
            to = places.get((file, str(link["/Dest"]).lstrip("/")))
        elif url.startswith("file:"):
            path, _, place = unquote(url.removeprefix(base)).partition("#")
            page = path.removesuffix(".html")
            to = places.get((page, place), places.get((page, "")))
        if to:
            link.pop("/A", None)
            where = [NameObject("/XYZ"), FloatObject(to[1]), FloatObject(to[2]), NullObject()]
            link[NameObject("/Dest")] = ArrayObject([writer.pages[to[0]].indirect_reference, *where])
        if to or url.startswith("http"):
            kept.append(reference)
    if "/Annots" in leaf:
        leaf[NameObject("/Annots")] = kept


def main(argv: list[str] | None = None) -> int:
    """Make the PDF of a built book; returns the exit status, 1 where something is wrong on a page."""
    parser = argparse.ArgumentParser(prog="make pdf", description=__doc__)
    parser.add_argument("--profile", default="")
    asked = parser.parse_args(argv)
    root, start = project_root(), time.monotonic()
    try:
        if importlib.util.find_spec("pypdf") is None:
            raise PdfError("pypdf is not installed; requirements/pdf.lock names it")
        _, folder = serve.chosen(root, asked.profile)
        config, toc = (
            yaml.safe_load((root / name).read_text("utf-8")) for name in ("_config.yml", "_toc.yml")
        )
        about = {"title": config["title"], "author": config["author"], "version": release.version(root)}
        name = re.sub(r"\W+", "-", config["title"].split(":")[0].lower())
        target = folder.parent / f"{name}.pdf"
        leaves, wrong = make(folder, toc, about, target)
    except (ValueError, chromium.ChromiumError) as error:
        print(f"make pdf: {error}", file=sys.stderr)
        return 2
    told = f"{leaves} pages, {target.stat().st_size / 1e6:.1f} MB, {time.monotonic() - start:.0f} s"
    print(f"{terminal.from_here(target)}: {told}")
    for problem in wrong:
        print(f"make pdf: {problem}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    with terminal.plainly("make pdf"):
        sys.exit(main())
