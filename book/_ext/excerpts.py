"""Excerpts of search results where the book is read from disk.

Sphinx's search fetches each page that it found to show an excerpt of it, and a browser fetches nothing from
`file://`. So the text of the pages is also written as one script, which `_static/search.js` loads only there.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag
from sphinx.application import Sphinx

SCRIPT = "search_texts.js"
SKIPPED = {"script", "style", "svg", "img", "button", "template"}


def text_of(node: Tag) -> str:
    """The words of a part of a page as HTML of nothing but its sections, so that an anchor is still found.

    >>> text_of(BeautifulSoup('<p>a <b>b</b></p><section id="x"><p>c &lt; d</p></section>', "html.parser"))
    'a b<section id="x">c &lt; d</section>'
    """
    parts = []
    for child in node.children:
        if isinstance(child, Tag):
            if child.name in SKIPPED or "headerlink" in child.get_attribute_list("class"):
                continue
            inside = text_of(child)
            named = child.name == "section" and child.get("id")
            parts.append(f'<section id="{escape(str(child["id"]))}">{inside}</section>' if named else inside)
        elif type(child) is NavigableString:
            parts.append(escape(re.sub(r"\s+", " ", child), quote=False))
    return "".join(parts)


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Write the words of all pages into the built site; Sphinx calls this when a build ends."""
    if error is not None or app.builder.format != "html":
        return
    texts = {}
    for name in sorted(app.env.found_docs):
        page = Path(app.outdir) / f"{name}.html"
        found = BeautifulSoup(page.read_text("utf-8"), "html.parser").find("article")
        texts[name] = text_of(found) if isinstance(found, Tag) else ""
    told = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    (Path(app.outdir) / "_static" / SCRIPT).write_text(f"window.SEARCH_TEXTS={told};\n", "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", write_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
