"""The explorers: laws beside lglib's, what was measured beside the filed files, keys, phones, no scripts."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import sitecheck

from lglib.report import filing, frames
from lglib.theory import laws, nulls
from workflow import explore, plan

pytestmark = pytest.mark.browser
RAW = re.compile(r"```\{raw\} html\n(.*?)```", re.DOTALL)
NAMES = ("best-of-n", "density", "capture", "recovery", "dose")
MOST = 300_000  # bytes of data behind one explorer
COUNTS, DIMENSIONS = (1, 2, 3, 128, 2**20), (1, 2, 3, 10, 10_000, 10**9)


@pytest.fixture(scope="module")
def state(root):
    """What counts in the published profile."""
    return plan.State("quick", root)


@pytest.fixture(scope="module")
def made(root, state, tmp_path_factory):
    """The explorers of the page, as book/explore.md has them, in a folder with all that they load."""
    folder = tmp_path_factory.mktemp("explore")
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("chapters", "data", "api"))
    explore.write(state, folder)
    shutil.copytree(folder / "book" / "_static", folder / "_static")
    parts = RAW.findall((root / "book" / "explore.md").read_text(encoding="utf-8"))
    style = '<meta charset="utf-8"><link rel="icon" href="data:,">'
    style += '<link rel="stylesheet" href="../_static/custom.css">'
    page = folder / "book" / "explore.html"
    page.write_text(f"<!doctype html><html><head>{style}</head><body>{''.join(parts)}</body></html>")
    return page


@pytest.fixture
def opened(browser, made):
    """The page, opened from disk."""
    with sitecheck.opened(browser, made.as_uri()) as (page, problems):
        yield page
        assert problems == []


def beside(page, calls: dict[str, float], relative: float) -> None:
    found = page.evaluate(f"[{','.join(calls)}]")
    for (call, wanted), value in zip(calls.items(), found, strict=True):
        assert value == pytest.approx(wanted, rel=relative, abs=0), call


def test_maxima_are_those_of_lglib(opened):
    calls = {f"Laws.expectedMaximum({n})": laws.expected_maximum(n) for n in COUNTS[1:]}
    calls |= {f"Laws.maximumSecondMoment({n})": laws.maximum_second_moment(n) for n in COUNTS}
    calls |= {
        f"Laws.expectedMaximumCosine({n}, {d})": laws.expected_maximum_cosine(n, d)
        for n in COUNTS[1:]
        for d in DIMENSIONS
    }
    beside(opened, calls, 1e-6)


def test_gains_are_those_of_lglib(opened):
    calls = {}
    for n in COUNTS[1:]:
        calls[f"Laws.bestOfN(0.1, 2, {n})"] = laws.best_of_n_gain(0.1, 2, n)
        calls[f"Laws.winnerGain(0.1, 2, 300, 1, {n})"] = laws.linear_winner_gain(0.1, 2, 300, 1, n)
        calls[f"Laws.optimalSigma(2, 30, 1, {n})"] = laws.optimal_sigma(2, 30, n, along=1)
        calls[f"Laws.optimalGain(2, 30, 1, {n})"] = laws.optimal_gain(2, 30, n, along=1)
        calls[f"Laws.sphereGain(0.5, 2, 50, {n})"] = laws.subspace_gain(4, 50, n, rho=0.5)
    beside(opened, calls, 1e-7)


def test_nulls_of_a_capture_are_those_of_lglib(opened):
    calls = {}
    for d in (10, 1000, 10**6, 10**9):
        for k in (k for k in (1, 2, 5, 100, 999) if k < d):
            null = nulls.beta_null(k, d)
            calls[f"Laws.captureQuantile(0.025, {k}, {d})"] = null.low
            calls[f"Laws.captureQuantile(0.975, {k}, {d})"] = null.high
            x = 2 * k / d
            if x < 1:
                calls[f"Laws.capturePValue({x!r}, {k}, {d})"] = nulls.capture_p_value(x, k, d)
            calls[f"Laws.randomWalkCapture({k}, 1000, {d})"] = nulls.random_walk_capture(k, 1000, d)
    beside(opened, calls, 1e-6)


def test_every_explorer_follows_the_arrow_keys(opened):
    for box in opened.locator(".explorer").all():
        for control in box.locator("input").all():
            box.scroll_into_view_if_needed()
            before = box.locator(".explorer-reading").text_content(), box.locator("table").all_text_contents()
            control.focus()
            at = control.input_value()
            for key in ("ArrowLeft", "ArrowRight"):
                opened.keyboard.press(key)
                if control.input_value() != at:
                    break
            name = control.get_attribute("id")
            assert opened.evaluate("document.activeElement.id") == name
            after = box.locator(".explorer-reading").text_content(), box.locator("table").all_text_contents()
            assert after != before, name
            assert control.get_attribute("aria-valuetext")


def test_each_control_has_a_label_and_each_reading_is_told(opened):
    bare = (
        "[...document.querySelectorAll('.explorer :is(input, select)')].filter(e => !e.labels.length).length"
    )
    assert opened.evaluate(bare) == 0
    assert opened.locator('.explorer-reading[aria-live="polite"]').count() == len(NAMES)
    assert opened.locator('.explorer svg[role="img"][aria-label]').count() >= len(NAMES)


def test_a_recovery_shows_the_mean_interval_and_seeds_of_the_filed_observations(opened, state):
    code, parameters = state.wanted("lora")
    frame = filing.gather("lora", "quick", parameters=parameters, code=code, root=state.root).frame
    over = frames.over_seeds(
        frames.rows(frame, claim="S3", measure="capture", basis="prefix", model="micro-gpt2", pair="order")
    )
    row = frames.rows(over, optimiser="AdamW", k=10, T=50).iloc[0]
    for name, value in (("model", "micro-gpt2"), ("pair", "order"), ("optimiser", "AdamW")):
        opened.select_option(f"#explore-recovery-{name}", value)
    opened.locator("#explore-recovery-T").evaluate(
        "e => { e.value = 1; e.dispatchEvent(new Event('input')) }"
    )
    told = opened.locator("#explore-recovery .explorer-reading").text_content()
    mean, low, high = map(float, re.search(r"recovery: (\S+) \[(\S+), (\S+)\]", told).groups())
    assert [mean, low, high] == pytest.approx([row["value"], row["low"], row["high"]], rel=1e-3)
    assert "first 10 of 50 updates" in told
    assert f"n = {row['n']} seeds" in told
    shares = frames.rows(frame, claim="S3", measure="energy share", model="micro-gpt2", pair="order")
    share = frames.rows(shares, optimiser="AdamW", k=10, T=50)["value"].mean()
    walk = share + (1 - share) * row["null"]
    shown = float(re.search(r"these lengths gives (\S+), with equal", told).group(1))
    assert shown == pytest.approx(walk, rel=1e-3)
    equal = float(re.search(r"equal steps (\S+), a random", told).group(1))
    assert equal == pytest.approx(nulls.random_walk_capture(10, 50, round(10 / row["null"])), rel=1e-3)
    opened.select_option("#explore-recovery-model", "micro-qwen2")  # which was run with one seed
    assert (
        "(n = 1 seed, so no interval)" in opened.locator("#explore-recovery .explorer-reading").text_content()
    )


def test_a_prefix_that_was_not_measured_is_said_and_the_nearest_shown(opened):
    k = opened.locator("#explore-recovery-k")
    opened.locator("#explore-recovery-T").evaluate(
        "e => { e.value = 0; e.dispatchEvent(new Event('input')) }"
    )
    k.evaluate("e => { e.value = 2; e.dispatchEvent(new Event('input')) }")
    told = opened.locator("#explore-recovery .explorer-reading").text_content()
    assert told.startswith("k = 5 at T = 25 was not measured; shown is k = 5 at T = 100.")
    assert opened.locator("#explore-recovery-T").get_attribute("aria-valuetext") == "100"


def test_a_dose_shows_the_filed_response_and_its_null(opened, state):
    frame = filing.gather("lens", "quick", root=state.root).frame
    wanted = dict(claim="B2", measure="P(first answer)", task="place-thing", vector="logit lens", depth=1.0)
    over = frames.over_seeds(frames.rows(frame, **wanted, model="micro-olmo2", multiplier=2.0))
    row = over.iloc[0]
    chosen = {"model": "micro-olmo2", "task": "place-thing", "measure": "P(first answer)"}
    for name, value in {**chosen, "vector": "logit lens"}.items():
        opened.select_option(f"#explore-dose-{name}", value)
    opened.locator("#explore-dose-multiplier").press("End")
    opened.locator("#explore-dose-depth").press("End")
    told = opened.locator("#explore-dose .explorer-reading").text_content()
    assert told.startswith("At multiplier 2, P(first answer) is")
    shown = [float(x) for x in re.search(r"is (\S+) \[(\S+), (\S+)\]", told).groups()]
    assert shown == pytest.approx([row["value"], row["low"], row["high"]], rel=1e-3)
    assert float(re.search(r"no steering\): (\S+)\.", told).group(1)) == pytest.approx(row["null"], rel=1e-3)


def test_what_can_be_chosen_was_measured(opened):
    """Whatever is chosen first, the other lists hold what was measured with it."""
    for name in ("yes-no", "place-thing", "yes-no"):
        opened.select_option("#explore-dose-task", name)
        for measure in opened.locator("#explore-dose-measure option").all_text_contents():
            opened.select_option("#explore-dose-measure", measure)
            told = opened.locator("#explore-dose .explorer-reading").text_content()
            assert measure in told
            assert "NaN" not in told
            assert "undefined" not in told


def test_the_page_fits_a_phone_in_light_and_dark(browser, made):
    assert sitecheck.seen(browser, made.as_uri(), widths=(390, 1280), schemes=("light", "dark")) == []


def test_without_scripts_each_explorer_is_a_picture(browser, made):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(made.as_uri())
    pictures = page.locator("noscript img")
    assert pictures.count() == len(NAMES)
    assert all(pictures.nth(i).bounding_box()["width"] > 100 for i in range(len(NAMES)))
    context.close()


def test_an_explorer_without_observations_says_so(browser, made, tmp_path):
    shutil.copytree(made.parents[1], tmp_path / "site")
    data = tmp_path / "site" / "_static" / "explore" / "data.js"
    data.write_text(f"window.EXPLORE = {{first: {{capture: {explore.FIRST['capture']}}}}};")
    with sitecheck.opened(browser, (tmp_path / "site" / "book" / "explore.html").as_uri()) as (
        page,
        problems,
    ):
        assert "no observation of it counts" in page.locator("#explore-dose").text_content()
        assert page.locator("#explore-capture .explorer-reading").text_content()
        assert problems == []


def test_the_same_sources_give_the_same_bytes_and_few_of_them(made, state, tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / explore.PAGE).touch()
    explore.write(state, tmp_path)
    there = made.parents[1] / "_static" / "explore"
    again = sorted((tmp_path / explore.FOLDER).iterdir())
    assert [path.name for path in again] == sorted(["data.js", *(f"{name}.svg" for name in NAMES)])
    for path in again:
        assert path.read_bytes() == (there / path.name).read_bytes(), path.name
        assert path.suffix == ".js" or path.stat().st_size < 100_000
    found = explore.data(state)
    for name in ("recovery", "dose"):
        assert len(str(found[name])) < MOST


def test_a_site_without_the_page_gets_nothing(state, tmp_path):
    explore.write(state, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rounding_keeps_five_digits():
    values = np.array([0.0, 1.0, -123.456789, 9.99999e-7])
    assert [explore.digits(v) for v in values] == [0.0, 1.0, -123.46, 1.0e-6]
