"""Profiles: which studies run on which models and seeds, and with which parameters (config/<profile>.yml)."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lglib.report.provenance import project_root
from lglib.studies import naming
from lglib.studies.base import Parameters
from lglib.studies.naming import MODEL, filed

__all__ = ["MODEL", "Entry", "Family", "Profile", "ProfileError", "checked", "filed", "names", "read"]

NAME = re.compile(r"[a-z][a-z0-9_-]*")  # of a profile: it becomes a folder
OTHERS = ("claims", "models")  # files of config/ that are no profiles
FAMILIES = "families"  # section of a profile that names no study
LARGEST_SEED = 2**31 - 1
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class ProfileError(ValueError):
    """A profile, study, parameter, model or seed that cannot be used; the message says what is allowed."""


class Entry(BaseModel):
    """What a profile says of one study: seeds by model, and the parameters that differ from the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    runs: dict[str, Annotated[list[Seed], Field(min_length=1)]] = Field(min_length=1)
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


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := {k for k in keys if keys.count(k) > 1}:
            raise ProfileError(f"{node.start_mark.name}: {', '.join(map(str, sorted(twice)))} is given twice")
        return super().construct_mapping(node, deep)


def names(root: Path | None = None) -> list[str]:
    """Names of the profiles there are: the files of config/ but for claims and facts on models.

    >>> names()
    ['paper', 'quick', 'real', 'real-capitals', 'smoke']
    """
    folder = (root or project_root()) / "config"
    return sorted(p.stem for p in folder.glob("*.yml") if p.stem not in OTHERS)


def read(profile: str, known: tuple[str, ...], root: Path | None = None) -> Profile:
    """Read a profile: one entry for each of the `known` studies that it has.

    Raises ProfileError when there is no such profile, when it is not YAML of that form, when it names a study
    that does not exist or none at all, or when two of its models would be filed under one name; the message
    lists all that is wrong. To ask the result for a study that is left out raises ProfileError too.
    """
    root = root or project_root()
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
        return yaml.load(path.read_bytes().decode("utf-8"), Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"{where} is not YAML in UTF-8: {error}") from error


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
        name = ".".join(map(str, one["loc"])) or "its entry"
        if one["type"] == "extra_forbidden":
            lines.append(f"unknown parameter {name!r}; it has: {', '.join(declared.model_fields)}")
        elif one["type"] == "missing":
            lines.append(f"{name} is missing")
        else:
            told = one["msg"].removeprefix("Value error, ").replace("Input should", "it should")
            lines.append(f"{name} is {one['input']!r}{_hint(one['input'])}; {told}")
    return lines


def _hint(value: Any) -> str:
    """YAML reads 1e-3 as text; say so instead of leaving a riddle."""
    if isinstance(value, str):
        try:
            return f" (text: YAML wants {float(value):.1e} with a point)"
        except ValueError:
            return ""
    return ""
