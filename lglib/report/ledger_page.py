"""The page of all claims: every judged row, a grid of verdicts, a forest of values beside nulls and bars."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lglib.report import claims, figures, frames, tables
from lglib.report.filing import Measured

WORDS = {  # how a verdict is drawn: mark, colour, letter for those who see none
    "reproduced": ("o", figures.PALETTE[2], "R"),
    "partly": ("D", figures.PALETTE[0], "P"),
    "inconclusive": ("s", figures.PALETTE[1], "I"),
    "not reproduced": ("X", figures.PALETTE[3], "N"),
}
OPEN = (".", figures.NULL, "-")  # no verdict: too few seeds or models, cannot be judged, or a check of code
PLACE = re.compile(r"\{(\w+)\}")  # in a rule: what stands there differs from row to row


def judged(measured: Mapping[str, Measured | None], *, beyond: bool = False) -> pd.DataFrame:
    """All lines of `claims.judge` of all studies and models, with the paper's figure.

    `measured` has what was observed by study, None where nothing counts: such a study is left out.
    """
    ledger, parts = claims.read(), []
    for study, found in measured.items():
        if found is None or not any((c.beyond if beyond else c.judged).get(study) for c in ledger.values()):
            continue
        over = frames.over_seeds(found.frame)
        parts += [claims.judge(study, over, m, beyond=beyond) for m in over["model"].unique()]
    if not parts:
        raise frames.NoRows("no study has an observation that counts")
    whole = pd.concat(parts, ignore_index=True)
    papers = {name: claim.paper.figure if claim.paper else None for name, claim in ledger.items()}
    return whole.assign(paper=whole["claim"].map(papers).astype(float))


def words(lines: pd.DataFrame) -> pd.DataFrame:
    """The verdict on each claim of each model, by all studies that judge it: a line each, in order."""
    found = []
    for (claim, model), own in lines.groupby(["claim", "model"], sort=False):
        word = claims.overall(own["verdict"].tolist())
        found.append({"claim": claim, "model": model, "verdict": word, "rows": len(own)})
    order = {name: i for i, name in enumerate(frames.CLAIMS)}
    return pd.DataFrame(found).sort_values("claim", key=lambda c: c.map(order), kind="stable")


def grid(axes: Axes, found: pd.DataFrame) -> None:
    """Draw the verdicts of `words`: a rung a claim, a column a model, mark, colour and letter by verdict."""
    names = list(dict.fromkeys(found["claim"]))
    models = list(dict.fromkeys(found["model"]))
    for row in found.itertuples():
        mark, colour, letter = WORDS.get(row.verdict, OPEN)
        x, y = models.index(row.model), -names.index(row.claim)
        axes.plot(x, y, mark, color=colour, markersize=13)
        axes.text(x, y, letter, ha="center", va="center", fontsize=7.5, color="white")
    axes.set_xticks(range(len(models)), models, rotation=40, ha="right")
    axes.set_yticks([-i for i in range(len(names))], names)
    axes.set(xlim=(-0.6, len(models) - 0.4), ylim=(-len(names) + 0.4, 0.6))
    for word, (mark, colour, letter) in WORDS.items():
        axes.plot([], [], mark, color=colour, label=f"{letter}: {word}", ls="")
    axes.plot([], [], OPEN[0], color=OPEN[1], label="no verdict", ls="")


def forest(axes: Axes, lines: pd.DataFrame, models: Sequence[str]) -> None:
    """Draw the judged rows of one claim from the smallest value to the largest, a line each, colour by model.

    Beside each its null (grey); the bar where all rows have one (dotted), and the paper's figure (dashed).
    """
    there = lines[lines["value"].notna()].sort_values("value").reset_index(drop=True)
    for i, model in enumerate(models):
        own = there[there["model"] == model]
        if own.empty:
            continue
        bars = np.abs(np.stack([own["value"] - own["low"], own["high"] - own["value"]]))
        look = {"color": figures.PALETTE[i], "label": model, "markersize": 3.5, "elinewidth": 0.9}
        axes.errorbar(own["value"], own.index, xerr=bars, **{**figures.DOTS, **look, "capsize": 0})
    axes.plot(there["null"], there.index, "|", color=figures.NULL, markersize=6, label="null", zorder=0)
    bars = there.loc[~there["rule"].str.contains("predict|times"), "bar"].unique()
    if len(bars) == 1:
        axes.axvline(bars[0], color="black", lw=0.9, ls=":", label="bar")
    if np.isfinite(paper := lines["paper"].iloc[0]):
        axes.axvline(paper, color=figures.PAPER, lw=1.2, ls="--", label="paper")
    axes.set_yticks([])
    axes.set_ylim(-1, len(there))


def rows_html(lines: pd.DataFrame) -> str:
    """Every judged row as HTML: a folded table for each claim, which the page's script can filter.

    Two columns, so that it fits a phone: which row, and its verdict over value, null and rule.

    >>> row = {"claim": "S3", "model": "a", "what": "capture", "verdict": "reproduced", "null": float("nan")}
    >>> row |= {"value": 0.6, "low": 0.5, "high": 0.7, "n": 5, "rule": "above 0.5", "why": "most of it"}
    >>> rows_html(pd.DataFrame([row])).count("<td>")
    2
    """
    order = [claim for claim in frames.CLAIMS if (lines["claim"] == claim).any()]
    parts = [_rows_of(claim, lines[lines["claim"] == claim]) for claim in order]
    return "".join(['<div class="filterable">', *parts, "</div>"])


def _rows_of(claim: str, own: pd.DataFrame) -> str:
    """The rows of one claim: a summary that counts verdicts, and a table under it."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in own["verdict"].value_counts(sort=False).items())
    cells = [f"<details><summary><b>{html.escape(claim)}</b>: {html.escape(counts)}</summary>"]
    cells.append('<table class="dataframe"><thead><tr>')
    cells += [f"<th>{head}</th>" for head in ("row", "verdict, value, null, rule")]
    cells.append("</tr></thead><tbody>")
    for row in own.to_dict("records"):
        first = f"<b>{html.escape(claim)}</b> {html.escape(row['model'])}: {html.escape(row['what'])}"
        null = "" if pd.isna(row["null"]) else f"null {row['null']:.3g} ({html.escape(row['null_means'])}); "
        rule = PLACE.sub(lambda found: "that of its " + found[1].replace("_", " "), row["rule"])
        why = html.escape(f"{rule}: {row['why']}")
        value = tables.in_words(row)
        cells.append(f"<tr><td>{first}</td><td><b>{html.escape(row['verdict'])}</b><br>")
        cells.append(f"{value}; {null}<details><summary>rule</summary>{why}</details></td></tr>")
    return "".join([*cells, "</tbody></table></details>"])


def strip(
    axes: Axes,
    lines: pd.DataFrame,
    models: Sequence[str],
    labels: Mapping[str, str],
    controls: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Draw all judged rows of the claims that `labels` names: a rung a claim, dots by model.

    Grey ticks are the nulls of the rows, a black diamond is the paper's figure. `controls` has for a claim
    the rows of a control that is measured as the claim is, drawn as hollow dots.
    """
    numbered = lines[lines["claim"].isin(list(labels)) & lines["value"].notna()]
    names = [name for name in frames.CLAIMS if (numbered["claim"] == name).any()]
    shifts = np.linspace(0.28, -0.28, len(models)) if len(models) > 1 else [0.0]
    for place, model in zip(shifts, models, strict=True):
        own = numbered[numbered["model"] == model]
        y = np.array([-names.index(claim) for claim in own["claim"]]) + place
        colour = figures.PALETTE[list(models).index(model)]
        axes.plot(own["null"], y, "|", color=figures.NULL, markersize=7, zorder=1)
        axes.plot(own["value"], y, "o", color=colour, markersize=4, label=model)
        for claim, other in (controls or {}).items():
            values = other.loc[other["model"] == model, "value"]
            below = [place - names.index(claim) - 0.07] * len(values)
            axes.plot(values, below, "o", color=colour, markersize=4, markerfacecolor="white", zorder=2)
    if controls:
        axes.plot([], [], "o", color=figures.NULL, markersize=5, markerfacecolor="white", label="control")
    paper = numbered.groupby("claim", sort=False)["paper"].first()
    axes.plot(
        paper[names],
        [-i for i in range(len(names))],
        "D",
        color="black",
        markersize=7,
        label="paper",
        zorder=3,
    )
    axes.plot([], [], "|", color=figures.NULL, markersize=9, label="null")
    axes.axvline(0, color=figures.NULL, lw=0.6, zorder=0)
    axes.set_yticks([-i for i in range(len(names))], [labels[name] for name in names])
    axes.set_ylim(-len(names) + 0.4, 0.6)
