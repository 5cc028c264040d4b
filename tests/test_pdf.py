"""The PDF of the book: pages in order, what is shown, what is wrong told by page, the same bytes again."""

from __future__ import annotations

import io

import pytest
from conftest import browser_path

from workflow import chromium, paper, pdf

TOC = {
    "root": "start",
    "parts": [{"caption": "Part", "chapters": [{"file": "one", "sections": [{"file": "two"}]}]}],
}
ABOUT = {"title": "A <book>: of tests", "author": "Who", "version": "1"}
PAGE = """<!doctype html><meta charset="utf-8"><title>{name} of the site</title>
<article class="bd-article"><section id="{name}">
<h1>{title}<a class="headerlink" href="#{name}">#</a></h1>
{body}</section></article>"""
BODIES = {
    "start": '<p>Start words. <a href="one.html#deep">deep</a> <a href="data.csv">file</a></p>'
    '<p><a href="https://arxiv.org/">out</a></p>',
    "one": '<section id="deep" style="break-before: page"><h2>Deep section</h2><p>Deep words.</p></section>',
    "two": '<div class="solution"><p>secret</p></div>'
    "<details><summary>Answer</summary><p>folded</p></details><p>End.</p>",
}


def site(folder, **bodies):
    """A site of three pages, some with another body."""
    for name, body in (BODIES | bodies).items():
        (folder / f"{name}.html").write_text(PAGE.format(name=name, title=f"Page {name}", body=body))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("pypdf")
    browser_path()
    folder = site(tmp_path_factory.mktemp("pages"))
    return folder, pdf.make(folder, TOC, ABOUT, folder / "book.pdf")


@pytest.fixture
def tab():
    browser_path()
    with chromium.tab() as found:
        yield found


def test_lines_of_the_contents_keep_order_and_depth():
    lines = [(line.depth, line.file or line.caption) for line in pdf.entries(TOC)]
    assert lines == [(0, "start"), (0, "Part"), (1, "one"), (2, "two")]
    assert [line.file for line in pdf.entries({"root": "a", "chapters": [{"file": "b"}]})] == ["a", "b"]


@pytest.mark.browser
def test_pages_come_in_order_with_bookmarks_numbers_and_no_date(made):
    from pypdf import PdfReader

    folder, (leaves, wrong) = made
    reader = PdfReader(folder / "book.pdf")
    assert (leaves, wrong) == (5, [])
    assert reader.page_labels == ["i", "1", "2", "3", "4"]
    texts = [leaf.extract_text() for leaf in reader.pages]
    for text, words in zip(
        texts, ("Contents", "Start words.", "Page one", "Deep words.", "End."), strict=True
    ):
        assert words in text
    assert [text.split()[0] for text in texts] == reader.page_labels  # the number at the foot is drawn first
    outline = reader.outline
    assert [mark.title for mark in (outline[0], outline[1])] == ["Page start", "Part"]
    one, (deep, two) = outline[2]
    assert (one.title, deep.title, two.title) == ("Page one", "Deep section", "Page two")
    assert [reader.get_destination_page_number(mark) for mark in (one, deep, two)] == [2, 3, 4]
    assert dict(reader.metadata) == {"/Title": ABOUT["title"], "/Author": "Who"}


@pytest.mark.browser
def test_solutions_and_what_is_folded_are_left_out(made):
    from pypdf import PdfReader

    text = "".join(leaf.extract_text() for leaf in PdfReader(made[0] / "book.pdf").pages)
    assert "Answer" in text
    assert "secret" not in text
    assert "folded" not in text.split("End.")[0].split("Page two")[1]
    assert "Solutions of exercises, answers of the quiz" in text


@pytest.mark.browser
def test_links_lead_to_leaves_of_the_pdf_or_out_of_it_and_never_to_a_file(made):
    from pypdf import PdfReader

    reader = PdfReader(made[0] / "book.pdf")
    links = [link.get_object() for link in reader.pages[1]["/Annots"]]
    assert [link["/A"]["/URI"] for link in links if "/A" in link] == ["https://arxiv.org/"]
    (inside,) = [link["/Dest"][0].get_object() for link in links if "/Dest" in link]
    assert inside == reader.pages[3]
    assert b"file:" not in (made[0] / "book.pdf").read_bytes()


@pytest.mark.browser
def test_the_same_pages_give_the_same_bytes(made):
    folder, _ = made
    pdf.make(folder, TOC, ABOUT, folder / "again.pdf")
    assert (folder / "again.pdf").read_bytes() == (folder / "book.pdf").read_bytes()
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (r"<p>where \(x^2\) is</p>", "TeX that was not typeset: where"),
        (r"<p>$$x$$</p>", "TeX that was not typeset"),
        ("<p>Math Processing Error</p>", "TeX that was not typeset"),
        ("<img src='none.png' alt='a plot'>", "a picture is missing: a plot"),
        ("<svg width='900' height='10'></svg>", "a picture is larger than the page"),
        ("<svg width='90' height='1500'></svg>", "a picture is larger than the page"),
        ("<figure><p style='height: 900px'></p>" + "<p>caption</p>" * 9 + "</figure>", "a picture is larger"),
        ("<table><tr><td style='white-space: nowrap'>" + "wide " * 300 + "</table>", "table is"),
    ],
)
def test_what_is_wrong_with_a_page_is_told(tab, tmp_path, body, told):
    printed = paper.print_page(tab, site(tmp_path, one=body) / "one.html", 0)
    assert len(printed.problems) == 1
    assert told in printed.problems[0]


@pytest.mark.browser
def test_tex_in_code_is_no_problem_and_a_hidden_picture_neither(tab, tmp_path):
    body = r"<pre>\(x\) $$</pre><p><code>\begin{a}</code></p><svg width='900' style='display: none'></svg>"
    assert paper.print_page(tab, site(tmp_path, one=body) / "one.html", 0).problems == []


@pytest.mark.browser
def test_formulas_are_waited_for_and_a_wide_one_is_made_smaller(tab, tmp_path):
    """A stand-in for MathJax that takes half a second."""
    late = "setTimeout(() => { document.querySelector('p').innerHTML = FORMULA; done(); }, 500)"
    formula = "<mjx-container display='true' style='display: block; overflow: auto; white-space: nowrap'>"
    script = late.replace("FORMULA", repr(formula + "x + " * 32))
    body = rf"<p>\(x\)</p><script>MathJax = {{startup: {{promise: new Promise(done => {script})}}}}</script>"
    page = site(tmp_path, one=body) / "one.html"
    assert paper.print_page(tab, page, 0).problems == []
    size = tab.run("getComputedStyle(document.querySelector('mjx-container')).fontSize")
    assert 0.6 * 13 <= float(size.removesuffix("px")) < 13
    page.write_text(page.read_text().replace("x + ", "x + y + z + "))
    (told,) = paper.print_page(tab, page, 0).problems
    assert told.startswith("mjx-container is ")


@pytest.mark.browser
def test_an_empty_leaf_is_named(tab, tmp_path):
    reader = pytest.importorskip("pypdf").PdfReader
    new = "style='break-before: page; height: 9px'"
    body = f"<p>words</p><div {new}></div><p {new}>more</p>"
    printed = paper.print_page(tab, site(tmp_path, one=body) / "one.html", 0)
    assert paper.empty(reader(io.BytesIO(printed.pdf)).pages) == [2]


@pytest.mark.browser
def test_what_a_page_throws_and_what_chromium_refuses_is_told(tab, tmp_path):
    with pytest.raises(chromium.ChromiumError, match="Error: so it is"):
        tab.run("Promise.reject(new Error('so it is'))")
    with pytest.raises(chromium.ChromiumError, match=r"none\.html: net::ERR_FILE_NOT_FOUND"):
        tab.open((tmp_path / "none.html").as_uri())
    with pytest.raises(chromium.ChromiumError, match=r"No\.such"):
        tab.call("No.such")


def test_without_chromium_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        chromium.ChromiumError, match="google-chrome is on PATH; on Debian: apt-get install chromium"
    ):
        chromium.found()


def test_a_page_that_is_not_built_is_named_before_anything_is_printed(tmp_path, monkeypatch):
    pytest.importorskip("pypdf")
    monkeypatch.setenv("PATH", str(tmp_path))
    (site(tmp_path) / "two.html").unlink()
    with pytest.raises(pdf.PdfError, match="has no page two; type: make book"):
        pdf.make(tmp_path, TOC, ABOUT, tmp_path / "book.pdf")


def test_without_a_built_book_or_without_pypdf_the_command_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pdf, "project_root", lambda: tmp_path)
    monkeypatch.setattr(pdf.importlib.util, "find_spec", lambda name: object())
    assert pdf.main([]) == 2
    assert capsys.readouterr().err == "make pdf: no book is built yet; type: make book\n"
    monkeypatch.setattr(pdf.importlib.util, "find_spec", lambda name: None)
    assert pdf.main([]) == 2
    assert capsys.readouterr().err.startswith(
        "make pdf: pypdf is not installed; requirements/pdf.lock names it"
    )
