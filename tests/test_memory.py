"""What a Gram matrix will cost: the plan against what autograd really keeps, and a refusal that says why."""

import functools
import itertools
import re

import pytest
import tiny
import torch
from torch import nn

from lglib.base import chunks
from lglib.base.chunks import peak
from lglib.models import families
from lglib.parameters import gram, memory
from lglib.parameters.per_example import per_example_gradients
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


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("lean", [False, True])
def test_the_activations_are_what_a_pass_of_all_examples_takes_at_its_worst_moment(family, lean):
    n, blocks = 8, blocks_of(family) if lean else ()
    given = (space_of(family), gram.item_losses, lesson(n), n, None)
    expected = peak(lambda: per_example_gradients(*given, blocks=blocks))
    found = planned(family, n, blocks=blocks).parts["activations"]
    # A mask and angles are the same for all examples; what Falcon adds in place is counted once.
    assert 0.95 * expected <= found <= 1.15 * expected


def test_a_plan_from_a_short_item_is_that_of_the_longest():
    one, long = lesson(1), 4 * lesson(1).tokens.shape[1]
    filled = one._replace(tokens=torch.nn.functional.pad(one.tokens, (0, long - one.tokens.shape[1])))
    given = (space_of("qwen2"), gram.item_losses)
    short = memory.memory_estimate(*given, one, 8, tokens=long).parts["activations"]
    assert short == memory.memory_estimate(*given, filled, 8, tokens=long).parts["activations"]
    assert short > 4 * planned("qwen2").parts["activations"]  # scores grow with the square


def test_the_activations_of_plain_layers_are_inputs_and_gradients_to_the_byte():
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    found = memory.memory_estimate(
        ParameterSpace(net), lambda net, x: net(x).sum((1, 2)), torch.ones(1, 5, 4), 10, tokens=5
    )
    inputs, outputs = 5 * 6, 5 * (6 + 2)  # tanh's output; the batch itself was there before
    assert 10 * 4 * (inputs + outputs) <= found.parts["activations"] <= 10 * 4 * 2 * (inputs + outputs)
    assert found.parts["weights"] == 4 * (4 * 6 + 6 + 6 * 2 + 2)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_dropped_activations_make_a_smaller_plan_of_more_operations(family):
    whole, dropped = planned(family), planned(family, blocks=blocks_of(family))
    assert dropped.parts["activations"] < 0.8 * whole.parts["activations"]
    assert dropped.total < whole.total
    assert dropped.operations > whole.operations


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


def test_blocks_of_gradients_take_the_budget_or_less_where_all_is_smaller():
    wide = max(p.numel() for p in space_of("gpt2").parameters())
    assert planned(n=8, budget=10**9).parts["three blocks of gradients"] == 3 * 8 * 4 * wide
    assert planned(n=8, budget=10**4).parts["three blocks of gradients"] == 3 * 10**4
    assert planned(n=8, budget=1).parts["three blocks of gradients"] == 3 * 8 * 4  # a row at least


def test_too_little_memory_for_two_items_is_told_by_parts_with_n_and_d():
    found = planned(n=300)
    need = found.least - 1.25 * found.parts["weights"]
    with pytest.raises(MemoryError) as caught:
        found.require(need - 1)
    told = str(caught.value)
    assert f"n = 300 gradients of d = {found.d:,}" in told
    for name, size in found.parts.items():
        assert f"{name} {size / 1e9:.3g} GB" in told
    assert f"{(need - 1) / 1e9:.3g} GB are free" in told
    assert "blocks" in told
    assert need + 1.25 * found.parts["weights"] + 1.25 * 298 / 300 * found.parts["activations"] == (
        pytest.approx(found.total)
    )


def test_enough_memory_for_two_items_is_enough_to_the_byte():
    found = planned(n=300)
    assert found.least < found.total
    found.require(found.least - 1.25 * found.parts["weights"])
    found.require()  # the machine's own: a tiny model fits


def test_the_machines_own_memory_is_asked_for():
    with chunks.limited(10), pytest.raises(MemoryError, match="1e-08 GB are free"):
        planned().require()


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
