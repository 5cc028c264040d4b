"""Intervals, permutation tests and nulls of lglib.stats: coverage, calibration and refusals."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lglib.theory import nulls, stats

SEEDS = [0.7, 0.8, 0.75, 0.82, 0.78]


def test_an_interval_prints_with_its_ends_and_its_n():
    interval = stats.Interval(0.771, 0.7149, 0.83, level=0.95, n=5)
    assert str(interval) == f"{interval}" == "0.771 [0.715, 0.830] (n=5)"
    assert f"{interval:.2f}" == "0.77 [0.71, 0.83] (n=5)"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.5, 0.49, 0.51), "0.500 [0.490, 0.510]"),
        ((0.00012, -0.00001, 0.0003), "0.00012 [-0.00001, 0.00030]"),
        ((2.34567e-8, 2.3456e-8, 2.3458e-8), "2.34567e-08 [2.34560e-08, 2.34580e-08]"),
        ((3.2e9, 3.1e9, 3.3e9), "3.20e+09 [3.10e+09, 3.30e+09]"),
        ((1.0, 1.0, 1.0), "1 [1, 1]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((12.0, 4.0, 40.0), "12 [4, 40]"),
    ],
)
def test_a_value_has_the_digits_that_its_interval_warrants(numbers, text):
    assert stats.with_spread(*numbers) == text


def test_an_interval_contains_its_ends_and_cannot_be_changed():
    interval = stats.Interval(0.5, 0.25, 0.75, level=0.95, n=5)
    assert [interval.contains(x) for x in (0.24, 0.25, 0.75, 0.76)] == [False, True, True, False]
    with pytest.raises(FrozenInstanceError):
        interval.low = 0.0


def test_mean_interval_matches_the_textbook_formula():
    interval = stats.mean_interval(SEEDS, level=0.9)
    half = 2.1318467863266495 * np.std(SEEDS, ddof=1) / np.sqrt(5)  # t quantile at 0.95, 4 degrees of freedom
    assert interval.estimate == pytest.approx(np.mean(SEEDS))
    assert (interval.low, interval.high) == pytest.approx((np.mean(SEEDS) - half, np.mean(SEEDS) + half))
    assert (interval.level, interval.n) == (0.9, 5)


def test_mean_interval_of_three_normals_covers_at_its_level():
    sample = np.random.default_rng(0).standard_normal((2000, 3))
    covered = np.mean([stats.mean_interval(row, level=0.8).contains(0) for row in sample])
    assert abs(covered - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 2000)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.floats(0.5, 0.99))
def test_mean_interval_is_centred_on_the_mean_and_widens_with_level(values, level):
    narrow, wide = stats.mean_interval(values, level=level / 2), stats.mean_interval(values, level=level)
    assert narrow.low >= wide.low
    assert narrow.high <= wide.high
    assert (wide.low + wide.high) / 2 == pytest.approx(np.mean(values), abs=1e-9)


def test_equal_values_give_an_interval_of_width_zero():
    for interval in (stats.mean_interval([0.3] * 3), stats.bootstrap_interval([0.3] * 3, seed=0)):
        assert interval.low == interval.high == interval.estimate == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("successes", "n", "level"), [(3, 10, 0.95), (50, 64, 0.8), (1, 2, 0.99), (7, 7, 0.9)]
)
def test_proportion_interval_is_wilsons_closed_form(successes, n, level):
    found = stats.proportion_interval(successes, n, level)
    share, z = successes / n, scipy.stats.norm.ppf((1 + level) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), rel=1e-9)
    assert (found.estimate, found.level, found.n) == (share, level, n)


@pytest.mark.parametrize("n", [1, 5, 512])
def test_no_success_and_only_success_have_an_end_at_the_estimate_and_room_on_the_other_side(n):
    none, every, z = stats.proportion_interval(0, n), stats.proportion_interval(n, n), 1.959963984540054
    assert (none.estimate, none.low) == (0, 0)
    assert none.high == pytest.approx(z**2 / (n + z**2))
    assert (every.estimate, every.high) == (1, 1)
    assert every.low == pytest.approx(n / (n + z**2))


@given(
    st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.999)
)
def test_proportion_interval_holds_its_estimate_within_the_unit_interval(counts, level):
    found = stats.proportion_interval(*counts, level)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    mirrored = stats.proportion_interval(counts[1] - counts[0], counts[1], level)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)


def test_proportion_interval_takes_numpys_whole_numbers():
    assert stats.proportion_interval(np.int64(9), np.int64(10)) == stats.proportion_interval(9, 10)


def test_bootstrap_interval_repeats_with_its_seed():
    first, again = stats.bootstrap_interval(SEEDS, seed=1), stats.bootstrap_interval(SEEDS, seed=1)
    other = stats.bootstrap_interval(SEEDS, seed=2)
    from_generator = stats.bootstrap_interval(SEEDS, seed=np.random.default_rng(1))
    assert first == again == from_generator
    assert first != other


def test_bootstrap_interval_of_many_normals_agrees_with_the_student_interval():
    sample = np.random.default_rng(3).standard_normal(200)
    bootstrap, student = stats.bootstrap_interval(sample, seed=0), stats.mean_interval(sample)
    width = student.high - student.low
    assert abs(bootstrap.low - student.low) < 0.1 * width
    assert abs(bootstrap.high - student.high) < 0.1 * width


def test_bootstrap_interval_takes_other_statistics_with_and_without_axis():
    sample = np.random.default_rng(4).exponential(size=30)
    by_axis = stats.bootstrap_interval(sample, seed=0, statistic=np.median, resamples=300)
    by_row = stats.bootstrap_interval(sample, seed=0, statistic=lambda x: np.median(x), resamples=300)
    assert by_axis == by_row
    assert by_axis.estimate == np.median(sample)
    assert by_axis.low <= by_axis.estimate <= by_axis.high


def test_bootstrap_interval_refuses_a_statistic_for_which_bca_is_undefined():
    with (
        pytest.warns(RuntimeWarning),  # scipy says so too, before we refuse
        pytest.raises(ValueError, match="statistic must vary when one value is left out"),
    ):
        stats.bootstrap_interval([1.0, 1.0, 1.0, 1.0, 2.0], seed=0, statistic=np.median)


def test_permutation_test_of_small_samples_counts_all_splits():
    low, high = [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]
    assert stats.permutation_test(high, low, seed=0) == pytest.approx(2 / 20)
    assert stats.permutation_test(high, low, seed=0, alternative="greater") == pytest.approx(1 / 20)
    assert stats.permutation_test(high, low, seed=0, alternative="less") == pytest.approx(1)


def test_paired_permutation_test_flips_within_pairs_only():
    before = np.array([1.0, 10.0, 100.0, 1000.0])
    after = before + 0.5  # small beside the spread of the pairs, but always upward
    assert stats.permutation_test(after, before, seed=0, paired=True) == pytest.approx(2 / 2**4)
    assert stats.permutation_test(after, before, seed=0) > 0.5


def test_sampled_permutation_p_value_is_never_zero_and_repeats_with_its_seed():
    x, y = np.arange(30.0) + 1000, np.arange(30.0)
    assert stats.permutation_test(x, y, seed=0, resamples=99, alternative="greater") == pytest.approx(1 / 100)
    a, b = np.random.default_rng(5).standard_normal((2, 20))
    p, again, other = (stats.permutation_test(a, b, seed=s, resamples=99) for s in (1, 1, 2))
    assert p == again != other


def test_permutation_test_is_calibrated_under_the_null():
    sample = np.random.default_rng(6).standard_normal((300, 2, 6))
    p = [stats.permutation_test(x, y, seed=i, resamples=99) for i, (x, y) in enumerate(sample)]
    assert abs(np.mean(np.array(p) <= 0.2) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 300)


def test_permutation_test_takes_another_statistic():
    x, y = [1.0, 2.0, 3.0, 4.0], [-10.0, -20.0, 30.0, 40.0]
    p = stats.permutation_test(x, y, seed=0, statistic=lambda x, y: np.std(x) - np.std(y), alternative="less")
    assert p == pytest.approx(1 / 70)


def test_beta_null_holds_its_share_of_random_captures():
    rng, k, d = np.random.default_rng(7), 4, 50
    null = nulls.beta_null(k, d, level=0.9)
    x = rng.standard_normal((4000, d))
    captures = np.sum(x[:, :k] ** 2, axis=1) / np.sum(x**2, axis=1)
    share = np.mean((captures >= null.low) & (captures <= null.high))
    assert null.mean == pytest.approx(k / d)
    assert null.level == 0.9
    assert abs(share - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 4000)


def test_capture_p_value_is_the_upper_tail_of_the_null():
    null = nulls.beta_null(4, 50, level=0.9)
    assert nulls.capture_p_value(null.high, 4, 50) == pytest.approx(0.05)
    assert nulls.capture_p_value(null.low, 4, 50) == pytest.approx(0.95)
    assert (nulls.capture_p_value(0.0, 4, 50), nulls.capture_p_value(1.0, 4, 50)) == (1, 0)
    assert nulls.capture_p_value(0.3, 2, 12) == pytest.approx(0.7**5)  # Beta(1, b): tail (1 - x)^b


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.Interval(np.nan, 0.0, 1.0, 0.95, 5), "estimate, low and high must be finite"),
        (lambda: stats.Interval(0.5, 1.0, 0.0, 0.95, 5), "low must be at most high, got 1.0 and 0.0"),
        (lambda: stats.Interval(0.5, 0.0, 1.0, 1.0, 5), "level must be strictly between 0 and 1, got 1.0"),
        (lambda: stats.Interval(0.5, 0.0, 1.0, 0.95, 0), "n must be a whole number from 1, got 0"),
        (lambda: stats.mean_interval([]), "values must hold at least 2 values .* got 0"),
        (lambda: stats.mean_interval([0.7]), "values must hold at least 2 values .* got 1"),
        (lambda: stats.mean_interval([0.7, np.nan]), "values must be finite, got 1 values that are not"),
        (
            lambda: stats.mean_interval([[0.7, 0.8]]),
            r"values must be a vector of numbers, got shape \(1, 2\)",
        ),
        (lambda: stats.mean_interval(["a", "b"]), "values must be a vector of numbers"),
        (lambda: stats.mean_interval(SEEDS, level=95), "level must be strictly between 0 and 1, got 95"),
        (lambda: stats.bootstrap_interval([0.7], seed=0), "values must hold at least 2 values"),
        (lambda: stats.bootstrap_interval(SEEDS, seed=None), "seed must be a whole number .* got None"),
        (lambda: stats.bootstrap_interval(SEEDS, seed=-1), "seed must be a whole number .* got -1"),
        (lambda: stats.bootstrap_interval(SEEDS, seed=0, level=np.nan), "level must be strictly between"),
        (
            lambda: stats.bootstrap_interval([1, 1], seed=0, resamples=0),
            "resamples must be a whole number from 1",
        ),
        (lambda: stats.permutation_test([1.0], SEEDS, seed=0), "x must hold at least 2 values"),
        (lambda: stats.permutation_test(SEEDS, [1.0, np.inf], seed=0), "y must be finite"),
        (
            lambda: stats.permutation_test(SEEDS, [1, 2], seed=0, paired=True),
            "y must have as many values as x",
        ),
        (
            lambda: stats.permutation_test(SEEDS, SEEDS, seed=0, alternative="up"),
            "alternative must be .* 'up'",
        ),
        (lambda: stats.permutation_test(SEEDS, SEEDS, seed=0.5), "seed must be a whole number"),
        (lambda: stats.permutation_test(SEEDS, SEEDS, seed=0, resamples=True), "resamples must be a whole"),
        (lambda: stats.proportion_interval(11, 10), "successes must be a whole number from 0 to 10, got 11"),
        (lambda: stats.proportion_interval(-1, 10), "successes must be a whole number from 0 to 10, got -1"),
        (lambda: stats.proportion_interval(0.5, 10), "successes must be a whole number .* got 0.5"),
        (lambda: stats.proportion_interval(True, 10), "successes must be a whole number .* got True"),
        (lambda: stats.proportion_interval(0, 0), "n must be a whole number from 1, got 0"),
        (lambda: stats.proportion_interval(1, 2.0), "n must be a whole number from 1, got 2.0"),
        (lambda: stats.proportion_interval(1, 2, 1.0), "level must be strictly between 0 and 1, got 1.0"),
        (lambda: nulls.beta_null(5, 5), "k must be below d"),
        (lambda: nulls.beta_null(2, 5, level=0), "level must be strictly between 0 and 1, got 0"),
        (lambda: nulls.capture_p_value(1.1, 2, 5), r"capture must lie in \[0, 1\], got 1.1"),
        (lambda: nulls.capture_p_value(np.nan, 2, 5), r"capture must lie in \[0, 1\], got nan"),
        (lambda: nulls.capture_p_value(0.5, 0, 5), "k must be a whole number from 1 to"),
    ],
)
def test_a_bad_argument_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_permutation_test_refuses_a_statistic_that_is_not_finite_or_not_repeatable():
    with pytest.raises(ValueError, match="statistic must be finite"):
        stats.permutation_test(SEEDS, SEEDS, 0, statistic=lambda x, y: np.nan)
    calls = iter([1e9, *range(10**4)])
    with pytest.raises(ValueError, match="statistic must give the same number"):
        stats.permutation_test(
            [1.0, 2.0], [3.0, 4.0], 0, statistic=lambda x, y: float(next(calls)), alternative="greater"
        )
