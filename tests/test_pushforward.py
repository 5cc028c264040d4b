"""The pushforward against a Jacobian derived by hand, finite differences, and its own transpose."""

import pytest
import tiny
import torch
import toy

from lglib.activations import pushforward, residual
from lglib.activations.pushforward import Pushforward
from lglib.base import chunks
from lglib.models import loading, lora
from lglib.parameters.space import ParameterSpace
from lglib.tasks import data, supervised

TEXTS = ["Anna is in the park.", "The drum is green. Is it?", "Anna is tired."]


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def linear():
    own = toy.model()
    space = pushforward.of_blocks(own)
    return own, space, Pushforward(own, space, residual.encode(own, TEXTS), (1, 2), batch=2)


def test_the_pushforward_of_a_linear_model_is_the_one_derived_by_hand(linear):
    own, space, h = linear
    u = gaussian(space.d)
    part = space.split(u)
    w2, e = (
        own.blocks[1].linear.weight,
        own.model.embed(h.read.tokens)[torch.arange(3), h.read.at],
    )  # (3, width)
    first = e @ part["layers.0.linear.weight"].T + part["layers.0.linear.bias"]
    h1 = own.blocks[0].linear(e)
    second = h1 @ part["layers.1.linear.weight"].T + part["layers.1.linear.bias"] + first @ w2.T
    assert torch.allclose(h.push(u), torch.stack([first, second], 1), atol=1e-12)


def test_the_pullback_is_the_transpose_of_the_pushforward(linear):
    _, space, h = linear
    u, v = gaussian(space.d), gaussian(3, 2, toy.WIDTH, seed=1)
    assert (h.push(u) * v).sum().item() == pytest.approx((h.pull()(v) @ u).item(), rel=1e-12)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_push_pull_and_small_steps_agree_for_every_family(folders, family):
    own = loading.load(str(folders[family]), device="cpu", answers=(), dtype="float64")
    space = pushforward.of_blocks(own)
    h = Pushforward(own, space, residual.encode(own, TEXTS), (1, 3))
    u, v = gaussian(space.d), gaussian(3, 2, own.width, seed=1)
    exact = h.push(u)
    # the norms of all families but GPT-2's and GPT-NeoX's are in float32 whatever the model is in
    assert (exact * v).sum().item() == pytest.approx((h.pull()(v) @ u).item(), rel=1e-5)
    assert (h.difference(u, 1e-4) - exact).norm().item() < 1e-3 * exact.norm().item()


def test_the_remainder_is_of_second_order_and_the_central_difference_of_third(linear):
    own = loading.load("micro-gpt2", device="cpu", dtype="float64")
    space = pushforward.of_blocks(own)
    h = Pushforward(own, space, residual.encode(own, TEXTS), (2, 4))
    u = gaussian(space.d) / space.d**0.5
    scales = [1e-3, 1e-4]
    ratio = h.remainder(u, scales)
    assert torch.allclose(ratio[0] / ratio[1], torch.full((2,), 10.0, dtype=torch.float64), rtol=0.05)
    gaps = [(h.difference(u, s) - h.push(u)).norm() for s in (1e-2, 1e-3)]
    assert (gaps[0] / gaps[1]).item() == pytest.approx(100, rel=0.1)


def test_layers_and_batches_do_not_change_the_result(linear):
    own, space, h = linear
    u = gaussian(space.d)
    whole = Pushforward(own, space, h.read, (2, 1), batch=99)
    assert torch.allclose(whole.push(u).flip(1), h.push(u), atol=1e-12)
    assert torch.allclose(whole.values().flip(1), h.values(), atol=1e-12)


def test_a_gradient_step_is_the_kernel_applied_to_the_activation_gradient():
    """At the last layer the loss depends on theta through h at the read position only."""
    own = loading.load("micro-olmo2", device="cpu", dtype="float64")
    space = pushforward.of_blocks(own)
    read = residual.encode(own, TEXTS)
    h = Pushforward(own, space, read, (4,))

    def head(x):  # what stands above the last block
        return own.model.lm_head(own.model.model.norm(x[:, 0]))[:, 7].mean()

    x = h.values().requires_grad_()
    (above,) = torch.autograd.grad(head(x), x)
    rows = torch.arange(3)
    g = space.gradient(lambda net, _: net(input_ids=read.tokens).logits[rows, read.at, 7].mean())
    assert torch.allclose(h.pull()(above), g, atol=1e-12)
    assert torch.allclose(h.push(h.pull()(above)), h.push(g), atol=1e-9)


def test_an_adapter_is_a_space_like_any_other():
    own = loading.load("micro-gpt2", device="cpu")
    adapter = lora.attach(own, 2)
    h = Pushforward(own, adapter.space, residual.encode(own, TEXTS), (1, 4))
    u = torch.ones(adapter.space.d)
    theta = adapter.space.flatten()
    moved = h.push(u)
    assert moved.any()
    assert torch.allclose(h.difference(u, 1e-2), moved, atol=0.02 * moved.abs().max().item())
    assert torch.equal(adapter.space.flatten(), theta)
    lora.detach(adapter)


def test_the_model_is_left_as_it_was(linear):
    own, space, h = linear
    before = space.flatten()
    h.push(gaussian(space.d)), h.pull()(gaussian(3, 2, toy.WIDTH)), h.remainder(gaussian(space.d), [0.1])
    assert torch.equal(space.flatten(), before)
    assert not any(block._forward_hooks for block in own.blocks)


def test_the_blocks_alone_are_theta():
    own = loading.load("micro-qwen2", device="cpu")
    space = pushforward.of_blocks(own, 2)
    assert space.d == sum(p.numel() for b in own.blocks[:2] for p in b.parameters())
    for last in (0, 5, 1.5):
        with pytest.raises(ValueError, match="last must be a whole number from 1 to 4"):
            pushforward.of_blocks(own, last)


def test_bad_directions_and_steps_are_refused(linear):
    own, space, h = linear
    for bad in (gaussian(3), gaussian(space.d).float(), gaussian(space.d) * float("nan")):
        with pytest.raises(ValueError, match="u must be a finite vector"):
            h.push(bad)
    with pytest.raises(ValueError, match="v must be"):
        h.pull()(gaussian(2, 2, toy.WIDTH))
    for s in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="s must be finite and > 0"):
            h.difference(gaussian(space.d), s)
    with pytest.raises(ValueError, match="layer"):
        Pushforward(own, space, h.read, (3,)).push(gaussian(space.d))


def test_a_space_that_the_layer_does_not_depend_on_is_not_moved(linear):
    own, _, h = linear
    later = ParameterSpace(own.model, where=lambda n, _: n.startswith("layers.1"))
    assert not Pushforward(own, later, h.read, (1,)).push(gaussian(later.d)).any()


@pytest.mark.parametrize("name", ["micro-gpt2", "micro-olmo2"])
def test_the_activation_gradient_tells_what_a_small_vector_does_to_the_loss(name):
    from lglib.activations import steering, steering_losses
    from lglib.tasks import data, supervised

    own = loading.load(name, device="cpu", dtype="float64")
    lesson = supervised.lesson(own.tokenizer, data.micro(6))
    loss = steering_losses.loss(own, "logit difference")
    g = pushforward.activation_gradient(own, loss, lesson, len(own.blocks))
    v = gaussian(own.width)
    found = []
    for s in (-1e-3, 1e-3):
        with steering.steer(own, steering.SteeringVector(len(own.blocks), v, 1, "probe"), s), torch.no_grad():
            found.append(loss(own.model, lesson).item())
    assert (found[1] - found[0]) / 2e-3 == pytest.approx((g.sum(0) @ v).item(), rel=1e-2)


@pytest.mark.parametrize("limit", [1e12, 1e6, 1.0])
def test_texts_go_some_at_a_time_where_memory_is_short(folders, limit):
    own = loading.load(str(folders["qwen2"]), device="cpu", answers=(), dtype="float64")
    space = pushforward.of_blocks(own)
    read = residual.encode(own, [*TEXTS, *TEXTS])
    u, v = gaussian(space.d), gaussian(6, 2, own.width, seed=1)
    plain = Pushforward(own, space, read, (1, 3), batch=6)
    with chunks.limited(limit):
        h = Pushforward(own, space, read, (1, 3))
        sizes = [len(part.at) for part in h._parts()]
        found, back = h.push(u), h.pull()(v)
    assert sizes == ([6] if limit == 1e12 else sizes)
    assert (max(sizes) == 1) == (limit == 1.0)
    assert torch.allclose(found, plain.push(u), rtol=1e-5, atol=1e-5)  # norms are float32
    assert torch.allclose(back, plain.pull()(v), rtol=1e-5, atol=1e-4)


def test_a_pullback_without_its_graph_holds_less(folders):
    own = loading.load(str(folders["qwen2"]), device="cpu", answers=())
    space = pushforward.of_blocks(own)
    read = residual.encode(own, TEXTS * 20)
    v = gaussian(60, 1, own.width).float()
    whole = chunks.peak(lambda: Pushforward(own, space, read, (3,)).pull()(v))
    with chunks.limited(4e6):
        cut = chunks.peak(lambda: Pushforward(own, space, read, (3,)).pull()(v))
    assert cut < 3e6 < whole


def test_the_gradient_by_activations_is_that_of_the_whole_batch_in_chunks_too(folders):
    own = loading.load(str(folders["gpt2"]), device="cpu", answers=(), dtype="float64")
    asked = supervised.lesson(own.tokenizer, data.micro(7, "claim") + data.micro(6, "plural"))
    whole = pushforward.activation_gradient(own, supervised.loss, asked, 2)
    with chunks.limited(1):
        cut = pushforward.activation_gradient(own, supervised.loss, asked, 2)
    assert cut.shape == whole.shape
    assert torch.allclose(cut, whole, rtol=1e-5, atol=1e-9)


def test_the_remainder_asks_for_h_once_a_scale_and_once_at_theta(linear, monkeypatch):
    _, space, h = linear
    asked = []
    plain = Pushforward.values
    monkeypatch.setattr(Pushforward, "values", lambda self, *at: asked.append(at) or plain(self, *at))
    h.remainder(gaussian(space.d), [0.01, 0.1, 1.0])
    assert len(asked) == 4
