"""The smoke book: each study, those that take any model also on another one, and each chapter once."""

from __future__ import annotations

import conftest
import nbformat
import pytest

from lglib import studies
from lglib.report import filing, provenance

pytestmark = pytest.mark.slow


def test_every_study_files_its_observations_and_those_that_take_any_model_do_so_on_another(smoke):
    folder = smoke / filing.FRESH / "smoke"
    filed = {(p.stem, p.parent.parent.name) for p in folder.rglob("*.csv")}
    planned = {(study, studies.filed(m)) for study, runs in studies.plan("smoke").items() for m in runs}
    assert filed == planned | set(conftest.OTHERS)
    for path in folder.rglob("*.csv"):
        assert len(filing.read(path).frame)


@pytest.mark.parametrize("chapter", provenance.chapters())
def test_every_chapter_runs_to_its_end_and_writes_nothing_to_stderr(smoke, chapter):
    notebook = nbformat.read(smoke / "runs" / "smoke" / "chapters" / f"{chapter}.ipynb", as_version=4)
    streams = [o for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
    assert streams == []
    page = smoke / "_build" / "smoke" / "html" / "book" / "chapters" / f"{chapter}.html"
    assert page.stat().st_size > 10_000


def test_the_committed_folders_are_left_alone(smoke, root):
    for folder in ("book/chapters", "results"):
        for path in (root / folder).rglob("*.*"):
            if path.is_file():
                assert (smoke / path.relative_to(root)).read_bytes() == path.read_bytes()
