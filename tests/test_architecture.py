"""The picture of the library on the architecture page is the library."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROW = re.compile(r"^\| `([\w/]+)` \| [^|]+ \|([^|]*)\|$", re.MULTILINE)
MODULE = re.compile(r"^\| `([\w.]+)` \| [^|]+ \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(root):
    return (root / "book" / "architecture.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def rooms_drawn(page: str) -> dict[str, set[str]]:
    """Rooms in the order of the page, each with the rooms that it may import."""
    table = ROW.findall(section(page, "The packages of lglib"))
    return {room: set(re.findall(r"`(\w+)`", imports)) for room, imports in table}


def modules(root: Path) -> dict[str, Path]:
    """Modules of lglib by dotted name without the package, faces left out."""
    folder = root / "lglib"
    paths = [p for p in folder.rglob("*.py") if p.name != "__init__.py"]
    return {".".join(p.relative_to(folder).with_suffix("").parts): p for p in paths}


def imports(path: Path, known: set[str]) -> set[str]:
    """Modules of lglib that a file imports when it is loaded; a name of a face counts as its room."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("lglib"):
            continue
        package = (node.module or "").removeprefix("lglib").removeprefix(".")
        for alias in node.names:
            whole = f"{package}.{alias.name}".strip(".")
            found.add(whole if whole in known else package or alias.name)
    return found


def test_every_room_is_drawn_and_imports_only_what_the_page_allows(root, page):
    drawn, known = rooms_drawn(page), modules(root)
    assert set(drawn) == {p.name for p in (root / "lglib").iterdir() if (p / "__init__.py").is_file()}
    for name, path in known.items():
        room = name.split(".")[0]
        used = {other.split(".")[0] for other in imports(path, set(known))} - {room}
        assert used <= drawn[room], f"{name} imports {sorted(used - drawn[room])} against the page"


def test_a_room_may_only_import_rooms_that_stand_above_it_on_the_page(page):
    seen: set[str] = set()
    for room, allowed in rooms_drawn(page).items():
        assert allowed <= seen, f"{room} may import {sorted(allowed - seen)}, which the page lists after it"
        seen.add(room)


def test_the_picture_is_found_false_when_a_room_imports_more_than_drawn(root, page):
    false = rooms_drawn(page)
    false["search"] -= {"models"}
    known = modules(root)
    paths = [p for name, p in known.items() if name.startswith("search.")]
    used = {other.split(".")[0] for p in paths for other in imports(p, set(known))}
    assert not used <= false["search"] | {"search"}


def test_modules_of_a_room_import_each_other_one_way(root):
    known = modules(root)
    needs = {name: imports(path, set(known)) & set(known) for name, path in known.items()}
    done: set[str] = set()
    while ready := {m for m, n in needs.items() if m not in done and n <= done}:
        done |= ready
    assert done == set(known), f"a circle of imports among {sorted(set(known) - done)}"


def test_the_page_lists_the_modules_there_are(root, page):
    listed = set(MODULE.findall(section(page, "The modules")))
    assert listed == {name for name in modules(root) if not name.startswith("studies.")}


def test_each_room_of_tools_has_a_face_of_five_to_ten_names(root, page):
    for room in rooms_drawn(page):
        if room in ("base", "course", "studies"):
            continue
        tree = ast.parse((root / "lglib" / room / "__init__.py").read_text(encoding="utf-8"))
        (names,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")
        assert 5 <= len(names.elts) <= 10, f"the face of {room} has {len(names.elts)} names"


def test_no_file_of_the_library_has_more_than_300_lines(root):
    long = {n: k for n, p in modules(root).items() if (k := len(p.read_text("utf-8").splitlines())) > 300}
    assert long == {}


@pytest.mark.parametrize("room", ["theory", "report"])
def test_rooms_that_know_no_model_import_no_torch(root, room):
    for name, path in modules(root).items():
        if name.startswith(f"{room}."):
            assert not re.search(r"^\s*(import|from) torch", path.read_text("utf-8"), re.MULTILINE), name


def test_notebooks_import_faces_and_never_each_other(root):
    for script in (root / "notebooks").glob("*.py"):
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"^(import|from) (notebooks|workflow|tests)\b", text, re.MULTILINE), script
        behind = re.findall(r"^from (lglib\.\w+\.\w+)", text, re.MULTILINE)
        assert set(behind) <= {"lglib.tasks.microworld"}, script  # a room within a room


def test_the_pipeline_table_lists_the_files_there_are(root, page):
    listed = set(re.findall(r"^\| `([\w.]+)` \|", section(page, "The pipeline"), re.MULTILINE))
    files = {p.name for p in (root / "workflow").iterdir() if p.is_file() and p.name != "__init__.py"}
    assert listed == files
