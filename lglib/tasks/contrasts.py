"""Contrasts that a small base model can tell: sentiment, tense, language, capitals, by the next token.

Each item has two examples in front and two answer words. What an item turns on (its adjective, verb, noun or
country) is in one of three parts only, so nothing leaks from one part into another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from lglib.base import seeding
from lglib.tasks.items import PARTS, Item


def _listed(text: str) -> list[str]:
    return text.split()


def _lines(text: str) -> list[str]:
    return [" ".join(one.split()) for one in text.split("/")]


GOOD = _listed("""
    superb wonderful delightful excellent brilliant charming fantastic marvellous pleasant splendid
    enjoyable impressive amazing beautiful perfect outstanding terrific gorgeous lovely fabulous
    magnificent refreshing satisfying remarkable
""")
BAD = _listed("""
    terrible awful horrible disgusting boring disappointing miserable useless ugly annoying pathetic
    dull mediocre unpleasant broken frustrating ridiculous shoddy tedious worthless lousy nasty
    depressing shabby
""")
RATED = _listed("""
    film book meal concert play song show novel party trip game lesson
""")
PAST = _lines("""
    Last week,/Last year,/Last month,/Last summer,/Last night,/Last Monday,/Yesterday,/Two days ago,
    /A year ago,/Three weeks ago,/A century ago,/Long ago,/Back in 1950,/In the old days,/Last winter,
    /Last autumn,/Earlier this week,/A few hours ago,/In the last century,/Many years ago,
    /On the previous day,/At that time,/Back then,/Once upon a time,
""")
FUTURE = _lines("""
    Next week,/Next year,/Next month,/Next summer,/Tomorrow,/Next Monday,/Tomorrow morning,/In two days,
    /A year from now,/Three weeks from now,/In the next century,/Soon,/By the year 2090,/In the coming days,
    /Next winter,/Next autumn,/Later this week,/A few hours from now,/In the far future,/Many years from now,
    /On the following Sunday,/In the years to come,/From now on,/One day in the future,
""")
WHO = _listed("museum school king teacher company town team bridge hotel doctor ship family")
NOUNS = _listed("""
    chat/cat chien/dog cheval/horse garçon/boy livre/book stylo/pen pain/bread couteau/knife chapeau/hat
    manteau/coat vélo/bicycle ballon/ball bateau/boat tableau/picture verre/glass panier/basket sac/bag
    cadeau/present médecin/doctor voisin/neighbour facteur/postman roi/king oiseau/bird lapin/rabbit
""")
WRITTEN = 'The sentence "{}" is written in'
WHERE = (
    "dans le jardin/in the garden",
    "sur la table/on the table",
    "près de la porte/near the door",
    "derrière la maison/behind the house",
    "devant la fenêtre/in front of the window",
    "dans la cuisine/in the kitchen",
)
EUROPE = _listed("""
    France/Paris Italy/Rome Spain/Madrid Germany/Berlin Austria/Vienna Portugal/Lisbon Greece/Athens
    Poland/Warsaw Hungary/Budapest Sweden/Stockholm Denmark/Copenhagen Finland/Helsinki Ireland/Dublin
    England/London Belgium/Brussels Bulgaria/Sofia Romania/Bucharest Serbia/Belgrade Croatia/Zagreb
    Russia/Moscow Latvia/Riga Belarus/Minsk Iceland/Reykjavik Ukraine/Kiev
""")
ELSEWHERE = _listed("""
    Egypt/Cairo Japan/Tokyo China/Beijing Thailand/Bangkok Iran/Tehran Iraq/Baghdad Syria/Damascus
    Lebanon/Beirut Cuba/Havana Peru/Lima Chile/Santiago Canada/Ottawa Australia/Canberra Vietnam/Hanoi
    Indonesia/Jakarta Philippines/Manila Afghanistan/Kabul Jordan/Amman Somalia/Mogadishu Libya/Tripoli
    Sudan/Khartoum Senegal/Dakar Venezuela/Caracas Pakistan/Islamabad
""")
CAPITAL = (
    "The capital of {} is",
    "The capital city of {} is",
    "The capital of the country {} is",
    "The capital of {}, as everybody knows, is",
)
Asked = tuple[str, tuple[str, str], int]  # what is asked, the two answers, the right one


def _sentiment(part: int, _: Random) -> list[Asked]:
    return [
        (f"Review: The {thing} was {word}. Opinion:", (" good", " bad"), label)
        for label, words in enumerate((GOOD, BAD))
        for word in words[part::3]
        for thing in RATED
    ]


def _tense(part: int, _: Random) -> list[Asked]:
    return [
        (f"{when} the {who}", (" was", " will"), label)
        for label, whens in enumerate((PAST, FUTURE))
        for when in whens[part::3]
        for who in WHO
    ]


def _language(part: int, _: Random) -> list[Asked]:
    found = []
    for noun in NOUNS[part::3]:
        for place in WHERE:
            (le, the), (ici, here) = noun.split("/"), place.split("/")
            article = "L'" if le[0] in "aeiou" else "Le "
            said = [f"{article}{le} est {ici}", f"The {the} is {here}"]
            found += [(WRITTEN.format(x), (" French", " English"), i) for i, x in enumerate(said)]
    return found


def _capitals(part: int, dice: Random) -> list[Asked]:
    sides = [[pair.split("/") for pair in own[part::3]] for own in (EUROPE, ELSEWHERE)]
    found = []
    for label, own in enumerate(sides):
        for country, capital in own:
            for frame in CAPITAL:
                other = dice.choice(sides[1 - label])[1]
                both = (capital, other) if label == 0 else (other, capital)
                found.append((frame.format(country), (f" {both[0]}", f" {both[1]}"), label))
    return found


Maker = Callable[[int, Random], list[Asked]]
CONTRASTS: Mapping[str, tuple[Maker, tuple[str, str]]] = {  # and two examples with their answers
    "sentiment": (
        _sentiment,
        ("Review: The hotel was great. Opinion: good", "Review: The hotel was dreadful. Opinion: bad"),
    ),
    "tense": (_tense, ("Last Friday, the train was late.", "Next Friday, the train will be late.")),
    "language": (
        _language,
        (
            f"{WRITTEN.format('Das Wetter ist gut')} German.",
            f"{WRITTEN.format('Hace mucho calor')} Spanish.",
        ),
    ),
    "capitals": (_capitals, ("The capital of Norway is Oslo", "The capital of Kenya is Nairobi")),
}
NAMES = tuple(CONTRASTS)


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
    if name not in CONTRASTS:
        raise ValueError(f"name is {name!r}; there is: {', '.join(NAMES)}")
    make, shown = CONTRASTS[name]
    found = {}
    for number, part in enumerate(PARTS):
        dice = Random(seeding.generator("contrasts", name, part, key).initial_seed())
        asked = [(order, *one) for order in (shown, shown[::-1]) for one in make(number, dice)]
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
