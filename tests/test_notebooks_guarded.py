"""Chapters 1, 4 and 5 where a section was left out, or the live case cannot be measured: a line says so."""

import ast
import importlib
from types import SimpleNamespace

import jupytext
import matplotlib.pyplot as plt
import pytest

from lglib import studies
from lglib.base.checks import NotMeasurable
from lglib.report import filing, frames, provenance
from lglib.studies import bridge

WHY = "reason of this test"
FOLLOWS = "it needs what could not be measured above"
FILED = {"observed", "over", "mine"}  # what a cell reads that shows filed rows
PAGES = {  # a chapter and its supplement
    "theory": ("01_theory", "01s_theory"),
    "rank": ("04_llm_rank", "04s_llm_rank"),
    "bridge": ("05_steering_bridge", "05s_steering_bridge"),
}
MODELS = {  # published runs that are read, seed 0: the page's and another, where there is one
    "theory": ("digits-mlp",),
    "rank": ("micro-gpt2", "micro-qwen2"),
    "bridge": ("micro-gpt2", "micro-qwen2"),
}
STEPS = {  # of the live case: all others need one of these
    "theory": ("along_training",),
    "rank": ("gram_memory", "item_sets", "answer_pool", "regimes", "curvature"),
    "bridge": ("in_float64", "random_shifts"),
}
RANKS = ("participation ratio", "stable rank", "rank at 90 %")
GRADIENTS = [*RANKS, *(f"{name} / control" for name in RANKS), "growth exponent", "answered surely"]
GRADIENTS += ["rank of the first items", "participation ratio at a place"]
SKETCHES = ["participation ratio before sketching", "sketched participation ratio"]
SKETCHES += ["error of sketched inner products / law"]
DECADES, CROSSING = "decades of linear regime", "error of the predicted crossing"
CROSSINGS = ["log10 crossing / |theta|", "log10 crossing in tensor units"]
CROSSINGS += [CROSSING, f"{CROSSING} less that of another's"]
TRACE = ["trace of the Hessian", "curvature along the gradient"]
TRACE += ["error of the crossing predicted by the trace"]
PAIR = "gain of the best antithetic pair"
HELD_OUT = ["held-out gain", "distance of the held-out gain from its law"]
NETWORK = ["effective dimension", "gain / linear law", "gain at the best scale", "gain / gradient step"]
SECTIONS = {  # what a study files in a section; an empty cell is None
    "theory": {
        "synthetic gains": dict(measure=["synthetic gain / law"]),
        "layered gains": dict(measure=["gain over four layers"]),
        "density": dict(claim=["T2"]),
        "curvature": dict(measure=["net gain on a quadratic"]),
        "network, width 13": dict(width=[13]),
        "networks": dict(measure=[*NETWORK, *HELD_OUT]),
        "recovery": dict(claim=["T3"]),
        "pushforward": dict(claim=["T4"]),
    },
    "rank": {
        "gradients": dict(measure=GRADIENTS),
        "gradients: open, trained": dict(measure=GRADIENTS, task=["open"], state=["trained", None]),
        "gradients: yes-no, shuffled labels": dict(task=["yes-no"], state=["shuffled labels"]),
        "answers": dict(measure=["participation ratio by answers"]),
        "2 answers, untrained": dict(answers=[2], state=["untrained"]),
        "sketches": dict(measure=SKETCHES),
        "width": dict(measure=["participation ratio by width"]),
        "linear regime": dict(measure=[DECADES, f"{DECADES} in |theta|"]),
        "crossings": dict(measure=CROSSINGS),
        "trace of the Hessian": dict(measure=TRACE),
        "steps": dict(measure=["effective dimension", "gain", "held out / selected", "gain / Theorem 1"]),
        "sigma*": dict(measure=["gain at sigma* / largest gain over the steps"]),
        "noise": dict(measure=["spread of gains / law", PAIR, f"{PAIR} / law"]),
    },
    "bridge": {
        "Taylor remainders": dict(claim=["T4"], edit=[None]),
        "shifts and CAA": dict(claim=["B1"], shift=list(bridge.SHIFTS)),
        "halves of the vectors": dict(claim=["B1"], shift=[None]),
        "effects": dict(measure=["effect at one unit"]),
        "doses": dict(claim=["B2", "B5"], multiplier=[-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 0.0]),
        "constructions": dict(claim=["B3"]),
        "random search": dict(claim=["B4"]),
        "imitation": dict(claim=["T4"], edit=["LoRA", "biases"]),
        "imitation by LoRA, 1 places, depth 0.75": dict(edit=["LoRA"], places=[1], depth=[0.75]),
    },
}


def of(frame, wanted):
    """Which rows of a frame have these values."""
    found = frame["claim"] != frames.CONTEXT
    found |= frame["measure"] == "answered surely"
    for name, values in wanted.items():
        found &= frame[name].isin(values) | (frame[name].isna() & (None in values))
    return found


@pytest.fixture(scope="module", params=PAGES)
def chapter(request, root):
    """The code of a chapter's pages, the published rows of its study on two models, names of a run."""
    study = request.param
    folder = root / filing.PUBLISHED / "quick"
    paths = [folder / model / "seed0" / f"{study}.csv" for model in MODELS[study]]
    if not all(path.exists() for path in paths):
        pytest.skip(f"no observation of {study} is published")
    runs = [filing.read(path) for path in paths]
    now = provenance.code_hash(study)
    frame = frames.joined([run.frame.assign(model=run.header.model, seed=0) for run in runs])
    if study == "bridge":
        frame = bridge.across_models(frame)
    code = [code_of(root / "notebooks" / f"{page}.py") for page in PAGES[study]]
    filed = [[cell for cell in page if FILED & reads(cell)] for page in code]
    stale = any(run.header.code != now for run in runs)
    return SimpleNamespace(study=study, frame=frame, code=code, filed=filed, stale=stale, spaces=[])


def code_of(path):
    """Sources of the code cells of a notebook."""
    return [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]


def reads(cell):
    """Names that the code of a cell reads."""
    nodes = ast.walk(ast.parse(cell))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


@pytest.fixture
def run(chapter, monkeypatch, capsys):
    """Run cells on what is filed, without a live case; return what they say was not measured."""
    module = importlib.import_module(f"lglib.studies.{chapter.study}")

    def fail(*_, **__):
        raise NotMeasurable(WHY)

    for name in STEPS[chapter.study]:
        monkeypatch.setattr(module, name, fail)

    def run(pages, spaces, frame, sections=None):
        given = filing.Measured(frame, {}, sections or {})
        own = chapter.study  # of another study that the chapter reads there is nothing
        monkeypatch.setattr(
            studies, "observed", lambda s, p, *_: given if (s, p) == (own, "quick") else fail()
        )
        monkeypatch.setattr(studies, "beside", lambda *_: None)
        for cells, space in zip(pages, spaces, strict=True):
            for cell in cells:
                exec(compile(cell, cell.splitlines()[0], "exec"), space)
                plt.close("all")
        told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not measured: ")]
        return [line.removeprefix("not measured: ") for line in told]

    if not chapter.spaces:
        chapter.spaces = [{} for _ in chapter.code]
        chapter.told = run(chapter.code, chapter.spaces, chapter.frame)
        chapter.plain = run(chapter.filed, list(map(dict, chapter.spaces)), chapter.frame)
    return run


@pytest.mark.usefixtures("run")
def test_a_chapter_goes_on_where_no_step_of_its_live_case_can_be_measured(chapter):
    reasons = [line.rpartition(": ")[2] for line in chapter.told]
    assert set(reasons) == {WHY, FOLLOWS}
    assert reasons.count(WHY) >= len(STEPS[chapter.study])
    assert f"the live case: {FOLLOWS}" in chapter.told


@pytest.mark.usefixtures("run")
def test_a_chapter_does_not_say_that_something_is_missing_where_nothing_is(chapter):
    if chapter.stale:
        pytest.skip("what is published was measured by other code, and may lack rows")
    assert chapter.plain == [f"the live case: {FOLLOWS}"]


def test_the_sections_of_this_test_are_all_that_is_filed(chapter):
    known = [of(chapter.frame, wanted) for wanted in SECTIONS[chapter.study].values()]
    rest = chapter.frame[~sum(known).astype(bool) & (chapter.frame["claim"] != frames.CONTEXT)]
    assert rest.empty, rest[["claim", "measure"]].drop_duplicates()


@pytest.mark.long
@pytest.mark.parametrize("first", [0, 1], ids=["of one model", "of all"])
def test_rows_that_are_missing_are_told_and_the_chapter_goes_on(chapter, run, first):
    models = MODELS[chapter.study][: 1 + first]
    for section in list(SECTIONS[chapter.study])[first::2]:  # each section once: a run takes a second
        gone = of(chapter.frame, SECTIONS[chapter.study][section]) & chapter.frame["model"].isin(models)
        assert gone.any(), section
        empty = chapter.frame.iloc[:0].drop(columns=["model", "seed"])
        rows = [frames.with_left_out(empty, {section: WHY}).assign(model=model, seed=0) for model in models]
        told = run(
            chapter.filed, list(map(dict, chapter.spaces)), frames.joined([chapter.frame[~gone], *rows])
        )
        assert set(told) - set(chapter.plain), section
