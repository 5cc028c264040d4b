"""Contrasts that a small base model can tell: sentiment, tense, language, capitals, by the next token.

Each item has two examples in front and two answer words. What an item turns on (its adjective, time, noun or
country) is in one of three parts only, so nothing leaks from one part into another. Each contrast is put in
two forms of other wording ("sentiment" and "sentiment-2"), with other examples and other such words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from lglib.base import seeding
from lglib.tasks import contrast_words as words
from lglib.tasks.items import PARTS, Item

Asked = tuple[str, tuple[str, str], int]  # what is asked, the two answers, the right one


def _sentiment(form: int, part: int, _: Random) -> list[Asked]:
    return [
        (words.REVIEW[form].format(thing, word), (" good", " bad"), label)
        for label, own in enumerate((words.GOOD[form], words.BAD[form]))
        for word in own[part::3]
        for thing in words.RATED[form]
    ]


def _tense(form: int, part: int, _: Random) -> list[Asked]:
    return [
        (words.WHEN[form].format(when, who), (" was", " will"), label)
        for label, whens in enumerate((words.PAST[form], words.FUTURE[form]))
        for when in whens[part::3]
        for who in words.WHO[form]
    ]


def _language(form: int, part: int, _: Random) -> list[Asked]:
    found = []
    for noun in words.NOUNS[form][part::3]:
        for others in words.ROUND_IT[form]:
            said = _said(form, *noun.split("/"), *others.split("|"))
            asked = [words.WRITTEN[form].format(x) for x in said]
            found += [(x, (" French", " English"), i) for i, x in enumerate(asked)]
    return found


def _said(form: int, le: str, the: str, ici: str, here: str) -> tuple[str, str]:
    """A sentence in French and in English, of a noun and of what is round it."""
    thing = ("l'" if le[0] in "aeiou" else "le ") + le
    if form == 0:
        return f"{thing[0].upper()}{thing[1:]} est {ici}", f"The {the} is {here}"
    return f"{ici} {thing}", f"{here} the {the}"


def _capitals(form: int, part: int, dice: Random) -> list[Asked]:
    sides = [
        [pair.split("|") for pair in own[part::3]] for own in (words.EUROPE[form], words.ELSEWHERE[form])
    ]
    found = []
    for label, own in enumerate(sides):
        for country, capital in own:
            for frame in words.CAPITAL[form]:
                other = dice.choice(sides[1 - label])[1]
                both = (capital, other) if label == 0 else (other, capital)
                found.append((frame.format(country), (f" {both[0]}", f" {both[1]}"), label))
    return found


Maker = Callable[[int, int, Random], list[Asked]]  # of a form (0 or 1), a part and dice
MAKERS: Mapping[str, Maker] = {
    "sentiment": _sentiment,
    "tense": _tense,
    "language": _language,
    "capitals": _capitals,
}
FORMS = tuple((name, f"{name}-2") for name in MAKERS)  # forms of one question
NAMES = tuple(name for own in FORMS for name in own)


def parts(name: str, key: object = 0) -> dict[str, list[Item]]:
    """All items of a contrast in three parts, in an order that follows from the key.

    The first answer stands for one side of the contrast in every item (good, past, French, a capital in
    Europe), the second for the other; the label says which is right. Each question is asked behind both
    orders of the examples. At least 64 items of each side a part. Raises ValueError for an unknown name.

    >>> found = parts("capitals")
    >>> {part: len(own) for part, own in found.items()}
    {'select': 128, 'extract': 128, 'evaluate': 128}
    >>> print(parts("sentiment")["select"][0].prompt.splitlines()[1])
    Review: The hotel was great. Opinion: good
    """
    if name not in NAMES:
        raise ValueError(f"name is {name!r}; there is: {', '.join(NAMES)}")
    first = name.removesuffix("-2")
    form = int(name != first)
    make, shown = MAKERS[first], words.SHOWN[first][form]
    found = {}
    for number, part in enumerate(PARTS):
        dice = Random(seeding.generator("contrasts", name, part, key).initial_seed())
        asked = [(order, *one) for order in (shown, shown[::-1]) for one in make(form, number, dice)]
        dice.shuffle(asked)
        found[part] = [_item(name, *one) for one in asked]
    return found


def pool(name: str, key: object = 0) -> list[Item]:
    """All items of a contrast in one list, in an order that follows from the key.

    >>> sorted({item.answer for item in pool("tense")})
    [' was', ' will']
    """
    found = [item for own in parts(name, key).values() for item in own]
    Random(seeding.generator("contrasts", name, key).initial_seed()).shuffle(found)
    return found


def _item(name: str, shown: Sequence[str], asked: str, answers: tuple[str, str], label: int) -> Item:
    return Item("\n".join([*shown, asked]), answers, label, kind=name, source="contrast")
