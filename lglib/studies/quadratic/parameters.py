"""Parameters of the study of quadratics."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from lglib.studies import base
from lglib.studies.base import RisingInts, parameter, rising

MODELS = ("quadratics",)
K, T = 10, 100  # the pair that the text reads: k is varied at this T, and T at this k
LEAST = 0.01  # smaller noise leaves the first updates too nearly parallel to be orthonormalised
Noise = Annotated[float, Field(ge=0, le=100)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class Parameters(base.Parameters):
    """What the study of quadratics can vary. It runs on the CPU whatever the device.

    >>> Parameters().noises
    (0.0, 0.3, 1.0, 3.0)
    """

    model: str = parameter("quadratics", "quadratic losses with several spectra", unit="name")
    d: int = parameter(400, "dimension of the losses", unit="dimensions", ge=30, le=5000)
    noises: Annotated[tuple[Noise, ...], AfterValidator(rising)] = parameter(
        (0.0, 0.3, 1.0, 3.0),
        "length of the gradient noise of one step, 0.01 or more; 0: exact gradients",
        unit="lengths of the first gradient",
        min_length=1,
    )
    momenta: Annotated[tuple[Momentum, ...], AfterValidator(rising)] = parameter(
        (0.0, 0.9), "momentum of the descent; 0: SGD", min_length=1
    )
    ks: RisingInts = parameter((1, 2, 5, 10, 20), "updates in the prefix", unit="updates", min_length=1)
    horizons: RisingInts = parameter(
        (50, 100, 200, 400), "steps after which the displacement is taken", unit="steps", min_length=1
    )
    rate: float = parameter(
        0.5, "step size over 1 - momentum, in units of 1 / largest eigenvalue", gt=0, le=1
    )

    @field_validator("model")
    @classmethod
    def _is_known(cls, model: str) -> str:
        if model not in MODELS:
            raise ValueError(f"the study of quadratics has one model: {', '.join(MODELS)}")
        return model

    @field_validator("noises")
    @classmethod
    def _is_none_or_enough(cls, noises: tuple[float, ...]) -> tuple[float, ...]:
        if any(0 < noise < LEAST for noise in noises):
            raise ValueError(f"a noise must be 0 or at least {LEAST}")
        return noises

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if K not in self.ks or T not in self.horizons:
            raise ValueError(f"ks must hold {K} and horizons {T}: the pair that the text reads")
        if self.ks[-1] >= min(self.horizons[0], self.d):
            raise ValueError("the largest of ks must be below the smallest of horizons, and below d")
        return self
