"""Checks of axe-core for WCAG 2.2 AA find the fault they are there for; test_browser runs them on pages."""

from __future__ import annotations

import pytest
import sitecheck

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<img src="data:,">', "image-alt"),
        ("<input type='range'>", "label"),
        ("<p style='color: #aaa; background: #fff'>faint</p>", "color-contrast"),
    ],
)
def test_a_page_with_a_fault_is_found(browser, axe, tmp_path, body, rule):
    path = tmp_path / "page.html"
    path.write_text(f'<html lang="en"><title>t</title><body><main>{body}</main></body></html>')
    with sitecheck.opened(browser, path.as_uri()) as (page, _):
        found = sitecheck.violations(page, axe, sitecheck.LEVELS)
    assert any(line.startswith(rule) for line in found)
