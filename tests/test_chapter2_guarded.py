"""Chapter 2 where a section of its study was left out: a line says so, and both pages go on."""

import ast
from types import SimpleNamespace

import jupytext
import matplotlib.pyplot as plt
import pytest

from lglib import studies
from lglib.base.checks import NotMeasurable
from lglib.report import filing, frames
from lglib.studies import synthetic

PAGES = ("02_synthetic_transformer", "02s_synthetic_transformer")
MODEL, SEEDS, WHY = "multitask-gpt2", (0, 1), "reason of this test"
LIVE = {"trained", "live"}  # what only the live case makes
SECTIONS = {  # of the study, and the values of the rows that it files
    "ranks": dict(claim="S1"),
    "captures": dict(claim=["S2", "S3"]),
    "drift, Adam": dict(claim="S4", optimiser="Adam"),
    "candidates, theta_f": dict(claim=["S5", "S6", "S7"], point="theta_f"),
    "candidates, halfway": dict(claim=["S5", "S6", "S7"], point="halfway"),
    "schedules": dict(claim="S8"),
}


@pytest.fixture(scope="module")
def frame(root):
    """The published rows of two seeds."""
    paths = [root / filing.PUBLISHED / "quick" / MODEL / f"seed{s}" / "synthetic.csv" for s in SEEDS]
    if not all(path.exists() for path in paths):
        pytest.skip("no observation of synthetic is published")
    runs = [filing.read(path).frame.assign(model=MODEL, seed=s) for s, path in zip(SEEDS, paths, strict=True)]
    return frames.joined(runs)


@pytest.fixture
def run(root, monkeypatch, capsys):
    """Run the setup of a page and its cells that show filed rows; return what they say was not measured."""
    cells = {}
    for page in PAGES:
        code = [
            c.source for c in jupytext.read(root / "notebooks" / f"{page}.py").cells if c.cell_type == "code"
        ]
        cells[page] = [
            *code[:2],
            *(c for c in code[2:] if {"over", "observed"} & names(c) and not LIVE & names(c)),
        ]
    monkeypatch.setattr(synthetic, "train", lambda *_: SimpleNamespace(space=SimpleNamespace(d=101_952)))

    def run(page, frame):
        def observed(study, *_):
            if study != "synthetic":
                raise NotMeasurable(WHY)
            return filing.Measured(frame, {}, {})

        monkeypatch.setattr(studies, "observed", observed)
        space = {}
        for cell in cells[page]:
            exec(compile(cell, cell.splitlines()[0], "exec"), space)
            plt.close("all")
        told = capsys.readouterr().out.splitlines()
        return [line for line in told if line.startswith("not measured: ")]

    return run


def names(cell):
    """Names that the code of a cell reads."""
    return {
        n.id for n in ast.walk(ast.parse(cell)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }


def without(frame, section):
    """A table without the rows of a section, and with one for each seed that says so."""
    left = frame.drop(index=frames.rows(frame, **SECTIONS[section]).index)
    said = frames.with_left_out(frame.iloc[:0].drop(columns=["model", "seed"]), {section: WHY})
    return frames.joined([left, *(said.assign(model=MODEL, seed=seed) for seed in SEEDS)])


@pytest.mark.parametrize(("page", "more"), list(zip(PAGES, (1, 0), strict=True)))
def test_a_page_does_not_say_that_something_is_missing_where_nothing_is(run, frame, page, more):
    told = run(page, frame)
    assert told == [f"not measured: fixed quadratics: {WHY}"] * more


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("section", SECTIONS)
def test_rows_that_are_missing_are_told_and_the_page_goes_on(run, frame, page, section):
    told = run(page, without(frame, section))
    assert section == "drift, Adam" or set(told) - {f"not measured: fixed quadratics: {WHY}"}
