"""An adapter learns a pair of tasks, forgets A, and recovers it: points of an experiment, behind gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lglib.base.checks import count
from lglib.models.lora import Adapter
from lglib.parameters import descent
from lglib.parameters.descent import Trajectory
from lglib.studies import gates
from lglib.tasks import supervised
from lglib.tasks.pairs import Draw, Pair
from lglib.tasks.supervised import Lesson

ROUND = 25  # steps between two looks at the scores


@dataclass(frozen=True)
class Points:
    """Where an experiment has been, each theta (d,), with the steps taken.

    `initial` is the fresh adapter, `star` knows A and B, `forgot` lost A. `never` has the history of `forgot`
    without A: it was trained on B, then on what makes forget, each for as many steps.
    """

    initial: Tensor
    star: Tensor
    forgot: Tensor
    never: Tensor
    learned_in: int
    forgot_in: int


@dataclass(frozen=True)
class Experiment:
    """One pair of tasks in one adapter: how its batches are drawn, at which rates it learns.

    `rates` are learning rates by optimiser, that of AdamW also for learning and forgetting; `size` is the
    number of items of a batch. Everything follows from `seed`.
    """

    adapter: Adapter
    pair: Pair
    seed: int
    rates: Mapping[str, float] = field(default_factory=lambda: {"AdamW": 3e-3, "SGD": 0.05})
    size: int = 16

    def lesson(self, draw: Draw, n: int, part: str, key: object) -> Lesson:
        """Encode n items of a task; ValueError when one does not fit the model's context."""
        base = self.adapter.base
        drawn = draw(n, part, f"{self.seed}/{key}")
        return supervised.lesson(base.tokenizer, drawn, context=base.context, device=base.device)

    def batches(self, draws: Sequence[Draw], steps: int, key: object) -> list[Lesson]:
        """Minibatches of `size` training items, in equal parts of each task."""
        base = self.adapter.base
        found = []
        for step in range(count("steps", steps)):
            share = self.size // len(draws)
            drawn = [i for d in draws for i in d(share, "train", f"{self.seed}/{key}/{step}")]
            found.append(supervised.lesson(base.tokenizer, drawn, context=base.context, device=base.device))
        return found

    def scores(self, theta: Tensor, part: str = "test", n: int = 48) -> dict[str, float]:
        """Exact match of A and of B at a point, on n items each."""
        with self.adapter.space.at(theta) as net:
            tasks = {"A": self.pair.a, "B": self.pair.b}
            return {
                name: supervised.exact_match(net, self.lesson(draw, n, part, "scores"))
                for name, draw in tasks.items()
            }

    def learn_and_forget(self, *, bar: float, lost: float, limit: int = 600) -> Points:
        """Learn A and B together, then forget A: until the validation scores say so, and one round more.

        A round is 25 steps; `limit` cuts the last one short. The adapter is
        taken as it is for the start, and left there, also after an error. Raises GateError with the figures
        when after `limit` steps a task is not at `bar` (exact match) or A still above `lost`; Diverged when a
        loss is not finite.
        """
        limit = count("limit", limit)
        for name, value in (("bar", bar), ("lost", lost)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value!r}")
        initial = self.adapter.space.flatten()
        try:
            return self._points(initial, bar, lost, limit)
        finally:
            self.adapter.space.load(initial)

    def _points(self, initial: Tensor, bar: float, lost: float, limit: int) -> Points:
        pair = self.pair

        def learned(scores: Mapping[str, float]) -> None:
            gates.require_learned({f"{pair.name}, {k}": v for k, v in scores.items()}, bar)

        def forgotten(scores: Mapping[str, float]) -> None:
            gates.require_forgotten({f"{pair.name}, A": scores["A"]}, lost)

        both = [pair.a, pair.b]
        learned_in = self._until(both, learned, limit, "learn", clip=1.0)
        star = self.adapter.space.flatten()
        forgot_in = self._until([pair.forget], forgotten, limit, "forget", scale=pair.rate)
        forgot = self.adapter.space.flatten()
        self.adapter.space.load(initial)
        self._steps([pair.b], learned_in, "learn", clip=1.0)
        self._steps([pair.forget], forgot_in, "forget", scale=pair.rate)
        never = self.adapter.space.flatten()
        return Points(initial, star, forgot, never, learned_in, forgot_in)

    def recover(self, start: Tensor, optimiser: str, steps: int, order: int = 0) -> Trajectory:
        """Train on A alone from a point, recording every one; `order` numbers the stream of minibatches.

        Raises ValueError for an optimiser that has no rate, Diverged when a loss or a point is not finite.
        """
        if optimiser not in self.rates:
            raise ValueError(f"optimiser is {optimiser!r}; there is: {', '.join(self.rates)}")
        step = descent.optimizer(optimiser, self.rates[optimiser])
        batches = self.batches([self.pair.a], steps, f"recover {order}")
        self.adapter.space.load(start)
        label = f"{self.pair.name}, {optimiser}"
        return descent.descend(self.adapter.space, supervised.loss, step, batches, label=label)

    def _until(
        self,
        draws: Sequence[Draw],
        gate: Callable[[Mapping[str, float]], None],
        limit: int,
        key: str,
        **how: float,
    ) -> int:
        """Train in rounds until a gate lets pass, then one round more; the number of steps."""
        stepper = self._stepper(how.get("scale", 1.0))
        done, passed = 0, False
        while True:
            steps = min(ROUND, limit - done)
            self._descend(stepper, draws, steps, f"{key} {done}", how.get("clip"))
            done += steps
            if passed:
                return done
            try:
                gate(self.scores(self.adapter.space.flatten(), "validation"))
                passed = True
                if done >= limit:
                    return done
            except gates.GateError:
                if done >= limit:
                    raise

    def _steps(self, draws: Sequence[Draw], steps: int, key: str, **how: float) -> None:
        stepper = self._stepper(how.get("scale", 1.0))
        self._descend(stepper, draws, steps, f"never {key}", how.get("clip"))

    def _stepper(self, scale: float) -> torch.optim.Optimizer:
        return descent.optimizer("AdamW", scale * self.rates["AdamW"])(self.adapter.space.parameters())

    def _descend(
        self,
        stepper: torch.optim.Optimizer,
        draws: Sequence[Draw],
        steps: int,
        key: str,
        clip: float | None,
    ) -> None:
        batches = self.batches(draws, steps, key)
        descent.descend(
            self.adapter.space,
            supervised.loss,
            lambda _: stepper,
            batches,
            clip=clip,
            every=steps,
            label=f"{self.pair.name}, {key.split()[0]}",
        )
