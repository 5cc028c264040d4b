"""Contrasts of the micro-world that are no yes-no question: a place or a thing, to sort or to reverse.

Each item has two answer words, both of which stand in its prompt; the question says which is right. The first
answer stands for one side of the contrast in every item, the second for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from lglib.base import seeding
from lglib.base.checks import count
from lglib.tasks.items import Item
from lglib.tasks.microworld import facts, lexicon, skills
from lglib.tasks.microworld.facts import Fact


def _place_thing(dice: Random, part: str) -> Item | None:
    """Where a person is, or what it has, of a passage that tells both."""
    name, place, thing = map(dice.choice, (lexicon.NAMES, lexicon.PLACES, lexicon.BELONGINGS))
    both = (Fact("place", name, place), Fact("has", name, thing))
    told, label = dice.sample(both, 2), dice.randrange(2)
    if facts.part_of(both) != part:
        return None
    prompt = f"{facts.text(tuple(told))} Question: {both[label].open_question} Answer:"
    group = " ".join(sorted(fact.text for fact in both))
    return Item(prompt, (f" {place}", f" {thing}"), label, "place-thing", "micro-world", group)


def _sort_reverse(dice: Random, part: str) -> Item | None:
    """The first letter of a row when it is sorted, or when it is reversed."""
    letters, label = dice.sample(lexicon.LETTERS, dice.randint(3, 4)), dice.randrange(2)
    asked = f"{('Sort', 'Reverse')[label]}: {' '.join(letters)}"
    first, last = min(letters), letters[-1]
    if first == last or skills.part_of(asked) != part:
        return None
    answers = (f" {first}", f" {last}")
    return Item(f"{asked}. Answer:", answers, label, "sort-reverse", "micro-world", " ".join(letters))


MAKERS: Mapping[str, Callable[[Random, str], Item | None]] = {
    "place-thing": _place_thing,
    "sort-reverse": _sort_reverse,
}
NAMES = tuple(MAKERS)


def pool(n: int, name: str, *, part: str = "test", key: object = 0) -> list[Item]:
    """Draw n items of a contrast from a part of the micro-world: train, validation or test.

    Each is about a passage, or a row of letters, of its own: two with the same one are of one `group`. What
    an item asks was not trained on outside of the part train. Raises ValueError for an unknown name or part,
    or n < 1.

    >>> [(item.prompt, item.answer) for item in pool(2, "sort-reverse")]
    [('Reverse: m g b h. Answer:', ' h'), ('Reverse: b k p t. Answer:', ' t')]
    """
    if name not in NAMES:
        raise ValueError(f"name is {name!r}; there is: {', '.join(NAMES)}")
    if part not in skills.PARTS:
        raise ValueError(f"part is {part!r}; there is: {', '.join(skills.PARTS)}")
    count("n", n)
    dice = Random(seeding.generator("microcontrasts", name, part, key).initial_seed())
    found: list[Item] = []
    while len(found) < n:
        if (item := MAKERS[name](dice, part)) is not None:
            found.append(item)
    return found
