"""What a passage of the micro-world can say: relations, facts, how they are told and asked, and its part."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lglib.tasks.microworld import lexicon


class Relation(NamedTuple):
    """How a fact of one sort is told, asked with its value, asked openly; and what it is about."""

    told: str
    asked: str
    open: str
    who: str
    subjects: tuple[str, ...]
    values: tuple[str, ...]


_TABLE = """
    place | {0} is in the {1}. | Is {0} in the {1}? | Where is {0}? | Who is in the {1}? | NAMES | PLACES
    job | {0} is a {1}. | Is {0} a {1}? | What is the job of {0}? | Who is a {1}? | NAMES | JOBS
    likes | {0} likes {1}. | Does {0} like {1}? | What does {0} like? | Who likes {1}? | NAMES | FOODS
    has | {0} has a {1}. | Does {0} have a {1}?| What does {0} have? | Who has a {1}? | NAMES | BELONGINGS
    colour | The {0} is {1}. | Is the {0} {1}? | What colour is the {0}? | What is {1}? | THINGS | COLOURS
    size | The {0} is {1}. | Is the {0} {1}? | How large is the {0}? | What is {1}? | THINGS | SIZES
"""


def _relation(row: str) -> tuple[str, Relation]:
    name, told, asked, open, who, subjects, values = (cell.strip() for cell in row.split("|"))
    return name, Relation(told, asked, open, who, getattr(lexicon, subjects), getattr(lexicon, values))


RELATIONS = dict(_relation(row) for row in _TABLE.strip().splitlines())
NAMES = tuple(RELATIONS)
PARTS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}  # buckets of ten
WIDE = 64  # more than any list of subjects or values


class Fact(NamedTuple):
    """One thing that is so: a relation, whom it is about, its value.

    >>> fact = Fact("place", "Anna", "park")
    >>> fact.text, fact.question, fact.claim("attic")
    ('Anna is in the park.', 'Is Anna in the park?', 'Anna is in the attic.')
    """

    relation: str
    subject: str
    value: str

    @property
    def text(self) -> str:
        """The sentence that tells it."""
        return RELATIONS[self.relation].told.format(self.subject, self.value)

    @property
    def question(self) -> str:
        """The question whether it is so."""
        return self.asked()

    @property
    def open_question(self) -> str:
        """The question that its value answers."""
        return RELATIONS[self.relation].open.format(self.subject)

    @property
    def who_question(self) -> str:
        """The question that its subject answers."""
        return RELATIONS[self.relation].who.format(self.subject, self.value)

    def asked(self, value: str | None = None) -> str:
        """Ask whether the subject has this value (default: its own)."""
        return RELATIONS[self.relation].asked.format(self.subject, self.value if value is None else value)

    def claim(self, value: str | None = None) -> str:
        """Tell it with this value (default: its own)."""
        return RELATIONS[self.relation].told.format(self.subject, self.value if value is None else value)


Passage = tuple[Fact, ...]


def text(passage: Passage) -> str:
    """Return the passage as it is written: its facts in order.

    >>> text((Fact("job", "Ben", "nurse"), Fact("colour", "box", "red")))
    'Ben is a nurse. The box is red.'
    """
    return " ".join(fact.text for fact in passage)


def note(passage: Passage) -> str:
    """Return the passage in short form: subjects and values.

    >>> note((Fact("job", "Ben", "nurse"), Fact("colour", "box", "red")))
    'Note: Ben nurse, box red.'
    """
    return f"Note: {', '.join(f'{fact.subject} {fact.value}' for fact in passage)}."


def part_of(passage: Passage) -> str:
    """Part of a passage: a function of its facts, whatever their order, so no passage lies in two parts.

    Raises ValueError for an empty passage or a fact that the micro-world does not have.

    >>> one, other = Fact("job", "Ben", "nurse"), Fact("colour", "box", "red")
    >>> part_of((one, other)) == part_of((other, one))
    True
    """
    if not passage:
        raise ValueError("passage is empty: it needs at least one fact")
    numbers = []
    for fact in passage:
        relation = RELATIONS.get(fact.relation)
        if not relation or fact.subject not in relation.subjects or fact.value not in relation.values:
            raise ValueError(f"the micro-world has no {fact}; its relations are {', '.join(RELATIONS)}")
        number = NAMES.index(fact.relation) * WIDE + relation.subjects.index(fact.subject)
        numbers.append(number * WIDE + relation.values.index(fact.value))
    own_bucket = int(bucket(torch.tensor([numbers]), torch.ones(1, len(numbers), dtype=torch.bool)))
    return next(name for name, own in PARTS.items() if own_bucket in own)


def bucket(numbers: Tensor, there: Tensor) -> Tensor:
    """Bucket 0 to 9 of each row of fact numbers (n, 4): a hash summed over the facts that are there."""
    mixed = numbers * 2654435761 % 2**31
    mixed = (mixed ^ (mixed >> 15)) * 2246822519 % 2**31
    total = (mixed ^ (mixed >> 13)) * there
    return (total.sum(1) * 2654435761 % 2**32 >> 16) % 10


def of_numbers(relation: int, subject: int, value: int) -> Fact:
    """Return the fact with these places in `NAMES` and in the relation's subjects and values."""
    own = RELATIONS[NAMES[relation]]
    return Fact(NAMES[relation], own.subjects[subject], own.values[value])
