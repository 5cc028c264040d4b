"""Style of the figures: the null in grey, the paper's value dashed, colours safe for everyone.

It cannot change a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

NULL, PAPER = "0.55", "#444444"
WIDTH = 4.5  # inches: at phone width a letter of 10 points is still about 11 pixels high
DOTS: dict[str, Any] = {"fmt": "o", "markersize": 4.5, "capsize": 2, "elinewidth": 1.2}  # values with bars
PALETTE = sns.color_palette("colorblind")


def style() -> None:
    """Set the book's figure style: legible at phone width, no font that a machine may lack.

    >>> style()
    """
    pd.set_option("display.max_colwidth", None)  # a table of the page is never cut with dots
    pd.set_option("display.max_rows", None)
    sns.set_theme(style="ticks", palette="colorblind", font="DejaVu Sans")
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.1),
            "figure.dpi": 200,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
            "axes.labelsize": 11,
            "legend.fontsize": 9.5,
            "legend.frameon": False,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "lines.linewidth": 1.8,
        }
    )


LABELS = 0.62  # inches under the axes that their ticks and their label take


def panels(count: int, *, height: float = 3.0) -> tuple[Figure, Sequence[Axes]]:
    """A figure of `count` panels stacked in one column, so that a phone shows each at full width.

    >>> len(panels(2)[1])
    2
    """
    figure, axes = plt.subplots(count, 1, figsize=(WIDTH, height * count), squeeze=False)
    return figure, list(axes[:, 0])


def law(axes: Axes, x: np.ndarray, y: np.ndarray, label: str, **kwargs: Any) -> None:
    """Draw a law as a thin black line: what a formula of the text predicts."""
    axes.plot(x, y, **{"color": "black", "linewidth": 1.2, "label": label, "zorder": 1, **kwargs})


def null_line(axes: Axes, value: float, label: str = "null") -> None:
    """Draw the value that chance gives as a grey horizontal line."""
    axes.axhline(value, color=NULL, linewidth=1.2, linestyle="-", label=label, zorder=0)


def null_band(
    axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, label: str = "null, 95 %"
) -> None:
    """Draw the range that chance gives as a grey band over x."""
    axes.fill_between(x, low, high, color=NULL, alpha=0.35, linewidth=0, label=label, zorder=0)


def paper_line(axes: Axes, value: float, label: str) -> None:
    """Draw a figure of the paper as a dashed line, labelled as the paper's."""
    axes.axhline(value, color=PAPER, linewidth=1.2, linestyle="--", label=label, zorder=0)


def points(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    **kwargs: Any,
) -> None:
    """Draw measured values as dots, with their intervals as bars where they are given."""
    y = np.asarray(y, dtype=float)
    bars = None if low is None or high is None else np.abs(np.stack([y - low, np.asarray(high) - y]))
    axes.errorbar(x, y, yerr=bars, **{**DOTS, **kwargs})


def ladder(
    axes: Axes,
    labels: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, float, float]]],
    **kwargs: Any,
) -> None:
    """Draw (value, low, high) for each label as dots on its own rung, one colour and a small shift a series.

    Rungs run from the top down, so that long names fit beside them on a phone.
    """
    rungs = np.arange(len(labels))[::-1]
    shifts = np.linspace(0.2, -0.2, len(series)) if len(series) > 1 else [0.0] * len(series)
    for shift, (name, rows) in zip(shifts, series.items(), strict=True):
        value, low, high = np.array(rows, dtype=float).T
        bars = np.abs(np.stack([value - low, high - value]))
        axes.errorbar(value, rungs + shift, xerr=bars, label=name, **{**DOTS, **kwargs})
    axes.set_yticks(rungs, labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)


def legend_below(axes: Axes, columns: int = 2) -> None:
    """Put the legend under the axes, clear of curves and of the label; none where nothing has a label."""
    if axes.get_legend_handles_labels()[0]:
        inches = axes.get_window_extent().height / axes.figure.dpi
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -LABELS / inches), ncols=columns)
