"""Still pictures of the explorers, for readers without scripts: the same laws and data, at their start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from lglib.report import figures
from lglib.theory import laws, nulls

SALT = "explore"  # of the ids in an SVG, which are random otherwise
CHANCE = "random direction"  # the vector beside which the others are read


def write(found: dict[str, Any], folder: Path) -> None:
    """Write one SVG for each explorer that has a start in the data of the page, the same bytes each time."""
    figures.style()
    for name, draw in DRAWN.items():
        if name in found["first"]:
            figure, axes = plt.subplots()
            draw(axes, found["first"][name], found)
            axes.legend()
            with plt.rc_context({"svg.hashsalt": SALT}):
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
            plt.close(figure)


def best_of_n(axes: Axes, at: dict[str, Any], _: dict[str, Any]) -> None:
    """Gain against the noise scale, with and without curvature."""
    d, n, c = at["d"], at["n"], at["c"]
    best = laws.optimal_sigma(1, d * c, n, along=c)
    sigma = np.geomspace(best / 100, best * 3, 100)
    figures.law(axes, sigma, np.asarray(laws.best_of_n_gain(sigma, 1, n)), "without curvature")
    axes.plot(sigma, laws.linear_winner_gain(sigma, 1, d * c, c, n), label=f"mean curvature {c:g}")
    top = laws.optimal_gain(1, d * c, n, along=c)
    axes.set(xscale="log", xlabel="σ", ylabel="mean gain, in ‖a‖", ylim=(-top / 2, 1.6 * top))
    axes.set_title(f"best of N = {n}, d = {d}")


def density(axes: Axes, at: dict[str, Any], _: dict[str, Any]) -> None:
    """Gain at a fixed norm against the dimension of the subspace, for two masses."""
    k = np.unique(np.geomspace(1, 1e6, 60).round().astype(int))
    for name, style in (("a", "-"), ("b", "--")):
        mass, own = at[f"mass{name}"], at[f"k{name}"]
        (line,) = axes.plot(k, laws.subspace_gain(mass, k, at["n"], rho=1.0), style)
        told = f"{name.upper()}: k = {own}, mass {mass:g}"
        gain = laws.subspace_gain(mass, own, at["n"], rho=1.0)
        axes.plot(own, gain, "o", color=line.get_color(), label=told)
    axes.set(xscale="log", yscale="log", xlabel="k", ylabel="gain / (ρ‖a‖)", title=f"one norm, N = {at['n']}")


def capture(axes: Axes, at: dict[str, Any], _: dict[str, Any]) -> None:
    """Captures of random subspaces and of random walks beside the observed one."""
    k, d, t, share = at["k"], at["d"], at["t"], at["share"]
    x = np.geomspace(nulls.beta_null(k, d).low / 3, 1, 200)
    axes.plot(x, nulls.capture_law(k, d).sf(x), color=figures.NULL, label="random subspaces")
    equal = nulls.random_walk_capture(k, t, d)
    axes.axvline(equal, color=figures.NULL, linestyle="--", label="walk, equal steps")
    lengths = share + (1 - share) * k / d
    axes.axvline(lengths, color="C1", linestyle=":", label=f"walk, energy share {share:g}")
    axes.axvline(at["observed"], color="C0", label="observed")
    axes.set(xscale="log", xlabel="capture", ylabel="share with at least this")
    axes.set_title(f"k = {k}, d = {d}, T = {t}")


def recovery(axes: Axes, at: dict[str, Any], found: dict[str, Any]) -> None:
    """Captures against k, with what random walks give."""
    rows = [row for row in found["recovery"]["rows"] if _same(row, at, ("model", "pair", "optimiser", "T"))]
    k = np.array([row["k"] for row in rows])
    cells = [row["cells"] for row in rows]
    _dots(axes, k, [one["prefix"] for one in cells], "prefix")
    share, chance = (np.array([one[n][i] for one in cells]) for n, i in (("energy share", 0), ("prefix", 3)))
    axes.plot(k, share + (1 - share) * chance, color=figures.NULL, label="random walk, these lengths")
    even = k / at["T"]
    equal = even + (1 - even) * chance
    axes.plot(k, equal, color=figures.NULL, linestyle="--", label="random walk, equal steps")
    axes.set(xlabel=f"k (T = {at['T']})", ylabel="capture", ylim=(0, 1))
    axes.set_title(f"{at['model']}, {at['pair']}, {at['optimiser']}, n = {len(cells[0]['prefix'][4])} seeds")


def dose(axes: Axes, at: dict[str, Any], found: dict[str, Any]) -> None:
    """Response to doses of one vector and of a random direction."""
    for vector in (at["vector"], CHANCE):
        for row in found["dose"]["rows"]:
            if _same(row, {**at, "vector": vector}, ("model", "task", "measure", "depth", "vector")):
                _dots(axes, np.array(row["x"]), row["cells"], vector)
                axes.set_title(f"{at['model']}, depth {at['depth']:g}, n = {len(row['cells'][0][4])} seeds")
                nothing = [one[3] for one in row["cells"]]
                axes.plot(row["x"], nothing, color=figures.NULL, linewidth=1.2, zorder=0)
    axes.set(xlabel="multiplier", ylabel=at["measure"])


def _same(row: dict[str, Any], at: dict[str, Any], names: tuple[str, ...]) -> bool:
    return all(row[name] == at[name] for name in names)


def _dots(axes: Axes, x: np.ndarray, cells: list[Any], label: str) -> None:
    """Means with their intervals: cells are [mean, low, high, null, seeds]."""
    mean, low, high = (np.array([one[i] for one in cells]) for i in range(3))
    axes.errorbar(x, mean, yerr=[mean - low, high - mean], **{**figures.DOTS, "fmt": "o-"}, label=label)


DRAWN: dict[str, Callable[[Axes, dict[str, Any], dict[str, Any]], None]] = {
    "best-of-n": best_of_n,
    "density": density,
    "capture": capture,
    "recovery": recovery,
    "dose": dose,
}
