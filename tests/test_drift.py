"""Drift of gradient bases: planted rotations, noisy estimates, half-lives and pseudo-values."""

import warnings

import numpy as np
import pytest
import torch

from lglib.geometry import drift
from lglib.geometry.drift import Drift
from lglib.geometry.subspace import Subspace

STEPS = [0, 1, 3, 10, 30]


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tilted(angle, k=3, d=12):
    """First k axes, each turned by the same angle towards an axis of its own."""
    eye = torch.eye(d, dtype=torch.float64)
    return Subspace(np.cos(angle) * eye[:, :k] + np.sin(angle) * eye[:, k : 2 * k])


def estimate(truth, noise, seed):
    """One noisy estimate of a subspace: its basis plus noise, made orthonormal."""
    noisy = truth.basis + noise * gaussian(truth.d, truth.k, seed=seed) / truth.d**0.5
    return Subspace.from_vectors(noisy.T)


def family(truths, noises, sets):
    """Independent noisy estimates (sets of them) of a truth at each step."""
    return [
        [estimate(truth, noise, seed=10_000 + 100 * s + i) for i in range(sets)]
        for s, (truth, noise) in enumerate(zip(truths, noises, strict=True))
    ]


def reading(relative, steps=STEPS):
    ones = np.ones(len(steps))
    return Drift(np.array(steps), ones, ones, 0.0, np.array(relative))


# --- planted


@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_a_rotation_by_known_angles_has_the_known_overlap(floor):
    angles = np.array([0.0, 0.1, 0.4, 0.9, 1.2])
    found = drift.measure(STEPS, [[tilted(a)] * 2 for a in angles], floor)
    np.testing.assert_allclose(found.ceiling, 1, rtol=1e-12)
    np.testing.assert_allclose(found.overlap, np.cos(angles) ** 2, rtol=1e-12)
    np.testing.assert_allclose(found.relative, (np.cos(angles) ** 2 - floor) / (1 - floor), rtol=1e-12)
    assert found.steps.tolist() == STEPS
    assert found.floor == floor


def test_with_a_ceiling_of_one_and_no_floor_relative_overlap_is_overlap():
    found = drift.measure([0, 5], [[tilted(0.0)] * 3, [tilted(0.7)] * 2], 0.0)
    np.testing.assert_allclose(found.relative, found.overlap, rtol=1e-12)


def test_overlap_and_ceiling_are_means_over_pairs_of_different_sets():
    estimates = family([Subspace.random(20, 2, seed=s) for s in range(3)], [1.0] * 3, sets=4)
    found = drift.measure([0, 1, 2], estimates, 0.0)
    for s, one in enumerate(estimates):
        same = [a.overlap(b) for i, a in enumerate(one) for j, b in enumerate(one) if i < j]
        across = [a.overlap(b) for i, a in enumerate(estimates[0]) for j, b in enumerate(one) if i != j]
        assert found.ceiling[s] == pytest.approx(np.mean(same), rel=1e-12)
        assert found.overlap[s] == pytest.approx(np.mean(across if s else same), rel=1e-12)
    room = np.sqrt(found.ceiling[0] * found.ceiling)
    np.testing.assert_allclose(found.relative, found.overlap / room, rtol=1e-12)


def test_steps_may_hold_different_numbers_of_sets():
    estimates = family([tilted(0.0)] * 3, [0.5] * 3, sets=5)
    estimates = [estimates[0][:4], estimates[1][:2], estimates[2]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = drift.measure([0, 1, 2], estimates, 0.0)
    pairs = [estimates[0][i].overlap(b) for i in range(4) for j, b in enumerate(estimates[1]) if i != j]
    assert found.overlap[1] == pytest.approx(np.mean(pairs), rel=1e-12)
    assert found.ceiling[1] == pytest.approx(estimates[1][0].overlap(estimates[1][1]), rel=1e-12)


@pytest.mark.parametrize(
    "noises", [[0.5] * 5, [0.3, 0.6, 1.0, 1.5, 2.0]], ids=["same noise", "more and more"]
)
def test_noisy_estimates_of_a_plane_that_stays_are_told_to_stay(noises):
    d, k = 400, 4
    estimates = family([Subspace.random(d, k, seed=0)] * 5, noises, sets=6)
    found = drift.measure(STEPS, estimates, k / d)
    np.testing.assert_allclose(found.relative, 1, atol=0.06)
    assert found.overlap[-1] < 0.8  # the overlap alone would have said that it moved
    assert found.half_life == np.inf


def test_noise_does_not_hide_a_rotation():
    d, k, angles = 400, 4, [0.0, 0.3, 0.6, 0.9, 1.2]
    truths = [tilted(a, k=k, d=d) for a in angles]
    found = drift.measure(STEPS, family(truths, [0.7] * 5, sets=6), k / d)
    np.testing.assert_allclose(found.relative, np.cos(angles) ** 2, atol=0.06)


def test_unrelated_planes_keep_nothing():
    d, k = 400, 4
    truths = [Subspace.random(d, k, seed=s) for s in range(5)]
    found = drift.measure(STEPS, family(truths, [0.5] * 5, sets=4), k / d)
    assert found.relative[0] == 1
    np.testing.assert_allclose(found.relative[1:], 0, atol=0.03)


def test_the_relative_overlap_of_step_zero_is_one_by_definition():
    found = drift.measure([0, 1], family([tilted(0.0), tilted(1.0)], [1.0, 1.0], sets=3), 0.05)
    assert found.relative[0] == pytest.approx(1, rel=1e-12)
    assert found.overlap[0] == found.ceiling[0]


# --- half-life


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ([1, 0.9, 0.5, 0.4, 0.3], 3),  # exactly half at a recorded step
        ([1, 0.5, 0.4, 0.3, 0.2], 1),
        ([1, 0.9, 0.8, 0.7, 0.5], 30),
        ([1, 0.9, 0.75, 0.25, 0.1], np.sqrt(4 * 11) - 1),  # half way between 1 + 3 and 1 + 10
        ([1, 0.9, 0.8, 0.7, 0.3], np.sqrt(11 * 31) - 1),
        ([1, 0.9, 0.6, 0.3, 0.9], 4 ** (2 / 3) * 11 ** (1 / 3) - 1),  # the first time counts
        ([1, 0.0, 0.0, 0.0, 0.0], np.sqrt(2) - 1),
        ([1, -0.5, 0.0, 0.0, 0.0], 2 ** (1 / 3) - 1),
        ([0.5, 0.4, 0.3, 0.2, 0.1], 0),
    ],
)
def test_the_half_life_is_interpolated_in_the_logarithm_of_one_plus_the_step(relative, expected):
    assert reading(relative).half_life == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_plane_that_never_loses_half_has_no_half_life():
    assert reading([1, 0.9, 0.8, 0.7, 0.51]).half_life == np.inf


def test_the_half_life_of_an_exact_log_linear_decay_is_found_between_any_steps():
    steps = np.array([0, 2, 5, 17, 60, 200])
    relative = 1 - 0.2 * np.log1p(steps)
    assert reading(relative, steps).half_life == pytest.approx(np.exp(2.5) - 1)


# --- pseudo-values


def test_pseudo_values_of_the_mean_over_pairs_are_the_closed_form():
    estimates = family([tilted(0.0), tilted(0.5)], [1.0, 1.0], sets=5)
    found = drift.jackknife([0, 1], estimates, 0.0, lambda one: one.overlap)
    assert found.shape == (5, 2)
    for s, symmetric in ((0, True), (1, False)):
        pairs = np.array([[a.overlap(b) for b in estimates[s]] for a in estimates[0]])
        np.fill_diagonal(pairs, 0)
        whole, rows = pairs.sum() / 20, pairs.sum(0) + pairs.sum(1)
        left_out = (pairs.sum() - rows) / 12  # pairs without set i
        np.testing.assert_allclose(found[:, s], 5 * whole - 4 * left_out, rtol=1e-12)
        assert symmetric == np.allclose(pairs, pairs.T)


def test_pseudo_values_of_a_mean_over_pairs_average_to_it():
    # leaving sets out does not bias a mean over pairs, so nor do its pseudo-values
    estimates = family([tilted(0.0), tilted(0.5), tilted(1.0)], [1.0, 0.5, 0.8], sets=4)
    whole = drift.measure([0, 1, 2], estimates, 0.0)
    for read in (lambda one: one.overlap, lambda one: one.ceiling):
        found = drift.jackknife([0, 1, 2], estimates, 0.0, read)
        np.testing.assert_allclose(found.mean(0), read(whole), rtol=1e-12)


def test_pseudo_values_are_those_of_measuring_again_without_one_set():
    estimates = family([tilted(0.0), tilted(0.6), tilted(1.3)], [0.6, 0.9, 0.5], sets=4)

    def read(one):
        return [one.half_life, one.relative[1]]

    steps, floor = [0, 4, 9], 0.1
    found = drift.jackknife(steps, estimates, floor, read)
    whole = np.array(read(drift.measure(steps, estimates, floor)))
    for i in range(4):
        rest = [[b for j, b in enumerate(one) if j != i] for one in estimates]
        one = np.array(read(drift.measure(steps, rest, floor)))
        np.testing.assert_allclose(found[i], 4 * whole - 3 * one, rtol=1e-12)


def test_pseudo_values_of_estimates_without_noise_are_the_reading_itself():
    estimates = [[tilted(a)] * 3 for a in (0.0, 0.5, 1.2)]
    found = drift.jackknife([0, 1, 2], estimates, 0.0, lambda one: one.half_life)
    expected = drift.measure([0, 1, 2], estimates, 0.0).half_life
    assert found.shape == (3,)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_reading_that_is_not_finite_is_not_turned_into_nan_in_silence():
    estimates = [[tilted(0.0)] * 3] * 3  # never moves: half-life inf, whose pseudo-values are inf - inf
    with pytest.raises(ValueError, match="finite"):
        drift.jackknife([0, 1, 2], estimates, 0.0, lambda one: one.half_life)


# --- refusals


@pytest.mark.parametrize("steps", [[1, 2], [0, 2, 1], [0, 1, 1], [0], []])
def test_steps_that_do_not_rise_from_zero_are_refused(steps):
    with pytest.raises(ValueError, match="steps must rise from 0, got"):
        drift.measure(steps, [[tilted(0.0)] * 2] * len(steps), 0.0)


def test_fewer_than_two_estimates_of_a_step_or_none_are_refused():
    pair = [tilted(0.0)] * 2
    for estimates in ([pair, pair[:1]], [pair, []], [pair], [pair] * 3, []):
        with pytest.raises(ValueError, match="estimates must hold at least two bases for each step"):
            drift.measure([0, 1], estimates, 0.0)


@pytest.mark.parametrize("floor", [1.0, 2.0, float("nan")])
def test_a_ceiling_that_is_not_above_the_floor_is_refused(floor):
    with pytest.raises(ValueError, match=r"the ceiling .* must lie above the floor"):
        drift.measure([0, 1], [[tilted(0.0)] * 2] * 2, floor)


def test_estimates_that_agree_no_better_than_chance_are_refused():
    apart = [Subspace(torch.eye(9, dtype=torch.float64)[:, 3 * i : 3 * i + 3]) for i in range(2)]
    with pytest.raises(ValueError, match=r"the ceiling \[1\. 0\.\] must lie above the floor 0.05"):
        drift.measure([0, 1], [[apart[0]] * 2, apart], 0.05)


def test_a_jackknife_wants_the_same_three_or_more_sets_at_each_step():
    two, three = [tilted(0.0)] * 2, [tilted(0.0)] * 3
    for estimates in ([two, two], [three, two], [three, three + two], []):
        with pytest.raises(ValueError, match="estimates must hold the same three or more sets at each step"):
            drift.jackknife([0, 1], estimates, 0.0, lambda one: one.overlap)
