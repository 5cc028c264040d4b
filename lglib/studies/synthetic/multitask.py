"""The two models of a forgetting experiment: theta*, which knows the tasks, and theta_f, which lost them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lglib.parameters import descent
from lglib.parameters.space import ParameterSpace
from lglib.studies.synthetic import transformer
from lglib.tasks import synthetic

RATE, WARM, CLIP, BATCH = 1e-3, 50, 1.0, 128  # of base training


def learn_and_forget(
    *,
    learn: Sequence[str],
    forget_by: str,
    steps: int,
    forget_steps: int,
    width: int,
    length: int,
    seed: int,
    layers: int = 2,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Train a new transformer on the tasks of `learn` jointly, then on `forget_by` alone.

    Returns `initial`, `theta_star` and `theta_f`, each (d,), and the training losses of both stages. Base
    training: Adam 1e-3 with warm-up and linear decay, gradients clipped at 1, batches of 128, all tasks
    in equal parts. Forgetting: Adam 1e-3 at constant rate. Raises ValueError for an unknown task or a
    forgetting task that is also learned, Diverged when a loss is not finite.
    """
    if isinstance(learn, str):
        raise ValueError(f"learn must be a list of tasks, got the text {learn!r}")
    for name in (*learn, forget_by):
        if name not in synthetic.TASKS:
            raise ValueError(f"task is {name!r}; there is: {', '.join(synthetic.TASKS)}")
    for name, n in (("steps", steps), ("forget_steps", forget_steps)):
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"{name} must be a whole number from 1, got {n!r}")
    if forget_by in learn:
        raise ValueError(f"forget_by is {forget_by!r}, which is learned too; name another task")
    model = transformer.build(width=width, seed=seed, length=length, layers=layers)
    space = ParameterSpace(model.to(device))
    base = descent.descend(
        space,
        transformer.loss,
        descent.optimizer("Adam", RATE),
        synthetic.stream(list(learn), BATCH, steps, key=f"{seed}/base", length=length, device=device),
        rate=descent.warm_and_decay(steps, WARM),
        clip=CLIP,
        every=steps,
        label=f"base model, {steps} steps",
    )
    lost = descent.descend(
        space,
        transformer.loss,
        descent.optimizer("Adam", RATE),
        synthetic.stream(forget_by, BATCH, forget_steps, key=f"{seed}/forget", length=length, device=device),
        every=forget_steps,
        label=f"forgetting, {forget_steps} steps",
    )
    return {
        "initial": base.points[0],
        "theta_star": base.points[-1],
        "theta_f": lost.points[-1],
        "base_losses": base.losses,
        "forget_losses": lost.losses,
    }
