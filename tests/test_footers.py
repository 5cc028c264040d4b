"""The foot of each chapter: the runs behind it, the observations to download, how to cite the page."""

from __future__ import annotations

import json
import re

import nbformat
import pandas as pd
import pytest

from lglib.report import filing
from workflow import footers, plan

CHAPTERS = ("00_start", "01_theory", "04_llm_rank")


@pytest.fixture(scope="module")
def state(root):
    return plan.State("quick", root)


@pytest.fixture(scope="module")
def staged(root, state, tmp_path_factory):
    """A site with some chapters as they are published, and their feet."""
    site = tmp_path_factory.mktemp("site")
    state.chapters = list(CHAPTERS)
    for name in CHAPTERS:
        path = site / "book" / "chapters" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((root / "book" / "chapters" / path.name).read_bytes())
    footers.write(state, site)
    return site


def foot(site, name: str) -> str:
    return nbformat.read(site / "book" / "chapters" / f"{name}.ipynb", as_version=4).cells[-1].source


def test_a_foot_names_every_run_that_the_page_reads(staged, state):
    text = foot(staged, "04_llm_rank")
    for model, seeds in pd.DataFrame(state.standing("rank").counted, index=[0, 1]).T.groupby(level=0):
        own = sorted(seed for _, seed in seeds.index)
        assert re.search(rf"{model}, seeds? {', '.join(map(str, own))} \(n = {len(own)}\)", text)


def test_what_is_downloaded_is_what_is_filed(staged, state):
    whole = pd.read_csv(staged / footers.FOLDER / "rank.csv", low_memory=False)
    counted = state.standing("rank").counted
    assert len(whole.groupby(["model", "seed"])) == len(counted)
    for (model, seed), (path, _) in counted.items():
        own = whole[(whole["model"] == model) & (whole["seed"] == seed)]
        assert own["value"].tolist() == filing.read(path).frame["value"].tolist()
    headers = json.loads((staged / footers.FOLDER / "rank.json").read_text())
    assert {(h["model"], h["seed"]) for h in headers} == set(counted)


def test_a_link_stands_for_each_study_of_the_page_and_leads_to_a_file(staged, state):
    for name in CHAPTERS:
        links = re.findall(r"\{download\}`[^<]*<([^>]+)>`", foot(staged, name))
        for study in state.studies_of(name):
            assert {f"../observations/{study}.csv", f"../observations/{study}.json"} <= set(links)
        assert all((staged / "book" / "chapters" / link).resolve().is_file() for link in links)


def test_every_foot_has_minutes_and_a_citation_with_the_page(staged):
    assert re.search(
        r"To read: about \d+ minutes? for the text, \d+ code cells shown\.", foot(staged, "01_theory")
    )
    assert re.search(
        r"To cite: .*\(\d{4}\)\. Recoverable but .* Version [\d.]+\. Page: ", foot(staged, "01_theory")
    )


def test_the_same_sources_give_the_same_bytes(root, state, staged, tmp_path):
    for name in CHAPTERS:
        path = tmp_path / "book" / "chapters" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((root / "book" / "chapters" / path.name).read_bytes())
    footers.write(state, tmp_path)
    files = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(staged) for p in staged.rglob("*") if p.is_file())
    assert all((tmp_path / f).read_bytes() == (staged / f).read_bytes() for f in files)


def test_a_page_that_reads_nothing_says_so():
    text = footers.foot([], "about 1 minute for the text, 0 code cells shown", "X.")
    assert "About this page" in text
    assert "Nothing: the page reads no observations." in text
    assert "On this page was measured" not in text
