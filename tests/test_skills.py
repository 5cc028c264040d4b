"""Small skills and stories: answers worked out again, and no rule item or story in two parts."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from lglib.tasks.items import part_of
from lglib.tasks.microworld import lexicon, skills

PARTS = ("train", "validation", "test")
ENGLISH = """
    cat cats dog dogs cow cows hen hens pig pigs duck ducks frog frogs goat goats bear bears wolf wolves
    mouse mice goose geese fox foxes child children foot feet tooth teeth leaf leaves man men
"""
CONTRARY = """
    hot cold old new fast slow high low wet dry light dark early late near far open closed full empty
    good bad hard soft
"""
NUMBERS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen
"""
ENGLISH, CONTRARY, NUMBERS = (own.split() for own in (ENGLISH, CONTRARY, NUMBERS))


def paired(words):
    return dict(zip(words[::2], words[1::2], strict=True))


ORACLE = {
    "sort": lambda own: [letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter in own],
    "reverse": lambda own: [own[-1 - i] for i in range(len(own))],
    "repeat": lambda own: own,
    "count": lambda own: [NUMBERS[len(own)]] if len(set(own)) == 1 else None,
    "plural": lambda own: [paired(ENGLISH)[own[0]]],
    "opposite": lambda own: [(paired(CONTRARY) | paired(CONTRARY[::-1]))[own[0]]],
    "capital": lambda own: [lexicon.CAPITALS[own[0]]],
    "add": lambda own: [NUMBERS[NUMBERS.index(own[0]) + NUMBERS.index(own[1])]],
    "take": lambda own: [NUMBERS[NUMBERS.index(own[0]) - NUMBERS.index(own[1])]],
}


def read(item):
    """The skill and the words of a prompt."""
    asked, end = item.prompt.split(". ")
    assert end == "Answer:"
    skill, words = asked.split(": ")
    return skill.lower(), words.split(" ")


def drawn(skill, part, n=1000):
    return skills.questions(n, skill, part=part, key="tests")


def test_the_oracle_knows_every_skill():
    assert set(ORACLE) == set(skills.SKILLS) == {*skills.RULES, *skills.TABLES}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("skill", sorted(ORACLE))
def test_answers_are_those_of_the_oracle(skill, part):
    for item in drawn(skill, part, 400):
        name, words = read(item)
        assert (name, item.kind) == (skill, skill)
        assert item.answers == (f" {' '.join(ORACLE[skill](words))}",), item.prompt


@pytest.mark.parametrize("skill", sorted(skills.RULES))
def test_no_prompt_of_a_rule_skill_is_in_two_parts(skill):
    found = [{item.prompt for item in drawn(skill, part)} for part in PARTS]
    assert sum(map(len, found)) == len(set.union(*found))
    assert all(len(own) > 50 for own in found)


@pytest.mark.parametrize("skill", ["sort", "reverse"])
def test_rows_are_of_three_or_four_different_letters_each_about_as_often(skill):
    rows = [read(item)[1] for item in drawn(skill, "train")]
    lengths = Counter(map(len, rows))
    assert set(lengths) == {3, 4}
    assert 400 < lengths[3] < 600
    assert all(len(set(row)) == len(row) for row in rows)
    assert {letter for row in rows for letter in row} == set(lexicon.LETTERS)


def test_rows_to_repeat_have_three_to_eight_words():
    assert {len(read(item)[1]) for item in drawn("repeat", "train")} == set(range(3, 9))


def test_the_parts_of_all_rows_to_sort_are_eight_one_and_one_of_ten():
    ten = [f"{part} {i}" for i, part in enumerate(["train"] * 8 + ["validation", "test"])]
    for part in PARTS:
        for item in drawn("sort", part, 200):
            asked = item.prompt.removesuffix(". Answer:")
            assert part_of(asked, ten).split()[0] == part


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("skill", "table"),
    [
        ("plural", {(word,) for word in ENGLISH[::2]}),
        ("opposite", {(word,) for word in CONTRARY}),
        ("capital", {(land,) for land in lexicon.CAPITALS}),
        ("add", {(one, other) for one in NUMBERS[:10] for other in NUMBERS[:10]}),
        ("take", {(NUMBERS[m], NUMBERS[k]) for m in range(10) for k in range(m + 1)}),
    ],
)
def test_every_part_has_the_whole_table(skill, table, part):
    assert {tuple(read(item)[1]) for item in drawn(skill, part, 1500)} == table


@pytest.mark.parametrize("part", PARTS)
def test_counts_are_one_to_six_of_every_word(part):
    rows = [read(item)[1] for item in drawn("count", part, 1500)]
    assert {len(row) for row in rows} == set(range(1, 7))
    assert {row[0] for row in rows} == {*lexicon.THINGS, *lexicon.BELONGINGS, *lexicon.PLURALS}


def test_capitals_are_all_different():
    assert len(set(lexicon.CAPITALS.values())) == len(lexicon.CAPITALS)


def test_no_story_is_in_two_parts_and_few_are_told_twice():
    found = [
        set(skills.stories(n, part=part, key=0)) for part, n in zip(PARTS, (3000, 400, 400), strict=True)
    ]
    assert sum(map(len, found)) == len(set.union(*found)) > 3700


def test_a_story_has_three_to_six_whole_sentences_and_none_twice():
    lengths = set()
    for story in skills.stories(600, part="train", key=1):
        assert story.endswith(".")
        sentences = story.removesuffix(".").split(". ")
        assert len(set(sentences)) == len(sentences)
        assert all(sentence[0].isupper() and "  " not in sentence for sentence in sentences)
        lengths.add(len(sentences))
    assert lengths == {3, 4, 5, 6}


def test_a_story_has_two_people_and_does_not_mistake_them():
    for story in skills.stories(600, part="train", key=2):
        words = story.replace(".", "").split()
        assert 1 <= len({word for word in words if word in lexicon.NAMES}) <= 2
        for one, said, other in zip(words, words[1:], words[2:], strict=False):
            assert said != "met" or one != other


@pytest.mark.parametrize("skill", sorted(ORACLE))
def test_a_key_fixes_the_draw_and_another_key_or_part_changes_it(skill):
    first = skills.questions(60, skill, part="test", key=0)
    assert skills.questions(60, skill, part="test", key=0) == first
    assert skills.questions(60, skill, part="test", key=1) != first
    assert skills.questions(60, skill, part="train", key=0) != first


def test_another_process_draws_the_same(root):
    code = """
import json
from lglib.tasks.microworld import skills as m
drawn = [i.prompt for s in m.SKILLS for i in m.questions(5, s, part="test", key=3)]
print(json.dumps([drawn, m.stories(5, part="train", key=3)]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": "5"},
    )
    prompts = [i.prompt for s in skills.SKILLS for i in skills.questions(5, s, part="test", key=3)]
    assert json.loads(run.stdout) == [prompts, skills.stories(5, part="train", key=3)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"part": "dev"}, "part is 'dev'; there is: train, validation, test"),
        ({"n": 0}, "n must be a whole number from 1, got 0"),
        ({"n": -2}, "got -2"),
        ({"n": True}, "got True"),
        ({"n": 2.0}, "got 2.0"),
        ({"n": None}, "got None"),
    ],
)
def test_a_draw_that_cannot_be_made_says_why(changes, told):
    arguments = {"n": 3, "part": "test", "key": 0, **changes}
    with pytest.raises(ValueError, match=told):
        skills.questions(skill="sort", **arguments)
    with pytest.raises(ValueError, match=told):
        skills.stories(**arguments)


@pytest.mark.parametrize("skill", ["Sort", "", None, "yes-no"])
def test_an_unknown_skill_is_refused_with_those_there_are(skill):
    with pytest.raises(ValueError, match=f"skill is {skill!r}; there is: sort, reverse, repeat, count"):
        skills.questions(1, skill, part="test", key=0)
