"""One question put to a language model: its prompt, the answer words it chooses from, the right one.

It knows text, no model.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

YES_NO = (" yes", " no")
PARTS = ("select", "extract", "evaluate")
MARKERS = ("Question:", "Claim:")  # with which the part of a prompt begins that asks


@dataclass(frozen=True)
class Item:
    """A prompt that ends where the answer begins, the answers to choose from, the index of the right one.

    An answer starts with its space, as it stands in the text. An open question has one answer, label 0.
    `kind` says what is asked, `source` where the item is from; items of one `group` (a passage) must not be
    parted, and it is the prompt where nothing else is said. Raises ValueError for an empty prompt, no
    answer, two equal ones, a label that is no index, or a field that is no text.

    >>> Item("Is Anna in the park? Answer:", YES_NO, 1, kind="yes-no").answer
    ' no'
    """

    prompt: str
    answers: tuple[str, ...]
    label: int
    kind: str = ""
    source: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ValueError(f"prompt must be text that is not empty, got {self.prompt!r}")
        answers = self.answers
        if not isinstance(answers, tuple) or not answers or not all(isinstance(a, str) for a in answers):
            raise ValueError(f"answers must be a tuple of at least one text, got {answers!r}")
        if len(set(answers)) < len(answers) or not all(a.strip() for a in answers):
            raise ValueError(f"answers must differ and not be empty, got {answers!r}")
        own = (self.kind, self.source, self.group)
        if not all(isinstance(text, str) for text in own):
            raise ValueError(f"kind, source and group must be text, got {own!r}")
        whole = isinstance(self.label, int) and not isinstance(self.label, bool)
        if not whole or not 0 <= self.label < len(answers):
            raise ValueError(f"label must be the index of one of {answers!r}, got {self.label!r}")

    @property
    def answer(self) -> str:
        """The right answer, with its leading space.

        >>> Item("2 + 2 =", (" 4",), 0).answer
        ' 4'
        """
        return self.answers[self.label]


def asked(prompt: str) -> str:
    """The part of a prompt that asks: from its last "Question:" or "Claim:", else its last line.

    >>> asked("It is red. Question: Is it red? Answer:"), asked("One line.\\nAnother:")
    ('Question: Is it red? Answer:', 'Another:')
    """
    start = max(map(prompt.rfind, MARKERS))
    return prompt[start:] if start >= 0 else prompt.rpartition("\n")[2]


def part_of(text: str, parts: Sequence[str] = PARTS) -> str:
    """Part that a text falls into: a function of its words alone, so no text can be in two parts.

    Capitals, the number of spaces and how accents are encoded do not count: two items that read the same
    never part company. The same on every machine, for ever. Raises ValueError for no part or a part named
    twice.

    >>> part_of("Is it so?") == part_of("  is it   SO?")
    True
    """
    if not parts or len(set(parts)) < len(parts):
        raise ValueError(f"parts must be different names, at least one, got {list(parts)!r}")
    words = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    number = int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big")
    return parts[number % len(parts)]


def split(items: Iterable[Item], parts: Sequence[str] = PARTS) -> Mapping[str, list[Item]]:
    """Disjoint parts of items by their content, about equal in size; a group stays in one part.

    So no prompt, and no passage that several questions share, is in two parts. Neither the order of the items
    nor what else is among them moves an item.

    >>> found = split(Item(f"Is {i} odd?", YES_NO, 1 - i % 2) for i in range(300))
    >>> {name: len(own) for name, own in found.items()}
    {'select': 105, 'extract': 94, 'evaluate': 101}
    """
    found: dict[str, list[Item]] = {name: [] for name in parts}
    for item in items:
        found[part_of(item.group or item.prompt, parts)].append(item)
    return found
