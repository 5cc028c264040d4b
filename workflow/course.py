"""`make course`: student notebooks and their solutions, from the exercise pages of the book (NNx_name).

A student's notebook has each exercise, a prompt in the place of its solution, and the check that tells pass
or fail. Both kinds are plain Jupyter: no directive, no role, no jupytext, nothing of the book around them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat

from lglib.base.files import write_atomically
from lglib.report.provenance import project_root
from workflow import terminal

OPENING = re.compile(r"\s*(:{3,}|`{3,})\{([\w:-]+)\}\s*(.*)")
OPTION = re.compile(r"\s*:([\w-]+):\s*(.*)")
BLANK = "answer = ...  # your number"
YOURS = "*Your answer:*"
CODE = "# your code"
INSTALL = (
    "import lglib  # not there? First: %pip install and the name of the wheel that came with this notebook"
)


@dataclass(frozen=True)
class Part:
    """A piece of an exercise page: prose or code, within a solution or not, and its tags."""

    text: str
    code: bool = False
    solution: bool = False
    tags: tuple[str, ...] = ()


def parts(cells: Iterable[nbformat.NotebookNode], titles: dict[str, str]) -> Iterator[Part]:
    """Pieces of a page in plain Markdown and code. Raises ValueError for a solution that does not end."""
    inside = ""
    for cell in cells:
        tags = tuple(cell.metadata.get("tags", ()))
        if cell.cell_type == "code":
            yield Part(cell.source, True, bool(inside) and "check" not in tags, tags)
            continue
        for kind, label, text in blocks(cell.source):
            if kind == "solution-start":
                inside = label
            elif kind == "solution-end":
                inside = ""
            else:
                within = bool(inside) or kind == "solution"
                words = f"**Solution.** {text}" if kind == "solution" else text
                if plain := in_jupyter(words, titles).strip():
                    yield Part(plain, solution=within)
    if inside:
        raise ValueError(f"the solution of {inside} does not end")


def blocks(markdown: str) -> Iterator[tuple[str, str, str]]:
    """Pieces of a Markdown cell: (directive or "", its argument, text), in order.

    >>> list(blocks("A\\n:::{solution} ex-a\\n:class: dropdown\\n\\nB\\n:::\\nC"))
    [('', '', 'A'), ('solution', 'ex-a', 'B'), ('', '', 'C')]
    """
    lines, free = markdown.splitlines(), list[str]()
    i = 0
    while i < len(lines):
        found = OPENING.match(lines[i])
        if not found:
            free.append(lines[i])
            i += 1
            continue
        if free:
            yield "", "", "\n".join(free).strip()
            free = []
        end = next((j for j in range(i + 1, len(lines)) if lines[j].strip() == found[1]), len(lines))
        body = lines[i + 1 : end]
        while body and OPTION.match(body[0]):
            body = body[1:]
        text = "\n".join(body).strip()
        if found[2] == "exercise":
            text = f"### Exercise: {found[3]}\n\n{text}"
        elif found[2].startswith("prf:"):
            text = f"**{found[2][4:].capitalize()}** ({found[3]}). {text}" if found[3] else text
        yield found[2], found[3].strip(), text
        i = end + 1
    if "\n".join(free).strip():
        yield "", "", "\n".join(free).strip()


def in_jupyter(markdown: str, titles: dict[str, str]) -> str:
    """Markdown that plain Jupyter shows: roles in words, equations without labels.

    >>> in_jupyter("By {prf:ref}`prop-a` and {doc}`04_b`.", {"prop-a": "What lengths do", "04_b": "Rank"})
    'By "What lengths do" and the page "Rank".'
    """

    def role(match: re.Match[str]) -> str:
        name, inner = match[1], match[2]
        label = re.sub(r".*<(.*)>", r"\1", inner)
        title = titles.get(Path(label).name, "")
        if name == "doc":
            return f'the page "{title}"' if title else f"the page {label}"
        if name == "eq":
            return f"equation ({label})"
        return f'"{title}"' if title else label

    text = re.sub(r"\{([\w:]+)\}`([^`]*)`", role, markdown)
    text = re.sub(r"(\$\$[^$]*\$\$) *\([\w-]+\)", r"\1", text)
    return re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)


def titles(root: Path) -> dict[str, str]:
    """Titles by label and by page, of all that the book's pages refer to."""
    found: dict[str, str] = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.py")):
        text = "\n".join(c.source for c in jupytext.read(path).cells if c.cell_type == "markdown")
        if title := re.search(r"^# (.*)$", text, re.MULTILINE):
            found[path.stem] = title[1]
        for opened in re.finditer(r"\{(?:prf:\w+|exercise)\} (.*)\n:label: ([\w-]+)", text):
            found[opened[2]] = opened[1]
        for label in re.finditer(r"^\(([\w-]+)\)=\n#+ (.*)$", text, re.MULTILINE):
            found[label[1]] = label[2]
    return found


def notebook(found: Iterable[Part], *, solved: bool) -> nbformat.NotebookNode:
    """A student's notebook, or that of the solutions."""
    cells: list[nbformat.NotebookNode] = [_code(INSTALL)]
    prompted = False  # whether the solution that is passed over has its prompt
    for part in found:
        if not part.solution or solved:
            prompted = False
            cells.append(_code(part.text) if part.code else nbformat.v4.new_markdown_cell(part.text))
        elif "answer" in part.tags:
            cells.append(_code(BLANK))
        elif not prompted:
            prompted = True
            cells += [nbformat.v4.new_markdown_cell(YOURS), _code(CODE)]
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"  # the same for the same page
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _code(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source)


def exercises(root: Path) -> list[Path]:
    """The exercise pages of the book, in order: NNx_name, and NNbx_name of a second chapter of one number."""
    return sorted(p for p in (root / "notebooks").glob("*.py") if re.match(r"\d\d[a-z]?x_", p.name))


def make(root: Path, folder: Path) -> list[Path]:
    """Write both notebooks of each exercise page; return their paths. What was there before is replaced."""
    known, made = titles(root), []
    for path in exercises(root):
        found = list(parts(jupytext.read(path).cells, known))
        for name in ("student", "solutions"):
            target = folder / name / f"{path.stem}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            text = nbformat.writes(notebook(found, solved=name == "solutions"))
            made.append(write_atomically(target, text + "\n"))
    for name in ("student", "solutions"):
        for old in set((folder / name).glob("*.ipynb")) - set(made):
            old.unlink()
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m workflow.course", description=__doc__)
    parser.add_argument("--folder", default="course", help="where the notebooks are written")
    asked = parser.parse_args()
    here = project_root()
    for one in make(here, here / asked.folder):
        print(terminal.from_here(one))
