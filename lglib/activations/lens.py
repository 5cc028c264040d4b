"""The logit lens: which direction of the residual stream the final norm and the unembedding turn into a word.

The lens reads h_l as if block l were the last one: logits are W_U norm(h_l). So the direction that raises
the logit of word a over that of word b fastest is J^T (W_U[a] - W_U[b]), with the norm's Jacobian J at h_l.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from lglib.activations import residual
from lglib.models.loading import LanguageModel
from lglib.parameters import micro_batches
from lglib.parameters.space import LossFn
from lglib.tasks import scoring
from lglib.tasks.supervised import Lesson


@torch.no_grad()
def final_norm(model: LanguageModel) -> nn.Module:
    """The norm between the last block and the unembedding, found by running the model on one token.

    Raises ValueError for a model where no single module makes of the output of the last block exactly what
    the unembedding reads.

    >>> from lglib.models import loading
    >>> type(final_norm(loading.load("micro-gpt2"))).__name__
    'LayerNorm'
    """
    within = {id(part) for block in model.blocks for part in block.modules()}
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(part: nn.Module, given: Any, made: Any) -> None:
        if given and isinstance(given[0], Tensor) and isinstance(made, Tensor):
            seen[part] = (given[0], made)

    last = len(model.blocks)
    with ExitStack() as hooks, residual.watch(model, [last]) as stream:
        for part in (p for p in model.model.modules() if id(p) not in within):
            hooks.callback(part.register_forward_hook(keep).remove)
        model.model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
    head = _head(model)
    wanted, read = stream[last], seen[head][0]
    for part, (given, made) in seen.items():
        if part is not head and torch.equal(given, wanted) and torch.equal(made, read):
            return part
    raise ValueError(f"{model.name} has no single norm between its last block and its unembedding")


def word_differences(model: LanguageModel, lesson: Lesson) -> Tensor:
    """W_U[first answer] - W_U[second answer] of each item of a lesson, (n, width).

    Raises SplitAnswer for an item without two different answers of one token each.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data, supervised
    >>> model = loading.load("micro-gpt2")
    >>> word_differences(model, supervised.lesson(model.tokenizer, data.micro(3))).shape
    torch.Size([3, 128])
    """
    first, second = scoring.both(lesson)
    words: Any = _head(model).weight
    return (words[first] - words[second]).detach()


def through_norm(norm: nn.Module, at: Tensor, v: Tensor) -> Tensor:
    """J^T v (n, width) of a norm for directions v (n, width), with J at each state of `at` (n or 1, width).

    >>> through_norm(nn.RMSNorm(2, elementwise_affine=False), torch.ones(1, 2), torch.eye(2))
    tensor([[ 0.5000, -0.5000],
            [-0.5000,  0.5000]])
    """
    with torch.enable_grad():
        states = at.detach().expand_as(v).clone().requires_grad_(True)
        (found,) = torch.autograd.grad(norm(states), states, v.to(states))  # a norm acts on rows one by one
    return found


@torch.no_grad()
def scale(norm: nn.Module, like: Tensor) -> Tensor:
    """The elementwise scale (width,) of a norm, whatever it calls it; `like` (..., width) gives the dtype.

    It is read off what the norm makes of a state with mean zero, which all norms here only rescale.

    >>> norm = nn.LayerNorm(4)
    >>> _ = norm.weight.data.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    >>> scale(norm, torch.zeros(4)).round(decimals=3)
    tensor([1., 2., 3., 4.])
    """
    x = torch.ones(like.shape[-1], device=like.device, dtype=like.dtype)
    x[1::2] = -1
    x = x - x.mean()  # of an odd width it is not 0
    return x.pow(2).mean().sqrt() * (norm(x[None]) - norm(-x[None]))[0] / (2 * x)


def gradients(model: LanguageModel, loss_fn: LossFn, lesson: Lesson, layers: Sequence[int]) -> Tensor:
    """Gradient of a mean loss by h_l at the read position of each item, (n, layers, width), in one pass.

    Each row is that of the item's share of the loss, 1/n of its own. `pushforward.activation_gradient` gives
    the same for one layer.

    >>> from lglib.activations import steering_losses
    >>> from lglib.models import loading
    >>> from lglib.tasks import data, supervised
    >>> model = loading.load("micro-gpt2")
    >>> asked = supervised.lesson(model.tokenizer, data.micro(3))
    >>> gradients(model, steering_losses.loss(model, "logit difference"), asked, [2, 4]).shape
    torch.Size([3, 2, 128])
    """
    n = len(lesson.tokens)
    groups = micro_batches.groups(model.model, loss_fn, lesson, "gradient") or [torch.arange(n)]
    parts = [_at_read(model, loss_fn, lesson.rows(own), layers) * len(own) / n for own in groups]
    return torch.cat(parts)[torch.cat(list(groups)).argsort()]


def _at_read(model: LanguageModel, loss_fn: LossFn, lesson: Lesson, layers: Sequence[int]) -> Tensor:
    with residual.watch(model, layers) as seen:
        loss = loss_fn(model.model, lesson)
        found = torch.autograd.grad(loss, [seen[layer] for layer in layers])  # (n, L, width) each
    at = residual.of_lesson(lesson).at
    rows = torch.arange(len(at), device=at.device)
    return torch.stack([g[rows, at] for g in found], dim=1)


def _head(model: LanguageModel) -> nn.Module:
    head: nn.Module = model.model.get_output_embeddings()  # type: ignore[operator]
    return head
