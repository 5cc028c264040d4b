"""Contrasts of real words: balanced, the same for a key, and nothing that decides is in two parts."""

import pytest

from lglib.tasks import contrasts, splits
from lglib.tasks.items import PARTS

DECIDING = {
    "sentiment": [contrasts.GOOD, contrasts.BAD],
    "tense": [contrasts.PAST, contrasts.FUTURE],
    "language": [[noun.split("/")[i] for noun in contrasts.NOUNS] for i in (0, 1)],
    "capitals": [[pair.split("/")[0] for pair in own] for own in (contrasts.EUROPE, contrasts.ELSEWHERE)],
}


def spaced(text):
    return f" {text}".replace(".", " ").replace("'", " ").replace('"', " ")


@pytest.mark.parametrize("name", contrasts.NAMES)
def test_each_part_has_at_least_64_different_items_of_each_side(name):
    found = contrasts.parts(name)
    assert tuple(found) == PARTS
    for own in found.values():
        assert all(sum(item.label == label for item in own) >= 64 for label in (0, 1))
        assert len({item.prompt for item in own}) == len(own)
        assert {len(item.answers) for item in own} == {2}
        assert {item.kind for item in own} == {name}


@pytest.mark.parametrize("name", contrasts.NAMES)
def test_what_an_item_turns_on_is_in_one_part_only(name):
    last = {
        part: " | ".join(item.prompt.splitlines()[-1] for item in own) + " |"
        for part, own in contrasts.parts(name).items()
    }
    for words in DECIDING[name]:
        assert len(set(words)) == len(words) == 24
        for word in words:
            there = [part for part, text in last.items() if f" {word} " in spaced(text)]
            assert len(there) == 1, (word, there)
    splits.disjoint(contrasts.parts(name))


def test_the_examples_in_front_are_no_items_and_come_in_both_orders():
    for name in contrasts.NAMES:
        fronts = {tuple(item.prompt.splitlines()[:2]) for item in contrasts.pool(name)}
        assert len(fronts) == 2
        assert {front[::-1] for front in fronts} == fronts
        asked = {item.prompt.splitlines()[-1] for item in contrasts.pool(name)}
        assert not any(asked & set(front) for front in fronts)


def test_the_first_answer_is_the_same_side_in_every_item():
    capitals = dict(pair.split("/") for pair in contrasts.EUROPE)
    elsewhere = dict(pair.split("/") for pair in contrasts.ELSEWHERE)
    for item in contrasts.pool("capitals"):
        assert item.answers[0].strip() in capitals.values()
        assert item.answers[1].strip() in elsewhere.values()
        country = next(c for c in capitals | elsewhere if f" {c}" in item.prompt.splitlines()[-1])
        assert item.answer.strip() == (capitals | elsewhere)[country]
    assert {item.answers for item in contrasts.pool("sentiment")} == {(" good", " bad")}


def test_a_key_fixes_the_order_and_another_key_gives_another():
    one, same, other = (contrasts.parts("language", key) for key in (0, 0, 1))
    assert one == same
    assert one["select"] != other["select"]
    assert {i.prompt for i in one["select"]} == {i.prompt for i in other["select"]}


def test_an_unknown_contrast_is_refused():
    with pytest.raises(ValueError, match="name is 'mood'; there is: sentiment, tense, language, capitals"):
        contrasts.parts("mood")
