"""Three disjoint parts of questions, as many yes as no in each: to select, to extract, to evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from lglib.base import seeding
from lglib.base.checks import count
from lglib.tasks import contrasts, data, scoring
from lglib.tasks.data import Fitted
from lglib.tasks.items import PARTS, Item, asked, split

BOOLQ, OWN = "boolq", "data"
ROOM = 40  # tokens of the context that stay free: an answer, and the question once more


@dataclass(frozen=True)
class Drawn:
    """Questions of three parts, and what it took to make them fit the model (`data.Fitted`)."""

    parts: dict[str, list[Item]]
    fitted: Fitted


def draw(
    model: Any,  # a models.loading.LanguageModel, of which its tokenizer and context are used
    template: str,
    *,
    size: int,
    seed: int,
    apart_from: Sequence[Item] = (),
    allow_download: bool = False,
    own: Sequence[Item] | None = None,
) -> Drawn:
    """Draw `size` true and `size` false questions for each part, true and false in turn.

    `template` is one of `data.micro`, `boolq`, one of `contrasts`, or `data`: then `own` are the items. True
    is a question whose first answer is right. No passage of `apart_from` is drawn again. Prompts that do not
    fit the model's context, with their question once more behind the answer, are cut or left out by
    `data.fit`; so are items of a contrast whose answers are no single tokens of the model. Raises ValueError
    where a part does not get as many, and as `data.micro` and `data.boolq`.

    >>> from lglib.models import loading
    >>> parts = draw(loading.load("micro-gpt2"), "claim", size=3, seed=0).parts
    >>> {name: [item.label for item in own] for name, own in parts.items()}["extract"]
    [0, 1, 0, 1, 0, 1]
    """
    size = count("size", size)
    found = _asked(template, size, seed, allow_download, own)
    fitted = {name: fit_again(items, model.tokenizer, model.context) for name, items in found.items()}
    taken = {_plain(item) for item in apart_from}
    if template in contrasts.NAMES:
        fitted = {name: _one_token(f, model.tokenizer) for name, f in fitted.items()}
        parts = {name: f.items for name, f in fitted.items()}
    else:
        parts = dict(split(item for item in fitted[""].items if _plain(item) not in taken))
    parts = {name: balanced(own, size, f"{template}, {name}") for name, own in parts.items()}
    disjoint(parts)
    return Drawn(parts, _together(list(fitted.values())))


def _asked(
    template: str, size: int, seed: int, allow_download: bool, own: Sequence[Item] | None
) -> dict[str, list[Item]]:
    """Items to draw from, by part where a contrast says to which part they belong."""
    if template in contrasts.NAMES:
        return contrasts.parts(template, f"{seed}/bridge")
    if template not in (BOOLQ, OWN):
        return {"": data.micro(10 * size + 60, template, key=f"{seed}/bridge")}
    if template == OWN and own is None:
        raise ValueError("template is 'data': own must be the items of a file")
    found = list(own) if template == OWN and own else data.boolq(allow_download=allow_download)
    Random(seeding.generator("splits", seed).initial_seed()).shuffle(found)
    return {"": found}


def fit_again(items: Sequence[Item], tokenizer: Any, context: int) -> Fitted:
    """Items that fit a context with their longest answer and, behind it, their question once more.

    >>> from lglib.tasks.microworld import lexicon
    >>> short, long = (Item(f"{'red ' * n}Question: Is it red? Answer:", (" yes", " no"), 0) for n in (1, 60))
    >>> found = fit_again([short, long], lexicon.tokenizer(), 64)
    >>> len(found.items[1].prompt.split()), found.cut
    (19, 1)
    """
    found = data.fit(items, tokenizer, max(context - ROOM, 2))
    kept = [item for item in found.items if _with_question(item, tokenizer) <= context]
    left_out = found.left_out + len(found.items) - len(kept)
    return replace(found, items=kept, left_out=left_out)


def _with_question(item: Item, tokenizer: Any) -> int:
    """Tokens of a prompt, its longest answer and its question once more."""
    longest = max(item.answers, key=len)
    text = f"{item.prompt}{longest} {asked(item.prompt)}"
    return len(tokenizer(text, verbose=False).input_ids)


def _one_token(found: Fitted, tokenizer: Any) -> Fitted:
    """Without the items whose two answers are not each one token that the tokenizer knows."""
    kept = []
    for item in found.items:
        try:
            scoring.ids(tokenizer, item.answers, item.prompt)
        except scoring.SplitAnswer:
            continue
        kept.append(item)
    return replace(found, items=kept, left_out=found.left_out + len(found.items) - len(kept))


def _together(parts: list[Fitted]) -> Fitted:
    items = [item for one in parts for item in one.items]
    cut, left_out, given = (sum(getattr(one, x) for one in parts) for x in ("cut", "left_out", "given"))
    return Fitted(items, cut, left_out, given, parts[0].context)


def balanced(items: Sequence[Item], size: int, name: str = "items") -> list[Item]:
    """The first `size` true and the first `size` false questions, in turn: true, false, true, ...

    True is a question whose first answer is right. Of questions about one passage only one is taken. Raises
    ValueError for no item, items that have not two answers, one class only, or a class with fewer.

    >>> odd = [Item(f"Is {i} odd?", (" yes", " no"), 1 - i % 2) for i in (1, 3, 5, 2, 4)]
    >>> [item.prompt for item in balanced(odd, 2)]
    ['Is 1 odd?', 'Is 2 odd?', 'Is 3 odd?', 'Is 4 odd?']
    """
    count("size", size)
    if not items:
        raise ValueError(f"{name} is empty: there must be questions of both answers")
    if other := [item.answers for item in items if len(item.answers) != 2]:
        raise ValueError(f"{name} must be questions with two answers to choose from, got {other[0]}")
    once = list({item.group or item.prompt: item for item in items}.values())
    classes = [[item for item in once if item.label == label] for label in (0, 1)]
    if not all(classes):
        only = once[0].answer.strip()
        raise ValueError(f"{name} has one class: all {len(once)} are {only!r}; both are needed")
    if (few := min(map(len, classes))) < size:
        raise ValueError(f"{name} must have {size} questions of each answer, got {few} of one of them")
    return [item for pair in zip(*(own[:size] for own in classes), strict=True) for item in pair]


def halves(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Every other pair of `balanced` items: two halves with as many yes as no, that share no item.

    >>> odd = balanced([Item(f"Is {i} odd?", (" yes", " no"), 1 - i % 2) for i in range(8)], 4)
    >>> [[item.prompt for item in half] for half in halves(odd)][1]
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

    >>> one, two = (Item(f"Is {i} odd?", (" yes", " no"), i - 1) for i in (1, 2))
    >>> disjoint({"select": [one], "evaluate": [two]})
    """
    seen: dict[str, str] = {}
    for name, own in parts.items():
        for item in own:
            if (before := seen.setdefault(_plain(item), name)) != name:
                raise ValueError(f"{before} and {name} overlap: both have {item.group or item.prompt!r}")


def _plain(item: Item) -> str:
    return " ".join((item.group or item.prompt).casefold().split())


__all__ = ["BOOLQ", "OWN", "PARTS", "Drawn", "balanced", "disjoint", "draw", "fit_again", "halves"]
