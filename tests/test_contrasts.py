"""Contrasts of real words: balanced, the same for a key, and nothing that decides is in two parts."""

import re
from types import SimpleNamespace

import pytest
import words

from lglib.tasks import contrast_words, contrasts, splits
from lglib.tasks.items import PARTS

DECIDING = {
    "sentiment": [contrast_words.GOOD, contrast_words.BAD],
    "tense": [contrast_words.PAST, contrast_words.FUTURE],
    "language": [[[noun.split("/")[i] for noun in own] for own in contrast_words.NOUNS] for i in (0, 1)],
    "capitals": [
        [[pair.split("|")[0] for pair in own] for own in both]
        for both in (contrast_words.EUROPE, contrast_words.ELSEWHERE)
    ],
}  # by contrast and side: the words of both forms


def spaced(text):
    """Words in small letters with one space around each."""
    return " " + " ".join(re.findall(r"[^\s.,:'|\"]+", text.casefold())) + " "


def asked(name, part=""):
    """What is asked, without the examples, in all items or in those of a part."""
    return {
        item.prompt.splitlines()[-1]
        for at, own in contrasts.parts(name).items()
        for item in own
        if part in ("", at)
    }


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
    first = name.removesuffix("-2")
    last = {part: [spaced(text) for text in asked(name, part)] for part in PARTS}
    for side in DECIDING[first]:
        own = side[name != first]
        assert len(set(own)) == len(own) == (18 if name == "capitals-2" else 24)
        for word in own:
            there = [part for part in PARTS if any(spaced(word) in text for text in last[part])]
            assert len(there) == 1, (word, there)
    splits.disjoint(contrasts.parts(name))


@pytest.mark.parametrize(("one", "other"), contrasts.FORMS)
def test_two_forms_of_a_question_share_no_deciding_word_and_no_example(one, other):
    for side in DECIDING[one]:
        for number, form in enumerate((other, one)):
            texts = [spaced(text) for text in asked(form)]
            shared = [word for word in side[number] if any(spaced(word) in text for text in texts)]
            assert shared == []
    shown = [
        {x for item in contrasts.pool(form) for x in item.prompt.splitlines()[:2]} for form in (one, other)
    ]
    assert len(shown[0] | shown[1]) == 4
    assert not asked(one) & asked(other)


def test_two_forms_ask_for_the_same_answer_words_but_where_each_item_has_its_own():
    for one, other in contrasts.FORMS:
        answers = [{item.answers for item in contrasts.pool(form)} for form in (one, other)]
        if one == "capitals":
            assert not answers[0] & answers[1]
        else:
            assert answers[0] == answers[1]
            assert len(answers[0]) == 1


def test_items_whose_answers_are_several_tokens_of_a_model_are_left_out_and_counted():
    pool = contrasts.pool("capitals-2")
    texts = [item.prompt + "".join(item.answers) for item in pool]
    known = words.tokenizer([text.replace("Prague", "Praha") for text in texts])
    model = SimpleNamespace(tokenizer=known, context=128)
    drawn = splits.draw(model, "capitals-2", size=8, seed=0)
    assert not any(" Prague" in item.answers for own in drawn.parts.values() for item in own)
    keyed = contrasts.pool("capitals-2", "0/bridge")
    assert drawn.fitted.left_out == sum(" Prague" in item.answers for item in keyed) > 0


def test_the_examples_in_front_are_no_items_and_come_in_both_orders():
    for name in contrasts.NAMES:
        fronts = {tuple(item.prompt.splitlines()[:2]) for item in contrasts.pool(name)}
        assert len(fronts) == 2
        assert {front[::-1] for front in fronts} == fronts
        asked = {item.prompt.splitlines()[-1] for item in contrasts.pool(name)}
        assert not any(asked & set(front) for front in fronts)


def test_the_first_answer_is_the_same_side_in_every_item():
    for form, name in enumerate(("capitals", "capitals-2")):
        _capitals_are_right(name, contrast_words.EUROPE[form], contrast_words.ELSEWHERE[form])
    for name in ("sentiment", "sentiment-2"):
        assert {item.answers for item in contrasts.pool(name)} == {(" good", " bad")}


def _capitals_are_right(name, europe, others):
    capitals, elsewhere = (dict(pair.split("|") for pair in own) for own in (europe, others))
    for item in contrasts.pool(name):
        assert item.answers[0].strip() in capitals.values()
        assert item.answers[1].strip() in elsewhere.values()
        country = next(c for c in capitals | elsewhere if f" {c}" in item.prompt.splitlines()[-1])
        assert item.answer.strip() == (capitals | elsewhere)[country]


def test_a_key_fixes_the_order_and_another_key_gives_another():
    one, same, other = (contrasts.parts("language", key) for key in (0, 0, 1))
    assert one == same
    assert one["select"] != other["select"]
    assert {i.prompt for i in one["select"]} == {i.prompt for i in other["select"]}


def test_an_unknown_contrast_is_refused():
    with pytest.raises(ValueError, match="name is 'mood'; there is: sentiment, sentiment-2, tense, tense-2"):
        contrasts.parts("mood")
