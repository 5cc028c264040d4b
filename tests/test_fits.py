"""Laws fitted to tables: what was put in comes out, intervals cover, and what cannot be told is refused."""

import numpy as np
import pytest
from scipy import stats

from lglib.theory import fits, maxima

SIGMA = np.array([1e-5, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3])


def drawn(seed, *, power=2.0, n=200, slope=20.0, floor=0.02, fall=3e4):
    """Means, bests and spreads of Gaussian scores of n candidates at each sigma."""
    dice = np.random.default_rng(seed)
    spread = np.hypot(floor, slope * SIGMA)
    scores = 0.4 - fall * SIGMA[:, None] ** power + spread[:, None] * dice.standard_normal((len(SIGMA), n))
    return scores.mean(1), scores.max(1), scores.std(1, ddof=1)


def test_the_spread_read_off_the_best_is_right_on_average_and_its_error_is_told():
    spread = np.array([fits.spread_from_best(m, b, 200)[0] for m, b, _ in (drawn(i) for i in range(400))])
    error = fits.spread_from_best(*drawn(0)[:2], 200)[1]
    true = np.hypot(0.02, 20 * SIGMA)
    assert spread.mean(0) == pytest.approx(true, rel=0.03)
    assert spread.std(0) == pytest.approx(
        true * maxima.maximum_std(200) / maxima.expected_maximum(200), rel=0.15
    )
    assert error / fits.spread_from_best(*drawn(0)[:2], 200)[0] == pytest.approx(0.155, abs=0.01)


def test_the_intervals_of_trace_and_power_cover_what_was_put_in():
    traces, powers, fits_well = [], [], []
    for seed in range(100):
        mean, _, spread = drawn(seed)
        error = spread / np.sqrt(200)
        square = fits.falling(SIGMA, mean, error)
        traces.append(square.trace.contains(6e4))
        fits_well.append(square.p > 0.05)
        powers.append(fits.power(SIGMA, mean, error).power.contains(2))
    assert 0.9 <= np.mean(traces) <= 0.99
    assert 0.9 <= np.mean(powers) <= 0.99
    assert 0.9 <= np.mean(fits_well) <= 0.99


def test_another_power_is_found_and_the_square_is_rejected():
    mean, _, spread = drawn(0, power=1.0, fall=50.0)
    error = spread / np.sqrt(200)
    found = fits.power(SIGMA, mean, error).power
    assert found.contains(1)
    assert found.high < 1.8
    assert fits.falling(SIGMA, mean, error).p < 1e-4


def test_least_squares_are_those_of_a_dense_solution():
    mean, error = np.array([5.0, 4.5, 3.0]), np.array([0.1, 0.2, 0.3])
    found = fits.falling([0.0, 1.0, 2.0], mean, error)
    design = np.array([[1, 0], [1, -1], [1, -4]]) / error[:, None]
    want = np.linalg.lstsq(design, mean / error, rcond=None)[0]
    assert [found.start.estimate, found.fall.estimate] == pytest.approx(want)
    half = 1.96 * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert found.fall.high - found.fall.estimate == pytest.approx(half[1])


def test_slope_and_floor_are_told_apart_and_cover():
    hits = []
    for seed in range(200):
        _, _, spread = drawn(seed)
        slope, floor = fits.slope(SIGMA, spread, spread / np.sqrt(398))
        hits.append([slope.contains(20), floor.contains(0.02)])
    assert (np.mean(hits, axis=0) >= 0.88).all()


def test_a_spread_that_does_not_grow_is_refused():
    with pytest.raises(ValueError, match="does not tell a slope from a floor"):
        fits.slope(SIGMA[:4], [4.0, 3.0, 2.0, 1.0], [0.1] * 4)


def test_the_ratio_of_spreads_covers_and_is_one_for_one_noise():
    dice, hits = np.random.default_rng(0), []
    for _ in range(300):
        sizes = [7, 6, 7, 12]
        one = [2 * dice.standard_normal(n) for n in sizes]
        two = [dice.standard_normal(n) for n in sizes]
        hits.append(fits.spread_ratio(one, two).contains(2))
    assert 0.9 <= np.mean(hits) <= 0.99


@pytest.mark.parametrize("n", [300, 900])
def test_a_gaussian_tail_is_seldom_rejected_and_a_heavy_one_is(n):
    dice, edges, p = np.random.default_rng(1), np.arange(0, 6, 0.5), []
    for _ in range(100):
        scores = 0.3 + 2.5 * dice.standard_normal(n)
        p.append(fits.tail(edges, [(scores >= t).sum() for t in edges], n).p)
    assert np.mean(np.array(p) < 0.05) <= 0.11
    heavy = 1.2 * dice.standard_t(1.5, 900)
    assert fits.tail(edges, [(heavy >= t).sum() for t in edges], 900).p < 0.01


def test_the_mean_of_the_best_k_is_that_of_drawn_normals():
    assert fits.expected_top(100, 1) == pytest.approx(maxima.expected_maximum(100))
    assert fits.expected_top(25, 25) == pytest.approx(0, abs=1e-9)
    z = np.sort(np.random.default_rng(2).standard_normal((20_000, 50)), axis=1)
    assert fits.expected_top(50, 25) == pytest.approx(z[:, 25:].mean(), abs=0.003)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: fits.falling([1.0, 2.0], [1.0, 2.0], [0.1, 0.1]), "at least 3 different sigma"),
        (lambda: fits.falling([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.1, 0.0, 0.1]), "error"),
        (lambda: fits.power([0.0, 1.0, 1.0, 2.0], [1.0] * 4, [0.1] * 4), "at least 4 different sigma"),
        (lambda: fits.spread_from_best(1.0, 0.5, 100), "best - mean"),
        (lambda: fits.spread_ratio([[1.0, 2.0]], []), "as many cells"),
        (lambda: fits.tail([0.0, 1.0, 2.0], [10, 20, 5], 100), "above must fall"),
        (lambda: fits.tail([0.0, 2.0, 1.0], [20, 10, 5], 100), "rising"),
        (lambda: fits.expected_top(5, 6), "k must be at most n"),
    ],
)
def test_a_wrong_argument_is_named(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_joined_bins_keep_their_counts():
    counts = np.array([1.0, 2.0, 30.0, 40.0, 3.0])
    seen, expected = fits._joined(counts, counts)
    assert seen.sum() == expected.sum() == counts.sum()
    assert expected.min() >= 5
    assert stats.chi2.sf(((seen - expected) ** 2 / expected).sum(), 1) == 1
