"""Sources of items: files of one's own, good and bad, and prompts that fit a context."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lglib.tasks import data
from lglib.tasks.data import BadData, Fitted, fit, micro, read_questions, read_statements
from lglib.tasks.items import YES_NO, Item, split
from lglib.tasks.microworld import lexicon, passages, skills

TOKENIZER = lexicon.tokenizer()
GOOD = {"question": "is it red", "passage": "The box is red.", "answer": True}
RED = {"question": "is it red", "passage": "The cup is red.", "answer": True}
BLUE = {"question": "is it blue", "passage": "The box is red.", "answer": False}
CLAIM = {"statement": "The box is red.", "label": False}
LINE = json.dumps(GOOD).encode()


@pytest.fixture
def write(tmp_path):
    def written(*lines, end=b"\n"):
        path = tmp_path / "own.jsonl"
        path.write_bytes(
            b"".join((own if isinstance(own, bytes) else json.dumps(own).encode()) + end for own in lines)
        )
        return path

    return written


def size(text, special=True):
    return len(TOKENIZER(text, add_special_tokens=special).input_ids)


@pytest.mark.parametrize("kind", [*passages.KINDS, *skills.SKILLS])
def test_micro_gives_items_of_every_kind_from_the_test_part(kind):
    items = micro(20, kind)
    source = skills if kind in skills.SKILLS else passages
    assert items == source.questions(20, kind, part="test", key=0)
    assert {item.kind for item in items} == {kind}
    assert micro(20, kind, part="validation", key="x") == source.questions(
        20, kind, part="validation", key="x"
    )


def test_an_unknown_kind_or_part_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"kind is 'boolq'; there is: yes-no, claim, open, who, sort, .*, take"
    ):
        micro(1, "boolq")
    for kind in ("yes-no", "sort"):
        with pytest.raises(ValueError, match="part is 'dev'; there is: train, validation, test"):
            micro(1, kind, part="dev")
        with pytest.raises(ValueError, match="n must be a whole number from 1, got 0"):
            micro(0, kind)


def test_questions_of_a_file_become_items(write):
    other = {**GOOD, "answer": False, "question": " is it BLUE?? ", "title": "more fields do no harm"}
    items = read_questions(write(GOOD, other))
    assert [item.prompt for item in items] == [
        "The box is red. Question: is it red? Answer:",
        "The box is red. Question: is it BLUE? Answer:",
    ]
    assert [item.answer for item in items] == [" yes", " no"]
    assert {(item.answers, item.kind, item.source, item.group) for item in items} == {
        (YES_NO, "yes-no", "own.jsonl", "The box is red.")
    }


def test_claims_may_do_without_a_passage_and_then_are_their_own_group(write):
    items = read_statements(write(CLAIM, {**CLAIM, "passage": " The box is blue. ", "label": True}))
    assert [(item.prompt, item.answer, item.group) for item in items] == [
        ("Claim: The box is red. Answer:", " no", "Claim: The box is red. Answer:"),
        ("The box is blue. Claim: The box is red. Answer:", " yes", "The box is blue."),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\n  \t\n", b" \r\n\r\n"])
def test_line_ends_and_empty_lines_do_not_count(write, end):
    assert len(read_questions(write(GOOD, BLUE, RED, end=end))) == 3


def test_the_last_line_needs_no_end_and_a_mark_of_byte_order_is_passed_over(tmp_path):
    (tmp_path / "own.jsonl").write_bytes(b"\xef\xbb\xbf" + LINE + b"\n" + json.dumps(BLUE).encode())
    assert len(read_questions(tmp_path / "own.jsonl")) == 2
    assert len(read_questions(str(tmp_path / "own.jsonl"))) == 2


@pytest.mark.parametrize(
    "text", ["Où est-ce 🙂", "箱は赤い", "a\u2028b\u2029c", "a\nb\tc", "{question} {0} {{x}}", '"quoted\\"']
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_any_text_gets_through_unchanged(write, text, ascii_only):
    row = {**GOOD, "passage": text, "question": text}
    [item] = read_questions(write(json.dumps(row, ensure_ascii=ascii_only).encode()))
    assert item.prompt == f"{text} Question: {text}? Answer:"


def test_a_huge_line_is_read(write):
    [item] = read_questions(write({**GOOD, "passage": "red " * 500_000 + "box"}))
    assert len(item.prompt) > 2_000_000


def test_a_template_of_ones_own_is_filled_in(write):
    path = write(GOOD)
    [item] = read_questions(path, template="{question}? ({passage}) A:")
    assert item.prompt == "is it red? (The box is red.) A:"
    [item] = read_questions(path, template="{{Q}} {question}")  # the passage may be left out
    assert (item.prompt, item.group) == ("{Q} is it red", "The box is red.")
    [item] = read_statements(write(CLAIM), template="Is it so? {statement}")
    assert item.prompt == "Is it so? The box is red."


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "not JSON"),
        (b"is it red", "not JSON"),
        (LINE + b" " + LINE, "not JSON .Extra data"),
        (LINE.replace(b"red", b"r\xe9d"), "not UTF-8"),
        (LINE.decode().encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf" + LINE, "not JSON"),  # a mark in the middle of the file
        (b"[" * 200_000, "not JSON"),
        (b'{"question": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"[1, 2]", "a line must be a JSON object, got list"),
        (b"[" + LINE + b"]", "a line must be a JSON object, got list"),
        (b"null", "a line must be a JSON object, got NoneType"),
        (b'"text"', "a line must be a JSON object, got str"),
        (b"3", "a line must be a JSON object, got int"),
        (b"{}", "'question' is missing"),
        ({"passage": "x", "answer": True}, "'question' is missing"),
        ({"question": "x", "answer": True}, "'passage' is missing"),
        ({"question": "x", "passage": "x"}, "'answer' is missing"),
        ({**GOOD, "question": None}, "'question' must be text, got None"),
        ({**GOOD, "question": ["x"]}, r"'question' must be text, got \['x'\]"),
        ({**GOOD, "question": " \n"}, "'question' must be text, got ' .n'"),
        ({**GOOD, "question": " ? ?"}, "'question' must be text, got ' . .'"),
        ({**GOOD, "passage": ""}, "'passage' must be text, got ''"),
        ({**GOOD, "passage": 3}, "'passage' must be text, got 3"),
        ({**GOOD, "passage": "\ud83d"}, "'passage' is not valid Unicode"),
        ({**GOOD, "answer": "yes"}, "'answer' must be true or false, got 'yes'"),
        ({**GOOD, "answer": 1}, "'answer' must be true or false, got 1"),
        ({**GOOD, "answer": None}, "'answer' must be true or false, got None"),
    ],
    ids=lambda own: str(own)[:40],
)
def test_a_bad_line_is_told_with_its_number_and_what_is_wrong(write, line, told):
    with pytest.raises(BadData, match=rf"^own.jsonl: 1 of 3 lines are no items: line 3: {told}"):
        read_questions(write(GOOD, b"", line, GOOD))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"label": True}, "'statement' is missing"),
        ({"statement": "x"}, "'label' is missing"),
        ({**CLAIM, "statement": 3}, "'statement' must be text, got 3"),
        ({**CLAIM, "label": "true"}, "'label' must be true or false, got 'true'"),
        ({**CLAIM, "passage": None}, "'passage' must be text, got None"),
        ({**CLAIM, "passage": " "}, "'passage' must be text, got ' '"),
    ],
)
def test_a_bad_claim_is_told_too(write, row, told):
    with pytest.raises(BadData, match=rf"^own.jsonl: 1 of 2 lines are no items: line 2: {told}$"):
        read_statements(write(CLAIM, row))


def test_many_bad_lines_are_counted_and_the_first_five_shown(write):
    with pytest.raises(BadData) as caught:
        read_questions(write(GOOD, *[b"bad"] * 7, GOOD))
    message = str(caught.value)
    assert message.startswith("own.jsonl: 7 of 9 lines are no items: line 2: not JSON")
    assert [f"line {i}:" in message for i in range(1, 10)] == [False, *[True] * 5, False, False, False]
    assert message.endswith("; and 2 more")


def test_five_bad_lines_are_all_shown_and_no_more_announced(write):
    with pytest.raises(BadData) as caught:
        read_questions(write(*[b"bad"] * 5))
    assert "line 5:" in str(caught.value)
    assert "more" not in str(caught.value)


def test_a_bad_field_of_a_million_letters_does_not_flood_the_message(write):
    with pytest.raises(BadData) as caught:
        read_questions(write({**GOOD, "answer": "x" * 1_000_000}, {**GOOD, "question": ["x"] * 100_000}))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_without_items_is_an_error(tmp_path, content):
    (tmp_path / "own.jsonl").write_bytes(content)
    for read in (read_questions, read_statements):
        with pytest.raises(BadData, match=r"^own.jsonl holds no items$"):
            read(tmp_path / "own.jsonl")


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    for read in (read_questions, read_statements):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none.jsonl")


def test_bad_data_is_a_value_error():
    assert issubclass(BadData, ValueError)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{passage} Answer:", r"\['question'\]"),
        ("", r"\['question'\]"),
        ("{passage} {{question}}", r"\['question'\]"),  # braces that are meant
        ("{question} {title}", "title"),
        ("{question} {answer}", "answer"),
        ("{question} {}", "positional|''"),
        ("{question} {0}", "0"),
        ("{question} {passage.title}", "passage.title|attribute"),
        ("{question} {passage[0]}", "passage.0"),
        ("{question} {passage[x]}", "passage.x|indices"),
        ("{question} {", "Single"),
        ("{question} }", "Single"),
        ("{question} {passage:d}", "format code"),
    ],
)
def test_a_template_with_other_fields_is_refused_before_the_file_is_read(tmp_path, template, told):
    with pytest.raises(
        ValueError, match=r"must have the fields \['passage', 'question'\] and no others: "
    ) as caught:
        read_questions(tmp_path / "none.jsonl", template=template)
    assert not isinstance(caught.value, BadData)
    with pytest.raises(ValueError, match=told):
        read_questions(tmp_path / "none.jsonl", template=template)


def test_a_template_of_claims_has_fields_of_its_own(tmp_path):
    with pytest.raises(ValueError, match=r"must have the fields \['passage', 'statement'\] and no others"):
        read_statements(tmp_path / "none.jsonl", template=data.TEMPLATE)


def long_item(words, question="Question: Is the box red? Answer:", answers=YES_NO, label=0, **fields):
    told = " ".join(lexicon.NAMES[i % 40] for i in range(words))
    return Item(f"{told} {question}", answers, label, **fields)


@pytest.mark.parametrize("context", [11, 12, 20, 39, 60])
def test_a_long_prompt_keeps_its_question_and_fills_the_context(context):
    item = long_item(60)
    fitted = fit([item], TOKENIZER, context)
    [own] = fitted.items
    assert item.prompt.endswith(own.prompt)
    assert own.prompt.endswith("Question: Is the box red? Answer:")
    assert size(own.prompt) + 1 == context
    assert (fitted.cut, fitted.left_out, fitted.given, fitted.context) == (1, 0, 1, context)


def test_a_prompt_that_fits_to_the_token_is_left_alone_and_one_token_less_cuts_it():
    item = long_item(5)
    whole = size(item.prompt) + 1
    assert fit([item], TOKENIZER, whole) == Fitted([item], 0, 0, 1, whole)
    assert fit([item], TOKENIZER, whole - 1).items[0].prompt == item.prompt.removeprefix("Anna ")


def test_room_is_left_for_the_longest_answer():
    answers = (" red", " red box park", " red box")
    item = long_item(30, answers=answers, label=0)
    for context in (16, 25):
        [own] = fit([item], TOKENIZER, context).items
        assert size(own.prompt) + 3 == context
        assert (own.answers, own.label) == (answers, 0)


@pytest.mark.parametrize("question", ["Question: Is the box red? Answer:", "Claim: The box is red. Answer:"])
def test_a_question_that_alone_is_too_long_is_left_out_and_never_cut(question):
    alone, after = Item(question, YES_NO, 0), long_item(9, question)
    for context in range(2, size(question) + 1):
        assert fit([alone, after], TOKENIZER, context) == Fitted([], 0, 2, 2, context)
    context = size(question) + 1
    fitted = fit([alone, after], TOKENIZER, context)
    assert [item.prompt for item in fitted.items] == [question] * 2
    assert (fitted.cut, fitted.left_out) == (1, 0)


def test_a_passage_that_speaks_of_questions_does_not_mislead():
    item = Item("Claim: no Question: yes " * 9 + "Question: Is it red? Answer:", YES_NO, 0)
    [own] = fit([item], TOKENIZER, 20).items
    assert own.prompt.endswith(" Question: Is it red? Answer:")
    assert size(own.prompt) == 19


def test_lines_and_tabs_part_words_too():
    item = Item("Anna\nBen\tCara\nQuestion: Is it red? Answer:", YES_NO, 0)
    [own] = fit([item], TOKENIZER, size("Question: Is it red? Answer:") + 1).items
    assert own.prompt == "Question: Is it red? Answer:"


def test_without_cutting_a_long_prompt_is_left_out():
    short, long = long_item(2), long_item(50)
    fitted = fit([long, short, long], TOKENIZER, 20, cut=False)
    assert fitted == Fitted([short], 0, 2, 3, 20)
    assert str(fitted) == "of 3 prompts 0 were cut on the left to 20 tokens, 2 left out"


def test_items_keep_their_order_and_everything_but_the_prompt():
    items = [long_item(n, label=n % 2, kind="k", source=str(n), group=f"g{n}") for n in (40, 2, 90, 3)]
    fitted = fit(items, TOKENIZER, 24)
    assert [(i.label, i.answers, i.kind, i.source, i.group) for i in fitted.items] == [
        (i.label, i.answers, i.kind, i.source, i.group) for i in items
    ]
    assert fitted.cut == 2
    assert items[0].prompt == long_item(40).prompt  # as it was


def test_cutting_moves_no_item_to_another_part():
    items = [Item(f"{i} {long_item(30).prompt}", YES_NO, i % 2, source=str(i)) for i in range(60)]
    places = {item.source: name for name, own in split(items).items() for item in own}
    fitted = fit(items, TOKENIZER, 20)
    assert fitted.cut == 60
    assert {item.source: name for name, own in split(fitted.items).items() for item in own} == places


def test_a_word_without_end_is_left_out():
    fitted = fit([Item("x" * 90, YES_NO, 0), Item("x" * 90 + "  ", YES_NO, 0)], TOKENIZER, 30)
    assert (fitted.items, fitted.left_out) == ([], 2)


def test_nothing_fits_trivially():
    assert fit([], TOKENIZER, 8) == Fitted([], 0, 0, 0, 8)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<|>"), max_size=8)


@settings(max_examples=80, deadline=None)
@given(st.lists(words, max_size=20), words, st.integers(2, 60))
def test_what_is_kept_fits_ends_as_it_did_and_is_counted(passage, asked, context):
    item = Item(f"{' '.join(passage)} Question: {asked}? Answer:", YES_NO, 1)
    fitted = fit([item], TOKENIZER, context)
    for own in fitted.items:
        assert size(own.prompt) + 1 <= context
        assert item.prompt.endswith(own.prompt)
        assert own.prompt.endswith(f"Question: {asked}? Answer:")
        assert own.label == 1
    assert fitted.cut == (fitted.items not in ([], [item]))
    assert fitted.left_out == 1 - len(fitted.items)
    least = min(size(item.prompt), size(f"Question: {asked}? Answer:"))
    assert (fitted.left_out == 0) == (least + 1 <= context)


@pytest.mark.parametrize("context", [1, 0, -3, True, 8.0, "8", None])
def test_a_context_is_a_whole_number_of_tokens(context):
    with pytest.raises(ValueError, match=f"context must be a whole number from 2, got {context!r}"):
        fit([long_item(2)], TOKENIZER, context)
