"""Do parameters share memory? Tied by `.data`, a step would move both."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import nn


def shared(chosen: Mapping[str, nn.Parameter]) -> list[str]:
    """Names of two parameters whose memory overlaps, or of one that overlaps itself; else nothing.

    >>> import torch
    >>> x = torch.zeros(2)
    >>> shared({"a": nn.Parameter(x), "b": nn.Parameter(x[1:])}), shared({"a": nn.Parameter(x)})
    (['a', 'b'], [])
    """
    spans = []
    for n, p in chosen.items():
        if p.numel() and not p.is_meta:
            extent = 1 + sum((s - 1) * step for s, step in zip(p.shape, p.stride(), strict=True))
            if extent < p.numel():  # an expanded tensor
                return [n]
            spans.append((p.data_ptr(), p.data_ptr() + extent * p.element_size(), n))
    spans.sort()
    return next(([a[2], b[2]] for a, b in pairwise(spans) if b[0] < a[1]), [])
