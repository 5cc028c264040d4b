"""What can be set in the study of controls: defaults are those of the published book."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lglib.studies.base import Parameters as Base
from lglib.studies.base import Positive, RisingFloats, RisingInts, Share, different, parameter
from lglib.studies.lora.parameters import Parameters as Lora

PairName = Literal["cipher", "edit", "order", "last", "first", "format"]
Pairs = Annotated[tuple[PairName, ...], AfterValidator(different)]


class Parameters(Base):
    """Parameters of the study `controls`: pairs, adapters and recoveries are those of the study `lora`."""

    model: str = parameter(
        "micro-gpt2", "a shipped model, a folder, or a hub id owner/name@commit", unit="name", min_length=1
    )
    task_pairs: Pairs = parameter(
        ("cipher", "edit", "order", "last", "first"),
        "pairs of tasks A and B whose recoveries are read, see lglib.tasks.pairs",
        unit="names",
        min_length=2,
        max_length=6,
    )
    search_pairs: Pairs = parameter(
        ("cipher", "edit", "order", "first"),
        "those of them on which search, descent, candidates and noise scales are tried",
        unit="names",
        min_length=1,
    )
    shape: str = parameter(
        "4-attention",
        "rank and layers of the adapter",
        unit="shape",
        pattern=r"^[1-9][0-9]{0,3}-(attention|linear)$",
    )
    bar: Share = parameter(0.9, "exact match at which a task is learned", unit="share of questions")
    lost: Share = parameter(0.15, "exact match of A at which it is forgotten", unit="share of questions")
    back: Share = parameter(0.5, "exact match of A at which it is recovered", unit="share of questions")
    limit: int = parameter(1000, "most steps of learning, or of forgetting", unit="steps", ge=1, le=100000)
    rate: Positive = parameter(0.003, "learning rate of AdamW", le=1)
    sgd_rate: Positive = parameter(0.05, "learning rate of SGD", le=10)
    ks: RisingInts = parameter(
        (2, 5, 10),
        "dimensions k of the prefixes, rising; the last is read in the text",
        unit="dimensions",
        min_length=2,
    )
    horizon: int = parameter(100, "recovery steps T, at least twice the last k", unit="steps", ge=6)
    gradients: int = parameter(
        12,
        "minibatch gradients in each of three sets, more than the last k",
        unit="gradients",
        ge=3,
        le=10000,
    )
    draws: int = parameter(200, "random choices of k updates", unit="draws", ge=2, le=100000)
    questions: int = parameter(
        12, "most questions to search or descend on, and to choose on", unit="questions", ge=2, le=100000
    )
    budgets: RisingInts = parameter(
        (64, 192, 512), "forward passes of search and descent, rising", unit="forward passes", min_length=1
    )
    mirrored: int = parameter(8, "mirrored pairs behind one step", unit="pairs", ge=1, le=10000)
    best_of: int = parameter(16, "N of the best of N at shares of sigma*", unit="candidates", ge=2)
    scale_candidates: int = parameter(
        64, "candidates of which the best of N are drawn", unit="candidates", ge=4, le=1000000
    )
    shares: Annotated[RisingFloats, Field(min_length=2, max_length=12)] = parameter(
        (0.1, 0.3, 1.0), "noise scales that are tried, rising", unit="sigma*"
    )
    probes: int = parameter(16, "Hessian products behind a trace", unit="products", ge=2, le=10000)
    pool_candidates: int = parameter(
        12, "candidates of each subspace, norm and point for S5 and S6", unit="candidates", ge=4, le=100000
    )
    items: int = parameter(24, "questions of which their gain is the mean", unit="questions", ge=4)
    filed_candidates: int = parameter(
        6, "candidates of each subspace that seed 0 files one by one", unit="candidates", ge=1, le=100
    )
    permutations: int = parameter(999, "permutations behind a null", unit="permutations", ge=19, le=100000)

    @property
    def k(self) -> int:
        """The dimension that the text reads, the last of `ks`."""
        return self.ks[-1]

    @property
    def lora(self) -> Lora:
        """Parameters of the study `lora` by which pairs are learned, lost and recovered: the same runs."""
        own: tuple[str, ...] = ("model", "device", "allow_download", "task_pairs", "bar", "lost", "back")
        own += ("limit", "rate", "sgd_rate", "ks", "gradients", "items", "pool_candidates")
        given = {name: getattr(self, name) for name in own}
        early = sorted({max(self.k, self.horizon // 4), max(self.k + 1, self.horizon // 2), self.horizon})
        pairs = (self.task_pairs[0],)
        return Lora(
            **given, shapes=(self.shape,), horizons=tuple(early), refresh_pairs=pairs, shape_pairs=pairs
        )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.horizon < 2 * self.k + 2:
            raise ValueError(f"horizon must be more than twice the last of ks, {self.k}: {self.horizon}")
        if self.gradients <= self.k:
            raise ValueError(f"gradients must be more than the last of ks, {self.k}: {self.gradients}")
        if not self.shares[0] > 0:
            raise ValueError(f"shares must lie above 0: {self.shares}")
        if self.scale_candidates < 2 * self.best_of:
            raise ValueError(f"scale_candidates must be at least twice best_of, {self.best_of}")
        if other := set(self.search_pairs) - set(self.task_pairs):
            raise ValueError(f"search_pairs must be among task_pairs, {', '.join(sorted(other))} is not")
        _ = self.lora  # what that study refuses
        return self
