"""Double precision throughout: norms, softmax and losses too, which models compute in float32 by themselves.

Room: ground floor; chapters and `regime` import it. For the linear regime, where rounding would drown what is
measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Throughout(TorchFunctionMode):
    """While the body runs, a float64 tensor stays float64 where the code asks for float32.

    Casts (`.float()`, `.to(torch.float32)`) of a float64 tensor return it as it is, and `dtype=torch.float32`
    of softmax, sum or mean is dropped for one. Everything else is left alone. It does not reach into
    compiled code or into fused kernels: load the model with attention="eager".

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
        told = dict(kwargs or {})
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.dtype == torch.float64:
            if func is Tensor.float:
                return first
            if told.get("dtype") is torch.float32:
                del told["dtype"]
            if func is Tensor.to and torch.float32 in args[1:]:
                args = tuple(a for a in args if a is not torch.float32)
                if len(args) == 1 and not told:
                    return first
            if func is Tensor.type and torch.float32 in args[1:]:
                return first
        return func(*args, **told)
