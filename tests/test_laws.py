"""The laws of lglib.theory against closed forms, quadrature by scipy and Monte Carlo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from lglib.theory import laws, nulls

counts = st.integers(1, 10**12)
scales = st.floats(1e-3, 1e3)


def standard_errors_off(sample: np.ndarray, expected: float) -> float:
    """How many standard errors the mean of the sample lies from the expected value."""
    return abs(sample.mean() - expected) / stats.sem(sample)


def test_expected_maximum_matches_its_closed_forms():
    root = np.sqrt(np.pi)
    four = 6 / root * np.arctan(np.sqrt(2)) / np.pi
    five = 5 / (4 * root) * (1 + 6 / np.pi * np.arcsin(1 / 3))
    assert laws.expected_maximum(1) == 0
    np.testing.assert_allclose(laws.expected_maximum([2, 3]), [1 / root, 1.5 / root], rtol=1e-13)
    np.testing.assert_allclose(laws.expected_maximum(4), four, rtol=1e-13)
    np.testing.assert_allclose(laws.expected_maximum(5), five, rtol=1e-13)


@pytest.mark.parametrize("n", [10, 10**4, 10**8, 10**12])
def test_expected_maximum_and_its_spread_match_adaptive_quadrature(n):
    middle = laws.maximum_quantile(0.5, n)
    cdf = stats.norm.logcdf

    def moment(power):
        def integrand(x):
            return x**power * n * np.exp(stats.norm.logpdf(x) + (n - 1) * cdf(x))

        return integrate.quad(integrand, middle - 4, middle + 6, points=[middle], epsabs=0, epsrel=1e-12)[0]

    mean = moment(1)
    np.testing.assert_allclose(laws.expected_maximum(n), mean, rtol=1e-10)
    np.testing.assert_allclose(laws.maximum_std(n), np.sqrt(moment(2) - mean**2), rtol=1e-8)


def test_spread_of_the_maximum_matches_its_closed_forms():
    np.testing.assert_allclose(laws.maximum_std([1, 2]), [1, np.sqrt(1 - 1 / np.pi)], rtol=1e-13)


def test_maximum_of_very_many_normals_follows_the_gumbel_limit():
    n = 2**53
    location = laws.maximum_quantile(np.exp(-1), n)
    scale = laws.maximum_quantile(np.exp(-np.exp(-1)), n) - location
    assert laws.expected_maximum(n) == pytest.approx(location + np.euler_gamma * scale, rel=1e-3)
    assert laws.maximum_std(n) == pytest.approx(np.pi / np.sqrt(6) * scale, rel=0.03)


@given(counts)
def test_expected_maximum_grows_and_stays_below_its_bound(n):
    assert laws.expected_maximum(n + max(1, n // 100)) > laws.expected_maximum(n)
    assert laws.expected_maximum(n) <= laws.maximum_bound(n)


@given(st.floats(1e-6, 1 - 1e-6), counts)
def test_quantile_of_the_maximum_inverts_its_cdf(q, n):
    assert laws.maximum_cdf(laws.maximum_quantile(q, n), n) == pytest.approx(q, rel=1e-9)


def test_maximum_of_sampled_normals_follows_its_cdf():
    sample = np.random.default_rng(0).standard_normal((2000, 50)).max(axis=1)
    assert stats.kstest(sample, lambda x: laws.maximum_cdf(x, 50)).pvalue > 1e-3


def test_scalars_give_floats_and_arrays_broadcast():
    assert type(laws.expected_maximum(np.int64(7))) is float
    assert type(laws.subspace_gain(1, 3, 7, rho=1)) is float
    assert laws.best_of_n_gain(0.1, [1.0, 2.0], [[2], [3], [4]]).shape == (3, 2)
    assert laws.subspace_gain(1.0, [1, 2, 3], 5, sigma=0.1).shape == (3,)
    table = laws.expected_maximum_cosine([[2], [30]], [1, 5, 900])
    assert table[1, 2] == laws.expected_maximum_cosine(30, 900)


@pytest.mark.parametrize("d", [3, 300])
def test_best_of_n_gain_does_not_know_the_dimension(d):
    rng = np.random.default_rng(1)
    a = rng.standard_normal(d)
    a *= 2 / np.linalg.norm(a)
    gains = (0.1 * rng.standard_normal((2000, 8, d)) @ a).max(axis=1)
    assert standard_errors_off(gains, laws.best_of_n_gain(0.1, 2.0, 8)) < 4


@pytest.mark.parametrize("n", [1, 2, 10, 10**6, 10**12])
def test_maximum_cosine_matches_its_closed_forms_in_one_and_three_dimensions(n):
    assert laws.expected_maximum_cosine(n, 1) == pytest.approx(1 - 2.0 ** (1 - n), abs=1e-15)
    assert laws.expected_maximum_cosine(n, 3) == pytest.approx((n - 1) / (n + 1), abs=1e-14)


@pytest.mark.parametrize("d", [2, 4, 17, 1000])
@pytest.mark.parametrize("n", [2, 10, 1000])
def test_maximum_cosine_matches_adaptive_quadrature_of_its_beta_law(d, n):
    law = nulls.cosine_law(d)
    middle = law.isf(-np.expm1(np.log(0.5) / n))  # the median of the maximum

    def lost(angle):  # the angle to the fixed direction, in which the integrand is smooth
        return law.cdf(np.cos(angle)) ** n * np.sin(angle)

    mean = 1 - integrate.quad(lost, 0, np.pi, points=[np.arccos(middle)], epsabs=1e-14, limit=300)[0]
    assert laws.expected_maximum_cosine(n, d) == pytest.approx(mean, rel=1e-11)


def test_best_of_two_cosines_in_four_dimensions_has_its_closed_form():
    assert laws.expected_maximum_cosine(2, 4) == pytest.approx(128 / (45 * np.pi**2), rel=1e-14)


def test_maximum_cosine_tends_to_the_gaussian_law_as_dimension_grows():
    n, d = np.array([[2], [100], [10**6], [10**12]]), np.array([1e3, 1e6, 1e9, 1e12])
    ratio = laws.expected_maximum_cosine(n, d) * np.sqrt(d) / laws.expected_maximum(n)
    assert np.all(np.abs(ratio - 1) < 13 / d + 1e-12)  # the correction is of order (m_N^2 / 4) / d
    np.testing.assert_allclose((ratio[0, :2] - 1) * d[:2], 1 / 8, rtol=1e-2)


@given(st.integers(2, 10**12), st.integers(1, 10**9))
@settings(max_examples=50)
def test_maximum_cosine_is_a_cosine_and_falls_with_dimension(n, d):
    smaller, larger = laws.expected_maximum_cosine(n, d), laws.expected_maximum_cosine(n, 2 * d)
    assert 0 < larger <= smaller <= 1


def test_sphere_gain_matches_monte_carlo():
    rng = np.random.default_rng(2)
    a = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    steps = rng.standard_normal((4000, 6, 5))
    steps *= 0.3 / np.linalg.norm(steps, axis=-1, keepdims=True)
    gains = (steps @ a).max(axis=1)
    assert standard_errors_off(gains, laws.sphere_gain(0.3, np.linalg.norm(a), 5, 6)) < 4


def test_subspace_gain_counts_mass_at_fixed_sigma_and_density_at_fixed_norm():
    small, large = (1.0, 10), (4.0, 1000)  # (mass, k): density 0.1 and 0.004
    assert laws.subspace_gain(*small, 100, sigma=0.1) < laws.subspace_gain(*large, 100, sigma=0.1)
    assert laws.subspace_gain(*small, 100, rho=0.1) > laws.subspace_gain(*large, 100, rho=0.1)
    by_density = 0.1 * np.sqrt(4.0 / 1000) * laws.expected_maximum(100)
    assert laws.subspace_gain(*large, 100, rho=0.1) == pytest.approx(by_density, rel=2e-3)


def test_subspace_gain_in_the_whole_space_is_the_unrestricted_gain():
    assert laws.subspace_gain(9.0, 7, 20, sigma=0.2) == laws.best_of_n_gain(0.2, 3.0, 20)
    assert laws.subspace_gain(9.0, 7, 20, rho=0.2) == laws.sphere_gain(0.2, 3.0, 7, 20)


def quadratic_gains(order: str) -> tuple[np.ndarray, dict[str, float]]:
    """True quadratic gains of the best of 16, ranked by the linear term or by the gain itself."""
    rng, sigma, d = np.random.default_rng(3), 0.15, 60
    h = np.concatenate([[0.0], rng.uniform(0, 2, d - 1)])  # a lies along the flat first axis
    eps = sigma * rng.standard_normal((3000, 16, d))
    linear = eps[..., 0]
    gain = linear - eps**2 @ h / 2
    best = np.argmax(linear if order == "linear" else gain, axis=1)
    law = {"sigma": sigma, "norm": 1.0, "trace": h.sum(), "n": 16, "frobenius": np.linalg.norm(h)}
    return gain[np.arange(3000), best], law


def test_curved_gain_is_exact_when_candidates_are_ranked_by_a_flat_direction():
    gains, law = quadratic_gains("linear")
    law.pop("frobenius")
    assert standard_errors_off(gains, laws.curved_gain(**law)) < 4


def test_second_order_curved_gain_is_closer_when_candidates_are_ranked_by_the_true_gain():
    gains, law = quadratic_gains("gain")
    refined = laws.curved_gain(**law)
    law.pop("frobenius")
    plain = laws.curved_gain(**law)
    assert abs(refined - gains.mean()) < abs(plain - gains.mean()) / 3
    assert plain < refined


def test_curved_gain_without_curvature_is_theorem_one():
    assert laws.curved_gain(0.1, 2.0, 0.0, 50) == laws.best_of_n_gain(0.1, 2.0, 50)


@given(scales, scales, st.integers(2, 10**12), st.floats(0.1, 10))
def test_optimal_sigma_maximises_the_curved_gain(norm, trace, n, factor):
    sigma = laws.optimal_sigma(norm, trace, n)
    best = laws.optimal_gain(norm, trace, n)
    assert laws.curved_gain(sigma, norm, trace, n) == pytest.approx(best, rel=1e-9)
    assert laws.curved_gain(factor * sigma, norm, trace, n) <= best * (1 + 1e-12)


def test_a_single_draw_has_no_optimal_scale_but_zero():
    assert laws.optimal_sigma(2.0, 30.0, 1) == 0
    assert laws.optimal_gain(2.0, 30.0, 1) == 0


def test_tied_noise_gains_by_the_norm_of_the_summed_blocks():
    rng = np.random.default_rng(4)
    blocks = rng.standard_normal((3, 4, 5))
    noise = 0.1 * rng.standard_normal((4000, 10, 20))  # one tensor, used by all three blocks
    gains = sum(noise @ block.ravel() for block in blocks).max(axis=1)
    assert standard_errors_off(gains, laws.best_of_n_gain(0.1, laws.tied_norm(list(blocks)), 10)) < 4
    assert laws.tied_norm([blocks[0]] * 4) == pytest.approx(4 * np.linalg.norm(blocks[0]))
    assert laws.tied_norm([blocks[0], -blocks[0]]) == 0


def test_held_out_gain_matches_monte_carlo():
    rng = np.random.default_rng(5)
    a_select = rng.standard_normal(30)
    a_held = a_select + rng.standard_normal(30)
    eps = 0.1 * rng.standard_normal((4000, 10, 30))
    best = np.argmax(eps @ a_select, axis=1)
    gains = (eps @ a_held)[np.arange(4000), best]
    assert standard_errors_off(gains, laws.held_out_gain(0.1, a_select, a_held, 10)) < 4


def test_held_out_gain_is_the_full_gain_on_the_selection_score_and_none_on_an_orthogonal_one():
    a = np.array([3.0, 4.0])
    assert laws.held_out_gain(0.1, a, a, 10) == pytest.approx(laws.best_of_n_gain(0.1, 5.0, 10))
    assert laws.held_out_gain(0.1, a, [-4.0, 3.0], 10) == 0


def test_capture_of_a_random_subspace_follows_its_beta_law():
    rng, k, d = np.random.default_rng(6), 5, 40
    delta = rng.standard_normal(d)
    bases = np.linalg.qr(rng.standard_normal((1500, d, k)))[0]  # (1500, d, k)
    captures = np.sum((delta @ bases) ** 2, axis=-1) / (delta @ delta)
    law = nulls.capture_law(k, d)
    assert law.mean() == pytest.approx(k / d)
    assert stats.kstest(captures, law.cdf).pvalue > 1e-3


def test_cosine_of_random_directions_follows_its_law():
    rng, d = np.random.default_rng(7), 6
    x = rng.standard_normal((3000, d))
    law = nulls.cosine_law(d)
    assert law.mean() == pytest.approx(0, abs=1e-15)
    assert law.var() == pytest.approx(1 / d)
    assert stats.kstest(x[:, 0] / np.linalg.norm(x, axis=1), law.cdf).pvalue > 1e-3


def test_squared_cosine_is_the_capture_by_a_line():
    t = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(2 * nulls.cosine_law(9).sf(t), nulls.capture_law(1, 9).sf(t**2), rtol=1e-10)


@pytest.mark.parametrize("bad", [0, -3, 2.5, np.nan, np.inf, 10**20, "7", None, [], True, [4, 0]])
def test_a_count_that_is_not_a_whole_number_from_one_is_refused(bad):
    wants = "n must be a whole number from 1 to"
    for call in (
        lambda: laws.expected_maximum(bad),
        lambda: laws.maximum_std(bad),
        lambda: laws.maximum_bound(bad),
        lambda: laws.maximum_cdf(0.0, bad),
        lambda: laws.maximum_quantile(0.5, bad),
        lambda: laws.best_of_n_gain(0.1, 1.0, bad),
        lambda: laws.expected_maximum_cosine(bad, 5),
        lambda: laws.sphere_gain(0.1, 1.0, 5, bad),
        lambda: laws.subspace_gain(1.0, 5, bad, sigma=0.1),
        lambda: laws.curved_gain(0.1, 1.0, 1.0, bad),
        lambda: laws.optimal_sigma(1.0, 1.0, bad),
        lambda: laws.held_out_gain(0.1, [1.0], [1.0], bad),
    ):
        with pytest.raises(ValueError, match=wants):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: laws.maximum_cdf(np.nan, 2), "x must be finite, got nan"),
        (lambda: laws.maximum_quantile(0.0, 2), "q must be strictly between 0 and 1, got 0.0"),
        (lambda: laws.maximum_quantile([0.5, 1.0], 2), "q must be strictly between 0 and 1"),
        (lambda: laws.best_of_n_gain(0.0, 1.0, 2), "sigma must be finite and > 0, got 0.0"),
        (lambda: laws.best_of_n_gain(np.inf, 1.0, 2), "sigma must be finite and > 0, got inf"),
        (lambda: laws.best_of_n_gain(0.1, -1.0, 2), "norm must be finite and >= 0, got -1.0"),
        (lambda: laws.expected_maximum_cosine(2, 0), "d must be a whole number from 1 to"),
        (lambda: laws.sphere_gain(0.0, 1.0, 5, 2), "rho must be finite and > 0, got 0.0"),
        (lambda: laws.sphere_gain(1.0, np.nan, 5, 2), "norm must be finite and >= 0, got nan"),
        (lambda: laws.sphere_gain(1.0, 1.0, 2.5, 2), "d must be a whole number from 1 to"),
        (lambda: laws.subspace_gain(-1.0, 5, 2, sigma=0.1), "mass must be finite and >= 0, got -1.0"),
        (lambda: laws.subspace_gain(1.0, 0, 2, sigma=0.1), "k must be a whole number from 1 to"),
        (lambda: laws.subspace_gain(1.0, 5, 2, sigma=-0.1), "sigma must be finite and > 0, got -0.1"),
        (lambda: laws.subspace_gain(1.0, 5, 2, rho=-0.1), "rho must be finite and > 0, got -0.1"),
        (lambda: laws.subspace_gain(1.0, 5, 2), "give exactly one of sigma and rho"),
        (lambda: laws.subspace_gain(1.0, 5, 2, sigma=0.1, rho=0.1), "give exactly one of sigma and rho"),
        (lambda: laws.curved_gain(0.0, 1.0, 1.0, 2), "sigma must be finite and > 0"),
        (lambda: laws.curved_gain(0.1, 1.0, np.nan, 2), "trace must be finite, got nan"),
        (lambda: laws.curved_gain(0.1, 1.0, 1.0, 2, frobenius=-1.0), "frobenius must be finite and >= 0"),
        (lambda: laws.optimal_sigma(1.0, 0.0, 2), "trace must be .*without positive mean curvature"),
        (lambda: laws.optimal_gain(1.0, -1.0, 2), "trace must be .* no finite optimum"),
        (lambda: laws.tied_norm([]), "blocks must be arrays of one shape"),
        (lambda: laws.tied_norm([[1.0], [1.0, 2.0]]), r"got shapes \[\(1,\), \(2,\)\]"),
        (lambda: laws.tied_norm([[1.0], [np.nan]]), r"blocks\[1\] must be an array of finite numbers"),
        (lambda: laws.held_out_gain(0.1, [0.0], [1.0], 2), "a_select must not be 0"),
        (lambda: laws.held_out_gain(0.1, [1.0], [1.0, 2.0], 2), "must be vectors of one length"),
        (lambda: laws.held_out_gain(0.1, [[1.0]], [[1.0]], 2), "must be vectors of one length"),
        (lambda: laws.held_out_gain(0.1, [1.0], [np.inf], 2), "a_held must be finite"),
        (lambda: laws.held_out_gain(0.0, [1.0], [1.0], 2), "sigma must be finite and > 0"),
        (lambda: nulls.capture_law(0, 5), "k must be a whole number from 1 to"),
        (lambda: nulls.capture_law(5, 5), "k must be below d .* got k=5 and d=5"),
        (lambda: nulls.capture_law(6, 5), "k must be below d .* got k=6 and d=5"),
        (lambda: nulls.cosine_law(1), "d must be a whole number from 2 to"),
    ],
)
def test_a_bad_argument_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_candidate_with_the_best_linear_gain_nets_its_exact_law_on_a_quadratic():
    rng, d, n, sigma = np.random.default_rng(5), 12, 8, 0.3
    a, H = rng.standard_normal(d), np.diag(rng.uniform(0, 3, d))
    eps = sigma * rng.standard_normal((40_000, n, d))
    best = np.take_along_axis(eps, (eps @ a).argmax(1)[:, None, None], axis=1)[:, 0]  # (blocks, d)
    net = best @ a - np.einsum("bi,ij,bj->b", best, H, best) / 2
    law = laws.linear_winner_gain(sigma, np.linalg.norm(a), np.trace(H), a @ H @ a / (a @ a), n)
    assert standard_errors_off(net, law) < 4


def test_second_moment_of_the_maximum_is_its_variance_plus_its_squared_mean():
    n = np.array([1, 2, 16, 1000])
    expected = laws.maximum_std(n) ** 2 + laws.expected_maximum(n) ** 2
    np.testing.assert_allclose(laws.maximum_second_moment(n), expected, rtol=1e-12)
