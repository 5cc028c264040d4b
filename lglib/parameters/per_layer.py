"""Gradients of one layer's weights, example by example, from its input and the gradient of its output.

It knows linear layers and embeddings by their formulas, also where a subclass scales them by a number, and
any other module by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from transformers.pytorch_utils import Conv1D

WIDE = (nn.Linear, Conv1D, nn.Embedding)  # known by formula; a subclass where it does the same, to a factor
TRIED = 16  # rows or inputs on which a subclass is tried
LARGEST = 2**24  # numbers of a matrix that may be copied to try a subclass of a linear layer


@dataclass(eq=False)
class Use:
    """One call of a module that owns chosen parameters: its input and the gradient of its output.

    `frame` is the application of a block in which it happened, None outside of the blocks; `version` tells
    whether the input was changed in place afterwards.
    """

    module: nn.Module
    frame: int | None = None
    x: Tensor | None = None
    version: int = 0
    e: Tensor | None = None
    done: bool = False
    tried: bool = False
    known: float | None = None

    def take(self, x: Tensor) -> None:
        """Keep the input."""
        self.x, self.version = x.detach(), x._version

    @property
    def factor(self) -> float | None:
        """Factor over the formula of its class, see `factor`; found at its first use."""
        if not self.tried and self.x is not None:
            self.known, self.tried = factor(self.module, self.x), True
        return self.known


def block(use: Use, attribute: str, rows: slice, n: int, *, budget: float = 2**26) -> Tensor:
    """Gradients (n, rows, ...) of some rows of one parameter through one use, in float32 or wider.

    A module that is not known by formula is differentiated for as many examples at a time as `budget` bytes
    hold whole gradients of. Raises RuntimeError when the input was changed in place after it was read.

    >>> layer = nn.Linear(2, 1)
    >>> use = Use(layer, e=torch.tensor([[1.0], [2.0]]))
    >>> use.take(torch.eye(2))
    >>> block(use, "weight", slice(0, 1), 2).tolist()
    [[[1.0, 0.0]], [[0.0, 2.0]]]
    """
    module, x, e = use.module, use.x, use.e
    if x is None or e is None:
        raise RuntimeError(f"the input or output gradient of {type(module).__name__} was not seen")
    if x._version != use.version:
        raise RuntimeError(f"the input of {type(module).__name__} was changed in place after it was read")
    if x.shape[0] != n:  # a constant, the same for every example
        x = x.expand(n, *x.shape[1:])
    if use.factor is None:
        return _generic(module, attribute, x, e, rows, budget)
    kind = torch.promote_types(e.dtype, torch.float32)
    e = e.reshape(n, -1, e.shape[-1]).to(kind)  # (n, t, outputs)
    found = _known(module, attribute, x, e, rows)
    return found if use.factor == 1 else found * use.factor


def _known(module: nn.Module, attribute: str, x: Tensor, e: Tensor, rows: slice) -> Tensor:
    """Rows of the gradient of a linear layer or an embedding, by formula."""
    n = len(e)
    if attribute == "bias":
        return e[..., rows].sum(1)
    if isinstance(module, nn.Embedding):
        return _embedded(module, x.reshape(n, -1), e, rows)
    x = x.reshape(n, -1, x.shape[-1]).to(e.dtype)  # (n, t, inputs)
    if isinstance(module, Conv1D):
        return torch.bmm(x[..., rows].mT, e)  # its weight is (inputs, outputs)
    return torch.bmm(e[..., rows].mT, x)


@torch.no_grad()
def factor(module: nn.Module, x: Tensor) -> float | None:
    """Factor that a linear layer's or an embedding's output has over the formula; None for anything else.

    1 for the classes themselves. A subclass, or a layer whose `forward` was replaced, is tried on a part of
    its input x, with its weights and with twice its weights: it counts as scaled where both come out as one
    number times the formula.

    >>> class Scaled(nn.Embedding):
    ...     def forward(self, tokens):
    ...         return 3 * super().forward(tokens)
    >>> round(factor(Scaled(5, 2), torch.tensor([[0, 4]])), 3), factor(nn.LayerNorm(2), torch.ones(1, 2))
    (3.0, None)
    """
    if not isinstance(module, WIDE):
        return None
    if type(module) in WIDE and "forward" not in module.__dict__:
        return 1.0
    try:
        return _tried(module, x)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return None  # it wants something that the trial does not give


def _tried(module: nn.Module, x: Tensor) -> float | None:
    """Factor of a subclass over the formula of its class, the same with twice its weights; or None."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    kind = next(one for one in WIDE if isinstance(module, one))
    if kind is nn.Embedding:
        if module.max_norm is not None or module.scale_grad_by_freq:
            return None
        weight = weight[x.reshape(-1).unique()[:TRIED]]  # the trial has these rows only
        small = torch.arange(len(weight), device=weight.device)[None]
        named = {"weight": weight}
    else:
        if weight.numel() > LARGEST:
            return None
        small = x.reshape(-1, x.shape[-1])[None, :TRIED]
        named = dict(module.named_parameters(recurse=False))
    found = []
    for size in (1, 2):
        own = {name: size * value for name, value in named.items()}
        out, plain = functional_call(module, own, (small,), tie_weights=False), _formula(kind, own, small)
        if out.shape != plain.shape or not plain.any():
            return None
        ratio = (out.double() * plain.double()).sum() / plain.double().square().sum()
        if not torch.allclose(out.double(), ratio * plain.double(), rtol=1e-3, atol=1e-5):
            return None
        found.append(ratio.item())
    return found[0] if abs(found[0] - found[1]) <= 1e-3 * abs(found[0]) else None


def _formula(kind: type[nn.Module], named: dict[str, Tensor], x: Tensor) -> Tensor:
    weight, bias = named["weight"], named.get("bias")
    if kind is nn.Embedding:
        return nn.functional.embedding(x, weight)
    return nn.functional.linear(x, weight.mT if kind is Conv1D else weight, bias)


def _embedded(module: nn.Embedding, tokens: Tensor, e: Tensor, rows: slice) -> Tensor:
    """Rows of the gradient of an embedding: the gradients of a token's places, added up."""
    height = rows.stop - rows.start
    found = e.new_zeros(len(e) * height, e.shape[-1])
    here = (tokens >= rows.start) & (tokens < rows.stop)
    if module.padding_idx is not None:
        here &= tokens != module.padding_idx
    example, _ = here.nonzero(as_tuple=True)
    found.index_add_(0, example * height + tokens[here] - rows.start, e[here])
    return found.view(len(e), height, -1)


def _generic(module: nn.Module, attribute: str, x: Tensor, e: Tensor, rows: slice, budget: float) -> Tensor:
    """Gradients of any module that maps one tensor to one tensor, example by example, some at a time."""
    weight = getattr(module, attribute).detach()

    def one(x_i: Tensor, e_i: Tensor) -> Tensor:
        def call(w: Tensor) -> Tensor:  # with its batch dimension, which a module may count on
            return functional_call(module, {attribute: w}, (x_i[None],), tie_weights=False)

        return vjp(call, weight)[1](e_i[None])[0]

    whole = torch.promote_types(e.dtype, torch.float32)
    cost = weight.numel() * max(4, weight.itemsize) + 6 * (x[0].nbytes + e[0].nbytes)
    each = max(1, int(budget // max(cost, 1)))
    if each >= len(x):
        return vmap(one)(x, e).to(whole)[:, rows]
    parts = zip(x.split(each), e.split(each), strict=True)
    return torch.cat([vmap(one)(a, b)[:, rows].to(whole, copy=True) for a, b in parts])
