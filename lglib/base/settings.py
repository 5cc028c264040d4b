"""Files that a user writes, read with distrust: a regular file, of UTF-8, JSON or YAML, of a sane size."""

from __future__ import annotations

import json
import os
import reprlib
import stat
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LARGEST = 1_000_000  # bytes of a file of settings; the longest of the project has 33,000
DEEPEST = 50  # levels of nesting; the deepest of the project has eight
MOST = 50_000  # values, those behind an alias counted wherever it stands
DIGITS = 40  # of a whole number that is shown
KINDS: dict[type, tuple[str, ...]] = {  # of values, as YAML calls them
    yaml.ScalarNode: ("str", "int", "float", "bool", "null", "timestamp", "merge"),
    yaml.SequenceNode: ("seq",),
    yaml.MappingNode: ("map",),
}
WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "timestamp": "a date"}
PLAIN = "settings are texts, numbers, true and false, lists and mappings"


class BadSettings(ValueError):
    """A file that is not there, is no regular file, or no settings; the message says what, and where."""

    missing = False  # whether there is no such file


def data(path: str | Path, where: str = "", largest: int = LARGEST) -> bytes:
    """The bytes of a regular file. It is looked at before it is opened: a pipe would wait for ever.

    `where` is what the error calls it, by default its path. Raises BadSettings for what is no regular file,
    cannot be read, or has more than `largest` bytes; its `missing` says that there is no such file.

    >>> import tempfile
    >>> try:
    ...     data(tempfile.gettempdir(), "config/mine.yml")
    ... except BadSettings as error:
    ...     print(error)
    config/mine.yml is a folder; it must be a file
    """
    where = where or str(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise BadSettings(f"{where} is {what}; it must be a file")
        if status.st_size > largest:
            raise BadSettings(f"{where} has {status.st_size:,} bytes; it may have {largest:,}")
        return Path(path).read_bytes()
    except OSError as error:
        wrong = BadSettings(f"{where} cannot be read: {error.strerror or error}")
        wrong.missing = isinstance(error, FileNotFoundError)
        raise wrong from None


def text(path: str | Path, where: str = "", largest: int = LARGEST) -> str:
    """The text of a file in UTF-8, without a byte order mark. Raises BadSettings as `data` does.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write("\\ufeffa: 1".encode())
    ...     _ = file.seek(0)
    ...     text(file.name)
    'a: 1'
    """
    try:
        return data(path, where, largest).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSettings(f"{where or path} is not UTF-8: {error}") from None


def json_of(path: str | Path, where: str = "", largest: int = LARGEST) -> Any:
    """What a JSON file says. Raises BadSettings as `data` does, and for what is not JSON or nested too deep.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"[1, 2]")
    ...     _ = file.seek(0)
    ...     json_of(file.name)
    [1, 2]
    """
    try:
        return json.loads(text(path, where, largest))
    except RecursionError:
        raise BadSettings(f"{where or path} is nested too deep to be read") from None
    except BadSettings:
        raise
    except ValueError as error:  # no JSON, or a number of 5,000 digits
        raise BadSettings(f"{where or path} is not JSON: {error}") from None


def read(path: str | Path, where: str = "") -> Any:
    """What a YAML file says, by safe YAML, in which a key may stand once.

    Raises BadSettings as `text` does, and for YAML that does not parse, is nested more than 50 levels, holds
    more than 50,000 values, or has a value that is not what its tag says.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".yml") as file:
    ...     _ = file.write(b"a: {b: [1, 2.5]}")
    ...     _ = file.seek(0)
    ...     read(file.name)
    {'a': {'b': [1, 2.5]}}
    """
    where = where or str(path)
    return parsed(text(path, where), where)


def parsed(source: str, where: str) -> Any:
    """What YAML in a text says; raises as `read` does.

    >>> parsed("steps: 3", "mine")
    {'steps': 3}
    """
    try:
        loader = _Loader(source)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _require_sane(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except BadSettings as error:
        raise BadSettings(f"{where}: {error}") from None
    except yaml.YAMLError as error:
        told = str(error).replace('in "<unicode string>", ', "").replace('"<unicode string>"', "the text")
        raise BadSettings(f"{where} is not YAML: {told}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML of a sane depth in which a key given twice is an error, not a silent choice of the last."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _too_deep(self.peek_event().start_mark)
        found: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return found

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except BadSettings:
            raise
        except (ValueError, LookupError, AttributeError):  # 5,000 digits, the 45th of a month, !!bool x
            told = f"{_line(node)} has {shown(node.value)}, {len(node.value):,} characters"
            raise BadSettings(f"{told}, which YAML cannot read as {WORDS[_kind(node)]}") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        own = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and _kind(key) != "merge"]
        times = Counter(self.construct_object(key, deep=True) for key in own)
        if twice := [shown(key).strip("'") for key, count in times.items() if count > 1]:
            raise BadSettings(f"{', '.join(twice)} is given twice, in the entry from {_line(node)}")
        return super().construct_mapping(node, deep)


def _require_sane(node: yaml.Node) -> None:
    """Stop at what is no plain value, or grows without end by its aliases, before anything is made of it."""
    waiting, count = [(node, 1)], 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        if depth > DEEPEST:
            raise _too_deep(one.start_mark)
        if count > MOST:
            raise BadSettings(f"it holds more than {MOST:,} values, those behind an alias counted each time")
        if _kind(one) not in KINDS[type(one)]:
            raise BadSettings(f"{_line(one)} has the tag !!{_kind(one)}; {PLAIN}")
        if isinstance(one, yaml.MappingNode):
            waiting += [(part, depth + 1) for pair in one.value for part in pair]
        elif isinstance(one, yaml.SequenceNode):
            waiting += [(part, depth + 1) for part in one.value]


def _kind(node: yaml.Node) -> str:
    """What YAML takes a value for: str, int, map, ..."""
    return str(node.tag).removeprefix("tag:yaml.org,2002:")


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _too_deep(mark: yaml.Mark) -> BadSettings:
    return BadSettings(f"it is nested too deep, at line {mark.line + 1}: more than {DEEPEST} levels")


class _Short(reprlib.Repr):
    """Values as a message shows them: whole where they are short."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict = 3, 6
        self.maxlist = self.maxtuple = self.maxset = 12
        self.maxstring = self.maxother = 120

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**DIGITS else f"a whole number of {_digits(x):,} digits"


def shown(value: Any) -> str:
    """A value for a message: as Python writes it, cut in the middle where it is long.

    >>> shown([1, "two"]), shown(10**5000)
    ("[1, 'two']", 'a whole number of 5,001 digits')
    """
    return _Short().repr(value)


def _digits(x: int) -> int:
    """Decimal digits of a whole number, also of one that Python does not write out."""
    guess = int(abs(x).bit_length() * 0.30102999566398120)
    return guess + (abs(x) >= 10**guess)
