"""The pushforward J_h: what a small step of the weights does to activations, and its transpose.

Forward mode needs a model with attention="eager".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lglib.activations import residual
from lglib.activations.residual import Reading
from lglib.base.checks import count, positive
from lglib.base.chunks import at_once, peak
from lglib.models.loading import LanguageModel
from lglib.parameters import micro_batches
from lglib.parameters.space import LossFn, ParameterSpace

BATCH = 64  # texts in one pass: more are no faster


def of_blocks(model: LanguageModel, last: int | None = None) -> ParameterSpace:
    """The parameters of the blocks 1 to `last` (default: all) as theta: the embeddings stay as they are.

    Where embeddings are tied they would act on both ends of a model; and h_l depends on blocks up to l only.

    >>> from lglib.models import loading
    >>> of_blocks(loading.load("micro-gpt2"), 1).d
    198272
    """
    last = count("last", len(model.blocks) if last is None else last, most=len(model.blocks))
    chosen = {id(p) for block in model.blocks[:last] for p in block.parameters()}
    return ParameterSpace(model.model, where=lambda _, p: id(p) in chosen)


@dataclass(frozen=True)
class Pushforward:
    """h (n, layers, width) at the read positions of n texts as a function of theta, and its derivative.

    `space` is any part of the model's parameters (its blocks, its adapters), `batch` the texts of one pass:
    by default what memory holds, at most 64.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> space = of_blocks(model)
    >>> h = Pushforward(model, space, residual.encode(model, ["Is it so? Answer:"]), (2, 4))
    >>> u = torch.ones(space.d)
    >>> h.push(u).shape
    torch.Size([1, 2, 128])
    """

    model: LanguageModel
    space: ParameterSpace
    read: Reading
    layers: tuple[int, ...]
    batch: int | None = None

    @cached_property
    def _size(self) -> int:
        """Texts in one pass: `batch`, or what memory holds by the measured cost of J u on the longest."""
        if self.batch is not None:
            return count("batch", self.batch)
        theta, longest = self.space.flatten(), self.read.rows(self.read.at.argmax()[None])
        with torch.no_grad():
            one = peak(lambda: torch.func.jvp(self._function(longest), (theta,), (theta,)))
        return at_once(one, BATCH, self.space.device)

    def _parts(self) -> list[Reading]:
        rows = torch.arange(len(self.read.at), device=self.read.at.device)
        return [self.read.rows(own) for own in rows.split(self._size)]

    def _function(self, part: Reading) -> Callable[[Tensor], Tensor]:
        def h(theta: Tensor) -> Tensor:
            def run(**kwargs: Any) -> Any:
                return self.space.functional(theta, **kwargs)

            return residual.hidden(self.model, part, self.layers, run)

        return h

    @torch.no_grad()
    def values(self, theta: Tensor | None = None) -> Tensor:
        """h at theta, by default at the model's present one."""
        at = self.space.flatten() if theta is None else theta
        return torch.cat([self._function(part)(at) for part in self._parts()])

    def push(self, u: Tensor) -> Tensor:
        """J_h u (n, layers, width) at the present theta, by forward mode: exact, for one direction u (d,).

        Raises ValueError for a direction of another shape or dtype, or one that is not finite.
        """
        theta = self.space.flatten()
        if u.shape != theta.shape or u.dtype != theta.dtype or not u.isfinite().all():
            raise ValueError(
                f"u must be a finite vector {tuple(theta.shape)} of {theta.dtype}, "
                f"got {tuple(u.shape)} of {u.dtype}"
            )
        with torch.no_grad():
            parts = [torch.func.jvp(self._function(part), (theta,), (u,))[1] for part in self._parts()]
        return torch.cat(parts)

    def pull(self) -> Callable[[Tensor], Tensor]:
        """Return v (n, layers, width) -> J_h^T v (d,), by reverse mode, at the theta of now.

        The graph is built once and kept, where memory holds it; where not, text by text or as many as fit,
        each time anew.
        """
        theta, parts = self.space.flatten(), self._parts()
        longest = self.read.rows(self.read.at.argmax()[None])
        one = 1.3 * peak(lambda: torch.func.vjp(self._function(longest), theta))
        n = len(self.read.at)
        held = at_once(one, n, self.space.device, beside=2.0 * theta.nbytes)
        if held < n:
            rows = torch.arange(n, device=self.read.at.device)
            parts = [self.read.rows(own) for own in rows.split(min(held, self._size))]
        pulls = [torch.func.vjp(self._function(part), theta)[1] for part in parts] if held == n else None
        sizes, shape = [len(part.at) for part in parts], (n, len(self.layers), self.model.width)

        def product(v: Tensor) -> Tensor:
            if v.shape != shape:
                raise ValueError(f"v must be {shape}, got {tuple(v.shape)}")
            own = v.split(sizes)
            if pulls is not None:
                return torch.stack([p(x)[0] for p, x in zip(pulls, own, strict=True)]).sum(0)
            total = torch.zeros_like(theta)
            for part, x in zip(parts, own, strict=True):
                with torch.enable_grad():
                    at = theta.detach().requires_grad_(True)
                    h = self._function(part)(at)
                total += torch.autograd.grad(h, at, x)[0]
            return total

        return product

    def difference(self, u: Tensor, s: float, *, central: bool = True) -> Tensor:
        """[h(theta + s u) - h(theta - s u)] / 2 s, or with `central=False` [h(theta + s u) - h(theta)] / s.

        An actual small step, to hold against `push`. Raises ValueError unless s is finite and above 0.
        """
        positive("s", s)
        theta = self.space.flatten()
        ahead = self.values(theta + s * u)
        return (ahead - self.values(theta - s * u)) / (2 * s) if central else (ahead - self.values(theta)) / s

    def remainder(self, u: Tensor, scales: Sequence[float]) -> Tensor:
        """||h(theta + s u) - h(theta) - s J u|| / ||s J u||, (scales, layers), of the mean over texts.

        It is of first order in s where h has two derivatives: the remainder itself is of second order.
        """
        positive("scales", scales)
        theta, here, exact = self.space.flatten(), self.values().mean(0), self.push(u).mean(0)
        gaps = [(self.values(theta + s * u).mean(0) - here) / s - exact for s in scales]
        return torch.stack(gaps).norm(dim=-1) / exact.norm(dim=-1)


def activation_gradient(model: LanguageModel, loss_fn: LossFn, lesson: Any, layer: int) -> Tensor:
    """Gradient of a loss by h_l at the read position of each question of a `supervised.Lesson`, (n, width).

    >>> from lglib.activations import steering_losses
    >>> from lglib.models import loading
    >>> from lglib.tasks import data, supervised
    >>> model = loading.load("micro-gpt2")
    >>> asked = supervised.lesson(model.tokenizer, data.micro(3))
    >>> activation_gradient(model, steering_losses.loss(model, "say yes"), asked, 4).shape
    torch.Size([3, 128])
    """
    groups = micro_batches.groups(model.model, loss_fn, lesson, "gradient")
    if not groups:
        return _at_read(model, loss_fn, lesson, layer)
    parts = [_at_read(model, loss_fn, lesson.rows(own), layer) * len(own) for own in groups]
    return torch.cat(parts)[torch.cat(list(groups)).argsort()] / sum(map(len, groups))


def _at_read(model: LanguageModel, loss_fn: LossFn, lesson: Any, layer: int) -> Tensor:
    with residual.watch(model, [layer]) as seen:
        loss = loss_fn(model.model, lesson)
        (g,) = torch.autograd.grad(loss, seen[layer])  # (n, L, width)
    at = residual.of_lesson(lesson).at
    return g[torch.arange(len(at), device=at.device), at]
