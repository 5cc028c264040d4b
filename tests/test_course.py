"""The course: checks tell right from wrong with a hint, and the notebooks are plain Jupyter."""

import json
import re

import nbformat
import numpy as np
import pytest
import torch

from lglib import course
from workflow import course as made

KNOWN = course.known()


@pytest.mark.parametrize("name", KNOWN)
def test_the_right_number_passes_and_three_wrong_ones_get_their_hints(name, capsys):
    one = KNOWN[name]
    assert course.check(name, _value(one.right))
    assert capsys.readouterr().out == f"{name}: right\n"
    for wrong, hint in one.hints:
        assert not course.check(name, _value(wrong))
        assert capsys.readouterr().out == f"{name}: not yet. {hint}\n"


@pytest.mark.parametrize("name", KNOWN)
def test_a_blank_is_no_answer(name, capsys):
    assert not course.check(name, ...)
    assert "no answer yet" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["36", None, True, float("nan"), [36], torch.ones(2), np.ones(3)])
def test_what_is_no_number_is_told(answer, capsys):
    assert not course.check("ex-llm-sketch", answer)
    assert "A number is wanted, got" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer", [36, 36.0, np.float32(36), np.array(36), np.ones(1) * 36, torch.tensor([36.0])]
)
def test_one_number_in_any_kind_of_box_is_taken(answer):
    assert course.check("ex-llm-sketch", answer)


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match="no exercise 'ex-none' has a check; there is: ex-"):
        course.check("ex-none", 1)


@pytest.fixture(scope="module")
def notebooks(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    paths = made.make(root, folder)
    return {path.parent.name: path for path in paths}, [nbformat.read(path, 4) for path in paths], folder


def test_every_exercise_page_has_two_notebooks_of_plain_jupyter(root, notebooks):
    _, books, _ = notebooks
    assert len(books) == 2 * len(made.exercises(root)) > 0
    for book in books:
        nbformat.validate(book)
        text = "\n".join(c.source for c in book.cells if c.cell_type == "markdown")
        assert not re.search(r"\{[\w:]+\}`|^:{3,}|\{(exercise|solution)", text, re.MULTILINE), text
        assert "jupytext" not in book.metadata


def test_students_get_no_solution(root, notebooks):
    _, _, folder = notebooks
    for student in (folder / "student").glob("*.ipynb"):
        own = json.loads(student.read_text(encoding="utf-8"))["cells"]
        solved = json.loads((folder / "solutions" / student.name).read_text(encoding="utf-8"))["cells"]
        text = "".join("".join(cell["source"]) for cell in own)
        assert "Solution" not in text
        exercises = sum("### Exercise" in "".join(cell["source"]) for cell in own)
        assert exercises == sum("### Exercise" in "".join(cell["source"]) for cell in solved) > 0
        assert made.BLANK in text


def test_checks_of_a_student_fail_and_those_of_the_solutions_pass(root, notebooks, capsys):
    """Only the cells of answers and checks, and the imports: the rest of a solution may take long."""
    _, _, folder = notebooks
    for kind, wanted in (("student", "no answer yet"), ("solutions", "right")):
        for path in (folder / kind).glob("*.ipynb"):
            space = {}
            for cell in nbformat.read(path, 4).cells:
                if cell.cell_type != "code":
                    continue
                if re.search(r"^(import|from|answer =|lglib\.check|profile =)", cell.source, re.MULTILINE):
                    exec(compile(cell.source, path.name, "exec"), space)
                    out = capsys.readouterr().out
                    assert "lglib.check" not in cell.source or wanted in out, (path.name, out)


def test_the_same_source_makes_the_same_bytes(root, notebooks, tmp_path):
    _, _, folder = notebooks
    again = made.make(root, tmp_path)
    for path in again:
        assert path.read_bytes() == (folder / path.parent.name / path.name).read_bytes()


def test_a_solution_that_does_not_end_is_refused():
    cell = nbformat.v4.new_markdown_cell("```{solution-start} ex-a\n```\ntext")
    with pytest.raises(ValueError, match="the solution of ex-a does not end"):
        list(made.parts([cell], {}))


def _value(number):
    return number() if callable(number) else number
