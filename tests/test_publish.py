"""Merging a run into a published chapter, and what may not be published."""

import sys
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workflow.publish import PublishError, merge, not_current, publish

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
    with pytest.raises(PublishError, match=told):
        merge(source, run, "01_x")


def test_a_path_of_this_machine_is_not_published(source, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run.cells[-1].outputs = [new_output("stream", text=f"saved to {tmp_path}/x.json\n")]
    with pytest.raises(PublishError, match="path or address of this machine"):
        merge(source, run, "01_x")


def test_a_refused_run_leaves_the_published_chapter_alone(source, run, tmp_path):
    (tmp_path / "notebooks").mkdir()
    nbformat.write(source, tmp_path / "notebooks" / "01_x.ipynb")
    nbformat.write(run, tmp_path / "run.ipynb")
    target = tmp_path / "chapters" / "01_x.ipynb"
    assert publish("01_x", tmp_path / "run.ipynb", target, tmp_path)
    before = target.read_bytes()
    assert not publish("01_x", tmp_path / "run.ipynb", target, tmp_path)  # nothing changed
    run.cells[-1].outputs = [new_output("error", ename="E", evalue="", traceback=[])]
    nbformat.write(run, tmp_path / "run.ipynb")
    with pytest.raises(PublishError):
        publish("01_x", tmp_path / "run.ipynb", target, tmp_path)
    assert target.read_bytes() == before
    assert [p.name for p in target.parent.iterdir()] == ["01_x.ipynb"]


def test_the_committed_chapters_are_those_of_their_sources(root):
    assert not_current(root, root / "book" / "chapters") == []


def test_a_chapter_that_was_never_run_says_what_to_type(root, tmp_path):
    assert not_current(root, tmp_path)[0] == "01_theory: not executed yet; run: make book CHAPTERS=01"


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
    with pytest.raises(PublishError, match="path or address of this machine"):
        merge(source, run, "01_x")


def test_an_image_is_not_searched_and_a_very_long_text_is_refused(source, run):
    run.cells[-1].outputs = [new_output("display_data", {"image/png": "0xABCDEF12" * 200_000})]
    merge(source, run, "01_x")
    run.cells[-1].outputs = [new_output("stream", text="1" * 1_000_001)]
    with pytest.raises(PublishError, match="characters long, at most 1,000,000"):
        merge(source, run, "01_x")
