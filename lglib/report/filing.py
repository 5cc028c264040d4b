"""Files of observations: written whole with their provenance, read with distrust, gathered and published.

A table is <study>.csv in a folder <root>/<profile>/<model>/seed<k>, with a header of the same name in JSON
beside it; roots are FRESH (made on this machine) and PUBLISHED (committed).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pydantic import BaseModel

from lglib.base import settings
from lglib.base.checks import NotMeasurable
from lglib.base.files import write_atomically
from lglib.report import frames, provenance
from lglib.report.headers import Header, of_schema, stale

__all__ = ["FRESH", "PUBLISHED", "Filed", "Header", "Measured"]
__all__ += ["gather", "publish", "read", "stale", "write"]
LARGEST = 200_000_000  # bytes of a table; the largest of the book has half a million
FRESH, PUBLISHED = "runs/observations", "results"  # below the project's folder


class Rows(Protocol):
    """What can be filed: `Observations`."""

    def frame(self) -> pd.DataFrame:
        """The rows as a table."""


@dataclasses.dataclass(frozen=True)
class Filed:
    """One file of observations: its header and its table."""

    header: Header
    frame: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class Measured:
    """Observations of a study on all models and seeds that count; files that do not, with the reason.

    `sections` has, by run, the sections that it left out and why; the table has a row of context for each.
    """

    frame: pd.DataFrame
    left_out: Mapping[str, str]
    sections: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        """Say which models and seeds there are, and what was left out."""
        seeds = self.frame.groupby("model", sort=False)["seed"].unique()
        told = [f"{model}: seeds {', '.join(map(str, found))}" for model, found in seeds.items()]
        told += [f"{run}, without {s}: {why}" for run, own in self.sections.items() for s, why in own.items()]
        return "\n".join(told + [f"left out {file}: {why}" for file, why in self.left_out.items()])


def write(observations: Rows, header: Header, root: str | Path | None = None) -> Path:
    """File a run below `root` (default: FRESH of the project), table last; return the path of its table.

    Raises ValueError for a root within the committed folder PUBLISHED, where only `publish` writes.
    """
    root = Path(root or provenance.project_root() / FRESH)
    if _is_published(root):
        raise ValueError(f"{root} holds published observations; write below {FRESH} and use `make publish`")
    table = observations.frame()
    kinds = {name: frames.kind(table[name]) for name in frames.varied(table)}
    text = table.to_csv(index=False, lineterminator="\n")
    return _write(root, header, text, {"columns": kinds, "sha256": _sha256(text)})


def read(path: str | Path) -> Filed:
    """Read one file of observations, given the path of its table or of its header.

    Raises ValueError, naming the file, when its header is missing or of another schema, when the table is
    not the one that was written, or when what is inside contradicts its place.
    """
    path = Path(path).with_suffix(".csv")
    try:
        document = settings.json_of(path.with_suffix(".json"), largest=LARGEST)
        of_schema(document)
        columns, sha256 = dict(document.pop("columns")), document.pop("sha256")
        header = Header(**document)
        text = settings.data(path, largest=LARGEST).decode("utf-8")
        if _sha256(text) != sha256:
            raise ValueError("its table is cut off or altered (its sha256 is not that of the header)")
        if wrong := [k for k, v in _place(path).items() if str(getattr(header, k)) != v]:
            raise ValueError(f"its {', '.join(wrong)} inside is not that of its place")
        return Filed(header, _parse(text, columns))
    except settings.BadSettings as error:
        if error.missing:
            name = path.with_suffix(".json").name if path.is_file() else path.name
            raise ValueError(f"{path}: there is no {name}; measure it anew") from error
        raise ValueError(f"{path} is not a whole file of observations: {error}") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} is not a whole file of observations: {error}") from error


class NoObservation(NotMeasurable):
    """No filed run of a study counts: how to measure one, and why those that are there do not."""


def gather(
    study: str,
    profile: str,
    *,
    parameters: Mapping[str, Any] | BaseModel | None = None,
    code: str | None = None,
    root: str | Path | None = None,
) -> Measured:
    """Observations of a study on all its models and seeds: a fresh run goes before the published one.

    A run counts while its code hash is `code` (default: the current one) and its parameters, all but the
    model, are `parameters`; without these all that count must have the same. `root` is the project's folder.
    What is left out is named with its reason, a file that cannot be read too. Raises NoObservation when no
    run counts.
    """
    project = Path(root or provenance.project_root())
    code = code or provenance.code_hash(study)
    counted: dict[tuple[str, str], Filed] = {}
    left_out: dict[str, str] = {}
    for path in [p for folder in (FRESH, PUBLISHED) for p in _files(project / folder / profile, study)]:
        if (key := (path.parent.parent.name, path.parent.name)) in counted:
            continue
        try:
            filed = read(path)
        except ValueError as error:
            left_out[str(path.relative_to(project))] = f"cannot be read: {error}".replace(f"{project}/", "")
            continue
        if reason := stale(filed.header, code, parameters):
            left_out[str(path.relative_to(project))] = reason
        else:
            counted[key] = filed
    if not counted:
        told = "".join(f"\n{file}: {why}" for file, why in left_out.items())
        ask = f"make measure STUDIES={study} PROFILE={profile}"
        raise NoObservation(f"no observation of study {study} in profile {profile} counts; {ask}{told}")
    runs = sorted(counted.values(), key=lambda run: (run.header.model, run.header.seed))
    for one in runs[1:]:
        if reason := stale(one.header, code, runs[0].header.parameters):
            names = f"{one.header.model} seed {one.header.seed}"
            raise ValueError(
                f"{names} of study {study} is {reason} than the others; say which parameters count"
            )
    parts = [frames.with_left_out(r.frame, r.header.left_out) for r in runs]
    parts = [t.assign(model=r.header.model, seed=r.header.seed) for t, r in zip(parts, runs, strict=True)]
    sections = {f"{r.header.model} seed {r.header.seed}": r.header.left_out for r in runs}
    return Measured(frames.joined(parts), left_out, {run: why for run, why in sections.items() if why})


def publish(
    path: str | Path,
    *,
    parameters: Mapping[str, Any] | BaseModel,
    code: str | None = None,
    root: str | Path | None = None,
) -> Path:
    """Copy a fresh file of observations to PUBLISHED of the project `root`; return the path of the copy.

    Raises ValueError, and copies nothing, unless it is whole and was made by the current code with
    `parameters`, those of the profile whose name it bears.
    """
    filed, path = read(path), Path(path).with_suffix(".csv")
    reason = stale(filed.header, code or provenance.code_hash(filed.header.study), parameters)
    if reason:
        raise ValueError(f"{path} is not published: it is {reason}")
    header = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    rest = {name: header[name] for name in ("columns", "sha256")}
    target = Path(root or provenance.project_root()) / PUBLISHED
    return _write(target, filed.header, path.read_bytes().decode("utf-8"), rest)


def _write(root: Path, header: Header, table: str, rest: Mapping[str, Any]) -> Path:
    path = root / header.place() / f"{header.study}.csv"
    text = json.dumps({**header.as_json(), **rest}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path.with_suffix(".json"), text + "\n")  # alone it is not looked for; a table alone is
    write_atomically(path, table)
    return path


def _parse(text: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """The table of a CSV, with the dtypes that its header names: "10" may be a text and 10 a number."""
    kinds = {name: frames.KINDS[kind] for name, kind in columns.items()}
    fixed = {"claim": "str", "measure": "str", "unit": "str", "null_means": "str", "n": "int64"}
    kinds |= fixed | dict.fromkeys(frames.NUMBERS, "float64")
    table = pd.read_csv(io.StringIO(text), dtype=kinds, keep_default_na=False, na_values=[""])
    frames.check(table)
    if wrong := set(frames.varied(table)) ^ set(columns):
        raise ValueError(f"the columns {', '.join(sorted(wrong))} are in one of table and header only")
    return table


def _files(folder: Path, study: str) -> list[Path]:
    """Tables of a study, also where only the header is left, so that nothing is passed over in silence.

    What an unfinished run has kept (`partial`) has another name, and is none.
    """
    names = (f"{study}.csv", f"{study}.json")
    return sorted({path.with_suffix(".csv") for name in names for path in folder.glob(f"*/seed*/{name}")})


def _place(path: Path) -> dict[str, str]:
    folder = path.resolve().parent
    seed = folder.name.removeprefix("seed")
    return {
        "study": path.stem,
        "seed": seed,
        "model": folder.parent.name,
        "profile": folder.parent.parent.name,
    }


def _is_published(root: Path) -> bool:
    root = root.resolve()
    try:
        return root.is_relative_to((provenance.project_root(root) / PUBLISHED).resolve())
    except FileNotFoundError:
        return False  # in no project


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
