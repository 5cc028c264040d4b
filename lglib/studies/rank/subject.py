"""What is measured on: a model, its untrained twin, and items drawn by key as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from lglib.base import seeding
from lglib.base.checks import NotMeasurable
from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.parameters import gram, memory
from lglib.parameters.memory import MemoryEstimate
from lglib.parameters.space import ParameterSpace
from lglib.studies.own_data import DATA
from lglib.studies.rank.parameters import Parameters
from lglib.tasks import contrasts, data, supervised
from lglib.tasks.data import Fitted
from lglib.tasks.items import Item
from lglib.tasks.own import Own
from lglib.tasks.supervised import Lesson

TWIN = 1000  # added to the seed: the twin's weights share no draw with anything else
FINITE = ("boolq", DATA, *contrasts.NAMES)  # tasks with so many items and no more
SETS = 3  # of items, for the spread within a run
FAMILIES = (tuple(f"set {i}" for i in range(SETS)), ("select", "held"))  # keys that share no item


@dataclass(frozen=True)
class Subject:
    """A model and its untrained twin, with the parameters and the seed from which all randomness follows.

    The twin is made when it is asked for, and held until `forget_twin`.
    """

    parameters: Parameters
    seed: int
    model: LanguageModel
    own: Own | None = None

    @cached_property
    def space(self) -> ParameterSpace:
        """All weights of the trained model, theta in R^d."""
        return ParameterSpace(self.model.model)

    @cached_property
    def untrained(self) -> ParameterSpace:
        """All weights of the twin: the same architecture with new random weights."""
        p = self.parameters
        options: dict[str, Any] = dict(device=p.device, allow_download=p.allow_download)
        return ParameterSpace(loading.load(p.model, trained=False, seed=self.seed + TWIN, **options).model)

    def forget_twin(self) -> None:
        """Let the twin's memory go; `untrained` would make it again."""
        self.__dict__.pop("untrained", None)

    def pool(self, task: str) -> tuple[Item, ...]:
        """All items of a task of which there is no endless supply, one for each passage."""
        pools = self.__dict__.setdefault("_pools", {})
        if task not in pools:
            allowed, own = self.parameters.allow_download, self.own
            if task in contrasts.NAMES:
                found = contrasts.pool(task)
            else:
                found = own.items if task == DATA and own else data.boolq(allow_download=allowed)
            pools[task] = tuple({item.group or item.prompt: item for item in reversed(found)}.values())[::-1]
        return pools[task]

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
    """Load the model, and read the file of one's own where the parameters name one.

    >>> one = load(Parameters(), seed=0)
    >>> one.space.d == one.untrained.d, torch.equal(one.space.flatten(), one.untrained.flatten())
    (True, False)
    """
    own = parameters.own()  # first: a mistake in it is told before a model is loaded
    options: dict[str, Any] = dict(device=parameters.device, allow_download=parameters.allow_download)
    return Subject(parameters, seed, loading.load(parameters.model, **options), own)


def items(subject: Subject, task: str, n: int, key: str) -> list[Item]:
    """n items of a task that fit the model's context, the same for the same seed and key.

    Those of "boolq" come from the hub, those of "data" from the file of the parameters. Such a task, and a
    contrast, has so many items and no more: sets ("set 0", ...) share none of them, nor do "select" and
    "held". Raises ValueError where there are fewer than n.

    >>> one = load(Parameters(), seed=0)
    >>> [item.kind for item in items(one, "count", 2, "set 0")]
    ['count', 'count']
    """
    return fitted(subject, task, n, key).items


def fitted(subject: Subject, task: str, n: int, key: str) -> Fitted:
    """Items as `items` has them, with how many were cut or left out to make n of them fit."""
    if task not in FINITE:
        drawn = data.micro(n, task, part="test", key=f"{subject.seed}/{key}")
        found = data.fit(drawn, subject.model.tokenizer, subject.model.context)
        return _enough(found, task, n)
    family, number = _place(key)
    mixed = list(subject.pool(task))
    dice = seeding.generator(subject.seed, family)
    mixed = [mixed[i] for i in torch.randperm(len(mixed), generator=dice).tolist()]
    parts: list[Fitted] = []
    for start in range(0, len(mixed), n):  # a few at a time: tokens of all of them would take long
        parts.append(data.fit(mixed[start : start + n], subject.model.tokenizer, subject.model.context))
        if sum(len(part.items) for part in parts) >= n * (number + 1):
            break
    whole = [item for part in parts for item in part.items]
    cut, left_out, given = (sum(getattr(part, x) for part in parts) for x in ("cut", "left_out", "given"))
    own = whole[n * number : n * (number + 1)]
    return _enough(Fitted(own, cut, left_out, given, subject.model.context), task, n, number)


def _place(key: str) -> tuple[str, int]:
    """Family of keys whose items must differ, and the number of one in it."""
    for family in FAMILIES:
        if key in family:
            return family[0], family.index(key)
    return key, 0


def _enough(found: Fitted, task: str, n: int, number: int = 0) -> Fitted:
    if len(found.items) < n:
        need = f"{n}" if not number else f"{n} for each of {number + 1} sets without a common item"
        raise NotMeasurable(
            f"task {task} has too few items that fit a context of {found.context} tokens: want {need}; "
            f"{found}. Ask for fewer (examples, regime_items), or give more"
        )
    return found


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
    task, n = subject.parameters.asked[0], subject.parameters.examples
    drawn = items(subject, task, n, "plan")
    longest, one = encode(subject, drawn), encode(subject, drawn[:1])
    blocks = subject.model.blocks if recomputed else ()
    return memory.memory_estimate(
        subject.space, gram.item_losses, one, n, tokens=longest.tokens.shape[1], blocks=blocks
    )
