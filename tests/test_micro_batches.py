"""Micro-batches: the numbers of all items at once, to rounding, in less memory; what fits, bit for bit."""

import pytest
import tiny
import torch

from lglib.base import chunks
from lglib.parameters import descent, double, micro_batches
from lglib.parameters.space import ParameterSpace
from lglib.tasks import data, supervised
from lglib.tasks.microworld import lexicon

N = 12


@pytest.fixture(scope="module", params=["gpt2", "gemma2", "qwen2"])
def space(request):
    return ParameterSpace(tiny.model(request.param).double())


@pytest.fixture(scope="module")
def lesson():
    """Items of different lengths and of answers of several tokens."""
    items = data.micro(N // 2, "claim") + data.micro(N // 2, "sort")
    return supervised.lesson(lexicon.tokenizer(), items)


def near(a, b, tolerance=1e-10):
    return (a - b).norm() <= tolerance * b.norm()


@pytest.mark.parametrize("chunk", [1, 5, N - 1])
def test_chunks_give_the_loss_gradient_and_hessian_product_of_the_whole(space, lesson, chunk):
    v = torch.randn(space.d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with double.Throughout():
        whole = space.loss(supervised.loss, lesson)
        assert space.loss(supervised.loss, lesson, chunk=chunk) == pytest.approx(whole, rel=1e-12)
        g = space.gradient(supervised.loss, lesson)
        assert near(space.gradient(supervised.loss, lesson, chunk=chunk), g)
        h = space.hvp(supervised.loss, v, lesson)
        assert near(space.hvp(supervised.loss, v, lesson, chunk=chunk), h)
        assert not torch.equal(
            space.gradient(supervised.loss, lesson, chunk=chunk), g
        )  # another order of sums


def test_what_fits_is_taken_at_once_bit_for_bit(space, lesson):
    own = [p for p in space.module.parameters() if p.requires_grad]
    plain = torch.autograd.grad(supervised.loss(space.module, lesson), own)
    assert torch.equal(space.gradient(supervised.loss, lesson), torch.cat([x.reshape(-1) for x in plain]))
    assert torch.equal(
        space.gradient(supervised.loss, lesson, chunk=N), space.gradient(supervised.loss, lesson)
    )
    with torch.no_grad():
        assert space.loss(supervised.loss, lesson) == supervised.loss(space.module, lesson).item()


def test_few_bytes_make_small_chunks_and_the_peak_stays_below_them(lesson):
    space = ParameterSpace(tiny.model("qwen2"), where=lambda name, _: "layers.0.mlp" in name)
    space.module.requires_grad_(True)
    big = supervised.join([lesson] * 8)
    whole = chunks.peak(lambda: space.gradient(supervised.loss, big, chunk=len(big.tokens)))
    limit = whole / 3
    with chunks.limited(limit):
        found = chunks.peak(lambda: space.gradient(supervised.loss, big))
        sizes = [
            len(part.tokens)
            for part, _ in micro_batches.pieces(space.module, supervised.loss, big, "gradient")
        ]
    assert 1 < len(sizes) < len(big.tokens)
    assert sum(sizes) == len(big.tokens)
    assert found < 0.6 * limit < whole / 2  # half of what is free, and the gradient


def test_shares_add_up_and_every_item_comes_once_without_columns_that_none_needs(lesson):
    model = tiny.model("gpt2")
    parts = micro_batches.pieces(model, supervised.loss, lesson, "gradient", chunk=5)
    assert [len(part.tokens) for part, _ in parts] == [5, 5, 2]
    assert sum(weight for _, weight in parts) == pytest.approx(1)
    assert [part.tokens.shape[1] for part, _ in parts] == [int(part.lengths.max()) for part, _ in parts]
    told = sorted(
        tuple(row[: int(long)].tolist())
        for part, _ in parts
        for row, long in zip(part.tokens, part.lengths, strict=True)
    )
    assert told == sorted(
        tuple(row[: int(long)].tolist()) for row, long in zip(lesson.tokens, lesson.lengths, strict=True)
    )


def test_a_loss_that_is_not_said_to_be_a_mean_is_never_cut(lesson):
    def largest(module, batch):
        return supervised.losses(supervised.logits(module, batch), batch).max()

    model = tiny.model("gpt2")
    with chunks.limited(1):
        assert micro_batches.pieces(model, largest, lesson, "gradient") == [(lesson, 1.0)]
        assert len(micro_batches.pieces(model, supervised.loss, lesson, "gradient")) == N


def test_a_product_in_chunks_refuses_another_point(lesson):
    space = ParameterSpace(tiny.model("gpt2"))
    product = space.hvp_operator(supervised.loss, lesson, chunk=4)
    v = torch.ones(space.d)
    assert torch.equal(product(v), product(v))
    space.load(2 * space.flatten())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product(v)


@pytest.mark.parametrize("chunk", [0, -1, 1.5, True])
def test_a_chunk_that_is_no_number_of_items_is_refused(lesson, chunk):
    space = ParameterSpace(tiny.model("gpt2"))
    with pytest.raises(ValueError, match="chunk must be a whole number from 1"):
        space.gradient(supervised.loss, lesson, chunk=chunk)


def test_measuring_the_cost_draws_nothing_from_the_global_generator(lesson):
    model = tiny.model("gpt2", resid_pdrop=0.5).train()
    before = torch.random.get_rng_state()
    micro_batches.pieces(model, supervised.loss, lesson, "gradient")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_step_of_descent_in_chunks_is_that_of_the_whole_batch(lesson):
    ends = []
    for limit in (1e12, 1.0):
        space = ParameterSpace(tiny.model("gpt2").double())
        with chunks.limited(limit), double.Throughout():
            run = descent.descend(space, supervised.loss, descent.optimizer("SGD", 0.1), [lesson] * 2)
        ends.append((run.points[-1], run.losses))
    assert near(ends[1][0], ends[0][0])
    assert near(ends[1][1], ends[0][1])
    assert not torch.equal(ends[1][0], ends[0][0])


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_logits_at_own_places_are_those_of_all_places(monkeypatch, lesson, family):
    model = tiny.model(family).double()
    plain = supervised.logits(model, lesson)
    monkeypatch.setattr(supervised, "LITTLE", 0)
    seen = []
    handle = model.get_output_embeddings().register_forward_hook(lambda *a: seen.append(a[2].shape))
    own = supervised.logits(model, lesson)
    handle.remove()
    assert seen == [(*lesson.targets.shape, len(lexicon.tokenizer()))]  # and no logit more
    assert torch.allclose(own, plain, rtol=1e-12, atol=1e-12)
    assert not model.get_output_embeddings()._forward_pre_hooks
