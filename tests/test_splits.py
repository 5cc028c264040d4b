"""Three parts that share nothing, whatever the duplicates, with as many yes as no."""

import random

import pytest

from lglib.models import loading
from lglib.tasks import data, splits
from lglib.tasks.items import PARTS, YES_NO, Item, split


@pytest.fixture(scope="module")
def found():
    return loading.load("micro-gpt2", device="cpu")


def asked(n, label=None, word="odd"):
    return [Item(f"Is {i} {word}?", YES_NO, 1 - i % 2 if label is None else label) for i in range(n)]


@pytest.mark.parametrize("template", ["yes-no", "claim"])
def test_parts_are_balanced_and_share_no_passage(found, template):
    parts = splits.draw(found, template, size=10, seed=0).parts
    assert list(parts) == list(PARTS)
    for own in parts.values():
        assert [item.label for item in own] == [0, 1] * 10
    groups = [group for own in parts.values() for group in {item.group for item in own}]
    assert len(set(groups)) == len(groups)


def test_another_seed_draws_other_questions_and_the_same_seed_the_same(found):
    one, same, other = (splits.draw(found, "yes-no", size=5, seed=s).parts for s in (0, 0, 1))
    assert one == same
    assert one["select"] != other["select"]


def test_parts_stay_disjoint_under_duplicates_in_another_guise():
    plain = data.micro(300, key="bridge duplicates")
    guises = [lambda t: t.upper(), lambda t: f"  {t} ", lambda t: t.replace(" ", "  "), lambda t: t]
    dice = random.Random(0)
    drawn = [
        Item(dice.choice(guises)(item.prompt), YES_NO, item.label, group=dice.choice(guises)(item.group))
        for item in plain
        for _ in range(3)
    ]
    dice.shuffle(drawn)
    parts = {name: splits.balanced(own, 10) for name, own in split(drawn).items()}
    splits.disjoint(parts)


def test_an_overlap_is_found_and_shown_whatever_its_spaces_and_case():
    parts = {"select": asked(4), "evaluate": [Item("IS  2 odd?", YES_NO, 1)]}
    with pytest.raises(ValueError, match=r"select and evaluate overlap: both have 'IS  2 odd\?'"):
        splits.disjoint(parts)


def test_two_questions_of_one_passage_are_an_overlap():
    one, other = (Item(f"It is red. Is it {c}?", YES_NO, 0, group="It is red.") for c in ("red", "big"))
    with pytest.raises(ValueError, match=r"both have 'It is red\.'"):
        splits.disjoint({"extract": [one], "evaluate": [other]})


def test_a_question_is_taken_once():
    twice = asked(6) + asked(6)
    with pytest.raises(ValueError, match="must have 4 questions of each answer, got 3"):
        splits.balanced(twice, 4)
    assert len({item.prompt for item in splits.balanced(twice, 3)}) == 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "items is empty"),
        (asked(9, label=0), "one class: all 9 are 'yes'"),
        (asked(9, label=1), "one class: all 9 are 'no'"),
        (asked(5), "must have 3 questions of each answer, got 2"),
        ([Item("Plural: cat", (" cats",), 0)], "must be questions with two answers"),
    ],
)
def test_items_of_which_no_balanced_part_can_be_made_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        splits.balanced(given, 3)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, None])
def test_a_size_that_is_no_count_is_refused(found, size):
    with pytest.raises(ValueError, match="size must be a whole number from 1"):
        splits.draw(found, "yes-no", size=size, seed=0)


def test_an_unknown_template_is_refused(found):
    with pytest.raises(ValueError, match="kind is 'maybe'"):
        splits.draw(found, "maybe", size=2, seed=0)


def test_halves_share_no_item_and_keep_the_balance():
    whole = splits.balanced(asked(40), 10)
    first, second = splits.halves(whole)
    assert {i.prompt for i in first}.isdisjoint(i.prompt for i in second)
    assert len(first) == len(second) == 10
    assert [i.label for i in first] == [i.label for i in second] == [0, 1] * 5


@pytest.mark.parametrize("n", [0, 2, 5])
def test_halves_of_too_little_are_refused(n):
    with pytest.raises(ValueError, match="items must be pairs, at least two"):
        splits.halves(asked(n))


def test_passages_that_were_drawn_before_are_not_drawn_again(found):
    first = splits.draw(found, "yes-no", size=20, seed=0).parts
    before = [item for own in first.values() for item in own]
    again = splits.draw(found, "yes-no", size=5, seed=0, apart_from=before).parts
    assert {item.group for item in before}.isdisjoint(i.group for own in again.values() for i in own)
