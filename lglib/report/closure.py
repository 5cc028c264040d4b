"""Which modules of lglib stand behind a piece of Python, followed import by import, and their code."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]  # of the lglib that runs: in a clone, or installed
# What draws, describes, announces or checks, and cannot change a number: parameters are filed by value.
NOT_HASHED = (
    *("lglib.report", "lglib.base.progress"),
    *("lglib.studies.__init__", "lglib.studies.base", "lglib.studies.profiles"),
    *("lglib.studies.limits", "lglib.studies.words"),
)


def behind(
    start: Iterable[str], package: Path = PACKAGE, skip: tuple[str, ...] = NOT_HASHED
) -> dict[str, str]:
    """The modules `start` and all that they import in the end, without `skip`: name and source, sorted.

    A name imported from a face is followed to the module that defines it, and no further module of the face
    enters. Imports that only type checkers see do not count. Raises FileNotFoundError for a module that does
    not exist.

    >>> "lglib.theory.maxima" in behind(["lglib.theory.laws"])
    True
    """
    waiting, found = set(start), {}
    while waiting:
        name = waiting.pop()
        if _within(name, skip, package) or name in found:
            continue
        found[name] = file(name, package).read_text(encoding="utf-8")
        waiting |= imported(found[name], package, name)
    return dict(sorted(found.items()))


def imported(source: str, package: Path = PACKAGE, name: str = "__main__") -> set[str]:
    """The modules of lglib that Python source imports directly; `name` is its own, for relative imports.

    After `import lglib` it is the names used as `lglib.<name>`. Raises ValueError for a star.

    >>> sorted(imported("from lglib.theory import stats\\nfrom lglib.base.checks import count"))
    ['lglib.base.checks', 'lglib.theory.stats']
    """
    is_package = name != "__main__" and file(name, package).stem == "__init__"
    found: set[str] = set()
    for module, wanted in _pairs(source, name, is_package):
        found.add(_home(module, wanted, package, name))
    return found


@functools.lru_cache(maxsize=1024)
def _pairs(source: str, name: str, is_package: bool) -> tuple[tuple[str, str | None], ...]:
    """What is imported of lglib: a module and a name in it, or None for the module itself."""
    found: list[tuple[str, str | None]] = []
    tree = ast.parse(source)
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names if alias.name != "lglib"]
            for alias in node.names:
                found += _by_attribute(tree, alias.asname or "lglib") if alias.name == "lglib" else []
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, name, is_package)
            found += [(module, alias.name) for alias in node.names]
    found = [(module, wanted) for module, wanted in found if module.split(".")[0] == "lglib"]
    if any(wanted == "*" for _, wanted in found):
        raise ValueError(f"{name}: write `from lglib.<package> import <name>`, not a star")
    return tuple(found)


def _by_attribute(tree: ast.AST, alias: str) -> list[tuple[str, str | None]]:
    """Names of the library's face that code uses as `lglib.<name>`."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == alias:
            found.append(("lglib", node.attr))
    return found


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, node.module] if node.module else base)


def _home(module: str, wanted: str | None, package: Path, importer: str) -> str:
    """The module behind `from module import wanted`: a module below it, or where its face takes it from."""
    if wanted is not None and _exists(f"{module}.{wanted}", package):
        return f"{module}.{wanted}"
    if not _exists(module, package):
        raise FileNotFoundError(f"{importer} imports {module}, and there is no such module in {package}")
    path = file(module, package)
    if wanted is None or path.stem != "__init__":
        return module
    for source, original, alias in _taken(path.read_text(encoding="utf-8"), module):
        if alias == wanted:
            return _home(source, original, package, module)
    return module


@functools.lru_cache(maxsize=256)
def _taken(source: str, module: str) -> tuple[tuple[str, str | None, str], ...]:
    """What a face re-exports: (module, name there, name here), by import or by a lazy {"name": "module"}."""
    found: list[tuple[str, str | None, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            origin = _absolute(node, module, True)
            found += [(origin, a.name, a.asname or a.name) for a in node.names if origin.startswith("lglib")]
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    origin = str(value.value)
                    origin = origin if origin.startswith("lglib") else f"{module}.{origin.lstrip('.')}"
                    found.append((origin, str(key.value), str(key.value)))
    return tuple(found)


def _within(name: str, skip: tuple[str, ...], package: Path) -> bool:
    own = f"{name}.__init__" if file(name, package).stem == "__init__" else name
    return any(s in (name, own) or name.startswith(f"{s}.") for s in skip)


def file(name: str, package: Path) -> Path:
    """The file of a module by its name, whether or not it exists; that of a package is its `__init__`."""
    path = package.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")


def _exists(name: str, package: Path) -> bool:
    return file(name, package).is_file()


@functools.lru_cache(maxsize=1024)
def code_only(source: str) -> str:
    """Python source without comments, docstrings, blank lines and trailing spaces: what can change a number.

    Only a docstring alone on its lines is dropped, and lines within a string stay as they are. Raises
    SyntaxError when `source` is not Python. Made of text, so that it is the same for every Python.

    >>> code_only('def f(x):\\n    "A docstring."\\n    return x  # a comment\\n')
    'def f(x):\\n    return x'
    """
    plain = source.replace("\r\n", "\n").replace("\r", "\n") + "\n"
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


def _alone(statement: ast.stmt, lines: list[str]) -> bool:
    """Is there nothing else on the lines of a statement, comments aside? Its columns count UTF-8 bytes."""
    end = statement.end_lineno or statement.lineno
    before = lines[statement.lineno - 1].encode()[: statement.col_offset]
    after = lines[end - 1].encode()[statement.end_col_offset :].strip()
    return not before.strip() and (not after or after.startswith(b"#"))
