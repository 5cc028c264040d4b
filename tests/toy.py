"""A language model that is linear in nearly everything: embeddings, then two linear blocks, then logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lglib.models import loading
from lglib.tasks.microworld import lexicon

WIDTH = 6


class Block(nn.Module):
    """h -> W h + b, as a tuple where asked, since some families hand on tuples."""

    def __init__(self, tuples: bool) -> None:
        super().__init__()
        self.linear, self.tuples = nn.Linear(WIDTH, WIDTH), tuples

    def forward(self, h: torch.Tensor) -> Any:
        out = self.linear(h)
        return (out, "kept") if self.tuples else out


class Net(nn.Module):
    def __init__(self, tuples: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(lexicon.tokenizer()), WIDTH)
        self.layers = nn.ModuleList([Block(tuples), Block(tuples)])
        self.head = nn.Linear(WIDTH, len(lexicon.tokenizer()), bias=False)

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False) -> Any:
        h = self.embed(input_ids)
        for block in self.layers:
            h = block(h)
            h = h[0] if isinstance(h, tuple) else h
        return self.head(h)


def model(tuples: bool = False, seed: int = 0) -> loading.LanguageModel:
    """A toy behind the same door as any model, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Net(tuples).double().eval()
    return loading.LanguageModel(
        name="toy",
        model=net,
        tokenizer=lexicon.tokenizer(),
        family="toy",
        blocks=list(net.layers),
        width=WIDTH,
        context=16,
        attention=(),
        linear=("linear",),
        fan_in_fan_out=False,
        device=torch.device("cpu"),
        dtype=torch.float64,
        parameters=sum(p.numel() for p in net.parameters()),
        sha256="",
        revision="",
    )
