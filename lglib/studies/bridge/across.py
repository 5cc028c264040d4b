"""B5: how much gain and cost differ between models, seed by seed, from the observations of all of them."""

from __future__ import annotations

import pandas as pd

from lglib.report import frames
from lglib.studies.bridge.steered import CAA, SOUGHT

MEASURES = ("target gain", "skills lost", "plain text")
DIFFERENCE = "largest difference between models"


def across_models(frame: pd.DataFrame) -> pd.DataFrame:
    """Add rows of B5 to gathered observations: the two most different models, at the last block.

    Most different are the models with the largest and the smallest mean over seeds; each seed that both have
    gives one difference, which stands in the rows of every model. With a single model it is 0.
    """
    wanted = frames.rows(frame, claim="B5", measure=list(MEASURES), vector=[CAA, SOUGHT], depth="max")
    wanted = wanted[wanted["multiplier"] > 0]
    keys = ["measure", "vector", "multiplier", "depth", "unit"]
    parts = [frame]
    for key, rows in wanted.groupby(keys, sort=False):
        table = rows.pivot(index="seed", columns="model", values="value")
        means = table.mean()
        gaps = (table[means.idxmax()] - table[means.idxmin()]).dropna()
        own = rows.loc[rows["seed"].isin(gaps.index), ["model", "seed"]].assign(
            claim="B5", measure=DIFFERENCE, **dict(zip(("of", *keys[1:]), key, strict=True))
        )
        value = own["seed"].map(gaps)
        own = own.assign(value=value, low=value, high=value, n=1, predicted=float("nan"))
        parts.append(own.assign(null=0.0, null_means="models that are alike"))
    return frames.joined(parts)
