"""Tables of the page: numbers in words, values with their intervals, verdicts with their bars."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import pandas as pd

from lglib.base.checks import NotMeasurable
from lglib.report import claims, null_world, provenance
from lglib.report.frames import LEFT_OUT, NoRows, rows
from lglib.theory.stats import with_spread

VALUE, RULE = "value [95 %] (n)", "rule, and why"  # columns made of several


def show(frame: pd.DataFrame, columns: Sequence[str] | Mapping[str, str], digits: int = 3) -> pd.DataFrame:
    """A table for the page: these columns, or these under other headings, the first as its index.

    Numbers have `digits` significant digits, an empty cell is empty. The column VALUE is made of value, low,
    high and n. Raises KeyError that names the columns there are.

    >>> frame = pd.DataFrame({"k": [10], "value": [0.6123], "low": [0.55], "high": [0.67], "n": [5]})
    >>> show(frame, ["k", VALUE]).iloc[0, 0]
    '0.612 [0.550, 0.670] (5)'
    """
    headings = columns if isinstance(columns, Mapping) else {name: name for name in columns}
    if VALUE in headings:
        frame = frame.assign(**{VALUE: [in_words(row) for row in frame.to_dict("records")]})
    if missing := [name for name in headings if name not in frame.columns]:
        raise KeyError(f"no column {', '.join(missing)}; there is: {', '.join(map(str, frame.columns))}")
    shown = frame[list(headings)].astype(object).map(lambda cell: _cell(cell, digits))
    first, *rest = headings.values()
    table = shown.set_axis([first, *rest], axis=1).set_index(first)
    return table.rename_axis(
        index=None, columns=first
    )  # the index's name in the head, not in a line of its own


def in_words(row: Mapping[str, Any]) -> str:
    """A row's value with its interval and n; the value alone where it is a single number without spread.

    Nothing for a row that was not measured.

    >>> in_words({"value": 0.61, "low": 0.61, "high": 0.61, "n": 1})
    '0.61'
    """
    if pd.isna(row["value"]):
        return ""
    if row["n"] == 1 and row["low"] == row["high"]:
        return f"{row['value']:.4g}"
    return f"{with_spread(row['value'], row['low'], row['high'])} ({row['n']:.0f})"


def wide(frame: pd.DataFrame, index: str, columns: str, *, nulls: bool = False) -> pd.DataFrame:
    """Values with their intervals, one line for each value of one column, one column for each of another.

    With `nulls` each is followed by its null. Raises ValueError when two rows fall into one cell.

    >>> frame = pd.DataFrame({"pair": ["a", "a"], "k": [1, 2], "value": [0.2, 0.4], "low": [0.2, 0.4]})
    >>> wide(frame.assign(high=frame["low"], n=1), "pair", "k").loc["a"].tolist()
    ['0.2', '0.4']
    """
    if frame.duplicated([index, columns]).any():
        raise ValueError(f"{index} and {columns} do not tell all rows apart; select with rows(...) first")
    words = [
        f"{in_words(row)}; null {row['null']:.2g}" if nulls else in_words(row)
        for row in frame.to_dict("records")
    ]
    texts = frame.assign(**{VALUE: words})
    lines, across = (texts[name].drop_duplicates().tolist() for name in (index, columns))
    table = texts.pivot(index=index, columns=columns, values=VALUE).reindex(index=lines, columns=across)
    return table.fillna("").rename_axis(index=None, columns=f"{index}, by {columns}")


def verdicts(judged: pd.DataFrame) -> pd.DataFrame:
    """The lines of `claims.judge` for the page: what was measured, the verdict, and the rule with its why.

    The heading of the values says what their intervals are over; p is corrected for the lines of a claim.
    """
    null = ["" if pd.isna(row.null) else f"{row.null:.4g}: {row.null_means}" for row in judged.itertuples()]
    why_not = [f"; not judged: {because}" if because else "" for because in judged["because"]]
    rule = [f"{row.rule}: {row.why}{no}" for row, no in zip(judged.itertuples(), why_not, strict=True)]
    p = ["" if pd.isna(row.p) else f"{row.p:.2g} (of {row.family})" for row in judged.itertuples()]
    named = {name: name for name in ("claim", "what", "verdict", VALUE, "p", "null", "predicted", RULE)}
    named |= {VALUE: f"value [95 % over {_over(judged)}] (n)", "p": "p, Holm (of rows)"}
    return show(judged.assign(**{"null": null, RULE: rule, "p": p}), named, digits=4)


def _over(judged: pd.DataFrame) -> str:
    """What the intervals of judged lines are over."""
    if (judged["model"] == claims.ALL).all():
        return "models, their seeds within"
    return "seeds" if claims.own_models(judged) else "seeds of one base model"


def null_rates(study: str = "") -> pd.DataFrame:
    """How often each claim would be called reproduced, or partly, in a world without any effect.

    Drawn by `make null` for the rules of config/claims.yml and the spread that was recorded; a study's lines,
    or all. Raises NotMeasurable where it was not drawn, or for other rules.

    >>> null_rates("theory").columns.tolist()
    ['study', 'model', 'draws', 'reproduced', 'partly']
    """
    path = provenance.project_root() / null_world.FILE
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rules": ""}
    if document["rules"] != null_world.of_rules():
        raise NotMeasurable(f"{null_world.FILE} is not there, or was drawn for other rules; run make null")
    found = pd.DataFrame(document["rates"])
    chosen = found[found["study"] == study] if study else found
    return show(chosen, ["claim", "study", "model", "draws", "reproduced", "partly"])


@contextmanager
def if_measured(what: str) -> Iterator[None]:
    """A part of the page that can be shown where `what` was measured; where it was not, say so and go on.

    Only what a left-out section leads to is told and not raised: NoRows of `rows`, and NotMeasurable of a
    study's step, with its reason.

    >>> with if_measured("capture"):
    ...     rows(pd.DataFrame({"measure": ["gain"]}), measure="capture")
    not measured: capture
    """
    try:
        yield
    except NoRows:
        print(f"not measured: {what}")
    except NotMeasurable as why:
        print(f"not measured: {what}: {why}")


def needs(*made: object) -> None:
    """Raise NotMeasurable if one of these is None: it could not be made further up the page.

    >>> with if_measured("the best of N"):
    ...     needs(None)
    not measured: the best of N: it needs what could not be measured above
    """
    if any(one is None for one in made):
        raise NotMeasurable("it needs what could not be measured above")


def tell_left_out(frame: pd.DataFrame, part: str) -> None:
    """Say which sections with `part` in their names a table over seeds lacks, in one line for each.

    >>> from lglib.report import frames, observations
    >>> o = observations.Observations()
    >>> o.add("L1", "rank", 2.0, null=8.0, null_means="random directions", width=16)
    >>> whole = frames.with_left_out(o.frame(), {"width 32": "out of memory", "noise": "no step"})
    >>> tell_left_out(frames.over_seeds(whole.assign(model="a", seed=0)), "width")
    not measured: width 32, a
    """
    if "section" in frame.columns:
        gone = frame[(frame["measure"] == LEFT_OUT) & frame["section"].str.contains(part, regex=False)]
        for model, section in dict.fromkeys(zip(gone["model"], gone["section"], strict=True)):
            print(f"not measured: {section}, {model}")


def of_measures(frame: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Rows of these measures; those of which there is none are named in one line. NoRows where none is there.

    >>> len(of_measures(pd.DataFrame({"measure": ["gain"], "value": [0.2]}), ["gain", "capture"]))
    not measured: capture
    1
    """
    there = set(frame["measure"])
    gone = [name for name in measures if name not in there]
    if gone and len(gone) < len(measures):
        print(f"not measured: {'; '.join(gone)}")
    return rows(frame, measure=list(measures))


def _cell(cell: Any, digits: int) -> str:
    if isinstance(cell, str):
        return cell
    if pd.isna(cell):
        return ""
    if isinstance(cell, Integral) or not isinstance(cell, Real):
        return str(cell)
    return f"{cell:.{digits}g}"
