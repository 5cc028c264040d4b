"""The code of notebooks: which observations it reads, and what makes an executed notebook stale."""

import json

import pytest

from lglib.report import closure
from workflow import notebooks


@pytest.fixture
def notebook(tmp_path):
    def write(*cells):
        cells = [{"cell_type": "code", "source": cell} for cell in cells]
        path = tmp_path / "01_theory.ipynb"
        path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# Text"}, *cells]}))
        return path

    return write


@pytest.mark.parametrize(
    ("cells", "want"),
    [
        (["from lglib.studies import lora"], ["lora"]),
        (["from lglib.studies.rank.spectra import measure"], ["rank"]),
        (["from lglib import studies", "%time", "studies.observed('bridge', profile)"], ["bridge"]),
        (
            ["import lglib.studies.theory as t", "from lglib.report import gather", "gather('lora')"],
            ["theory", "lora"],
        ),
        (["from lglib.geometry import Subspace", "other.gather(x)"], []),
    ],
)
def test_what_a_notebook_reads_is_found_in_its_code(notebook, cells, want):
    assert notebooks.studies_of(notebook(*cells)) == want


@pytest.mark.parametrize("call", ["studies.observed(name)", "observed('lroa')", "observed()"])
def test_a_study_that_is_not_written_out_is_refused(notebook, call):
    with pytest.raises(ValueError, match=r"01_theory.ipynb: .* names no study; write one of 'theory'"):
        notebooks.studies_of(notebook(call))


def test_a_notebook_is_stale_when_its_code_or_a_figure_changes_and_not_by_prose(tmp_path, notebook):
    for name, text in {"__init__": "", "report/__init__": "", "report/figures": "WIDTH = 6\n"}.items():
        path = tmp_path / "lglib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stamp(*cells):
        return notebooks.notebook_hash(notebook(*cells), tmp_path)

    one = "# why\nfrom lglib.report import figures"
    before = stamp(one, "x = 1")
    assert stamp(one.replace("why", "how"), "", "x = 1  # one") == before
    assert stamp(one, "x = 2") != before
    path.write_text("WIDTH = 7\n")
    assert stamp(one, "x = 1") != before


def test_magics_count_as_such_in_notebook_cells_only():
    assert notebooks.code_only("%matplotlib inline\nx = 1") == "pass\nx = 1"
    assert notebooks.code_only("x = !ls\nx?") == "x = '!ls'\npass"
    assert notebooks.code_only("%%time\nx = 1  # c") == "%%time\nx = 1"
    assert notebooks.code_only("%%bash\nls | x  # c") == "%%bash\nls | x  # c"
    assert notebooks.code_only("x = (5\n%3)") == "x = (5\n%3)"
    with pytest.raises(SyntaxError):
        closure.code_only("%matplotlib inline")
