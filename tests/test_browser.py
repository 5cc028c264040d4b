"""The built book in a browser: console, requests, math, phone width, contrast, search, reading from disk."""

from __future__ import annotations

import pytest
import sitecheck
from conftest import browser_path

from workflow import form

pytestmark = pytest.mark.browser
PHONE = 390  # CSS pixels


def test_every_page_reads_well_on_a_phone_and_a_desktop_in_light_and_dark(browser, site, axe):
    problems, looks = [], dict(widths=(PHONE, 1280), schemes=("light", "dark"), axe=axe)
    with sitecheck.serve(site) as home:
        for page in sitecheck.pages(site):
            name = page.relative_to(site).as_posix()
            found = sitecheck.seen(browser, home + name, **looks)
            problems += [f"{name}: {p}" for p in found]
    assert problems == []


def test_a_search_for_krylov_finds_a_chapter(browser, site):
    with (
        sitecheck.serve(site) as home,
        sitecheck.opened(browser, f"{home}search.html?q=Krylov") as (page, problems),
    ):
        page.wait_for_selector('#search-results a[href*="/chapters/"]', timeout=10_000)
        assert problems == []


def test_a_search_from_disk_shows_excerpts_and_names_chapters_first(browser, site):
    address = (site / "search.html").resolve().as_uri()
    with sitecheck.opened(browser, f"{address}?q=subspace") as (page, problems):
        page.wait_for_selector("#search-results p.context", timeout=10_000)
        found = page.locator("#search-results li > a").evaluate_all("all => all.map(a => a.pathname)")
        assert "/chapters/" in found[0]
        places = ["/chapters/" in path for path in found]
        assert all(places[: sum(places)])
        assert "subspace" in page.locator("#search-results p.context").first.inner_text().lower()
        assert problems == []


def test_the_rows_of_the_ledger_are_folded_and_found_by_words(browser, site):
    ledger = next(page for page in sitecheck.pages(site) if page.stem == "06_ledger")
    with sitecheck.opened(browser, ledger.resolve().as_uri(), width=PHONE) as (page, problems):
        folds = page.locator("div.filterable > details")
        assert folds.count() > 5
        assert page.locator("div.filterable > details[open]").count() == 0
        page.locator(".table-filter input").fill("S3 inconclusive")
        shown = page.locator("div.filterable tbody tr:visible")
        assert shown.count() > 0
        assert all("S3" in text and "inconclusive" in text for text in shown.all_inner_texts())
        page.locator(".table-filter input").fill("no such row")
        assert shown.count() == 0
        assert problems == []


def test_no_formula_is_a_tab_stop(browser, site):
    chapter = next(page for page in sitecheck.pages(site) if page.stem == "01_theory")
    with sitecheck.opened(browser, chapter.resolve().as_uri()) as (page, problems):
        page.wait_for_selector("mjx-container", timeout=10_000)
        assert page.locator("mjx-container[tabindex='0']").count() == 0
        assert problems == []


def test_chapters_read_from_disk_without_a_server(browser, site):
    chapters = [page for page in sitecheck.pages(site) if page.parent.name == "chapters"]
    chapters = [page for page in chapters if form.is_main(page.stem)]
    assert chapters
    problems = {page.name: sitecheck.seen(browser, page.resolve().as_uri()) for page in chapters}
    assert not any(problems.values()), problems


def test_the_solution_of_an_exercise_opens_when_clicked(browser, site):
    chapters = [
        page for page in sitecheck.pages(site) if 'class="solution dropdown' in page.read_text("utf-8")
    ]
    assert chapters
    for chapter in chapters:
        with sitecheck.opened(browser, chapter.resolve().as_uri(), width=PHONE) as (page, problems):
            solutions = page.locator("div.solution.dropdown")
            for i in range(solutions.count()):
                inside = solutions.nth(i).locator(".section, section").first
                assert not inside.is_visible()
                solutions.nth(i).locator(".admonition-title").first.click()
                inside.wait_for(state="visible", timeout=5_000)
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= PHONE, f"{chapter.name}: {wide} px wide with its solutions open"
            assert problems == []


# Each check finds the fault it is there for.

FAULTS = {
    "console: ": "<script>console.error('broken')</script>",
    "script error: ": "<script>throw new Error('broken')</script>",
    "answer 404": '<link rel="stylesheet" href="gone.css">',
    "asks outside: ": '<img src="http://outside.invalid/a.png" alt="a">',
    "request failed": '<script src="http://outside.invalid/a.js"></script>',
    "image not loaded": '<img src="data:image/png;base64,AAAA" alt="a">',
    "not typeset": '<span class="math">\\(x\\)</span>',
    "MathJax reports": '<mjx-merror data-mjx-error="Undefined control sequence"></mjx-merror>',
    "MathJax did not start": '<script async src="gone-mathjax.js"></script>',
    "scrolls sideways": '<div style="width: 800px">wide</div>',
    "theme is light": "<script>document.documentElement.dataset.theme = 'light'</script>",
    "contrast 1.": '<article><p style="color: #eee">faint</p></article>',
}


def write(folder, body: str) -> None:
    head = '<head><link rel="icon" href="data:,"></head>'
    text = f'<html>{head}<body style="background: #fff">{body}</body></html>'
    (folder / "page.html").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("problem", FAULTS)
def test_a_broken_page_is_found(browser, tmp_path, problem):
    write(tmp_path, FAULTS[problem])
    with sitecheck.serve(tmp_path) as home:
        found = sitecheck.seen(browser, f"{home}page.html", widths=[PHONE], schemes=["dark"])
    assert any(line.startswith(problem) for line in found), found


def test_a_good_page_has_no_problem(browser, tmp_path):
    write(
        tmp_path, '<article><p>Text</p><span class="math"><mjx-container>x</mjx-container></span></article>'
    )
    with sitecheck.serve(tmp_path) as home:
        assert sitecheck.seen(browser, f"{home}page.html", widths=(PHONE, 1280)) == []


def test_a_missing_browser_skips_or_fails_as_asked(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception):
        browser_path()
    monkeypatch.setenv("REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception):
        browser_path()
