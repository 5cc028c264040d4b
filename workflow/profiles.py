"""Profiles: read, check against the schema, and hand each chapter its parameters."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from lglib.report import results

# JSON counts 400.0 as an integer; Python's range() does not.
_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
NAME = re.compile(r"[a-z][a-z0-9_-]*")  # of a profile: it becomes a folder


class ProfileError(ValueError):
    """A profile, chapter or seed that cannot be used; the message says what is allowed."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := {k for k in keys if keys.count(k) > 1}:
            raise ProfileError(f"{node.start_mark.name}: {', '.join(map(str, sorted(twice)))} is given twice")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a flat YAML mapping. Raises ProfileError when it is not one."""
    with path.open(encoding="utf-8") as stream:
        try:
            found = yaml.load(stream, Loader=_Loader)  # a SafeLoader
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ProfileError(f"{path} is not YAML in UTF-8: {error}") from error
    if not isinstance(found, dict):
        raise ProfileError(f"{path} must be a flat list of `chapter.parameter: value` lines")
    return found


def names(root: Path) -> list[str]:
    """Names of the profiles there are."""
    return sorted(p.stem for p in (root / "config").glob("*.yml") if p.stem != "schema")


def load(profile: str, root: Path) -> dict[str, dict[str, Any]]:
    """Parameters by chapter of a profile, all checked; ProfileError lists everything wrong at once."""
    path = root / "config" / f"{profile}.yml"
    if profile not in names(root):
        raise ProfileError(f"PROFILE is {profile!r}; there is: {', '.join(names(root))}")
    if not NAME.fullmatch(profile):
        raise ProfileError(f"PROFILE is {profile!r}; a name is small letters, digits, '_' and '-'")
    schema = read_yaml(root / "config" / "schema.yml")
    wrong = []
    by_chapter: dict[str, dict[str, Any]] = {}
    given = read_yaml(path)
    for key, value in given.items():
        chapter, _, parameter = str(key).partition(".")
        if key not in schema:
            wrong.append(f"unknown key {key!r}; {_known_keys(chapter, schema)}")
            continue
        errors = list(_Validator(schema[key]).iter_errors(value))
        falls = schema[key].get("rising") and not errors and value != sorted(set(value))  # our own keyword
        if errors or falls:
            got = f"{parameter} of chapter {chapter} is {value!r}{_hint(value)}"
            wrong.append(f"{got}; allowed: {allowed(schema[key])}")
        by_chapter.setdefault(chapter, {})[parameter] = value
    wrong += [f"{key} is missing; allowed: {allowed(schema[key])}" for key in schema if key not in given]
    if wrong:
        raise ProfileError("\n".join(f"{path.relative_to(root)}: {line}" for line in wrong))
    return by_chapter


def allowed(rule: dict[str, Any]) -> str:
    """A schema rule in words."""
    if "enum" in rule:
        return "one of " + ", ".join(map(str, rule["enum"]))
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "string": "a text",
        "boolean": "true or false",
    }
    if rule["type"] == "array":
        least = rule.get("minItems", 0)
        count = least if rule.get("maxItems") == least else f"{least} or more"
        text = f"a list of {count}, each {allowed(rule['items'])}"
        if "contains" in rule:
            text += f", {rule['contains']['const']} among them"
        return text + (", rising" if rule.get("rising") else "")
    text = kinds[rule["type"]]
    if "minimum" in rule:
        text += f" from {rule['minimum']}"
    if "exclusiveMinimum" in rule:
        text += f" above {rule['exclusiveMinimum']}"
    if "maximum" in rule:
        text += f" to {rule['maximum']}"
    if "multipleOf" in rule:
        text += f", a multiple of {rule['multipleOf']}"
    return text


def _known_keys(chapter: str, schema: dict[str, Any]) -> str:
    mine = [key.partition(".")[2] for key in schema if key.partition(".")[0] == chapter]
    if mine:
        return f"chapter {chapter} takes: {', '.join(mine)}"
    return f"chapters: {', '.join(sorted({key.partition('.')[0] for key in schema}))}"


def _hint(value: Any) -> str:
    """YAML reads 1e-3 as text; say so instead of leaving a riddle."""
    if isinstance(value, str):
        try:
            return f" (text: YAML wants {float(value):.1e} with a point)"
        except ValueError:
            return " (text)"
    return ""


def pick_chapters(wanted: str, known: list[str]) -> list[str]:
    """Chapters named by number or by name, for example "01 03"; empty means all."""
    found = []
    for word in wanted.split():
        matches = [c for c in known if c == word or c.split("_")[0] == word]
        if not matches:
            raise ProfileError(f"CHAPTERS has {word!r}; there is: {', '.join(known)}")
        found += matches
    return sorted(set(found)) or list(known)


def pick_models(wanted: str) -> dict[str, str]:
    """Other models to run chapters on, by the name under which their results are filed."""
    found = {}
    for word in wanted.split():
        filed = word.partition("@")[0].rstrip("/").replace("/", "--")
        if not results.NAME.fullmatch(filed):
            raise ProfileError(f"MODELS has {word!r}; a model is a shipped one or a hub id owner/name@commit")
        found[filed] = word
    return found


def takes_models(chapter: str, root: Path) -> bool:
    """Whether a chapter runs on any model that is named, and not on one of its own."""
    rule = read_yaml(root / "config" / "schema.yml").get(f"{chapter}.model", {})
    return bool(rule) and "enum" not in rule


def pick_seeds(wanted: str) -> list[int]:
    """Seeds from "0 1 2"; seed 0, whose run is the published one, is always among them."""
    for word in wanted.split():
        if not (word.isascii() and word.isdigit() and int(word) < 2**31):
            raise ProfileError(f"SEEDS has {word!r}; a seed is a whole number from 0 to {2**31 - 1}")
    return sorted({0, *(int(word) for word in wanted.split())})
