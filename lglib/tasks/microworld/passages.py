"""The micro-world: passages of facts, questions and claims about them, each with its true answer.

Nothing is true outside its passage, so a question can only be answered by reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from lglib.base import seeding
from lglib.base.checks import count
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon
from lglib.tasks.microworld.facts import (
    NAMES,
    PARTS,
    RELATIONS,
    WIDE,
    Fact,
    Passage,
    bucket,
    of_numbers,
    part_of,
    text,
)  # fmt: skip

__all__ = [
    "KINDS", "MOST", "PARTS", "RELATIONS", "Fact", "Passage", "ask", "part_of", "passages", "questions",
    "text", "worlds",
]  # fmt: skip
KINDS = ("yes-no", "claim", "open", "who")
MOST = 4  # facts of a passage


def passages(n: int, *, part: str, key: object, facts: tuple[int, int] = (1, MOST)) -> list[Passage]:
    """Draw n passages of a part, with `facts` = (fewest, most) facts each, from 1 to 4.

    Half of the facts after the first repeat an earlier relation and a quarter an earlier subject, so that a
    reader must bind the one to the other. No passage says two things of one subject and relation, or the same
    of two subjects, so that every question has one answer. The key
    (for example a seed) fixes the passages. Raises ValueError for an unknown part, n < 1 or facts
    outside 1 to 4.

    >>> text(passages(1, part="test", key=0)[0])
    'Gina has a map. The drum is green.'
    """
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; there is: {', '.join(PARTS)}")
    count("n", n)
    pair = isinstance(facts, tuple | list) and len(facts) == 2 and all(type(f) is int for f in facts)
    if not pair or not 1 <= facts[0] <= facts[1] <= MOST:
        raise ValueError(f"facts must be (fewest, most) with 1 <= fewest <= most <= {MOST}, got {facts!r}")
    generator = seeding.generator("microworld", part, key)
    share = len(PARTS[part]) / 10
    found: list[Passage] = []
    while len(found) < n:
        size = int((n - len(found)) / share * 1.3) + 64
        found += _drawn(size, PARTS[part], facts, generator)
    return found[:n]


def questions(
    n: int, kind: str = "yes-no", *, part: str, key: object, facts: tuple[int, int] = (1, MOST)
) -> list[Item]:
    """Draw n items of one kind, each about a passage of its own.

    `yes-no` asks whether something is so, `claim` states it, `open` asks for a value, `who` for whom it is
    said of. Yes and no are equally likely. The value of a false question stands in the passage half of the
    time, said of someone else, where the passage has such a one. Raises ValueError as `passages` does, and
    for an unknown kind.

    >>> item = questions(1, part="test", key=0)[0]
    >>> item.prompt, item.answer
    ('Finn has a knife. Nora has a whistle. Question: Does Finn have a flute? Answer:', ' no')
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; there is: {', '.join(KINDS)}")
    own = passages(n, part=part, key=f"{kind}/{key}", facts=facts)
    dice = seeding.generator("microworld questions", part, kind, key)
    rolls = torch.rand(n, 4, generator=dice).tolist()
    return [_item(passage, kind, roll) for passage, roll in zip(own, rolls, strict=True)]


def ask(passage: Passage, kind: str, roll: Sequence[float]) -> tuple[str, str, bool]:
    """One question about a passage as (asked, answer, is it so), chosen by four numbers in [0, 1).

    The numbers choose the fact, yes or no, whether a false value is taken from the passage, and which.

    >>> passage = (Fact("place", "Anna", "park"), Fact("place", "Ben", "attic"))
    >>> ask(passage, "claim", (0.0, 0.9, 0.0, 0.0))
    ('Claim: Anna is in the attic. Answer:', ' no', False)
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; there is: {', '.join(KINDS)}")
    fact = passage[int(roll[0] * len(passage))]
    if kind == "open":
        return f"Question: {fact.open_question} Answer:", f" {fact.value}", True
    if kind == "who":
        return f"Question: {fact.who_question} Answer:", f" {fact.subject}", True
    true, value = roll[1] < 0.5, fact.value
    if not true:
        others = [f.value for f in passage if f.relation == fact.relation and f.value != value]
        if not others or roll[2] >= 0.5:
            others = [v for v in RELATIONS[fact.relation].values if v != value]
        value = others[int(roll[3] * len(others))]
    asked = f"Question: {fact.asked(value)}" if kind == "yes-no" else f"Claim: {fact.claim(value)}"
    return f"{asked} Answer:", YES_NO[0 if true else 1], true


def _item(passage: Passage, kind: str, roll: Sequence[float]) -> Item:
    asked, answer, true = ask(passage, kind, roll)
    answers, label = ((answer,), 0) if kind in ("open", "who") else (YES_NO, 0 if true else 1)
    group = " ".join(sorted(fact.text for fact in passage))
    return Item(f"{text(passage)} {asked}", answers, label, kind=kind, source="micro-world", group=group)


def _drawn(n: int, buckets: range, facts: tuple[int, int], generator: torch.Generator) -> list[Passage]:
    """The passages of a part among n draws, all at once: tables (n, 4) of relation, subject and value."""
    rolls = torch.rand(5, n, MOST, generator=generator)
    counts = torch.randint(facts[0], facts[1] + 1, (n, 1), generator=generator)
    there = torch.arange(MOST) < counts
    relation = (rolls[0] * len(NAMES)).long()
    about = torch.tensor([len(RELATIONS[name].subjects) for name in NAMES])
    sizes = torch.tensor([len(RELATIONS[name].values) for name in NAMES])
    people = len([name for name in NAMES if RELATIONS[name].subjects[0] == lexicon.NAMES[0]])
    for i in range(1, MOST):  # half repeat the relation before them
        relation[:, i] = torch.where(rolls[3, :, i] < 0.5, relation[:, i - 1], relation[:, i])
    subject = (rolls[1] * about[relation]).long()
    for i in range(1, MOST):  # a quarter are about the subject before them, if its sort fits
        same = (relation[:, i] < people) == (relation[:, i - 1] < people)
        same &= (rolls[4, :, i] < 0.25) & (relation[:, i] != relation[:, i - 1])
        subject[:, i] = torch.where(same, subject[:, i - 1], subject[:, i])
    value = (rolls[2] * sizes[relation]).long()
    slot = relation * WIDE + subject
    clash = torch.zeros(n, dtype=torch.bool)
    for i in range(MOST):
        for j in range(i):
            twice = (relation[:, i] == relation[:, j]) & (
                (subject[:, i] == subject[:, j]) | (value[:, i] == value[:, j])
            )
            clash |= twice & there[:, i] & there[:, j]
    found = bucket(slot * WIDE + value, there)
    kept = ~clash & (found >= buckets.start) & (found < buckets.stop)
    rows = torch.stack([relation, subject, value], -1)[kept].tolist()
    return [
        tuple(of_numbers(*fact) for fact in row[:count])
        for row, count in zip(rows, counts[kept, 0].tolist(), strict=True)
    ]


def worlds(part: str, key: object, facts: tuple[int, int] = (1, MOST), block: int = 512) -> Iterator[Passage]:
    """Passages of a part without end, made in blocks."""
    number = 0
    while True:
        yield from passages(block, part=part, key=f"{key}/{number}", facts=facts)
        number += 1
