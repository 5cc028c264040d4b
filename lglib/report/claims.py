"""Claims: what the observations say of each statement of the paper, by the rules of config/claims.yml.

Everything that can be argued about stands in that file. A row is reproduced, not reproduced or inconclusive;
a claim of several rows may be "partly" so. Rows of one claim are a family, corrected for their number.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lglib.report import asked as questions
from lglib.report.asked import Asked
from lglib.report.ledger import STUDIES, Claim, Need, Paper, Rule, read
from lglib.report.needs import CANNOT, MODELS, SEEDS, UNSETTLED
from lglib.report.tested import NO, OPEN, PARTLY, YES, family, together

__all__ = ["CANNOT", "MODELS", "SEEDS", "STUDIES", "UNSETTLED", "VERDICTS", "Claim", "Need", "Paper", "Rule"]
__all__ += ["ALL", "CHECKS", "judge", "judge_models", "overall", "read", "summary"]
VERDICTS = (YES, PARTLY, NO, OPEN)
CHECKS = {YES: "check holds", NO: "check fails", OPEN: "check open"}  # of code; no verdict on a claim
OWN_MODELS = {"theory", "quadratic", "synthetic"}  # studies in which each seed trains or draws its own model
ALL = "all models"  # the name of the model in lines of `judge_models`
MODELS_LEAST = 3  # from which an interval over models is made
FEW = "an interval over fewer models says nothing; what was found holds for this base model only"
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

    A line is reproduced or not where its test says so after Holm's correction over the lines of its
    statement (`p` is the corrected p-value, `family` their number), else inconclusive. What a rule needs is
    asked first: a line may say CANNOT, SEEDS or MODELS instead, and `because` says why. Checks of code are in
    CHECKS, and no verdicts. `beyond` asks for the questions that are ours. Raises KeyError when no row speaks
    for a claim and no section was left out, and ValueError when a rule without `each` finds several, or when
    nothing of this study is judged.
    """
    asked = questions.questions(study, over, model, read() if claims is None else claims, beyond=beyond)
    return _judged(asked, study, model, beyond)


def judge_models(
    study: str, over: pd.DataFrame, *, beyond: bool = False, claims: Mapping[str, Claim] | None = None
) -> pd.DataFrame:
    """The lines of `judge` for all models of a table at once: means over models that were drawn at random.

    Spread over seeds enters through the means of the models. A line takes the models that have a verdict of
    their own; with fewer than three it says MODELS: what the line of that model says holds for it alone.
    """
    claims = read() if claims is None else claims
    models = over["model"].unique().tolist()
    asked = [questions.questions(study, over, model, claims, beyond=beyond) for model in models]
    lines = []
    for one, count in questions.pooled(asked):
        if not one.instead and count < MODELS_LEAST:
            told = f"{count} model{'s' * (count != 1)}, wants {MODELS_LEAST}: {FEW}"
            one = dataclasses.replace(one, instead=MODELS, because=told)
        lines.append(one)
    return _judged(lines, study, ALL, beyond)


def _judged(asked: Sequence[Asked], study: str, model: str, beyond: bool) -> pd.DataFrame:
    if not asked:
        raise ValueError(f"config/claims.yml judges no row of study {study}{' beyond the paper' * beyond}")
    groups: dict[Any, list[int]] = {}
    for i, one in enumerate(asked):
        if not one.instead:
            groups.setdefault((one.claim, one.statement, one.rule.check), []).append(i)
    found: dict[int, dict[str, Any]] = {}
    for members in groups.values():
        words, p = family([asked[i].p() for i in members])
        for i, word, adjusted in zip(members, words, p, strict=True):
            told = CHECKS[word] if asked[i].rule.check else word
            found[i] = {"verdict": told, "p": adjusted, "family": len(members)}
    none = {"p": math.nan, "family": 0}
    lines = [_line(one) | found.get(i, {"verdict": one.instead, **none}) for i, one in enumerate(asked)]
    return pd.DataFrame(lines).assign(study=study, model=model)


def summary(judged: pd.DataFrame, claims: Mapping[str, Claim] | None = None) -> pd.DataFrame:
    """One line a statement: the paper's figure, the verdict of its rows, and how many reproduce it.

    "partly" has its count with it, as in "partly (5 of 12)". Checks of code do not count beside verdicts.
    """
    claims = read() if claims is None else claims
    lines = []
    for (name, statement), rows in judged.groupby(["claim", "statement"], sort=False):
        found = rows["verdict"].tolist()
        word, count = overall(found), _counted(found)
        lines.append(
            {
                "claim": name,
                "statement": statement,
                "paper": _in_paper(claims[name].paper),
                "verdict": f"{word} ({count.partition(';')[0]})" if word == PARTLY else word,
                "reproduced": count,
                "holds for": _holds_for(rows),
                "because": "; ".join(dict.fromkeys(filter(None, rows["because"]))),
            }
        )
    return pd.DataFrame(lines)


def _holds_for(rows: pd.DataFrame) -> str:
    """What the intervals of these lines are over."""
    model, most = rows["model"].iloc[0], rows.loc[rows["over"] != "", "n"].max()
    if pd.isna(most):
        return ""
    if model == ALL:
        return f"{most:.0f} models"
    seeds = rows.loc[rows["over"] == "seeds", "n"].max()
    count = 1 if pd.isna(seeds) else int(seeds)
    told = f"{model} alone: {count} seed{'s' * (count != 1)}"
    return told if own_models(rows) else f"{told}, one base model"


def own_models(judged: pd.DataFrame) -> bool:
    """Whether each seed of these judged lines has a model of its own, trained in the study itself."""
    return set(judged["study"]) <= OWN_MODELS


def _counted(verdicts: list[str]) -> str:
    """How many lines with a verdict reproduce a claim, how many do not or are open, how many have none."""
    settled = [one for one in verdicts if one in VERDICTS]
    checks = [one for one in verdicts if one in CHECKS.values()]
    if not settled:
        return f"{checks.count(CHECKS[YES])} of {len(checks)} checks hold" if checks else "none judged"
    rest = len(verdicts) - len(settled) - len(checks)
    told = f"{settled.count(YES)} of {len(settled)}"
    for count, word in ((settled.count(NO), "not"), (settled.count(OPEN), OPEN), (rest, "not judged")):
        told += f"; {count} {word}" if count else ""
    return told


def overall(verdicts: list[str]) -> str:
    """One verdict from several: the same if all agree, "partly" if some are reproduced and others are not.

    Where none is reproduced and one or more shown not to be, it is "not reproduced". Where some lines have no
    verdict, those that have one speak, and no more than "partly" for the claim; where none has one, it is the
    first of CANNOT, MODELS and SEEDS that a line says. Checks of code count where there is nothing else.

    >>> overall(["reproduced", "not reproduced"]), overall(["reproduced", "needs more seeds"])
    ('partly', 'partly')
    """
    known = (*VERDICTS, *UNSETTLED, *CHECKS.values())
    if not verdicts or not set(verdicts) <= set(known):
        raise ValueError(f"verdicts must be one or more of {', '.join(known)}, got {verdicts!r}")
    settled = [one for one in verdicts if one in VERDICTS]
    if not settled:
        order = (*UNSETTLED, *(CHECKS[word] for word in (NO, OPEN, YES)))
        return next(one for one in order if one in verdicts)
    found = together(settled)
    return PARTLY if found == YES and set(verdicts) & set(UNSETTLED) else found


def _line(asked: Asked) -> dict[str, Any]:
    """What is judged, without its verdict."""
    row, rule = asked.row, asked.rule
    kept = (
        {name: row[name] for name in SHOWN} if row else {**dict.fromkeys(SHOWN, math.nan), "null_means": ""}
    )
    over = row["over"] if row else ""
    if asked.own is not None and (rule.less or asked.models):
        value, low, high = asked.own.interval()
        kept |= {"value": value, "low": low, "high": high, "n": len(asked.own.values), "null": asked.own.null}
        kept |= {"null_means": "no difference"} if rule.less else {}
        over = "models" if asked.models else over
    told = {"claim": asked.claim, "statement": asked.statement, "what": questions.what(asked)}
    says = {"rule": rule.words(), "bar": rule.bar, "why": rule.why, "because": asked.because}
    return {**told, **kept, "over": over, **says}


def _in_paper(paper: Paper | None) -> str:
    if paper is None:
        return "no figure"
    number = "" if paper.figure is None else f"{paper.figure:g}, "
    return f"{number}{paper.as_} ({paper.of})"
