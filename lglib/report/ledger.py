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

    def words(self) -> str:
        """The condition as the page shows it, when it stands beside a rule."""
        told = ", ".join(f"{value}" for value in self.rows.values())
        bar = f"{self.bar:g} beyond its null" if self.beyond_null and self.bar else f"{self.bar:g}"
        return f"{told} above {'its null' if self.beyond_null and not self.bar else bar}"


class Least(_Strict):
    """The fewest seeds, or models, from which a verdict is given, and why."""

    least: Annotated[int, Field(ge=1)]
    why: Words


SEEDS = Least(least=3, why="two seeds may agree by luck: their interval is 12.7 standard errors wide")
MODELS = Least(least=1, why="the claim is about one model at a time")


class Rule(_Strict):
    """Which rows speak, and the bar that they are held against.

    One verdict for each combination of the columns in `each`; "max" and "min" in `rows` are taken within it,
    and a text that ends in * is any that begins so. "within" wants a bar that is a share of the prediction,
    "near" an absolute distance from 0, or from the prediction with `around`; with `times_null` the bar is a
    multiple of the null. `less` takes off another row, seed by seed: that with these values, else alike.
    `above_null` and `also` are what must be shown as well: the row is above its null, and so is each of these
    rows above its bar. `permuted` is for the largest difference between models, whose null is permutation.
    `seeds` and `models` are the fewest that a verdict takes, `needs` what must hold before there is one. A
    `check` is one of the code and of no claim, and is not counted. `statement` is for questions of ours.
    """

    rows: dict[str, Values]
    each: list[Words] = []
    rule: Literal["above", "below", "within", "near"]
    bar: Number
    around: Literal["zero", "prediction"] = "zero"
    times_null: bool = False
    less: dict[str, str | int | float] = {}
    above_null: bool = False
    also: list[Need] = []
    permuted: bool = False
    check: bool = False
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
        if self.rule == "near" and (self.bar <= 0 or self.times_null):
            raise ValueError("the bar of 'near' is a distance, above 0")
        if self.around == "prediction" and self.rule != "near":
            raise ValueError("around is for 'near' alone")
        return self

    def words(self) -> str:
        """The rule as the page shows it.

        >>> Rule(rows={"measure": "capture"}, rule="below", bar=0.25, above_null=True, why="most").words()
        'below 0.25, and above its null'
        """
        if self.rule == "within":
            told = f"within {100 * self.bar:g}% of prediction"
        elif self.rule == "near":
            told = f"no further than {self.bar:g} from {'0' if self.around == 'zero' else 'its prediction'}"
        else:
            told = f"{self.rule} {self.bar:g}{' times the null' * self.times_null}"
        told += ", and above its null" * self.above_null
        told += ", and more than permuted models differ" * self.permuted
        return told + "".join(f", and {need.words()}" for need in self.also)


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
