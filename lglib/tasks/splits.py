"""Three disjoint parts of questions, as many yes as no in each: to select, to extract, to evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from lglib.base import seeding
from lglib.base.checks import count
from lglib.tasks import data
from lglib.tasks.items import PARTS, YES_NO, Item, split

BOOLQ = "boolq"
ROOM = 40  # tokens of the context that stay free: an answer, and the question once more


def draw(
    model: Any,  # a models.loading.LanguageModel, of which its tokenizer and context are used
    template: str,
    *,
    size: int,
    seed: int,
    apart_from: Sequence[Item] = (),
    allow_download: bool = False,
) -> dict[str, list[Item]]:
    """Draw `size` true and `size` false questions for each part, in a template of `data.micro`, or `boolq`.

    No passage of `apart_from` is drawn again. Prompts that do not fit the model's context are cut or left out
    by `data.fit`. Raises ValueError where a part does not get as many, and as `data.micro` and `data.boolq`.

    >>> from lglib.models import loading
    >>> parts = draw(loading.load("micro-gpt2"), "claim", size=3, seed=0)
    >>> {name: [item.label for item in own] for name, own in parts.items()}["extract"]
    [0, 1, 0, 1, 0, 1]
    """
    size = count("size", size)
    if template == BOOLQ:
        asked = data.boolq(allow_download=allow_download)
        Random(seeding.generator("splits", seed).initial_seed()).shuffle(asked)
    else:
        asked = data.micro(10 * size + 60, template, key=f"{seed}/bridge")
    taken = {_plain(item) for item in apart_from}
    fitted = data.fit(asked, model.tokenizer, max(model.context - ROOM, 2)).items
    parts = split(item for item in fitted if _plain(item) not in taken)
    parts = {name: balanced(own, size, f"{template}, {name}") for name, own in parts.items()}
    disjoint(parts)
    return parts


def balanced(items: Sequence[Item], size: int, name: str = "items") -> list[Item]:
    """The first `size` true and the first `size` false questions, in turn: true, false, true, ...

    Of questions about one passage only one is taken. Raises ValueError for no item, items that are no yes-no
    questions, one class only, or a class with fewer.

    >>> asked = [Item(f"Is {i} odd?", YES_NO, 1 - i % 2) for i in (1, 3, 5, 2, 4)]
    >>> [item.prompt for item in balanced(asked, 2)]
    ['Is 1 odd?', 'Is 2 odd?', 'Is 3 odd?', 'Is 4 odd?']
    """
    count("size", size)
    if not items:
        raise ValueError(f"{name} is empty: there must be questions of both answers")
    if other := [item.answers for item in items if item.answers != YES_NO]:
        raise ValueError(f"{name} must be questions with the answers {YES_NO}, got {other[0]}")
    once = list({item.group or item.prompt: item for item in items}.values())
    classes = [[item for item in once if item.label == label] for label in (0, 1)]
    if not all(classes):
        only = YES_NO[0 if classes[0] else 1].strip()
        raise ValueError(f"{name} has one class: all {len(once)} are {only!r}; both are needed")
    if (few := min(map(len, classes))) < size:
        raise ValueError(f"{name} must have {size} questions of each answer, got {few} of one of them")
    return [item for pair in zip(*(own[:size] for own in classes), strict=True) for item in pair]


def halves(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Every other pair of `balanced` items: two halves with as many yes as no, that share no item.

    >>> asked = balanced([Item(f"Is {i} odd?", YES_NO, 1 - i % 2) for i in range(8)], 4)
    >>> [[item.prompt for item in half] for half in halves(asked)][1]
    ['Is 3 odd?', 'Is 2 odd?', 'Is 7 odd?', 'Is 6 odd?']
    """
    if len(items) < 4 or len(items) % 2:
        raise ValueError(f"items must be pairs, at least two of them, got {len(items)} items")
    both = (
        [item for i, item in enumerate(items) if i // 2 % 2 == 0],
        [item for i, item in enumerate(items) if i // 2 % 2],
    )
    disjoint({"first": both[0], "second": both[1]})
    return both


def disjoint(parts: Mapping[str, Sequence[Item]]) -> None:
    """Raise ValueError, with an example, if two parts share a text: a passage, or a prompt where it has none.

    Case and spaces do not make a text another one.

    >>> disjoint({"select": [Item("Is 1 odd?", YES_NO, 0)], "evaluate": [Item("Is 2 odd?", YES_NO, 1)]})
    """
    seen: dict[str, str] = {}
    for name, own in parts.items():
        for item in own:
            if (before := seen.setdefault(_plain(item), name)) != name:
                raise ValueError(f"{before} and {name} overlap: both have {item.group or item.prompt!r}")


def _plain(item: Item) -> str:
    return " ".join((item.group or item.prompt).casefold().split())


__all__ = ["BOOLQ", "PARTS", "balanced", "disjoint", "draw", "halves"]
