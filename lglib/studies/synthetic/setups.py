"""S8: two tasks trained by each schedule in three set-ups, on equal budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lglib.parameters import descent
from lglib.studies.synthetic import schedules, transformer
from lglib.studies.synthetic.trained import STEP_BATCH, Trained

RATE = 2e-3  # of Adam, for every schedule
SETUPS = {  # the two tasks, the starting point, the share of the steps
    "sort + reverse": (("sort", "reverse"), "initial", 1),
    "copy + sort": (("copy", "sort"), "initial", 1),
    "sort + reverse, base": (("sort", "reverse"), "theta_f", 2),
}
FIRST = {"sequential A then B": 0, "sequential B then A": 1}  # which task comes first


@dataclass(frozen=True)
class Outcome:
    """Exact match of both tasks (A, B) at the end of a schedule, and at the switch where there is one."""

    end: tuple[float, float]
    switch: tuple[float, float] | None

    @property
    def worst(self) -> float:
        """Exact match of the task that is known less."""
        return min(self.end)


def train_by(model: Trained, schedule: str, setup: str) -> Outcome:
    """Train two tasks by a schedule, 64 examples a step, and score both on test inputs."""
    pair, start, share = SETUPS[setup]
    model.space.load(model.points[start])

    def batches(which: Sequence[int], examples: int, step: int) -> Tensor:
        key = f"{setup}/{schedule}/{list(which)}/{step}"
        return model.batch([pair[i] for i in which], examples, key)

    run = schedules.run(
        schedule,
        model.space,
        transformer.loss,
        batches,
        optimizer=descent.optimizer("Adam", RATE),
        steps=model.parameters.schedule_steps // share,
        examples=STEP_BATCH,
    )

    def known(theta: Tensor) -> tuple[float, float]:
        a, b = model.scores(theta, pair).values()
        return a, b

    return Outcome(known(run.points[-1]), known(run.points[1]) if schedule in FIRST else None)
