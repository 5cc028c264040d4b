"""S2 and S3: what captures the displacement of a recovery, from planes made beforehand to its own prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lglib.geometry.subspace import Subspace
from lglib.parameters import recovery
from lglib.studies.synthetic import transformer
from lglib.studies.synthetic.gradients import gradient_sets
from lglib.studies.synthetic.parameters import K
from lglib.studies.synthetic.trained import BASE, BATCH, RECOVERED, Trained, recover

STATIC = ("static", "static, normalised", "static, own task")
CURVED = 256  # inputs of the batch whose Hessian spans the Krylov space


@dataclass(frozen=True, eq=False)
class Recovery:
    """One recovery and its captures, each a table (ks, horizons), nan where a basis has fewer directions.

    captured: by basis; energy_share: squared length of the first k updates over that of all; to_come: the
    prefix's capture of theta_T - theta_k; exact_match: of the task after each horizon; path: (T + 1, d), up
    to the middle horizon.
    """

    captured: Mapping[str, np.ndarray]
    energy_share: np.ndarray
    to_come: np.ndarray
    exact_match: Mapping[int, float]
    path: Tensor


def static_planes(model: Trained) -> dict[str, Subspace]:
    """Leading directions of minibatch gradients of all base tasks at theta*, as many as the largest k.

    "static" takes them as they are, so that one badly solved task can dominate; "static, normalised" scales
    those of each task to the same mean square.
    """
    n, top = model.parameters.gradients, model.parameters.ks[-1]
    with model.space.at(model.points["theta*"]):
        rows = []
        for task in BASE:
            key = f"set 0/{task}" if task in RECOVERED else f"static/{task}"
            batches = list(model.stream(task, BATCH, n, key))
            rows.append(model.space.gradient_matrix(transformer.loss, batches))
    scaled = [g / g.square().sum(1).mean().sqrt() for g in rows]
    return {
        "static": Subspace.from_gradients(torch.cat(rows), top),
        "static, normalised": Subspace.from_gradients(torch.cat(scaled), top),
    }


def bases_beforehand(model: Trained, task: str, planes: Mapping[str, Subspace]) -> dict[str, Subspace]:
    """Bases that can be made without running the recovery, of the largest k but for the way back (one)."""
    space, top = model.space, model.parameters.ks[-1]
    at_star, at_lost = (gradient_sets(model, task, point) for point in ("theta*", "theta_f"))
    batch = model.batch(task, CURVED, f"krylov/{task}")
    with space.at(model.points["theta_f"]):
        product = space.hvp_operator(transformer.loss, batch)
        krylov = Subspace.krylov(product, space.gradient(transformer.loss, batch), top)
    return {
        **planes,
        "static, own task": Subspace.from_gradients(torch.cat(at_star), top),
        "local": Subspace.from_gradients(torch.cat(at_lost), top),
        "Krylov": krylov,
        "random": Subspace.random(space.d, top, model.seed, dtype=space.dtype, device=space.device),
        "way back": Subspace.from_vectors((model.points["theta*"] - model.points["theta_f"])[None]),
    }


def recover_and_capture(
    model: Trained, task: str, optimiser: str, beforehand: Mapping[str, Subspace]
) -> Recovery:
    """Recover a task to the last horizon, and take the captures at every k and horizon.

    Added are the prefix of this run, and of a second one on other minibatches ("other order").
    """
    p = model.parameters
    run = recover(model, task, optimiser, p.horizons[-1])
    other = recover(model, task, optimiser, p.ks[-1], order=1)
    bases = {
        **beforehand,
        "prefix": Subspace.prefix(run.points, p.ks[-1]),
        "other order": Subspace.prefix(other.points, p.ks[-1]),
    }
    return Recovery(
        captured=recovery.captures(bases, run, p.ks, p.horizons),
        energy_share=recovery.energy_share(run, p.ks, p.horizons),
        to_come=recovery.still_to_come(run, p.ks, p.horizons),
        exact_match={T: model.scores(recovery.point(run, T), [task])[task] for T in p.horizons},
        path=run.points[: p.horizon + 1].clone(),
    )


def capture_from_scratch(model: Trained, task: str, optimiser: str) -> float:
    """Capture by the first ten steps of a run from random weights, where there is nothing to recover."""
    run = recover(model, task, optimiser, model.parameters.horizon, start="initial")
    prefix = {"prefix": Subspace.prefix(run.points, K)}
    return float(recovery.captures(prefix, run, [K], [model.parameters.horizon])["prefix"].item())
