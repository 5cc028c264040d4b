"""The file of claims: what the paper states, which rows speak for it, by which rule, and what that needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from lglib.base import settings
from lglib.report import frames, provenance

STUDIES = provenance.STUDIES
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Values = str | int | Number | list[str | int | Number]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Paper(_Strict):
    """A figure of the paper: the number if there is one, of what it is, and as what it is reported."""

    figure: Number | None
    of: Words
    as_: Words = Field(alias="as")


def _names_a_measure(one: Any) -> Any:
    if "measure" not in one.rows:
        raise ValueError("rows must name the measure")
    return one


class Need(_Strict):
    """What must hold before a row is judged at all: each of these rows has its whole interval above the bar.

    `rows` are rows of context, unless a claim is among them; a text may name a column of the judged row, as
    in "CAA, {caa}". With `match` the columns must have the value that they have in the judged row. With
    `beyond_null` the bar counts from the row's null.
    """

    rows: dict[str, Values]
    match: list[Words] = []
    bar: Number
    beyond_null: bool = False
    why: Words

    _has_measure = model_validator(mode="after")(_names_a_measure)


class Least(_Strict):
    """The fewest seeds, or models, from which a verdict is given, and why."""

    least: Annotated[int, Field(ge=1)]
    why: Words


SEEDS = Least(least=3, why="two seeds may agree by luck: their interval is 12.7 standard errors wide")
MODELS = Least(least=1, why="the claim is about one model at a time")


class Rule(_Strict):
    """Which rows speak, and the bar that their intervals are held against.

    One verdict for each combination of the columns in `each`; "max" and "min" in `rows` are taken within it.
    "within" wants a bar that is a share of the prediction; with `times_null` it is a multiple of the null.
    `seeds` and `models` are the fewest that a verdict takes, `needs` what must hold before there is one.
    `statement` is for the questions that are ours.
    """

    rows: dict[str, Values]
    each: list[Words] = []
    rule: Literal["above", "below", "within"]
    bar: Number
    times_null: bool = False
    why: Words
    statement: Words | None = None
    seeds: Least = SEEDS
    models: Least = MODELS
    needs: list[Need] = []

    _has_measure = model_validator(mode="after")(_names_a_measure)

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        if self.rule == "within" and (self.bar <= 0 or self.times_null):
            raise ValueError("the bar of 'within' is a share of the prediction, above 0")
        return self

    def words(self) -> str:
        """The rule as the page shows it."""
        if self.rule == "within":
            return f"within {100 * self.bar:g}% of prediction"
        return f"{self.rule} {self.bar:g}{' times the null' if self.times_null else ''}"


class Claim(_Strict):
    """One claim: its statement, the paper's figure, our reading, and the rules by study.

    `needs` by study hold for all rules of the claim in it, beside those of the rule.
    """

    statement: Words
    paper: Paper | None
    reading: Words
    judged: dict[Literal[STUDIES], list[Rule]] = {}  # type: ignore[valid-type]
    beyond: dict[Literal[STUDIES], list[Rule]] = {}  # type: ignore[valid-type]
    needs: dict[Literal[STUDIES], list[Need]] = {}  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _beyond_says_what_it_asks(self) -> Claim:
        if any(rule.statement is None for rules in self.beyond.values() for rule in rules):
            raise ValueError("each rule in beyond needs a statement: it is a question of ours")
        if any(rule.statement is not None for rules in self.judged.values() for rule in rules):
            raise ValueError("a rule in judged has no statement of its own: it is the claim that is judged")
        return self


def read(path: str | Path | None = None) -> dict[str, Claim]:
    """Claims by id, in the order of the ledger. Raises ValueError naming the file and what is wrong in it.

    >>> read()["S3"].paper.figure
    0.77
    """
    path = Path(path or provenance.project_root() / "config" / "claims.yml")
    try:
        found = settings.read(path)
        if not isinstance(found, dict):
            raise ValueError("it must hold one entry for each claim")
        if wrong := set(found) ^ set(frames.CLAIMS):
            raise ValueError(f"missing or unknown claims: {', '.join(sorted(map(str, wrong)))}")
        claims = TypeAdapter(dict[str, Claim]).validate_python(found)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {settings.shown(e['input'])}"
            for e in error.errors()
        ]
        raise ValueError("\n".join(f"{path}: {line}" for line in lines)) from None
    except settings.BadSettings:
        raise  # it names the file
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {claim: claims[claim] for claim in frames.CLAIMS}
