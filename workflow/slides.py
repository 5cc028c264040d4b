"""`make slides`: a deck of slides for each main page, from the published chapters; it asks no other host.

A section is a column of slides: its text in pieces, then each figure and table. Code and proofs are left out.
"""

from __future__ import annotations

import argparse
import html
import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from lglib.base.files import write_atomically
from lglib.report.provenance import project_root
from workflow import course, form, terminal

REVEAL = ("reveal.js", "reveal.css", "LICENSE")  # of reveal.js 5.2.1, as its authors publish it
WORDS = 90  # on one slide, a figure or a table counts as many
LINE = 9  # words that a printed line counts as
LEFT_OUT = (
    "prf:proof",
    "exercise",
    "exercise-start",
    "exercise-end",
    "solution",
    "solution-start",
    "solution-end",
)
HIDDEN = frozenset({"remove-cell", "remove-output", "hide-cell", "hide-output"})
STYLE = """
.reveal { font-family: system-ui, sans-serif; font-size: 24px; color: #1b1b1b; background: #fff }
.reveal .slides section { text-align: left; max-height: 100%; overflow-y: auto }
.reveal .slides section { box-sizing: border-box; padding: 0 10px }
.reveal h1 { font-size: 1.7em } .reveal h2 { font-size: 1.3em } .reveal h3 { font-size: 1.1em }
.reveal h1, .reveal h2, .reveal h3 { margin: 0 0 .5em; line-height: 1.2; color: #123 }
.reveal p, .reveal li { line-height: 1.4; margin: 0 0 .6em }
.reveal figure { margin: 0; text-align: center } .reveal img { max-width: 100%; max-height: 520px }
.reveal figcaption { font-size: .7em; text-align: left }
.reveal table { font-size: .6em; border-collapse: collapse }
.reveal th, .reveal td { padding: .2em .6em; text-align: left }
.reveal tr { border-bottom: 1px solid #ccc }
.reveal pre { font-size: .7em; width: 100%; margin: 0 0 .6em; box-shadow: none }
.reveal pre { white-space: pre-wrap; max-height: 560px; overflow: auto }
.reveal blockquote { border-left: 4px solid #789; margin: 0 0 .6em; padding-left: 1em }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="reveal/reveal.css">
<style>{style}</style>
<noscript><style>.reveal .slides, .reveal .slides section {{ display: block !important; max-height: none;
 position: static !important; visibility: visible !important; width: auto; transform: none }}
.reveal-viewport, .reveal, body {{ overflow: auto; height: auto }}</style></noscript>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/reveal.js"></script>
<script>Reveal.initialize({{hash: true, slideNumber: true, transition: "none", width: 1200, height: 720,
 center: false, scrollActivationWidth: null}});</script>
<script src="mathjax/{mathjax}" async></script>
</body>
</html>
"""


@dataclass
class Slide:
    """Pieces of HTML under a heading, and how many words they have; `opens` a new column or not."""

    heading: str
    opens: bool
    pieces: list[str] = field(default_factory=list)
    words: int = 0


def _math(content: str, options: dict[str, Any]) -> str:
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{html.escape(content)}{right}"


MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").use(dollarmath_plugin, renderer=_math)


def pages(root: Path) -> list[Path]:
    """The published main pages, in order."""
    return [path for path in sorted((root / "book" / "chapters").glob("*.ipynb")) if form.is_main(path.stem)]


def slides(notebook: nbformat.NotebookNode, titles: dict[str, str]) -> list[Slide]:
    """Slides of a page, in order."""
    found: list[Slide] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for kind, _, text in course.blocks(cell.source):
                if kind not in LEFT_OUT:
                    _add_text(found, plain(text, titles))
        elif cell.cell_type == "code" and not HIDDEN & set(cell.metadata.get("tags", ())):
            for piece in outputs(cell, titles):
                _add(found, piece, LINE * (piece.count("\n") + 1) if piece.startswith("<pre") else WORDS)
    return [slide for slide in found if slide.pieces or slide.opens]


def plain(text: str, titles: dict[str, str]) -> str:
    """Markdown without roles, citations and labels.

    >>> plain("Adapters {cite}`hu2022lora` drift, by {prf:ref}`prop-a`.", {"prop-a": "What lengths do"})
    'Adapters drift, by "What lengths do".'
    """
    return course.in_jupyter(re.sub(r"\s*\{cite(:\w+)?\}`[^`]*`", "", text), titles)


def outputs(cell: nbformat.NotebookNode, titles: dict[str, str]) -> Iterator[str]:
    """HTML of what a cell printed, drew and showed."""
    told = cell.metadata.get("mystnb", {})
    caption = plain(told.get("figure", {}).get("caption", ""), titles)
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if output.output_type == "stream":
            yield f'<pre tabindex="0">{html.escape(output.text.rstrip())}</pre>'
        elif "image/png" in data:
            image = "".join(data["image/png"].split())
            alt = html.escape(told.get("image", {}).get("alt", caption), quote=True)
            below = f"<figcaption>{MARKDOWN.renderInline(caption)}</figcaption>" if caption else ""
            yield f'<figure><img src="data:image/png;base64,{image}" alt="{alt}">{below}</figure>'
        elif "text/html" in data:
            yield data["text/html"]
        elif "text/markdown" in data:
            yield MARKDOWN.render(plain(data["text/markdown"], titles))
        elif "text/plain" in data:
            yield f'<pre tabindex="0">{html.escape(data["text/plain"])}</pre>'


def _add_text(found: list[Slide], text: str) -> None:
    """Add Markdown block by block: a heading of level 1 or 2 opens a column, one below it a slide."""
    tokens, lines = MARKDOWN.parse(text), text.splitlines()
    start = 0
    for i, token in enumerate(tokens):
        if token.level or token.nesting == 1:
            continue
        block, start = tokens[start : i + 1], i + 1
        out = MARKDOWN.renderer.render(block, MARKDOWN.options, {})
        if block[0].type == "heading_open":
            found.append(Slide(out, block[0].tag in ("h1", "h2")))
        else:
            first, last = block[0].map or (0, 0)
            _add(found, out, len(" ".join(lines[first:last]).split()))


def _add(found: list[Slide], piece: str, words: int) -> None:
    """Add a piece to the last slide, or to one below it where that is full."""
    if not found:
        found.append(Slide("", True))
    if found[-1].pieces and found[-1].words + words > WORDS:
        found.append(Slide(found[-1].heading, False))
    found[-1].pieces.append(piece)
    found[-1].words += words


def deck(notebook: nbformat.NotebookNode, titles: dict[str, str], title: str, script: str) -> str:
    """The page of a deck; its parts are in `reveal/` and `mathjax/` beside it."""
    columns: list[list[str]] = []
    for slide in slides(notebook, titles):
        text = "\n".join([slide.heading.strip(), *slide.pieces])
        if slide.opens or not columns:
            columns.append([])
        columns[-1].append(f"<section>\n{text}\n</section>")
    body = "\n".join("<section>\n" + "\n".join(column) + "\n</section>" for column in columns)
    return PAGE.format(title=html.escape(title), style=STYLE, slides=body, mathjax=script)


def make(root: Path, folder: Path) -> list[Path]:
    """Write the deck of each main page, with what they need beside them; return the decks."""
    offline, known = _offline(root), course.titles(root)
    (folder / "reveal").mkdir(parents=True, exist_ok=True)
    for name in REVEAL:
        shutil.copyfile(root / "workflow" / "reveal" / name, folder / "reveal" / name)
    offline.copy_to(folder / "mathjax")
    made = []
    for path in pages(root):
        title = known.get(path.stem, path.stem)
        text = deck(nbformat.read(path, 4), known, title, offline.SCRIPT)
        made.append(write_atomically(folder / f"{path.stem}.html", text))
    for old in set(folder.glob("*.html")) - set(made):
        old.unlink()
    return made


def _offline(root: Path) -> ModuleType:
    """The extension of the book that knows where MathJax is."""
    spec: Any = importlib.util.spec_from_file_location("offline", root / "book" / "_ext" / "offline.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make slides", description=__doc__)
    parser.add_argument("--folder", default="course/slides", help="where the decks are written")
    asked = parser.parse_args()
    here = project_root()
    with terminal.plainly("make slides"):
        for one in make(here, here / asked.folder):
            print(terminal.from_here(one))
