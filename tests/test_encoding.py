"""Prompts that end where the answer begins, for tokenizers of every habit."""

import pytest
import spaced
from tokenizers import processors

from lglib.tasks import encoding, scoring, supervised
from lglib.tasks.encoding import SplitAnswer
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

every_habit = pytest.mark.parametrize("habit", spaced.HABITS)
PROMPTS = ["Is it? Answer:", "Answer:", "no no. Is it? Answer:", "Is it", "Answer: no"]


@every_habit
@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_answer_is_what_both_have_beyond_the_prompt(habit, prompt):
    """The oracle encodes the whole texts."""
    own = spaced.tokenizer(habit)
    for answer in (*YES_NO, " yes no"):
        before, whole = own(prompt).input_ids, own(prompt + answer).input_ids
        assert whole[: len(before)] == before
        found = encoding.answers(own, [prompt], [answer])[0]
        assert found == whole[len(before) :]
        assert own.convert_ids_to_tokens(found) == [spaced.SPACE + word for word in answer.split()]


@every_habit
def test_yes_and_no_are_one_token_each(habit):
    own = spaced.tokenizer(habit)
    assert own.convert_ids_to_tokens(scoring.ids(own, YES_NO)) == [f"{spaced.SPACE}yes", f"{spaced.SPACE}no"]


def test_alone_they_would_be_two():
    """Where the tokenizer adds a space of its own; the reason for looking behind a prompt."""
    own = spaced.tokenizer("legacy")
    assert len(own(" yes", add_special_tokens=False).input_ids) > 1


@every_habit
def test_a_lesson_learns_the_tokens_that_follow_the_prompt(habit):
    own = spaced.tokenizer(habit)
    items = [Item("Is it? Answer:", YES_NO, 0), Item("no no. Is it? Answer:", YES_NO, 1)]
    lesson = supervised.lesson(own, items)
    for row, item, targets in zip(lesson.tokens.tolist(), items, lesson.targets.tolist(), strict=True):
        whole = own(item.prompt + item.answer).input_ids
        assert row[: len(whole)] == whole
        assert targets == whole[-1:]


def test_the_micro_models_answers_are_those_of_the_answer_alone():
    """So that what was measured with them stays as it was."""
    own = lexicon.tokenizer()
    for word in lexicon.words()[:200]:
        answer = f" {word}"
        assert encoding.answers(own, ["Is it? Answer:"], [answer]) == [own(answer).input_ids[1:]]


def test_an_answer_that_melts_into_the_prompt_is_refused():
    own = lexicon.tokenizer()
    with pytest.raises(SplitAnswer, match=r"the answer 'en' has a token in common with the end .*'kitch'"):
        encoding.answers(own, ["Anna is in the kitch"], ["en"])


@pytest.mark.parametrize("prompt", ["", "  ", "Answer: ", "Answer:\n"])
def test_a_prompt_may_end_in_spaces_or_be_nothing(prompt):
    own = lexicon.tokenizer()
    before, whole = (own(t, add_special_tokens=False).input_ids for t in (prompt, f"{prompt}yes"))
    if whole[: len(before)] == before:
        assert encoding.answers(own, [prompt], ["yes"]) == [whole[len(before) :]]
    else:
        with pytest.raises(SplitAnswer):
            encoding.answers(own, [prompt], ["yes"])


@every_habit
def test_a_tokenizer_that_closes_its_texts_is_refused(habit):
    own = spaced.tokenizer(habit)
    assert encoding.behind_text(own) == []
    own.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert encoding.behind_text(own) == [2]
    with pytest.raises(ValueError, match=r"ends every text with \['</s>'\]: an answer cannot follow"):
        encoding.prompts(own, ["Is it?"])
