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
from lglib.parameters.units import TensorScale
from lglib.report.observations import Observations
from lglib.search import random_search
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import Setup, columns, in_float64
from lglib.tasks.items import Item
from lglib.theory import nulls

RANDOM = "random"  # name of the step along a random direction


def steps(setup: Setup, items: Sequence[Item]) -> dict[str, Tensor]:
    """Minus the gradient (d,) of each steering loss on these items, and a random direction."""
    return {kind: step(setup, items, kind) for kind in (*steering_losses.KINDS, RANDOM)}


def step(setup: Setup, items: Sequence[Item], kind: str) -> Tensor:
    """One of `steps`: minus the gradient (d,) of a steering loss, or a random direction."""
    if kind == RANDOM:
        return random_search.noise(setup.space, setup.seed, -1)
    return -setup.space.gradient(steering_losses.loss(setup.model, kind), setup.lesson(items))


def in_tensor_units(setup: Setup, u: Tensor) -> tuple[Tensor, float]:
    """A step of length 1 where each tensor is measured in its own size; its length as a share of |theta|."""
    found = u * TensorScale(setup.space).unit(u)
    return found, (found.norm() / setup.space.flatten().norm()).item()


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
    """File the Taylor remainders of these steps, one at a time, and the kernel form of the gradient steps."""
    exact, seen = in_float64(setup, parameters), setup.steered["select"][: min(16, parameters.questions)]
    h, new = exact.pushforward(seen), setup.held_out(setup.templates[0])[:16]
    for kind in kinds:
        progress.tell("Taylor remainders", kinds.index(kind), len(kinds), kind)
        made = step(exact, seen, kind)
        _remainders(o, exact, h, made, kind, parameters.scales)
        if kind in steering_losses.KINDS:
            _kernel(o, exact, kernel(exact, kind, -made, seen, new), kind)


def _remainders(
    o: Observations, exact: Setup, h: Pushforward, made: Tensor, kind: str, scales: Sequence[float]
) -> None:
    """Rows of one step; its lengths are in tensor units, and one row says what such a unit is in |theta|."""
    u, share = in_tensor_units(exact, made)
    found = remainders(h, u, scales)  # (scales, layers)
    means = found.mean(1)
    at, null = columns(step=kind), columns(null=1.0, null_means="a prediction of no shift")
    o.add("T4", "order of the remainder", order(means, scales), predicted=2.0, **at, **null)
    o.add("T4", "gap between jvp and a small step", smallest_gap(h, u, scales), **at, **null)
    for i, length in enumerate(scales):
        for read, value in {"mean over layers": means[i], "last block": found[i, -1]}.items():
            o.add("T4", "remainder", value, length=length, read=read, **at, **null)
    told = columns(null=1.0, null_means="tensors of one size", unit="|theta|")
    o.add("T4", "a tensor unit of length", share, **at, **told)


def _kernel(o: Observations, exact: Setup, form: Kernel, kind: str) -> None:
    bound = columns(null=nulls.random_direction(exact.model.width), null_means="random directions, 95 %")
    o.add("T4", "kernel form against jvp", form.gap, step=kind, null=1.0, null_means="unrelated shifts")
    for prompts, value in {"seen": form.seen, "new": form.new}.items():
        o.add("T4", "cosine of shift and activation gradient", value, step=kind, prompts=prompts, **bound)
    o.add("T4", "cosine of the shifts of seen and new prompts", form.between, step=kind, **bound)
