"""The picture of the house on the architecture page is the house."""

import re
from pathlib import Path

import pytest

from lglib.report import provenance

ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\|$", re.MULTILINE)


def drawn(page: str) -> dict[str, set[str]]:
    """Modules and their permitted imports, as the page's table says."""
    table = page.split("## The rooms of lglib")[1].split("## The pipeline")[0]
    return {name: set(re.findall(r"`(\w+)`", imports)) for name, imports in ROW.findall(table)}


def built(root: Path) -> dict[str, set[str]]:
    """Modules and their imports, as the code says."""
    files = [p for p in (root / "lglib").glob("*.py") if p.stem != "__init__"]
    return {p.stem: provenance.imported_modules(p.read_text()) for p in files}


def test_every_room_of_the_house_is_drawn_with_the_imports_it_has(root):
    assert drawn((root / "book" / "architecture.md").read_text()) == built(root)


def test_the_picture_is_found_false_when_a_room_imports_more_than_drawn(root):
    page = (root / "book" / "architecture.md").read_text()
    false = page.replace("for the tasks | `tasks` |", "for the tasks | |")
    assert false != page
    assert drawn(false) != built(root)


def test_imports_point_one_way(root):
    imports = built(root)
    done: set[str] = set()
    while ready := {m for m, needs in imports.items() if m not in done and needs <= done}:
        done |= ready
    assert done == set(imports), f"a circle of imports among {set(imports) - done}"


@pytest.mark.parametrize("module", ["plots", "results", "across", "theory", "stats"])
def test_rooms_that_know_no_model_import_no_torch(root, module):
    assert not re.search(
        r"^\s*(import|from) torch", (root / "lglib" / f"{module}.py").read_text(), re.MULTILINE
    )


def test_chapters_import_only_lglib_and_never_each_other(root):
    for script in (root / "notebooks").glob("*.py"):
        text = script.read_text()
        assert not re.search(r"^(import|from) (notebooks|workflow|tests)\b", text, re.MULTILINE), script


def test_the_pipeline_table_lists_the_files_there_are(root):
    page = (root / "book" / "architecture.md").read_text().split("## The pipeline")[1].split("## Three")[0]
    listed = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    assert listed == {
        p.name for p in (root / "workflow").iterdir() if p.is_file() and p.name != "__init__.py"
    }
