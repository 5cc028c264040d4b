"""The code of notebooks: what of it counts, what of lglib stands behind it, which observations it reads."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from lglib.report import closure, provenance

PYTHON_CELLS = frozenset({"%%time", "%%timeit", "%%capture", "%%prun"})  # cell magics over Python


def code_cells(notebook: str | Path) -> list[str]:
    """Sources of the code cells of an .ipynb file, in order."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def notebook_hash(notebook: str | Path, root: Path | None = None) -> str:
    """Hash of the code of a notebook and of all of lglib that it imports, figures and tables included."""
    cells, package = code_cells(notebook), provenance.package_of(root)
    start = closure.imported("\n".join(map(_python_of, cells)), package)
    return provenance.digest(closure.behind(start, package, skip=()), [c for c in map(code_only, cells) if c])


def studies_of(notebook: str | Path) -> list[str]:
    """Studies whose observations a notebook reads: those it imports, and those named to `observed`.

    Raises ValueError for an unknown name, or one that is not written out.
    """
    known, found = provenance.STUDIES, set()
    for node in ast.walk(ast.parse("\n".join(map(_python_of, code_cells(notebook))))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lglib.studies"):
            found |= {*(node.module or "").split("."), *(a.name for a in node.names)}
        elif isinstance(node, ast.Import):
            found |= {part for a in node.names if a.name.startswith("lglib.") for part in a.name.split(".")}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("observed", "gather"):
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if name not in known and not ast.unparse(node.func).endswith("gather"):
                told = f"{Path(notebook).name}: {ast.unparse(node)} names no study"
                raise ValueError(f"{told}; write one of {', '.join(map(repr, known))} as its first argument")
            found.add(str(name))
    return [name for name in known if name in found]


def code_only(cell: str) -> str:
    """The code of a notebook cell, as `closure.code_only` has it; a line of IPython magic counts as `pass`.

    The line of a cell magic is kept, and all of a cell in another language.

    >>> code_only("%matplotlib inline\\nx = 1  # one")
    'pass\\nx = 1'
    """
    if not cell.lstrip().startswith("%%"):
        return closure.code_only(_without_magics(cell))
    first, _, rest = cell.lstrip().partition("\n")
    return f"{first.rstrip()}\n{code_only(rest)}" if first.split()[0] in PYTHON_CELLS else cell


def _python_of(cell: str) -> str:
    """The Python of a notebook cell; nothing of a cell in another language."""
    if not cell.lstrip().startswith("%%"):
        return _without_magics(cell)
    first, _, rest = cell.lstrip().partition("\n")
    return _without_magics(rest) if first.split()[0] in PYTHON_CELLS else ""


def _without_magics(source: str) -> str:
    """Python that parses: lines of IPython magic, and only lines on which it does not parse, are replaced."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while True:
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            row = (error.lineno or 1) - 1
            line = lines[row] if row < len(lines) else ""
            found = re.fullmatch(r"(\s*)(?:([\w.,\s]+?)\s*=\s*)?([%!].*|\?.*|[\w.%]+\?+\s*)", line)
            if not found:
                raise
            space, name, magic = found.groups()
            lines[row] = f"{space}{name} = {magic!r}" if name else f"{space}pass"
        else:
            return "\n".join(lines)
