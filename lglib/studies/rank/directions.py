"""Unit directions in the space of all weights: the gradient, a LoRA step, a steering step.

Claim L2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from lglib.activations import residual
from lglib.base import seeding
from lglib.base.checks import count
from lglib.models.loading import LanguageModel
from lglib.parameters.space import ParameterSpace
from lglib.tasks.supervised import Lesson


def unit(vector: Tensor) -> Tensor:
    """Return the vector at length one; ValueError if it is zero or not finite.

    >>> unit(torch.tensor([3.0, 4.0]))
    tensor([0.6000, 0.8000])
    """
    length = torch.linalg.vector_norm(vector, dtype=torch.float64)
    if not (length > 0 and length.isfinite()):
        raise ValueError(f"vector must be finite and not zero, got length {length.item()}")
    return vector / length.to(vector)


def inside(space: ParameterSpace, vector: Tensor, name_part: str) -> Tensor:
    """Return the unit direction of the part of a vector (d,) in parameters whose name has `name_part`.

    Raises ValueError, with the names there are, if none has it.

    >>> space = ParameterSpace(torch.nn.Linear(2, 1))
    >>> inside(space, torch.tensor([1.0, 1.0, 5.0]), "bias")
    tensor([0., 0., 1.])
    """
    kept = torch.zeros_like(vector)
    chosen = [part for name, part in space.slices.items() if name_part in name]
    if not chosen:
        raise ValueError(f"name_part is {name_part!r}; no parameter has it among {list(space.names)[:8]}...")
    for part in chosen:
        kept[part] = vector[part]
    return unit(kept)


def lora(space: ParameterSpace, gradient: Tensor, layers: Sequence[str], r: int, seed: int) -> Tensor:
    """Direction of the merged weights' change in the first gradient step of fresh LoRA adapters of rank r.

    With B = 0 only B moves, by -G A^T for the gradient G of a matrix, so the matrix moves by -G A^T A: the
    gradient, seen through a random r-dimensional space of inputs. `layers` are names of linear layers, as
    `models.load` has them; other parameters stay. The sign is that of the gradient. Raises ValueError if
    no parameter belongs to a layer, or r < 1.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> space = ParameterSpace(model.model)
    >>> round(lora(space, torch.ones(space.d), model.attention, 4, 0).norm().item(), 4)
    1.0
    """
    r, moved = count("r", r), torch.zeros_like(gradient)
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers must be a list of names, at least one, got {layers!r}")
    owners = {n: n.split(".")[-2] for n in space.names if n.endswith(".weight") and "." in n[:-7]}
    if missing := sorted(set(layers) - set(owners.values())):
        raise ValueError(f"layers: no weight belongs to {missing}; there is {sorted(set(owners.values()))}")
    chosen = [n for n in owners if owners[n] in layers]
    for name in chosen:
        g = gradient[space.slices[name]].view(space.shapes[name])
        owner = space.module.get_submodule(name.rpartition(".")[0])
        flipped = isinstance(owner, Conv1D)  # stored (inputs, outputs)
        g = g.T if flipped else g  # (outputs, inputs)
        a = torch.rand(r, g.shape[1], generator=seeding.generator(seed, "lora", name)).to(g)
        a = (2 * a - 1) / g.shape[1] ** 0.5  # as peft draws a fresh A
        change = (g @ a.T) @ a
        moved[space.slices[name]] = (change.T if flipped else change).reshape(-1)
    return unit(moved)


def at_prompt(model: LanguageModel, lesson: Lesson, layer: int) -> Tensor:
    """h_l (n, width) at the last token of each prompt of a lesson, with its graph.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data, supervised
    >>> model = loading.load("micro-gpt2")
    >>> at_prompt(model, supervised.lesson(model.tokenizer, data.micro(3, "claim")), 4).shape
    torch.Size([3, 128])
    """
    return residual.hidden(model, residual.of_lesson(lesson), [layer])[:, 0]


def steering(model: LanguageModel, space: ParameterSpace, lesson: Lesson, layer: int, labels: Any) -> Tensor:
    """Weight direction that moves h_l along the difference v of two classes: the gradient of mean v.h_l.

    v, held fixed, is mean h_l over items with label 0 less that over the others, at the last token of the
    prompt. Raises ValueError unless there are items of both.
    """
    first = torch.as_tensor([label == 0 for label in labels])
    if not first.any() or first.all() or len(first) != len(lesson.tokens):
        raise ValueError(f"labels must be one an item and of two kinds, got {list(labels)}")
    with torch.no_grad():
        h = at_prompt(model, lesson, layer)
        v = h[first].mean(0) - h[~first].mean(0)

    def along(_: Any, batch: Lesson) -> Tensor:
        return (at_prompt(model, batch, layer) @ v).mean()

    return unit(space.gradient(along, lesson))
