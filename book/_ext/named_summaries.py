"""Name the arrows that fold the table of contents: the theme gives screen readers no word for them."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

BARE = '<summary><span class="toctree-toggle"'
NAMED = '<summary aria-label="Pages below this one"><span class="toctree-toggle"'


def name(app: Sphinx, error: Exception | None) -> None:
    """Put the name into every page; Sphinx calls this when a build ends."""
    if error is None and app.builder.format == "html":
        for page in sorted(Path(app.outdir).rglob("*.html")):
            text = page.read_text(encoding="utf-8")
            if BARE in text:
                page.write_text(text.replace(BARE, NAMED), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
