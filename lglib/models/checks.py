"""What of a model works here, one by one: blocks, LoRA, attention, derivatives, padding. For one's own model.

Each check compares with a plain way to the same number, in double precision.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp, vmap

from lglib.base import seeding
from lglib.models import families, lora
from lglib.models.loading import LanguageModel
from lglib.models.targets import layers
from lglib.parameters.double import Throughout
from lglib.parameters.space import ParameterSpace

OK = "ok"
LENGTH = 12  # tokens that are read: longer than a tiny model's sliding window
NEAR = 1e-6  # relative: what two ways to one number may differ by in double precision
SMALL, LARGE = 1e-6, 1e-2  # steps along a direction, relative to |theta|, for differences of gradients


class _Failed(Exception):
    """What a check found to be otherwise."""


def check_model(model: LanguageModel) -> dict[str, str]:
    """Check a model for what the studies need of it: by name of the check "ok", or what is not so and why.

    `blocks`: they run in order, each hands its output to the next, a change of it changes the logits.
    `LoRA`: adapters reach every named layer of every block, start as the same function, learn, come off.
    `eager attention`: it shows its weights. `jvp`, `vmap`, `Hessian product`: forward mode, many weights at
    once, and H v by double backward against gradients, a loop, and differences of gradients. `padding left`
    (with a mask and positions) and `padding right` (without): the answers are those without padding.

    It works on a copy in double precision (so it takes about six times the model's memory in all), on random
    tokens, and leaves the model alone. A model that fails a check is not fit for what needs it.

    >>> from lglib.models import loading
    >>> set(check_model(loading.load("micro-gpt2")).values())
    {'ok'}
    """
    found, own = {}, _precise(model)
    for name, check in CHECKS.items():
        try:
            with Throughout():
                check(own)
        except Exception as error:  # a check tells whatever goes wrong: that is what it is for
            why = "" if isinstance(error, _Failed) else f"{type(error).__name__}: "
            found[name] = why + (str(error).strip().splitlines() or ["no reason given"])[0][:300]
            own = _precise(model)  # what failed may have left something on the copy
        else:
            found[name] = OK
    return found


def _precise(model: LanguageModel) -> LanguageModel:
    """A copy in double precision."""
    net = copy.deepcopy(model.model).double().eval()
    path = next(n for n, part in model.model.named_modules() if part is model.blocks[0]).rpartition(".")[0]
    return dataclasses.replace(model, model=net, blocks=list(net.get_submodule(path)), dtype=torch.float64)  # type: ignore[call-overload]


def _blocks(model: LanguageModel) -> None:
    given: list[Tensor] = []
    taken: list[Tensor] = []
    order: list[int] = []
    hooks: list[Any] = []
    for i, block in enumerate(model.blocks):
        hooks.append(block.register_forward_pre_hook(lambda _, args, i=i: order.append(i)))
        hooks.append(block.register_forward_pre_hook(lambda _, args: taken.append(args[0])))
        hooks.append(block.register_forward_hook(lambda _, args, out: given.append(_stream(out))))
    with torch.no_grad(), _on(hooks):
        before = _logits(model)
    if order != list(range(len(model.blocks))):
        raise _Failed(f"the blocks ran in the order {order}")
    if wrong := [out.shape for out in given if out.shape != (1, LENGTH, model.width)]:
        raise _Failed(f"a block's output is {tuple(wrong[0])}, want (1, {LENGTH}, {model.width})")
    if not all(torch.equal(out, into) for out, into in zip(given, taken[1:], strict=False)):
        raise _Failed("a block's output is not what the next one takes in: something stands between them")
    for i, block in enumerate(model.blocks):
        with torch.no_grad(), _on([block.register_forward_hook(_pushed)]):
            if torch.equal(_logits(model), before):
                raise _Failed(f"a change of the output of block {i} does not reach the logits")


@contextmanager
def _on(hooks: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _stream(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _pushed(block: Any, args: Any, output: Any) -> Any:
    """The output of a block, made larger by half: a shift alike in all places would vanish in some norms."""
    return (1.5 * output[0], *output[1:]) if isinstance(output, tuple) else 1.5 * output


def _lora(model: LanguageModel) -> None:
    for targets in lora.TARGETS:
        layers(model, targets)  # what cannot be reached is told before anything is computed
    with torch.no_grad():
        before = _logits(model)
    for targets in lora.TARGETS:
        adapter = lora.attach(model, 1, targets)
        with torch.no_grad():
            if _off(_logits(model, adapter.model), before) > NEAR:
                raise _Failed(f"with adapters on {targets}, at B = 0, it is another function")
        reached = {(one.block, one.name.rpartition(".")[2]) for one in adapter.layers}
        wanted = {(i, name) for i in range(len(model.blocks)) for name in getattr(model, targets)}
        if missing := wanted - reached:
            raise _Failed(f"{targets} has no adapter at {sorted(missing)[:3]} (block, layer)")
        gradient, start = adapter.space.gradient(_loss, model), adapter.space.loss(_loss, model)
        if still := [one.name for one in adapter.layers if not gradient[one.b].any()]:
            raise _Failed(f"the adapter at {still[0]} has no gradient")
        step = 1e-4 * start / gradient.square().sum()
        with adapter.space.at(adapter.space.flatten() - step * gradient):
            if not adapter.space.loss(_loss, model) < start:
                raise _Failed(f"a small step against the gradient of {targets} does not lower the loss")
        lora.detach(adapter)
        with torch.no_grad():
            if not torch.equal(_logits(model), before):
                raise _Failed(f"after adapters on {targets} came off, it is another function")


def _eager(model: LanguageModel) -> None:
    config: Any = model.model.config
    if (used := getattr(config, "_attn_implementation", None)) != "eager":
        raise _Failed(f"attention is {used}: load with attention='eager'")
    with torch.no_grad():
        seen = model.model(input_ids=_tokens(model), use_cache=False, output_attentions=True).attentions
    if not seen or len(seen) != len(model.blocks) or any(one is None for one in seen):
        raise _Failed("it does not show the attention weights of each block")
    for one in seen:
        if one.triu(1).any() or (one.sum(-1) - 1).abs().max() > NEAR:
            raise _Failed("attention weights look ahead, or do not sum to 1")


def _jvp(model: LanguageModel) -> None:
    tokens = _tokens(model)
    for what, space in (("the attention", _attention(model)), ("the blocks", _end_blocks(model))):
        theta, v = space.flatten(), _direction(space)
        slope = jvp(lambda x, at=space: _loss_at(at, x, tokens), (theta,), (v,))[1]
        gradient = space.gradient(_loss, model)
        if (slope - gradient @ v).abs() > NEAR * gradient.norm() * v.norm():
            raise _Failed(f"along weights of {what} the slope is {slope:.6g}, by gradient {gradient @ v:.6g}")


def _vmap(model: LanguageModel) -> None:
    tokens = _tokens(model)
    for what, space in (("the attention", _attention(model)), ("the blocks", _end_blocks(model))):
        theta, v = space.flatten(), _direction(space)
        many = torch.stack([theta, theta + 0.1 * v, theta - 0.2 * v])
        with torch.no_grad():
            alone = torch.stack([_loss_at(space, x, tokens) for x in many])
            try:
                together = vmap(lambda x, at=space: _loss_at(at, x, tokens))(many)
            except RuntimeError as error:
                if "broadcast shape" not in str(error):
                    raise
                raise _Failed(
                    f"many weights of {what} at once fail: it adds in place to a part that does not vary"
                ) from None
        if _off(together, alone) > NEAR or alone.unique().numel() < len(many):
            raise _Failed(f"at many weights of {what}: {together.tolist()} at once, {alone.tolist()} alone")


def _hessian(model: LanguageModel) -> None:
    space = _end_blocks(model)
    theta, v = space.flatten(), _direction(space)
    curved = space.hvp(_loss, v, model)
    off = {step: _off(curved, _difference(space, theta, v, step, model)) for step in (SMALL, LARGE)}
    if kinks := families.kinks(model.model):
        raise _Failed(
            f"{', '.join(kinks)} has a kink, which a Hessian product does not see: it is that of the piece "
            f"around theta (off by {off[SMALL]:.1g} over a step of {SMALL:g} |theta|), and over {LARGE:g} "
            f"|theta| the gradient changes otherwise (off by {off[LARGE]:.2g})"
        )
    if off[SMALL] > 1e-4:
        raise _Failed(f"the product is off by {off[SMALL]:.2g} from the difference of gradients")


def _padded_left(model: LanguageModel) -> None:
    tokens, more = _tokens(model), 5
    padded = torch.cat([tokens[:, :1].expand(1, more), tokens], 1)
    mask = torch.ones_like(padded)
    mask[:, :more] = 0
    own = dict(input_ids=padded, attention_mask=mask, use_cache=False)
    if "position_ids" in inspect.signature(model.model.forward).parameters:
        own["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        _same_answers(model.model(**own).logits[:, more:], _logits(model))


def _padded_right(model: LanguageModel) -> None:
    tokens = _tokens(model)
    padded = torch.cat([tokens, tokens[:, :5]], 1)
    with torch.no_grad():
        found = model.model(input_ids=padded, use_cache=False).logits[:, : tokens.shape[1]]
        _same_answers(found, _logits(model))


def _same_answers(found: Tensor, want: Tensor) -> None:
    if not (off := _off(found.log_softmax(-1), want.log_softmax(-1))) < NEAR:
        raise _Failed(f"the answers differ from those without padding, by {off:.2g} of their size")


CHECKS: dict[str, Callable[[LanguageModel], None]] = {
    "blocks": _blocks,
    "LoRA": _lora,
    "eager attention": _eager,
    "jvp": _jvp,
    "vmap": _vmap,
    "Hessian product": _hessian,
    "padding left": _padded_left,
    "padding right": _padded_right,
}


def _tokens(model: LanguageModel) -> Tensor:
    """A text (1, LENGTH) of random tokens, none of them special."""
    net: Any = model.model
    rows = net.get_input_embeddings().weight.shape[0]
    special = set(getattr(model.tokenizer, "all_special_ids", []))
    drawn = torch.randint(rows, (20 * LENGTH,), generator=seeding.generator("checks", "tokens")).tolist()
    kept = [token for token in drawn if token not in special][:LENGTH]
    return torch.tensor([kept], device=model.device)


def _logits(model: LanguageModel, net: Any = None) -> Tensor:
    return (net or model.model)(input_ids=_tokens(model), use_cache=False).logits


def _loss(net: Any, model: LanguageModel) -> Tensor:
    """Cross-entropy of each token after the ones before it."""
    return _next(_logits(model, net), _tokens(model))


def _loss_at(space: ParameterSpace, theta: Tensor, tokens: Tensor) -> Tensor:
    return _next(space.functional(theta, input_ids=tokens, use_cache=False).logits, tokens)


def _next(logits: Tensor, tokens: Tensor) -> Tensor:
    return -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None]).mean()


def _end_blocks(model: LanguageModel) -> ParameterSpace:
    """The weights of the first and the last block as a point."""
    model.model.requires_grad_(True)
    ends = {id(p) for block in (model.blocks[0], model.blocks[-1]) for p in block.parameters()}
    return ParameterSpace(model.model, lambda name, parameter: id(parameter) in ends)


def _attention(model: LanguageModel) -> ParameterSpace:
    """The weights of the first block's layers into attention as a point: what LoRA varies, and no more."""
    model.model.requires_grad_(True)
    parts = [p for name, p in model.blocks[0].named_modules() if name.rpartition(".")[2] in model.attention]
    own = {id(weight) for part in parts for weight in part.parameters()}
    return ParameterSpace(model.model, lambda name, parameter: id(parameter) in own)


def _direction(space: ParameterSpace) -> Tensor:
    """A random direction of the length of theta."""
    drawn = torch.randn(space.d, generator=seeding.generator("checks", "direction"), dtype=torch.float64)
    drawn = drawn.to(space.device)
    return drawn * space.flatten().norm() / drawn.norm()


def _difference(space: ParameterSpace, theta: Tensor, v: Tensor, step: float, model: LanguageModel) -> Tensor:
    sides = []
    for side in (step, -step):
        with space.at(theta + side * v):
            sides.append(space.gradient(_loss, model))
    return (sides[0] - sides[1]) / (2 * step)


def _off(one: Tensor, other: Tensor) -> float:
    """How far two tensors are apart, relative to the second."""
    return ((one - other).norm() / other.norm()).item()
