"""Every page passes the checks of axe-core for WCAG 2.2 AA, light and dark."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import sitecheck

pytestmark = pytest.mark.browser
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = """async levels => {
  const found = await axe.run(document, {runOnly: levels, resultTypes: ['violations']});
  const line = (rule, node) => `${rule}: ${node.target.join(" ")}: ${node.html.slice(0, 120)}`;
  return found.violations.flatMap(v => v.nodes.map(n => line(v.id, n)));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core; without its package tests are skipped, or failed if REQUIRE_BROWSER=1."""
    spec = find_spec("axe_playwright_python")  # found, not imported: its file alone is needed
    if spec is None or spec.origin is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("axe-playwright-python is not installed, and REQUIRE_BROWSER=1")
        pytest.skip("axe-playwright-python is not installed")
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def violations(browser, axe: str, url: str, scheme: str) -> list[str]:
    """What axe-core finds wrong on a page in a colour scheme, one line an element."""
    with sitecheck.opened(browser, url, scheme=scheme) as (page, _):
        page.evaluate(sitecheck.SETTLED, scheme)
        page.evaluate("window.MathJax?.startup?.promise")
        page.evaluate(axe)
        return page.evaluate(RUN, LEVELS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_the_checks_of_wcag_aa(browser, axe, site, scheme):
    found = {
        page.relative_to(site).as_posix(): violations(browser, axe, page.resolve().as_uri(), scheme)
        for page in sitecheck.pages(site)
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<img src="data:,">', "image-alt"),
        ("<input type='range'>", "label"),
        ("<p style='color: #aaa; background: #fff'>faint</p>", "color-contrast"),
    ],
)
def test_a_page_with_a_fault_is_found(browser, axe, tmp_path, body, rule):
    page = tmp_path / "page.html"
    page.write_text(f'<html lang="en"><title>t</title><body><main>{body}</main></body></html>')
    assert any(line.startswith(rule) for line in violations(browser, axe, page.as_uri(), "light"))
