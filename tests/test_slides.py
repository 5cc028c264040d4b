"""Slides: plain text, every figure with its words, nothing from another host, the same bytes again."""

import hashlib
import re

import nbformat
import pytest
import sitecheck
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workflow import slides

# Of the package reveal.js 5.2.1 on npm, files dist/reveal.js and dist/reveal.css.
REVEAL = {
    "reveal.js": "46538b52db48724192f59bf46f5e851a18e302777c46f4a34c32709d010d6a29",
    "reveal.css": "68f915a11ebf7203c0446576b7e952ff61c5dd02134a8a226ffaf62ed42136d2",
}


@pytest.fixture(scope="module")
def decks(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    return slides.make(root, folder), folder


def test_each_main_page_has_a_deck_and_no_other_page_has_one(root, decks):
    made, folder = decks
    names = {path.stem for path in (root / "book" / "chapters").glob("*.ipynb")}
    assert {path.stem for path in made} == {name for name in names if re.match(r"\d\db?_", name)}
    assert len(made) >= 9
    assert set(made) == set(folder.glob("*.html"))


def test_a_deck_asks_no_other_host_and_has_no_dead_link(decks):
    _, folder = decks
    assert sitecheck.outside_references(folder) == []
    assert sitecheck.images_without_alt(folder) == []
    for path in folder.glob("*.html"):
        for place in re.findall(r'(?:src|href)="((?!data:)[^"#]+)"', path.read_text()):
            assert (folder / place).is_file(), place


def test_no_role_directive_or_label_of_myst_is_left(decks):
    for path in decks[0]:
        text = re.sub(r"<pre.*?</pre>|base64,[^\"]*", "", path.read_text(), flags=re.DOTALL)
        assert not re.findall(r"\{[\w:]+\}`|:{3,}|\{(?:exercise|prf:\w+)\}|^\([\w-]+\)=", text, re.MULTILINE)
        assert "{cite" not in text
        assert not re.search(r"(?<!\\)\$\$?", re.sub(r"\\[(\[].*?\\[)\]]", "", text, flags=re.DOTALL)), path


def test_each_figure_of_a_page_is_on_a_slide_and_no_proof_is(root, decks):
    for path in decks[0]:
        page = nbformat.read(root / "book" / "chapters" / f"{path.stem}.ipynb", 4)
        shown = [c for c in page.cells if not slides.HIDDEN & set(c.metadata.get("tags", ()))]
        figures = sum("image/png" in o.get("data", {}) for c in shown for o in c.get("outputs", ()))
        text = path.read_text()
        assert text.count("data:image/png") == figures
        assert text.count("<section>") == text.count("</section>") > 4
        assert ":::{prf:proof}" not in text


def test_a_section_is_a_column_and_a_long_one_has_more_slides():
    image = new_output("display_data", data={"image/png": "aGk=\n"})
    told = {"mystnb": {"figure": {"caption": "By {doc}`01_a`, $x<1$."}, "image": {"alt": 'a "b"'}}}
    cells = [
        new_markdown_cell("# One\n\nFew words, $a<b$ {cite}`who2020`."),
        new_code_cell("x", outputs=[image], metadata=told),
        new_markdown_cell("## Two\n\n" + "word " * 80 + "\n\n" + "more " * 20),
        new_markdown_cell("### Three\n\n:::{prf:proof}\nhidden\n:::\n\n- a\n- b"),
        new_code_cell(
            "y", outputs=[new_output("stream", text="1 < 2\n")], metadata={"tags": ["hide-output"]}
        ),
        new_code_cell("y", outputs=[new_output("stream", text="2 < 3\n")]),
    ]
    found = slides.slides(new_notebook(cells=cells), {"01_a": "Theory"})
    assert [(re.sub("<.*?>", "", s.heading).strip(), s.opens) for s in found] == [
        *(("One", True), ("One", False)),
        *(("Two", True), ("Two", False)),
        ("Three", False),
    ]
    assert found[0].pieces == ['<p>Few words, <span class="math inline">\\(a&lt;b\\)</span>.</p>\n']
    assert 'alt="a &quot;b&quot;"' in found[1].pieces[0]
    assert (
        'By the page &quot;Theory&quot;, <span class="math inline">\\(x&lt;1\\)</span>.' in found[1].pieces[0]
    )
    assert "<li>a</li>" in found[4].pieces[0]
    assert found[4].pieces[1:] == ['<pre tabindex="0">2 &lt; 3</pre>']


def test_the_script_of_others_is_as_they_publish_it(root):
    for name, digest in REVEAL.items():
        assert hashlib.sha256((root / "workflow" / "reveal" / name).read_bytes()).hexdigest() == digest


def test_the_same_pages_give_the_same_bytes_and_old_decks_go(root, decks, tmp_path):
    (tmp_path / "99_old.html").write_text("x")
    for path in slides.make(root, tmp_path):
        assert path.read_bytes() == (decks[1] / path.name).read_bytes()
    assert not (tmp_path / "99_old.html").exists()
