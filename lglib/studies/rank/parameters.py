"""Parameters of the study `rank`: what may be set, in which range, and what must fit together."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lglib.studies.base import different, parameter, rising
from lglib.studies.own_data import WithData

Kind = Literal[
    "boolq", "yes-no", "claim", "open", "sort", "reverse", "count", "plural", "opposite", "capital", "add",
    "take", "sentiment", "sentiment-2", "tense", "tense-2", "language", "language-2", "capitals",
    "capitals-2", "data",
]  # fmt: skip
Width = Annotated[int, Field(ge=8, le=8192, multiple_of=4)]
Answers = Annotated[int, Field(ge=2, le=64)]
Dimension = Annotated[int, Field(ge=1, le=65536)]


class Parameters(WithData):
    """What the study measures, and how much of it.

    >>> Parameters(examples=32).best_of
    16
    """

    model: str = parameter(
        "micro-gpt2", "a shipped model, a folder, or a hub id owner/name@commit", unit="name", min_length=1
    )
    tasks: Annotated[tuple[Kind, ...], AfterValidator(different)] = parameter(
        ("yes-no", "open", "count", "sort"),
        "kinds of items; the loss of the first is also that of the linear regime and of the search; data is "
        "the file of that name",
        unit="name",
        min_length=2,
        max_length=21,
    )
    examples: int = parameter(128, "per-example gradients in each of three sets", unit="items", ge=8, le=4096)
    answer_counts: Annotated[tuple[Answers, ...], AfterValidator(rising)] = parameter(
        (2, 4, 8, 16),
        "how many different answers a set of open questions may have",
        unit="answers",
        min_length=2,
        max_length=12,
    )
    widths: Annotated[tuple[Width, ...], AfterValidator(rising)] = parameter(
        (32, 64, 128, 256), "widths of the untrained networks", unit="units", min_length=2, max_length=12
    )
    sketch_sizes: Annotated[tuple[Dimension, ...], AfterValidator(rising)] = parameter(
        (8, 32, 128, 512), "dimensions of the sketches", unit="dimensions", min_length=2, max_length=12
    )
    regime_items: int = parameter(
        24,
        "questions behind the loss of the linear regime and of the search",
        unit="items",
        ge=2,
        le=100_000,
    )
    random_directions: int = parameter(
        4, "random directions along which the linear regime is measured", unit="directions", ge=2, le=1000
    )
    block_directions: int = parameter(
        64,
        "blocks in which a direction is measured too, evenly over the depth; all where fewer",
        unit="directions",
        ge=1,
        le=1000,
    )
    probes: int = parameter(
        24, "random sign vectors behind the trace of the Hessian", unit="vectors", ge=2, le=100_000
    )
    candidates: int = parameter(
        64,
        "candidates of the search at each step size",
        unit="candidates",
        ge=8,
        le=100_000,
        multiple_of=2,
    )

    precision: Literal["float64", "float32"] = parameter(
        "float64",
        "in which the linear regime is computed; float32 takes no second copy of the model",
        unit="name",
    )

    @property
    def asked(self) -> tuple[str, ...]:
        """The tasks, with the file of one's own in place of the first where one is given."""
        return self.with_data(self.tasks)

    @property
    def best_of(self) -> int:
        """N of "the best of N": a quarter of the candidates, at most 16."""
        return min(16, self.candidates // 4)

    @model_validator(mode="after")
    def _answers_fit_into_a_set(self) -> Self:
        if self.answer_counts[-1] > self.examples:
            raise ValueError(
                f"answer_counts: a set of examples = {self.examples} items cannot have "
                f"{self.answer_counts[-1]} different answers"
            )
        return self
