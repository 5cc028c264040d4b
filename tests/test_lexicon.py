"""The lexicon: a word is a token, any other text is bytes, and a saved tokenizer is the same tokenizer."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lglib.models import tokenizer as door
from lglib.tasks.microworld import corpus, facts, lexicon, passages, skills

TOKENIZER = lexicon.tokenizer()
WORDS = lexicon.words()
SENTENCE = "Anna is in the park. The box is red. Question: Is it Rome? Answer: no, it is false."


def ids(text, tokenizer=TOKENIZER):
    return tokenizer(text, add_special_tokens=False).input_ids


def digest(tokenizer):
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def documents():
    """Text of every generator: passages, notes, questions, skills, stories, and the three streams."""
    for passage in passages.passages(300, part="validation", key="lexicon"):
        yield passages.text(passage)
        yield facts.note(passage)
    for kind in passages.KINDS:
        for item in passages.questions(300, kind, part="test", key="lexicon"):
            yield from (item.prompt, *item.answers)
    for skill in skills.SKILLS:
        for item in skills.questions(200, skill, part="test", key="lexicon"):
            yield from (item.prompt, *item.answers)
    yield from skills.stories(300, part="test", key="lexicon")
    streams = (corpus.copying("l"), corpus.lookups("l"), corpus.mixed("l", facts=(1, 4), flips=0.1))
    for document in itertools.chain.from_iterable(itertools.islice(stream, 200) for stream in streams):
        yield "".join(text for text, _ in document)


def test_every_word_is_one_token_and_no_two_words_share_it():
    own = [ids(f" {word}") for word in WORDS]
    assert all(len(found) == 1 for found in own)
    assert len({found[0] for found in own}) == len(WORDS) == len(set(WORDS))
    assert all(TOKENIZER.decode(found) == f" {word}" for word, found in zip(WORDS, own, strict=True))


def test_the_words_are_those_of_the_lists():
    tables = (lexicon.PLURALS, lexicon.OPPOSITES, lexicon.CAPITALS)
    lists = (
        lexicon.GRAMMAR, lexicon.NAMES, lexicon.PLACES, lexicon.JOBS, lexicon.FOODS, lexicon.BELONGINGS,
        lexicon.THINGS, lexicon.COLOURS, lexicon.SIZES, lexicon.LETTERS, lexicon.NUMBERS,
    )  # fmt: skip
    known = {word for own in lists for word in own}
    assert set(WORDS) == known | {word for own in tables for pair in own.items() for word in pair}


def test_no_word_has_two_senses():
    lists = (
        lexicon.NAMES, lexicon.PLACES, lexicon.JOBS, lexicon.FOODS, lexicon.BELONGINGS, lexicon.THINGS,
        lexicon.COLOURS, lexicon.SIZES, lexicon.LETTERS, lexicon.NUMBERS,
    )  # fmt: skip
    tables = (lexicon.PLURALS, lexicon.OPPOSITES, lexicon.CAPITALS)
    every = [word for own in lists for word in own] + [
        w for own in tables for pair in own.items() for w in pair
    ]
    assert [word for word, n in Counter(every).items() if n > 1] == []


def test_what_follows_a_article_starts_with_no_vowel():
    after = [*lexicon.JOBS, *lexicon.BELONGINGS, *lexicon.THINGS, *lexicon.COLOURS, *list(lexicon.PLURALS)]
    assert [word for word in after if word[0] in "aeiou"] == []


def test_the_vocabulary_is_two_marks_every_byte_and_the_words():
    assert len(TOKENIZER) == 2 + 256 + len(WORDS)
    assert (TOKENIZER.bos_token, TOKENIZER.eos_token, TOKENIZER.pad_token) == (
        "<|end|>",
        "<|end|>",
        "<|pad|>",
    )
    assert TOKENIZER.unk_token is None
    assert (TOKENIZER.bos_token_id, TOKENIZER.pad_token_id) == (0, 1)


def test_a_prompt_gets_one_mark_in_front_and_none_behind():
    assert TOKENIZER(SENTENCE).input_ids == [TOKENIZER.bos_token_id, *ids(SENTENCE)]
    assert TOKENIZER("").input_ids == [TOKENIZER.bos_token_id]
    two = TOKENIZER(["Anna is tired.", "Ben"], padding=True).input_ids
    assert two[1] == [0, *ids("Ben"), *[TOKENIZER.pad_token_id] * (len(two[0]) - 2)]


def test_an_answer_is_the_token_that_it_is_in_the_text():
    whole = TOKENIZER("Answer: yes").input_ids
    assert whole[-1:] == ids(" yes")
    assert TOKENIZER("Answer:").input_ids == whole[:-1]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text().filter(lambda text: "<|" not in text), st.lists(st.sampled_from(WORDS)).map(" ".join))
)
@example("")
@example("two  spaces, tabs\tand\r\nnewlines\n\n")
@example("naïve 🙂👩‍👩‍👧 日本語 \u202eright to left")
@example("don't I'll we've it's")
@example("\x00\x7f\ufeff")
@example(" , . ?")
def test_any_text_comes_back_as_it_was_but_for_the_first_space(text):
    found = TOKENIZER.decode(ids(text), clean_up_tokenization_spaces=False)
    assert found == (text if text.startswith(" ") or not text else f" {text}")


@pytest.mark.parametrize("word", ["Rome", "anna", "KITCHEN", "kitchens", "parkour"])
def test_an_unknown_word_is_its_letters(word):
    assert TOKENIZER.tokenize(f" {word}") == ["Ġ", *word]


def test_the_generators_write_no_word_that_is_not_known():
    known = {f"Ġ{word}" for word in WORDS} | set(".,:?") | {"Ġ"}
    for text in documents():
        found = TOKENIZER.tokenize(text)
        assert set(found) <= known, text
        assert found.count("Ġ") == 0, text


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "olmo2"])
def test_a_saved_tokenizer_is_loaded_as_it_was_beside_any_model(family, tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    loaded = door.read(tmp_path)  # AutoTokenizer alone cuts the text of a qwen2 its own way
    texts = ["", " ", "kitchen", "  two\n", "don't 🙂 <|end|> x", SENTENCE, " ".join(WORDS), *WORDS]
    for text in texts:
        assert loaded(text).input_ids == TOKENIZER(text).input_ids, text
        own = TOKENIZER(text).input_ids
        assert loaded.decode(own) == TOKENIZER.decode(own)
    assert loaded.get_vocab() == TOKENIZER.get_vocab()
    for mark in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "model_max_length"):
        assert getattr(loaded, mark) == getattr(TOKENIZER, mark), mark
    assert loaded.is_fast


@pytest.mark.parametrize("family", ["gpt2", "olmo2"])
def test_transformers_alone_loads_it_too(family, tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    assert digest(AutoTokenizer.from_pretrained(tmp_path)) == digest(TOKENIZER)


def test_saving_a_loaded_tokenizer_writes_the_same_file(tmp_path):
    TOKENIZER.save_pretrained(tmp_path / "one")
    AutoTokenizer.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    one, two = ((tmp_path / name / "tokenizer.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_every_build_gives_the_same_file_in_any_process(root):
    code = """
import hashlib
from lglib.tasks.microworld import lexicon
print(hashlib.sha256(lexicon.tokenizer().backend_tokenizer.to_str().encode()).hexdigest())
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )
    assert run.stdout.strip() == digest(lexicon.tokenizer()) == digest(TOKENIZER)
