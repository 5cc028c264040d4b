"""What all measurements of the bridge share: a model, questions in three parts, the layers that are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lglib.activations import pushforward, residual
from lglib.activations.pushforward import Pushforward
from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.parameters.space import ParameterSpace
from lglib.studies.bridge.parameters import Parameters
from lglib.tasks import data, scoring, splits, supervised
from lglib.tasks.data import Fitted
from lglib.tasks.items import Item
from lglib.tasks.own import Own
from lglib.tasks.supervised import Lesson


@dataclass(frozen=True)
class Setup:
    """A model, the parameters of its blocks as theta, the layers read, and questions by template and part.

    Parts are select, extract and evaluate: they share no passage, and neither do the templates. `fitted` says
    by template what was cut or left out to fit the context, `own` are the items of a file of one's own.
    """

    model: LanguageModel
    space: ParameterSpace
    layers: tuple[int, ...]
    parts: Mapping[str, Mapping[str, list[Item]]]
    seed: int
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    own: Own | None = None

    @property
    def templates(self) -> list[str]:
        """How questions are put; the first is steered."""
        return list(self.parts)

    @property
    def steered(self) -> Mapping[str, list[Item]]:
        """The three parts of the template that is steered."""
        return self.parts[self.templates[0]]

    @property
    def late(self) -> tuple[int, ...]:
        """The two deepest of the layers that are read."""
        return self.layers[-2:]

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

    def pushforward(self, items: Sequence[Item], layers: Sequence[int] | None = None) -> Pushforward:
        """h at the read positions of items as a function of theta, by default at all layers that are read."""
        return Pushforward(self.model, self.space, self.reading(items), tuple(layers or self.layers))

    def held_out(self, template: str) -> list[Item]:
        """The half of extract on which shifts are read."""
        return splits.halves(self.parts[template]["extract"])[0]


def prepare(parameters: Parameters, seed: int) -> Setup:
    """Load the model and draw the questions of both templates.

    Raises ValueError for a model on which the depths are fewer than two layers, or too few questions;
    SplitAnswer where the model does not know both answers of an item as one token each.
    """
    model = _load(parameters)
    blocks = len(model.blocks)
    layers = tuple(sorted({max(1, round(depth * blocks)) for depth in parameters.depths}))
    if len(layers) < 2:
        raise ValueError(
            f"depths {list(parameters.depths)} are one layer of {model.name}, which has {blocks} blocks"
        )
    own = parameters.own()
    drawn: dict[str, splits.Drawn] = {}
    for template in parameters.asked:
        drawn[template] = splits.draw(
            model,
            template,
            size=parameters.questions,
            seed=seed,
            apart_from=[item for one in drawn.values() for part in one.parts.values() for item in part],
            allow_download=parameters.allow_download,
            own=own.items if own else None,
        )
    parts = {template: one.parts for template, one in drawn.items()}
    fitted = {template: one.fitted for template, one in drawn.items()}
    setup = Setup(model, pushforward.of_blocks(model), layers, parts, seed, fitted, own)
    for drawn_parts in parts.values():  # told now, and not by each section that compares two words
        for items in drawn_parts.values():
            scoring.both(setup.lesson(items))
    return setup


def fitted(model: LanguageModel, items: Sequence[Item]) -> list[Item]:
    """Those of some items that another model can be asked: cut or left out to fit its context.

    Raises ValueError where none fits.

    >>> from lglib.tasks import data
    >>> len(fitted(loading.load("micro-gpt2"), data.micro(3)))
    3
    """
    found = data.fit(items, model.tokenizer, model.context)
    if not found.items:
        raise ValueError(f"items: none fits the context of {model.name}, {found}")
    return found.items


def in_float64(setup: Setup, parameters: Parameters) -> Setup:
    """The same with the model in float64, in which a Taylor remainder can be followed to short steps.

    With `precision` float32 it is the model itself where that is in float32: no second copy is made.
    """
    if parameters.precision == str(setup.model.dtype).removeprefix("torch."):
        return setup
    model = _load(parameters, dtype=parameters.precision)
    return dataclasses.replace(setup, model=model, space=pushforward.of_blocks(model))


def _load(parameters: Parameters, **options: Any) -> LanguageModel:
    return loading.load(
        parameters.model, device=parameters.device, allow_download=parameters.allow_download, **options
    )


def columns(**given: Any) -> dict[str, Any]:
    """Columns of a row of observations, as keyword arguments: its null, what was varied.

    >>> columns(null=0.0, null_means="no step", depth=1.0)["depth"]
    1.0
    """
    return given
