"""Parameters of the study of the synthetic transformer."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from lglib.studies import base
from lglib.studies.base import RisingInts, Share, parameter

SETS = 4  # sets of minibatch gradients: independent estimates of one thing
K = 10  # dimension at which the text reads a subspace
SHORTEST = 2 * K  # of a horizon: half of it leaves room for a prefix of K steps


class Parameters(base.Parameters):
    """What the study of the synthetic transformer can be told.

    >>> Parameters().horizon
    100
    """

    model: str = parameter(
        "multitask-gpt2", "name under which the study's own transformer is filed", unit="name"
    )
    layers: int = parameter(2, "blocks of the transformer", unit="blocks", ge=1, le=100)
    width: int = parameter(
        64,
        "width of the residual stream; a block has about 12 width^2 parameters",
        ge=8,
        le=4096,
        multiple_of=4,
    )
    length: int = parameter(6, "digits of an input", unit="digits", ge=2, le=9)
    base_steps: int = parameter(500, "training steps of the base model", unit="steps", ge=20, le=100_000)
    bar: Share = parameter(
        0.95, "exact match that every task must reach before it is forgotten", unit="share"
    )
    ks: RisingInts = parameter(
        (1, 2, 5, 10, 20), f"dimensions k of the subspaces, {K} among them", unit="dimensions", min_length=2
    )
    horizons: RisingInts = parameter(
        (50, 100, 200),
        "recovery steps T; the text reads the middle one",
        unit="steps",
        min_length=3,
        max_length=3,
    )
    gradients: int = parameter(
        20, f"minibatch gradients in each of {SETS} sets", unit="gradients", ge=K, le=10_000
    )
    candidates: int = parameter(
        24, "random-search candidates of each subspace, norm and point", unit="candidates", ge=4, le=100_000
    )
    schedule_steps: int = parameter(
        144,
        "training steps of each schedule, a multiple of 16; half as many from the trained base",
        unit="steps",
        ge=16,
        le=100_000,
        multiple_of=16,
    )

    @property
    def horizon(self) -> int:
        """Recovery steps T that the text reads, the middle one of `horizons`."""
        return self.horizons[1]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if K not in self.ks:
            raise ValueError(f"ks must hold {K}, at which subspaces are compared, got {self.ks}")
        if self.horizons[0] < (shortest := max(SHORTEST, self.ks[-1])) or self.horizons[-1] > 100_000:
            raise ValueError(
                f"horizons must lie from {shortest} (twice {K}, and the largest k) to 100000, "
                f"got {self.horizons}"
            )
        if self.ks[-1] > (most := SETS * self.gradients):
            raise ValueError(f"ks must not exceed the {most} gradients of {SETS} sets, got {self.ks}")
        return self
