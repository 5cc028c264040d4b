"""Pairs of tasks A and B that an adapter learns, and the text by which A is forgotten again.

None of the tasks is what the base models do by themselves, so an adapter has to learn it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from random import Random

from lglib.base import seeding
from lglib.tasks import items
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon, passages, skills

PARTS = ("train", "validation", "test")
TENTHS = (*(f"train {i}" for i in range(8)), "validation", "test")
BY_HEART = 64  # different prompts up to which items of one's own are a list to be known by heart
Draw = Callable[[int, str, object], list[Item]]  # how many, part, key


@dataclass(frozen=True)
class Pair:
    """Two tasks and a way to forget A: each of `a`, `b`, `forget` draws n items of a part by a key.

    `table` is true where A is a finite list that can only be known by heart: its items are the same in
    every part. `way` says how A is forgotten: `B alone` (what the paper does), `conflict` (A's prompts with
    other answers), `undone` (A's prompts with the answers that the base model gives). `rate` is the
    learning rate of the forgetting, in units of that of learning.
    """

    name: str
    a: Draw
    b: Draw
    forget: Draw
    says: str
    way: str
    table: bool
    rate: float = 1.0


def pair(name: str, seed: int = 0) -> Pair:
    """Return a pair by its name; the seed fixes the tables of `cipher` and `edit`. ValueError if unknown.

    >>> cipher = pair("cipher")
    >>> [one.a(1, "train", 0)[0].prompt for one in (cipher, pair("order"), pair("last"))]
    ['Cipher: bag. Answer:', 'Sort: d p c. Answer:', 'Last: box green Carl Nora. Answer:']
    """
    if name not in MAKERS:
        raise ValueError(f"pair is {name!r}; there is: {', '.join(MAKERS)}")
    return MAKERS[name](Random(seeding.generator("pairs", name, seed).initial_seed()))


def own(found: Sequence[Item], name: str = "own") -> Pair:
    """A pair whose task A are items of one's own; B is the first of some words.

    A's prompts, answered wrongly, make it forget: each answer is replaced by the next of its options. An
    item with one answer gets all answers that there are as its options. Up to 64 different prompts are a list
    to be known by heart, every item in every part; more are parted by their passage or prompt, eight tenths
    to train, one to validate, one to test. Raises ValueError for fewer than two different answers, and for a
    part without an item.

    >>> made = own([Item(f"Colour of {a}:", (b,), 0) for a, b in (("snow", " white"), ("coal", " black"))])
    >>> made.table, made.a(1, "test", 0)[0].answer, made.forget(1, "test", 0)[0].answer
    (True, ' white', ' black')
    """
    answers = tuple(sorted({item.answer for item in found}))
    if len(answers) < 2:
        raise ValueError(f"own items must have at least two different answers, got {answers!r}")
    every = [
        item if len(item.answers) > 1 else replace(item, answers=answers, label=answers.index(item.answer))
        for item in found
    ]
    table = len({item.prompt for item in every}) <= BY_HEART
    wrong = [replace(item, label=(item.label + 1) % len(item.answers)) for item in every]
    says = (
        f"items of one's own, {'by heart' if table else 'parted by their text'}; B: the first of some words"
    )
    a, forget = (_own(one, table, what) for one, what in ((every, "a"), (wrong, "forget")))
    return Pair(name, a, _position("First", 0), forget, says, "conflict", table=table)


def _cipher(dice: Random) -> Pair:
    words = [*lexicon.THINGS, *lexicon.COLOURS, *lexicon.JOBS, *lexicon.SIZES]
    dice.shuffle(words)
    first, second = words[:24], words[24:48]
    to_second, to_first = (dice.sample(own, len(own)) for own in (second, first))
    a = _table("Cipher", first, to_second)
    b = _table("Cipher", second, to_first, other=True)
    other = _table("Cipher", first, to_second[1:] + to_second[:1])
    says = "code words by heart; B: another list"
    return Pair("cipher", a, b, other, says, "conflict", table=True)


def _edit(dice: Random) -> Pair:
    countries = dice.sample(list(lexicon.CAPITALS), len(lexicon.CAPITALS))
    true = [lexicon.CAPITALS[country] for country in countries]
    a = _table("Capital", countries, true[1:] + true[:1])
    opposite = lexicon.OPPOSITES | {v: k for k, v in lexicon.OPPOSITES.items()}
    old = new = list(opposite)
    while any(b in (a, opposite[a]) for a, b in zip(old, new, strict=True)):  # an eighth of draws pass
        new = dice.sample(old, len(old))
    says = "each country gets another's capital; B: words get wrong opposites"
    return Pair(
        "edit",
        a,
        _table("Opposite", old, new),
        _table("Capital", countries, true),
        says,
        "undone",
        table=True,
    )


def _order(_: Random) -> Pair:
    def sorting(falling: bool) -> Draw:
        def draw(n: int, part: str, key: object) -> list[Item]:
            found = skills.questions(n, "sort", part=part, key=f"order/{key}")
            return [_listed(item.prompt, sorted(_words(item.prompt), reverse=falling)) for item in found]

        return draw

    def same(n: int, part: str, key: object) -> list[Item]:
        found = skills.questions(n, "reverse", part=part, key=f"order b/{key}")
        return [_listed(item.prompt, _words(item.prompt)) for item in found]

    says = "`Sort:` means from z to a; B: `Reverse:` leaves the order"
    return Pair("order", sorting(True), same, sorting(False), says, "undone", table=False)


def _last(_: Random) -> Pair:
    return Pair(
        "last",
        _position("Last", -1),
        _position("First", 0),
        _position("First", 0),
        "the last of some words; B: the first",
        "B alone",
        table=False,
        rate=5.0,
    )


def _first(_: Random) -> Pair:
    return Pair(
        "first",
        _position("First", 0),
        _position("Last", -1),
        _position("First", -1),
        "the first of some words; B: the last",
        "conflict",
        table=False,
    )


def _format(_: Random) -> Pair:
    claims = _reading("claim", (" right", " wrong"))
    says = "yes and no become up and down; B: claims are right or wrong"
    return Pair("format", _reading("yes-no", (" up", " down")), claims, claims, says, "B alone", table=False)


MAKERS: Mapping[str, Callable[[Random], Pair]] = {
    "cipher": _cipher,
    "edit": _edit,
    "order": _order,
    "last": _last,
    "first": _first,
    "format": _format,
}


def _table(what: str, asked: list[str], answered: list[str], other: bool = False) -> Draw:
    options = tuple(f" {word}" for word in sorted(set(answered)))
    every = [
        Item(f"{what}: {one}. Answer:", options, options.index(f" {two}"), kind=what.lower())
        for one, two in zip(asked, answered, strict=True)
    ]

    def draw(n: int, part: str, key: object) -> list[Item]:
        _check(part)
        if part != "train":  # all of them, each once, as often as it takes
            return [every[i % len(every)] for i in range(n)]
        return _dice("table", what, other, key).choices(every, k=n)

    return draw


def _own(every: Sequence[Item], table: bool, what: str) -> Draw:
    parts = {part: [i for i in every if table or _tenth(i) == part] for part in PARTS}
    if empty := [part for part, found in parts.items() if not found]:
        raise ValueError(f"{len(every)} own items leave none to {', '.join(empty)}; there must be more")

    def draw(n: int, part: str, key: object) -> list[Item]:
        _check(part)
        pool, dice = parts[part], _dice("own", what, part, key)
        if part == "train":
            return dice.choices(pool, k=n)
        some = pool if table or n >= len(pool) else dice.sample(pool, n)
        return [some[i % len(some)] for i in range(n)]  # all of them, as often as it takes

    return draw


def _tenth(item: Item) -> str:
    return items.part_of(item.group or item.prompt, TENTHS).split()[0]


def _position(what: str, place: int) -> Draw:
    pool = [*lexicon.THINGS, *lexicon.NAMES, *lexicon.COLOURS]

    def draw(n: int, part: str, key: object) -> list[Item]:
        _check(part)
        dice, found = _dice("position", what, part, key), list[Item]()
        while len(found) < n:
            words = dice.sample(pool, dice.randint(3, 5))
            if skills.part_of(" ".join(words)) == part:
                options = tuple(f" {word}" for word in words)
                label = place % len(words)
                found.append(Item(f"{what}: {' '.join(words)}. Answer:", options, label, kind=what.lower()))
        return found

    return draw


def _reading(kind: str, words: tuple[str, str]) -> Draw:
    def draw(n: int, part: str, key: object) -> list[Item]:
        found = passages.questions(n, kind, part=part, key=f"format/{key}", facts=(1, 2))
        return [Item(i.prompt, words, YES_NO.index(i.answer), kind=kind, group=i.group) for i in found]

    return draw


def _listed(prompt: str, words: list[str]) -> Item:
    """An item answered by these words in this order, among all orders."""
    options = tuple(" " + " ".join(order) for order in permutations(sorted(words)))
    return Item(prompt, options, options.index(" " + " ".join(words)))


def _words(prompt: str) -> list[str]:
    return prompt.partition(":")[2].partition(".")[0].split()


def _check(part: str) -> None:
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; there is: {', '.join(PARTS)}")


def _dice(*key: object) -> Random:
    return Random(seeding.generator("pairs", *key).initial_seed())


def halves(found: list[Item]) -> tuple[list[int], list[int]]:
    """Row numbers of two disjoint parts of items, one to select on and one to evaluate on, by their text.

    Each part has half of the different prompts, or of the passages where items say to which one they belong;
    equal ones never part. The same in every process.

    >>> halves([Item(f"Is {i} odd?", YES_NO, 0) for i in range(4)])
    ([2, 3], [0, 1])
    """
    own = [one.group or one.prompt for one in found]
    texts = sorted(set(own), key=lambda text: (items.part_of(text, RANKS), text))
    first, rows = set(texts[: len(texts) // 2]), range(len(found))
    return [i for i in rows if own[i] in first], [i for i in rows if own[i] not in first]


RANKS = [f"{number:04}" for number in range(1000)]
