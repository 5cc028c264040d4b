"""Claims: what the observations say of each statement of the paper, by the rules of config/claims.yml.

Everything that can be argued about stands in that file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from lglib.report import frames
from lglib.report.ledger import STUDIES, Claim, Need, Paper, Rule, read
from lglib.report.needs import CANNOT, MODELS, SEEDS, UNSETTLED, left_out, standing

__all__ = ["CANNOT", "MODELS", "SEEDS", "STUDIES", "UNSETTLED", "VERDICTS", "Claim", "Need", "Paper", "Rule"]
__all__ += ["judge", "overall", "read", "summary", "verdict"]
VERDICTS = ("reproduced", "partly", "not reproduced")
SHOWN = ("value", "low", "high", "n", "null", "null_means", "predicted")  # of a row, in its line


def judge(
    study: str,
    over: pd.DataFrame,
    model: str,
    *,
    beyond: bool = False,
    claims: Mapping[str, Claim] | None = None,
) -> pd.DataFrame:
    """One line for each row of `over_seeds` that speaks for a claim, with what its rule says of it.

    What a rule needs is asked first: a line may say CANNOT, SEEDS or MODELS instead, and `because` says why.
    `beyond` asks for the questions that are ours. Raises KeyError when no row speaks for a claim and no
    section was left out, and ValueError when a rule without `each` finds several, or when nothing of this
    study is judged.
    """
    claims = read() if claims is None else claims
    mine = frames.rows(over, model=model)
    lines = []
    for name, claim in claims.items():
        several = int(over.loc[over["claim"] == name, "model"].nunique())
        for rule in (claim.beyond if beyond else claim.judged).get(study, []):
            told = {"statement": rule.statement or claim.statement}
            wanted = [*claim.needs.get(study, []), *rule.needs]
            try:
                speaking = list(_speaking(study, name, mine, rule))
            except KeyError:
                if not (reasons := left_out(mine)):
                    raise
                lines.append({**told, **_unmeasured(name, rule, reasons)})
                continue
            for row in speaking:
                instead, because = standing(row, mine, rule, wanted, several)
                lines.append({**told, **_line(row, rule, instead), "because": because})
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
                "reproduced": _counted(found),
                "because": "; ".join(dict.fromkeys(filter(None, rows["because"]))),
            }
        )
    return pd.DataFrame(lines)


def _counted(verdicts: list[str]) -> str:
    """How many lines of those that have a verdict reproduce a claim, and how many have none."""
    settled = [one for one in verdicts if one in VERDICTS]
    if not settled:
        return "none judged"
    rest = len(verdicts) - len(settled)
    return f"{settled.count('reproduced')} of {len(settled)}" + (f"; {rest} not judged" if rest else "")


def overall(verdicts: list[str]) -> str:
    """One verdict from several: the same if all agree, else "partly".

    Where some lines have no verdict, those that have one speak, and no more than "partly" for the claim;
    where none has one, it is the first of CANNOT, MODELS and SEEDS that a line says.

    >>> overall(["reproduced", "not reproduced"]), overall(["reproduced", "needs more seeds"])
    ('partly', 'partly')
    """
    known = (*VERDICTS, *UNSETTLED)
    if not verdicts or not set(verdicts) <= set(known):
        raise ValueError(f"verdicts must be one or more of {', '.join(known)}, got {verdicts!r}")
    settled = {one for one in verdicts if one in VERDICTS}
    if not settled:
        return next(one for one in UNSETTLED if one in verdicts)
    if len(settled) > 1 or (settled == {"reproduced"} and set(verdicts) != settled):
        return "partly"
    return settled.pop()


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


def _line(row: Mapping[str, Any], rule: Rule, instead: str) -> dict[str, Any]:
    """What is judged, and the verdict, or what is said instead of one."""
    predicted = None if pd.isna(row["predicted"]) else row["predicted"]
    try:
        found = instead or verdict(row["low"], row["high"], rule, null=row["null"], predicted=predicted)
    except ValueError as error:
        raise ValueError(f"{frames.describe(row)}: {error}") from error
    kept = {name: row[name] for name in SHOWN}
    what = frames.describe(row).removeprefix(f"{row['claim']} ")
    return {"claim": row["claim"], "what": what, **kept, **_told(rule), "verdict": found}


def _unmeasured(claim: str, rule: Rule, reasons: str) -> dict[str, Any]:
    """The line of a rule whose rows were not measured."""
    what = ", ".join(str(value) for value in rule.rows.values() if not isinstance(value, list))
    empty = {name: "" if name == "null_means" else math.nan for name in SHOWN}
    return {"claim": claim, "what": what, **empty, **_told(rule), "verdict": CANNOT, "because": reasons}


def _told(rule: Rule) -> dict[str, Any]:
    return {"rule": rule.words(), "bar": rule.bar, "why": rule.why}


def _in_paper(paper: Paper | None) -> str:
    if paper is None:
        return "no figure"
    number = "" if paper.figure is None else f"{paper.figure:g}, "
    return f"{number}{paper.as_} ({paper.of})"
