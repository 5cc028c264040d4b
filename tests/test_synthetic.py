"""Synthetic tasks: right answers, parts that cannot leak, draws that follow from a key."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from lglib.tasks import synthetic

ORACLE = {  # rows of Python whole numbers, no torch
    "copy": list,
    "reverse": lambda row: [row[-1 - i] for i in range(len(row))],
    "sort": lambda row: [digit for digit in range(10) for seen in row if seen == digit],
    "shift": lambda row: [int(str(digit + 3)[-1]) for digit in row],
    "negate": lambda row: ["9876543210".index(str(digit)) for digit in row],
}
LENGTHS = (1, 2, 3, 4)
rows = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=1, max_size=5)
)


def everything(length):
    return [list(row) for row in itertools.product(range(10), repeat=length)]


def part_by_hand(row):
    number = 0
    for digit in row:
        number = 10 * number + digit
    bucket = (number * 2654435761 & 0xFFFFFFFF) // 65536 % 10
    return "train" if bucket < 8 else ("validation" if bucket == 8 else "test")


def parsed(batch):
    """Tasks, inputs and answers of a batch, read token by token."""
    names = {synthetic.TOKENS[name]: name for name in synthetic.TOKENS}
    length = (batch.shape[1] - 2) // 2
    for row in batch.tolist():
        assert row[length + 1] == synthetic.SEP
        yield names[row[0]], row[1 : length + 1], row[length + 2 :]


def test_the_oracle_knows_every_task_and_the_tokens_are_distinct():
    assert set(ORACLE) == set(synthetic.TASKS) == set(synthetic.TOKENS)
    every = [*range(10), *synthetic.TOKENS.values(), synthetic.SEP]
    assert sorted(every) == list(range(synthetic.VOCABULARY))


@given(rows, st.sampled_from(sorted(ORACLE)))
def test_answers_are_those_of_the_oracle(x, task):
    assert synthetic.answer(task, torch.tensor(x)).tolist() == [ORACLE[task](row) for row in x]


def test_asking_for_an_answer_leaves_the_question_alone():
    for task in ORACLE:
        x = torch.tensor([[3, 1, 2]])
        synthetic.answer(task, x)
        assert x.tolist() == [[3, 1, 2]]


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_any_whole_numbers_will_do(kind):
    x = torch.tensor([[9, 8, 0]], dtype=kind)
    assert synthetic.answer("shift", x).tolist() == [[2, 1, 3]]
    assert synthetic.part_of(x) == [part_by_hand([9, 8, 0])]


@pytest.mark.parametrize("length", LENGTHS)
def test_every_input_lies_in_just_one_part(length):
    x = everything(length)
    named = synthetic.part_of(torch.tensor(x))
    assert named == [part_by_hand(row) for row in x]
    assert set(named) <= set(synthetic.PARTS)


@pytest.mark.parametrize(("length", "room"), [(2, 0.05), (3, 0.02), (4, 0.01)])
def test_the_shares_of_the_parts_are_eighty_ten_and_ten(length, room):
    named = synthetic.part_of(torch.tensor(everything(length)))
    for part, share in {"train": 0.8, "validation": 0.1, "test": 0.1}.items():
        assert abs(named.count(part) / len(named) - share) <= room, (part, named.count(part))


@pytest.mark.parametrize(("length", "n"), [(2, 3000), (3, 30000), (4, 250000)])
def test_draws_from_the_parts_cover_all_inputs_and_share_none(length, n):
    found = {}
    for part in synthetic.PARTS:
        x = synthetic.draw("copy", n, part=part, key="all", length=length)[:, 1 : length + 1]
        found[part] = {tuple(row) for row in x.unique(dim=0).tolist()}
    assert sum(map(len, found.values())) == len(set.union(*found.values())) == 10**length
    for part, seen in found.items():
        assert all(part_by_hand(row) == part for row in seen)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(ORACLE)),
    st.sampled_from(sorted(synthetic.PARTS)),
    st.integers(2, 9),
    st.one_of(st.integers(), st.text(max_size=4)),
    st.integers(1, 40),
)
def test_a_draw_holds_inputs_of_its_part_and_right_answers(task, part, length, key, n):
    batch = synthetic.draw(task, n, part=part, key=key, length=length)
    assert batch.shape == (n, 2 * length + 2)
    assert batch.dtype == torch.int64
    for name, x, y in parsed(batch):
        assert (name, y, part_by_hand(x)) == (task, ORACLE[task](x), part)


def test_of_inputs_of_one_digit_there_are_train_ones_at_least():
    batch = synthetic.draw("negate", 200, part="train", key=0, length=1)
    assert {x[0] for _, x, _ in parsed(batch)} == {i for i in range(10) if part_by_hand([i]) == "train"}


@pytest.mark.parametrize("part", sorted(synthetic.PARTS))
def test_inputs_are_uniform_over_the_part(part):
    cells = [tuple(row) for row in everything(2) if part_by_hand(row) == part]
    x = synthetic.draw("copy", 200 * len(cells), part=part, key="uniform", length=2)[:, 1:3].tolist()
    counts = [sum(tuple(row) == cell for row in x) for cell in cells]
    assert sum(counts) == 200 * len(cells)
    assert chisquare(counts).pvalue > 1e-3


def test_several_tasks_take_turns_and_each_row_is_answered_by_its_own():
    names = ["sort", "copy", "negate", "reverse", "shift"]
    batch = synthetic.draw(names, 33, part="train", key=1, length=4)
    found = list(parsed(batch))
    assert [name for name, _, _ in found] == [names[i % 5] for i in range(33)]
    assert all(y == ORACLE[name](x) for name, x, y in found)


def test_a_task_named_twice_gets_two_turns():
    found = list(parsed(synthetic.draw(["copy", "shift", "copy"], 6, part="test", key=1)))
    assert [name for name, _, _ in found] == ["copy", "shift", "copy"] * 2
    assert all(y == ORACLE[name](x) for name, x, y in found)


def test_tasks_of_one_key_are_asked_the_same_inputs():
    one, two = (synthetic.draw(name, 20, part="train", key=5)[:, 1:7] for name in ("copy", "sort"))
    assert torch.equal(one, two)


def test_a_key_fixes_the_draw_and_another_key_or_part_changes_it():
    def drawn(key=0, part="train"):
        return synthetic.draw(["copy", "sort"], 64, part=part, key=key)

    first = drawn()
    torch.manual_seed(99)
    assert torch.equal(drawn(), first)
    others = [drawn(key=1), drawn(key="0/0"), drawn(key="00"), drawn(part="test")]
    assert all(not torch.equal(other, first) for other in others)


def test_a_draw_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    synthetic.draw("copy", 10, part="train", key=0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_each_batch_of_a_stream_can_be_drawn_again_by_its_key(part):
    batches = list(synthetic.stream(["copy", "sort"], 8, 5, key="7/base", length=3, part=part))
    assert len(batches) == 5
    for step, batch in enumerate(batches):
        again = synthetic.draw(["copy", "sort"], 8, part=part, key=f"7/base/{step}", length=3)
        assert torch.equal(batch, again)
    assert len({tuple(b.flatten().tolist()) for b in batches}) == 5


def test_a_stream_is_of_the_train_part_unless_told_otherwise():
    for batch in synthetic.stream("copy", 50, 3, key=0):
        assert all(part_by_hand(x) == "train" for _, x, _ in parsed(batch))


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, 3),
        torch.zeros(2, 3, dtype=torch.bool),
        torch.zeros(2, 3, dtype=torch.complex64),
        torch.zeros(3, dtype=torch.int64),
        torch.zeros(2, 3, 4, dtype=torch.int64),
        torch.zeros(0, 3, dtype=torch.int64),
        torch.zeros(3, 0, dtype=torch.int64),
        torch.tensor([[0, 10]]),
        torch.tensor([[-1, 0]]),
        [[1, 2]],
        None,
    ],
    ids=lambda x: f"{tuple(x.shape)} {x.dtype}" if isinstance(x, torch.Tensor) else repr(x),
)
@pytest.mark.parametrize(
    "ask", [lambda x: synthetic.answer("copy", x), synthetic.part_of], ids=["answer", "part_of"]
)
def test_what_is_not_rows_of_digits_is_refused(ask, x):
    with pytest.raises(ValueError, match=r"x must be rows \(n, L\) of whole digits 0 to 9, got"):
        ask(x)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"task": "double"}, "task is 'double'; there is: copy, reverse, sort, shift, negate"),
        ({"task": ["copy", "double"]}, "task is 'double'"),
        ({"task": []}, "task is empty"),
        ({"part": "dev"}, "part is 'dev'; there is: train, validation, test"),
        ({"n": 0}, r"n must be a whole number from 1, got 0"),
        ({"n": -3}, "got -3"),
        ({"n": True}, "n must be a whole number.*got True"),
        ({"n": 2.0}, "n must be a whole number.*got 2.0"),
        ({"n": "4"}, "n must be a whole number.*got '4'"),
        ({"n": 2, "task": ["copy", "sort", "shift"]}, "n must be a whole number from 3, got 2"),
        ({"length": 0}, "length must be a whole number from 1 to 9, got 0"),
        ({"length": 10}, "length must be a whole number from 1 to 9, got 10"),
        ({"length": 3.0}, "length must be a whole number from 1 to 9, got 3.0"),
        ({"length": True}, "length must be a whole number from 1 to 9, got True"),
        ({"length": 1, "part": "validation"}, "part 'validation' has no input of length 1"),
    ],
)
def test_a_draw_that_cannot_be_made_says_why(changes, told):
    arguments = {"task": "copy", "n": 4, "part": "train", "key": 0, **changes}
    task, n = arguments.pop("task"), arguments.pop("n")
    with pytest.raises(ValueError, match=told):
        synthetic.draw(task, n, **arguments)


def test_an_unknown_task_has_no_answer_and_no_stream():
    with pytest.raises(ValueError, match="task is 'double'"):
        synthetic.answer("double", torch.tensor([[1]]))
    with pytest.raises(ValueError, match="task is 'double'"):
        next(synthetic.stream("double", 4, 1, key=0))
