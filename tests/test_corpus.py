"""The corpus: right answers but for the flips, only the train part, weights on the tokens they are for."""

import itertools
import re
from collections import Counter

import pytest
import torch
from scipy.stats import binomtest, chisquare

from lglib.tasks.items import YES_NO
from lglib.tasks.microworld import corpus, lexicon, passages, skills
from lglib.tasks.microworld.passages import Fact

TOKENIZER = lexicon.tokenizer()
BOS = TOKENIZER.bos_token_id
STREAMS = {
    "copying": corpus.copying,
    "lookups": corpus.lookups,
    "mixed": lambda key: corpus.mixed(key, facts=(1, 4)),
}
FACTS = {  # every fact of the world, by the two words that a note has of it, and by its sentence
    (subject, value): Fact(name, subject, value)
    for name, own in passages.RELATIONS.items()
    for subject in own.subjects
    for value in own.values
}
SENTENCES = {fact.text: fact for fact in FACTS.values()}


def first(stream, n=600):
    return list(itertools.islice(stream, n))


def text(document):
    return "".join(piece for piece, _ in document)


def sort_of(document):
    """What kind of document it is, by its looks."""
    whole = text(document)
    if whole.startswith("Repeat: "):
        return "repeat"
    if whole.startswith(" "):
        return "skills"
    if " Again: " in whole:
        return "restated"
    if len(document) == 1:
        return "story"
    return "reading"


def passage(document):
    """The facts that a document starts with."""
    told = document[0][0].removesuffix(" Again:")
    if told.startswith("Note: "):
        pairs = told.removeprefix("Note: ").removesuffix(".").split(", ")
        return tuple(FACTS[tuple(pair.split())] for pair in pairs)
    return tuple(SENTENCES[f"{sentence}."] for sentence in told.removesuffix(".").split(". "))


def asked(document):
    """Questions, their answers, and what goes on after the answer, of a reading."""
    pieces = [piece for piece, _ in document[1:]]
    while pieces:
        question, answer, end, *pieces = pieces
        onward = ""
        if end != ".":
            onward, (end, *pieces) = end, pieces
        assert end == "."
        yield question.removeprefix(" "), answer, onward


def right(question, facts):
    """All answers that the facts give to a question of any form."""
    bare = question.removeprefix("Question: ").removesuffix(" Answer:").removesuffix("?")
    if bare in {word for pair in FACTS for word in pair}:
        return [v if bare == s else s for _, s, v in facts if bare in (s, v)]
    question = question.removeprefix("Question: ").removesuffix(" Answer:")
    if question.startswith("Claim: "):
        return ["yes" if question.removeprefix("Claim: ") in [fact.text for fact in facts] else "no"]
    opened = [fact.value for fact in facts if fact.open_question == question]
    who = [fact.subject for fact in facts if fact.who_question == question]
    if opened or who:
        return opened + who
    assert question in ASKED, question
    return ["yes" if question in [fact.question for fact in facts] else "no"]


ASKED = {fact.question for fact in FACTS.values()}


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_only_passages_of_the_train_part_are_told(name):
    told = [d for d in first(STREAMS[name](0), 1500) if sort_of(d) in ("reading", "restated")]
    assert len(told) > 100
    for document in told:
        assert passages.part_of(passage(document)) == "train"


def test_the_passages_and_stories_of_test_items_are_never_told():
    documents = first(corpus.mixed("leak", facts=(1, 4)), 1500)
    told = {frozenset(passage(d)) for d in documents if sort_of(d) in ("reading", "restated")}
    for part in ("validation", "test"):
        for kind in passages.KINDS:
            for item in passages.questions(300, kind, part=part, key="leak"):
                assert (
                    frozenset(SENTENCES[f"{s}."] for s in item.group.removesuffix(".").split(". "))
                    not in told
                )
    stories = {text(d) for d in documents if sort_of(d) == "story"}
    assert len(stories) > 100
    assert {skills.part_of(story) for story in stories} == {"train"}


def test_skills_are_train_items_three_a_document_and_rightly_answered():
    documents = [d for d in first(corpus.mixed(1, facts=(1, 2)), 1500) if sort_of(d) == "skills"]
    seen = Counter()
    for document in documents:
        assert len(document) == 9
        for (prompt, _), (answer, weight), (stop, _) in zip(
            document[::3], document[1::3], document[2::3], strict=True
        ):
            name = prompt.split(":")[0].strip().lower()
            seen[name] += 1
            assert (weight, stop) == (corpus.ANSWER, ".")
            if name in skills.RULES:
                assert skills.part_of(prompt.strip().removesuffix(". Answer:")) == "train"
            words = prompt.split(": ")[1].removesuffix(". Answer:").split()
            if name == "sort":
                assert answer.split() == sorted(words)
            elif name == "count":
                assert answer == f" {lexicon.NUMBERS[len(words)]}"
    assert set(seen) == set(corpus.SKILLS) == set(skills.SKILLS)
    shares = [corpus.SKILLS[name] * seen.total() / sum(corpus.SKILLS.values()) for name in seen]
    assert chisquare(list(seen.values()), shares).pvalue > 1e-3


def test_the_shares_of_the_mixed_corpus_are_as_written():
    seen = Counter(sort_of(d) for d in first(corpus.mixed(2, facts=(1, 4)), 2000))
    shares = {"reading": 0.6, "restated": 0.08, "repeat": 0.04, "skills": 0.18, "story": 0.1}
    assert set(seen) == set(shares)
    assert chisquare([seen[s] for s in shares], [2000 * share for share in shares.values()]).pvalue > 1e-3


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_every_answer_without_flips_is_one_that_the_passage_gives(name):
    for document in first(STREAMS[name](3), 800):
        if sort_of(document) == "reading":
            facts = passage(document)
            for question, answer, _ in asked(document):
                assert answer.removeprefix(" ") in right(question, facts), text(document)


@pytest.mark.parametrize("back", [0.0, 0.75, 1.0])
def test_so_large_a_share_of_lookups_asks_from_the_value_to_the_subject(back):
    answers = []
    for document in first(corpus.lookups(10, back=back), 1500):
        if sort_of(document) == "reading":
            answers += [piece.strip() for piece, weight in document if weight == corpus.ANSWER]
    subjects = sum(answer in lexicon.NAMES + lexicon.THINGS for answer in answers)
    assert binomtest(subjects, len(answers), back).pvalue > 1e-3


def test_a_bare_name_is_asked_only_where_it_has_one_answer():
    for document in first(corpus.lookups(11), 1500):
        if sort_of(document) != "reading":
            continue
        subjects = [fact.subject for fact in passage(document)]
        for piece, weight in document[1:]:
            assert weight == corpus.ANSWER or subjects.count(piece.strip(" ?")) < 2, text(document)


def test_rows_to_repeat_are_of_the_train_part():
    for document in first(corpus.copying(12), 800):
        if sort_of(document) == "repeat":
            assert skills.part_of(document[0][0].removesuffix(". Answer:")) == "train"


@pytest.mark.parametrize("flips", [0.1, 0.5, 1.0])
def test_so_large_a_share_of_yes_and_no_is_wrong_and_nothing_else_is(flips):
    wrong = []
    for document in first(corpus.mixed(4, facts=(1, 4), flips=flips), 1200):
        if sort_of(document) != "reading":
            continue
        facts = passage(document)
        for question, answer, onward in asked(document):
            found = answer.removeprefix(" ") in right(question, facts)
            if answer in YES_NO:
                wrong.append(not found)
                assert onward in ("", f", it is {'true' if answer == ' yes' else 'false'}")
            else:
                assert found, text(document)
                assert onward == ""
    assert len(wrong) > 1500
    assert binomtest(sum(wrong), len(wrong), flips).pvalue > 1e-3


def test_yes_and_no_are_as_frequent_and_a_third_goes_on():
    asks = [
        a for d in first(corpus.mixed(5, facts=(1, 4)), 1500) if sort_of(d) == "reading" for a in asked(d)
    ]
    judged = [(answer, onward) for _, answer, onward in asks if answer in YES_NO]
    assert binomtest(sum(answer == " yes" for answer, _ in judged), len(judged)).pvalue > 1e-3
    assert binomtest(sum(onward != "" for _, onward in judged), len(judged), 1 / 3).pvalue > 1e-3


def test_a_restated_passage_says_the_same_facts_again():
    for document in first(corpus.mixed(6, facts=(2, 4)), 800):
        if sort_of(document) == "restated":
            again = text(document).split(" Again: ")[1]
            assert Counter(passage(document)) == Counter(
                SENTENCES[f"{s}."] for s in again.removesuffix(".").split(". ")
            )


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_rows_to_repeat_are_repeated(name):
    rows = [text(d) for d in first(STREAMS[name](7), 800) if sort_of(d) == "repeat"]
    assert rows
    for row in rows:
        words, again = re.fullmatch(r"Repeat: (.*)\. Answer: (.*)\.", row).groups()
        assert words == again


@pytest.mark.parametrize(("facts", "lengths"), [((1, 1), {1}), ((2, 3), {2, 3}), ((4, 4), {4})])
def test_passages_have_as_many_facts_as_asked(facts, lengths):
    documents = [d for d in first(corpus.mixed(8, facts=facts), 300) if sort_of(d) in ("reading", "restated")]
    assert {len(passage(d)) for d in documents} == lengths


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_every_piece_has_a_positive_weight_and_the_answers_the_largest(name):
    for document in first(STREAMS[name](9)):
        assert {weight for _, weight in document} <= {corpus.ANSWER, corpus.TEXT, corpus.FAINT}
        if sort_of(document) == "reading":
            answers = [answer for _, answer, _ in asked(document)]
            assert [piece for piece, weight in document if weight == corpus.ANSWER] == answers


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_key_fixes_a_stream_and_another_key_changes_it(name):
    own = first(STREAMS[name](0), 60)
    torch.manual_seed(5)
    assert first(STREAMS[name](0), 60) == own
    assert first(STREAMS[name](1), 60) != own


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_a_stream_does_not_end_or_turn_round(name):
    own = [text(d) for d in first(STREAMS[name](0), 1300)]
    assert len(set(own)) > 1100


def test_skills_and_stories_do_not_come_again_in_the_next_block():
    stories = first(corpus._stories(0), 3 * corpus.BLOCK)
    assert len(set(stories)) > 2.9 * corpus.BLOCK
    skills = [text(d) for d in first(corpus._skills(0), 3 * corpus.BLOCK)]
    assert len(set(skills)) > 2.9 * corpus.BLOCK


def rows_of(documents, rows, length):
    return next(corpus.batches(TOKENIZER, iter(documents), rows=rows, length=length))


def encoded(words):
    return TOKENIZER(words, add_special_tokens=False).input_ids


@pytest.mark.parametrize("name", sorted(STREAMS))
@pytest.mark.parametrize(("rows", "length"), [(1, 1), (3, 17), (8, 64)])
def test_batches_are_full_rows_of_tokens_and_positive_weights(name, rows, length):
    for tokens, weights in itertools.islice(
        corpus.batches(TOKENIZER, STREAMS[name](0), rows=rows, length=length), 3
    ):
        assert tokens.shape == weights.shape == (rows, length)
        assert (tokens.dtype, weights.dtype) == (torch.int64, torch.float32)
        assert (tokens[:, 0] == BOS).all()
        assert (weights > 0).all()
        assert not (tokens == TOKENIZER.pad_token_id).any()
        assert tokens.max() < len(TOKENIZER)


def test_each_token_has_the_weight_of_its_piece_and_the_cut_keeps_them_together():
    one = [("Anna is", 0.25), (" in the park", 1.0), (" kitchen Ben", 0.5)]
    other = [("The box", 0.75), (" red", 0.125)]
    tokens, weights = rows_of([one, other, one, other], 2, 10)
    first = [BOS, *encoded("Anna is in the park kitchen Ben")]
    second = [BOS, *encoded("The box red")]
    assert tokens[0].tolist() == [*first, *second][:10]
    assert weights[0].tolist() == [*[0.25] * 3, *[1.0] * 3, *[0.5] * 2, 0.75, 0.75]
    assert tokens[1].tolist() == [*first, *second][:10]  # what was cut off does not come again


def test_a_document_longer_than_a_row_is_cut_and_the_next_row_starts_another():
    long = [(" Anna" * 50, 0.5)]
    tokens, weights = rows_of([long, [("Ben", 1.0)], long], 2, 6)
    assert tokens.tolist() == [[BOS, *encoded("Anna") * 5], [BOS, *encoded("Ben"), BOS, *encoded("Anna") * 3]]
    assert weights.tolist() == [[0.5] * 6, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]]


def cut_into_documents(row):
    """Tokens of a row, one list a document, each without its mark."""
    starts = [i for i, token in enumerate(row) if token == BOS] + [len(row)]
    return [row[start + 1 : end] for start, end in itertools.pairwise(starts)]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_the_tokens_of_a_row_are_those_of_its_whole_text(name):
    documents = first(STREAMS[name](0), 40)
    tokens, _ = rows_of(documents, 4, 64)
    found = [own for row in tokens.tolist() for own in cut_into_documents(row)]
    for own, document in zip(found, documents, strict=False):
        assert own == encoded(text(document))[: len(own)]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_the_words_of_a_row_are_those_of_its_documents(name):
    documents = first(STREAMS[name](0), 40)
    tokens, _ = rows_of(documents, 4, 64)
    found = [own for row in tokens.tolist() for own in cut_into_documents(row)]
    space = encoded(" .")[0]
    for own, document in zip(found, documents, strict=False):
        words = [token for token in own if token != space]
        assert words
        assert words == encoded(text(document))[: len(words)]


def test_batches_of_one_key_are_the_same():
    one, same, other = (
        next(corpus.batches(TOKENIZER, corpus.mixed(key, facts=(1, 4)), rows=4, length=32))
        for key in (0, 0, 1)
    )
    assert torch.equal(one[0], same[0])
    assert torch.equal(one[1], same[1])
    assert not torch.equal(one[0], other[0])


def test_batches_go_on_where_the_last_one_stopped():
    documents = iter([[(name, 1.0)] for name in lexicon.NAMES])
    stream = corpus.batches(TOKENIZER, documents, rows=2, length=4)
    seen = torch.cat([next(stream)[0] for _ in range(3)]).flatten().tolist()
    assert [token for token in seen if token != BOS] == encoded(" ".join(lexicon.NAMES[:12]))
