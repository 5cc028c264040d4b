"""What a built site must hold: checks on its files, and what a browser sees on a page.

Each check returns a list of problems in plain words; an empty list means that all is well. The tests run each
check both on the book and on a small page that is broken on purpose.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from workflow.serve import Inside

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LEVELS: dict[str, object] = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}
CONTRAST: dict[str, object] = {"type": "rule", "values": ["color-contrast"]}
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
AXE = """async asked => {
  const found = await axe.run(document, {runOnly: asked, resultTypes: ['violations'], preload: false});
  const line = (rule, node) => `${rule}: ${node.target.join(" ")}: ${node.html.slice(0, 120)}`;
  return found.violations.flatMap(v => v.nodes.map(n => line(v.id, n)));
}"""
LOADED_RELS = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
CSS_URL = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
OUTSIDE = re.compile(r"^(https?:)?//", re.IGNORECASE)


@dataclass
class Parsed(HTMLParser):
    """One page: the targets it names, its anchors, images, style text and classes."""

    path: Path
    links: list[str] = field(default_factory=list)  # may lead outside
    loads: list[str] = field(default_factory=list)  # fetched by the browser without a click
    anchors: set[str] = field(default_factory=set)
    images: list[tuple[str, str]] = field(default_factory=list)  # (src, alt)
    classes: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    base: str = ""

    def __post_init__(self) -> None:
        """Read the page."""
        super().__init__(convert_charrefs=True)
        self.inside = ""
        self.feed(self.path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort a tag's targets into links and loads; HTMLParser calls this."""
        a = {k: v or "" for k, v in attrs}
        self.inside = tag
        self.anchors |= {a[k] for k in ("id", "name") if a.get(k)}
        self.classes.append(a.get("class", ""))
        if tag in ("a", "area") and "href" in a:
            self.links.append(a["href"])
        if tag == "link" and "href" in a and not {"canonical", "alternate"} & set(a.get("rel", "").split()):
            (self.loads if LOADED_RELS & set(a.get("rel", "").split()) else self.links).append(a["href"])
        if tag == "meta" and a.get("http-equiv", "").lower() == "refresh" and "=" in a.get("content", ""):
            self.links.append(a["content"].split("=", 1)[1])
        if tag == "img":
            self.images.append((a.get("src", ""), a.get("alt", "").strip()))
        self.loads += [a[k] for k in ("src", "poster", "data") if a.get(k) and tag != "a"]
        self.loads += [part.split()[0] for part in a.get("srcset", "").split(",") if part.strip()]
        self.loads += css_targets(a.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag; HTMLParser calls this."""
        self.inside = ""

    def handle_data(self, data: str) -> None:
        """Keep text, and what a style element loads; HTMLParser calls this."""
        if self.inside == "style":
            self.loads += css_targets(data)
        elif self.inside != "script":
            self.text.append(data)


def css_targets(css: str) -> list[str]:
    """Return every target of url() and @import in a style sheet."""
    return [first or second for first, second in CSS_URL.findall(css)]


def pages(site: Path) -> list[Path]:
    """Return the pages of a built site, not the fragments that a theme keeps among its static files."""
    found = sorted(
        p for p in site.rglob("*.html") if p.relative_to(site).parts[0] not in ("_static", "_sources")
    )
    if not found:
        raise ValueError(f"site: found no page under {site}, want the folder of a built site")
    return found


def broken_links(site: Path) -> list[str]:
    """Name each inside link, script, style sheet or image that leads nowhere, anchors included."""
    problems: list[str] = []
    root = site.resolve()
    anchors = functools.cache(lambda path: Parsed(path).anchors)
    for page in pages(site):
        parsed = Parsed(page)
        for target in parsed.links + parsed.loads:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            where = (page.parent / unquote(url.path)).resolve() if url.path else page.resolve()
            where = where / "index.html" if where.is_dir() else where
            fragment = unquote(url.fragment)
            name = f"{page.relative_to(site)}: {target!r}"
            if not where.is_relative_to(root):
                problems.append(f"{name} leaves the site")
            elif not where.is_file():
                problems.append(f"{name} is not there")
            elif fragment and where.suffix == ".html" and fragment not in anchors(where):
                problems.append(f"{name} names an anchor that is not there")
    return problems


def outside_references(site: Path) -> list[str]:
    """Name each script, style sheet, font or image that a page or a style sheet takes from another host."""
    found = [(page, target) for page in pages(site) for target in Parsed(page).loads]
    for sheet in sorted(site.rglob("*.css")):
        found += [(sheet, target) for target in css_targets(sheet.read_text(encoding="utf-8"))]
    return [f"{file.relative_to(site)}: loads {target!r}" for file, target in found if OUTSIDE.match(target)]


def images_without_alt(site: Path) -> list[str]:
    """Name each image that says nothing to a reader who does not see it."""
    return [
        f"{page.relative_to(site)}: {src!r} has no alt text"
        for page in pages(site)
        for src, alt in Parsed(page).images
        if not alt
    ]


def errors_in_pages(site: Path) -> list[str]:
    """Name each page that shows a traceback, an error output or text from stderr."""
    problems: list[str] = []
    for page in pages(site):
        parsed = Parsed(page)
        shown = {word for entry in parsed.classes for word in entry.split()} & {
            "traceback",
            "stderr",
            "system-message",
        }
        if "Traceback (most recent call last)" in "".join(parsed.text):
            shown.add("a traceback in its text")
        problems += [f"{page.relative_to(site)}: shows {what}" for what in sorted(shown)]
    return problems


# What a browser sees.


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields its address, ending in a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Inside, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


# Loaded, and past a page that only sends the reader on. Silence of the network is no sign: on a busy machine
# the browser may tell of it late or never.
ARRIVED = "document.readyState === 'complete' && !document.querySelector('meta[http-equiv=refresh]')"

# The theme follows the reader's scheme a moment later; a page that never does is told by LOOK.
SETTLED = """async scheme => {
  for (let i = 0; i < 40 && (document.documentElement.dataset.theme ?? scheme) !== scheme; i++)
    await new Promise(done => setTimeout(done, 25));
}"""

# Text against the first ancestor that paints a background, by the contrast ratio of WCAG 2.
LOOK = """async ([width, scheme]) => {
  const problems = [], name = e => e.tagName.toLowerCase() + (e.className ? '.' + e.className : '');
  if (document.querySelector('script[src*="mathjax" i]') && !window.MathJax?.startup?.promise)
    problems.push('MathJax did not start');
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  for (const e of document.querySelectorAll('.math'))
    if (!e.querySelector('mjx-container')) problems.push('not typeset: ' + e.textContent.slice(0, 60));
  for (const e of document.querySelectorAll('mjx-merror, [data-mjx-error]'))
    problems.push('MathJax reports: ' + (e.getAttribute('data-mjx-error') ?? e.textContent));
  for (const e of document.images) {
    e.loading = 'eager';
    await e.decode().catch(() => {});
    if (!e.naturalWidth) problems.push('image not loaded: ' + e.getAttribute('src'));
  }
  const wide = document.scrollingElement.scrollWidth;
  if (wide > width) problems.push(`scrolls sideways: ${wide} px in ${width} px`);
  const theme = document.documentElement.dataset.theme;
  if (theme && theme !== scheme) problems.push(`theme is ${theme}, want ${scheme}`);
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] > 127) return c;
    }
    return [255, 255, 255, 255];
  };
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = new Set();
  for (const e of document.querySelectorAll(
      'body, article :is(p, li, td, th, dt, dd, h1, h2, h3, figcaption, .admonition-title, mjx-container)')) {
    if (e !== document.body && !e.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.add(`contrast ${ratio.toFixed(1)} in ${name(e)}`);
  }
  return problems.concat([...faint]);
}"""


@contextlib.contextmanager
def opened(
    browser: Browser, url: str, *, width: int = 1280, scheme: str = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page in a fresh window; yields it and its growing list of console errors and bad requests.

    Requests to another host than that of `url` are refused, and are problems.
    """
    home = urlsplit(url)
    problems: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)

    def gate(route):
        there = urlsplit(route.request.url)
        if (there.scheme, there.netloc) == (home.scheme, home.netloc):
            route.continue_()
        else:
            problems.append(f"asks outside: {route.request.url}")
            route.abort()

    context.route(lambda address: not address.startswith(("data:", "blob:", "about:")), gate)
    page = context.new_page()
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(f"script error: {e}"))
    page.on("requestfailed", lambda r: problems.append(f"request failed: {r.url} ({r.failure})"))
    page.on("response", lambda r: problems.append(f"answer {r.status}: {r.url}") if r.status >= 400 else None)
    try:
        page.goto(url, wait_until="load", timeout=90_000)  # a busy machine may need its time
        page.wait_for_function(ARRIVED, timeout=90_000)
        yield page, problems
    finally:
        context.close()


def violations(page: Page, axe: str, asked: dict[str, object]) -> list[str]:
    """What axe-core finds wrong on an open page, one line an element."""
    page.evaluate("window.MathJax?.startup?.promise")
    page.evaluate(axe)
    found: list[str] = page.evaluate(AXE, asked)
    return found


def seen(
    browser: Browser,
    url: str,
    *,
    widths: Sequence[int] = (1280,),
    schemes: Sequence[str] = ("light",),
    axe: str = "",
) -> list[str]:
    """Return what readers with these widths of screen and colour schemes would find wrong with a page.

    The page is opened once, and math is typeset once, in the first setting; then the window changes. `axe` is
    the script of axe-core: its rules are tried at the last width, in later schemes that of contrast alone.
    """
    with opened(browser, url, width=widths[0], scheme=schemes[0]) as (page, problems):
        page.add_style_tag(content=STILL)
        looked: list[str] = []
        for width, scheme in product(widths, schemes):
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)
            page.evaluate(SETTLED, scheme)
            # Math, images, width, theme and contrast, in the page itself.
            looked += [f"{p} ({width} px, {scheme})" for p in page.evaluate(LOOK, [width, scheme])]
            if axe and width == widths[-1]:
                asked = LEVELS if scheme == schemes[0] else CONTRAST
                looked += [f"{p} ({scheme})" for p in violations(page, axe, asked)]
        return problems + looked
