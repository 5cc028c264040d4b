"""T4: how far the pushforward predicts the activations of an actual weight step, and its kernel form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lglib.activations import pushforward, steering_losses
from lglib.activations.pushforward import Pushforward
from lglib.activations.steering import cosines
from lglib.base import progress
from lglib.report.observations import Observations
from lglib.search import random_search
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import Setup, columns, in_float64
from lglib.tasks.items import Item
from lglib.theory import nulls


def steps(setup: Setup, items: Sequence[Item]) -> dict[str, Tensor]:
    """Minus the gradient (d,) of each steering loss on these items, and a random direction."""
    batch = setup.lesson(items)
    made = {
        kind: -setup.space.gradient(steering_losses.loss(setup.model, kind), batch)
        for kind in steering_losses.KINDS
    }
    return made | {"random": random_search.noise(setup.space, setup.seed, -1)}


def as_long_as_theta(setup: Setup, u: Tensor) -> Tensor:
    """A step with the length of theta, so that a scale is a share of |theta|."""
    return u / u.norm() * setup.space.flatten().norm()


def remainders(h: Pushforward, u: Tensor, scales: Sequence[float]) -> np.ndarray:
    """Remainder of one-sided steps, in units of the shift that the pushforward predicts, (scales, layers)."""
    return h.remainder(u, scales).cpu().numpy()


def smallest_gap(h: Pushforward, u: Tensor, scales: Sequence[float]) -> float:
    """Smallest relative gap between the pushforward and a two-sided difference, mean over layers."""
    pushed = h.push(u)
    gaps = [
        ((h.difference(u, s) - pushed).norm(dim=(0, 2)) / pushed.norm(dim=(0, 2))).mean().item()
        for s in scales
    ]
    return min(gaps)


def order(remainder: np.ndarray, scales: Sequence[float]) -> float:
    """Order of the error of a prediction, 1 + slope of the logarithms of relative remainders (scales,).

    The slope is taken where the remainder is neither rounding nor nearly all of the shift.

    >>> round(order(np.array([1e-9, 0.002, 0.02, 0.9]), [1e-4, 1e-3, 1e-2, 1e-1]), 6)
    2.0
    """
    there = (np.arange(len(remainder)) >= remainder.argmin()) & (remainder > 1e-3) & (remainder < 0.1)
    there = there if there.sum() > 1 else np.arange(len(remainder)) < 2
    return 1 + float(np.polyfit(np.log(np.array(scales)[there]), np.log(remainder[there]), 1)[0])


@dataclass(frozen=True)
class Kernel:
    """What one gradient step does at the last block, beside its kernel form, J J^T times grad_h.

    `gap` is relative; cosines are of means over prompts: of the shift of the seen and of new prompts with
    minus the activation gradient, and of these shifts with each other.
    """

    gap: float
    seen: float
    new: float
    between: float


def kernel(setup: Setup, kind: str, gradient: Tensor, seen: Sequence[Item], new: Sequence[Item]) -> Kernel:
    """Compare the pushforward of a gradient (d,) on its own items with J J^T grad_h, and with new prompts."""
    (top,) = setup.layers[-1:]
    last = setup.pushforward(seen, [top])
    loss = steering_losses.loss(setup.model, kind)
    above = pushforward.activation_gradient(setup.model, loss, setup.lesson(seen), top)  # (n, width)
    through = last.pull()(above[:, None].to(setup.space.dtype))  # J^T grad_h, (d,)
    direct = last.push(gradient)
    gap = ((last.push(through) - direct).norm() / direct.norm()).item()
    own, other = (h.push(-gradient)[:, 0].mean(0) for h in (last, setup.pushforward(new, [top])))
    against = -above.mean(0)
    return Kernel(
        gap,
        cosines(own, against).item(),
        cosines(other, against).item(),
        cosines(own, other).item(),
    )


def observe(o: Observations, setup: Setup, parameters: Parameters, kinds: Sequence[str]) -> None:
    """File the Taylor remainders of these steps in float64, and the kernel form of the gradient steps."""
    exact, seen = in_float64(setup, parameters), setup.steered["select"][: min(16, parameters.questions)]
    h, made = exact.pushforward(seen), steps(exact, seen)
    null = columns(null=1.0, null_means="a prediction of no shift")
    for step in kinds:
        progress.tell("Taylor remainders", kinds.index(step), len(kinds), step)
        u = as_long_as_theta(exact, made[step])
        found = remainders(h, u, parameters.scales)  # (scales, layers)
        means = found.mean(1)
        o.add(
            "T4",
            "order of the remainder",
            order(means, parameters.scales),
            step=step,
            predicted=2.0,
            **null,
        )
        gap = smallest_gap(h, u, parameters.scales)
        o.add("T4", "gap between jvp and a small step", gap, step=step, **null)
        for i, length in enumerate(parameters.scales):
            for read, value in {"mean over layers": means[i], "last block": found[i, -1]}.items():
                o.add("T4", "remainder", value, step=step, length=length, read=read, **null)
    new = setup.held_out(setup.templates[0])[:16]
    bound = columns(null=nulls.random_direction(setup.model.width), null_means="random directions, 95 %")
    for step in [kind for kind in kinds if kind in steering_losses.KINDS]:
        form = kernel(exact, step, -made[step], seen, new)
        o.add("T4", "kernel form against jvp", form.gap, step=step, null=1.0, null_means="unrelated shifts")
        for prompts, value in {"seen": form.seen, "new": form.new}.items():
            o.add("T4", "cosine of shift and activation gradient", value, step=step, prompts=prompts, **bound)
        o.add("T4", "cosine of the shifts of seen and new prompts", form.between, step=step, **bound)
