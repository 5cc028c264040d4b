"""Items from a JSON-lines file: questions as BoolQ has them, statements, or prompts with their answers.

Lines that are no items, and lines that contradict each other, are named by number; equal lines count once.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lglib.tasks.items import YES_NO, Item

TEMPLATE = "{passage} Question: {question}? Answer:"
CLAIM = "{passage} Claim: {statement} Answer:"
SHOWN = 5  # bad lines that an error shows
Row = tuple[int, Any]  # number of a line and what it holds, or the error that it is
Read = tuple[dict[str, str], tuple[str, ...], int]  # fields of the template, answers, label


class BadData(ValueError):
    """A data file with lines that are not items; the message has their numbers and what is wrong."""


@dataclass(frozen=True)
class Own:
    """Items of a file; the name and SHA-256 of the file, its kind of lines, how many equal ones were dropped.

    `kind` is question, statement or prompt.
    """

    items: list[Item]
    name: str
    kind: str
    sha256: str
    duplicates: int

    def __str__(self) -> str:
        """One line for the page.

        >>> print(Own([], "own.jsonl", "question", "", 2))
        own.jsonl: 0 items of kind question, 2 equal lines dropped
        """
        told = f"{self.name}: {len(self.items)} items of kind {self.kind}"
        return f"{told}, {self.duplicates} equal lines dropped"


def read(path: str | Path, *, template: str = "", answers: Sequence[str] = ()) -> Own:
    """Read a JSON-lines file; what its first line holds says of which kind it is.

    - `question`, `passage` and `answer` or `label` (true or false), the format of BoolQ's own files;
    - `statement`, `label` and perhaps `passage`;
    - `prompt`, `answer` (a text of any length, with the space before it where it has one) and perhaps
      `answers`, all that there is to choose from.

    `template` puts the fields into a prompt (default: TEMPLATE, CLAIM, "{prompt}"). `answers` are the words
    for true and false, or for prompts the two answers; where neither the file nor `answers` names those and
    the file has just two, it is these two, the first one first. A relative path starts from the present
    folder. Raises FileNotFoundError; BadData naming lines; ValueError for a template without its fields or
    answers that are not two different texts.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
    ...     _ = file.write(b'{"statement": "Two is even.", "label": true}')
    ...     _ = file.seek(0)
    ...     read(file.name).items[0].prompt
    'Claim: Two is even. Answer:'
    """
    path = Path(path)
    _check_file(path)
    words = _words(answers)
    first = next((row for _, row in _lines(path) if isinstance(row, Mapping)), {})
    kind = next((name for name in KINDS if name in first), "question")
    found, duplicates = _items(_lines(path), kind, path.name, template or KINDS[kind][1], words)
    return Own(found, path.name, kind, hashlib.sha256(path.read_bytes()).hexdigest(), duplicates)


def read_questions(path: str | Path, *, template: str = TEMPLATE) -> list[Item]:
    """Yes-no questions from a JSON-lines file with `question`, `passage` and `answer` or `label` a line.

    That is the format of BoolQ's own files. Empty lines are passed over, of equal lines one is kept. Raises
    BadData with line numbers, FileNotFoundError, and ValueError for a template without its fields.
    """
    return _items(_lines(path), "question", Path(path).name, template)[0]


def read_statements(path: str | Path, *, template: str = CLAIM) -> list[Item]:
    """Claims from a JSON-lines file with `statement`, `label` (true or false) and perhaps `passage` a line.

    Without a passage the prompt starts at the claim. Raises as `read_questions` does.
    """
    return _items(_lines(path), "statement", Path(path).name, template)[0]


def questions(rows: Iterable[Row], source: str, template: str) -> list[Item]:
    """Yes-no questions from numbered rows of a table in BoolQ's format; raises as `read_questions` does."""
    return _items(rows, "question", source, template)[0]


def _check_file(path: Path) -> None:
    """Refuse what is no regular file before it is opened: a pipe would wait for ever."""
    if not path.exists():
        raise FileNotFoundError(f"data is {str(path)!r}: there is no such file, seen from {Path.cwd()}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file, such as a pipe or a device"
        raise BadData(f"data is {str(path)!r}: that is {what}; it must be a JSON-lines file")


def _words(answers: Sequence[str]) -> tuple[str, ...]:
    words = tuple(answers)
    if words and (len(set(words)) != 2 or not all(isinstance(w, str) and w.strip() for w in words)):
        raise ValueError(f"answers must be two different texts or none, got {answers!r}")
    return words


def _question(row: Mapping[str, Any], words: tuple[str, ...]) -> Read:
    fields = {"question": _text(row, "question", "? "), "passage": _text(row, "passage")}
    own = [_truth(row, name) for name in ("answer", "label") if name in row] or [_truth(row, "answer")]
    if len(set(own)) > 1:
        raise ValueError(f"'answer' is {row['answer']!r} and 'label' {row['label']!r}")
    return fields, words or YES_NO, 0 if own[0] else 1


def _statement(row: Mapping[str, Any], words: tuple[str, ...]) -> Read:
    passage = _text(row, "passage") if "passage" in row else ""
    fields = {"statement": _text(row, "statement"), "passage": passage}
    return fields, words or YES_NO, 0 if _truth(row, "label") else 1


def _prompt(row: Mapping[str, Any], words: tuple[str, ...]) -> Read:
    whole, answer = (_text(row, name, whole=True) for name in ("prompt", "answer"))
    prompt = whole.rstrip()
    apart = " " if prompt != whole else ""  # the space between belongs to the answer
    options = row.get("answers", list(words) or [answer])
    if not isinstance(options, list) or not all(isinstance(x, str) and x.strip() for x in options):
        raise ValueError(f"'answers' must be a list of texts, got {reprlib.repr(options)}")
    spaced = [apart + x if not x.startswith(" ") else x for x in (answer, *options)]
    if spaced[0] not in spaced[1:] or len(set(spaced[1:])) < len(options):
        raise ValueError(f"'answer' must be one of different 'answers' {options!r}, got {answer!r}")
    return {"prompt": prompt}, tuple(spaced[1:]), spaced[1:].index(spaced[0])


Reader = Callable[[Mapping[str, Any], tuple[str, ...]], Read]
KINDS: dict[str, tuple[Reader, str]] = {
    "question": (_question, TEMPLATE),
    "statement": (_statement, CLAIM),
    "prompt": (_prompt, "{prompt}"),
}
FIELDS = {
    "question": ["passage", "question"],
    "statement": ["passage", "statement"],
    "prompt": ["prompt"],
}


def _text(row: Mapping[str, Any], name: str, end: str = "", *, whole: bool = False) -> str:
    """The text of a field, without spaces around it and without these characters at its end."""
    found = row.get(name)
    text = found.strip().rstrip(end or None).strip() if isinstance(found, str) else ""
    if not text:
        raise ValueError(
            f"{name!r} must be text, got {reprlib.repr(found)}" if name in row else f"{name!r} is missing"
        )
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # JSON can write half a character
        raise ValueError(f"{name!r} is not valid Unicode")
    return str(found) if whole else text


def _truth(row: Mapping[str, Any], name: str) -> bool:
    found = row.get(name)
    if name == "label" and type(found) is int and found in (0, 1):  # SuperGLUE's tables have numbers
        return bool(found)
    if not isinstance(found, bool):
        raise ValueError(
            f"{name!r} must be true or false, got {reprlib.repr(found)}"
            if name in row
            else f"{name!r} is missing"
        )
    return found


def _check_template(template: str, kind: str) -> None:
    wanted = FIELDS[kind]
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        missing = sorted(set(wanted) - named - {"passage"}) + sorted(named - set(wanted))
        template.format(**dict.fromkeys(wanted, "x"))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        missing = [str(error)]
    if missing:
        raise ValueError(f"template {template!r} must have the fields {wanted} and no others: {missing}")


def _items(
    rows: Iterable[Row], kind: str, source: str, template: str, words: tuple[str, ...] = ()
) -> tuple[list[Item], int]:
    """Items of the rows, and how many equal ones were dropped."""
    _check_template(template, kind)
    bad: list[str] = []
    seen: dict[str, tuple[int, Item]] = {}  # by prompt: line and item
    read, duplicates = KINDS[kind][0], 0
    for number, row in rows:
        try:
            item = _item(row, read, words, source, template, kind)
            before, same = seen.setdefault(item.prompt, (number, item))
            if same.answer != item.answer:
                told = f"it asks what line {before} asks and answers {item.answer!r}, not {same.answer!r}"
                raise ValueError(f"{told}: keep one of the two")
            duplicates += before != number
        except ValueError as error:
            bad.append(f"line {number}: {error}")
    if bad:
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        total = len(bad) + len(seen) + duplicates
        raise BadData(f"{source}: {len(bad)} of {total} lines are no items: {'; '.join(bad[:SHOWN])}{more}")
    if not seen:
        raise BadData(f"{source} holds no items")
    return _of_two([item for _, item in seen.values()]), duplicates


def _item(row: Any, read: Reader, words: tuple[str, ...], source: str, template: str, kind: str) -> Item:
    if isinstance(row, Exception):
        raise row
    if not isinstance(row, Mapping):
        raise ValueError(f"a line must be a JSON object, got {type(row).__name__}")
    fields, answers, label = read(row, words)
    prompt = template.format(**fields).strip()
    name = "prompt" if kind == "prompt" else "yes-no"
    return Item(prompt, answers, label, kind=name, source=source, group=fields.get("passage") or prompt)


def _of_two(items: list[Item]) -> list[Item]:
    """Items of one answer each, of which there are just two in all, choose from both."""
    both = tuple(dict.fromkeys(item.answer for item in items))
    if len(both) != 2 or any(len(item.answers) > 1 for item in items):
        return items
    return [replace(item, answers=both, label=both.index(item.answer)) for item in items]


def _lines(path: str | Path) -> Iterator[Row]:
    _check_file(Path(path))
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield number, json.loads(text)
            except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
                what = "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"not JSON ({error})"
                yield number, ValueError(what)
