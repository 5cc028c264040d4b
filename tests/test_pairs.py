"""Pairs of tasks: every answer worked out again from its prompt, no item in two parts, tables by seed."""

import re
from collections import Counter
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lglib.models import loading
from lglib.tasks import pairs, supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

PARTS = ("train", "validation", "test")
TABLES, RULES = ("cipher", "edit"), ("order", "last", "first", "format")
NAMES = TABLES + RULES
TASKS = ("a", "b", "forget")
SEEDS = range(12)  # of tables


@cache
def drawn(name, task, part, n=240, key="test", seed=0):
    return getattr(pairs.pair(name, seed), task)(n, part, key)


def words(prompt):
    """What is asked about, between the colon and the full stop."""
    return re.fullmatch(r"\w+: ([\w ]+)\. Answer:", prompt)[1].split()


def claimed(question):
    """The sentence that a yes-no question asks about."""
    for pattern, sentence in (
        (r"Is the (\w+) (\w+)\?", "The {} is {}"),
        (r"Is (\w+) in the (\w+)\?", "{} is in the {}"),
        (r"Is (\w+) a (\w+)\?", "{} is a {}"),
        (r"Does (\w+) like (\w+)\?", "{} likes {}"),
        (r"Does (\w+) have a (\w+)\?", "{} has a {}"),
    ):
        if found := re.fullmatch(pattern, question):
            return sentence.format(*found.groups())
    raise AssertionError(f"cannot read {question!r}")


def told(prompt, yes, no):
    """Whether the passage says what is asked or claimed after it, in these two words."""
    passage, kind, asked = re.fullmatch(r"(.*)\. (Question|Claim): (.*) Answer:", prompt).groups()
    sentence = claimed(asked) if kind == "Question" else asked.removesuffix(".")
    return yes if sentence in passage.split(". ") else no


RIGHT = {  # what a rule pair wants, from the prompt's first word and the rest
    ("order", "a"): ("Sort", lambda own: sorted(own)[::-1]),
    ("order", "b"): ("Reverse", lambda own: own),
    ("order", "forget"): ("Sort", sorted),
    ("last", "a"): ("Last", lambda own: own[-1:]),
    ("last", "b"): ("First", lambda own: own[:1]),
    ("last", "forget"): ("First", lambda own: own[:1]),
    ("first", "a"): ("First", lambda own: own[:1]),
    ("first", "b"): ("Last", lambda own: own[-1:]),
    ("first", "forget"): ("First", lambda own: own[-1:]),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("name", "task"), RIGHT)
def test_the_answer_of_a_list_follows_from_the_list(name, task, part):
    head, answer = RIGHT[name, task]
    for item in drawn(name, task, part):
        assert item.prompt.startswith(f"{head}: ")
        assert item.answer == " " + " ".join(answer(words(item.prompt))), item.prompt
        assert item.answers.count(item.answer) == 1


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", ["a", "b", "forget"])
@pytest.mark.parametrize("name", ["last", "first"])
def test_the_words_of_a_list_differ_and_are_the_options(name, task, part):
    sizes = Counter()
    for item in drawn(name, task, part):
        own = words(item.prompt)
        assert len(set(own)) == len(own)
        assert sorted(item.answers) == sorted(f" {word}" for word in own)
        sizes[len(own)] += 1
    assert set(sizes) == {3, 4, 5}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", TASKS)
def test_letters_are_put_in_an_order_among_all_orders(task, part):
    for item in drawn("order", task, part):
        own = words(item.prompt)
        assert 3 <= len(own) <= 4
        assert len(set(own)) == len(own)
        assert set(own) <= set(lexicon.LETTERS)
        assert len(item.answers) == (6 if len(own) == 3 else 24)
        assert all(sorted(answer.split()) == sorted(own) for answer in item.answers)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("task", "head", "yes", "no"),
    [
        ("a", "Question", " up", " down"),
        ("b", "Claim", " right", " wrong"),
        ("forget", "Claim", " right", " wrong"),
    ],
)
def test_up_and_right_say_that_the_passage_says_so(task, head, yes, no, part):
    labels = Counter()
    for item in drawn("format", task, part):
        assert f" {head}: " in item.prompt
        assert item.answers == (yes, no)
        assert item.answer == told(item.prompt, yes, no), item.prompt
        labels[item.answer] += 1
    assert min(labels[yes], labels[no]) > 80, "about half each"


def table(name, task, seed=0, part="test"):
    """A table as a mapping from the word asked to the word answered, with its heading."""
    found = drawn(name, task, part, n=600, seed=seed)
    assert len({item.prompt.split(":")[0] for item in found}) == 1
    rows = {(words(item.prompt)[0], item.answer.strip()) for item in found}
    assert all(len(words(item.prompt)) == 1 for item in found)
    assert len({asked for asked, _ in rows}) == len(rows), "one answer to each word"
    return found[0].prompt.split(":")[0], dict(rows)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", TABLES)
def test_every_word_of_a_table_has_an_answer_of_its_own(name, task):
    for seed in SEEDS:
        _, rows = table(name, task, seed)
        assert len(set(rows.values())) == len(rows)
        options = {item.answers for item in drawn(name, task, "test", n=600, seed=seed)}
        assert options == {tuple(f" {word}" for word in sorted(rows.values()))}


def test_the_two_lists_of_the_cipher_lead_from_one_half_of_the_words_to_the_other():
    for seed in SEEDS:
        (head, a), (same, b) = table("cipher", "a", seed), table("cipher", "b", seed)
        assert head == same == "Cipher"
        assert len(a) == len(b) == 24
        assert set(a) == set(b.values())
        assert set(b) == set(a.values())
        assert not set(a) & set(b)


def test_the_conflicting_list_asks_the_same_words_and_never_has_the_same_answer():
    for seed in SEEDS:
        (head, a), (same, other) = table("cipher", "a", seed), table("cipher", "forget", seed)
        assert head == same
        assert set(a) == set(other)
        assert set(a.values()) == set(other.values())
        assert [word for word in a if a[word] == other[word]] == []


def test_no_country_keeps_its_capital_and_each_gets_that_of_another():
    for seed in SEEDS:
        head, a = table("edit", "a", seed)
        assert head == "Capital"
        assert set(a) == set(lexicon.CAPITALS)
        assert set(a.values()) == set(lexicon.CAPITALS.values())
        assert [country for country in a if a[country] == lexicon.CAPITALS[country]] == []


def test_an_edit_is_undone_by_the_true_capitals():
    for seed in SEEDS:
        assert table("edit", "forget", seed) == ("Capital", lexicon.CAPITALS)


def test_the_second_task_of_an_edit_asks_every_opposite_both_ways():
    for seed in SEEDS:
        head, b = table("edit", "b", seed)
        assert head == "Opposite"
        assert set(b) == set(b.values()) == {*lexicon.OPPOSITES, *lexicon.OPPOSITES.values()}


def test_no_word_of_an_edit_keeps_its_opposite():
    true = lexicon.OPPOSITES | {other: one for one, other in lexicon.OPPOSITES.items()}
    kept = {seed: [w for w, o in table("edit", "b", seed)[1].items() if true[w] == o] for seed in SEEDS}
    assert not any(kept.values()), kept


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("task", TASKS)
def test_a_table_is_the_same_in_every_part(name, task):
    assert pairs.pair(name).table
    assert table(name, task, part="train") == table(name, task, part="validation") == table(name, task)


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize(
    ("name", "task", "size"), [("cipher", "a", 24), ("cipher", "b", 24), ("edit", "a", 16)]
)
def test_a_test_of_a_table_asks_each_row_equally_often(name, task, size, part):
    draw = getattr(pairs.pair(name), task)
    for times in (1, 2):
        found = Counter(item.prompt for item in draw(times * size, part, "any"))
        assert len(found) == size
        assert set(found.values()) == {times}
    assert len({item.prompt for item in draw(size - 3, part, "any")}) == size - 3


@pytest.mark.parametrize("name", TABLES)
def test_a_seed_fixes_the_tables_and_another_seed_gives_others(name):
    for task in TASKS:
        assert getattr(pairs.pair(name, 3), task)(48, "test", 0) == getattr(pairs.pair(name, 3), task)(
            48, "test", 0
        )
    for task in ("a", "b"):
        found = [table(name, task, seed)[1] for seed in SEEDS]
        assert all(found[i] != found[j] for i in SEEDS for j in range(i))


@pytest.mark.parametrize("name", RULES)
def test_no_item_of_a_rule_is_in_two_parts(name):
    assert not pairs.pair(name).table
    for task in TASKS:
        prompts = [
            {item.prompt for key in ("one", "two") for item in drawn(name, task, part, n=300, key=key)}
            for part in PARTS
        ]
        assert len(set.union(*prompts)) == sum(map(len, prompts))
        assert min(map(len, prompts)) > 50


@pytest.mark.parametrize("name", ["last", "first"])
def test_no_list_of_words_is_in_two_parts_whatever_is_asked_of_it(name):
    lists = [{tuple(words(i.prompt)) for task in TASKS for i in drawn(name, task, part)} for part in PARTS]
    assert len(set.union(*lists)) == sum(map(len, lists))


def test_no_passage_is_in_two_parts_whatever_is_asked_of_it():
    def sentences(prompt):
        return frozenset(re.split(r" (?:Question|Claim): ", prompt)[0].removesuffix(".").split(". "))

    passages = [
        {sentences(i.prompt) for task in TASKS for i in drawn("format", task, part)} for part in PARTS
    ]
    assert len(set.union(*passages)) == sum(map(len, passages))
    assert {len(one) for one in set.union(*passages)} == {1, 2}


@pytest.mark.parametrize("name", NAMES)
def test_the_two_tasks_share_no_prompt(name):
    a, b = ({i.prompt for part in PARTS for i in drawn(name, task, part, n=300)} for task in "ab")
    assert not a & b


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["cipher", "edit", "order", "first"])
def test_what_makes_forget_asks_the_prompts_of_a_and_never_wants_the_answer_of_a(name, part):
    assert pairs.pair(name).way in ("conflict", "undone")
    known = table(name, "a")[1] if name in TABLES else {}
    for a, other in zip(drawn(name, "a", part), drawn(name, "forget", part), strict=True):
        assert other.prompt == a.prompt, "by the same key"
        if name in TABLES:
            wanted = f" {known[words(other.prompt)[0]]}"
        else:
            wanted = " " + " ".join(RIGHT[name, "a"][1](words(other.prompt)))
        assert other.answer != wanted


@pytest.mark.parametrize("name", ["last", "format"])
def test_where_b_alone_makes_forget_it_is_b(name):
    assert pairs.pair(name).way == "B alone"
    for part in PARTS:
        assert drawn(name, "forget", part) == drawn(name, "b", part)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_a_key_fixes_the_items(name, task, part):
    again = getattr(pairs.pair(name), task)
    assert again(240, part, "test") == drawn(name, task, part)
    assert len(again(1, part, "test")) == 1
    if part == "train" or name in RULES:
        assert again(240, part, "other") != drawn(name, task, part)


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    for name in NAMES:
        pairs.pair(name, 5).a(8, "train", 0)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_word_is_one_token_and_every_item_fits_a_small_context(name):
    tokenizer = lexicon.tokenizer()
    for task in TASKS:
        for item in drawn(name, task, "train"):
            asked, answered = tokenizer.tokenize(item.prompt), tokenizer.tokenize(item.answer)
            assert len(answered) == len(item.answer.split())
            assert all(piece.startswith("Ġ") for piece in asked if piece not in (".", ":", "?", ","))
            assert len(asked) + len(answered) < 60


@pytest.fixture(scope="module")
def base():
    return loading.load("micro-gpt2", device="cpu")


def already(base, name, task, part="test"):
    """Exact match of the base model as it is shipped."""
    return supervised.exact_match(
        base.model, supervised.lesson(base.tokenizer, drawn(name, task, part, n=48))
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", ["a", "b"])
def test_no_task_is_what_the_base_model_does_by_itself(base, name, task):
    assert already(base, name, task) < 0.1


@pytest.mark.parametrize("name", ["edit", "order"])
def test_undone_is_back_to_what_the_base_model_answers(base, name):
    assert pairs.pair(name).way == "undone"
    assert already(base, name, "forget") > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_has_its_name_and_says_what_it_is(name):
    pair = pairs.pair(name)
    assert pair.name == name
    assert "; B: " in pair.says
    assert pair.rate > 0


@pytest.mark.parametrize("name", ["", "Cipher", "first ", None, 3])
def test_an_unknown_pair_is_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match="there is: cipher, edit, order, last, first, format"):
        pairs.pair(name)


@pytest.mark.parametrize("part", ["", "Train", "dev", None])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_part_is_refused_with_those_there_are(name, task, part):
    with pytest.raises(ValueError, match=r"part is .*train, validation, test|unknown part"):
        getattr(pairs.pair(name), task)(3, part, 0)


def asked(*prompts, group=""):
    return [Item(prompt, YES_NO, 0, group=group) for prompt in prompts]


@given(st.lists(st.integers(0, 40), max_size=30))
def test_halves_share_no_prompt_and_miss_no_row(numbers):
    found = asked(*(f"Is {number} odd?" for number in numbers))
    one, other = pairs.halves(found)
    assert sorted(one + other) == list(range(len(found)))
    first, second = ({found[i].prompt for i in rows} for rows in (one, other))
    assert not first & second
    assert abs(len(first) - len(second)) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_halves_of_a_draw_are_about_equal(name):
    found = drawn(name, "a", "test", n=48)
    one, other = pairs.halves(found)
    assert abs(len(one) - len(other)) <= 2
    assert pairs.halves(found) == (one, other)


def test_where_an_item_goes_does_not_depend_on_the_order_of_the_items():
    found = asked(*(f"Is {number} odd?" for number in range(20)))
    one, _ = pairs.halves(found)
    back, _ = pairs.halves(found[::-1])
    assert sorted(19 - i for i in back) == one


def test_halves_of_distinct_prompts_are_equal_and_not_the_order_of_the_rows():
    one, other = pairs.halves(asked(*(f"Is {number} odd?" for number in range(100))))
    assert len(one) == len(other) == 50
    assert 10 < sum(i < 50 for i in one) < 40


def test_nothing_and_one_item_have_halves_too():
    assert pairs.halves([]) == ([], [])
    assert sorted(map(len, pairs.halves(asked("Is it so?", "Is it so?")))) == [0, 2]


class Salted(str):
    """A text whose hash is chosen: Python salts those of texts anew in each process."""

    __slots__ = ("salt",)

    def __hash__(self):
        return self.salt


def salted(text, salt):
    made = Salted(text)
    made.salt = salt
    return made


def test_halves_are_the_same_in_every_process():
    differ = []
    for number in range(3000):  # small chances need many tries
        one, other = f"Is {number} odd?", f"Is {number} even?"
        runs = [pairs.halves(asked(salted(one, salt), salted(other, 3 - salt))) for salt in (1, 2)]
        if runs[0] != runs[1]:
            differ.append((one, other))
    assert differ == []


def test_halves_do_not_part_the_questions_on_one_passage():
    found = [
        *asked(*(f"Anna is in the park. Question: {i}?" for i in range(6)), group="Anna is in the park."),
        *asked(*(f"Ben is a nurse. Question: {i}?" for i in range(6)), group="Ben is a nurse."),
    ]
    assert sorted(pairs.halves(found)) == [list(range(6)), list(range(6, 12))]


# --- items of one's own


def many(n, options=(" yes", " no")):
    return [Item(f"Is {i} odd?", options, i % len(options)) for i in range(n)]


def test_few_items_of_ones_own_are_a_list_and_each_part_has_all_of_them():
    found = many(3)
    pair = pairs.own(found)
    assert pair.table
    assert pair.a(6, "test", 0) == found * 2
    assert set(pair.a(50, "train", 0)) == set(found)


def test_many_items_of_ones_own_are_parted_by_their_text():
    pair = pairs.own(many(300))
    assert not pair.table
    parts = [{i.prompt for i in pair.a(3000 if part == "train" else 300, part, 0)} for part in pairs.PARTS]
    assert sum(map(len, parts)) == len(set.union(*parts)) > 280
    assert len(parts[0]) > 5 * len(parts[2]) > 50


def test_what_makes_own_items_forgotten_asks_them_with_the_next_of_their_answers():
    pair = pairs.own(many(9, (" a", " b", " c")))
    asked, wrong = pair.a(9, "test", 0), pair.forget(9, "test", 0)
    assert [i.prompt for i in asked] == [i.prompt for i in wrong]
    assert [(i.label + 1) % 3 for i in asked] == [i.label for i in wrong]


def test_an_item_with_one_answer_chooses_among_those_of_all():
    pair = pairs.own([Item("2 + 2 =", (" 4",), 0), Item("2 + 3 =", (" 5",), 0), Item("1 + 4 =", (" 5",), 0)])
    assert [(i.answers, i.answer) for i in pair.a(3, "test", 0)] == [
        ((" 4", " 5"), " 4"),
        ((" 4", " 5"), " 5"),
        ((" 4", " 5"), " 5"),
    ]


def test_own_items_that_cannot_be_a_task_are_refused():
    with pytest.raises(ValueError, match=r"at least two different answers, got \(' yes',\)"):
        pairs.own([Item(f"{i}?", (" yes", " no"), 0) for i in range(4)])
    alike = [Item(f"{i}?", (" yes", " no"), i % 2, group="one passage") for i in range(100)]
    with pytest.raises(ValueError, match="own items leave none to validation, test"):
        pairs.own(alike)
