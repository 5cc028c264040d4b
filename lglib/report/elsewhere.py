"""Figures that others published, read from `book/data`, and what the laws of random search say of them.

Typed from the files that `sources` names. Scores are rewards in points (hundredths); sigma is the noise per
coordinate, or, at the scale `tensor_std`, per standard deviation of each weight tensor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from lglib.report.provenance import project_root
from lglib.theory import fits, intervals
from lglib.theory.stats import Interval, mean_interval, with_spread

FOLDER = "book/data/07_beyond"
MODELS = ("0.5B", "1.5B", "3B", "7B")  # of Qwen2.5-Instruct
POINTS = 100.0


def sources(root: Path | None = None) -> pd.DataFrame:
    """Where each table comes from: repository, commit, path, licence, and what was carried over.

    >>> sorted(set(sources()["repository"]))[0]
    'andyrdt/RandOpt'
    """
    return pd.read_csv((root or project_root()) / FOLDER / "sources.csv")


def table(name: str, root: Path | None = None) -> pd.DataFrame:
    """One table as it was typed. KeyError for one without a source, with the names there are.

    >>> table("one_step")["ppo_norm"].tolist()
    [1.8, 1.94]
    """
    if name not in (known := sources(root)["table"].tolist()):
        raise KeyError(f"no table {name!r} has a source; there is: {', '.join(known)}")
    return pd.read_csv((root or project_root()) / FOLDER / f"{name}.csv")


def runs(scale: str = "absolute") -> pd.DataFrame:
    """Random candidates on Countdown, one row a run: mean and best in points, spread and errors.

    `spread` is the standard deviation by the best of the run, `spread_error` its error, `error` that of the
    mean. Runs in which every candidate scores 0 are left out: there is nothing to fit.

    >>> len(runs()), round(float(runs()["mean"].max()), 1)
    (46, 41.2)
    """
    found = table("countdown_runs")
    found = found[(found["scale"] == scale) & (found["best"] > 0)].copy()
    for column in ("base", "base_held_out", "mean", "best"):
        found[column] *= POINTS
    spread, error = fits.spread_from_best(found["mean"], found["best"], found["candidates"])
    count = np.sqrt(found["candidates"])
    return found.assign(spread=spread, spread_error=error, error=spread / count).reset_index(drop=True)


def fall(part: pd.DataFrame, upto: float, *, free: bool = False) -> fits.Fall:
    """The fall of the mean with sigma in the runs of one model on one set of questions, for sigma <= upto.

    >>> one = runs().query("model == '7B' and questions == 200")
    >>> print(f"{fall(one, 0.003, free=True).power:.1f}")
    2.0 [1.8, 2.3] (n=6)
    """
    used = part[part["sigma"] <= upto]
    return (fits.power if free else fits.falling)(used["sigma"], used["mean"], used["error"])


def falls(upto: float = 0.003, scale: str = "absolute") -> pd.DataFrame:
    """For each model and set of questions: tr(H), whether sigma^2 fits, the power where it is free, ||a||.

    `trace` is tr(H) and `slope` ||a||, both of the reward in points, `n` the number of values of sigma.
    `power` and `start` are of the fit with a free power. `sigma^2` says whether chi^2 rejects the square, at
    5 % over all rows (Holm). Slope and floor of the spread are None where the points do not tell them apart.

    >>> falls()[["model", "sigma^2"]].iloc[-1].tolist()
    ['7B', 'not rejected']
    """
    lines = []
    for (model, questions), part in runs(scale).groupby(["model", "questions"]):
        used = part[part["sigma"] <= upto]
        if len(used) < 4:
            continue
        square, free = fall(part, upto), fall(part, upto, free=True)
        slope, floor = slope_and_floor(part, upto)
        told = [square.trace, square.p, free.power, slope, floor]
        lines.append([model, questions, len(used), free.start, *told])
    heads = ["model", "questions", "n", "start", "trace", "p", "power", "slope", "floor"]
    found = pd.DataFrame(lines, columns=heads)
    verdict = np.where(holm(found["p"].to_numpy()), "rejected", "not rejected")
    found.insert(heads.index("p"), "sigma^2", verdict)
    return found


def words(cell: object) -> object:
    """An interval for a cell of a table whose n has a column of its own; anything else as it is.

    >>> words(Interval(0.77, 0.71, 0.83, 0.95, 5)), words("7B")
    ('0.770 [0.710, 0.830]', '7B')
    """
    return with_spread(cell.estimate, cell.low, cell.high) if isinstance(cell, Interval) else cell


def slope_and_floor(part: pd.DataFrame, upto: float) -> tuple[Interval | None, Interval | None]:
    """Slope ||a|| of the score and floor of its spread, from the spreads of the runs with sigma <= upto.

    >>> print(slope_and_floor(runs().query("model == '7B' and questions == 200"), 0.003)[1])
    1.99 [1.68, 2.37] (n=6)
    """
    used = part[part["sigma"] <= upto]
    try:
        return fits.slope(used["sigma"], used["spread"], used["spread_error"])
    except ValueError:  # raised where the spread does not grow
        return None, None


def holm(p: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Which of several hypotheses are rejected by Holm's rule: together at most `level` false ones.

    >>> holm(np.array([0.03, 0.001, 0.2])).tolist()
    [False, True, False]
    """
    return np.asarray(intervals.holm(p) <= level)


def tied() -> pd.DataFrame:
    """Tied against independent noise in cells of one model and sigma <= 0.003, and over all of them.

    `difference` of the means in points, tied less independent (independent: the run of 200 on the same
    questions, with Welch's error), `ratio` of the spreads within the runs of 40.

    >>> tied()["model"].tolist()
    ['0.5B', '1.5B', '3B', '7B', 'all']
    """
    scores, large = table("countdown_candidates").query("sigma <= 0.003"), runs().query("questions == 100")
    scores = scores.assign(reward=POINTS * scores["reward"])
    ones: dict[str, list[np.ndarray]] = {m: [] for m in MODELS}  # scores of each cell, tied
    twos: dict[str, list[np.ndarray]] = {m: [] for m in MODELS}  # independent
    gaps: dict[str, list[tuple[float, float]]] = {m: [] for m in MODELS}  # of the means, with variance
    for (model, sigma), part in scores.groupby(["model", "sigma"]):
        one, two = (part.loc[part["noise"] == kind, "reward"] for kind in ("tied", "independent"))
        run = large[(large["model"] == model) & np.isclose(large["sigma"], sigma)].iloc[0]
        ones[model].append(one.to_numpy())
        twos[model].append(two.to_numpy())
        gaps[model].append((one.mean() - run["mean"], one.var() / len(one) + run["error"] ** 2))
    lines = [[m, _mean_gap(gaps[m]), fits.spread_ratio(ones[m], twos[m])] for m in MODELS]
    one_all, two_all = ([x for m in MODELS for x in of[m]] for of in (ones, twos))
    every = _mean_gap([x for m in MODELS for x in gaps[m]])
    lines.append(["all", every, fits.spread_ratio(one_all, two_all)])
    return pd.DataFrame(lines, columns=["model", "difference of means", "ratio of spreads"])


def tails() -> pd.DataFrame:
    """A Gaussian fitted to the shares of candidates above the base: its mean, its spread, how well it fits.

    >>> tails()["n"].tolist()
    [300, 900, 900]
    """
    lines = []
    for name, n, above in shares():
        found = fits.tail(above.index.to_numpy(), above.to_numpy(), n)
        lines.append([name, n, found.mean, found.spread, found.p])
    return pd.DataFrame(lines, columns=["candidates", "n", "mean", "spread", "p of a Gaussian"])


def votes() -> pd.DataFrame:
    """The vote of the best 25 of N on held-out questions, in points, beside the mean of the best 25 normals.

    >>> votes().columns.tolist()
    ['task', 'method', 'population', 'seed', 'accuracy', 'selected']
    """
    found = table("votes_by_population")
    best = fits.expected_top(found["population"], np.full(len(found), 25))
    return found.assign(selected=best)


def kept() -> pd.DataFrame:
    """How much of what selection promises is still there on held-out questions, by method.

    `held out` is the slope of the vote's accuracy against the mean of the best 25 of N, in points for one
    standard deviation, with Student's interval over seeds; `promised` the spread on the selection questions.

    >>> kept()["n seeds"].tolist()
    [3, 3, 3]
    """
    spreads = dict(zip(tails()["candidates"], tails()["spread"], strict=True))
    lines = []
    for (task, method), part in votes().groupby(["task", "method"]):
        if (name := f"{task}, {method}") not in spreads:
            continue
        seeds = [
            np.polyfit(one["selected"], one["accuracy"], 1)[0] for _, one in part.groupby("seed", sort=True)
        ]
        slope, promised = mean_interval(seeds), spreads[name]
        share = Interval(
            slope.estimate / promised, slope.low / promised, slope.high / promised, 0.95, slope.n
        )
        lines.append([name, promised, slope, share, len(seeds)])
    return pd.DataFrame(lines, columns=["candidates", "promised", "held out", "share kept", "n seeds"])


def winners() -> pd.DataFrame:
    """The best of 100 on 200 questions, asked 2,000 others: gains over the winner at the smallest sigma.

    `selection` is the best less the mean at the smallest sigma, reward in points; `held out` the accuracy of
    the winner less that of the winner at the smallest sigma, in points, with the binomial interval of two
    shares (one winner each: what another search would have found is not in it).

    >>> winners()["model"].unique().tolist()
    ['1.5B', '3B', '7B']
    """
    lines = []
    for model, part in runs().query("questions == 200 and model != '0.5B'").groupby("model"):
        part = part.sort_values("sigma")
        start, zero = part["mean"].iloc[0], part["winner_held_out"].iloc[0]
        for row in part.iloc[1:].itertuples():
            gain = row.winner_held_out - zero
            half = 1.96 * np.sqrt(sum(x * (POINTS - x) / 2000 for x in (row.winner_held_out, zero)))
            held = Interval(gain, gain - half, gain + half, 0.95, 2000)
            lines.append([model, row.sigma, row.best - start, held])
    return pd.DataFrame(lines, columns=["model", "sigma", "selection", "held out"])


def one_step() -> pd.DataFrame:
    """One random step against one PPO step of equal norm: what d, and a share of wins, would mean.

    `sigma` is the noise per coordinate of a random step of that norm; `PPO in spreads` the PPO step's gain in
    standard deviations of the random ones, Phi^-1(1 - better), and `cosine` that of the PPO step with the
    slope which this would mean if the score were linear, (PPO in spreads) / sqrt(d). d is that at which noise
    of 0.001 has the published norm.

    >>> one_step()["better"].tolist()
    [0.16, 0.5]
    """
    found = table("one_step")
    d = (found["random_norm"] / 0.001) ** 2
    gain = scipy_stats.norm.isf(found["better"]) + 0.0
    return found.assign(**{
        "d": d, "sigma": found["ppo_norm"] / np.sqrt(d), "PPO in spreads": gain, "cosine": gain / np.sqrt(d)
    })  # fmt: skip


def _mean_gap(gaps: list[tuple[float, float]]) -> Interval:
    values = np.array(gaps)
    mean, half = values[:, 0].mean(), 1.96 * np.sqrt(values[:, 1].sum()) / len(values)
    return Interval(float(mean), float(mean - half), float(mean + half), 0.95, len(values))


def shares() -> list[tuple[str, int, pd.Series]]:
    """Counts of candidates that reach each threshold: name, how many in all, counts by threshold."""
    one = table("countdown_above_base").set_index("threshold")["percent"]
    found = [("countdown, plain", 300, (3 * one).round())]
    for method, part in table("gsm8k_above_base").groupby("method", sort=False):
        counts = (3 * part["percent"]).round().groupby(part["threshold"]).sum()
        found.append((f"gsm8k, {method}", 900, counts))
    return found
