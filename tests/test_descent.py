"""Recorded descent and the digit networks."""

import math

import pytest
import torch

from lglib.parameters import descent
from lglib.parameters.descent import Diverged, descend
from lglib.parameters.space import ParameterSpace
from lglib.studies.synthetic import transformer
from lglib.tasks import digits, synthetic


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
        (lambda: digits.network(0, 0), "width must be a whole number from 1, got 0"),
        (
            lambda: digits.minibatches(digits.load(0).train, 0, 1, 0),
            "size must be a whole number from 1 to 997, got 0",
        ),
        (
            lambda: digits.fit(digits.network(5, 0), digits.load(0).train, until=0, seed=0),
            "until must be finite and > 0, got 0",
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
    with pytest.raises(ValueError, match="most_steps must be a whole number from 1, got 0"):
        digits.fit(again, data, until=2.0, seed=0, most_steps=0)


SCALES = (1.0, 2.0, 0.5, 1.5, 0.25, 3.0, 1.0)  # the seven batches of a run of `quadratic`


def slanted():
    net = torch.nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, -2.0, 0.5]]))
    return net


def by_hand(name, lr, rate=lambda step: 1.0, clip=math.inf):
    """The points and losses of the run, in float64 and without torch's optimisers."""
    x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    points, losses = [x], []
    m, v = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for step, scale in enumerate(SCALES):
        losses.append(scale * sum(c * c for c in x.tolist()))
        gradient = 2 * scale * x
        norm = math.sqrt(sum(c * c for c in gradient.tolist()))
        if norm > clip:
            gradient = gradient * clip / norm
        if name == "SGD":
            move = gradient
        elif name == "momentum":
            m = 0.9 * m + gradient
            move = m
        else:
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            move = m / (1 - 0.9 ** (step + 1)) / ((v / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
        x = x - lr * rate(step) * move
        points.append(x)
    return torch.stack(points), torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"rate": lambda step: 1 / (1 + step)},
        {"clip": 1.5},
        {"rate": descent.warm_and_decay(7, 3), "clip": 0.7},
    ],
    ids=["plain", "rate", "clip", "both"],
)
@pytest.mark.parametrize("name", ["SGD", "momentum", "Adam"])
def test_what_is_kept_of_a_run_is_what_a_loop_by_hand_passes(name, how, every):
    run = descend(
        ParameterSpace(slanted()), quadratic, descent.optimizer(name, 0.1), SCALES, every=every, **how
    )
    points, losses = by_hand(name, 0.1, **how)
    kept = sorted({*range(0, 8, every), 7})
    assert run.steps.tolist() == kept
    torch.testing.assert_close(run.points.double(), points[kept], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(run.losses, losses, rtol=1e-5, atol=1e-6)


def test_gradients_shorter_than_the_clip_are_left_as_they_are():
    runs = [
        descend(ParameterSpace(slanted()), quadratic, descent.optimizer("SGD", 0.1), SCALES, clip=clip)
        for clip in (None, 100.0)
    ]
    assert torch.equal(runs[0].points, runs[1].points)


def test_the_first_step_takes_the_rate_of_step_zero():
    run = descend(
        ParameterSpace(slanted()),
        quadratic,
        descent.optimizer("SGD", 0.1),
        SCALES,
        rate=lambda t: float(t > 0),
    )
    assert torch.equal(run.points[1], run.points[0])
    assert not torch.equal(run.points[2], run.points[1])


def test_the_rate_is_asked_for_steps_that_are_taken_and_no_others():
    rates = [1.0, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25]
    run = descend(
        ParameterSpace(slanted()), quadratic, descent.optimizer("SGD", 0.1), SCALES, rate=rates.__getitem__
    )
    assert len(run.losses) == 7


@pytest.mark.parametrize("every", [1, 2, 5])
def test_the_model_is_left_at_the_last_point_without_gradients(every):
    space = ParameterSpace(slanted())
    run = descend(space, quadratic, descent.optimizer("Adam", 0.1), iter(SCALES), every=every)
    assert torch.equal(space.flatten(), run.points[-1])
    assert all(p.grad is None for p in space.parameters())
    assert torch.equal(run.displacement, run.points[-1] - run.points[0])


@pytest.mark.parametrize(("steps", "warm"), [(100, 10), (20, 50), (7, 1)])
def test_the_rate_warms_up_and_decays_to_a_twentieth(steps, warm):
    rate = descent.warm_and_decay(steps, warm)
    for step in range(steps):
        rising = 1.0 if step + 1 >= warm else (step + 1) / warm
        falling = max((steps - step) / steps, 1 / 20)
        assert rate(step) == pytest.approx(rising * falling)


@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_a_loss_that_is_no_number_keeps_all_that_was_recorded(every):
    with pytest.raises(Diverged) as caught:
        descend(
            ParameterSpace(slanted()),
            quadratic,
            descent.optimizer("SGD", 0.125),
            [1.0] * 5 + [math.nan],
            every=every,
        )
    for told in ("loss is nan", "at step 5", "SGD", "'lr': 0.125"):
        assert told in str(caught.value)
    kept = caught.value.trajectory
    whole = descend(ParameterSpace(slanted()), quadratic, descent.optimizer("SGD", 0.125), [1.0] * 5)
    assert torch.equal(kept.losses, whole.losses)
    assert kept.steps.tolist() == sorted({*range(0, 6, every), 5})
    assert torch.equal(kept.points, whole.points[kept.steps])


@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_a_point_that_is_no_number_keeps_all_that_was_recorded(every):
    def slope(module, scale):
        return scale * module.weight.sum()

    space, batches = ParameterSpace(torch.nn.Linear(1, 1, bias=False)), [1e-37] * 5 + [1e2]
    with pytest.raises(Diverged) as caught:
        descend(space, slope, descent.optimizer("momentum", 1e37), batches, every=every)
    for told in ("theta is not finite after the step", "at step 5", "SGD", "'lr': 1e+37", "'momentum': 0.9"):
        assert told in str(caught.value)
    kept = caught.value.trajectory
    assert kept.points.isfinite().all()
    assert kept.losses.shape == (5,)
    assert kept.steps.tolist() == sorted({*range(0, 6, every), 5})
    assert len(kept.points) == len(kept.steps)


def test_a_run_that_diverges_at_once_keeps_the_start():
    net = slanted()
    start = ParameterSpace(net).flatten()
    with pytest.raises(Diverged, match="at step 0 with Adam") as caught:
        descend(ParameterSpace(net), quadratic, descent.optimizer("Adam", 0.1), [math.inf], every=4)
    kept = caught.value.trajectory
    assert torch.equal(kept.points, start[None])
    assert kept.steps.tolist() == [0]
    assert kept.losses.shape == (0,)


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("SGD", torch.optim.SGD, {"lr": 0.3, "momentum": 0}),
        ("momentum", torch.optim.SGD, {"lr": 0.3, "momentum": 0.9}),
        ("Adam", torch.optim.Adam, {"lr": 0.3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        ("AdamW", torch.optim.AdamW, {"lr": 0.3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
    ],
)
def test_an_optimiser_is_torchs_own_with_its_usual_settings(name, kind, settings):
    made = descent.optimizer(name, 0.3)(list(slanted().parameters()))
    assert type(made) is kind
    assert {key: made.defaults[key] for key in settings} == settings


@pytest.mark.parametrize("name", ["adam", "RMSprop", "", None])
def test_an_unknown_optimiser_names_those_there_are(name):
    with pytest.raises(ValueError, match=f"optimiser is {name!r}; there is: SGD, momentum, Adam"):
        descent.optimizer(name, 0.1)


@pytest.mark.parametrize("lr", [0, 0.0, -0.1, math.inf, math.nan])
def test_a_learning_rate_that_is_not_above_zero_is_refused(lr):
    with pytest.raises(ValueError, match="rate must be finite and above 0, got"):
        descent.optimizer("SGD", lr)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"every": 0}, "every must be a whole number from 1, got 0"),
        ({"every": -2}, "every must be a whole number from 1, got -2"),
        ({"every": 2.0}, "every must be a whole number from 1, got 2.0"),
        ({"every": True}, "every must be a whole number from 1, got True"),
        ({"clip": 0}, "clip must be above 0, got 0"),
        ({"clip": -1.0}, "clip must be above 0, got -1.0"),
        ({"clip": math.nan}, "clip must be above 0, got nan"),
    ],
)
def test_a_recording_that_cannot_be_made_is_refused_before_a_step(bad, told):
    net = slanted()
    before = ParameterSpace(net).flatten()
    with pytest.raises(ValueError, match=told):
        descend(ParameterSpace(net), quadratic, descent.optimizer("SGD", 0.1), SCALES, **bad)
    assert torch.equal(ParameterSpace(net).flatten(), before)


def test_a_rule_of_ones_own_gives_the_gradients():
    seen = []

    def uphill(space, loss_fn, batch):
        seen.append(batch)
        loss, gradients = descent.single(space, loss_fn, batch)
        return loss, [-g for g in gradients]

    run = descend(ParameterSpace(slanted()), quadratic, descent.optimizer("SGD", 0.1), SCALES, rule=uphill)
    assert seen == list(SCALES)
    x = torch.tensor([1.0, -2.0, 0.5])
    for scale in SCALES:
        x = x + 0.1 * 2 * scale * x
    torch.testing.assert_close(run.points[-1], x)
    assert run.losses[-1] > run.losses[0]


def test_gradients_of_a_rule_are_clipped_too():
    def steep(space, loss_fn, batch):
        return torch.tensor(1.0), [torch.tensor([[3.0, 0.0, 4.0]])]

    net = slanted()
    run = descend(ParameterSpace(net), quadratic, descent.optimizer("SGD", 1.0), [0], rule=steep, clip=1.0)
    torch.testing.assert_close(run.displacement, torch.tensor([-0.6, 0.0, -0.8]))


@pytest.mark.parametrize("name", ["SGD", "momentum", "Adam"])
def test_the_same_seed_trains_a_transformer_to_the_same_bytes(name):
    def once():
        model = transformer.build(width=16, seed=2, length=3)
        return descend(
            ParameterSpace(model),
            transformer.loss,
            descent.optimizer(name, 1e-2),
            synthetic.stream(["copy", "sort"], 16, 12, key=2, length=3),
            rate=descent.warm_and_decay(12, 4),
            clip=1.0,
            every=5,
        )

    one, two = once(), once()
    assert torch.equal(one.points, two.points)
    assert torch.equal(one.losses, two.losses)
    assert one.steps.tolist() == two.steps.tolist() == [0, 5, 10, 12]
