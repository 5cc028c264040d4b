"""LoRA adapters as points in R^d: attach them, trace every coordinate, merge, save, change their gauge.

The adapters are peft's own; here is only what turns them into a vector and back.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lglib.base import files, seeding
from lglib.base.checks import count, positive
from lglib.models import targets as targeted
from lglib.models.adapter_config import AdapterError, scalings
from lglib.models.loading import LanguageModel
from lglib.models.targets import TARGETS
from lglib.parameters.space import ParameterSpace

__all__ = [
    "TARGETS", "Adapter", "AdapterError", "Layer", "attach", "detach", "flat", "gauge", "merged", "read",
    "save",
]  # fmt: skip
BASE = "base.json"  # beside peft's files: which weights the adapter was made for


@dataclass(frozen=True)
class Layer:
    """One adapted matrix, W x + scaling B A x, whose A (r, inputs) and B (outputs, r) are slices of theta.

    `name` is the module's in the base model, `block` the number of its block (-1 outside), `module` the peft
    layer.
    """

    name: str
    block: int
    inputs: int
    outputs: int
    scaling: float
    a: slice
    b: slice
    module: Any


@dataclass(frozen=True)
class Adapter:
    """A model with LoRA adapters of rank r, and their numbers as one vector theta in R^d.

    `model` is peft's, in eval mode; `space` is theta, A before B in each of `layers`; `thawed` the names of
    the base's parameters that could be trained before.
    """

    base: LanguageModel
    model: Any
    space: ParameterSpace
    layers: tuple[Layer, ...]
    r: int
    thawed: frozenset[str]

    @property
    def blocks(self) -> list[int]:
        """Numbers of the blocks that have an adapter, rising."""
        return sorted({one.block for one in self.layers})

    def of_block(self, number: int) -> Tensor:
        """Indices (d_block,) of the coordinates of theta of a block; ValueError if it has none."""
        spans = [s for one in self.layers if one.block == number for s in (one.a, one.b)]
        if not spans:
            raise ValueError(f"block {number} has no adapter; these have: {self.blocks}")
        return torch.cat([torch.arange(s.start, s.stop) for s in spans]).to(self.space.device)

    def table(self) -> list[dict[str, Any]]:
        """Where each matrix lies in theta: a line for each A and B, in order."""
        lines = []
        for one in self.layers:
            a, b = f"{self.r} x {one.inputs}", f"{one.outputs} x {self.r}"
            for what, s, shape in (("A", one.a, a), ("B", one.b, b)):
                own = dict(layer=one.name, block=one.block, matrix=what, shape=shape)
                lines.append(own | dict(coordinates=f"{s.start:,} to {s.stop - 1:,}"))
        return lines


def attach(
    model: LanguageModel,
    r: int,
    targets: str | Sequence[str] = "attention",
    *,
    seed: int = 0,
    alpha: float | None = None,
) -> Adapter:
    """Put LoRA adapters of rank r (Hu et al., 2021) on a model: on `attention`, `linear`, or layers by name.

    A is uniform in +-1/sqrt(inputs), peft's own law, but drawn by key from the seed, so that it is the same
    on every device; B is zero, so the function is the base's. The scaling alpha / r is 1 unless `alpha` is
    given. The base's weights are frozen and its modules wrapped, until `detach`. Raises AdapterError for a
    model that has adapters, or no layer of these names (it lists those there are); ValueError for r below 1
    or above the width of the narrowest layer, or an alpha that is not above 0.

    >>> from lglib.models import loading
    >>> adapter = attach(loading.load("micro-gpt2"), r=4)
    >>> adapter.space.d, adapter.table()[1]["coordinates"]
    (8192, '512 to 2,047')
    """
    import peft

    module = model.model
    if any(hasattr(part, "lora_A") for part in module.modules()):
        raise AdapterError(f"{model.name} has adapters already; lora.detach takes them off")
    chosen = targeted.layers(model, targets)
    narrow = min(min(part.weight.shape) for part in chosen.values())
    count("r", r, most=narrow)
    positive("alpha", r if alpha is None else alpha)
    config = peft.LoraConfig(
        r=r,
        lora_alpha=r if alpha is None else alpha,  # type: ignore[arg-type]  # a number, says its text
        target_modules=sorted(chosen),
        fan_in_fan_out=model.fan_in_fan_out,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    devices = [module.device] if module.device.type == "cuda" else []
    thawed = frozenset(name for name, p in module.named_parameters() if p.requires_grad)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=devices):  # what it draws is drawn anew
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that will go
        adapted: Any = peft.get_peft_model(module, config).eval()
    adapted.requires_grad_(False)
    for name, parameter in adapted.named_parameters():
        parameter.requires_grad_("lora_" in name)
    space = ParameterSpace(adapted)
    start = {name: torch.zeros(shape, dtype=space.dtype) for name, shape in space.shapes.items()}
    for name, value in start.items():
        if ".lora_A." in name:
            dice = seeding.generator("lora", seed, name)
            bound = value.shape[1] ** -0.5
            start[name] = bound * (2 * torch.rand(value.shape, generator=dice, dtype=space.dtype) - 1)
    space.load(space.join(start))
    return Adapter(model, adapted, space, _layers(model, adapted, space), r, thawed)


def detach(adapter: Adapter) -> None:
    """Take the adapters off, so that the base model is as it was, bit for bit; the Adapter is then of no use.

    >>> from lglib.models import loading
    >>> model = loading.load("micro-gpt2")
    >>> detach(attach(model, r=2))
    >>> attach(model, r=8).r
    8
    """
    for name, parameter in adapter.model.unload().named_parameters():
        parameter.requires_grad_(name in adapter.thawed)


def merged(adapter: Adapter, theta: Tensor) -> dict[str, Tensor]:
    """Change of each adapted matrix, scaling B A of shape (outputs, inputs), by layer name, at theta (d,).

    This is all that the function depends on: theta itself has a gauge freedom (see `gauge`).
    """
    found = {}
    for one in adapter.layers:
        a, b = theta[one.a].view(adapter.r, one.inputs), theta[one.b].view(one.outputs, adapter.r)
        found[one.name] = one.scaling * (b @ a)
    return found


def flat(matrices: dict[str, Tensor]) -> Tensor:
    """Return one vector of all entries of the matrices of `merged`."""
    return torch.cat([m.reshape(-1) for m in matrices.values()])


def gauge(adapter: Adapter, points: Tensor, matrices: Sequence[Tensor], *, dual: bool = False) -> Tensor:
    """The same adapters in other coordinates: A -> M^-1 A and B -> B M in each layer; of (n, d) or (d,).

    B A, and with it the model, does not change. `matrices` holds an invertible M (r, r) for each layer, in
    order. With `dual=True` gradients are carried over: A -> M^T A, B -> B M^-T, so that g . delta stays.
    Raises ValueError for a wrong number of matrices, a wrong shape, or one that cannot be inverted.

    >>> from lglib.models import loading
    >>> adapter = attach(loading.load("micro-gpt2"), r=2)
    >>> theta = torch.randn(adapter.space.d)
    >>> moved = gauge(adapter, theta, [torch.tensor([[2.0, 1.0], [0.0, 1.0]])] * 4)
    >>> a, b = (flat(merged(adapter, x)) for x in (theta, moved))
    >>> bool(torch.allclose(a, b, atol=1e-5)), bool(torch.allclose(theta, moved))
    (True, False)
    """
    if len(matrices) != (n := len(adapter.layers)):
        raise ValueError(f"matrices must be one for each of {n} layers, got {len(matrices)}")
    rows, r = torch.atleast_2d(points), adapter.r
    if rows.shape[1:] != (adapter.space.d,):
        raise ValueError(f"points must be (n, {adapter.space.d}), got {tuple(points.shape)}")
    moved = rows.clone()
    for one, given in zip(adapter.layers, matrices, strict=True):
        if given.shape != (r, r) or not given.isfinite().all():
            raise ValueError(f"a gauge of {one.name} must be finite and ({r}, {r}), got {tuple(given.shape)}")
        m = given.double()
        if torch.linalg.matrix_rank(m) < r:
            raise ValueError(f"the gauge of {one.name} cannot be inverted")
        left, right = (m.T, torch.linalg.inv(m).T) if dual else (torch.linalg.inv(m), m)
        a, b = rows[:, one.a].view(-1, r, one.inputs), rows[:, one.b].view(-1, one.outputs, r)
        moved[:, one.a] = (left.to(a) @ a).flatten(1)
        moved[:, one.b] = (b @ right.to(b)).flatten(1)
    return moved.view(points.shape)


def save(adapter: Adapter, folder: str | Path) -> None:
    """Write the adapter with peft (safetensors), and beside it which base model it was made for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a base without a hub name cannot be looked up, and need not be
        adapter.model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    files.write_atomically(Path(folder) / BASE, json.dumps(_base(adapter), indent=1) + "\n")


def read(adapter: Adapter, folder: str | Path) -> Tensor:
    """Theta (d,) of an adapter that was saved, for an adapter of the same shape and base.

    Only safetensors are read. Raises AdapterError when the folder holds no whole adapter, one of other
    layers, another rank or scaling, one that is no plain LoRA, or that was saved for another base model.
    """
    from peft.utils.save_and_load import load_peft_weights

    path = Path(folder)
    if not (path / "adapter_model.safetensors").is_file():
        raise AdapterError(f"{folder} holds no adapter_model.safetensors")
    if (path / BASE).is_file():
        mine = _base(adapter)
        try:
            made = json.loads((path / BASE).read_text(encoding="utf-8"))
            one, other = (f"{x['model']} (sha256 {x['sha256'][:12]})" for x in (made, mine))
            same = made["sha256"] == mine["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise AdapterError(f"{path / BASE} cannot be read ({type(error).__name__}: {error})") from None
        if not same:
            raise AdapterError(f"{folder} was saved for the base {one}, this one is {other}")
    try:
        held = load_peft_weights(str(path), device="cpu")
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
        scaling = scalings(config, [one.name for one in adapter.layers])
    except AdapterError as error:
        raise AdapterError(f"{folder}: {error}") from None
    except Exception as error:  # safetensors has errors of its own
        raise AdapterError(f"{folder} holds no whole adapter ({type(error).__name__}: {error})") from None
    want = {name.replace(".default.", "."): name for name in adapter.space.names}
    if wrong := sorted(set(held) ^ set(want)):
        raise AdapterError(f"{folder} is of other layers: {wrong[:3]} are only in one of the two")
    try:
        theta = adapter.space.join({want[n]: t.to(adapter.space.flatten()) for n, t in held.items()})
    except ValueError as error:
        raise AdapterError(f"{folder} has another rank or width: {error}") from None
    for layer in adapter.layers:
        if not math.isclose(scaling[layer.name], layer.scaling, rel_tol=1e-6):
            raise AdapterError(
                f"{folder} has scaling {scaling[layer.name]:g} at {layer.name}, this adapter "
                f"{layer.scaling:g}: attach it with alpha={scaling[layer.name] * adapter.r:g}"
            )
    return theta


def _base(adapter: Adapter) -> dict[str, Any]:
    """What tells the base from others: the hash of its files, or of its numbers if it has no files."""
    own = {k: v for k, v in adapter.base.record().items() if k in ("model", "revision", "sha256")}
    if not own["sha256"]:
        digest = hashlib.sha256()
        for name, parameter in adapter.model.named_parameters():
            if "lora_" not in name:
                digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        own["sha256"] = digest.hexdigest()
    return own


def _layers(model: LanguageModel, adapted: Any, space: ParameterSpace) -> tuple[Layer, ...]:
    inside = {id(part): number for number, block in enumerate(model.blocks) for part in block.modules()}
    layers = []
    for name, module in adapted.base_model.model.named_modules():
        if not hasattr(module, "lora_A"):
            continue
        prefix = f"base_model.model.{name}"
        a, b = (f"{prefix}.lora_{x}.default.weight" for x in "AB")
        inputs, outputs, scaling = space.shapes[a][1], space.shapes[b][0], float(module.scaling["default"])
        block = inside.get(id(module), -1)
        own = Layer(name, block, inputs, outputs, scaling, space.slices[a], space.slices[b], module)
        layers.append(own)
    return tuple(layers)
