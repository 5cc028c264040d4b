"""Text as tokens: a prompt that ends where its answer begins, and the tokens by which the answer goes on.

Tokenizers differ in where a space belongs, so an answer is never encoded alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CARRIER = "Answer:"  # what an answer follows where no prompt is given


class SplitAnswer(ValueError):
    """An answer word that the tokenizer does not know as one token, or that no token begins with."""


def prompts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of each text, with what the tokenizer puts before it and nothing behind it.

    Raises ValueError when the tokenizer closes a text (with its end token, say): an answer could not follow.
    `models.load` takes such a token off its tokenizers.

    >>> from lglib.tasks.microworld import lexicon
    >>> [len(own) for own in prompts(lexicon.tokenizer(), ["Anna is", "Is it?"])]
    [3, 4]
    """
    found = [list(own) for own in tokenizer(list(texts)).input_ids]
    if found and (behind := behind_text(tokenizer, texts[0])):
        raise ValueError(
            f"the tokenizer ends every text with {tokenizer.convert_ids_to_tokens(behind)}: an answer cannot "
            "follow. models.load takes that off; or choose add_eos_token=False"
        )
    return found


def behind_text(tokenizer: Any, text: str = CARRIER) -> list[int]:
    """Tokens that the tokenizer puts behind a text by itself; mostly none.

    >>> from lglib.tasks.microworld import lexicon
    >>> behind_text(lexicon.tokenizer())
    []
    """
    whole = list(tokenizer(text).input_ids)
    bare = list(tokenizer(text, add_special_tokens=False).input_ids)
    for start in range(len(whole) - len(bare), -1, -1):
        if whole[start : start + len(bare)] == bare:
            return whole[start + len(bare) :]
    return whole[-1:]  # the text itself is other tokens then


def answers(tokenizer: Any, texts: Sequence[str], given: Sequence[str]) -> list[list[int]]:
    """Tokens by which each prompt goes on with its answer: those of both together, less the prompt's own.

    So " yes" is one token for a tokenizer that puts the space before a word into it, and for one that adds a
    space of its own to the start of a text, where " yes" alone would be two. Only the last word of a prompt
    is looked at. Raises SplitAnswer when the prompt's end and the answer's start are one token.

    >>> from lglib.tasks.microworld import lexicon
    >>> own = answers(lexicon.tokenizer(), ["Is it? Answer:", "Sort: p c. Answer:"], [" yes", " c p"])
    >>> [lexicon.tokenizer().convert_ids_to_tokens(one) for one in own]
    [['Ġyes'], ['Ġc', 'Ġp']]
    """
    pairs = [(_last_word(text), answer) for text, answer in zip(texts, given, strict=True)]
    known = list(dict.fromkeys(pairs))
    before = _bare(tokenizer, [tail for tail, _ in known])
    whole = _bare(tokenizer, [tail + answer for tail, answer in known])
    found = {}
    for (tail, answer), start, both in zip(known, before, whole, strict=True):
        if both[: len(start)] != start:
            raise SplitAnswer(
                f"the answer {answer!r} has a token in common with the end of the prompt, {tail!r}: "
                f"{tokenizer.convert_ids_to_tokens(both)}. End the prompt before the space, and begin the "
                "answer with it"
            )
        found[tail, answer] = both[len(start) :]
    return [found[pair] for pair in pairs]


def _last_word(text: str) -> str:
    """The last word of a text, with the spaces behind it."""
    bare = text.rstrip()
    return text[len(bare) - len(bare.rsplit(None, 1)[-1]) :] if bare else text


def _bare(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return [list(own) for own in tokenizer(texts, add_special_tokens=False).input_ids] if texts else []
