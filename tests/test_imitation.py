"""A weight edit instead of a steering vector: exact on a linear model, close on a small one."""

import pytest
import torch
import toy

from lglib.activations import effects, imitation, pushforward, residual
from lglib.activations.pushforward import Pushforward
from lglib.activations.steering import SteeringVector, steer
from lglib.models import loading, lora
from lglib.tasks import splits


def test_on_a_linear_model_one_round_does_it():
    own = toy.model()
    space = pushforward.of_blocks(own, 1)
    before = space.flatten()
    h = Pushforward(own, space, residual.encode(own, ["Anna", "Anna is in the park."]), (1,))
    v = torch.arange(toy.WIDTH).double()
    made = imitation.imitate(h, v, iterations=60, rounds=1)
    assert made.left[0] < 1e-6
    assert torch.equal(space.flatten(), before), "the model is left as it was"
    start = h.values()
    with space.at(before + made.delta):
        assert torch.allclose(h.values(), start + v, atol=1e-5)


@pytest.mark.parametrize("name", ["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def test_a_second_round_mends_what_curvature_spoiled(name):
    found = loading.load(name, device="cpu")
    asked = splits.draw(found, "yes-no", size=4, seed=0)
    adapter = lora.attach(found, 4, "linear")
    read = residual.encode(found, [item.prompt for item in asked["extract"]])
    h = Pushforward(found, adapter.space, read, (4,))
    length = 0.5 * h.values()[:, 0].std(0).norm()
    v = torch.randn(found.width, generator=torch.Generator().manual_seed(0))
    v *= length / v.norm()
    made = imitation.imitate(h, v, iterations=12)
    assert made.left[1] < made.left[0] < 0.5
    with steer(found, SteeringVector(4, v, 1, "by lot")):
        wanted = effects.ask(found, asked["extract"])
    plain = effects.ask(found, asked["extract"])
    with adapter.space.at(adapter.space.flatten() + made.delta):
        got = effects.ask(found, asked["extract"])
    assert wanted.divergence(got) < 0.5 * wanted.divergence(plain)
    lora.detach(adapter)


def test_the_bias_that_would_be_steering_itself_is_left_out():
    found = loading.load("micro-gpt2", device="cpu")
    names = imitation.biases(found, 2).names
    assert "transformer.h.0.mlp.c_proj.bias" in names
    assert "transformer.h.1.mlp.c_proj.bias" not in names
    assert not any("h.2." in name for name in names)


def test_a_model_without_biases_is_told_so():
    with pytest.raises(ValueError, match="the blocks of micro-olmo2 have no biases"):
        imitation.biases(loading.load("micro-olmo2", device="cpu"), 3)


def test_a_failing_round_leaves_the_model_as_it_was():
    own = toy.model()
    space = pushforward.of_blocks(own)
    before = space.flatten()
    h = Pushforward(own, space, residual.encode(own, ["Anna"]), (2,))
    with pytest.raises(ValueError, match="target must be finite and not zero"):
        imitation.imitate(h, torch.zeros(toy.WIDTH))
    assert torch.equal(space.flatten(), before)


def test_bad_input_is_refused():
    own = toy.model()
    h = Pushforward(own, pushforward.of_blocks(own), residual.encode(own, ["Anna"]), (1, 2))
    with pytest.raises(ValueError, match=r"h must read one layer and vector be \(6,\)"):
        imitation.imitate(h, torch.ones(toy.WIDTH))
    one = Pushforward(own, h.space, h.read, (1,))
    with pytest.raises(ValueError, match="h must read one layer"):
        imitation.imitate(one, torch.ones(3))
    with pytest.raises(ValueError, match="rounds must be a whole number from 1"):
        imitation.imitate(one, torch.ones(toy.WIDTH).double(), rounds=0)
    with pytest.raises(ValueError, match="layer must be a whole number from 1 to 2"):
        imitation.biases(own, 3)
