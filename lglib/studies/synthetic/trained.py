"""The model of the study: untrained, trained on four tasks (theta*), made to forget them (theta_f)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from lglib.parameters import descent
from lglib.parameters.space import ParameterSpace
from lglib.studies import gates
from lglib.studies.synthetic import multitask, transformer
from lglib.studies.synthetic.parameters import SETS, Parameters
from lglib.tasks import synthetic

BASE, NEW = ("copy", "reverse", "sort", "shift"), "negate"  # learned together; learned alone, to forget
RECOVERED = ("sort", "reverse")  # the tasks that are learned again
RATES = {"SGD": 0.03, "momentum": 0.01, "Adam": 1e-3}  # all recover in about a hundred steps
POINTS = {"initial": "initial", "theta*": "theta_star", "theta_f": "theta_f"}
BATCH, STEP_BATCH, SCORED = 32, 64, 512  # inputs of a gradient, of a recovery step, of a score
FORGOTTEN = 0.1  # exact match of an old task at theta_f must not be above it


@dataclass(frozen=True, eq=False)
class Trained:
    """The transformer as a parameter space, and its points by name, each (d,).

    Points are "initial", "theta*" and "theta_f". Data follow from the seed and a key, so
    that any step can be made again alone.
    """

    parameters: Parameters
    seed: int
    space: ParameterSpace
    points: Mapping[str, Tensor]

    def stream(self, tasks: str | Sequence[str], size: int, steps: int, key: str) -> Iterator[Tensor]:
        """Batches (size, 2 length + 2) of training inputs, as many as steps."""
        p = self.parameters
        return synthetic.stream(
            tasks, size, steps, key=f"{self.seed}/{key}", length=p.length, device=p.device
        )

    def batch(self, tasks: str | Sequence[str], size: int, key: str) -> Tensor:
        """One batch (size, 2 length + 2) of training inputs."""
        p = self.parameters
        drawn = synthetic.draw(tasks, size, part="train", key=f"{self.seed}/{key}", length=p.length)
        return drawn.to(p.device)

    def gradient_sets(self, task: str) -> list[list[Tensor]]:
        """Four sets of minibatches of 32 of a task, as many in each as gradients are asked for."""
        n = self.parameters.gradients
        return [list(self.stream(task, BATCH, n, f"set {s}/{task}")) for s in range(SETS)]

    def scores(
        self, theta: Tensor, tasks: Sequence[str] = (*BASE, NEW), part: str = "test"
    ) -> dict[str, float]:
        """Exact match by task at a point (d,), each on 512 inputs of a part."""
        with self.space.at(theta) as net:
            return transformer.scores(net, tasks, n=SCORED, part=part, length=self.parameters.length)


def train(parameters: Parameters, seed: int) -> Trained:
    """Train the base model, make it forget, and check both on validation inputs.

    Raises GateError with the scores reached, unless theta* knows the four tasks and theta_f has lost them.

    >>> tiny = Parameters(layers=1, width=16, length=3, base_steps=20, bar=0.0)
    >>> sorted(train(tiny, seed=0).points)
    ['initial', 'theta*', 'theta_f']
    """
    p = parameters
    shape = {"width": p.width, "seed": seed, "length": p.length, "layers": p.layers}
    made = multitask.learn_and_forget(
        learn=BASE,
        forget_by=NEW,
        steps=p.base_steps,
        forget_steps=p.base_steps // 5,
        device=p.device,
        **shape,
    )
    space = ParameterSpace(transformer.build(**shape).to(p.device))
    model = Trained(p, seed, space, {name: made[key] for name, key in POINTS.items()})
    gates.require_learned(model.scores(model.points["theta*"], BASE, "validation"), bar=p.bar)
    gates.require_forgotten(model.scores(model.points["theta_f"], BASE, "validation"), bar=FORGOTTEN)
    return model


def recover(
    model: Trained,
    task: str,
    optimiser: str,
    steps: int,
    *,
    order: int = 0,
    start: str = "theta_f",
    size: int = STEP_BATCH,
) -> descent.Trajectory:
    """Train on one task from a point, and record every step; `order` fixes which minibatches it sees."""
    model.space.load(model.points[start])
    stream = model.stream(task, size, steps, f"{task}/order {order}")
    step = descent.optimizer(optimiser, RATES[optimiser])
    return descent.descend(model.space, transformer.loss, step, stream, label=f"{task}, {optimiser}")
