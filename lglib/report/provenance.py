"""Where a number comes from: a hash of the code that made it, the versions, the folder of the project.

Room: report, on `closure` and `in_memory`, standard library only, so that the pipeline can ask for a hash
without importing torch.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.metadata
import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lglib.report import closure, in_memory

STUDIES = ("theory", "synthetic", "models", "lora", "rank", "bridge")
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


def code_hash(study: str, root: Path | None = None) -> str:
    """Hash of all code that can change a number of a study: its own and that of the tools that it imports.

    Prose, comments, docstrings, notebooks and what reports do not enter, and a tool makes stale just the
    studies that use it. `root` is a project's folder (default: the lglib that runs, also where it is
    installed). Raises ValueError for a study that does not exist, naming those that do.

    >>> len(code_hash("theory"))
    16
    """
    package = _package(root)
    return _digest(closure.behind(_modules_of(study, package), package))


def library_hash(modules: Sequence[str], root: Path | None = None) -> str:
    """Hash of the code of lglib modules and of all that they import: what is made by them depends on it.

    >>> library_hash(["theory.maxima"]) == library_hash(["theory.maxima"]) != library_hash(["theory.stats"])
    True
    """
    if not modules:
        raise ValueError("modules is empty: name at least one")
    return _digest(closure.behind([f"lglib.{name}" for name in modules], _package(root)))


def stamp(study: str) -> str:
    """`code_hash` of a study that ran in this process, after a check that what ran is what is hashed.

    Raises ValueError when the study was not loaded here, and RuntimeError naming the module when one was
    loaded from another file, was edited since, or has a function that was replaced.
    """
    package = closure.PACKAGE
    start = _modules_of(study, package)
    if not sys.modules.keys() & set(start):
        raise ValueError(f"study {study} did not run in this process, so nothing can be said of its code")
    sources = closure.behind(start, package)
    for name, source in sources.items():
        if (module := sys.modules.get(name)) is None:
            continue
        path = closure.file(name, package)
        if Path(module.__file__ or "").resolve() != path:
            raise RuntimeError(f"{name} was loaded from {module.__file__}, not from {path}, which is hashed")
        if wrong := in_memory.differences(module, source):
            told = f"{name}: {', '.join(wrong)} in memory is not that of {path}"
            raise RuntimeError(
                f"{told}; the file was edited since it was loaded, or the function was replaced"
            )
    return _digest(sources)


@contextlib.contextmanager
def unchanged(study: str) -> Iterator[str]:
    """Stamp of a study that is measured in the body. Raises RuntimeError when its code changed meanwhile.

    >>> from lglib.studies import theory
    >>> with unchanged("theory") as code:
    ...     code == code_hash("theory")
    True
    """
    before = stamp(study)
    yield before
    if stamp(study) != before:
        raise RuntimeError(f"the code of study {study} was edited while it ran; measure it anew")


# Notebooks


def code_cells(notebook: str | Path) -> list[str]:
    """Sources of the code cells of an .ipynb file, in order."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def notebook_hash(notebook: str | Path, root: Path | None = None) -> str:
    """Hash of the code of a notebook and of all of lglib that it imports, figures and tables included."""
    cells, package = code_cells(notebook), _package(root)
    start = closure.imported("\n".join(map(_python_of, cells)), package)
    return _digest(closure.behind(start, package, skip=()), [c for c in map(code_only, cells) if c])


def studies_of(notebook: str | Path) -> list[str]:
    """Studies whose observations a notebook reads: those it imports, and those named to `observed`.

    Raises ValueError for an unknown name, or one that is not written out.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse("\n".join(map(_python_of, code_cells(notebook))))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lglib.studies"):
            found |= {*(node.module or "").split("."), *(a.name for a in node.names)} & set(STUDIES)
        elif isinstance(node, ast.Import):
            found |= {part for a in node.names for part in a.name.split(".")[2:]} & set(STUDIES)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("observed", "gather"):
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if name not in STUDIES and not ast.unparse(node.func).endswith("gather"):
                told = f"{Path(notebook).name}: {ast.unparse(node)} names no study"
                raise ValueError(
                    f"{told}; write one of {', '.join(map(repr, STUDIES))} as its first argument"
                )
            found |= {str(name)} & set(STUDIES)
    return [name for name in STUDIES if name in found]


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


def _package(root: Path | None) -> Path:
    return closure.PACKAGE if root is None else (root / "lglib").resolve()


def _modules_of(study: str, package: Path) -> list[str]:
    """The modules of a study: its file, or all files of its folder."""
    path = package / "studies" / study
    if study not in STUDIES:
        raise ValueError(f"study is {study!r}; there is: {', '.join(STUDIES)}")
    if path.with_suffix(".py").is_file():
        return [f"lglib.studies.{study}"]
    if not path.is_dir():
        raise ValueError(f"study {study} has neither {path}.py nor a folder {path}")
    files = [p.relative_to(package).with_suffix("").parts for p in sorted(path.rglob("*.py"))]
    return [".".join(("lglib", *parts)).removesuffix(".__init__") for parts in files]


def _digest(sources: Mapping[str, str], first: Sequence[str] = ()) -> str:
    digest = hashlib.sha256("\n".join(first).encode())
    for name, source in sources.items():
        digest.update(f"\n# {name}\n{closure.code_only(source)}".encode())
    return digest.hexdigest()[:16]
