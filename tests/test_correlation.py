"""Pearson's correlation, its interval and its two parts, against scipy, numpy and the closed form."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lglib.theory import correlation


def pairs(n=50, slope=0.7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    return x, slope * x + rng.standard_normal(n)


# --- the interval


def test_the_estimate_is_that_of_numpy_and_scipy():
    x, y = pairs()
    found = correlation.interval(x, y)
    assert found.estimate == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-12)
    assert found.estimate == pytest.approx(scipy.stats.pearsonr(x, y).statistic, rel=1e-12)
    assert found.n == 50


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_on_many_gaussian_pairs_the_interval_is_fishers(level):
    x, y = pairs(100_000)
    found = correlation.interval(x, y, level)
    half = scipy.stats.norm.ppf((1 + level) / 2) / np.sqrt(100_000 - 3)
    z = np.arctanh(np.corrcoef(x, y)[0, 1])
    assert (np.arctanh(found.low) - z, np.arctanh(found.high) - z) == pytest.approx((-half, half), rel=0.02)
    assert found.level == level


def test_the_interval_covers_at_its_level():
    rng, truth, covered = np.random.default_rng(1), 0.6, 0
    for _ in range(1000):
        x, e = rng.standard_normal((2, 100))
        covered += correlation.interval(x, truth * x + np.sqrt(1 - truth**2) * e, 0.8).contains(truth)
    assert abs(covered / 1000 - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 1000)


def test_the_interval_covers_where_pairs_are_uncorrelated_but_not_independent():
    rng, ours, fishers = np.random.default_rng(2), 0, 0
    for _ in range(1000):
        u, v = rng.standard_normal((2, 200))
        x, y = u, np.abs(u) * v  # the spread of y follows x, its mean does not
        ours += correlation.interval(x, y).contains(0)
        low, high = scipy.stats.pearsonr(x, y).confidence_interval()
        fishers += low <= 0 <= high
    assert ours > 920
    assert fishers < 850


def test_pairs_on_one_line_have_an_interval_of_width_zero():
    assert correlation.interval([1, 2, 3, 4], [2, 4, 6, 8]).low == 1
    assert correlation.interval([1, 2, 3, 4], [8, 6, 4, 2]).high == -1


@given(st.integers(0, 2**31), st.floats(0.1, 1e3), st.floats(-1e3, 1e3))
def test_a_correlation_ignores_scale_and_shift_and_follows_sign_and_order(seed, scale, shift):
    x, y = pairs(12, seed=seed)
    found = correlation.interval(x, y)
    moved = correlation.interval(scale * x + shift, y)
    flipped = correlation.interval(x, -y)
    assert moved.estimate == pytest.approx(found.estimate, abs=1e-9)
    assert (flipped.low, flipped.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    assert correlation.interval(y, x).estimate == pytest.approx(found.estimate, abs=1e-12)


def test_a_perfect_correlation_has_an_interval_of_width_zero():
    found = correlation.interval([1, 2, 3, 4], [2, 4, 6, 8])
    assert (found.estimate, found.low, found.high) == pytest.approx((1, 1, 1))
    assert correlation.interval([1, 2, 3, 4], [4, 3, 2, 1]).estimate == pytest.approx(-1)


# --- between groups and within them


def grouped(sizes, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    x, y = rng.standard_normal((2, len(labels))) + rng.standard_normal((2, len(sizes)))[:, labels]
    return x, y, labels


@pytest.mark.parametrize("sizes", [[5, 5, 5], [2, 9, 30], [4], [1] * 6, [1, 20]])
def test_the_parts_are_those_of_the_law_of_total_covariance(sizes):
    x, y, labels = grouped(sizes)
    between, within = correlation.parts(x, y, labels)
    n, spread = len(x), x.std() * y.std()
    means = [(np.mean(labels == g), x[labels == g].mean(), y[labels == g].mean()) for g in range(len(sizes))]
    expected = sum(w * (a - x.mean()) * (b - y.mean()) for w, a, b in means) / spread
    inside = sum(((x - a) * (y - b))[labels == g].sum() / n for g, (_, a, b) in enumerate(means)) / spread
    assert between == pytest.approx(expected, abs=1e-12)
    assert within == pytest.approx(inside, abs=1e-12)


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5).filter(lambda s: sum(s) >= 4), st.integers(0, 2**31)
)
def test_the_parts_add_up_to_the_correlation(sizes, seed):
    x, y, labels = grouped(sizes, seed)
    assert sum(correlation.parts(x, y, labels)) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)


def test_nothing_lies_between_groups_of_equal_means():
    x, y, labels = grouped([10, 20, 5])
    for g in range(3):
        x[labels == g] -= x[labels == g].mean()  # means of one of the two are enough
    between, within = correlation.parts(x, y, labels)
    assert between == pytest.approx(0, abs=1e-12)
    assert within == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_all_lies_between_groups_whose_members_are_equal():
    means_x, means_y = np.array([0.0, 1.0, 5.0]), np.array([2.0, 0.0, 3.0])
    labels = np.repeat([0, 1, 2], [4, 2, 3])
    between, within = correlation.parts(means_x[labels], means_y[labels], labels)
    assert within == pytest.approx(0, abs=1e-12)
    assert between == pytest.approx(np.corrcoef(means_x[labels], means_y[labels])[0, 1])


def test_the_parts_may_have_opposite_signs():
    # Simpson: every group falls, the groups rise
    x = np.array([0.0, 1, 2, 10, 11, 12])
    y = np.array([2.0, 1, 0, 12, 11, 10])
    between, within = correlation.parts(x, y, ["a"] * 3 + ["b"] * 3)
    assert between > 0.9
    assert within < 0


def test_labels_may_be_words_and_their_order_does_not_matter():
    x, y, labels = grouped([3, 4, 5])
    expected = correlation.parts(x, y, labels)
    assert correlation.parts(x, y, np.array(["c", "a", "b"])[labels]) == pytest.approx(expected)
    order = np.random.default_rng(0).permutation(12)
    assert correlation.parts(x[order], y[order], labels[order]) == pytest.approx(expected)


# --- refusals

GOOD = [1.0, 2.0, 4.0, 3.0]


@pytest.mark.parametrize(
    "measure", [correlation.interval, lambda x, y: correlation.parts(x, y, [0, 0, 1, 1])]
)
@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (GOOD, GOOD[:3], r"vectors of one length, at least 4, got \(4,\) and \(3,\)"),
        (GOOD[:3], GOOD[:3], r"at least 4, got \(3,\) and \(3,\)"),
        ([GOOD], [GOOD], r"at least 4, got \(1, 4\) and \(1, 4\)"),
        ([], [], r"at least 4, got \(0,\)"),
        ([2.0] * 4, GOOD, "x must vary, all its values are 2.0"),
        (GOOD, [0.0] * 4, "y must vary, all its values are 0.0"),
        ([1.0, np.nan, 2.0, np.inf], GOOD, "x must be finite, 2 values are not"),
        (GOOD, [1.0, 2.0, 3.0, np.nan], "y must be finite, 1 values are not"),
    ],
)
def test_what_has_no_correlation_is_refused_by_name(measure, x, y, told):
    with pytest.raises(ValueError, match=told):
        measure(x, y)


@pytest.mark.parametrize("groups", [[0, 1], [0] * 5, [], [[0, 0], [1, 1]]])
def test_groups_want_one_label_a_pair(groups):
    with pytest.raises(ValueError, match="groups must have one label a pair, 4, got"):
        correlation.parts(GOOD, GOOD[::-1], groups)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_a_level_outside_the_unit_interval_is_refused_by_name(level):
    with pytest.raises(ValueError, match="level must be strictly between 0 and 1, got"):
        correlation.interval(*pairs(), level)
