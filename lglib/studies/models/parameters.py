"""Parameters of the study of the models."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from lglib.studies import base, naming
from lglib.studies.base import different, parameter

Name = Annotated[str, Field(min_length=1)]


class Parameters(base.Parameters):
    """What the study of the models can vary. It looks at several models at once: `names`.

    >>> Parameters().names
    ('micro-gpt2', 'micro-qwen2', 'micro-olmo2')
    """

    model: str = parameter("micro-models", "name under which the set of models is filed", unit="name")
    names: Annotated[tuple[Name, ...], AfterValidator(different)] = parameter(
        ("micro-gpt2", "micro-qwen2", "micro-olmo2"),
        "models to look at: shipped ones, folders in transformers format, hub ids as owner/name@commit",
        unit="names",
        min_length=1,
        max_length=12,
    )
    items: int = parameter(1000, "test items of each kind", unit="items", ge=20, le=100_000)
    data: str = parameter(
        "",
        "a JSON-lines file of items of one's own, asked beside the others, see lglib.tasks.own",
        unit="path",
    )
    template: str = parameter(
        "", "how its fields make a prompt; empty: that of its kind of lines", unit="text"
    )
    answers: tuple[str, ...] = parameter(
        (),
        "its words for true and false, or its two answers; none: those of the file",
        unit="texts",
        max_length=2,
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if wrong := naming.clashes(self.names):
            raise ValueError("; ".join(wrong))
        if (self.template or self.answers) and not self.data:
            raise ValueError("template and answers are of data, which is not given")
        return self
