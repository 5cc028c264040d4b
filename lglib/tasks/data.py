"""Where items come from: the micro-world, BoolQ, a file of one's own; what was cut or left out is counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lglib.base import hub, progress
from lglib.base.checks import count
from lglib.tasks import own
from lglib.tasks.items import MARKERS, Item
from lglib.tasks.microworld import passages, skills
from lglib.tasks.own import TEMPLATE, BadData, Own, Row, read, read_questions, read_statements

__all__ = [
    "BOOLQ", "BOOLQ_REVISION", "TEMPLATE", "BadData", "Fitted", "Own", "boolq", "fit", "micro", "read",
    "read_questions", "read_statements",
]  # fmt: skip
BOOLQ, BOOLQ_REVISION = "google/boolq", "35b264d03638db9f4ce671b711558bf7ff0f80d5"


def micro(n: int, kind: str = "yes-no", *, part: str = "test", key: object = 0) -> list[Item]:
    """Return n items of the micro-world: `yes-no`, `claim`, `open`, or a skill such as `sort`.

    `part` is train, validation or test of the micro-world: the shipped models were trained on train
    and gated on validation. Raises ValueError for an unknown kind or part.

    >>> [item.answer for item in micro(3, "plural")]
    [' goats', ' cats', ' foxes']
    """
    if kind in skills.SKILLS:
        return skills.questions(n, kind, part=part, key=key)
    if kind not in passages.KINDS:
        raise ValueError(f"kind is {kind!r}; there is: {', '.join((*passages.KINDS, *skills.SKILLS))}")
    return passages.questions(n, kind, part=part, key=key)


def boolq(
    split: str = "validation",
    *,
    revision: str = BOOLQ_REVISION,
    allow_download: bool = False,
    limit: int | None = None,
    template: str = TEMPLATE,
) -> list[Item]:
    """BoolQ (Clark et al., 2019): naturally asked yes-no questions, each with a passage of Wikipedia.

    `split` is train (9,427) or validation (3,270). The revision is pinned; nothing is downloaded unless
    `allow_download`. Raises Unreachable when the data set is neither cached nor to be had, ValueError for
    an unknown split or a template without its fields.
    """
    if split not in ("train", "validation"):
        raise ValueError(f"split is {split!r}; BoolQ has train and validation")
    rows = _parquet(hub.fetch(BOOLQ, revision, allow_download=allow_download, kind="dataset"), split)
    return own.questions(_first(enumerate(rows, 1), limit), f"{BOOLQ} {split}", template)


def _parquet(folder: Path, split: str) -> Iterable[Mapping[str, Any]]:
    """Rows of the Parquet files of a split, from exactly this folder.

    `load_dataset(repository, revision=...)` would do, but offline it takes the latest cached revision,
    whichever was asked for (datasets 5.2).
    """
    import datasets

    files = sorted(str(path) for path in (folder / "data").glob(f"{split}-*.parquet"))
    if not files:
        raise BadData(f"{folder} holds no data/{split}-*.parquet")
    shown = datasets.is_progress_bar_enabled()
    if not progress.on_terminal():
        datasets.disable_progress_bars()
    try:
        return datasets.load_dataset("parquet", data_files=files, split="train")
    finally:
        if shown:
            datasets.enable_progress_bars()


def _first(rows: Iterable[Row], limit: int | None) -> Iterator[Row]:
    if limit is not None:
        count("limit", limit)
    for number, row in rows:
        if limit is not None and number > limit:
            return
        yield number, row


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
    count("context", context, low=2)
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
    length = _length(prompt, tokenizer)
    question = max(map(prompt.rfind, MARKERS))
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
        length = _length(prompt[start:], tokenizer)
    return prompt[start:]


def _length(text: str, tokenizer: Any) -> int:
    return len(tokenizer(text, verbose=False).input_ids)  # not verbose: that it is too long is no news here
