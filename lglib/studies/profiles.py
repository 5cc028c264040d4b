"""Profiles: which studies run on which models and seeds, and with which parameters (config/<profile>.yml)."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lglib.report.provenance import project_root
from lglib.studies.base import Parameters

NAME = re.compile(r"[a-z][a-z0-9_-]*")  # of a profile: it becomes a folder
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # the name under which a model is filed
LARGEST_SEED = 2**31 - 1
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class ProfileError(ValueError):
    """A profile, study, parameter, model or seed that cannot be used; the message says what is allowed."""


class Entry(BaseModel):
    """What a profile says of one study: seeds by model, and the parameters that differ from the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    runs: dict[str, Annotated[list[Seed], Field(min_length=1)]] = Field(min_length=1)
    parameters: dict[str, Any] = {}


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := {k for k in keys if keys.count(k) > 1}:
            raise ProfileError(f"{node.start_mark.name}: {', '.join(map(str, sorted(twice)))} is given twice")
        return super().construct_mapping(node, deep)


def names(root: Path | None = None) -> list[str]:
    """Names of the profiles there are: the files of config/ but for the claims.

    >>> names()
    ['paper', 'quick', 'smoke']
    """
    folder = (root or project_root()) / "config"
    return sorted(p.stem for p in folder.glob("*.yml") if p.stem != "claims")


def read(profile: str, known: tuple[str, ...], root: Path | None = None) -> dict[str, Entry]:
    """Read a profile: one entry for each of the `known` studies.

    Raises ProfileError when there is no such profile, when it is not YAML of that form, or when it names a
    study that does not exist or leaves one out; the message lists all that is wrong.
    """
    root = root or project_root()
    if profile not in names(root):
        raise ProfileError(f"profile is {profile!r}; there is: {', '.join(names(root))}")
    if not NAME.fullmatch(profile):
        raise ProfileError(f"profile is {profile!r}; a name is small letters, digits, '_' and '-'")
    where = f"config/{profile}.yml"
    try:
        found = yaml.load((root / where).read_bytes().decode("utf-8"), Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"{where} is not YAML in UTF-8: {error}") from error
    if not isinstance(found, dict):
        raise ProfileError(f"{where} must name studies, each with its runs and parameters")
    wrong = [f"no study {name!r}; there is: {', '.join(known)}" for name in found if name not in known]
    wrong += [f"study {name} is missing" for name in known if name not in found]
    entries = {}
    for name in known:
        try:
            if name in found:
                entries[name] = Entry.model_validate(found[name])
                wrong += [
                    _told(name, model) for model in entries[name].runs if not MODEL.fullmatch(filed(model))
                ]
        except ValidationError as error:
            wrong += [f"study {name}, {line}" for line in _lines(error, Entry)]
    if wrong:
        raise ProfileError("\n".join(f"{where}: {line}" for line in wrong))
    return entries


def checked(study: str, declared: type[Parameters], given: dict[str, Any]) -> Parameters:
    """Return parameters from values. Raises ProfileError naming study, parameter, what it got and wants."""
    try:
        return declared(**given)
    except ValidationError as error:
        raise ProfileError("\n".join(f"study {study}, {line}" for line in _lines(error, declared))) from None


def filed(model: str) -> str:
    """Name under which the runs of a model are filed: a hub id without its commit, without slashes.

    >>> filed("openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e")
    'openai-community--gpt2'
    """
    return model.partition("@")[0].rstrip("/").replace("/", "--")


def _told(study: str, model: str) -> str:
    return (
        f"study {study}, runs: {model!r} is no model; a model is a shipped one or a hub id owner/name@commit"
    )


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
