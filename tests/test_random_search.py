"""Random search: keyed noise, gains, exact order statistics."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lglib.base import seeding
from lglib.parameters.space import ParameterSpace
from lglib.search import random_search
from lglib.studies.synthetic import transformer
from lglib.tasks import synthetic
from lglib.theory import laws


@pytest.fixture
def space():
    torch.manual_seed(0)
    return ParameterSpace(torch.nn.Sequential(*[torch.nn.Linear(40, 40, bias=False) for _ in range(3)]))


def linear_score(a):
    return lambda net, scale: (
        -scale * sum((p.reshape(-1) @ v) for p, v in zip(net.parameters(), a, strict=True))
    )


def test_same_shaped_tensors_get_uncorrelated_noise(space):
    one, two, _ = random_search.noise(space, 0, 0).reshape(3, -1)
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(1600)


def test_tied_noise_is_the_same_for_tensors_of_one_shape(space):
    one, two, three = random_search.noise(space, 0, 0, tied=True).reshape(3, -1)
    assert torch.equal(one, two)
    assert torch.equal(two, three)


def test_noise_depends_on_seed_and_candidate_and_on_nothing_else(space):
    first = random_search.noise(space, 1, 2)
    torch.manual_seed(123)
    assert torch.equal(random_search.noise(space, 1, 2), first)
    others = [
        random_search.noise(space, 1, 3),
        random_search.noise(space, 2, 2),
        random_search.noise(space, 12, 2),
    ]
    assert all(not torch.equal(first, other) for other in others)


def test_noise_is_standard_normal(space):
    sample = torch.cat([random_search.noise(space, 0, i) for i in range(10)]).numpy()
    assert abs(sample.mean()) < 4 / np.sqrt(sample.size)
    assert abs(sample.var() - 1) < 4 * np.sqrt(2 / sample.size)


def test_gains_of_a_linear_score_are_its_slope_along_the_noise(space):
    a = [torch.randn(1600, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    found = random_search.gains(space, linear_score(a), [1.0, 2.0], sigmas=[0.1, 1.0], candidates=5, seed=3)
    assert found.shape == (5, 2, 2)
    for i in range(5):
        slope = float(torch.cat(a) @ random_search.noise(space, 3, i))
        np.testing.assert_allclose(found[i], slope * np.outer([0.1, 1.0], [1, 2]), rtol=2e-3, atol=2e-3)


def test_candidates_can_be_drawn_in_given_directions(space):
    a = [torch.ones(1600) for _ in range(3)]
    found = random_search.gains(
        space,
        linear_score(a),
        [1.0],
        sigmas=[1.0],
        candidates=2,
        seed=0,
        direction=lambda i: torch.full((4800,), float(i)),
    )
    np.testing.assert_allclose(found.ravel(), [0, 4800], rtol=1e-5)


@pytest.mark.parametrize("fail_at", [None, 3])
def test_the_model_is_left_bit_for_bit_as_it_was(space, fail_at):
    before, calls = space.flatten(), itertools.count()

    def loss(net, _):
        if next(calls) == fail_at:
            raise RuntimeError("out of memory")
        return sum(p.square().sum() for p in net.parameters())

    try:
        random_search.gains(space, loss, [None], sigmas=[1.0], candidates=4, seed=0)
    except RuntimeError:
        assert fail_at is not None
    assert torch.equal(space.flatten(), before)


METHODS = ["auto", "loop", "functional", "vmap"]


def test_the_methods_of_evaluating_candidates_agree():
    model = transformer.build(width=32, length=3, seed=0)
    batches = [synthetic.draw(task, 8, part="train", key=0, length=3) for task in ("copy", "sort")]
    how = dict(sigmas=[1e-3, 0.1], candidates=5, seed=0)
    found = {
        m: random_search.gains(ParameterSpace(model), transformer.loss, batches, method=m, **how)
        for m in METHODS
    }
    assert found["loop"].shape == (5, 2, 2)
    np.testing.assert_array_equal(found["auto"], found["loop"])  # on a CPU
    for method in ("functional", "vmap"):
        np.testing.assert_allclose(found[method], found["loop"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_candidate_whose_loss_is_not_finite_has_the_gain_minus_infinity(method):
    line = ParameterSpace(torch.nn.Linear(1, 1, bias=False))
    line.load(torch.ones(1))
    steps = [-0.5, -1.0, -3.0, 1e20]  # the loss: finite, log 0 = -inf, log of a negative = nan, overflow

    def loss(net, batch):
        return net.weight.sum().log() + net.weight.sum() ** batch

    found = random_search.gains(
        line,
        loss,
        [1, 2],
        sigmas=[1.0],
        candidates=4,
        seed=0,
        direction=lambda i: torch.tensor([steps[i]]),
        method=method,
    )
    assert np.isfinite(found[0]).all()
    assert (found[1:3] == -np.inf).all()
    assert np.isfinite(found[3, 0, 0])
    assert found[3, 0, 1] == -np.inf


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [torch.full((4800,), np.nan), torch.ones(3)], ids=["nan", "shape"])
def test_the_model_is_left_as_it_was_after_a_bad_direction_for_every_method(space, method, bad):
    before = space.flatten()
    with pytest.raises(ValueError, match=r"direction\(2\) must be a finite vector"):
        random_search.gains(
            space,
            linear,
            [1],
            sigmas=[1.0],
            candidates=4,
            seed=0,
            direction=lambda i: bad if i == 2 else torch.ones(4800),
            method=method,
        )
    assert torch.equal(space.flatten(), before)


@pytest.mark.parametrize("method", METHODS)
def test_a_direction_may_be_read_from_the_model(method):
    # the gradient at theta, not at the candidate that happens to be evaluated just then
    line = ParameterSpace(torch.nn.Linear(3, 1, bias=False).double())
    line.load(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))

    def loss(net, _):
        return net.weight.square().sum() / 2

    found = random_search.gains(
        line,
        loss,
        [None],
        sigmas=[0.5],
        candidates=3,
        seed=0,
        direction=lambda i: -line.gradient(loss),
        method=method,
    )
    np.testing.assert_allclose(found.ravel(), [7 * 0.75] * 3, rtol=1e-12)


def test_an_unknown_method_is_refused_with_those_there_are(space):
    with pytest.raises(ValueError, match="method is 'batched'; there is: auto, loop, functional, vmap"):
        random_search.gains(space, linear, [1], sigmas=[1.0], candidates=1, seed=0, method="batched")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"candidates": 0}, "candidates must be a whole number from 1, got 0"),
        ({"sigmas": []}, "sigma"),
        ({"sigmas": [0.0]}, "above 0"),
        ({"sigmas": [-1.0]}, "above 0"),
        ({"sigmas": [float("nan")]}, "finite"),
        ({"batches": []}, "batches is empty"),
    ],
)
def test_a_search_that_cannot_run_is_refused(space, changes, told):
    arguments = {"batches": [None], "sigmas": [1.0], "candidates": 1, "seed": 0, **changes}
    with pytest.raises(ValueError, match=told):
        random_search.gains(space, lambda net, _: next(net.parameters()).sum(), **arguments)


def test_a_loss_that_is_not_finite_at_the_start_is_refused(space):
    with pytest.raises(ValueError, match="not finite at the starting point"):
        random_search.gains(
            space, lambda *_: torch.tensor(float("nan")), [None], sigmas=[1.0], candidates=1, seed=0
        )


def test_expected_best_is_the_mean_over_all_subsets():
    scores = np.array([3.0, -1.0, 4.0, 1.0, 5.0, 9.0])
    for n in range(1, 7):
        every = [max(subset) for subset in itertools.combinations(scores, n)]
        assert random_search.expected_best(scores, n) == pytest.approx(np.mean(every))


def test_held_out_value_of_the_winner_is_the_mean_over_all_subsets():
    rng = np.random.default_rng(0)
    scores, measured = rng.standard_normal((2, 7))
    every = [measured[max(subset, key=lambda i: scores[i])] for subset in itertools.combinations(range(7), 3)]
    assert random_search.expected_best(scores, 3, measured=measured) == pytest.approx(np.mean(every))


@given(st.integers(1, 3000), st.data())
def test_order_weights_are_a_distribution(total, data):
    weights = random_search.order_weights(total, data.draw(st.integers(1, total)))
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-9)


@given(arrays(float, st.integers(2, 30), elements=st.floats(-1e3, 1e3)))
def test_the_best_of_more_candidates_is_never_worse(scores):
    values = [random_search.expected_best(scores, n) for n in range(1, len(scores) + 1)]
    assert all(b >= a - 1e-9 * (1 + abs(a)) for a, b in itertools.pairwise(values))


def test_a_control_variate_shrinks_the_interval_and_leaves_the_mean():
    rng = np.random.default_rng(1)
    control = rng.standard_normal(300)
    scores = control + 0.05 * rng.standard_normal(300)
    plain = random_search.best_of_n(scores, 16, 0)
    sharp = random_search.best_of_n(scores, 16, 0, control=control, control_mean=laws.expected_maximum(16))
    assert sharp.high - sharp.low < (plain.high - plain.low) / 3
    assert sharp.contains(laws.expected_maximum(16) * np.hypot(1, 0.05))


@pytest.mark.parametrize("n", [0, 4, -1])
def test_a_best_of_more_than_there_are_is_refused(n):
    with pytest.raises(ValueError, match=f"n must be a whole number from 1 to 3, got {n}"):
        random_search.expected_best(np.arange(3.0), n)
    with pytest.raises(ValueError, match=f"n must be a whole number from 1 to 3, got {n}"):
        random_search.block_maxima(np.arange(3.0), n)


def test_scores_and_measurements_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        random_search.expected_best(np.arange(3.0), 2, measured=np.arange(2.0))
    with pytest.raises(ValueError, match="control must have the shape"):
        random_search.best_of_n(np.arange(3.0), 2, 0, control=np.arange(2.0))


def test_candidates_that_failed_are_never_preferred():
    scores = np.array([-np.inf, 1.0, 2.0, -np.inf])
    assert random_search.expected_best(scores, 3) == pytest.approx(1.75)
    assert random_search.expected_best(scores, 2) == -np.inf
    with pytest.raises(ValueError, match="nan"):
        random_search.expected_best(np.array([np.nan, 1.0]), 1)
    with pytest.raises(ValueError, match="2 of 4 candidates have no finite score"):
        random_search.best_of_n(scores, 2, 0)


def test_the_order_of_candidates_of_equal_score_does_not_matter():
    scores, measured = np.array([1.0, 1.0, 0.0, 1.0]), np.array([3.0, 6.0, 100.0, 9.0])
    for i in ([0, 1, 2, 3], [3, 2, 1, 0]):
        assert random_search.expected_best(scores[i], 2, measured=measured[i]) == pytest.approx(6.0)


def test_best_of_all_candidates_has_no_interval():
    with pytest.raises(ValueError, match="n must be a whole number from 1 to 3, got 4"):
        random_search.best_of_n(np.arange(4.0), 4, 0)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda s: random_search.noise(s, -1, 0), "seed must be a whole number from 0, got -1"),
        (lambda s: random_search.noise(s, 0, 0.5), "candidate must be a whole number"),
        (lambda s: random_search.order_weights(3.0, 1), "total must be a whole number"),
        (lambda s: random_search.expected_best(np.arange(3.0), True), "n must be a whole number"),
        (
            lambda s: random_search.gains(s, linear, [1], sigmas=[1.0], candidates=1.5, seed=0),
            "candidates must be",
        ),
        (
            lambda s: random_search.gains(s, linear, [1], sigmas=[1e-30], candidates=1, seed=0),
            "does not move theta",
        ),
        (lambda s: drawn(s, torch.ones(3)), r"direction\(0\) must be a finite vector \(4800,\)"),
        (lambda s: drawn(s, torch.full((4800,), np.nan)), r"direction\(0\) must be a finite vector"),
        (lambda s: drawn(s, torch.ones(4800).double()), r"direction\(0\) must be a finite vector"),
    ],
)
def test_a_wrong_argument_of_the_search_is_named(space, call, told):
    with pytest.raises(ValueError, match=told):
        call(space)


def linear(net, _):
    return sum(p.sum() for p in net.parameters())


def drawn(space, eps):
    return random_search.gains(
        space, linear, [1], sigmas=[1.0], candidates=1, seed=0, direction=lambda _: eps
    )


def test_a_loss_that_is_not_repeatable_is_refused():
    net = torch.nn.Sequential(torch.nn.Linear(40, 40), torch.nn.Dropout())
    how = dict(sigmas=[0.1], candidates=1, seed=0)
    with pytest.raises(ValueError, match=r"module\.eval\(\)"):
        random_search.gains(ParameterSpace(net), lambda m, x: m(x).sum(), [torch.ones(40)], **how)


def test_noise_has_negative_candidates_too(space):
    assert not torch.equal(random_search.noise(space, 0, -1), random_search.noise(space, 0, 1))


def test_noise_on_a_cpu_is_the_stream_of_each_tensors_own_key_bit_for_bit():
    space = ParameterSpace(torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Linear(7, 300)))
    plain = [
        torch.randn(shape, generator=seeding.generator(3, -2, name)).reshape(-1)
        for name, shape in space.shapes.items()
    ]
    assert torch.equal(random_search.noise(space, 3, -2), torch.cat(plain))
