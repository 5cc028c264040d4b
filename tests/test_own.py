"""Files of one's own in their three formats: what becomes of their lines, and what is told of bad ones."""

import hashlib
import json

import pytest

from lglib.tasks import own
from lglib.tasks.own import BadData

GOOD = {"question": "is it red", "passage": "The box is red.", "answer": True}
CLAIM = {"statement": "The box is red.", "label": False}
PAIR = {"prompt": "The capital of France is", "answer": " Paris"}


@pytest.fixture
def write(tmp_path):
    def written(*lines, name="own.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    return written


def other(row, **changes):
    return {**row, **changes}


def test_the_first_line_says_of_which_kind_a_file_is(write):
    assert own.read(write(GOOD)).kind == "question"
    assert own.read(write(CLAIM)).kind == "statement"
    assert own.read(write(PAIR)).kind == "prompt"
    with pytest.raises(BadData, match="2 of 2 lines are no items: line 1: 'question' is missing"):
        own.read(write({"text": "x"}, {"text": "y"}))
    with pytest.raises(BadData, match="line 2: 'question' is missing"):
        own.read(write(GOOD, CLAIM))


@pytest.mark.parametrize(
    ("named", "label"), [({"label": True}, 0), ({"label": False}, 1), ({"label": 1}, 0), ({"label": 0}, 1)]
)
def test_a_label_does_as_well_as_an_answer(write, named, label):
    row = {k: v for k, v in GOOD.items() if k != "answer"}
    (item,) = own.read(write(row | named)).items
    assert (item.answers, item.label) == ((" yes", " no"), label)


def test_an_answer_and_a_label_that_differ_are_told(write):
    assert own.read(write(GOOD | {"label": True})).items[0].label == 0
    with pytest.raises(BadData, match="line 2: 'answer' is True and 'label' False"):
        own.read(write(CLAIM | GOOD | {"passage": "x"}, GOOD | {"label": False}))


def test_equal_lines_are_dropped_and_counted_and_the_file_is_named_by_its_hash(write):
    path = write(GOOD, other(GOOD, passage="Another."), GOOD, other(GOOD, question="Is it red??"), GOOD)
    found = own.read(path)
    assert len(found.items) == 3  # Is and is are not the same prompt
    assert found.duplicates == 2
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(found) == "own.jsonl: 3 items of kind question, 2 equal lines dropped"


def test_lines_that_contradict_each_other_are_named_by_number(write):
    path = write(
        GOOD, other(GOOD, passage="x"), other(GOOD, answer=False), other(GOOD, question="is it red?")
    )
    told = "1 of 4 lines are no items: line 3: it asks what line 1 asks and answers ' no', not ' yes'"
    for read in (own.read, own.read_questions):
        with pytest.raises(BadData, match=told):
            read(path)
    with pytest.raises(BadData, match="line 2: it asks what line 1 asks and answers ' Lyon', not ' Paris'"):
        own.read(write(PAIR, other(PAIR, answer=" Lyon")))


def test_answer_words_of_ones_own_stand_for_true_and_false(write):
    found = own.read(write(GOOD), template="{passage} {question}?", answers=(" right", " wrong")).items[0]
    assert (found.prompt, found.answers, found.answer) == (
        "The box is red. is it red?",
        (" right", " wrong"),
        " right",
    )
    assert own.read(write(CLAIM), answers=(" A", " B")).items[0].answer == " B"


@pytest.mark.parametrize("answers", [(" yes",), (" yes", " yes"), (" yes", ""), (" a", " b", " c")])
def test_answer_words_that_are_not_two_are_refused(write, answers):
    with pytest.raises(ValueError, match="answers must be two different texts or none"):
        own.read(write(GOOD), answers=answers)


def test_a_prompt_may_have_an_answer_of_any_length(write):
    found = own.read(
        write(PAIR, {"prompt": "Sort: c a", "answer": " a c"}, {"prompt": "2+2=", "answer": "4"})
    )
    assert [item.prompt + item.answer for item in found.items] == [
        "The capital of France is Paris",
        "Sort: c a a c",
        "2+2=4",
    ]
    assert {len(item.answers) for item in found.items} == {1}


def test_the_space_between_prompt_and_answer_belongs_to_the_answer(write):
    (item,) = own.read(write({"prompt": "The capital of France is ", "answer": "Paris"})).items
    assert (item.prompt, item.answer) == ("The capital of France is", " Paris")


def test_prompts_with_two_answers_in_all_choose_between_these(write):
    rows = [{"prompt": f"Review {i}:", "answer": (" good", " bad")[i % 2]} for i in range(4)]
    items = own.read(write(*rows)).items
    assert {item.answers for item in items} == {(" good", " bad")}
    assert [item.label for item in items] == [0, 1, 0, 1]


def test_a_line_may_name_what_there_is_to_choose_from(write):
    row = PAIR | {"answers": [" Cairo", " Paris"]}
    (item,) = own.read(write(row)).items
    assert (item.answers, item.label) == ((" Cairo", " Paris"), 1)
    for bad in ([" Cairo", " Rome"], [" Paris", " Paris"], [" Paris", ""], "Paris"):
        with pytest.raises(BadData, match="line 1: 'answer"):
            own.read(write(PAIR | {"answers": bad}))


def test_a_file_that_is_not_there_is_told_with_the_folder_from_which_it_was_sought(
    tmp_path, monkeypatch, write
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"data is 'none.jsonl': there is no such file, seen from /"):
        own.read("none.jsonl")
    write(GOOD, name="mine.jsonl")
    assert own.read("mine.jsonl").name == "mine.jsonl"


def test_a_template_must_fit_the_kind_of_the_file(write):
    with pytest.raises(ValueError, match=r"must have the fields \['passage', 'statement'\] and no others"):
        own.read(write(CLAIM), template="{passage} {question}?")
    with pytest.raises(ValueError, match=r"must have the fields \['prompt'\] and no others"):
        own.read(write(PAIR), template="{passage}")
    assert own.read(write(PAIR), template="Q: {prompt}").items[0].prompt.startswith("Q: The capital")
