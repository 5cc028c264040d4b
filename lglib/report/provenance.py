"""Where a number comes from: a hash of the code that made it, the versions, the folder of the project."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lglib.report import closure, in_memory

STUDIES = ("theory", "quadratic", "synthetic", "models", "lora", "controls", "rank", "bridge", "lens")
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
    '00_start'
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


def processor() -> str:
    """Model of this machine's processor; its architecture where the model is not told. No host, no user.

    >>> processor() != ""
    True
    """
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def code_hash(study: str, root: Path | None = None) -> str:
    """Hash of all code that can change a number of a study: its own and that of the tools that it imports.

    Prose, comments, docstrings, notebooks and what reports do not enter, and a tool makes stale just the
    studies that use it. `root` is a project's folder (default: the lglib that runs, also where it is
    installed). Raises ValueError for a study that does not exist, naming those that do.

    >>> len(code_hash("theory"))
    16
    """
    package = package_of(root)
    return digest(closure.behind(_modules_of(study, package), package))


def library_hash(modules: Sequence[str], root: Path | None = None) -> str:
    """Hash of the code of lglib modules and of all that they import: what is made by them depends on it.

    >>> library_hash(["theory.maxima"]) == library_hash(["theory.maxima"]) != library_hash(["theory.stats"])
    True
    """
    if not modules:
        raise ValueError("modules is empty: name at least one")
    return digest(closure.behind([f"lglib.{name}" for name in modules], package_of(root)))


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
    return digest(sources)


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


def package_of(root: Path | None) -> Path:
    """Folder of lglib in a project, or of the lglib that runs."""
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


def digest(sources: Mapping[str, str], first: Sequence[str] = ()) -> str:
    """Hash of texts of code, and of the code of modules by name, prose left out."""
    found = hashlib.sha256("\n".join(first).encode())
    for name, source in sources.items():
        found.update(f"\n# {name}\n{closure.code_only(source)}".encode())
    return found.hexdigest()[:16]
