"""Families of language models: where each keeps its blocks, and what its linear layers are called.

It knows names, no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Family:
    """One architecture, under its `model_type` in transformers.

    `blocks` is the path to the list of blocks. `attention` names the projections into attention (query, key
    and value, one layer or three), `linear` every linear layer of a block, as LoRA targets.
    `fan_in_fan_out` is true where weights are stored (in, out), as GPT-2's Conv1D does.
    """

    model_type: str
    blocks: str
    attention: tuple[str, ...]
    linear: tuple[str, ...]
    fan_in_fan_out: bool = False


KINKED = (nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.PReLU, nn.RReLU, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid)


class UnsupportedFamily(ValueError):
    """A model whose blocks and linear layers nobody has named yet."""


_SPLIT = ("q_proj", "k_proj", "v_proj")
_GATED = (*_SPLIT, "o_proj", "gate_proj", "up_proj", "down_proj")
_NEOX = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
_LIKE_LLAMA = (
    *("qwen2", "qwen3", "llama", "olmo2", "gemma2"),
    *("gemma3_text", "mistral", "olmo", "olmo3", "smollm3"),
)
FAMILIES: dict[str, Family] = {
    "gpt2": Family("gpt2", "transformer.h", ("c_attn",), ("c_attn", "c_proj", "c_fc"), fan_in_fan_out=True),
    "gpt_neox": Family("gpt_neox", "gpt_neox.layers", ("query_key_value",), _NEOX),
    **{name: Family(name, "model.layers", _SPLIT, _GATED) for name in _LIKE_LLAMA},
    "phi3": Family(
        "phi3", "model.layers", ("qkv_proj",), ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
    ),
    "gptj": Family("gptj", "transformer.h", _SPLIT, (*_SPLIT, "out_proj", "fc_in", "fc_out")),
    "falcon": Family("falcon", "transformer.h", ("query_key_value",), _NEOX),
}


def register(
    model_type: str,
    *,
    blocks: str,
    attention: Sequence[str],
    linear: Sequence[str],
    fan_in_fan_out: bool = False,
) -> Family:
    """Register one more family: the three things it needs, under the model's `model_type`.

    Raises ValueError for an empty path or list, or a family that is known with other names.

    >>> register("phi", blocks="model.layers", attention=["q_proj", "k_proj", "v_proj"],
    ...          linear=["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]).blocks
    'model.layers'
    """
    for what, given in (("model_type", model_type), ("blocks", blocks)):
        if not isinstance(given, str) or not given:
            raise ValueError(f"{what} must be a name, got {given!r}")
    for what, names in (("attention", attention), ("linear", linear)):
        if isinstance(names, str) or not names:
            raise ValueError(f"{what} must be a list of names, at least one, got {names!r}")
    family = Family(model_type, blocks, tuple(attention), tuple(linear), fan_in_fan_out)
    if FAMILIES.get(model_type, family) != family:
        raise ValueError(f"{model_type!r} is known as {FAMILIES[model_type]}; got {family}")
    FAMILIES[model_type] = family
    return family


def of(model_type: str, described: str = "") -> Family:
    """Return the family of a model type. `described` (its class, its layers) is told when there is none.

    Raises UnsupportedFamily, which names the three things to register.

    >>> of("olmo2").attention
    ('q_proj', 'k_proj', 'v_proj')
    """
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    raise UnsupportedFamily(
        f"model_type {model_type!r}{f' ({described})' if described else ''} is not among the families "
        f"{', '.join(FAMILIES)}. Register three things: families.register({model_type!r}, blocks=path of its "
        "list of blocks, attention=names of the layers into attention, linear=names of all linear layers "
        "of a block)"
    )


def blocks(model: nn.Module, family: Family) -> list[nn.Module]:
    """The blocks of a model in order, each a module whose output is the residual stream.

    Raises UnsupportedFamily when the path, or a named linear layer, is not there.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> net = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=9))
    >>> len(blocks(net, of("gpt2")))
    2
    """
    try:
        found = model.get_submodule(family.blocks)
    except AttributeError:
        found = None
    if not isinstance(found, nn.ModuleList) or len(found) == 0:
        parts = [name for name, part in model.named_modules() if isinstance(part, nn.ModuleList)]
        raise UnsupportedFamily(
            f"{type(model).__name__} has no list of blocks at {family.blocks!r}; its lists are {parts}"
        )
    inside = {name.rpartition(".")[2] for name, _ in found[0].named_modules()}
    if missing := [name for name in (*family.attention, *family.linear) if name not in inside]:
        raise UnsupportedFamily(
            f"a block of {type(model).__name__} has no {', '.join(dict.fromkeys(missing))}; it has "
            f"{', '.join(sorted(n for n, m in found[0].named_modules() if n and not list(m.children())))}"
        )
    return list(found)


def left_out(found: Sequence[nn.Module]) -> list[str]:
    """Matrices of the blocks that no layer of its own holds, so that LoRA cannot reach them, by name.

    Experts that are fused into one tensor are such (Mixtral, Qwen2-MoE), and the parts of a state space.

    >>> from transformers import MixtralConfig, MixtralForCausalLM
    >>> shape = dict(hidden_size=8, intermediate_size=8, vocab_size=9, num_hidden_layers=1)
    >>> net = MixtralForCausalLM(MixtralConfig(**shape, num_attention_heads=2, num_key_value_heads=2))
    >>> left_out(net.model.layers)
    ['mlp.experts.down_proj', 'mlp.experts.gate_up_proj', 'mlp.gate.weight']
    """
    names = set()
    for block in found:
        for name, part in block.named_modules():
            if isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D":
                continue
            own = part.named_parameters(recurse=False)
            names |= {f"{name}.{what}".removeprefix(".") for what, value in own if value.dim() > 1}
    return sorted(names)


def kinks(model: nn.Module) -> list[str]:
    """Activation functions of a model whose slope jumps, by class: its Hessian does not see the jumps.

    A Hessian product of such a model (OPT, with ReLU) is that of the flat piece around theta. Over a step
    that crosses a kink the gradient changes by more than it says.

    >>> kinks(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    ['ReLU']
    """
    return sorted({type(part).__name__ for part in model.modules() if isinstance(part, KINKED)})
