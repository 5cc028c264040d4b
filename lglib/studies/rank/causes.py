"""L1: what makes a rank low: few answers, a narrow network, the sketch that it is read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from lglib.base.checks import NotMeasurable
from lglib.geometry import spectra
from lglib.parameters import gram, sketches
from lglib.parameters.per_example import Visitor
from lglib.parameters.space import ParameterSpace
from lglib.studies.rank.ranks import participation_ratio
from lglib.studies.rank.subject import Subject, encode, items
from lglib.tasks.items import Item
from lglib.tasks.supervised import Lesson

POOL = 40  # open questions drawn for each that is kept
WORDS = 10_000  # tokens up to which an untrained network has the model's whole vocabulary
SKETCHES = {"dense": "dense", "CountSketch": "countsketch"}  # name on the page, kind in `sketches`


def answer_pool(subject: Subject) -> list[Item]:
    """Open questions from which sets with few answers are taken."""
    return items(subject, "open", POOL * subject.parameters.examples, "answers")


def with_answers(pool: Sequence[Item], m: int, n: int) -> list[Item]:
    """n items with the m most common answers of the pool, equally often as far as the pool allows.

    Raises ValueError when the pool has fewer than m answers or fewer than n items with them.

    >>> pool = [Item(str(i), (answer,), 0) for i, answer in enumerate("aababc")]
    >>> [item.answer for item in with_answers(pool, 2, 4)]
    ['a', 'b', 'a', 'b']
    """
    common = [answer for answer, _ in Counter(item.answer for item in pool).most_common(m)]
    by_answer = [[item for item in pool if item.answer == answer] for answer in common]
    rounds = range(max(map(len, by_answer), default=0))
    chosen = [own[i] for i in rounds for own in by_answer if i < len(own)][:n]
    if len(common) < m or len(chosen) < n:
        told = f"pool has {len(common)} answers, {len(chosen)} items with them; want {m} and {n}"
        raise NotMeasurable(told)
    return chosen


def untrained_of_width(subject: Subject, width: int, context: int, words: int) -> ParameterSpace:
    """Weights of a fresh GPT-2 of four blocks, this wide, for so many tokens and positions."""
    shape: dict[str, Any] = dict(n_layer=4, n_head=4, n_embd=width, n_positions=context)
    config = GPT2Config(vocab_size=words, bos_token_id=0, eos_token_id=0, **shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.seed)
        fresh: Any = GPT2LMHeadModel(config)
        return ParameterSpace(fresh.to(subject.model.device).eval())


def vocabulary(subject: Subject) -> int:
    """Tokens of the model's embedding."""
    model: Any = subject.model.model
    return int(model.get_input_embeddings().weight.shape[0])


def renumbered(lessons: Mapping[str, Lesson]) -> tuple[dict[str, Lesson], int]:
    """Lessons with only the tokens that occur in them, numbered anew in their order, and how many these are.

    A network of random weights knows no words, so which number a token has means nothing to it, and those
    that no item has would only be drawn and multiplied.

    >>> from lglib.tasks import data, supervised
    >>> from lglib.tasks.microworld import lexicon
    >>> one = {"plural": supervised.lesson(lexicon.tokenizer(), data.micro(4, "plural"))}
    >>> found, words = renumbered(one)
    >>> words == len(one["plural"].tokens.unique()), int(found["plural"].tokens.max()) + 1 == words
    (True, True)
    """
    own = torch.cat([x.flatten() for one in lessons.values() for x in (one.tokens, one.targets)]).unique()
    found = {
        task: one._replace(
            tokens=torch.searchsorted(own, one.tokens),
            targets=torch.searchsorted(own, one.targets),
            pair=torch.full_like(one.pair, -1),  # the other answer need not be among the tokens
        )
        for task, one in lessons.items()
    }
    return found, len(own)


def by_width(subject: Subject, sets: Mapping[str, Sequence[Item]], width: int) -> dict[str, float]:
    """Participation ratio at unit norm of a set of each task in an untrained network of this width.

    Its context holds all of these items. Above WORDS tokens its vocabulary is that of the items.
    """
    lessons, words = {task: encode(subject, chosen) for task, chosen in sets.items()}, vocabulary(subject)
    context = max(64, *(lesson.tokens.shape[1] for lesson in lessons.values()))
    if words > WORDS:
        lessons, words = renumbered(lessons)
    space = untrained_of_width(subject, width, context, words)
    return {task: participation_ratio(gram.grams(space, lesson).total) for task, lesson in lessons.items()}


@dataclass(frozen=True)
class Sketched:
    """A participation ratio at unit norm seen through a sketch in R^m, and what its laws say.

    `error` is the root mean square error of the inner products in units of its law: 1 if that holds.
    `control` is what random directions of full rank show through the same sketch.
    """

    sketch: str
    m: int
    seen: float
    law: float
    control: float
    error: float


def sketched(subject: Subject, items: Sequence[Item]) -> tuple[float, list[Sketched]]:
    """Exact participation ratio of a set at unit norm, and what each sketch of it shows (prop-sketch)."""
    space, n = subject.space, len(items)
    ms = subject.parameters.sketch_sizes
    made = {
        (name, m): sketches.Sketch(kind, m=m, d=space.d, seed=subject.seed)
        for name, kind in SKETCHES.items()
        for m in ms
    }
    squares = sketches.Squares()
    visitors: list[Visitor] = [*made.values(), squares]
    total = gram.grams(space, encode(subject, items), blocks=subject.recomputed, also=visitors).total
    exact, lengths = participation_ratio(total), total.diagonal().sqrt()
    rows = []
    for (name, m), sketch in made.items():
        unit = sketch.gram / lengths / lengths[:, None]  # sketches of the unit vectors
        variance = sketches.variance(total, m, squares=None if name == "dense" else squares.gram)
        z = (sketch.gram - total) / variance.sqrt()
        law, control = (sketches.participation_ratio(r, m) for r in (exact, float(n)))
        error = z[np.triu_indices(n, 1)].square().mean().sqrt().item()
        seen = spectra.spectrum(unit).participation_ratio
        rows.append(Sketched(name, m, seen, law, control, error))
    return exact, rows
