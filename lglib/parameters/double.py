"""Double precision throughout: norms, softmax and losses too, which models compute in float32 by themselves.

For the linear regime, where rounding would drown what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CASTS = (Tensor.float, Tensor.to, Tensor.type, Tensor.type_as)
COMPUTED = (  # functions with a `dtype` in which they compute
    *(torch.softmax, Tensor.softmax, functional.softmax),
    *(torch.log_softmax, Tensor.log_softmax, functional.log_softmax),
    *(torch.sum, Tensor.sum, torch.mean, Tensor.mean, torch.prod, Tensor.prod, torch.cumsum, Tensor.cumsum),
)


class Throughout(TorchFunctionMode):
    """While the body runs, a float64 tensor stays float64 where a forward pass asks for float32.

    Casts of it to float32 return float64, and softmax, sum, mean, prod and cumsum with `dtype=torch.float32`
    compute in float64. Everything else is left alone. Derivatives of such a pass are in float64 too; what is
    computed *again* on the way back is not, so do not combine it with gradient checkpointing (`blocks` of
    `per_example_gradients`). Compiled code and fused kernels are out of reach: load with attention="eager".

    >>> x = torch.ones(2, dtype=torch.float64)
    >>> with Throughout():
    ...     inside = x.to(torch.float32).dtype, torch.softmax(x, 0, dtype=torch.float32).dtype
    >>> inside, x.float().dtype
    ((torch.float64, torch.float64), torch.float32)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a torch function, without its narrowing of float64."""
        named = dict(kwargs or {})
        x = args[0] if args else named.get("input")
        if isinstance(x, Tensor) and x.dtype == torch.float64:
            if func is Tensor.float:
                return x
            if func in CASTS:
                args = (x, *(_wide(a) for a in args[1:]))
                named = {k: _wide(v) for k, v in named.items()}
            elif func in COMPUTED:
                args = tuple(torch.float64 if a is torch.float32 else a for a in args)
                named = {k: torch.float64 if v is torch.float32 else v for k, v in named.items()}
        return func(*args, **named)


def _wide(target: Any) -> Any:
    """What a cast should aim at: float64 for float32, on the device of a tensor that is named as target."""
    if target is torch.float32:
        return torch.float64
    if isinstance(target, Tensor) and target.dtype == torch.float32:
        return target.double()
    return target
