"""Merging a run into a chapter, what may not be shown, and what publishing says before it overwrites."""

import shutil
import sys
from copy import deepcopy

import mini
import nbformat
import pytest
from mini import drive
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lglib.report import provenance
from workflow import merge as merging
from workflow.merge import MergeError, merge

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def source():
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell("seed = 0", metadata={"tags": ["parameters"]}),
        new_code_cell("print(seed)  # say it"),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "jupytext": {"formats": "x"}})


@pytest.fixture
def run(source):
    run = deepcopy(source)
    run.cells.insert(2, new_code_cell("seed = 0", metadata={"tags": ["injected-parameters"]}))
    for count, cell in enumerate([c for c in run.cells if c.cell_type == "code"], 10):
        cell.execution_count = count
        cell.metadata["papermill"] = {"duration": 0.1 * count, "exception": False}
    run.cells[-1].outputs = [new_output("stream", text="0\n")]
    return run


def test_text_that_the_kernel_sent_in_pieces_is_one_output(source, run):
    pieces = [("stdout", "0"), ("stdout", "\n"), ("stderr", "w"), ("stdout", "1\n"), ("stdout", "2\n")]
    run.cells[-1].outputs = [new_output("stream", name=name, text=text) for name, text in pieces]
    outputs = merge(source, run, "01_x").cells[-1].outputs
    assert [(o.name, o.text) for o in outputs] == [("stdout", "0\n"), ("stderr", "w"), ("stdout", "1\n2\n")]


def test_a_chapter_has_the_sources_prose_and_tags_and_the_runs_outputs(source, run):
    source.cells[0].source = "# A better title"
    chapter = merge(source, run, "01_x")
    assert [c.source for c in chapter.cells] == ["# A better title", "seed = 0", "print(seed)  # say it"]
    assert chapter.cells[1].metadata == {"tags": ["parameters"]}
    assert chapter.cells[2].outputs == [new_output("stream", text="0\n")]
    assert [c.execution_count for c in chapter.cells[1:]] == [1, 2]


def test_nothing_of_the_machine_or_the_clock_is_published(source, run):
    chapter = merge(source, run, "01_x")
    assert chapter.metadata == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    assert "papermill" not in nbformat.writes(chapter)


def test_merging_twice_gives_the_same_bytes(source, run):
    slower = deepcopy(run)
    for cell in slower.cells:
        if cell.cell_type == "code":
            cell.metadata["papermill"]["duration"], cell.execution_count = 99.0, cell.execution_count + 5
    assert nbformat.writes(merge(source, run, "01_x")) == nbformat.writes(merge(source, slower, "01_x"))


def test_a_changed_comment_is_taken_from_the_source(source, run):
    source.cells[2].source = "print(seed)  # say it better"
    assert merge(source, run, "01_x").cells[2].source == "print(seed)  # say it better"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            lambda s, r: setattr(s.cells[2], "source", "print(seed + 1)"),
            "is not the code of notebooks/01_x.ipynb",
        ),
        (lambda s, r: s.cells.append(new_code_cell("y = 1")), "is not the code of"),
        (lambda s, r: s.cells.pop(), "more code cells"),
        (lambda s, r: setattr(r.cells[-1], "execution_count", None), "was not executed to its end"),
        (
            lambda s, r: r.cells[-1].metadata["papermill"].update(exception=True),
            "was not executed to its end",
        ),
        (
            lambda s, r: r.cells[-1].outputs.append(
                new_output("error", ename="ValueError", evalue="no", traceback=[])
            ),
            "ended in ValueError: no",
        ),
        (
            lambda s, r: r.cells[-1].outputs.append(new_output("stream", text="<object at 0x7f0e2d1c4a90>")),
            "path or address of this machine",
        ),
    ],
)
def test_a_run_that_may_not_be_published_is_refused_with_its_cell(source, run, damage, told):
    damage(source, run)
    with pytest.raises(MergeError, match=told):
        merge(source, run, "01_x")


def test_a_path_of_this_machine_is_not_published(source, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run.cells[-1].outputs = [new_output("stream", text=f"saved to {tmp_path}/x.json\n")]
    with pytest.raises(MergeError, match="path or address of this machine"):
        merge(source, run, "01_x")


def test_a_refused_run_leaves_the_chapter_alone(source, run, tmp_path):
    (tmp_path / "notebooks").mkdir()
    nbformat.write(source, tmp_path / "notebooks" / "01_x.ipynb")
    nbformat.write(run, tmp_path / "run.ipynb")
    target = tmp_path / "chapters" / "01_x.ipynb"
    merging.write("01_x", tmp_path / "run.ipynb", target, tmp_path)
    before = target.read_bytes()
    run.cells[-1].outputs = [new_output("error", ename="E", evalue="", traceback=[])]
    nbformat.write(run, tmp_path / "run.ipynb")
    with pytest.raises(MergeError, match="ended in E: ; run: make book CHAPTERS=01"):
        merging.write("01_x", tmp_path / "run.ipynb", target, tmp_path)
    (tmp_path / "run.ipynb").write_text("{")
    with pytest.raises(MergeError, match=r"01_x: run\.ipynb is no whole notebook; run: make book"):
        merging.write("01_x", tmp_path / "run.ipynb", target, tmp_path)
    with pytest.raises(MergeError, match="01_x: not executed yet; run: make book CHAPTERS=01"):
        merging.write("01_x", tmp_path / "none.ipynb", target, tmp_path)
    assert target.read_bytes() == before
    assert [p.name for p in target.parent.iterdir()] == ["01_x.ipynb"]


def test_the_committed_chapters_are_those_of_their_sources(root, tmp_path):
    for chapter in provenance.chapters(root):
        merging.write(chapter, root / "book" / "chapters" / f"{chapter}.ipynb", tmp_path / "x.ipynb", root)


def test_a_blank_code_cell_is_no_reason_to_refuse(source, run):
    source.cells.append(new_code_cell("\n"))
    run.cells.append(new_code_cell("\n"))
    chapter = merge(source, run, "01_x")
    assert [c.execution_count for c in chapter.cells[1:]] == [1, 2, None]
    assert merge(source, chapter, "01_x") == chapter


@pytest.mark.parametrize(
    "text",
    [
        "/tmp/ipykernel_12/1.py:1",
        f"{sys.prefix}/lib",
        f"{sys.base_prefix}/lib",
        "<at 0X7F0E2D1C4A90>",
        "/me/x",
    ],
)
def test_more_marks_of_this_machine_are_not_published(source, run, monkeypatch, text):
    monkeypatch.setenv("HOME", "/me")
    run.cells[-1].outputs = [new_output("stream", text=text)]
    with pytest.raises(MergeError, match="path or address of this machine"):
        merge(source, run, "01_x")


def test_an_image_is_not_searched_and_a_very_long_text_is_refused(source, run):
    run.cells[-1].outputs = [new_output("display_data", {"image/png": "0xABCDEF12" * 200_000})]
    merge(source, run, "01_x")
    run.cells[-1].outputs = [new_output("stream", text="1" * 1_000_001)]
    with pytest.raises(MergeError, match="characters long, at most 1,000,000"):
        merge(source, run, "01_x")


@pytest.mark.long
def test_publishing_names_what_differs_and_overwrites_values_only_when_confirmed(tmp_path):
    project = mini.make(tmp_path / "mini")
    refused = drive(project, "publish")
    assert refused.returncode == 1
    assert (
        "make publish: not executed from what is there now: 01_one, 02_two; type: make book" in refused.stdout
    )
    assert drive(project, "measure").returncode == 0
    assert drive(project, "book").returncode == 0
    assert not list((project / "book" / "chapters").iterdir())  # only publishing writes there
    assert not list((project / "results").iterdir())
    done = drive(project, "publish")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results/quick/mini/seed1/one.csv: new" in done.stdout
    assert "3 files of observations, 2 chapters" in done.stdout
    again = drive(project, "publish")
    assert "0 files of observations, 2 chapters" in again.stdout
    assert drive(project, "book").stderr == ""  # nothing is to be done after it

    mini.write_study(project, "one", value="(seed + k / 10) * (1 + 1e-5)")  # as another processor may have it
    mini.write_study(project, "two", value="seed + k / 5")
    assert drive(project, "measure").returncode == 0
    assert drive(project, "book").returncode == 0
    kept = {p: p.read_bytes() for f in ("results", "book/chapters") for p in (project / f).rglob("*.*")}
    waits = drive(project, "publish")
    assert waits.returncode == 3
    for told in (
        "seed1/one.csv: 3 of 3 rows differ (median 9.1e-06, largest 1.0e-05 of the value), 0 beyond",
        "seed0/two.csv: 2 of 3 rows differ (median 1.0e+00, largest 1.0e+00 of the value), 2 beyond",
        "T1 gain, k = 2: published 0.2, now 0.4 (n = 1)",
        "02_two.ipynb: 1 of 3 code cells show something else",
        "2 values would change beyond the tolerance; nothing was written",
        "make publish CONFIRM=1",
    ):
        assert told in waits.stdout
    assert {p: p.read_bytes() for p in kept} == kept
    confirmed = drive(project, "publish", "--confirm", "1")
    assert confirmed.returncode == 0, confirmed.stdout
    assert {p: p.read_bytes() for p in kept} != kept
    shutil.rmtree(project / "runs")
    assert "measuring" not in drive(project, "book").stderr

    # Of the profile of a pretrained model the observations alone, and they make the chapters stale.
    (project / "config" / "real.yml").write_text("one: {runs: {mini: [0]}, parameters: {steps: 2}}\n")
    assert drive(project, "measure", "--profile", "real").returncode == 0
    chapters = {p: p.read_bytes() for p in (project / "book" / "chapters").rglob("*.*")}
    beside = drive(project, "publish", "--profile", "real")
    assert "1 files of observations, 0 chapters" in beside.stdout
    assert (project / "results" / "real" / "mini" / "seed0" / "one.csv").exists()
    assert {p: p.read_bytes() for p in chapters} == chapters
    again = drive(project, "book").stderr
    assert "01_one" in again
    assert "[02_two]" not in again
