"""Profiles: which studies run on which models and seeds, and with which parameters (config/<profile>.yml)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lglib.base import settings
from lglib.report.provenance import project_root
from lglib.studies import naming, words
from lglib.studies.base import Parameters
from lglib.studies.limits import Seed
from lglib.studies.naming import MODEL, filed

__all__ = ["MODEL", "Entry", "Family", "Profile", "ProfileError", "checked", "filed", "names", "read"]

NAME = re.compile(r"[a-z][a-z0-9_-]*")  # of a profile: it becomes a folder
OTHERS = ("claims", "models")  # files of config/ that are no profiles
FAMILIES = "families"  # section of a profile that names no study


def _once(seeds: list[int]) -> list[int]:
    """Refuse a seed that is given twice."""
    if len(set(seeds)) < len(seeds):
        raise ValueError("each seed may stand once")
    return seeds


class ProfileError(ValueError):
    """A profile, study, parameter, model or seed that cannot be used; the message says what is allowed."""


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_once)]


DEFAULT = "quick"  # the profile whose parameters are the defaults of the studies
NOWHERE = "no-project"  # its runs where there is no project


class Entry(BaseModel):
    """What a profile says of one study: seeds by model, and the parameters that differ from the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    runs: dict[str, Seeds] = Field(min_length=1)
    parameters: dict[str, Any] = {}


Words = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class Family(BaseModel):
    """What a profile says of a family of models that the library does not know; see `models.families`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    blocks: Annotated[str, Field(min_length=1)]
    attention: Words
    linear: Words
    fan_in_fan_out: bool = False


class Profile(dict[str, Entry]):
    """The entries of a profile by study, in the order of the book; `families` are those it registers."""

    def __init__(self, name: str, entries: dict[str, Entry], families: dict[str, Family]) -> None:
        super().__init__(entries)
        self.name, self.families = name, families

    def __missing__(self, study: str) -> Entry:
        raise ProfileError(f"study {study} is not in profile {self.name}, which has: {', '.join(self)}")

    @property
    def models(self) -> list[str]:
        """All models of its runs, each once."""
        return list(dict.fromkeys(model for entry in self.values() for model in entry.runs))


def names(root: Path | None = None) -> list[str]:
    """Names of the profiles there are: the files of config/ but for claims and facts on models.

    >>> names()
    ['paper', 'quick', 'real', 'real-capitals', 'smoke']
    """
    folder = (root or project_root()) / "config"
    return sorted(p.stem for p in folder.glob("*.yml") if p.stem not in OTHERS)


def home(root: Path | None = None) -> Path:
    """The folder from which paths of models start: the project's; where there is none, that of work."""
    try:
        return root or project_root()
    except FileNotFoundError:
        return Path.cwd()


def read(profile: str, known: tuple[str, ...], root: Path | None = None) -> Profile:
    """Read a profile: one entry for each of the `known` studies that it has.

    Raises ProfileError when there is no such profile, when it is not YAML of that form, when it names a study
    that does not exist or none at all, or when two of its models would be filed under one name; the message
    lists all that is wrong. To ask the result for a study that is left out raises ProfileError too. Where
    lglib is installed and there is no project, "quick" is there: its parameters are the defaults.
    """
    try:
        root = root or project_root()
    except FileNotFoundError:
        if profile != DEFAULT:
            raise
        return Profile(profile, {name: Entry(runs={NOWHERE: [0]}) for name in known}, {})
    if profile not in names(root):
        raise ProfileError(f"profile is {profile!r}; there is: {', '.join(names(root))}")
    if not NAME.fullmatch(profile):
        raise ProfileError(f"profile is {profile!r}; a name is small letters, digits, '_' and '-'")
    where = f"config/{profile}.yml"
    found = _loaded(root / where, where)
    if not isinstance(found, dict) or not set(found) - {FAMILIES}:
        raise ProfileError(f"{where} must name studies, each with its runs and parameters")
    wrong = [
        f"no study {name!r}; there is: {', '.join(known)}" for name in found if name not in (*known, FAMILIES)
    ]
    entries: dict[str, Entry] = {}
    for name in [name for name in known if name in found]:
        try:
            entries[name] = Entry.model_validate(found[name])
            wrong += [_told(name, model) for model in entries[name].runs if not MODEL.fullmatch(filed(model))]
        except ValidationError as error:
            wrong += [f"study {name}, {line}" for line in _lines(error, Entry)]
    families, also_wrong = _families(found.get(FAMILIES, {}))
    made = Profile(profile, entries, families)
    if wrong := [*wrong, *also_wrong, *naming.clashes(made.models, root)]:
        raise ProfileError("\n".join(f"{where}: {line}" for line in wrong))
    return made


def _loaded(path: Path, where: str) -> Any:
    try:
        return settings.read(path, where)
    except settings.BadSettings as error:
        raise ProfileError(str(error)) from None


def _families(given: Any) -> tuple[dict[str, Family], list[str]]:
    """The families of a profile, and what is wrong with them."""
    if not isinstance(given, dict):
        return {}, [
            f"{FAMILIES} is {given!r}; it should name model types, each with blocks, attention, linear"
        ]
    found: dict[str, Family] = {}
    wrong: list[str] = []
    for name, facts in given.items():
        try:
            found[str(name)] = Family.model_validate(facts)
        except ValidationError as error:
            wrong += [f"{FAMILIES}, {name}, {line}" for line in _lines(error, Family)]
    return found, wrong


def checked(study: str, declared: type[Parameters], given: dict[str, Any]) -> Parameters:
    """Return parameters from values. Raises ProfileError naming study, parameter, what it got and wants."""
    try:
        return declared(**given)
    except ValidationError as error:
        raise ProfileError("\n".join(f"study {study}, {line}" for line in _lines(error, declared))) from None


def _told(study: str, model: str) -> str:
    return f"study {study}, runs: {model!r} is no model; a model is {naming.KINDS}"


def _lines(error: ValidationError, declared: type[BaseModel]) -> list[str]:
    """One line for each thing that is wrong."""
    lines = []
    deep = {one["loc"][0] for one in error.errors() if len(one["loc"]) > 1}
    for one in error.errors():
        if len(one["loc"]) == 1 and one["loc"][0] in deep:
            continue  # a list of bad elements is also too short; the elements say it
        name = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            known = declared.model_fields
            more = "; what the study is told goes below parameters" if declared is Entry else ""
            told = f"unknown parameter {name!r}{words.near(name, known)}; it has: {', '.join(known)}"
            lines.append(told + more)
        elif one["type"] == "missing":
            lines.append(f"{name} is missing")
        elif not name and isinstance(one["input"], dict):  # of several parameters
            told = one["msg"].removeprefix("Value error, ")
            lines.append(f"{told}{_given(told, one['input'], declared)}")
        else:
            lines.append(words.line(one, name or "its entry"))
    return lines


def _given(told: str, values: dict[str, Any], declared: type[BaseModel]) -> str:
    """The values of the parameters that a message names and does not show: what does not fit to what."""
    known = declared.model_fields
    found = {name: values.get(name, known[name].default) for name in known if re.search(rf"\b{name}\b", told)}
    shown = {name: settings.shown(value) for name, value in found.items() if value not in ("", (), [], None)}
    left = [f"{name} is {value}" for name, value in shown.items() if value.strip("[](),") not in told]
    return f" ({', '.join(left)})" if left else ""
