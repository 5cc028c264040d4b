"""LoRA candidates: the losses, answers and gradients of many adapters around one, in one forward pass.

The base model's matrices are read once for a stack of points theta that lie beside each other in the batch;
each adapted layer adds its candidate's own B A x by two batched products. Nothing is written into the model.
A candidate is made again from its key, so memory grows with `chunk` d, never with N d; the chunk is what
memory holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lglib.base import progress
from lglib.base.checks import count
from lglib.base.chunks import SHARE, at_once, free_memory, peak
from lglib.models.lora import Adapter, Layer
from lglib.search.proposals import Proposal
from lglib.tasks import supervised
from lglib.tasks.supervised import Lesson

METHODS = ("auto", "loop", "stacked")
MOST = 1_000_000  # candidates of one search
AT_ONCE = {"cpu": 8, "cuda": 128}  # candidates in one pass: more are no faster there
LESSONS = 16  # lessons whose gradients are taken in one pass


@dataclass(frozen=True)
class Tries:
    """What N candidates did on the n items of a lesson.

    before (n,): loss of each item at theta; losses (N, n): after the step, inf where not finite; predicted
    (N, n, A): first choices; right (N, n): whether the whole answer was.
    """

    before: np.ndarray
    losses: np.ndarray
    predicted: np.ndarray
    right: np.ndarray

    def gains(self, rows: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Decrease (N,) of the mean loss of some items, in nats; -inf where it broke the model."""
        return self.before[rows].mean() - self.losses[:, rows].mean(1)


@torch.no_grad()
def run(
    adapter: Adapter,
    lesson: Lesson,
    direction: Proposal,
    *,
    norm: float,
    candidates: int,
    method: str = "auto",
    chunk: int | None = None,
    label: str = "candidates",
) -> Tries:
    """Try theta + norm * direction(i) for i < candidates on a lesson; the adapter is left as it was.

    `method` is `loop` (each written into the model in turn) or `stacked` (`chunk` of them in one forward
    pass, by default what memory holds by the measured cost of one, at most 8 on a CPU and 128 on a GPU),
    which `auto` stands for. They agree to rounding. Items too go some at a time where they do not fit. Raises
    ValueError for candidates outside 1 to a million, chunk < 1, a norm that is not finite and above 0, an
    unknown method, a loss that is not finite at theta, or a direction that is not a unit vector of the space.
    """
    candidates = count("candidates", candidates, most=MOST)
    chunk = None if chunk is None else count("chunk", chunk)
    if not 0 < norm <= torch.finfo(adapter.space.dtype).max:
        raise ValueError(f"norm must be finite and above 0, got {norm!r}")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; there is: {', '.join(METHODS)}")
    space, stack = adapter.space, method != "loop"
    theta = space.flatten()
    groups = _groups(adapter, lesson)
    before = _over(groups, lambda own: supervised.logits(adapter.model, own)[None])[0][0]
    if not before.isfinite().all():
        raise ValueError(f"the loss is not finite at the starting point: {before.mean().item()}")
    if stack and chunk is None:
        chunk = _fitting(adapter, theta[None], [own for _, own in groups])
    losses, predicted = [], []
    for thetas in _stacks(theta, direction, norm, candidates, chunk if stack and chunk else 1):
        if stack:
            each, first = _over(groups, lambda own, thetas=thetas: logits(adapter, thetas, own))  # type: ignore[misc]
        else:
            with space.at(thetas[0]):
                each, first = _over(groups, lambda own: supervised.logits(adapter.model, own)[None])
        losses.append(each)
        predicted.append(first)
        progress.tell(label, sum(map(len, losses)), candidates)
    after, chosen = torch.cat(losses), torch.cat(predicted)
    right = supervised.right(chosen, Lesson(*(x.cpu() for x in lesson)))
    after = torch.where(after.isfinite(), after, torch.inf)
    return Tries(before.numpy(), after.numpy(), chosen.numpy(), right.numpy())


def _groups(adapter: Adapter, lesson: Lesson) -> list[tuple[Tensor, Lesson]]:
    """The items in groups that one candidate goes through at a time, with their numbers: one, if it fits."""
    n, lengths = len(lesson.tokens), lesson.lengths
    size = supervised.at_once(adapter.model, lesson, n, copies=2.0)
    if size >= n:
        return [(torch.arange(n), lesson)]
    order = lengths.argsort(descending=True, stable=True).split(size)
    return [(own.cpu(), lesson.rows(own)) for own in order]


def _fitting(adapter: Adapter, theta: Tensor, groups: Sequence[Lesson]) -> int:
    """How many candidates fit in one pass: each costs what one does, and its coordinates twice."""
    first = groups[0]
    one = peak(lambda: supervised.losses(logits(adapter, theta, first), first))
    most = AT_ONCE.get(theta.device.type, AT_ONCE["cpu"])
    return at_once(one + 3.0 * theta.nbytes, most, theta.device)


def _over(groups: Sequence[tuple[Tensor, Lesson]], run: Callable[[Lesson], Tensor]) -> tuple[Tensor, Tensor]:
    """Losses (C, n) in float64 and first choices (C, n, A) of C candidates, group by group of the items."""
    parts = []
    for rows, own in groups:
        found = run(own)
        parts.append((rows, supervised.losses(found, own).double().cpu(), found.argmax(-1).cpu()))
    if len(parts) == 1:
        return parts[0][1], parts[0][2]
    order = torch.cat([rows for rows, _, _ in parts]).argsort()
    losses, first = (torch.cat([part[i] for part in parts], dim=1) for i in (1, 2))
    return losses[:, order], first[:, order]


def _stacks(theta: Tensor, direction: Proposal, norm: float, total: int, size: int) -> Iterator[Tensor]:
    """Points (size, d) to try, stack after stack."""
    for start in range(0, total, size):
        rows = theta.repeat(min(size, total - start), 1)
        for row in range(len(rows)):
            u = direction(start + row)
            length = torch.linalg.vector_norm(u, dtype=torch.float64).item() if u.shape == theta.shape else 0
            if not abs(length - 1) < 1e-3:
                raise ValueError(
                    f"direction({start + row}) must be a unit vector {tuple(theta.shape)}, "
                    f"got shape {tuple(u.shape)} and length {length:.4g}"
                )
            rows[row].add_(u.to(theta), alpha=norm)
        yield rows


@torch.no_grad()
def logits(adapter: Adapter, thetas: Tensor, lesson: Lesson) -> Tensor:
    """Logits (C, n, A, vocabulary) of C adapters `thetas` (C, d) on the same lesson, in one forward pass.

    Equal to putting each theta into the model in turn, up to rounding. Memory: C d for the stack, and the
    activations of C n rows. The adapter's own theta is left alone, also after an error. Raises ValueError
    unless thetas is (C, d) of the adapter's dtype, on its device.

    >>> from lglib.models import loading, lora
    >>> from lglib.tasks.items import Item
    >>> adapter = lora.attach(loading.load("micro-gpt2"), r=2)
    >>> one = supervised.lesson(adapter.base.tokenizer, [Item("Plural: cat. Answer:", (" cats",), 0)])
    >>> logits(adapter, torch.zeros(3, adapter.space.d), one).shape
    torch.Size([3, 1, 1, 644])
    """
    space = adapter.space
    if thetas.ndim != 2 or thetas.shape[1] != space.d or not len(thetas):
        raise ValueError(f"thetas must be (candidates, {space.d}), got {tuple(thetas.shape)}")
    if (thetas.dtype, thetas.device) != (space.dtype, space.device):
        raise ValueError(
            f"thetas must be {space.dtype} on {space.device}, got {thetas.dtype} on {thetas.device}"
        )
    count = len(thetas)
    many = Lesson(lesson.tokens.repeat(count, 1), lesson.kept, *(x.repeat(count, 1) for x in lesson[2:]))
    found = _forward(adapter, thetas, many)
    return found.view(count, -1, *found.shape[1:])


def gradients(adapter: Adapter, lessons: Sequence[Lesson], *, chunk: int | None = None) -> Tensor:
    """Gradients (n, d) of the loss of n lessons at the adapter's theta, `chunk` of them in one pass.

    By default as many as memory holds, at most 16; where one does not fit, its items go in micro-batches.
    What `ParameterSpace.gradient_matrix` gives with `supervised.loss`, up to rounding: each lesson has a copy
    of the adapter to itself, so one backward pass tells their gradients apart. Raises ValueError for no
    lesson, lessons of different numbers of items, or a loss that is not finite.

    >>> from lglib.models import loading, lora
    >>> from lglib.tasks.items import Item
    >>> adapter = lora.attach(loading.load("micro-gpt2"), r=2)
    >>> one = supervised.lesson(adapter.base.tokenizer, [Item("Plural: cat. Answer:", (" cats",), 0)])
    >>> gradients(adapter, [one, one]).shape
    torch.Size([2, 4096])
    """
    if len(sizes := {len(one.tokens) for one in lessons}) != 1:
        raise ValueError(f"lessons must all have the same number of items, got {sorted(sizes) or 'none'}")
    theta, found = adapter.space.flatten(), []
    if chunk is None:
        chunk = _lessons_at_once(adapter, lessons)
    if not chunk:
        return adapter.space.gradient_matrix(supervised.loss, lessons)
    for start in range(0, len(lessons), chunk):
        own = lessons[start : start + chunk]
        thetas = theta.repeat(len(own), 1).requires_grad_(True)  # (C, d)
        with torch.enable_grad():
            many = supervised.join(own)
            loss = supervised.losses(_forward(adapter, thetas, many), many).view(len(own), -1).mean(1)
        if not loss.isfinite().all():
            raise ValueError(f"the loss is not finite: {loss.tolist()}")
        found.append(torch.autograd.grad(loss.sum(), thetas)[0])
    return torch.cat(found)


def _lessons_at_once(adapter: Adapter, lessons: Sequence[Lesson]) -> int:
    """How many lessons' activations fit: none where not even one does."""
    longest = max(lessons, key=lambda one: one.tokens.shape[1])
    one = longest.rows(longest.lengths.argmax()[None])
    with torch.enable_grad():
        cost = 1.3 * len(longest.tokens) * peak(lambda: supervised.loss(adapter.model, one))
    fits = cost <= SHARE * free_memory(adapter.space.device)
    return at_once(cost, LESSONS, adapter.space.device) if fits else 0


def _forward(adapter: Adapter, thetas: Tensor, many: Lesson) -> Tensor:
    """Logits (C n, A, vocabulary) of a lesson whose rows belong to the thetas (C, d) in turn, n to each."""
    frozen = [p for p in adapter.space.parameters() if not p.requires_grad]
    try:
        with adapter.model.disable_adapter(), _adding(adapter, thetas):
            return supervised.logits(adapter.model, many)
    finally:
        for parameter in frozen:  # peft thaws what it enables
            parameter.requires_grad_(False)


@contextmanager
def _adding(adapter: Adapter, thetas: Tensor) -> Iterator[None]:
    """While the body runs, each adapted layer adds the part of the candidate that a row belongs to."""
    handles = [one.module.register_forward_hook(_hook(one, adapter.r, thetas)) for one in adapter.layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(one: Layer, r: int, thetas: Tensor) -> Callable[..., Tensor]:
    count = len(thetas)
    a = thetas[:, one.a].view(count, r, one.inputs).mT  # (C, inputs, r)
    b = (one.scaling * thetas[:, one.b]).view(count, one.outputs, r).mT  # (C, r, outputs)

    def add(_: Any, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = given[0].reshape(count, -1, one.inputs).to(thetas)  # (C, rows * length, inputs)
        flat = output.reshape(count, -1, one.outputs)
        return (
            torch.baddbmm(flat, x @ a, b.to(flat)).view(output.shape)
            if flat.dtype == thetas.dtype
            else (flat + ((x @ a) @ b).to(flat)).view(output.shape)
        )

    return add
