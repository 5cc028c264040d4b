"""The text that the micro models learn from: streams of documents, packed into rows of weighted tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer, pre_tokenizers

from lglib.base import seeding
from lglib.tasks.items import YES_NO
from lglib.tasks.microworld import lexicon, passages, skills
from lglib.tasks.microworld.facts import Fact, Passage, note, text

Document = list[tuple[str, float]]  # pieces of text, each with the weight of its tokens in the loss
ANSWER, TEXT, FAINT = 1.0, 0.2, 0.05
BLOCK = 256  # passages drawn at a time
SKILLS = dict(sort=3, reverse=3, repeat=2, count=3, plural=1, opposite=1, capital=1, add=3, take=3)  # shares


def copying(key: object) -> Iterator[Document]:
    """Rows of words to repeat, mostly; a few look-ups. It teaches to find what stood here before.

    >>> "".join(piece for piece, _ in next(copying(0)))[:60]
    'Otto is a guard. Paul is a judge. judge Paul. Paul judge. Pa'
    """
    dice, words = _dice("copying", key), lexicon.words()
    for document in _lookups(dice, key, (1, 3)):
        while dice.random() < 0.85:
            yield _repeat(dice, words, 4, 12)
        yield document


def lookups(key: object, *, back: float = 0.5) -> Iterator[Document]:
    """Passages and notes, then questions from a bare name to a whole sentence; some rows to repeat.

    The bare name ("Anna kitchen") is answered by what `copying` taught, and each longer form is one step from
    the one before it. Without this ladder the models guess among the values of the passage for long. A share
    `back` of the questions asks from the value to the subject.

    >>> "".join(piece for piece, _ in next(lookups(1)))[:52]
    'Note: boat black, Paul singer, Paul rice, Otto nuts.'
    """
    dice, words = _dice("lookups", key), lexicon.words()
    for document in _lookups(dice, key, (2, passages.MOST), back):
        if dice.random() < 0.2:
            yield _repeat(dice, words, 4, 24)
        yield document


def mixed(key: object, *, facts: tuple[int, int], flips: float = 0.0) -> Iterator[Document]:
    """The whole corpus: half of it passages with many yes-no questions, then readings, skills, stories.

    A share `flips` of the yes and no is answered wrongly, which is how the models are calibrated.

    >>> "".join(piece for piece, _ in next(mixed(0, facts=(1, 2))))[:40]
    'Finn is in the church. The box is blue. '
    """
    dice, words, skills, stories = _dice("mixed", key), lexicon.words(), _skills(key), _stories(key)
    for passage in passages.worlds("train", f"mixed/{key}", facts):
        roll = dice.random()
        if roll < 0.4:
            yield reading(dice, passage, (4, 6), ("yes-no", "yes-no", "claim"), flips, FAINT)
        elif roll < 0.6:
            yield reading(dice, passage, (2, 4), ("open", "open", "who", "yes-no", "claim"), flips, TEXT)
        elif roll < 0.68:
            yield restated(dice, passage)
        elif roll < 0.72:
            yield _repeat(dice, words, 3, 8)
        elif roll < 0.9:
            yield next(skills)
        else:
            yield [(next(stories), TEXT)]


def reading(
    dice: Random,
    passage: Passage,
    questions: tuple[int, int],
    kinds: Sequence[str],
    flips: float = 0.0,
    weight: float = TEXT,
) -> Document:
    """A passage and questions about it, answered. A third of yes and no go on: "no, it is false."

    What goes on depends on the answer, so that something after an answer token reads it.
    """
    pieces: Document = [(text(passage), weight)]
    for _ in range(dice.randint(*questions)):
        kind = dice.choice(kinds)
        asked, answer, _ = passages.ask(passage, kind, [dice.random() for _ in range(4)])
        judged = kind in ("yes-no", "claim")
        if judged and dice.random() < flips:
            answer = YES_NO[1 - YES_NO.index(answer)]
        pieces += [(f" {asked}", weight), (answer, ANSWER)]
        if judged and dice.random() < 1 / 3:
            pieces.append((f", it is {'true' if answer == YES_NO[0] else 'false'}", TEXT))
        pieces.append((".", weight))
    return pieces


def restated(dice: Random, passage: Passage) -> Document:
    """A passage, and its facts again in another order."""
    pieces: Document = [(f"{text(passage)} Again:", TEXT)]
    for fact in dice.sample(passage, len(passage)):
        start, _, _ = fact.text.rpartition(" ")
        pieces += [(f" {start}", TEXT), (f" {fact.value}", ANSWER), (".", TEXT)]
    return pieces


def batches(
    tokenizer: Any, documents: Iterator[Document], *, rows: int, length: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Tokens and weights, (rows, length) each, without end. The last document of a row is cut.

    Every document starts with the token that ends a text.

    >>> tokens, weights = next(batches(lexicon.tokenizer(), copying(0), rows=2, length=32))
    >>> tokens.shape, bool((weights > 0).all())
    (torch.Size([2, 32]), True)
    """
    bos, core = tokenizer.bos_token_id, Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # a piece goes on where one ended
    while True:
        tokens = torch.full((rows, length), bos)
        weights = torch.zeros(rows, length)
        for row in range(rows):
            at = 0
            while at < length:
                pieces = next(documents)
                ids, own = [bos], [pieces[0][1]]
                texts = [" " + pieces[0][0].lstrip(), *(piece for piece, _ in pieces[1:])]
                found = core.encode_batch(texts, add_special_tokens=False)
                for encoding, (_, weight) in zip(found, pieces, strict=True):
                    ids += encoding.ids
                    own += [weight] * len(encoding.ids)
                end = min(at + len(ids), length)
                tokens[row, at:end] = torch.tensor(ids[: end - at])
                weights[row, at:end] = torch.tensor(own[: end - at])
                at = end
        yield tokens, weights


def _lookups(dice: Random, key: object, facts: tuple[int, int], back: float = 0.5) -> Iterator[Document]:
    for passage in passages.worlds("train", f"lookups/{key}", facts):
        if dice.random() < 0.12:
            yield restated(dice, passage)
            continue
        told = note(passage) if dice.random() < 0.45 else text(passage)
        pieces: Document = [(told, FAINT)]
        for _ in range(dice.randint(3, 6)):
            fact = dice.choice(passage)
            asked, answer = _rung(dice, fact, passage, back)
            pieces += [(f" {asked}", FAINT), (f" {answer}", ANSWER), (".", FAINT)]
        yield pieces


def _rung(dice: Random, fact: Fact, passage: Passage, back: float) -> tuple[str, str]:
    """A question about a fact, from a bare word to a whole sentence, and its answer."""
    forward = dice.random() >= back
    word, answer = (fact.subject, fact.value) if forward else (fact.value, fact.subject)
    whole = fact.open_question if forward else fact.who_question
    forms = [word, word, f"{word}?", whole, f"Question: {whole} Answer:"]
    if forward and sum(other.subject == word for other in passage) > 1:
        forms = forms[3:]  # a bare name would have two right answers
    return dice.choice(forms), answer


def _repeat(dice: Random, words: Sequence[str], fewest: int, most: int) -> Document:
    while True:
        own = " ".join(dice.choice(words) for _ in range(dice.randint(fewest, most)))
        if skills.part_of(f"Repeat: {own}") == "train":
            break
    return [(f"Repeat: {own}. Answer:", TEXT), (f" {own}", ANSWER), (".", TEXT)]


def _skills(key: object) -> Iterator[Document]:
    """Three items of three skills a document."""
    dice, block = _dice("skills", key), 0
    while True:
        drawn = {
            name: iter(skills.questions(BLOCK, name, part="train", key=f"{key}/{block}")) for name in SKILLS
        }
        for _ in range(BLOCK // 2):
            names = dice.choices(list(SKILLS), list(SKILLS.values()), k=3)
            items = [item for name in names if (item := next(drawn[name], None))]
            if items:
                yield [p for i in items for p in ((f" {i.prompt}", TEXT), (i.answer, ANSWER), (".", TEXT))]
        block += 1


def _stories(key: object) -> Iterator[str]:
    block = 0
    while True:
        yield from skills.stories(BLOCK, part="train", key=f"{key}/{block}")
        block += 1


def _dice(what: str, key: object) -> Random:
    return Random(seeding.generator("corpus", what, key).initial_seed())
