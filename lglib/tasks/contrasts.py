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
VERBS = _listed("""
    paint/painted visit/visited clean/cleaned finish/finished open/opened watch/watched repair/repaired
    sell/sold buy/bought write/wrote lift/lifted move/moved close/closed wash/washed start/started
    cook/cooked plant/planted burn/burned find/found lose/lost hide/hid draw/drew build/built
    bring/brought
""")
DONE_TO = ["the house", "the letter", "the garden", "the shop", "the car", "the picture"]
DOERS = ["She", "He", "They", "We", "My brother", "The neighbour"]
NOUNS = _listed("""
    chat/cat chien/dog cheval/horse garçon/boy livre/book stylo/pen pain/bread couteau/knife chapeau/hat
    manteau/coat vélo/bicycle ballon/ball bateau/boat tableau/picture verre/glass panier/basket sac/bag
    cadeau/present médecin/doctor voisin/neighbour facteur/postman roi/king oiseau/bird lapin/rabbit
""")
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
    found = []
    for verb in VERBS[part::3]:
        base, past = verb.split("/")
        for who in DOERS:
            for what in DONE_TO:
                said = [f"{who} {past} {what}", f"{who} will {base} {what}"]
                found += [(f"Event: {x}. When:", (" yesterday", " tomorrow"), i) for i, x in enumerate(said)]
    return found


def _language(part: int, _: Random) -> list[Asked]:
    found = []
    for noun in NOUNS[part::3]:
        for place in WHERE:
            (le, the), (ici, here) = noun.split("/"), place.split("/")
            article = "L'" if le[0] in "aeiou" else "Le "
            said = [f"{article}{le} est {ici}", f"The {the} is {here}"]
            found += [(f"Text: {x}. Language:", (" French", " English"), i) for i, x in enumerate(said)]
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
    "tense": (
        _tense,
        ("Event: I baked the cake. When: yesterday", "Event: I will bake the cake. When: tomorrow"),
    ),
    "language": (
        _language,
        ("Text: Il fait froid. Language: French", "Text: It is cold. Language: English"),
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
    [' tomorrow', ' yesterday']
    """
    found = [item for own in parts(name, key).values() for item in own]
    Random(seeding.generator("contrasts", name, key).initial_seed()).shuffle(found)
    return found


def _item(name: str, shown: Sequence[str], asked: str, answers: tuple[str, str], label: int) -> Item:
    return Item("\n".join([*shown, asked]), answers, label, kind=name, source="contrast")
