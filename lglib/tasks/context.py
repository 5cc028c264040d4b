"""Prompts that fit the context of a model: what is too long is cut or left out, and counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lglib.tasks.items import Item


@dataclass(frozen=True)
class Fitted:
    """Items that fit a context, and what it took: how many were cut, how many left out, of how many."""

    items: list[Item]
    cut: int
    left_out: int
    given: int
    context: int

    def __str__(self) -> str:
        """One line for the page.

        >>> print(Fitted([], 2, 1, 300, 128))
        of 300 prompts 2 were cut on the left to 128 tokens, 1 left out
        """
        return (
            f"of {self.given} prompts {self.cut} were cut on the left to {self.context} tokens, "
            f"{self.left_out} left out"
        )


def fit(items: Sequence[Item], tokenizer: Any, context: int, *, cut: bool = True) -> Fitted:
    """Make every prompt, with its longest answer, fit a context of so many tokens.

    A prompt that is too long loses words at its start, so that the question stays; with `cut=False` the
    item is left out. One that is nothing but question and still too long is left out too. Both are
    counted, for the page to say. The question is what follows the last "Question:" or "Claim:"; a prompt
    without either is cut wherever it must be.

    >>> from lglib.tasks.microworld import lexicon
    >>> long = Item("red " * 40 + "Question: Is it red? Answer:", (" yes", " no"), 0)
    >>> fitted = fit([long], lexicon.tokenizer(), 16)
    >>> fitted.items[0].prompt, fitted.cut
    ('red red red red red red Question: Is it red? Answer:', 1)
    """
    if isinstance(context, bool) or not isinstance(context, int) or context < 2:
        raise ValueError(f"context must be a whole number of tokens, at least 2, got {context!r}")
    kept: list[Item] = []
    shortened = 0
    for item in items:
        room = context - max(len(tokenizer(a, add_special_tokens=False).input_ids) for a in item.answers)
        prompt = _shortened(item.prompt, tokenizer, room)
        if prompt == item.prompt:
            kept.append(item)
        elif cut and prompt.strip():
            kept.append(replace(item, prompt=prompt, group=item.group or item.prompt))
            shortened += 1
    return Fitted(kept, shortened, len(items) - len(kept), len(items), context)


def _shortened(prompt: str, tokenizer: Any, room: int) -> str:
    """The prompt, or as many of its last words as fit the room; empty when the question does not."""
    length = len(tokenizer(prompt).input_ids)
    question = max(prompt.rfind("Question:"), prompt.rfind("Claim:"))
    last = question if question >= 0 else len(prompt)  # nothing behind it is cut
    start = 0
    while length > room:
        if start >= last:
            return ""
        kept = prompt[start:]
        spans = tokenizer(kept, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
        over = min(length - room, len(spans) - 1)
        space = re.compile(r"\s").search(kept, spans[over][0])
        start = min(start + space.end(), last) if space else last
        length = len(tokenizer(prompt[start:]).input_ids)
    return prompt[start:]
