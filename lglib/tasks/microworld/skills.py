"""What the micro models can do beside reading: nine small skills, plain stories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from lglib.base import seeding
from lglib.base.checks import count
from lglib.tasks import items
from lglib.tasks.items import Item
from lglib.tasks.microworld import lexicon

PARTS = {"train": 8, "validation": 1, "test": 1}  # of ten
_NAMES = [name for name, share in PARTS.items() for _ in range(share)]
_TEN = [f"{name} {i}" for i, name in enumerate(_NAMES)]
Pair = tuple[str, str]  # asked, answered


def _letters(dice: Random, fewest: int, most: int) -> list[str]:
    return dice.sample(lexicon.LETTERS, dice.randint(fewest, most))


def _sort(dice: Random) -> Pair:
    own = _letters(dice, 3, 4)
    return f"Sort: {' '.join(own)}", " ".join(sorted(own))


def _reverse(dice: Random) -> Pair:
    own = _letters(dice, 3, 4)
    return f"Reverse: {' '.join(own)}", " ".join(reversed(own))


def _repeat(dice: Random) -> Pair:
    own = [
        dice.choice(dice.choice((lexicon.NAMES, lexicon.THINGS, lexicon.LETTERS)))
        for _ in range(dice.randint(3, 8))
    ]
    return f"Repeat: {' '.join(own)}", " ".join(own)


def _count(dice: Random) -> Pair:
    number = dice.randint(1, 6)
    word = dice.choice([*lexicon.THINGS, *lexicon.BELONGINGS, *lexicon.PLURALS])
    return f"Count: {' '.join([word] * number)}", lexicon.NUMBERS[number]


def _plural(dice: Random) -> Pair:
    return _known("Plural", dice.choice(list(lexicon.PLURALS.items())))


def _opposite(dice: Random) -> Pair:
    one, other = dice.choice(list(lexicon.OPPOSITES.items()))
    return _known("Opposite", (one, other) if dice.random() < 0.5 else (other, one))


def _capital(dice: Random) -> Pair:
    return _known("Capital", dice.choice(list(lexicon.CAPITALS.items())))


def _add(dice: Random) -> Pair:
    one, other = dice.randrange(10), dice.randrange(10)
    return f"Add: {lexicon.NUMBERS[one]} {lexicon.NUMBERS[other]}", lexicon.NUMBERS[one + other]


def _take(dice: Random) -> Pair:
    more = dice.randrange(10)
    less = dice.randint(0, more)
    return f"Take: {lexicon.NUMBERS[more]} {lexicon.NUMBERS[less]}", lexicon.NUMBERS[more - less]


def _known(what: str, pair: Pair) -> Pair:
    return f"{what}: {pair[0]}", pair[1]


# Those that follow a rule are split by content; the others are tables, the same in every part.
RULES: Mapping[str, Callable[[Random], Pair]] = dict(sort=_sort, reverse=_reverse, repeat=_repeat)
TABLES: Mapping[str, Callable[[Random], Pair]] = dict(
    count=_count, plural=_plural, opposite=_opposite, capital=_capital, add=_add, take=_take
)
SKILLS = {**RULES, **TABLES}


def part_of(text: str) -> str:
    """Part of the input of a rule, or of a story: train for eight tenths of them, by their content alone.

    >>> part_of("Sort: p c f")
    'test'
    """
    return items.part_of(text, _TEN).split()[0]


def questions(n: int, skill: str, *, part: str, key: object) -> list[Item]:
    """Draw n items of one skill. Of sort, reverse and repeat no item is in two parts.

    The other six are small tables (ten by ten sums, twelve pairs of opposites) that a model can only know by
    heart: their items are the same in every part. Raises ValueError for an unknown skill or part, or n < 1.

    >>> item = questions(1, "sort", part="test", key=0)[0]
    >>> item.prompt, item.answer
    ('Sort: p c f. Answer:', ' c f p')
    """
    if skill not in SKILLS:
        raise ValueError(f"skill is {skill!r}; there is: {', '.join(SKILLS)}")
    dice = _dice(n, part, "microskills", skill, key)
    found: list[Item] = []
    while len(found) < n:
        asked, answered = SKILLS[skill](dice)
        if skill in TABLES or part_of(asked) == part:
            found.append(Item(f"{asked}. Answer:", (f" {answered}",), 0, kind=skill, source="micro-world"))
    return found


def stories(n: int, *, part: str, key: object) -> list[str]:
    """Draw n plain stories of three to six sentences; no story is in two parts.

    >>> stories(1, part="test", key=0)[0].split(".")[0]
    'A long time ago Eva lived in a little house near the tree'
    """
    dice = _dice(n, part, "stories", key)
    found: list[str] = []
    while len(found) < n:
        if part_of(story := _story(dice)) == part:
            found.append(story)
    return found


_CARRIED = ("ball", "cup", "hat", "bag", "book", "kite", "coat", "bottle")


def _story(dice: Random) -> str:
    one, other = dice.sample(lexicon.NAMES, 2)
    place, road = dice.choice(lexicon.PLACES), dice.choice(["road", "river", "hill", "tree"])
    thing, food = dice.choice([*_CARRIED, *lexicon.BELONGINGS]), dice.choice(lexicon.FOODS)
    colour = dice.choice(lexicon.COLOURS)
    animal = dice.choice(list(lexicon.PLURALS)[:13])
    starts = [
        f"One {dice.choice(['morning', 'evening', 'day', 'night'])} {one} went to the {place}.",
        f"A long time ago {one} lived in a little house near the {road}.",
        f"{one} had never been in the {place} before.",
    ]
    middles = [
        f"There {one} met {other}.",
        f"{one} saw a {colour} {thing} by the {road}.",
        f"{other} came from the {place} with a {thing}.",
        f"A {animal} sat near the {road}.",
        f"{one} and {other} talked about the {thing} and sang.",
        f"{one} bought {food} and {other} worked.",
        f"{other} gave the {thing} to {one}.",
        f"Then the {dice.choice(['rain', 'wind'])} came.",
        f"{one} lost the {thing} but {other} found it.",
    ]
    ends = [
        f"After that {one} walked home.",
        f"{one} and {other} were happy.",
        f"At night {other} slept.",
        f"{one} was tired and went home.",
    ]
    return " ".join([dice.choice(starts), *dice.sample(middles, dice.randint(1, 4)), dice.choice(ends)])


def _dice(n: int, part: str, *key: object) -> Random:
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; there is: {', '.join(PARTS)}")
    count("n", n)
    return Random(seeding.generator(*key, part).initial_seed())
