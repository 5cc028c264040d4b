"""Parameters of the lens study."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lglib.studies.base import Parameters as Base
from lglib.studies.base import different, parameter, rising

Task = Literal[
    "yes-no", "claim", "boolq", "place-thing", "sort-reverse", "sentiment", "tense", "language", "capitals"
]
Depth = Annotated[float, Field(gt=0, le=1)]
Dose = Annotated[float, Field(gt=0, le=100)]


class Parameters(Base):
    """What the lens study can vary.

    >>> Parameters().tasks
    ('yes-no', 'place-thing', 'sort-reverse')
    """

    model: str = parameter(
        "micro-gpt2",
        "a shipped model, a folder in transformers format, or a hub id owner/name@commit",
        unit="name",
        min_length=1,
    )
    tasks: Annotated[tuple[Task, ...], AfterValidator(different)] = parameter(
        ("yes-no", "place-thing", "sort-reverse"),
        "behaviours, each a choice between two answer words: those of the micro-world; boolq (which may need "
        "allow_download), sentiment, tense, language and capitals need a model that has read real text",
        unit="names",
        min_length=1,
    )
    questions: int = parameter(
        48,
        "questions whose first answer is right, and as many whose second is, in each of three parts; a "
        "multiple of 4",
        unit="questions",
        ge=8,
        le=100_000,
        multiple_of=4,
    )
    judged: int = parameter(
        24,
        "questions of each answer, out of those of the last part, on which steering is judged",
        unit="questions",
        ge=4,
        le=100_000,
    )
    depths: Annotated[tuple[Depth, ...], AfterValidator(rising)] = parameter(
        (0.25, 0.5, 0.75, 1.0),
        "blocks that are read, as shares of all blocks, rising, with 1 among them",
        unit="share of the blocks",
        min_length=2,
        max_length=100,
    )
    doses: Annotated[tuple[Dose, ...], AfterValidator(rising)] = parameter(
        (0.5, 1.0, 2.0),
        "lengths of what is added, rising, with 1 among them; each also with the other sign",
        unit="centred residual norms",
        min_length=1,
        max_length=20,
    )
    random_directions: int = parameter(
        3, "random directions behind the null of an effect", unit="directions", ge=2, le=10_000
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.depths[-1] != 1:
            raise ValueError(f"depths must end with 1, the last block, got {list(self.depths)}")
        if 1 not in self.doses:
            raise ValueError(f"doses must have 1 among them, got {list(self.doses)}")
        if self.judged > self.questions:
            raise ValueError(f"judged must be at most questions, {self.questions}, got {self.judged}")
        return self
