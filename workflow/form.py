"""The form of a page: words, visible cells, figures, tables, and numbers in prose that nothing printed.

The limits are of the main page of a chapter, which is to be read to its end. Its supplement (NNs_name) and
its exercises (NNx_name) are counted too, without a limit; NN is a number, with a letter where there are two.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from lglib.report.provenance import project_root

LIMITS = {"words": 1800, "cells": 12, "longest": 10, "figures": 6, "tables": 5, "wide": 0}
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell", "parameters"}
PHONE = 48  # letters of a table's print that fit beside each other on 390 px
PAD = 2  # letters that the edges of a column take
NUMBER = re.compile(r"(?<![\w.^_{/\\-])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w{^-]|\.\d)")
SMALL = 12  # whole numbers up to here are words of the language
LEVELS = (90.0, 95.0)  # per cent, in the names of measures and of intervals
DATE = re.compile(r"(?:\d{1,2} [A-Z][a-z]+ )?\b(?:19|20)\d\d\b")


@dataclass(frozen=True)
class Form:
    """What a page has: counts, and the numbers of its prose that no output holds."""

    words: int
    cells: int  # code cells whose code is seen
    longest: int  # lines of the longest of them
    figures: int
    tables: int
    wide: int  # tables that are wider than a phone, by their longest words
    unprinted: tuple[str, ...]

    def beyond(self) -> list[str]:
        """Limits of a main page that are passed, in words."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name in LIMITS}
        found = [f"{name}: {n}, at most {LIMITS[name]}" for name, n in counts.items() if n > LIMITS[name]]
        return found + [f"numbers that nothing printed: {', '.join(self.unprinted)}"] * bool(self.unprinted)


def is_main(page: str) -> bool:
    """Whether a page is a chapter's main page, and not its supplement or its exercises.

    >>> is_main("04_llm_rank"), is_main("02b_models"), is_main("04s_llm_rank"), is_main("02bx_models")
    (True, True, False, False)
    """
    return not re.match(r"\d\d[a-z]?[sx]_", page)


def of(notebook: Path, known: Iterable[float] = ()) -> Form:
    """The form of an executed notebook; `known` are numbers that need no print, such as the paper's."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    seen = [cell for cell in code if not HIDDEN & set(cell["metadata"].get("tags", [])) and _source(cell)]
    outputs = [output for cell in code for output in cell["outputs"]]
    data = [output.get("data", {}) for output in outputs]
    tables = ["".join(d["text/html"]) for d in data if "<table" in "".join(d.get("text/html", []))]
    prose = [unfolded(_source(cell)) for cell in cells if cell["cell_type"] == "markdown"]
    prose += ["".join(d["text/markdown"]) for d in data if "text/markdown" in d]
    findings = list(_beside_exercises(_source(cell) for cell in cells if cell["cell_type"] == "markdown"))
    printed = {*known, *LEVELS, *_numbers_of(outputs), *(n for cell in code for n in _numbers(_source(cell)))}
    return Form(
        words=sum(len(plain(text).split()) for text in prose),
        cells=len(seen),
        longest=max((len(_source(cell).splitlines()) for cell in seen), default=0),
        figures=sum("image/png" in d for d in data),
        tables=len(tables),
        wide=sum(width(table) > PHONE for table in tables),
        unprinted=tuple(n for text in findings for n in told(text) if not is_printed(n, printed)),
    )


def unfolded(markdown: str) -> str:
    """Markdown without what is folded on the page: directives of the class dropdown, and solutions."""
    kept, fence = [], ""
    lines = markdown.splitlines()
    for i, line in enumerate(lines):
        opening = re.match(r"\s*(:{3,}|`{3,})\{([\w:-]+)\}", line)
        if not fence and opening and _folds(opening[2], lines[i + 1 : i + 5]):
            fence = opening[1]
        elif fence and line.strip() == fence:
            fence = ""
        elif not fence:
            kept.append(line)
    return "\n".join(kept)


def _beside_exercises(texts: Iterable[str]) -> Iterator[str]:
    """Markdown without exercises and their solutions, of which one may go on through several cells."""
    inside = False  # of a solution that has its own cells
    for text in texts:
        plain = re.sub(r"^:{3,}\{(exercise|solution)\}.*?^:{3,}$", "", text, flags=re.DOTALL | re.MULTILINE)
        for piece in re.split(r"^(`{3,}\{solution-(?:start|end)\})", plain, flags=re.MULTILINE):
            if piece.endswith("{solution-start}") or piece.endswith("{solution-end}"):
                inside = piece.endswith("{solution-start}")
            elif not inside:
                yield unfolded(piece)


def _folds(directive: str, following: list[str]) -> bool:
    options = [line for line in following if line.startswith(":")]
    return directive == "dropdown" or any(re.match(r":class:.*\bdropdown\b", line) for line in options)


def plain(markdown: str) -> str:
    """The words of Markdown: no formulas, code blocks, labels, options and lines of directives."""
    text = re.sub(r"\$\$.*?\$\$(?: *\([\w-]+\))?", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"(`{3,}).*?\1", " ", text, flags=re.DOTALL)
    text = re.sub(r"^\s*(\([\w-]+\)=|:{3,}.*|:[\w-]+:.*|\|[-| :]+\||%.*)$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"\{[\w:]+\}`([^`]*)`", r"\1", text)
    return re.sub(r"\$[^$]*\$", "x", text)


def told(markdown: str) -> list[str]:
    """Numbers that prose states: decimals and whole numbers above twelve, also where they stand in `$...$`.

    >>> told("The share is $0.61$ of 128 in GPT-2, in chapter 4, by {eq}`eq-9` and $2^{16}$.")
    ['0.61', '128']
    """
    text = re.sub(r"\$(-?[\d.,]+)\$", r"\1", markdown)
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"(`{3,}).*?\1|\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    text = re.sub(r"^\s*(\([\w-]+\)=|:{3,}.*|:[\w-]+:.*|#+ .*)$", " ", text, flags=re.MULTILINE)
    found = [match[0] for match in NUMBER.finditer(DATE.sub(" ", text))]
    return [n for n in found if "." in n or abs(_value(n)) > SMALL]


def is_printed(number: str, printed: Iterable[float]) -> bool:
    """Whether a number in prose is one of those printed, rounded to its own digits.

    >>> is_printed("0.61", [0.6123]), is_printed("0.61", [0.618]), is_printed("12", [11.8])
    (True, False, True)
    """
    value, digits = _value(number), len(number.partition(".")[2])
    half = 0.5000001 * 10**-digits
    return any(abs(abs(value) - abs(one)) <= half for one in printed)


def width(table: str) -> int:
    """Letters that the columns of an HTML table take beside each other, when all of them wrap."""
    reader = _Columns()
    reader.feed(table)
    return sum(longest + PAD for longest in reader.longest.values())


class _Columns(HTMLParser):
    """The longest word of each column."""

    def __init__(self) -> None:
        super().__init__()
        self.longest: dict[int, int] = {}
        self.column = -1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.column = -1
        elif tag in ("td", "th"):
            self.column += int(dict(attrs).get("colspan") or 1)

    def handle_data(self, data: str) -> None:
        if self.column >= 0 and (words := data.split()):  # before the first cell there is only its style
            longest = max(map(len, words))
            self.longest[self.column] = max(self.longest.get(self.column, 0), longest)


def _numbers_of(outputs: Iterable[dict[str, Any]]) -> Iterator[float]:
    for output in outputs:
        for text in (output.get("text"), *(v for k, v in output.get("data", {}).items() if "text" in k)):
            yield from _numbers("".join(text or []))


def _numbers(text: str) -> Iterator[float]:
    for match in re.finditer(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?", text):
        yield _value(match[0])


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]).strip()


def papers(root: Path) -> set[float]:
    """Numbers of the paper and of the rules, which pages quote; none where a project has no rules."""
    rules = root / "config" / "claims.yml"
    return set(_numbers(rules.read_text(encoding="utf-8"))) if rules.is_file() else set()


def report(folder: Path, root: Path) -> str:
    """One line a page: its counts, and which limits it passes."""
    known, lines = papers(root), ["words  cells  longest  figures  tables  wide  page"]
    for path in sorted(folder.glob("*.ipynb")):
        form = of(path, known)
        counts = f"{form.words:5d}  {form.cells:5d}  {form.longest:7d}  {form.figures:7d}"
        beyond = form.beyond() if is_main(path.stem) else []
        lines.append(f"{counts}  {form.tables:6d}  {form.wide:4d}  {'; '.join([path.stem, *beyond])}")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count the form of executed pages.")
    parser.add_argument("folder", nargs="?", default="book/chapters")
    here = project_root()
    print(report(here / parser.parse_args().folder, here))
