"""Items: what a question must be, and parts that no text can slip between."""

import json
import os
import random
import subprocess
import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from lglib.tasks.items import PARTS, YES_NO, Item, part_of, split

words = st.lists(st.text("abcXYZéÄ09?.,", min_size=1, max_size=6), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompt": ""}, "prompt must be text that is not empty, got ''"),
        ({"prompt": " \n\t"}, "prompt must be text"),
        ({"prompt": None}, "prompt must be text that is not empty, got None"),
        ({"prompt": b"Is it?"}, "prompt must be text"),
        ({"answers": ()}, r"answers must be a tuple of at least one text, got \(\)"),
        ({"answers": [" yes", " no"]}, "answers must be a tuple"),
        ({"answers": " yes"}, "answers must be a tuple"),
        ({"answers": (" yes", 0)}, "answers must be a tuple"),
        ({"answers": None}, "answers must be a tuple"),
        ({"answers": (" yes", " yes")}, "answers must differ and not be empty"),
        ({"answers": (" yes", " ")}, "answers must differ and not be empty"),
        ({"answers": (" yes", "")}, "answers must differ and not be empty"),
        ({"label": 2}, r"label must be the index of one of \(' yes', ' no'\), got 2"),
        ({"label": -1}, "label must be the index .* got -1"),
        ({"label": True}, "label must be the index .* got True"),
        ({"label": 1.0}, "label must be the index .* got 1.0"),
        ({"label": None}, "label must be the index .* got None"),
        ({"label": "1"}, "label must be the index .* got '1'"),
        ({"kind": None}, "kind, source and group must be text, got .None"),
        ({"source": 3}, "kind, source and group must be text"),
        ({"group": ("a", "b")}, "kind, source and group must be text"),
    ],
)
def test_what_is_no_item_is_refused_and_named(changes, told):
    with pytest.raises(ValueError, match=told):
        Item(**{"prompt": "Is it? Answer:", "answers": YES_NO, "label": 0, **changes})


def test_an_item_gives_its_answer_and_cannot_be_changed():
    item = Item("Is it? Answer:", (" a", " b", " c"), 2)
    assert item.answer == " c"
    with pytest.raises(AttributeError):
        item.label = 0
    assert item == Item("Is it? Answer:", (" a", " b", " c"), 2)


@given(words, st.randoms(use_true_random=False))
def test_capitals_and_spaces_do_not_move_a_text(own, dice):
    changed = [word.swapcase() if dice.random() < 0.5 else word for word in own]
    gaps = [dice.choice([" ", "  ", "\n", "\t ", "\u00a0", "\r\n"]) for _ in own]
    spread = " " + "".join(word + gap for word, gap in zip(changed, gaps, strict=True))
    assert part_of(spread) == part_of(" ".join(own))


@given(st.text())
def test_two_encodings_of_one_text_lie_in_one_part(text):
    assert part_of(unicodedata.normalize("NFD", text)) == part_of(unicodedata.normalize("NFC", text))


@given(words)
def test_where_words_end_does_count(own):
    texts = [f"{i} {' '.join(own)}" for i in range(60)]
    assert [part_of(text) for text in texts] != [part_of(text.replace(" ", "")) for text in texts]


def test_texts_fall_evenly_into_the_parts_whatever_these_are():
    for parts in (PARTS, ("a", "b"), [str(i) for i in range(10)]):
        counts = Counter(part_of(f"Is {i} odd?", parts) for i in range(6000))
        assert set(counts) == set(parts)
        assert chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize(("parts", "shown"), [((), r"\[\]"), (("a", "b", "a"), r"\['a', 'b', 'a'\]")])
def test_parts_that_are_none_or_named_twice_are_refused(parts, shown):
    with pytest.raises(ValueError, match=f"parts must be different names, at least one, got {shown}"):
        part_of("x", parts)


def adversary(n):
    """Items that want to be in two parts: one passage with many questions, written in many ways."""
    dice = random.Random(0)
    for i in range(n):
        passage = f"Anna is in room {i % 40}. The BOX is red."
        passage = dice.choice([passage, passage.lower(), passage.upper(), "  ".join(passage.split())])
        prompt = f"{passage} Question: Is it {i}? Answer:"
        yield Item(prompt, YES_NO, i % 2, source=str(i), group=passage)


def test_a_passage_stays_in_one_part_however_it_is_written():
    found = split(adversary(600))
    rooms = [{" ".join(item.group.casefold().split()) for item in own} for own in found.values()]
    assert sum(map(len, rooms)) == len(set.union(*rooms)) == 40
    assert list(found) == list(PARTS)
    assert all(rooms)


def test_an_item_without_a_group_goes_by_its_prompt():
    items = [
        Item(text, YES_NO, label) for label in (0, 1) for i in range(60) for text in (f"It {i}", f" iT  {i} ")
    ]
    for name, own in split(items).items():
        assert all(part_of(item.prompt) == name for item in own)
        assert set(Counter(item.prompt.lower().split()[1] for item in own).values()) == {4}


def test_no_item_is_lost_or_made_and_neither_order_nor_company_moves_one():
    items = list(adversary(200))
    at = {item: name for name, own in split(items).items() for item in own}
    assert sorted(at, key=str) == sorted(items, key=str)
    mixed = random.Random(1).sample(items, 90)
    assert {item: name for name, own in split(mixed).items() for item in own} == {i: at[i] for i in mixed}
    for own in split(items).values():  # as they came
        assert own == sorted(own, key=items.index)


def test_parts_of_nothing_are_empty_and_named():
    assert split([]) == {"select": [], "extract": [], "evaluate": []}
    assert split([], ("a", "b")) == {"a": [], "b": []}


def test_parts_do_not_change_from_release_to_release():
    assert [part_of(f"Is {i} odd?") for i in range(6)] == [
        "extract",
        "extract",
        "extract",
        "select",
        "extract",
        "evaluate",
    ]
    assert part_of("Ist die Straße lang?") == part_of("IST DIE STRASSE LANG?")


@pytest.mark.parametrize("seed", ["1", "4711"])
def test_another_process_finds_the_same_parts(seed, root):
    code = """
import json
from lglib.tasks.items import part_of
print(json.dumps([part_of(f"é {i}") for i in range(50)]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert json.loads(run.stdout) == [part_of(f"é {i}") for i in range(50)]
