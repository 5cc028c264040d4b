"""Recorded descent and the digit networks."""

import pytest
import torch

from lglib import digits
from lglib.params import ParameterSpace
from lglib.train import Diverged, descend


def quadratic(module, scale):
    return scale * module.weight.square().sum()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_recorded_points_are_those_of_a_loop_by_hand(momentum):
    net = torch.nn.Linear(3, 1, bias=False)
    x = net.weight.detach().clone().flatten()
    run = descend(
        ParameterSpace(net),
        quadratic,
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=momentum),
        [1.0, 2.0, 0.5],
    )
    points, losses, velocity = [x], [], torch.zeros(3)
    for scale in (1.0, 2.0, 0.5):
        losses.append(scale * x.square().sum())
        velocity = momentum * velocity + 2 * scale * x
        x = x - 0.1 * velocity
        points.append(x)
    torch.testing.assert_close(run.points, torch.stack(points))
    torch.testing.assert_close(run.losses, torch.stack(losses).double())
    torch.testing.assert_close(run.displacement, points[-1] - points[0])


def test_parameters_outside_the_space_do_not_move():
    net = torch.nn.Linear(3, 1)
    space = ParameterSpace(net, where=lambda name, _: name == "weight")
    bias = net.bias.detach().clone()
    descend(
        space, lambda m, x: m(x).square().mean(), lambda p: torch.optim.SGD(p, lr=0.1), [torch.ones(2, 3)] * 3
    )
    assert torch.equal(net.bias, bias)
    assert net.weight.grad is None


def test_a_diverging_run_stops_names_its_step_and_keeps_what_was_recorded():
    net = torch.nn.Linear(3, 1, bias=False)
    with pytest.raises(Diverged, match=r"at step \d+ with SGD") as caught:
        descend(ParameterSpace(net), quadratic, lambda p: torch.optim.SGD(p, lr=1e20), [1.0] * 50)
    kept = caught.value.trajectory
    assert len(kept.points) == len(kept.losses) + 1 > 1
    assert kept.losses.isfinite().all()


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="batches is empty"):
        descend(ParameterSpace(torch.nn.Linear(2, 1)), quadratic, lambda p: torch.optim.SGD(p, lr=0.1), [])


def test_the_three_sets_of_digits_share_no_image():
    sets = digits.load(0)
    rows = [{tuple(x.tolist()) for x in part[0]} for part in (sets.train, sets.select, sets.held_out)]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 1797
    assert [len(part[1]) for part in (sets.train, sets.select, sets.held_out)] == [997, 400, 400]


def test_a_seed_fixes_the_split_the_network_and_the_training():
    def train(seed):
        net = digits.network(13, seed)
        digits.fit(net, digits.load(seed).train, until=1.5, seed=seed)
        return ParameterSpace(net).flatten()

    assert torch.equal(train(0), train(0))
    assert not torch.equal(train(0), train(1))


def test_making_a_network_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    digits.network(13, seed=0)
    assert torch.equal(torch.rand(1), expected)


def test_a_trained_network_reads_unseen_digits():
    data, net = digits.load(0), digits.network(40, 0)
    digits.fit(net, data.train, until=0.2, seed=0)
    assert digits.accuracy(net, data.held_out) > 0.85


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: digits.load(0, select=0), "got 0 and 400"),
        (lambda: digits.load(0, select=1000, held_out=900), "got 1000 and 900"),
        (lambda: digits.network(0, 0), "width must be at least 1"),
        (lambda: digits.minibatches(digits.load(0).train, 0, 1, 0), "size must lie between 1 and 997"),
        (
            lambda: digits.fit(digits.network(5, 0), digits.load(0).train, until=0, seed=0),
            "until must be above 0",
        ),
    ],
)
def test_impossible_requests_are_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_training_that_does_not_get_there_says_how_far_it_came():
    with pytest.raises(RuntimeError, match=r"training loss is \d\.\d+ after 20 steps, wanted below 0.01"):
        digits.fit(digits.network(5, 0), digits.load(0).train, until=0.01, seed=0, most_steps=20)


def test_a_last_step_to_nowhere_is_found():
    net = torch.nn.Linear(3, 1, bias=False)
    with pytest.raises(Diverged, match="theta is not finite after the step at step 0"):
        descend(ParameterSpace(net), quadratic, lambda p: torch.optim.SGD(p, lr=1e38), [1e6])


def test_training_that_gets_there_with_its_last_step_has_got_there():
    net, data = digits.network(13, 0), digits.load(0).train
    steps = digits.fit(net, data, until=2.0, seed=0)
    again = digits.network(13, 0)
    assert digits.fit(again, data, until=2.0, seed=0, most_steps=steps) == steps
    with pytest.raises(ValueError, match="most_steps must be at least 1"):
        digits.fit(again, data, until=2.0, seed=0, most_steps=0)
