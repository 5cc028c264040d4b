"""The micro-world: every answer read again from the text, no passage in two parts, no other clue."""

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from lglib.tasks.items import YES_NO
from lglib.tasks.microworld import lexicon, passages
from lglib.tasks.microworld.passages import Fact

PARTS = ("train", "validation", "test")
ONE_OF = {  # the value lists, by the word that comes before or after
    "colour": set(lexicon.COLOURS),
    "size": set(lexicon.SIZES),
}


def relation_of_thing(value):
    return next(name for name, own in ONE_OF.items() if value in own)


def read(sentence):
    """(relation, subject, value) of a sentence, by patterns of its own."""
    for pattern, name in (
        (r"The (\w+) is (\w+)", None),
        (r"(\w+) is in the (\w+)", "place"),
        (r"(\w+) is a (\w+)", "job"),
        (r"(\w+) likes (\w+)", "likes"),
        (r"(\w+) has a (\w+)", "has"),
    ):
        if found := re.fullmatch(pattern, sentence):
            subject, value = found.groups()
            return name or relation_of_thing(value), subject, value
    raise AssertionError(f"cannot read {sentence!r}")


def read_passage(text):
    return [read(sentence) for sentence in text.strip().removesuffix(".").split(". ")]


def judged(question):
    """The fact that a yes-no question asks about."""
    for pattern, name in (
        (r"Is the (\w+) (\w+)\?", None),
        (r"Is (\w+) in the (\w+)\?", "place"),
        (r"Is (\w+) a (\w+)\?", "job"),
        (r"Does (\w+) like (\w+)\?", "likes"),
        (r"Does (\w+) have a (\w+)\?", "has"),
    ):
        if found := re.fullmatch(pattern, question):
            subject, value = found.groups()
            return name or relation_of_thing(value), subject, value
    raise AssertionError(f"cannot read {question!r}")


def values(question, facts):
    """All values that answer an open question."""
    for pattern, name in (
        (r"What colour is the (\w+)\?", "colour"),
        (r"How large is the (\w+)\?", "size"),
        (r"Where is (\w+)\?", "place"),
        (r"What is the job of (\w+)\?", "job"),
        (r"What does (\w+) like\?", "likes"),
        (r"What does (\w+) have\?", "has"),
    ):
        if found := re.fullmatch(pattern, question):
            return [value for own, subject, value in facts if (own, subject) == (name, found[1])]
    raise AssertionError(f"cannot read {question!r}")


def subjects(question, facts):
    """All subjects that answer a who question."""
    for pattern, name in (
        (r"Who is in the (\w+)\?", "place"),
        (r"Who is a (\w+)\?", "job"),
        (r"Who likes (\w+)\?", "likes"),
        (r"Who has a (\w+)\?", "has"),
        (r"What is (\w+)\?", None),
    ):
        if found := re.fullmatch(pattern, question):
            name = name or relation_of_thing(found[1])
            return [subject for own, subject, value in facts if (own, value) == (name, found[1])]
    raise AssertionError(f"cannot read {question!r}")


def parsed(prompt):
    """Facts of the passage, and what is asked."""
    told, asked = re.fullmatch(r"(.*\.) (?:Question|Claim): (.*) Answer:", prompt).groups()
    return read_passage(told), asked


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["yes-no", "claim"])
def test_yes_means_that_the_passage_says_so(kind, part):
    labels = []
    for item in passages.questions(1500, kind, part=part, key="truth"):
        facts, asked = parsed(item.prompt)
        fact = judged(asked) if kind == "yes-no" else read(asked.removesuffix("."))
        assert item.answers == YES_NO
        assert item.answer == (" yes" if fact in facts else " no"), item.prompt
        assert fact[:2] in [own[:2] for own in facts], "it asks of what the passage tells"
        labels.append(item.label)
    assert binomtest(sum(labels), len(labels)).pvalue > 1e-3


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("kind", "answers"), [("open", values), ("who", subjects)])
def test_an_open_question_has_one_answer_in_the_passage(kind, answers, part):
    for item in passages.questions(1500, kind, part=part, key="truth"):
        facts, asked = parsed(item.prompt)
        assert item.answers == (f" {answers(asked, facts)[0]}",), item.prompt
        assert len(answers(asked, facts)) == 1, item.prompt


@pytest.mark.parametrize("kind", passages.KINDS)
def test_every_relation_and_every_place_in_the_passage_is_asked_for(kind):
    asked = Counter()
    for item in passages.questions(1500, kind, part="train", key="all", facts=(3, 3)):
        facts, question = parsed(item.prompt)
        if kind == "claim":
            fact = read(question.removesuffix("."))
        elif kind == "yes-no":
            fact = judged(question)
        else:
            found = (values if kind == "open" else subjects)(question, facts)[0]
            fact = next(own for own in facts if found in own and (kind == "open" or own[2] in question))
        asked[[own[:2] for own in facts].index(fact[:2])] += 1
        asked[fact[0]] += 1
    assert chisquare([asked[place] for place in range(3)]).pvalue > 1e-3
    assert {name for name in asked if isinstance(name, str)} == set(passages.RELATIONS)


@pytest.mark.parametrize("kind", ["yes-no", "claim"])
def test_a_false_value_stands_in_the_passage_about_half_of_the_time_where_it_can(kind):
    lures, all_values = [], Counter()
    for item in passages.questions(6000, kind, part="train", key="lures", facts=(2, 4)):
        facts, asked = parsed(item.prompt)
        name, subject, value = judged(asked) if kind == "yes-no" else read(asked.removesuffix("."))
        others = {own[2] for own in facts if own[0] == name and own[1] != subject}
        if item.answer == " no":
            all_values[name, value] += 1
            if others:
                lures.append(value in others)
    assert len(lures) > 800
    assert 0.48 < sum(lures) / len(lures) < 0.66  # a half, and a few of the other half by chance
    assert len(all_values) == sum(len(own.values) for own in passages.RELATIONS.values())


def test_the_order_of_the_facts_does_not_tell_the_answer():
    first = Counter()
    for item in passages.questions(3000, "yes-no", part="test", key="order", facts=(2, 2)):
        facts, asked = parsed(item.prompt)
        place = [own[:2] for own in facts].index(judged(asked)[:2])
        first[place, item.label] += 1
    assert chisquare([first[cell] for cell in ((0, 0), (0, 1), (1, 0), (1, 1))]).pvalue > 1e-3


def drawn(n=1000, key="parts"):
    return {part: passages.passages(n * (4 if part == "train" else 1), part=part, key=key) for part in PARTS}


def test_no_set_of_facts_lies_in_two_parts():
    sets = [{frozenset(passage) for passage in own} for own in drawn().values()]
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert all(len(own) > 700 for own in sets)


def test_a_drawn_passage_is_of_the_part_that_it_was_drawn_from_whatever_the_order():
    dice = random.Random(0)
    for part, own in drawn(150).items():
        for passage in own:
            assert passages.part_of(passage) == part
            assert passages.part_of(tuple(dice.sample(passage, len(passage)))) == part


def facts():
    def of(name):
        own = passages.RELATIONS[name]
        return st.builds(Fact, st.just(name), st.sampled_from(own.subjects), st.sampled_from(own.values))

    return st.sampled_from(sorted(passages.RELATIONS)).flatmap(of)


@settings(deadline=None)
@given(st.lists(facts(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_any_facts_does_not_move_a_passage(own, dice):
    assert passages.part_of(tuple(own)) == passages.part_of(tuple(dice.sample(own, len(own))))


@given(facts(), facts())
def test_two_facts_have_two_texts_and_are_read_as_they_were_meant(one, other):
    assert read(one.text.removesuffix(".")) == tuple(one)
    assert judged(one.question) == tuple(one)
    assert (one.text == other.text) == (one == other)


def test_eight_tenths_of_the_passages_are_for_training():
    dice, count = random.Random(1), Counter()
    for _ in range(1500):
        own = []
        for name in dice.sample(sorted(passages.RELATIONS), dice.randint(1, 4)):
            relation = passages.RELATIONS[name]
            own.append(Fact(name, dice.choice(relation.subjects), dice.choice(relation.values)))
        count[passages.part_of(tuple(own))] += 1
    assert chisquare([count[part] for part in PARTS], [1200, 150, 150]).pvalue > 1e-3


def test_no_prompt_and_no_group_of_items_is_in_two_parts():
    for of in (lambda item: item.prompt, lambda item: item.group):
        found = [
            {
                of(item)
                for kind in ("yes-no", "open")
                for item in passages.questions(800, kind, part=part, key=0)
            }
            for part in PARTS
        ]
        assert sum(map(len, found)) == len(set.union(*found))


def test_a_group_is_the_set_of_facts():
    for item in passages.questions(200, part="test", key=0):
        assert sorted(read_passage(item.group)) == sorted(parsed(item.prompt)[0])
    one, other = Fact("job", "Ben", "nurse"), Fact("colour", "box", "red")
    groups = {passages._item(own, "open", (0, 0, 0, 0)).group for own in ((one, other), (other, one))}
    assert len(groups) == 1


@pytest.mark.parametrize("bounds", [(1, 1), (1, 2), (2, 4), (3, 3), (4, 4), [1, 4]])
def test_a_passage_has_as_many_facts_as_asked_and_contradicts_nothing(bounds):
    lengths = set()
    for passage in passages.passages(600, part="train", key="limits", facts=bounds):
        lengths.add(len(passage))
        told = [fact[:2] for fact in passage]
        said = [(fact.relation, fact.value) for fact in passage]
        assert len(set(told)) == len(set(said)) == len(passage)
    assert lengths == set(range(bounds[0], bounds[1] + 1))


def test_facts_share_a_relation_or_a_subject_often_enough_to_need_binding():
    own = passages.passages(2000, part="train", key="bind", facts=(2, 2))
    assert 0.4 < sum(one.relation == other.relation for one, other in own) / 2000 < 0.7
    assert 0.05 < sum(one.subject == other.subject for one, other in own) / 2000 < 0.3


@pytest.mark.parametrize("part", PARTS)
def test_every_subject_and_every_value_turns_up(part):
    found = {fact for passage in passages.passages(4000, part=part, key="words") for fact in passage}
    for name, own in passages.RELATIONS.items():
        assert {fact.subject for fact in found if fact.relation == name} == set(own.subjects)
        assert {fact.value for fact in found if fact.relation == name} == set(own.values)


def test_a_key_fixes_the_draw_and_another_key_part_or_kind_changes_it():
    first = passages.questions(50, part="test", key=0)
    assert passages.questions(50, part="test", key=0) == first
    others = [
        passages.questions(50, part="test", key=1),
        passages.questions(50, part="validation", key=0),
        passages.questions(50, "claim", part="test", key=0),
    ]
    groups = [[item.group for item in own] for own in (first, *others)]
    assert all(own != groups[0] for own in groups[1:])


def test_an_endless_stream_is_blocks_of_passages_by_key():
    stream = passages.worlds("train", "w", (2, 3), block=20)
    own = [next(stream) for _ in range(60)]
    for i in range(3):
        blocks = passages.passages(20, part="train", key=f"w/{i}", facts=(2, 3))
        assert own[20 * i : 20 * i + 20] == blocks
    assert len(set(own)) > 50


def test_another_process_draws_the_same(root):
    code = """
import json
from lglib.tasks.microworld import passages
print(json.dumps([[i.prompt, i.answer] for i in passages.questions(40, part="test", key=("a", 1))]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": "99"},
    )
    own = passages.questions(40, part="test", key=("a", 1))
    assert json.loads(run.stdout) == [[item.prompt, item.answer] for item in own]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"part": "dev"}, "part is 'dev'; there is: train, validation, test"),
        ({"part": None}, "part is None"),
        ({"n": 0}, "n must be a whole number from 1, got 0"),
        ({"n": -1}, "n must be .* got -1"),
        ({"n": True}, "n must be .* got True"),
        ({"n": 3.0}, "n must be .* got 3.0"),
        ({"n": "3"}, "n must be .* got '3'"),
        ({"facts": (0, 2)}, r"facts must be \(fewest, most\) with 1 <= fewest <= most <= 4, got \(0, 2\)"),
        ({"facts": (3, 2)}, "facts must be .* got .3, 2"),
        ({"facts": (1, 5)}, "facts must be .* got .1, 5"),
        ({"facts": (1.0, 2)}, "facts must be .* got .1.0, 2"),
        ({"facts": (True, True)}, "facts must be .* got .True"),
        ({"facts": (1, 2, 3)}, "facts must be .* got .1, 2, 3"),
        ({"facts": 2}, "facts must be .* got 2"),
        ({"facts": None}, "facts must be .* got None"),
        ({"facts": "12"}, "facts must be .* got '12'"),
    ],
)
@pytest.mark.parametrize("draw", [passages.passages, passages.questions])
def test_what_cannot_be_drawn_says_why(draw, changes, told):
    with pytest.raises(ValueError, match=told):
        draw(**{"n": 4, "part": "test", "key": 0, **changes})


def test_an_unknown_kind_is_refused_everywhere():
    told = "kind is 'why'; there is: yes-no, claim, open, who"
    with pytest.raises(ValueError, match=told):
        passages.questions(1, "why", part="test", key=0)
    with pytest.raises(ValueError, match=told):
        passages.ask((Fact("job", "Ben", "nurse"),), "why", (0, 0, 0, 0))


@pytest.mark.parametrize(
    "fact",
    [
        Fact("age", "Ben", "nurse"),
        Fact("job", "Benjamin", "nurse"),
        Fact("job", "Ben", "red"),
        Fact("colour", "Ben", "red"),
    ],
)
def test_a_fact_of_another_world_has_no_part(fact):
    with pytest.raises(
        ValueError, match=r"the micro-world has no Fact.*place, job, likes, has, colour, size"
    ):
        passages.part_of((Fact("job", "Ida", "nurse"), fact))


def test_an_empty_passage_has_no_part():
    with pytest.raises(ValueError, match="passage is empty"):
        passages.part_of(())
