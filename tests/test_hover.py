"""Hover texts: claim ids and symbols say what they mean, once a section, where they are meant."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from docutils import nodes


@pytest.fixture(scope="module")
def hover(root):
    sys.path.insert(0, str(root / "book" / "_ext"))
    try:
        import hover
    finally:
        sys.path.pop(0)
    return hover


def test_every_claim_has_its_statement(hover, root):
    found = hover.claims(root)
    assert found["S3"] == "Claim S3: the first recovery updates capture most of the recovery displacement"
    assert all(hover.CLAIM.fullmatch(name) for name in found)
    assert hover.claims(root / "book") == {}


@pytest.mark.parametrize("text", ["micro-S3", "S3a", "GPT-B2", "PS3", "S3-like", "S33", "5.S3"])
def test_a_word_that_only_holds_an_id_is_left_alone(hover, text):
    assert hover.CLAIM.findall(text) == []


@pytest.mark.parametrize("text", ["S3", "(S3)", "S3.", "S3, then", "S2/S3", "claim S3:"])
def test_an_id_is_found(hover, text):
    assert "S3" in hover.CLAIM.findall(text)


def test_symbols_are_read_from_the_notation_page_and_hold_no_formula(hover, root):
    found = hover.symbols((root / "book" / "notation.md").read_text(encoding="utf-8"))
    assert found[r"\Delta"] == "Δ: The recovery displacement: where recovery ended, seen from where it began."
    assert {r"\theta_f", "m_N", r"\sigma^\ast"} <= set(found)
    assert all("\\" not in said and "$" not in said for said in found.values())
    assert not any(len(name) == 1 for name in found)


APP = SimpleNamespace(  # as much of Sphinx as the extension asks for
    builder=SimpleNamespace(format="html"),
    config=SimpleNamespace(
        hover_claims={"S3": "Claim S3: it is so", "B1": "Claim B1: that too"},
        hover_symbols={r"\Delta": "Δ: what moved"},
    ),
)


def page(*parts: nodes.Node) -> nodes.document:
    from docutils.utils import new_document

    document, section = new_document("page"), nodes.section()
    section += nodes.title("", "S3 in a title")
    paragraph = nodes.paragraph()
    for part in parts:
        paragraph += part
    section += paragraph
    document += section
    return document


def told(document: nodes.document) -> list[tuple[str, str]]:
    return [(one.astext(), one["explanation"]) for one in document.findall(nodes.abbreviation)]


def test_the_first_of_a_section_is_explained_and_what_is_read_stays_the_same(hover):
    parts = nodes.Text("S3 and B1, then S3 by "), nodes.math("", r"\Delta"), nodes.literal("", "S3")
    document = page(*parts)
    before = document.astext()
    hover.explain(APP, document, "book/chapters/03_x")
    assert told(document) == [
        ("S3", "Claim S3: it is so"),
        ("B1", "Claim B1: that too"),
        (r"\Delta", "Δ: what moved"),
    ]
    assert document.astext() == before


def test_links_code_and_pages_of_the_api_are_left_alone(hover):
    for part in (nodes.reference("", "S3"), nodes.literal("", "S3"), nodes.raw("", "S3", format="html")):
        document = page(part)
        hover.explain(APP, document, "book/chapters/03_x")
        assert told(document) == []
    for name in ("book/api/theory", "genindex"):
        document = page(nodes.Text("S3"))
        hover.explain(APP, document, name)
        assert told(document) == []


def test_symbols_of_the_notation_page_itself_are_left_alone(hover):
    document = page(nodes.math("", r"\Delta"))
    hover.explain(APP, document, "book/notation")
    assert told(document) == []


def test_each_section_explains_anew(hover):
    document = page(nodes.Text("S3"))
    document += page(nodes.Text("S3")).children[0]
    hover.explain(APP, document, "book/chapters/03_x")
    assert told(document) == [("S3", "Claim S3: it is so")] * 2
