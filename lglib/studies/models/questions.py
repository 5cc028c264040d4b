"""Test items of the micro-world, the shortcut that reading has to beat, and questions that were changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lglib.tasks import data
from lglib.tasks.items import Item
from lglib.tasks.microworld import lexicon, passages, skills
from lglib.theory import stats

KINDS = (*passages.KINDS, *skills.SKILLS)
YES_NO = ("yes-no", "claim")  # kinds with two answers
STRANGER = "Beatrix"  # a name that is no word of the world
Passages = set[frozenset[passages.Fact]]


def drawn_items(kind: str, count: int, seed: int) -> list[Item]:
    """Different items of one kind from the test part, at most `count`: one that was drawn twice is kept once.

    >>> drawn_items("plural", 3, seed=0)[0].answers
    (' goats',)
    """
    return list(dict.fromkeys(data.micro(count, kind, key=seed)))


def is_present(item: Item) -> bool:
    """Whether the value that a yes-no question asks about stands in its passage.

    >>> is_present(Item("Anna is in the park. Question: Is Ben in the park? Answer:", (" yes", " no"), 1))
    True
    """
    passage, _, asked = item.prompt.partition("Question:")
    return asked.split("?")[0].split()[-1] in passage.replace(".", " ").split()


def shortcut(items: Sequence[Item]) -> stats.Interval:
    """Accuracy of the rule 'yes if the value is present' on yes-no items, with its interval over items."""
    return stats.proportion_interval(sum(is_present(i) == (i.label == 0) for i in items), len(items))


def drawn_passages(part: str, count: int, key: int) -> Passages:
    """Passages drawn from a part of the world, as sets of facts."""
    return {frozenset(p) for p in passages.passages(count, part=part, key=key)}


def join(item: Item, other: Item) -> Item:
    """The item with another passage before its own."""
    return replace(item, prompt=other.prompt.partition("Question:")[0] + item.prompt)


def turn(item: Item) -> Item:
    """The item with facts of place in another order of words.

    >>> turn(Item("Anna is in the park. Question: Is Anna in the park? Answer:", (" yes", " no"), 0)).prompt
    'At the park is Anna. Question: Is Anna in the park? Answer:'
    """
    passage, mark, asked = item.prompt.partition("Question:")
    told = []
    for words in (sentence.split() for sentence in passage.strip(" .").split(". ")):
        place = words[1:4] == ["is", "in", "the"]
        told.append(f"At the {words[4]} is {words[0]}." if place else f"{' '.join(words)}.")
    return replace(item, prompt=f"{' '.join(told)} {mark}{asked}")


def subject(item: Item, subjects: Sequence[str]) -> str | None:
    """The subject that a question is about, if it is one of these."""
    asked = item.prompt.split("Question:")[1].replace("?", " ").split()
    return next((word for word in asked if word in subjects), None)


def rename(item: Item) -> Item:
    """The item with the person that it asks about called Beatrix."""
    return replace(item, prompt=item.prompt.replace(str(subject(item, lexicon.NAMES)), STRANGER))


def changed(count: int, seed: int) -> dict[str, list[Item]]:
    """Yes-no items as in training and changed: by the number of facts, in word order, and with a new name.

    Eight facts are two passages of four, unless the second one also tells of the subject.

    >>> list(changed(20, seed=0))[3:6]
    ['4 facts', '8 facts', 'places, as trained']
    """
    plain = data.micro(2 * count, "yes-no", key=f"limits {seed}")
    places = [i for i in plain if " in the " in i.prompt.split("Question:")[1]]
    people = [i for i in plain if subject(i, lexicon.NAMES)]
    tests = {
        f"{n} fact{'s' if n > 1 else ''}": passages.questions(count, part="test", key=seed, facts=(n, n))
        for n in range(1, passages.MOST + 1)
    }
    long = tests[f"{passages.MOST} facts"]
    tests[f"{2 * passages.MOST} facts"] = [
        join(one, other)
        for one, other in zip(long, long[1:] + long[:1], strict=True)
        if str(subject(one, lexicon.NAMES + lexicon.THINGS)) not in other.prompt
    ]
    return tests | {
        "places, as trained": places,
        "places, turned": [turn(i) for i in places],
        "people, as trained": people,
        "people, renamed": [rename(i) for i in people],
    }
