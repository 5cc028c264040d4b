"""Gradients of one layer's weights, example by example, from its input and the gradient of its output.

It knows linear layers and embeddings by their formulas, any other
module by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from transformers.pytorch_utils import Conv1D

WIDE = (nn.Linear, Conv1D, nn.Embedding)  # exactly these: a subclass may compute something else


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

    def take(self, x: Tensor) -> None:
        """Keep the input."""
        self.x, self.version = x.detach(), x._version


def block(use: Use, attribute: str, rows: slice, n: int) -> Tensor:
    """Gradients (n, rows, ...) of some rows of one parameter through one use, in float32 or wider.

    Raises RuntimeError when the input was changed in place after it was read.

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
    if type(module) not in WIDE:
        return _generic(module, attribute, x, e)[:, rows]
    kind = torch.promote_types(e.dtype, torch.float32)
    e = e.reshape(n, -1, e.shape[-1]).to(kind)  # (n, t, outputs)
    if attribute == "bias":
        return e[..., rows].sum(1)
    if isinstance(module, nn.Embedding):
        return _embedded(module, x.reshape(n, -1), e, rows)
    x = x.reshape(n, -1, x.shape[-1]).to(kind)  # (n, t, inputs)
    if isinstance(module, Conv1D):
        return torch.bmm(x[..., rows].mT, e)  # its weight is (inputs, outputs)
    return torch.bmm(e[..., rows].mT, x)


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


def _generic(module: nn.Module, attribute: str, x: Tensor, e: Tensor) -> Tensor:
    """Gradients of any module that maps one tensor to one tensor, example by example."""
    weight = getattr(module, attribute).detach()

    def one(x_i: Tensor, e_i: Tensor) -> Tensor:
        def call(w: Tensor) -> Tensor:  # with its batch dimension, which a module may count on
            return functional_call(module, {attribute: w}, (x_i[None],), tie_weights=False)

        return vjp(call, weight)[1](e_i[None])[0]

    return vmap(one)(x, e).to(torch.promote_types(e.dtype, torch.float32))
