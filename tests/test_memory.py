"""What a Gram matrix will cost: the plan against what autograd really keeps, and a refusal that says why."""

import functools
import itertools
import re

import pytest
import tiny
import torch
from torch import nn

from lglib.models import families
from lglib.parameters import gram, memory
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon


def lesson(n):
    """n items of the same number of tokens."""
    return supervised.lesson(lexicon.tokenizer(), [Item(tiny.WORDS, YES_NO, i % 2) for i in range(n)])


@functools.cache
def space_of(family):
    return ParameterSpace(tiny.model(family))


def blocks_of(family):
    return families.blocks(space_of(family).module, families.of(family))


def planned(family="gpt2", n=8, **more):
    one = lesson(1)
    return memory.memory_estimate(
        space_of(family), gram.item_losses, one, n, tokens=one.tokens.shape[1], **more
    )


def kept(space, losses_fn, batch):
    """Bytes of the distinct float storages kept for the way back: by autograd, and inputs of layers."""
    own = {p.untyped_storage().data_ptr() for p in space.module.parameters()}
    held = {}

    def pack(x):
        if x.is_floating_point() and x.untyped_storage().data_ptr() not in own:
            held[x.untyped_storage().data_ptr()] = x.untyped_storage()
        return x

    layers = [m for m in space.module.modules() if list(m.parameters(recurse=False))]
    hooks = [m.register_forward_pre_hook(lambda _, given: (pack(given[0]), None)[1]) for m in layers]
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        losses_fn(space.module, batch)
    for hook in hooks:
        hook.remove()
    return sum(storage.nbytes() for storage in held.values())


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_activations_are_what_autograd_keeps_for_all_examples(family):
    n = 8
    expected = kept(space_of(family), gram.item_losses, lesson(n))
    found = planned(family, n).parts["activations"]
    assert 0.99 * expected <= found <= 1.2 * expected  # one example keeps views where several need a copy


def test_the_activations_of_plain_layers_are_their_inputs_to_the_byte():
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    found = memory.memory_estimate(
        ParameterSpace(net), lambda net, x: net(x).sum((1, 2)), torch.ones(1, 5, 4), 10, tokens=5
    )
    assert found.parts["activations"] == 10 * 4 * 5 * (
        4 + 6
    )  # what each layer is given; tanh keeps its output
    assert found.parts["weights"] == 4 * (4 * 6 + 6 + 6 * 2 + 2)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_dropped_activations_make_a_smaller_plan_of_more_operations(family):
    whole, dropped = planned(family), planned(family, blocks=blocks_of(family))
    assert dropped.parts["activations"] < 0.8 * whole.parts["activations"]
    assert dropped.total < whole.total
    assert dropped.operations > whole.operations


def test_an_entry_of_a_block_is_kept_and_the_largest_block_once():
    blocks = [nn.Sequential(nn.Linear(4, k), nn.Tanh(), nn.Linear(k, 4)) for k in (8, 16)]
    net = nn.Sequential(nn.Linear(4, 4), *blocks)
    given = (ParameterSpace(net), lambda net, x: net(x).sum(1), torch.ones(1, 4), 2)
    found = memory.memory_estimate(*given, tokens=1, blocks=blocks).parts["activations"] / 2
    entries, outside, largest = 2 * 4, 4, 16
    assert 4 * (entries + outside + largest) <= found <= 4 * (entries + outside + largest + 2 * 4)


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_the_plan_grows_with_the_number_of_examples(family):
    plans = [planned(family, n) for n in (2, 20, 200, 2000)]
    assert [one.n for one in plans] == [2, 20, 200, 2000]
    assert all(a.total < b.total and a.operations < b.operations for a, b in itertools.pairwise(plans))
    ratio = plans[2].parts["activations"] / plans[1].parts["activations"]
    assert ratio == pytest.approx(10)
    ratio = plans[2].parts["Gram matrices"] / plans[1].parts["Gram matrices"]
    assert ratio == pytest.approx(100)


def test_the_parts_and_a_quarter_make_the_total():
    found = planned()
    assert found.total == pytest.approx(1.25 * sum(found.parts.values()))
    assert found.d == space_of("gpt2").d
    assert set(found.parts) == {
        "weights",
        "activations",
        "three blocks of gradients",
        "work space of one product",
        "Gram matrices",
    }


def test_a_larger_budget_is_in_the_plan():
    more = planned(budget=10**9).parts["three blocks of gradients"]
    assert more == pytest.approx(3 * 10**9)


def test_too_little_memory_is_told_by_parts_with_n_and_d():
    found = planned(n=300)
    with pytest.raises(MemoryError) as caught:
        found.require(found.total / 2)
    told = str(caught.value)
    assert f"n = 300 gradients of d = {found.d:,}" in told
    for name, size in found.parts.items():
        assert f"{name} {size / 1e9:.3g} GB" in told
    assert f"{found.total / 2 / 1e9:.3g} GB are free" in told
    assert "blocks" in told


def test_enough_memory_is_enough_to_the_byte():
    found = planned()
    found.require(found.total)
    found.require()  # the machine's own: a tiny model fits


def test_the_machines_own_memory_is_asked_for(monkeypatch):
    asked = []

    class Free:
        available = 10.0

    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: asked.append(1) or Free)
    with pytest.raises(MemoryError, match="1e-08 GB are free"):
        planned().require()
    assert asked


def test_a_plan_reads_as_a_line():
    text = str(planned(n=256))
    assert text.startswith("n = 256, d = 60,832: weights 0 MB; activations")
    assert re.search(r"in all 0\.\d\d GB, where n x d would be 0\.06 GB; [\d,]+ x 10\^9 operations$", text)


@pytest.mark.parametrize("fails", [False, True])
def test_planning_leaves_no_trace_also_after_an_error(fails):
    space = space_of("gpt2")

    def losses(net, batch):
        found = gram.item_losses(net, batch)
        if fails:
            raise RuntimeError("mine")
        return found

    def hooks():
        return [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in space.module.modules()]

    before = hooks()
    try:
        memory.memory_estimate(space, losses, lesson(1), 8, tokens=9, blocks=blocks_of("gpt2"))
    except RuntimeError:
        assert fails
    assert hooks() == before
    assert all(p.grad is None and p.requires_grad for p in space.parameters())
