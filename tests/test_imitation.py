"""The way back: the shortest step, as the pseudo-inverse has it, and the imitation of a vector by weights."""

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


@pytest.mark.parametrize("name", ["micro-gpt2", "micro-qwen2"])
def test_a_second_round_mends_what_curvature_spoiled(name):
    found = loading.load(name, device="cpu")
    asked = splits.draw(found, "yes-no", size=4, seed=0).parts
    adapter = lora.attach(found, 4, "linear")
    read = residual.encode(found, [item.prompt for item in asked["extract"]])
    h = Pushforward(found, adapter.space, read, (4,))
    length = 0.5 * h.values()[:, 0].std(0).norm()
    v = torch.randn(found.width, generator=torch.Generator().manual_seed(0))
    v *= length / v.norm()
    made = imitation.imitate(h, v, iterations=8)
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


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def solve(j, b, **more):
    return imitation.smallest_step(lambda u: j @ u, lambda v: j.T @ v, b, j.shape[1], **more)


def test_the_step_is_that_of_the_pseudo_inverse():
    for rows, columns in ((4, 9), (9, 4), (6, 6)):
        j, b = gaussian(rows, columns, seed=rows), gaussian(rows, seed=1)
        found = solve(j, b, iterations=200, tolerance=1e-14)
        assert torch.allclose(found.delta, torch.linalg.pinv(j) @ b, atol=1e-8)


def test_where_the_map_loses_rank_it_is_still_the_shortest():
    j = gaussian(6, 2) @ gaussian(2, 9, seed=3)
    b = gaussian(6, seed=1)
    found = solve(j, b, iterations=100, tolerance=1e-14)
    assert torch.allclose(found.delta, torch.linalg.pinv(j, rtol=1e-10) @ b, atol=1e-8)
    assert found.left == pytest.approx(((j @ found.delta - b).norm() / b.norm()).item(), rel=1e-9)


def test_damping_is_ridge():
    j, b = gaussian(7, 5), gaussian(7, seed=1)
    want = torch.linalg.solve(j.T @ j + 0.3**2 * torch.eye(5, dtype=torch.float64), j.T @ b)
    assert torch.allclose(solve(j, b, damp=0.3, iterations=100, tolerance=1e-14).delta, want, atol=1e-8)


def test_every_iterate_lies_in_the_row_space_so_that_nothing_idle_moves():
    j, b = gaussian(4, 30), gaussian(4, seed=1)
    for n in (1, 2, 3):
        delta = solve(j, b, iterations=n).delta
        rows = torch.linalg.pinv(j) @ j
        assert torch.allclose(rows @ delta, delta, atol=1e-10)


def test_on_a_linear_model_the_smallest_weight_step_moves_activations_by_the_vector():
    own = toy.model()
    space = pushforward.of_blocks(own, 1)
    h = Pushforward(own, space, residual.encode(own, ["Anna", "Anna is in the park."]), (1,))
    v = gaussian(toy.WIDTH).expand(2, 1, toy.WIDTH)
    step = imitation.smallest_step(h.push, h.pull(), v, space.d, iterations=100, tolerance=1e-13)
    e = own.model.embed(h.read.tokens)[torch.arange(2), h.read.at]
    ones = torch.cat([e, torch.ones(2, 1, dtype=torch.float64)], 1)  # (2, width + 1), bias last
    by_hand = torch.linalg.pinv(ones) @ v[:, 0]  # (width + 1, width)
    part = space.split(step.delta)
    assert torch.allclose(part["layers.0.linear.weight"], by_hand[:-1].T, atol=1e-8)
    assert torch.allclose(part["layers.0.linear.bias"], by_hand[-1], atol=1e-8)
    before = h.values()
    with space.at(space.flatten() + step.delta):
        assert torch.allclose(h.values(), before + v, atol=1e-8)
    assert step.left < 1e-8


def test_few_iterations_leave_something_and_say_how_much():
    j, b = gaussian(20, 20), gaussian(20, seed=1)
    short, long = (solve(j, b, iterations=n) for n in (2, 60))
    assert short.iterations == 2
    assert short.left > long.left


def test_a_map_or_target_that_is_none_is_refused():
    j, b = gaussian(3, 4), gaussian(3, seed=1)
    for target in (torch.zeros(3).double(), b * float("nan")):
        with pytest.raises(ValueError, match="target must be finite and not zero"):
            solve(j, target)
    for damp in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="damp must be finite"):
            solve(j, b, damp=damp)
    with pytest.raises(ValueError, match="iterations must be a whole number from 1"):
        solve(j, b, iterations=0)
    with pytest.raises(ValueError, match=r"push must give \(3,\)"):
        imitation.smallest_step(lambda u: u, lambda v: j.T @ v, b, 4)
    with pytest.raises(ValueError, match=r"pull must give \(4,\)"):
        imitation.smallest_step(lambda u: j @ u, lambda v: v, b, 4)
