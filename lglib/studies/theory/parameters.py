"""Parameters of the theory study."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from lglib.studies import base
from lglib.studies.base import parameter, rising

MODELS = ("digits-mlp",)
Width = Annotated[int, Field(ge=2, le=200_000)]


class Parameters(base.Parameters):
    """What the theory study can vary.

    >>> Parameters().widths
    (13, 133, 1333, 13333)
    """

    model: str = parameter("digits-mlp", "the network that reads digits: one hidden layer", unit="name")
    draws: int = parameter(
        20_000, "Monte Carlo draws behind each synthetic check", unit="draws", ge=200, le=10_000_000
    )
    widths: Annotated[tuple[Width, ...], AfterValidator(rising)] = parameter(
        (13, 133, 1333, 13333),
        "hidden widths of the digit networks, 75 width + 10 parameters each",
        unit="units",
        min_length=2,
    )
    candidates: int = parameter(
        128,
        "random-search candidates of each network and noise scale",
        unit="candidates",
        ge=32,
        le=100_000,
    )

    @field_validator("model")
    @classmethod
    def _is_known(cls, model: str) -> str:
        if model not in MODELS:
            raise ValueError(f"the theory study has one model: {', '.join(MODELS)}")
        return model
