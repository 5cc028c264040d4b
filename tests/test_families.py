"""Families of models: blocks in order whose outputs are the residual stream, LoRA targets that exist."""

import copy
import warnings

import peft
import pytest
import tiny
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from transformers.pytorch_utils import Conv1D

from lglib.models import families
from lglib.parameters.double import Throughout

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
NAMES = dict(blocks="model.layers", attention=["q_proj"], linear=["q_proj", "o_proj"])
NORMS = {
    "gpt2": "ln_f",
    "gptj": "ln_f",
    "falcon": "ln_f",
    "gpt_neox": "final_layer_norm",
}  # the last norm; elsewhere it is called norm
IN_PLACE = ("falcon",)  # adds attention to its MLP in place: there both must vary
ADDED = 0.5
STEP = 1e-5  # small, since all is computed in double precision: random weights bend sharply


@pytest.fixture
def known(monkeypatch):
    """The families of this test only."""
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    return families.FAMILIES


@pytest.fixture(scope="module")
def nets():
    return {family: tiny.model(family) for family in tiny.FAMILIES}


@pytest.fixture(scope="module")
def precise():
    """The same with weights in double precision."""
    return {family: tiny.model(family).double() for family in tiny.FAMILIES}


def parts(net, family):
    """The body of a model, its last norm and its head, by their names in transformers."""
    body = net.base_model
    return body, getattr(body, NORMS.get(family, "norm")), net.get_output_embeddings()


def stream(output):
    """The residual stream in a block's output."""
    return output[0] if isinstance(output, tuple) else output


def shifted(output, push):
    """The output of a block with something added to the stream."""
    return (output[0] + push, *output[1:]) if isinstance(output, tuple) else output + push


def test_the_tiny_models_are_of_every_family():
    assert set(tiny.FAMILIES) == set(families.FAMILIES)


@every_family
def test_the_blocks_run_in_order(nets, family):
    net, seen = nets[family], []
    found = families.blocks(net, families.of(family))
    hooks = [
        block.register_forward_hook(lambda *_, i=i: seen.append(i))
        for i, block in reversed([*enumerate(found)])
    ]
    tiny.logits(net)
    for hook in hooks:
        hook.remove()
    assert seen == [0, 1, 2]


@every_family
def test_the_output_of_the_last_block_through_norm_and_head_is_the_logits(nets, family):
    net, seen = nets[family], []
    hook = families.blocks(net, families.of(family))[-1].register_forward_hook(
        lambda block, given, out: seen.append(stream(out))
    )
    want = tiny.logits(net)
    hook.remove()
    _, norm, head = parts(net, family)
    with torch.no_grad():
        logits = head(norm(seen[0]))
    if family == "gemma2":
        cap = net.config.final_logit_softcapping
        logits = cap * torch.tanh(logits / cap)
    torch.testing.assert_close(logits, want)


@every_family
def test_each_block_hands_its_output_to_the_next(nets, family):
    net, given, taken = nets[family], [], []
    hooks = []
    for block in families.blocks(net, families.of(family)):
        hooks.append(block.register_forward_pre_hook(lambda b, args: taken.append(args[0])))
        hooks.append(block.register_forward_hook(lambda b, args, out: given.append(stream(out))))
    tiny.logits(net)
    for hook in hooks:
        hook.remove()
    assert all(out.shape == (1, tiny.tokens().shape[1], tiny.WIDTH) for out in given)
    assert all(torch.equal(out, following) for out, following in zip(given[:-1], taken[1:], strict=True))


@every_family
@pytest.mark.parametrize("at", range(tiny.BLOCKS))
def test_a_hook_changes_the_logits_while_it_is_on_and_leaves_no_trace(nets, family, at):
    net = nets[family]
    before = tiny.logits(net)
    block = families.blocks(net, families.of(family))[at]
    push = torch.linspace(-ADDED, ADDED, tiny.WIDTH)
    hook = block.register_forward_hook(lambda b, args, out: shifted(out, push))
    during = tiny.logits(net)
    hook.remove()
    assert (during - before).abs().max() > 1e-3
    assert torch.equal(tiny.logits(net), before)


@every_family
@pytest.mark.parametrize("which", ["attention", "linear"])
def test_lora_adapts_the_named_layers_and_starts_as_the_same_function(nets, family, which):
    net, own = nets[family], families.of(family)
    before, targets = tiny.logits(net), getattr(own, which)
    config = peft.LoraConfig(
        target_modules=list(targets), r=2, fan_in_fan_out=own.fan_in_fan_out, task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # peft warns when fan_in_fan_out is wrong
        adapted = peft.get_peft_model(copy.deepcopy(net), config)
    torch.testing.assert_close(tiny.logits(adapted), before, rtol=0, atol=0)
    names = {
        name.partition(".lora_A.default")[0] for name, _ in adapted.named_parameters() if ".lora_A." in name
    }
    inside = {
        f"base_model.model.{own.blocks}.{name}"
        for name, part in net.get_submodule(own.blocks).named_modules()
        if isinstance(part, (nn.Linear, Conv1D)) and (which == "linear" or name.endswith(targets))
    }
    assert names == inside
    for name, value in adapted.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(value)
    assert (tiny.logits(adapted) - before).abs().max() > 1e-3


def loss(net, embedded):
    logits = net(inputs_embeds=embedded, use_cache=False).logits
    return logits.log_softmax(-1)[..., 7].sum()


def point(net):
    """Embedded words, and a direction for them to move in."""
    with torch.no_grad():
        here = net.get_input_embeddings()(tiny.tokens())
    there = torch.randn(here.shape, generator=torch.Generator().manual_seed(1), dtype=here.dtype)
    return here, there


def gradient(net, x, **more):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(loss(net, x), x, **more)[0], x


def off(one, other):
    """How far two directions are apart, relative to the second."""
    return ((one - other).norm() / other.norm()).item()


@every_family
def test_forward_mode_is_the_gradient_and_the_limit_of_differences(precise, family):
    net = precise[family]
    here, there = point(net)
    with Throughout():
        value, slope = jvp(lambda x: loss(net, x), (here,), (there,))
        with torch.no_grad():
            torch.testing.assert_close(value, loss(net, here))
            difference = (loss(net, here + STEP * there) - loss(net, here - STEP * there)) / (2 * STEP)
        torch.testing.assert_close(slope, (gradient(net, here)[0] * there).sum(), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=1e-4)


@every_family
def test_second_derivatives_backward_twice_are_those_of_forward_over_backward(precise, family):
    net = precise[family]
    here, there = point(net)
    with Throughout():
        slope, at = gradient(net, here, create_graph=True)
        curved = torch.autograd.grad((slope * there).sum(), at)[0]
        across = jvp(grad(lambda x: loss(net, x)), (here,), (there,))[1]
        sides = [gradient(net, here + side * STEP * there)[0] for side in (1, -1)]
    assert off(curved, across) < 1e-8
    assert off(curved, (sides[0] - sides[1]) / (2 * STEP)) < 1e-4


@every_family
def test_many_inputs_at_once_give_what_each_gives_alone(precise, family):
    net = precise[family]
    here, there = point(net)
    many = torch.stack([here + shift * there for shift in (0.0, 0.1, -0.2)])
    with torch.no_grad():
        alone = torch.stack([loss(net, one) for one in many])
        together = vmap(lambda x: loss(net, x))(many)
    assert alone.unique().numel() == 3
    torch.testing.assert_close(together, alone)


@every_family
def test_many_weights_at_once_give_what_each_gives_alone(precise, family):
    net = precise[family]
    here, _ = point(net)
    first = {n: p for n, p in net.named_parameters() if n.startswith(f"{families.of(family).blocks}.0.")}
    wanted = families.of(family).linear if family in IN_PLACE else families.of(family).attention
    own = {n: p.detach() for n, p in first.items() if any(one in n for one in wanted)}
    many = {name: torch.stack([value, 1.5 * value]) for name, value in own.items()}

    def at(values):
        return functional_call(net, values, kwargs=dict(inputs_embeds=here, use_cache=False)).logits

    with torch.no_grad():
        alone = torch.stack([at({n: v[i] for n, v in many.items()}) for i in range(2)])
        together = vmap(at)(many)
    assert (alone[0] - alone[1]).abs().max() > 1e-6
    torch.testing.assert_close(together, alone)


def test_a_family_that_is_registered_is_found(known):
    made = families.register("mine", **NAMES)
    assert families.of("mine") is made is known["mine"]
    assert made == families.Family("mine", "model.layers", ("q_proj",), ("q_proj", "o_proj"), False)
    assert families.register("mine", **NAMES) == made  # saying the same twice does no harm


def test_a_known_family_is_not_renamed(known):
    with pytest.raises(ValueError, match=r"'gpt2' is known as .*got "):
        families.register("gpt2", **NAMES)
    assert families.of("gpt2").blocks == "transformer.h"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(model_type=""), "model_type must be a name, got ''"),
        (dict(model_type=None), "model_type must be a name, got None"),
        (dict(blocks=""), "blocks must be a name, got ''"),
        (dict(attention=[]), "attention must be a list of names, at least one"),
        (dict(attention="q_proj"), "attention must be a list of names, at least one, got 'q_proj'"),
        (dict(linear=()), "linear must be a list of names, at least one"),
    ],
    ids=str,
)
def test_a_family_without_its_names_is_refused(known, wrong, told):
    before = dict(known)
    with pytest.raises(ValueError, match=told):
        families.register(**{"model_type": "mine", **NAMES, **wrong})
    assert known == before


def test_an_unknown_family_is_told_with_its_class_and_the_three_things_to_register():
    with pytest.raises(families.UnsupportedFamily) as told:
        families.of("mamba", "MambaForCausalLM")
    for part in ("'mamba'", "MambaForCausalLM", "blocks=", "attention=", "linear=", *tiny.FAMILIES):
        assert part in str(told.value)


@pytest.mark.parametrize("path", ["model.layers", "transformer", "transformer.h.0", "nothing"])
def test_a_wrong_path_is_told_with_the_lists_that_there_are(nets, path):
    wrong = families.Family("gpt2", path, ("c_attn",), ("c_attn",))
    with pytest.raises(families.UnsupportedFamily, match=r"GPT2LMHeadModel .*'transformer.h'"):
        families.blocks(nets["gpt2"], wrong)


def test_a_layer_that_is_not_there_is_told_with_those_that_are(nets):
    wrong = families.Family("gpt2", "transformer.h", ("q_proj",), ("q_proj", "c_fc"))
    with pytest.raises(families.UnsupportedFamily) as told:
        families.blocks(nets["gpt2"], wrong)
    assert "has no q_proj;" in str(told.value)
    assert "attn.c_attn" in str(told.value)
