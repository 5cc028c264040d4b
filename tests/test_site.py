"""The built book, read as files: links, outside references, alt texts, error outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import sitecheck

GOOD = (
    '<html><body><h1 id="top">T</h1><a href="#top">up</a><a href="https://example.org/">out</a></body></html>'
)


def write(folder: Path, body: str, name: str = "page.html") -> Path:
    (folder / name).write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return folder


@pytest.mark.site
@pytest.mark.parametrize(
    "check",
    [
        sitecheck.broken_links,
        sitecheck.outside_references,
        sitecheck.images_without_alt,
        sitecheck.errors_in_pages,
    ],
    ids=lambda check: check.__name__,
)
def test_the_book_passes(check, site):
    assert check(site) == []


@pytest.mark.site
def test_the_book_has_its_pages_its_downloads_and_its_own_mathjax(site):
    wanted = ["index.html", "search.html", "_static/mathjax/tex-mml-chtml.js", "_static/mathjax/LICENSE"]
    pages = ("chapters/00_start", "notation", "architecture", "api/index", "references")
    wanted += [f"book/{name}.html" for name in pages]
    assert [name for name in wanted if not (site / name).is_file()] == []
    chapters = [page for page in sitecheck.pages(site) if page.parent.name == "chapters"]
    assert chapters
    for chapter in chapters:
        links = sitecheck.Parsed(chapter).links
        assert any(link.endswith(f"{chapter.stem}.ipynb") for link in links), (
            f"no .ipynb download in {chapter}"
        )


@pytest.mark.site
def test_the_bibliography_prints_every_entry(site):
    bib = Path(__file__).parents[1] / "book" / "references.bib"
    keys = [line.split("{")[1].rstrip(",\n") for line in bib.read_text().splitlines() if line.startswith("@")]
    shown = (site / "book" / "references.html").read_text(encoding="utf-8").count('<div class="citation" id=')
    assert shown == len(keys) == len(set(keys))


def test_a_good_page_has_no_problem(tmp_path):
    (tmp_path / "page.html").write_text(GOOD, encoding="utf-8")
    for check in (sitecheck.broken_links, sitecheck.outside_references, sitecheck.images_without_alt):
        assert check(tmp_path) == []
    assert sitecheck.errors_in_pages(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        '<a href="gone.html">x</a>',
        '<a href="#gone">x</a>',
        '<a href="other.html#gone">x</a>',
        '<a href="../elsewhere.html">x</a>',
        '<img src="gone.png" alt="a">',
        '<script src="gone.js"></script>',
        '<link rel="stylesheet" href="gone.css">',
        '<meta http-equiv="refresh" content="0; url=gone.html">',
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path, body):
    write(tmp_path, "<p>other</p>", "other.html")
    assert len(sitecheck.broken_links(write(tmp_path, body))) == 1


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://cdn.example.org/a.js"></script>',
        '<link rel="stylesheet" href="//cdn.example.org/a.css">',
        '<link rel="preload" href="https://cdn.example.org/a.woff2">',
        '<img src="https://example.org/a.png" alt="a">',
        '<img srcset="https://example.org/a.png 2x" alt="a">',
        "<style>@font-face { src: url('https://example.org/a.woff') }</style>",
        '<p style="background: url(//example.org/a.png)">x</p>',
    ],
)
def test_a_reference_to_another_host_is_found(tmp_path, body):
    assert len(sitecheck.outside_references(write(tmp_path, body))) == 1


def test_a_style_sheet_that_imports_from_another_host_is_found(tmp_path):
    (tmp_path / "a.css").write_text('@import "https://example.org/b.css";')
    assert len(sitecheck.outside_references(write(tmp_path, ""))) == 1


@pytest.mark.parametrize("body", ['<img src="a.png">', '<img src="a.png" alt=" ">'])
def test_an_image_without_alt_text_is_found(tmp_path, body):
    assert len(sitecheck.images_without_alt(write(tmp_path, body))) == 1


@pytest.mark.parametrize(
    "body",
    [
        '<div class="output traceback highlight-ipythontb"><pre>ValueError</pre></div>',
        '<div class="output stderr"><pre>Warning</pre></div>',
        "<pre>Traceback (most recent call last):</pre>",
    ],
)
def test_an_error_output_is_found(tmp_path, body):
    assert len(sitecheck.errors_in_pages(write(tmp_path, body))) == 1


def test_a_folder_without_pages_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found no page"):
        sitecheck.pages(tmp_path)
