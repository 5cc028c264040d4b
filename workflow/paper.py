"""A built page on paper: what is shown, when it is ready, what may be wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow import chromium

WIDTH, HEIGHT = 672, 978  # of the text of a page, in CSS pixels: A4 less the margins of STYLE
STYLE = """
@page { size: 210mm 297mm; margin: 18mm 16.1mm 20.2mm; }
@page { @bottom-center { content: counter(page, KIND); font: 9pt sans-serif } }
html { counter-reset: page BEFORE; font-size: 13px !important; }
body { line-height: 1.45 !important; }
.bd-main .bd-content .bd-article-container .bd-article { padding: 0 !important; }
h1, h2, h3, h4, dt { break-after: avoid; break-inside: avoid; }
h1 { font-size: 1.9rem !important; margin-bottom: 1rem !important; }
h2 { font-size: 1.5rem !important; } h3 { font-size: 1.2rem !important; }
p, li { orphans: 2; widows: 2; }
tr, img, svg, mjx-container, pre, .cell_input, .highlight { break-inside: avoid; }
.bd-article table { font-size: 10px; line-height: 1.3; }
.bd-article :is(th, td) { padding: 2px 4px !important; }
.bd-article img { max-height: 760px; max-width: 75%; width: auto; }
#jb-print-toc, .solution, .headerlink, .toggle-button, button { display: none !important; }
"""
# Nothing is printed before formulas, fonts and pictures are there. The links of the first line that the
# script adds are a dot each: Chromium writes the places of a page into its PDF only where a link asks.
READY = """(async () => {
  document.documentElement.dataset.theme = "light";
  const style = document.head.appendChild(document.createElement("style"));
  style.textContent = STYLE;
  for (const image of document.images) image.loading = "eager";
  if (window.MathJax?.startup?.promise) await window.MathJax.startup.promise;
  await Promise.all([...document.images].map(image => image.decode().catch(() => 0)));
  await document.fonts.ready;
  for (const formula of document.querySelectorAll("mjx-container[display]")) {
    const share = formula.clientWidth / formula.scrollWidth;  // a wide one is made smaller, to 0.6 at most
    const size = parseFloat(getComputedStyle(formula).fontSize);
    if (share < 1) formula.style.fontSize = `${0.98 * Math.max(share, 0.6) * size}px`;
  }
  const places = [...document.querySelectorAll("article [id]")].filter(e => !e.closest("mjx-container, svg"));
  const line = document.body.appendChild(document.createElement("div"));
  line.style.cssText = "position: absolute; top: 0; left: 0; display: flex";
  for (const place of places) {
    const link = line.appendChild(document.createElement("a"));
    link.href = "#" + place.id;
    link.style.cssText = "display: block; width: 1px; height: 1px";
  }
  const words = heading => {
    const own = heading.cloneNode(true);
    own.querySelectorAll(".headerlink").forEach(e => e.remove());
    own.querySelectorAll("mjx-container").forEach(e => e.replaceWith(e.textContent));  // its MathML
    return own.textContent.trim();
  };
  const title = document.querySelector("article h1");
  const sections = [...document.querySelectorAll("article section > h2")];
  return [title ? words(title) : document.title, sections.map(h => [words(h), h.parentElement.id])];
})()"""
PROBLEMS = r"""(() => {
  const found = [], article = document.querySelector("article") || document.body;
  const seen = e => e.getClientRects().length > 0;
  const cut = text => text.trim().replace(/\s+/g, " ").slice(0, 50);
  const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const raw = /\\[(\[]|\\[)\]]|\$\$|\\begin\{|Math Processing Error/.test(node.data);
    if (raw && seen(node.parentElement) && !node.parentElement.closest("pre, code, script, style, noscript"))
      found.push("TeX that was not typeset: " + cut(node.data));
  }
  for (const error of article.querySelectorAll("mjx-merror"))
    found.push("MathJax: " + cut(error.textContent));
  for (const image of article.querySelectorAll("img, svg, figure")) {
    const box = image.getBoundingClientRect();
    if (!seen(image)) continue;
    if (image.tagName === "IMG" && !image.naturalWidth) found.push("a picture is missing: " + cut(image.alt));
    if (box.right > WIDTH + 1 || box.height > HEIGHT)
      found.push("a picture is larger than the page: " + cut(image.alt || image.textContent));
  }
  for (const box of article.querySelectorAll("table, pre, div.math, div.output, mjx-container[display]")) {
    const over = Math.max(box.scrollWidth - box.clientWidth, box.getBoundingClientRect().right - WIDTH);
    if (seen(box) && over > 2)
      found.push(`${box.tagName.toLowerCase()} is ${Math.round(over)} px too wide: ` + cut(box.textContent));
  }
  return found;
})()"""


@dataclass(frozen=True)
class Printed:
    """A page as PDF: its title, its sections with their ids, and what is wrong with it."""

    title: str
    sections: list[tuple[str, str]]
    pdf: bytes
    problems: list[str]


def print_page(tab: chromium.Tab, page: Path, before: int, kind: str = "decimal") -> Printed:
    """Print a page whose leaves are numbered from `before` + 1, in numbers of a kind that CSS names."""
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", **size)
    light = [{"name": "prefers-color-scheme", "value": "light"}]
    tab.call("Emulation.setEmulatedMedia", media="print", features=light)
    tab.open(page.resolve().as_uri())
    style = json.dumps(STYLE.replace("BEFORE", str(before)).replace("KIND", kind))
    title, sections = tab.run(READY.replace("STYLE", style))
    wrong = tab.run(PROBLEMS.replace("WIDTH", str(WIDTH)).replace("HEIGHT", str(HEIGHT)))
    return Printed(title, [(text, place) for text, place in sections], tab.pdf(), wrong)


def empty(leaves: Iterable[Any]) -> list[int]:
    """Which leaves (from 1) of a PDF have neither a word nor a picture; the number at the foot is no word."""
    return [
        i
        for i, leaf in enumerate(leaves, 1)
        if not re.search(r"[^\W\d_]", leaf.extract_text()) and "/XObject" not in leaf.get("/Resources", {})
    ]
