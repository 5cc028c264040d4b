"""What is measured on: a model, its untrained twin, and items drawn by key as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from lglib.base import seeding
from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.parameters import gram, memory
from lglib.parameters.memory import MemoryEstimate
from lglib.parameters.space import ParameterSpace
from lglib.studies.rank.parameters import Parameters
from lglib.tasks import data, supervised
from lglib.tasks.items import Item
from lglib.tasks.supervised import Lesson

TWIN = 1000  # added to the seed: the twin's weights share no draw with anything else


@dataclass(frozen=True)
class Subject:
    """A model and its untrained twin, with the parameters and the seed from which all randomness follows."""

    parameters: Parameters
    seed: int
    model: LanguageModel
    twin: LanguageModel

    @cached_property
    def space(self) -> ParameterSpace:
        """All weights of the trained model, theta in R^d."""
        return ParameterSpace(self.model.model)

    @cached_property
    def untrained(self) -> ParameterSpace:
        """All weights of the twin."""
        return ParameterSpace(self.twin.model)

    @cached_property
    def recomputed(self) -> Sequence[nn.Module]:
        """Blocks whose activations are computed again on the way back: none where memory suffices.

        Raises MemoryError, naming the parts, where it does not suffice either way.
        """
        have = memory.free_memory(self.model.device)
        if gram_memory(self).total < have:
            return ()
        gram_memory(self, recomputed=True).require(have)
        return self.model.blocks


def load(parameters: Parameters, seed: int) -> Subject:
    """Load the model and draw its untrained twin: the same architecture with new random weights.

    >>> one = load(Parameters(), seed=0)
    >>> one.space.d == one.untrained.d, torch.equal(one.space.flatten(), one.untrained.flatten())
    (True, False)
    """
    name = parameters.model
    options: dict[str, Any] = dict(device=parameters.device, allow_download=parameters.allow_download)
    model = loading.load(name, **options)
    twin = loading.load(name, trained=False, seed=seed + TWIN, **options)
    return Subject(parameters, seed, model, twin)


def items(subject: Subject, task: str, n: int, key: str) -> list[Item]:
    """n items of a task, the same for the same seed and key; those of "boolq" come from the hub.

    >>> one = load(Parameters(), seed=0)
    >>> [item.kind for item in items(one, "count", 2, "set 0")]
    ['count', 'count']
    """
    if task != "boolq":
        return data.micro(n, task, part="test", key=f"{subject.seed}/{key}")
    drawn = data.boolq("validation", allow_download=subject.parameters.allow_download)
    dice = seeding.generator(subject.seed, key)
    mixed = [drawn[i] for i in torch.randperm(len(drawn), generator=dice).tolist()]
    return data.fit(mixed, subject.model.tokenizer, subject.model.context - 8).items[:n]


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """The items with their answers dealt out anew; some keep their own by chance."""
    dice = seeding.generator(seed, "shuffle", len(items))
    order = torch.randperm(len(items), generator=dice).tolist()
    return [
        replace(item, answers=items[j].answers, label=items[j].label)
        for item, j in zip(items, order, strict=True)
    ]


def encode(subject: Subject, items: Sequence[Item]) -> Lesson:
    """Items as tokens of the model, on its device."""
    model = subject.model
    return supervised.lesson(model.tokenizer, items, context=model.context, device=model.device)


def gram_memory(subject: Subject, *, recomputed: bool = False) -> MemoryEstimate:
    """What the Gram matrix of one set will take, estimated from one item of the first task."""
    task, n = subject.parameters.tasks[0], subject.parameters.examples
    longest, one = (encode(subject, items(subject, task, m, "plan")) for m in (n, 1))
    blocks = subject.model.blocks if recomputed else ()
    return memory.memory_estimate(
        subject.space, gram.item_losses, one, n, tokens=longest.tokens.shape[1], blocks=blocks
    )
