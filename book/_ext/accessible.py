"""What the theme and docutils leave without a word, or with an outdated one, for a screen reader."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

BETTER = {
    # The arrows that fold the table of contents have no name.
    '<summary><span class="toctree-toggle"': '<summary aria-label="Pages below this one">'
    '<span class="toctree-toggle"',
    # Entries of a bibliography stand in a list; their own role is deprecated and no child of one.
    'role="doc-biblioentry"': 'role="listitem"',
}


def mend(app: Sphinx, error: Exception | None) -> None:
    """Put the better words into every page; Sphinx calls this when a build ends."""
    if error is None and app.builder.format == "html":
        for page in sorted(Path(app.outdir).rglob("*.html")):
            text = mended = page.read_text(encoding="utf-8")
            for old, new in BETTER.items():
                mended = mended.replace(old, new)
            if mended != text:
                page.write_text(mended, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
