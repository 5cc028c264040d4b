"""Parameters of the bridge study."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lglib.studies.base import Positive, different, parameter, rising
from lglib.studies.own_data import DATA, WithData
from lglib.tasks import contrasts

Template = Literal[
    "yes-no", "claim", "boolq", "sentiment", "sentiment-2", "tense", "tense-2", "language", "language-2",
    "capitals", "capitals-2", "data",
]  # fmt: skip
QUESTIONS = (("yes-no", "claim", "boolq"), *contrasts.FORMS)  # forms of one question each
Skill = Literal[
    "open", "who", "sort", "reverse", "repeat", "count", "plural", "opposite", "capital", "add", "take"
]
Depth = Annotated[float, Field(gt=0, le=1)]
Multiplier = Annotated[float, Field(ge=-100, le=100)]


def one_question(templates: Iterable[str]) -> bool:
    """Whether templates are known to be forms of one question: of data it is not known.

    >>> one_question(["yes-no", "claim"]), one_question(["data", "claim"])
    (True, False)
    """
    chosen = set(templates)
    return any(chosen <= set(forms) for forms in QUESTIONS)


class Parameters(WithData):
    """What the bridge study can vary.

    >>> Parameters().depths
    (0.25, 0.5, 0.75, 1.0)
    """

    model: str = parameter(
        "micro-gpt2",
        "a shipped model, a folder in transformers format, or a hub id owner/name@commit",
        unit="name",
        min_length=1,
    )
    templates: Annotated[tuple[Template, ...], AfterValidator(different)] = parameter(
        ("yes-no", "claim"),
        "two forms of one question, of which the first is steered: two of yes-no, claim and boolq (which may "
        "need allow_download), or sentiment, tense, language or capitals and the same with -2, which need a "
        "model that has read real text; data, the file of that name, goes with any",
        unit="names",
        min_length=2,
        max_length=2,
    )
    questions: int = parameter(
        48,
        "true questions, and as many false ones, in each of three parts; a multiple of 4",
        unit="questions",
        ge=8,
        le=100_000,
        multiple_of=4,
    )
    depths: Annotated[tuple[Depth, ...], AfterValidator(rising)] = parameter(
        (0.25, 0.5, 0.75, 1.0),
        "blocks that are read, as shares of all blocks, rising, with 1 among them",
        unit="share of the blocks",
        min_length=2,
        max_length=100,
    )
    multipliers: Annotated[tuple[Multiplier, ...], AfterValidator(rising)] = parameter(
        (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0),
        "of steering vectors, rising and symmetric about 0, with 1 among them",
        unit="centred residual norms",
        min_length=3,
        max_length=41,
    )
    random_steps: int = parameter(
        12, "random weight steps and random vectors behind the nulls", unit="steps", ge=3, le=10_000
    )
    scales: Annotated[tuple[Depth, ...], AfterValidator(rising)] = parameter(
        (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        "lengths of a weight step, rising, each tensor measured in its own root mean square",
        unit="tensor units",
        min_length=4,
        max_length=20,
    )
    precision: Literal["float64", "float32"] = parameter(
        "float64",
        "in which the remainders of weight steps are computed; float32 takes no second copy",
        unit="name",
    )
    pairs: int = parameter(
        128, "mirrored pairs of the random search; N is twice that", unit="pairs", ge=8, le=1_000_000
    )
    sigma: Positive = parameter(0.001, "standard deviation of the noise of the random search", le=10)
    descent: int = parameter(
        10, "steps of the descent that is the third construction", unit="steps", ge=1, le=10_000
    )
    rate: Positive = parameter(0.01, "learning rate of that descent", le=10)
    skills: Annotated[tuple[Skill, ...], AfterValidator(different)] = parameter(
        ("open", "sort"),
        "kinds of items of the micro-world on which side costs are measured",
        unit="names",
        min_length=1,
        max_length=11,
    )
    stories: int = parameter(
        32, "plain stories, and items of each skill, for the side costs", unit="items", ge=4, le=100_000
    )
    rank: int = parameter(
        4, "rank of the adapter that imitates a steering vector", unit="dimensions", ge=1, le=10_000
    )
    iterations: int = parameter(
        12, "iterations of LSMR in each of two rounds", unit="iterations", ge=1, le=10_000
    )

    @property
    def asked(self) -> tuple[str, ...]:
        """The templates, with the file of one's own in place of the first where one is given."""
        return self.with_data(self.templates)

    @property
    def strengths(self) -> tuple[float, ...]:
        """The multipliers above 0."""
        return tuple(m for m in self.multipliers if m > 0)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not one_question(self.asked) and DATA not in self.asked:
            pairs = ", or ".join("two of " + ", ".join(forms) for forms in QUESTIONS)
            told = f"for their vectors are compared: {pairs}; data goes with any; got {list(self.templates)}"
            raise ValueError(f"templates must be two forms of one question, {told}")
        if self.depths[-1] != 1:
            raise ValueError(f"depths must end with 1, the last block, got {list(self.depths)}")
        mirrored = tuple(-m for m in reversed(self.multipliers))
        if mirrored != self.multipliers or 1 not in self.multipliers:
            told = f"got {list(self.multipliers)}"
            raise ValueError(f"multipliers must be symmetric about 0, with 1 among them, {told}")
        return self
