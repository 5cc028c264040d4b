"""What can be set in the study of LoRA adapters: defaults are those of the published book."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lglib.studies.base import Parameters as Base
from lglib.studies.base import Positive, RisingFloats, RisingInts, Share, different, parameter

PairName = Literal["cipher", "edit", "order", "last", "first", "format", "own"]
Pairs = Annotated[tuple[PairName, ...], AfterValidator(different)]
Shape = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}-(attention|linear)$")]
Shapes = Annotated[tuple[Shape, ...], AfterValidator(different)]


class Parameters(Base):
    """Parameters of the study `lora`: five pairs of tasks, learned, forgotten and recovered in an adapter."""

    model: str = parameter(
        "micro-gpt2", "a shipped model, a folder, or a hub id owner/name@commit", unit="name", min_length=1
    )
    task_pairs: Pairs = parameter(
        ("cipher", "edit", "order", "last", "first"),
        "pairs of tasks A and B, see lglib.tasks.pairs; own is made of `data`; the first has the pool of S5",
        unit="names",
        min_length=2,
        max_length=7,
    )
    data: str = parameter(
        "",
        "a JSON-lines file of which the pair own is made, see lglib.tasks.own; B is a built-in",
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
    shapes: Shapes = parameter(
        ("4-attention", "8-linear"),
        "rank and layers of the adapters, such as 4-attention; the first is for all pairs",
        unit="shapes",
        min_length=1,
        max_length=12,
    )
    shape_pairs: Pairs = parameter(
        ("edit",), "pairs that are run in the other shapes", unit="names", min_length=1, max_length=6
    )
    bar: Share = parameter(0.9, "exact match at which a task is learned", unit="share of questions")
    lost: Share = parameter(0.15, "exact match of A at which it is forgotten", unit="share of questions")
    back: Share = parameter(0.5, "exact match of A at which it is recovered", unit="share of questions")
    limit: int = parameter(1000, "most steps of learning, or of forgetting", unit="steps", ge=1, le=100000)
    rate: Positive = parameter(0.003, "learning rate of AdamW", le=1)
    sgd_rate: Positive = parameter(0.05, "learning rate of SGD", le=10)
    ks: RisingInts = parameter(
        (1, 2, 5, 10),
        "dimensions k of the subspaces, rising; the last is read in the text",
        unit="dimensions",
        min_length=2,
    )
    horizons: RisingInts = parameter(
        (25, 50, 100),
        "recovery steps T, rising; the last is read in the text, at least twice the last k",
        unit="steps",
        min_length=3,
        max_length=3,
    )
    gradients: int = parameter(
        12,
        "minibatch gradients in each of three sets, at least the last k",
        unit="gradients",
        ge=2,
        le=10000,
    )
    candidates: int = parameter(256, "N of the random search", unit="candidates", ge=4, le=1000000)
    norms: Annotated[RisingFloats, Field(min_length=1, max_length=12)] = parameter(
        (0.25, 1.0), "lengths of its steps, rising; the first is judged", unit="lengths of the recovery"
    )
    items: int = parameter(
        24, "twice the questions on which candidates are selected", unit="questions", ge=4, le=100000
    )
    pool_candidates: int = parameter(
        12, "candidates of each subspace, norm and point for S5 and S6", unit="candidates", ge=4, le=100000
    )
    refresh: RisingInts = parameter(
        (1, 5, 10, 25, 50),
        "steps between two refreshes of a basis, rising",
        unit="steps",
        min_length=1,
        max_length=12,
    )
    refresh_pairs: Pairs = parameter(
        ("cipher", "order"), "pairs for the recalibration, among task_pairs", unit="names", min_length=1
    )

    @property
    def k(self) -> int:
        """The dimension that the text reads, the last of `ks`."""
        return self.ks[-1]

    @property
    def horizon(self) -> int:
        """The recovery steps that the text reads, the last of `horizons`."""
        return self.horizons[-1]

    @property
    def rates(self) -> dict[str, float]:
        """Learning rates by optimiser."""
        return {"AdamW": self.rate, "SGD": self.sgd_rate}

    @model_validator(mode="before")
    @classmethod
    def _own_goes_first(cls, given: Any) -> Any:
        """With data and without the pair own it takes the place of the first, wherever that is named."""
        if not isinstance(given, dict) or not given.get("data"):
            return given
        named = {
            n: given.get(n, cls.model_fields[n].default)
            for n in ("task_pairs", "shape_pairs", "refresh_pairs")
        }
        tasks = named["task_pairs"]
        if not isinstance(tasks, list | tuple) or not tasks or "own" in tasks:
            return given
        return given | {n: tuple("own" if x == tasks[0] else x for x in own) for n, own in named.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.horizons[0] < self.k:
            raise ValueError(f"horizons must all be at least the last of ks, {self.k}: {self.horizons}")
        if self.horizon < max(4, 2 * self.k):
            raise ValueError(f"horizons must end at {max(4, 2 * self.k)} or more, twice the last of ks")
        if self.gradients < self.k:
            raise ValueError(f"gradients must be at least the last of ks, {self.k}: {self.gradients}")
        if not 0 < self.norms[0] <= self.norms[-1] <= 100:
            raise ValueError(f"norms must lie above 0 and up to 100: {self.norms}")
        if "own" in (*self.task_pairs, *self.shape_pairs) and not self.data:
            raise ValueError("the pair own needs data, the path of a JSON-lines file")
        if (self.template or self.answers) and not self.data:
            raise ValueError("template and answers are of data, which is not given")
        if other := set(self.refresh_pairs) - set(self.task_pairs):
            raise ValueError(f"refresh_pairs must be among task_pairs, {', '.join(sorted(other))} is not")
        return self
