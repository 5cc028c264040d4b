"""Claims: what the paper states, which rows speak for it, by which rule and why; and the verdicts.

Everything that can be argued about stands in config/claims.yml.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from lglib.report import frames, provenance

STUDIES = provenance.STUDIES
VERDICTS = ("reproduced", "partly", "not reproduced")
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Values = str | int | float | list[str | int | float]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Paper(_Strict):
    """A figure of the paper: the number if there is one, of what it is, and as what it is reported."""

    figure: Number | None
    of: Words
    as_: Words = Field(alias="as")


class Rule(_Strict):
    """Which rows speak, and the bar that their intervals are held against.

    One verdict for each combination of the columns in `each`; "max" and "min" in `rows` are taken within it.
    "within" wants a bar that is a share of the prediction; with `times_null` it is a multiple of the null.
    `statement` is for the questions that are ours.
    """

    rows: dict[str, Values]
    each: list[Words] = []
    rule: Literal["above", "below", "within"]
    bar: Number
    times_null: bool = False
    why: Words
    statement: Words | None = None

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        if "measure" not in self.rows:
            raise ValueError("rows must name the measure")
        if self.rule == "within" and (self.bar <= 0 or self.times_null):
            raise ValueError("the bar of 'within' is a share of the prediction, above 0")
        return self

    def words(self) -> str:
        """The rule as the page shows it."""
        if self.rule == "within":
            return f"within {100 * self.bar:g}% of prediction"
        return f"{self.rule} {self.bar:g}{' times the null' if self.times_null else ''}"


class Claim(_Strict):
    """One claim: its statement, the paper's figure, our reading, and the rules by study."""

    statement: Words
    paper: Paper | None
    reading: Words
    judged: dict[Literal[STUDIES], list[Rule]] = {}  # type: ignore[valid-type]
    beyond: dict[Literal[STUDIES], list[Rule]] = {}  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _beyond_says_what_it_asks(self) -> Claim:
        if any(rule.statement is None for rules in self.beyond.values() for rule in rules):
            raise ValueError("each rule in beyond needs a statement: it is a question of ours")
        if any(rule.statement is not None for rules in self.judged.values() for rule in rules):
            raise ValueError("a rule in judged has no statement of its own: it is the claim that is judged")
        return self


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := {k for k in keys if keys.count(k) > 1}:
            told = ", ".join(sorted(map(str, twice)))
            raise ValueError(f"{told} is given twice, in the entry from line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def read(path: str | Path | None = None) -> dict[str, Claim]:
    """Claims by id, in the order of the ledger. Raises ValueError naming the file and what is wrong in it.

    >>> read()["S3"].paper.figure
    0.77
    """
    path = Path(path or provenance.project_root() / "config" / "claims.yml")
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
        if not isinstance(found, dict):
            raise ValueError("it must hold one entry for each claim")
        if wrong := set(found) ^ set(frames.CLAIMS):
            raise ValueError(f"missing or unknown claims: {', '.join(sorted(map(str, wrong)))}")
        claims = TypeAdapter(dict[str, Claim]).validate_python(found)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise ValueError("\n".join(f"{path}: {line}" for line in lines)) from None
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error
    return {claim: claims[claim] for claim in frames.CLAIMS}


def judge(
    study: str,
    over: pd.DataFrame,
    model: str,
    *,
    beyond: bool = False,
    claims: Mapping[str, Claim] | None = None,
) -> pd.DataFrame:
    """One line for each row of `over_seeds` that speaks for a claim, with what its rule says of it.

    `beyond` asks for the questions that are ours. Raises KeyError when no row speaks for a claim, and
    ValueError when a rule without `each` finds several, or when nothing of this study is judged.
    """
    claims = read() if claims is None else claims
    mine = frames.rows(over, model=model)
    lines = []
    for name, claim in claims.items():
        for rule in (claim.beyond if beyond else claim.judged).get(study, []):
            for row in _speaking(study, name, mine, rule):
                lines.append({"statement": rule.statement or claim.statement, **_line(row, rule)})
    if not lines:
        raise ValueError(f"config/claims.yml judges no row of study {study}{' beyond the paper' * beyond}")
    return pd.DataFrame(lines).assign(study=study, model=model)


def summary(judged: pd.DataFrame, claims: Mapping[str, Claim] | None = None) -> pd.DataFrame:
    """One line a statement: the paper's figure, the verdict of its rows, and how many reproduce it."""
    claims = read() if claims is None else claims
    lines = []
    for (name, statement), rows in judged.groupby(["claim", "statement"], sort=False):
        found = rows["verdict"].tolist()
        lines.append(
            {
                "claim": name,
                "statement": statement,
                "paper": _in_paper(claims[name].paper),
                "verdict": overall(found),
                "reproduced": f"{found.count('reproduced')} of {len(found)}",
            }
        )
    return pd.DataFrame(lines)


def overall(verdicts: list[str]) -> str:
    """One verdict from several: the same if all agree, else "partly".

    >>> overall(["reproduced", "not reproduced"])
    'partly'
    """
    if not verdicts or not set(verdicts) <= set(VERDICTS):
        raise ValueError(f"verdicts must be one or more of {', '.join(VERDICTS)}, got {verdicts!r}")
    return verdicts[0] if len(set(verdicts)) == 1 else "partly"


def verdict(low: float, high: float, rule: Rule, *, null: float, predicted: float | None = None) -> str:
    """What a rule says of an interval: all of it beyond the bar, none of it, or a part.

    Raises ValueError for "within" without a prediction, or with one of 0.

    >>> verdict(0.5, 0.7, Rule(rows={"measure": "capture"}, rule="above", bar=0.1, why="most"), null=0.01)
    'reproduced'
    """
    if rule.rule == "within":
        if predicted is None or not math.isfinite(predicted) or predicted == 0:
            raise ValueError(f"'within' wants a prediction that is not 0, got {predicted}")
        slack = rule.bar * abs(predicted)
        wanted = (predicted - slack, predicted + slack)
    else:
        bar = rule.bar * null if rule.times_null else rule.bar
        wanted = (bar, math.inf) if rule.rule == "above" else (-math.inf, bar)
    if wanted[0] < low and high < wanted[1]:
        return "reproduced"
    return "not reproduced" if high <= wanted[0] or low >= wanted[1] else "partly"


def _speaking(study: str, claim: str, frame: pd.DataFrame, rule: Rule) -> Iterator[Mapping[str, Any]]:
    """The rows that a rule judges: one for each combination of its columns `each`."""
    wanted = {"claim": claim, **rule.rows}
    within = {k: v for k, v in wanted.items() if v in ("max", "min")}
    try:
        found = frames.rows(frame, **{k: v for k, v in wanted.items() if k not in within})
        if missing := [name for name in rule.each if name not in found.columns]:
            raise KeyError(f"no column {', '.join(missing)}")
    except KeyError as error:
        raise KeyError(f"no row of {study} speaks for {claim} {rule.rows}: {error.args[0]}") from error
    parts = [part for _, part in found.groupby(rule.each, sort=False, dropna=False)] if rule.each else [found]
    for part in parts:
        one = frames.rows(part, **within)
        if len(one) != 1:
            first = "; ".join(frames.describe(row) for _, row in one.head(3).iterrows())
            raise ValueError(
                f"{len(one)} rows of {study} speak for {claim} {rule.rows}, want one: {first}, ..."
            )
        yield one.iloc[0].to_dict()


def _line(row: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    predicted = None if pd.isna(row["predicted"]) else row["predicted"]
    try:
        found = verdict(row["low"], row["high"], rule, null=row["null"], predicted=predicted)
    except ValueError as error:
        raise ValueError(f"{frames.describe(row)}: {error}") from error
    kept = {name: row[name] for name in ("value", "low", "high", "n", "null", "null_means", "predicted")}
    what = frames.describe(row).removeprefix(f"{row['claim']} ")
    told = {"rule": rule.words(), "bar": rule.bar, "why": rule.why, "verdict": found}
    return {"claim": row["claim"], "what": what, **kept, **told}


def _in_paper(paper: Paper | None) -> str:
    if paper is None:
        return "no figure"
    number = "" if paper.figure is None else f"{paper.figure:g}, "
    return f"{number}{paper.as_} ({paper.of})"
