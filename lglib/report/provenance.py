"""Where a number comes from: a hash of the code that made it, the versions, the device.

`results` and the workflow may import it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import io
import json
import platform
import re
import tokenize
from collections.abc import Sequence
from pathlib import Path

# Modules that draw, describe or announce numbers but cannot change them.
NOT_HASHED = frozenset({"plots", "progress", "provenance"})
PYTHON_CELLS = frozenset({"%%time", "%%timeit", "%%capture", "%%prun"})  # cell magics over Python
RECORDED_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "transformers", "peft", "torchjd")


def project_root(start: str | Path | None = None) -> Path:
    """Folder of the project: the nearest one, going up from `start` (default: here), with a `_toc.yml`.

    Raises FileNotFoundError when no folder on the way up holds `_toc.yml` and `notebooks/`.

    >>> (project_root() / "notebooks").is_dir()
    True
    """
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise FileNotFoundError(
        f"no project folder (one with _toc.yml and notebooks/) at or above {here}: "
        "start the notebook from inside the cloned repository"
    )


def chapters(root: Path | None = None) -> list[str]:
    """Names of all chapters in reading order, from `notebooks/NN_name.ipynb`.

    >>> chapters()[0]
    '01_theory'
    """
    folder = (root or project_root()) / "notebooks"
    return sorted(p.stem for p in folder.glob("*.ipynb") if re.match(r"\d\d", p.name))


def code_only(source: str, *, magics: bool = True) -> str:
    """Python source without comments, docstrings, blank lines and trailing spaces: what can change a number.

    Only a docstring alone on its lines is dropped, and lines within a string stay as they are. In a notebook
    cell (`magics=True`) a line of IPython magic counts as `pass`, and the line of a cell magic is kept.
    Raises SyntaxError when `source` is not Python. Made of text, so that it is the same for every Python.

    >>> code_only('def f(x):\\n    "A docstring."\\n    return x  # a comment\\n')
    'def f(x):\\n    return x'
    """
    if magics and source.lstrip().startswith("%%"):
        first, _, rest = source.lstrip().partition("\n")
        if first.split()[0] not in PYTHON_CELLS:
            return source  # another language: every character counts
        return f"{first.rstrip()}\n{code_only(rest)}"
    plain = (_without_magics(source) if magics else _unix(source)) + "\n"
    kept = plain.split("\n")  # not splitlines: that also breaks at characters that Python reads on over
    drop: set[int] = set()
    for node in ast.walk(ast.parse(plain)):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            start = body[0]
            told = start.value if isinstance(start, ast.Expr) else None
            if isinstance(told, ast.Constant) and isinstance(told.value, str) and _alone(start, kept):
                drop.update(range(start.lineno - 1, start.end_lineno or start.lineno))
    inside: set[int] = set()  # lines whose end lies within a string
    open_at: list[int] = []  # first rows of the f-strings that are open: since 3.12 they are several tokens
    for token in tokenize.generate_tokens(io.StringIO(plain).readline):
        row, column = token.start
        kind = tokenize.tok_name[token.type]
        if kind == "COMMENT":
            kept[row - 1] = kept[row - 1][:column]
        elif kind.endswith("STRING_START"):
            open_at.append(row)
        elif kind == "STRING" or kind.endswith("STRING_END"):
            begun = row if kind == "STRING" else open_at.pop()
            inside.update(range(begun - 1, token.end[0] - 1))
    return "\n".join(
        line if i in inside else line.rstrip()
        for i, line in enumerate(kept)
        if i not in drop and (line.strip() or i in inside)
    )


def imported_modules(source: str) -> set[str]:
    """Names of the lglib modules that Python source imports directly, in a relative way too.

    Raises ValueError for a bare `import lglib`, which does not say which modules it is for.

    >>> sorted(imported_modules("from lglib import theory, plots\\nfrom lglib.stats import Interval"))
    ['plots', 'stats', 'theory']
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            package = ".".join(filter(None, ("lglib" if node.level == 1 else "", node.module)))
            if package == "lglib":
                found.update(alias.name for alias in node.names)
            elif package.startswith("lglib."):
                found.add(package.split(".")[1])
        elif isinstance(node, ast.Import):
            if any(a.name == "lglib" for a in node.names):
                raise ValueError(f"line {node.lineno}: write `from lglib import ...`, not `import lglib`")
            found.update(a.name.split(".")[1] for a in node.names if a.name.startswith("lglib."))
    return found


def code_cells(notebook: str | Path) -> list[str]:
    """Sources of the code cells of an .ipynb file, in order."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def library_modules(source: str, root: Path | None = None) -> list[str]:
    """The lglib modules whose code can change a number of `source`: its imports, followed to the end.

    >>> "plots" in library_modules("from lglib import plots")
    False
    """
    folder = (root or project_root()) / "lglib"
    waiting, seen = imported_modules(source) - NOT_HASHED, set()
    while waiting:
        name = waiting.pop()
        path = folder / f"{name}.py"
        if not path.is_file():
            raise FileNotFoundError(f"the code imports lglib.{name}, and there is no {path}")
        seen.add(name)
        waiting |= imported_modules(path.read_text(encoding="utf-8")) - NOT_HASHED - seen
    return sorted(seen)


def code_hash(chapter: str, root: Path | None = None) -> str:
    """Hash of all code that can change a number of a chapter: its code cells and the lglib behind them.

    Prose, comments, docstrings and `lglib.plots` do not enter, so editing them keeps results current.
    Raises ValueError for a chapter that does not exist, naming those that do.

    >>> len(code_hash("01_theory"))
    16
    """
    root = root or project_root()
    path = root / "notebooks" / f"{chapter}.ipynb"
    if not path.is_file():
        raise ValueError(f"chapter is {chapter!r}; there is: {', '.join(chapters(root))}")
    cells = code_cells(path)
    digest = hashlib.sha256("\n".join(c for c in map(code_only, cells) if c).encode())
    for text in _sources("\n".join(map(_python_of, cells)), root):
        digest.update(text.encode())
    return digest.hexdigest()[:16]


def library_hash(modules: Sequence[str], root: Path | None = None) -> str:
    """Hash of the code of lglib modules and of all that they import: what a tensor made by them depends on.

    >>> library_hash(["theory"]) == library_hash(["theory"]) != library_hash(["stats"])
    True
    """
    if not modules:
        raise ValueError("modules is empty: name at least one")
    source = f"from lglib import {', '.join(modules)}"
    return hashlib.sha256("".join(_sources(source, root or project_root())).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number.

    >>> "torch" in versions()
    True
    """
    found = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not needed by every chapter
    return found


def _sources(source: str, root: Path) -> list[str]:
    """The code of each lglib module behind Python source, under its name."""
    found = []
    for name in library_modules(source, root):
        text = (root / "lglib" / f"{name}.py").read_text(encoding="utf-8")
        found.append(f"\n# lglib.{name}\n{code_only(text, magics=False)}")
    return found


def _unix(source: str) -> str:
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _alone(statement: ast.stmt, lines: list[str]) -> bool:
    """Is there nothing else on the lines of a statement, comments aside? Its columns count UTF-8 bytes."""
    end = statement.end_lineno or statement.lineno
    before = lines[statement.lineno - 1].encode()[: statement.col_offset]
    after = lines[end - 1].encode()[statement.end_col_offset :].strip()
    return not before.strip() and (not after or after.startswith(b"#"))


def _without_magics(source: str) -> str:
    """Python that parses: lines of IPython magic, and only lines on which it does not parse, are replaced."""
    lines = _unix(source).split("\n")
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


def _python_of(cell: str) -> str:
    """The Python of a notebook cell; nothing of a cell in another language."""
    if not cell.lstrip().startswith("%%"):
        return _without_magics(cell)
    first, _, rest = cell.lstrip().partition("\n")
    return _without_magics(rest) if first.split()[0] in PYTHON_CELLS else ""
