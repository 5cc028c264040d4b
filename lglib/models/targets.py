"""Which linear layers of a model a LoRA adapter goes on, and what it cannot reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from lglib.models.adapter_config import AdapterError
from lglib.models.loading import LanguageModel

TARGETS = ("attention", "linear")


def layers(model: LanguageModel, targets: str | Sequence[str]) -> dict[str, Any]:
    """Linear layers of a model by full name: those of `attention`, of `linear`, or of a list of names.

    Raises AdapterError for a name that is not there, told with those that are; and for `linear` where it
    would leave out matrices without a word, such as fused experts, which are no layers of their own.

    >>> from lglib.models import loading
    >>> list(layers(loading.load("micro-gpt2"), "attention"))[0]
    'transformer.h.0.attn.c_attn'
    """
    if isinstance(targets, str) and targets not in TARGETS:
        raise AdapterError(f"targets is {targets!r}; there is: {', '.join(TARGETS)}, or a list of names")
    if targets == "linear" and (fused := model.left_out):
        raise AdapterError(
            f"linear would leave out {', '.join(fused[:4])} of {model.name}, which are no layers of their "
            f"own, so LoRA cannot reach them: take attention, or name layers: {', '.join(model.linear)}"
        )
    wanted = list(getattr(model, targets) if isinstance(targets, str) else targets)
    linear = {
        name: part
        for name, part in model.model.named_modules()
        if isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"
    }
    chosen = {name: part for name, part in linear.items() if name.rpartition(".")[2] in wanted}
    if missing := sorted(set(wanted) - {name.rpartition(".")[2] for name in linear}):
        there = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
        raise AdapterError(f"{model.name} has no layer {', '.join(missing)}; its linear layers: {there}")
    if not chosen:
        raise AdapterError(f"targets is empty: name at least one layer of {model.name}")
    return chosen
