"""What all measurements of the lens share: a model and its final norm, questions, the layers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from lglib.activations import lens, pushforward, residual
from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.parameters.space import ParameterSpace
from lglib.studies.lens.parameters import Parameters
from lglib.tasks import scoring, splits, supervised
from lglib.tasks.items import Item
from lglib.tasks.microworld import contrasts
from lglib.tasks.splits import Drawn
from lglib.tasks.supervised import Lesson


@dataclass(frozen=True)
class Setup:
    """A model, the parameters of its blocks as theta, its final norm, the layers read, and questions by task.

    The parts of a task are select, extract and evaluate, which share no passage.
    """

    model: LanguageModel
    space: ParameterSpace
    norm: nn.Module
    layers: tuple[int, ...]
    drawn: Mapping[str, Drawn]
    seed: int

    def part(self, task: str, name: str) -> list[Item]:
        """One part of the questions of a task."""
        return self.drawn[task].parts[name]

    def depth(self, layer: int) -> float:
        """Share of the blocks up to and with a layer's."""
        return layer / len(self.model.blocks)

    def lesson(self, items: Sequence[Item]) -> Lesson:
        """Items as a batch for the losses."""
        return supervised.lesson(
            self.model.tokenizer, items, context=self.model.context, device=self.model.device
        )

    def reading(self, items: Sequence[Item]) -> residual.Reading:
        """Prompts of items, each read at its last token."""
        return residual.encode(self.model, [item.prompt for item in items])


def prepare(parameters: Parameters, seed: int) -> Setup:
    """Load the model and draw the questions of all tasks.

    Raises ValueError for a model on which the depths are fewer than two layers, one without a single final
    norm, or too few questions; SplitAnswer where the model does not know both answers as one token each.
    """
    model = loading.load(parameters.model, device=parameters.device, allow_download=parameters.allow_download)
    blocks = len(model.blocks)
    layers = tuple(sorted({max(1, round(depth * blocks)) for depth in parameters.depths}))
    if len(layers) < 2:
        told = f"depths {list(parameters.depths)} are one layer of {model.name}"
        raise ValueError(f"{told}, which has {blocks} blocks")
    drawn: dict[str, Drawn] = {task: _drawn(model, task, parameters, seed) for task in parameters.tasks}
    setup = Setup(model, pushforward.of_blocks(model), lens.final_norm(model), layers, drawn, seed)
    for one in drawn.values():  # told now, and not by each section that compares two words
        for items in one.parts.values():
            scoring.both(setup.lesson(items))
    return setup


def _drawn(model: LanguageModel, task: str, parameters: Parameters, seed: int) -> Drawn:
    given: dict[str, Any] = dict(size=parameters.questions, seed=seed)
    if task in contrasts.NAMES:
        own = contrasts.pool(30 * parameters.questions, task, key=f"{seed}/lens")
        return splits.draw(model, splits.OWN, own=own, **given)
    return splits.draw(model, task, allow_download=parameters.allow_download, **given)


def columns(**given: Any) -> dict[str, Any]:
    """Columns of a row of observations, as keyword arguments: its null, what was varied.

    >>> columns(null=0.0, null_means="no step", depth=1.0)["depth"]
    1.0
    """
    return given
