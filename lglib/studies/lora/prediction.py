"""S5 and S6: do a candidate's alignment and its overlap with the static plane predict its gain?"""

from __future__ import annotations

from lglib.geometry.subspace import Subspace
from lglib.report.observations import Observations
from lglib.search import lora_candidates, pools
from lglib.search.pools import Pool
from lglib.studies.lora.cases import Case, Row
from lglib.studies.lora.parameters import Parameters
from lglib.tasks import supervised
from lglib.theory import correlation

SHARES = (0.01, 0.1, 0.3, 1.0)  # lengths of the steps, in lengths of the recovery
POOLS = {  # which proposals a pool takes; the paper does not say how its own was made
    "all six": ("prefix", "local", "sign", "static", "random", "whole space"),
    "no recovery": ("static", "random", "whole space"),
}


def draw_pool(parameters: Parameters, case: Case, step: int) -> Pool:
    """Candidates of six proposals around a point of the recovery with AdamW, tried at four lengths.

    Gains, slopes and curvatures are those of the same `items` test questions. The adapter is left there.
    """
    one, points, k = case.experiment, case.runs["AdamW"].points, parameters.k
    space, plane = one.adapter.space, case.bases["static, normalised"]
    batch = one.lesson(one.pair.a, parameters.items, "test", "gain")
    space.load(points[step])
    local = lora_candidates.gradients(one.adapter, case.sets[0])
    proposed = {
        "prefix": Subspace.prefix(points[step:], k),
        "local": Subspace.from_gradients(local, k),
        "sign": Subspace.from_gradients(local.sign(), k),
        "static": plane,
        "random": case.bases["random"],
        "whole space": None,
    }
    length = (points[-1] - points[0]).norm().item()
    norms = [share * length for share in SHARES]
    tried: Row = dict(norms=norms, candidates=parameters.pool_candidates, seed=one.seed)
    return pools.draw(space, supervised.loss, batch, proposed, static=plane, **tried)


def draw_pools(parameters: Parameters, case: Case) -> dict[str, Pool]:
    """Pools around theta_f and halfway, after half of the steps of the recovery."""
    steps = {"theta_f": 0, "halfway": parameters.horizon // 2}
    return {point: draw_pool(parameters, case, step) for point, step in steps.items()}


def add_correlations(found: Observations, pair: str, drawn: dict[str, Pool]) -> None:
    """Add the correlations of gain with alignment (S5) and overlap (S6); predicted: by the quadratic law."""
    for point, whole in drawn.items():
        for label, families in POOLS.items():
            pool = whole.take(families)
            for j, share in enumerate(SHARES):
                where: Row = dict(pair=pair, point=point, pool=label, norm=share)
                for claim, what, x in (("S5", "alignment", pool.alignment), ("S6", "overlap", pool.overlap)):
                    r = correlation.interval(pool.gains[:, j], x)
                    law = correlation.interval(pool.quadratic[:, j], x).estimate
                    told: Row = dict(null=0.0, null_means="unrelated", predicted=law)
                    found.add(claim, f"correlation of gain and {what}", r, **told, **where)
