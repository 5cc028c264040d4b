"""S5 and S6 on several pairs and at all lengths: correlations with their nulls, candidates one by one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lglib.base import seeding
from lglib.report import frames
from lglib.report.observations import Observations
from lglib.search.pools import Pool
from lglib.studies.controls.parameters import Parameters
from lglib.studies.lora import prediction
from lglib.studies.lora.cases import Case, Row
from lglib.studies.lora.prediction import POOLS, SHARES
from lglib.theory import correlation, permuted, stats

CLAIMS = {"S5": "alignment", "S6": "overlap"}
WHOLE, WITHIN = "over all", "within subspaces"  # what may be permuted
SHOWN = (0.1, 1.0)  # lengths at which candidates are filed one by one
R = "correlation with the gain"


def pools(parameters: Parameters, case: Case) -> dict[str, Pool]:
    """Pools around theta_f and halfway, as the study `lora` draws them."""
    return prediction.draw_pools(parameters.lora, case)


def add_correlations(
    found: Observations, parameters: Parameters, case: Case, drawn: Mapping[str, Pool]
) -> None:
    """Add the correlation of gain with alignment (S5) and overlap (S6) for each pool, point and length.

    Beside each: the p-value of |r| when the pairing is permuted over all, and within the subspaces that the
    candidates were drawn from, and the |r| that 95 % of the permutations over all stay below.
    """
    for point, whole in drawn.items():
        for label, families in POOLS.items():
            pool = whole.take(families)
            for j, share in enumerate(SHARES):
                gains = pool.gains[:, j]
                for claim, of in CLAIMS.items():
                    x = getattr(pool, of)
                    where: Row = dict(pair=case.name, point=point, pool=label, norm=share, of=of)
                    key = (case.experiment.seed, case.name, point, label, j, of)
                    dice = seeding.generator("permuted", *key).initial_seed() % 2**32
                    _add_one(found, claim, parameters, gains, x, pool.family, dice, where)


def _add_one(
    found: Observations,
    claim: str,
    parameters: Parameters,
    gains: np.ndarray,
    x: np.ndarray,
    family: np.ndarray,
    dice: int,
    where: Row,
) -> None:
    kept = np.isfinite(gains)  # a candidate that broke the model has no gain
    gains, x, family = gains[kept], x[kept], family[kept]
    found.add(claim, R, correlation.interval(gains, x), null=0.0, null_means="unrelated", **where)
    for label, groups in ((WHOLE, None), (WITHIN, family)):
        chance = permuted.correlation(gains, x, dice, groups=groups, permutations=parameters.permutations)
        told: Row = dict(null=0.5, null_means="median under permutation", permuted=label)
        found.add(claim, "p-value by permutation", chance.p, **told, **where)
        if groups is None:
            bound: Row = dict(null=0.0, null_means="unrelated")
            found.add(claim, "bound of |r| under permutation", chance.bound, **bound, **where)


def add_candidates(found: Observations, parameters: Parameters, case: Case, pool: Pool) -> None:
    """Add the first candidates of each subspace around theta_f one by one: gain, alignment and overlap."""
    for family in pool.density:
        rows = np.flatnonzero(pool.family == family)[: parameters.filed_candidates]
        for number, i in enumerate(rows.tolist()):
            for share in SHOWN:
                gain = float(pool.gains[i, SHARES.index(share)])
                if np.isfinite(gain):
                    told: Row = dict(unit="nats", null=0.0, null_means="no gain", norm=share, number=number)
                    told |= {of: round(float(getattr(pool, of)[i]), 6) for of in CLAIMS.values()}
                    found.add("S5", "candidate", gain, pair=case.name, subspace=family, **told)


def add_over_pairs(found: Observations, filed: pd.DataFrame) -> None:
    """Add means over pairs of the correlations, taken on Fisher's scale, from what is filed (S5, S6)."""
    for claim, of in CLAIMS.items():
        rows = frames.rows(filed, claim=claim, measure=R)
        for (point, pool, norm), own in rows.groupby(["point", "pool", "norm"], sort=False):
            z = stats.mean_interval(np.arctanh(own["value"].to_numpy().clip(-0.999999, 0.999999)))
            r, low, high = np.tanh([z.estimate, z.low, z.high]).tolist()
            one = stats.Interval(r, low, high, z.level, z.n)
            where: Row = dict(point=str(point), pool=str(pool), norm=float(norm), of=of)
            found.add(claim, f"{R}, mean over pairs", one, null=0.0, null_means="unrelated", **where)
