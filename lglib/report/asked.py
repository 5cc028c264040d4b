"""What is asked of the observations: the rows that speak for each claim, with their bars, ready to test."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lglib.report import frames, scales
from lglib.report.ledger import Claim, Need, Rule
from lglib.report.needs import CANNOT, filled, left_out, standing
from lglib.report.tested import Comparison
from lglib.theory.intervals import p_largest_gap, permutations

PERMUTATIONS = 1999  # of a table of models and seeds, beside the observed one
NORMAL = 1.959964  # half of a 95 % interval in standard errors


@dataclass(frozen=True)
class Asked:
    """One row that speaks for a claim, and what is tested of it; `instead` is said where there is no verdict.

    `table` (models, seeds) is there where the models are compared. `missing` names rows without which the
    claim cannot be shown. `models` is how many the values are means of, 0 where they are of one model.
    """

    claim: str
    statement: str
    rule: Rule
    row: Mapping[str, Any]
    instead: str = ""
    because: str = ""
    own: Comparison | None = None
    also: tuple[Comparison, ...] = ()
    missing: str = ""
    table: Any = None
    models: int = 0

    def p(self) -> tuple[Any, Any]:
        """p-values for saying that it holds, with all that must be shown as well, and that it does not."""
        if self.own is None:
            raise ValueError(f"nothing was measured of {self.claim} {self.rule.rows}")
        yes, no = self.own.p()
        for one in self.also:
            yes = np.maximum(yes, one.p()[0])
        if self.table is not None:
            draws = _permutations(*self.table.shape[-2:])
            tables = self.table.reshape(-1, *self.table.shape[-2:])
            p = np.array([p_largest_gap(one, draws) for one in tables])
            yes = np.maximum(yes, p.reshape(self.table.shape[:-2]))
        return np.maximum(yes, float(bool(self.missing))), no


def questions(
    study: str, over: pd.DataFrame, model: str, claims: Mapping[str, Claim], *, beyond: bool = False
) -> list[Asked]:
    """What the rules ask of a model. Raises KeyError when no row speaks and no section was left out."""
    mine = frames.rows(over, model=model)
    asked = []
    for name, claim in claims.items():
        several = int(over.loc[over["claim"] == name, "model"].nunique())
        for rule in (claim.beyond if beyond else claim.judged).get(study, []):
            statement = rule.statement or claim.statement
            wanted = [*claim.needs.get(study, []), *rule.needs]
            try:
                speaking = list(_speaking(study, name, mine, rule))
            except KeyError:
                if not (reasons := left_out(mine)):
                    raise
                asked.append(Asked(name, statement, rule, {}, CANNOT, reasons))
                continue
            for row in speaking:
                instead, because = standing(row, mine, rule, wanted, several)
                one = Asked(name, statement, rule, row, instead, because)
                asked.append(_tested(one, mine, over))
    return asked


def _speaking(study: str, claim: str, frame: pd.DataFrame, rule: Rule) -> Iterator[Mapping[str, Any]]:
    """The rows that a rule judges: one for each combination of its columns `each`."""
    wanted = {"claim": claim, **{k: _beginning(frame, k, v) for k, v in rule.rows.items()}}
    within = {k: v for k, v in wanted.items() if isinstance(v, str) and v in ("max", "min")}
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


def _beginning(frame: pd.DataFrame, name: str, value: Any) -> Any:
    """The texts of a column that begin as a value that ends in *; any other value as it is."""
    if not (isinstance(value, str) and value.endswith("*") and name in frame.columns):
        return value
    there = frame[name].dropna().unique().tolist()
    return [text for text in there if text.startswith(value[:-1])] or value


def _tested(asked: Asked, mine: pd.DataFrame, over: pd.DataFrame) -> Asked:
    """With the test of its row, of what must be shown as well, and the table of models where they differ."""
    row, rule = asked.row, asked.rule
    also, missing = [], []
    if rule.above_null:
        also.append(_test(row, row["null"], np.inf))
    for need in rule.also:
        try:
            other = _one(mine, {"claim": row["claim"], **filled(need.rows, row), **_same(row, need)})
        except KeyError as error:
            missing.append(f"no null filed: {error.args[0]}")
            continue
        also.append(_test(other, need.bar + (other["null"] if need.beyond_null else 0.0), np.inf))
    table = None
    if rule.permuted:
        table = _models(row, over)
        missing += ["no null filed: no rows of two models to permute"] * (table is None)
    try:
        judged = _less(row, rule, mine) if rule.less else row
        own = _own(judged, rule)
    except KeyError as error:
        missing.append(f"no null filed: {error.args[0]}")
        own = _test(row, -np.inf, np.inf)  # of which nothing can be shown, either way
    told = "; ".join(missing)
    because = asked.because or told
    return replace(asked, own=own, also=tuple(also), missing=told, table=table, because=because)


@functools.lru_cache(maxsize=8)
def _permutations(groups: int, seeds: int) -> Any:
    return permutations(groups, seeds, PERMUTATIONS, seed=0)


def _same(row: Mapping[str, Any], need: Need) -> dict[str, Any]:
    return {name: row[name] for name in need.match}


def _one(frame: pd.DataFrame, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    found = frames.rows(frame, **wanted)
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows are {frames.describe(wanted)}, want one")
    return dict(found.iloc[0].to_dict())


def _less(row: Mapping[str, Any], rule: Rule, mine: pd.DataFrame) -> Mapping[str, Any]:
    """A row with its control taken off, in the seeds that have both. Raises KeyError where there is none."""
    same = {name: row[name] for name in frames.varied(mine) if name in row and not pd.isna(row[name])}
    control = _one(mine, {"claim": row["claim"], "measure": row["measure"], **same, **rule.less})
    other = {seed: value for seed, value, *_ in control["runs"]}
    runs = tuple((seed, value - other[seed], 0.0, np.nan) for seed, value, *_ in row["runs"] if seed in other)
    if not runs:
        raise KeyError(f"no seed has {frames.describe(row)} and its control")
    return {**row, "runs": runs, "null": 0.0, "scale": "plain"}


def _own(row: Mapping[str, Any], rule: Rule) -> Comparison:
    """The test of a row by its rule."""
    _, _, null, predicted = _columns(row)
    if rule.rule == "near":
        centre = predicted if rule.around == "prediction" else np.zeros_like(null)
        low, high = centre - rule.bar, centre + rule.bar
    elif rule.rule == "within":
        low, high = predicted - rule.bar * np.abs(predicted), predicted + rule.bar * np.abs(predicted)
    else:
        bar = rule.bar * null if rule.times_null else np.full_like(null, rule.bar)
        edge = np.full_like(null, np.inf)
        low, high = (bar, edge) if rule.rule == "above" else (-edge, bar)
    wants = rule.rule == "within" or rule.around == "prediction"
    if wants and not (np.isfinite(predicted).all() and (rule.rule == "near" or predicted.all())):
        what = frames.describe(row)
        raise ValueError(f"{what}: {rule.rule!r} wants a prediction that is not 0, got {row['predicted']}")
    return _test(row, low, high, plain=wants)


def _test(row: Mapping[str, Any], low: Any, high: Any, *, plain: bool = False) -> Comparison:
    seeds, values, null, _ = _columns(row)
    scale = "plain" if plain else row.get("scale") or scales.of(row["measure"])
    error = None if len(seeds) > 1 else (row["high"] - row["low"]) / (2 * NORMAL)
    shape = np.zeros_like(values)
    return Comparison(values, shape + low, shape + high, scale, float(null.mean()), error)


def _columns(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Seed, value, null and prediction of each run, (S,) each."""
    return tuple(np.array(column, dtype=float) for column in zip(*row["runs"], strict=True))


def _models(row: Mapping[str, Any], over: pd.DataFrame) -> Any:
    """Values that a largest difference was taken of, (models, seeds); None where two models have none."""
    wanted = {name: row[name] for name in ("vector", "multiplier", "depth") if name in row}
    try:
        found = frames.rows(over, claim=row["claim"], measure=row["of"], **wanted)
    except KeyError:
        return None
    by_model = [{seed: value for seed, value, *_ in runs} for runs in found["runs"]]
    seeds = sorted(set.intersection(*(set(one) for one in by_model)))
    if len(by_model) < 2 or len(seeds) < 2:
        return None
    return np.array([[one[seed] for seed in seeds] for one in by_model])


def pooled(asked: Sequence[Sequence[Asked]]) -> list[tuple[Asked, int]]:
    """The same questions of all models at once, where a model is drawn at random and its seeds within it.

    `asked` are the questions of each model. The means of the models are tested (`intervals.of_groups`), of
    those that have a verdict of their own; the number of these stands beside. A rule that compares models
    already has them all.
    """
    groups: dict[Any, list[Asked]] = {}
    for one in (one for own in asked for one in own):
        key = (one.claim, one.statement, one.rule.words(), str(one.rule.rows), what(one))
        groups.setdefault(key, []).append(one)
    return [_pool(group) for group in groups.values()]


def _pool(group: Sequence[Asked]) -> tuple[Asked, int]:
    judged = [one for one in group if not (one.instead or one.missing)]
    if not judged:
        return next((one for one in group if one.missing), group[0]), 0
    first = judged[0]
    if first.table is not None:
        return first, len(first.table)
    if len(judged) == 1:
        return first, 1
    own = _means([one.own for one in judged if one.own is not None])
    also = tuple(map(_means, zip(*(one.also for one in judged), strict=True)))
    return replace(first, own=own, also=also, models=len(judged)), len(judged)


def _means(tests: Sequence[Comparison]) -> Comparison:
    """One test of the means of several."""
    first = tests[0]
    values, low, high = (
        np.array([getattr(one, name).mean() for one in tests]) for name in ("values", "low", "high")
    )
    return Comparison(values, low, high, first.scale, float(np.mean([one.null for one in tests])))


def what(asked: Asked) -> str:
    """Which row this is, in words, without its claim."""
    if not asked.row:
        values = asked.rule.rows.values()
        return ", ".join(str(value) for value in values if not isinstance(value, list))
    told = frames.describe(asked.row).removeprefix(f"{asked.row['claim']} ")
    less = ", ".join(str(value) for value in asked.rule.less.values())
    return f"{told}, less {less}" if less else told
