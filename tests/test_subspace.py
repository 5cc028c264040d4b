import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lglib.geometry.subspace import Subspace

EYE = torch.eye(4, dtype=torch.float64)
sizes = st.integers(2, 12).flatmap(lambda d: st.tuples(st.just(d), st.integers(1, d)))
seeds = st.integers(0, 2**31)


def gaussian(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def symmetric(d, seed=0):
    a = gaussian(d, d, seed=seed)
    return a + a.T


def is_orthonormal(s, tolerance):
    u = s.basis.double()
    return (u.T @ u - torch.eye(s.k)).abs().max() < tolerance


# --- against dense float64 oracles


def test_project_and_capture_agree_with_the_dense_projector_of_numpy():
    vectors, x = gaussian(3, 20), gaussian(5, 20, seed=1)
    s = Subspace.from_vectors(vectors)
    a = vectors.numpy().T
    projector = a @ np.linalg.pinv(a)
    expected = x.numpy() @ projector
    np.testing.assert_allclose(s.project(x), expected, atol=1e-12)
    np.testing.assert_allclose(s.project(x[0]), expected[0], atol=1e-12)
    share = (expected**2).sum(1) / (x.numpy() ** 2).sum(1)
    np.testing.assert_allclose(s.capture(x), share, rtol=1e-12)
    np.testing.assert_allclose(s.norm_ratio(x), np.sqrt(share), rtol=1e-12)
    np.testing.assert_allclose(s.mass(x), (expected**2).sum(1), rtol=1e-12)
    np.testing.assert_allclose(s.density(x), (expected**2).sum(1) / 3, rtol=1e-12)


def test_a_single_vector_gives_python_floats_that_match_the_batch():
    s, x = Subspace.random(20, 3, seed=0), gaussian(2, 20)
    for measure in (s.capture, s.norm_ratio, s.mass, s.density):
        assert isinstance(measure(x[1]), float)
        assert measure(x[1]) == pytest.approx(measure(x)[1].item(), rel=1e-14)


def test_coordinates_are_the_products_with_the_basis():
    s, x = Subspace.random(20, 3, seed=0), gaussian(5, 20, seed=1)
    np.testing.assert_allclose(s.coordinates(x), x.numpy() @ s.basis.numpy(), rtol=1e-12)
    np.testing.assert_allclose(s.coordinates(x[2]), s.basis.numpy().T @ x[2].numpy(), rtol=1e-12)
    assert s.coordinates(x).shape == (5, 3)
    torch.testing.assert_close(s.coordinates(x) @ s.basis.T, s.project(x), rtol=1e-12, atol=1e-14)
    z = gaussian(4, 3, seed=2)
    torch.testing.assert_close(s.coordinates(z @ s.basis.T), z, rtol=1e-12, atol=1e-14)


def test_squared_coordinates_add_up_to_the_mass():
    s, x = Subspace.random(20, 3, seed=0), gaussian(5, 20, seed=1)
    torch.testing.assert_close(s.coordinates(x).square().sum(1), s.mass(x), rtol=1e-12, atol=0)


def test_overlap_and_principal_angles_agree_with_scipy():
    a, b = Subspace.random(15, 4, seed=0), Subspace.random(15, 6, seed=1)
    expected = np.sort(scipy.linalg.subspace_angles(a.basis.numpy(), b.basis.numpy()))
    np.testing.assert_allclose(a.principal_angles(b), expected, atol=1e-13)
    np.testing.assert_allclose(b.principal_angles(a), expected, atol=1e-13)
    assert a.overlap(b) == pytest.approx((np.cos(expected) ** 2).mean(), rel=1e-12)


def test_tiny_and_right_angles_are_both_accurate():
    tilt = 1e-11  # its cosine is 1 in float64
    b = Subspace.from_vectors(torch.stack([EYE[0] + tilt * EYE[2], EYE[3]]))
    angles = Subspace(EYE[:, :2]).principal_angles(b)
    assert angles[0].item() == pytest.approx(tilt, rel=1e-4)
    assert angles[1].item() == pytest.approx(math.pi / 2, rel=1e-14)


def test_overlap_of_nested_subspaces_is_one_and_of_orthogonal_ones_zero():
    assert Subspace(EYE[:, :1]).overlap(Subspace(EYE[:, :3])) == 1.0
    assert Subspace(EYE[:, :1]).overlap(Subspace(EYE[:, 1:])) == 0.0


def test_overlap_of_random_subspaces_averages_larger_k_over_d():
    fixed = Subspace.random(40, 3, seed=10_000)
    overlaps = [fixed.overlap(Subspace.random(40, 8, seed=i)) for i in range(400)]
    error = np.std(overlaps) / math.sqrt(400)
    assert abs(np.mean(overlaps) - 8 / 40) < 4 * error


def test_gradient_basis_is_the_left_singular_vectors_of_numpy():
    g = gaussian(6, 30) * torch.tensor([9.0, 1, 1, 5, 1, 1], dtype=torch.float64)[:, None]
    for normalise in (False, True):
        rows = g / g.norm(dim=1, keepdim=True) if normalise else g
        u = np.linalg.svd(rows.numpy().T, full_matrices=False)[0][:, :3]
        s = Subspace.from_gradients(g, 3, normalise=normalise)
        np.testing.assert_allclose(np.abs(s.basis.numpy().T @ u), np.eye(3), atol=1e-12)
        assert (s.basis.gather(0, s.basis.abs().argmax(0, keepdim=True)) > 0).all()


def test_more_gradients_than_dimensions_work():
    s = Subspace.from_gradients(gaussian(50, 4), 4)
    assert is_orthonormal(s, 1e-14)


def test_one_large_gradient_decides_alone_unless_normalised():
    g = torch.stack([1e6 * EYE[0], EYE[1], EYE[1], EYE[1]])
    assert Subspace.from_gradients(g, 1).capture(EYE[0]) == pytest.approx(1.0)
    assert Subspace.from_gradients(g, 1, normalise=True).capture(EYE[1]) == pytest.approx(1.0)


# --- null laws


def test_capture_of_a_random_subspace_follows_its_beta_law():
    d, k, delta = 30, 4, gaussian(30, seed=5)
    # 300000 seeds gave p = 0.97 when this was written; a thousand can be unlucky (0 to 999: p = 0.006)
    captures = [Subspace.random(d, k, seed=i).capture(delta) for i in range(4000)]
    law = scipy.stats.beta(k / 2, (d - k) / 2)
    assert scipy.stats.kstest(captures, law.cdf).pvalue > 0.01


def test_a_random_subspace_of_full_dimension_has_uniform_sign():
    # without the sign fix LAPACK's QR would prefer one sign of the diagonal of R
    first = [Subspace.random(2, 2, seed=i).basis[0, 0].item() for i in range(500)]
    assert 200 < sum(x > 0 for x in first) < 300


def test_a_seed_fixes_the_subspace_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    assert torch.equal(Subspace.random(9, 3, seed=4).basis, Subspace.random(9, 3, seed=4).basis)
    assert not torch.equal(Subspace.random(9, 3, seed=4).basis, Subspace.random(9, 3, seed=5).basis)
    assert torch.equal(torch.get_rng_state(), before)


# --- properties


@settings(deadline=None, max_examples=60)
@given(sizes, seeds)
def test_capture_lies_in_the_unit_interval_and_is_idempotent(size, seed):
    d, k = size
    s, delta = Subspace.random(d, k, seed), gaussian(d, seed=seed + 1)
    assert 0.0 <= s.capture(delta) <= 1.0
    assert s.capture(s.project(delta)) == pytest.approx(1.0, abs=1e-12)
    torch.testing.assert_close(s.project(s.project(delta)), s.project(delta))


@settings(deadline=None, max_examples=60)
@given(sizes, seeds, st.floats(-250, 250))
def test_capture_ignores_rotation_of_the_basis_and_scale_of_delta(size, seed, exponent):
    d, k = size
    s, delta = Subspace.random(d, k, seed), gaussian(d, seed=seed + 1)
    rotated = Subspace(s.basis @ Subspace.random(k, k, seed + 2).basis)
    assert rotated.capture(delta) == pytest.approx(s.capture(delta), abs=1e-12)
    assert s.capture(-(10.0**exponent) * delta) == pytest.approx(s.capture(delta), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(sizes, st.data(), seeds)
def test_overlap_is_symmetric_and_within_the_unit_interval(size, data, seed):
    d, k = size
    a, b = Subspace.random(d, k, seed), Subspace.random(d, data.draw(st.integers(1, d)), seed + 1)
    assert a.overlap(b) == pytest.approx(b.overlap(a), abs=1e-14)
    assert 0.0 <= a.overlap(b) <= 1.0
    assert a.overlap(a) == pytest.approx(1.0)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 12), st.data(), seeds)
def test_a_prefix_lies_inside_the_next_one(d, data, seed):
    k = data.draw(st.integers(1, d - 1))
    points = gaussian(d + 1, d, seed=seed).cumsum(0)
    short, long = Subspace.prefix(points, k), Subspace.prefix(points, k + 1)
    assert short.overlap(long) == pytest.approx(1.0, abs=1e-8)
    assert long.capture(points[k] - points[0]) == pytest.approx(1.0, abs=1e-8)
    torch.testing.assert_close(long.basis[:, :k], short.basis, atol=1e-8, rtol=0)


@settings(deadline=None, max_examples=40)
@given(seeds, st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_the_span_ignores_the_scale_of_its_vectors(seed, exponents):
    vectors = gaussian(3, 8, seed=seed)
    scaled = vectors * 10 ** torch.tensor(exponents, dtype=torch.float64)[:, None]
    torch.testing.assert_close(Subspace.from_vectors(scaled).basis, Subspace.from_vectors(vectors).basis)


# --- Krylov


def test_krylov_space_is_the_span_of_powers_of_the_hessian():
    h, g0 = symmetric(12), gaussian(12, seed=3)
    powers = np.stack([np.linalg.matrix_power(h.numpy(), i) @ g0.numpy() for i in range(5)], 1)
    s = Subspace.krylov(lambda v: h @ v, g0, 5)
    assert scipy.linalg.subspace_angles(s.basis.numpy(), powers).max() < 1e-9
    assert is_orthonormal(s, 1e-14)


def test_gradient_descent_on_a_quadratic_stays_in_the_krylov_space():
    h, theta = symmetric(12), torch.zeros(12, dtype=torch.float64)
    h = h @ h / 50
    g0 = gaussian(12, seed=3)
    points = [theta]
    for _ in range(5):
        points.append(points[-1] - 0.5 * (h @ points[-1] + g0))
    krylov, prefix = Subspace.krylov(lambda v: h @ v, g0, 5), Subspace.prefix(torch.stack(points), 5)
    assert krylov.capture(points[-1]) == pytest.approx(1.0, abs=1e-12)
    assert krylov.overlap(prefix) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("dtype", "d"), [(torch.float64, 50), (torch.float32, 100_000)])
def test_krylov_breakdown_names_the_dimension_found(dtype, d):
    h = torch.tensor([1.0, 2.0, 5.0], dtype=dtype).repeat(d // 3 + 1)[:d]  # three eigenvalues: K_3 is closed
    g0 = gaussian(d, seed=3, dtype=dtype)
    assert Subspace.krylov(lambda v: h * v, g0, 3).k == 3
    with pytest.raises(ValueError, match="closes at dimension 3, want 4"):
        Subspace.krylov(lambda v: h * v, g0, 4)


def test_krylov_of_a_zero_hessian_closes_at_once():
    with pytest.raises(ValueError, match="closes at dimension 1, want 2"):
        Subspace.krylov(torch.zeros_like, EYE[0], 2)


def test_krylov_survives_an_hvp_that_writes_into_its_argument():
    h, g0 = symmetric(6), gaussian(6)
    s = Subspace.krylov(lambda v: v.copy_(h @ v), g0, 4)
    torch.testing.assert_close(s.basis, Subspace.krylov(lambda v: h @ v, g0, 4).basis)


# --- size and precision


def test_float32_in_a_million_dimensions_is_orthonormal():
    d, k = 10**6, 10
    points = gaussian(k + 1, d, dtype=torch.float32).cumsum(0)
    s = Subspace.prefix(points, k)
    assert s.basis.dtype == torch.float32
    assert is_orthonormal(s, 1e-5)
    assert s.capture(points[-1] - points[0]) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="found rank 10, want 11"):
        Subspace.from_vectors(torch.cat([s.basis.T, points[-1:] - points[:1]]))


def test_sums_over_ten_million_float32_terms_keep_their_digits():
    x = torch.rand(2, 10**7, generator=torch.Generator().manual_seed(0))  # one sign: plain sums lose 3 digits
    s = Subspace.from_vectors(x[:1])
    first, second = x.double()
    assert is_orthonormal(s, 1e-6)
    expected = (first @ second) ** 2 / (first @ first) / (second @ second)
    assert s.capture(x[1]) == pytest.approx(expected.item(), rel=1e-6)


def test_coordinates_over_millions_of_float32_terms_keep_their_digits():
    d = 3 * 10**6
    x = torch.rand(2, d, generator=torch.Generator().manual_seed(0))
    s = Subspace.from_vectors(x[:1])
    expected = x.double() @ s.basis.double()
    found = s.coordinates(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(s.coordinates(x[1]), found[1])


def test_nearly_parallel_updates_are_told_from_dependent_ones():
    step, turn = EYE[0], EYE[1]
    assert Subspace.from_vectors(torch.stack([step, step + 1e-10 * turn])).k == 2
    with pytest.raises(ValueError, match="found rank 1, want 2"):
        Subspace.from_vectors(torch.stack([step, 3 * step]))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_float32_extremes_neither_underflow_nor_overflow(scale):
    g = gaussian(3, 100, dtype=torch.float32)
    s = Subspace.from_vectors(g)
    torch.testing.assert_close(Subspace.from_vectors(scale * g).basis, s.basis)
    torch.testing.assert_close(s.capture(scale * g), torch.ones(3))
    assert Subspace.from_gradients(scale * g, 3).overlap(s) == pytest.approx(1.0, abs=1e-5)


def test_project_lets_gradients_through():
    x = gaussian(4).requires_grad_()
    Subspace(EYE[:, :2]).project(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0, 0.0]


# --- refusals


def test_a_basis_must_be_an_orthonormal_finite_float_matrix():
    for basis, message in [
        (2 * EYE[:, :2], "basis: U\\^T U is off"),
        (EYE[:2] * math.nan, "basis: got non-finite"),
        (EYE[0], "basis: got"),
        (EYE[:, :0], "basis: got"),
        (EYE[:2], "k must be a whole number from 1 to 2, got 4"),  # 4 columns in R^2
        (EYE.half(), "basis: got .*float16"),
        (EYE.long(), "basis: got .*int64"),
        (EYE.numpy(), "basis: got ndarray"),
    ]:
        with pytest.raises(ValueError, match=message):
            Subspace(basis)


def test_bad_vectors_are_refused_by_what_is_wrong_with_them():
    for vectors, message in [
        (torch.empty(0, 4), "vectors: got \\(0, 4\\)"),
        (EYE[0], "vectors: got \\(4,\\)"),
        (torch.stack([EYE[0], 0 * EYE[0]]), "vectors: got zero at \\[1\\]"),
        (torch.stack([EYE[0], EYE[0] / 0]), "vectors: got non-finite"),
        (gaussian(5, 4), "found rank 4, want 5"),
    ]:
        with pytest.raises(ValueError, match=message):
            Subspace.from_vectors(vectors)


@pytest.mark.parametrize("k", [0, -1, 5, 2.0, True])
def test_every_constructor_refuses_a_bad_k(k):
    for build in (
        lambda: Subspace.random(4, k, seed=0),
        lambda: Subspace.from_gradients(EYE, k),
        lambda: Subspace.krylov(lambda v: v, EYE[0], k),
        lambda: Subspace.prefix(gaussian(7, 4), k),
    ):
        with pytest.raises(ValueError, match=f"k must be a whole number from 1 to 4, got {k}"):
            build()


def test_constructors_refuse_what_they_cannot_build_from():
    low_rank = EYE[:2].repeat(2, 1)
    for build, message in [
        (lambda: Subspace.from_gradients(low_rank, 3), "k: got 3, want at most the rank found, 2"),
        (lambda: Subspace.from_gradients(0 * EYE, 1), "want at most the rank found, 0"),
        (lambda: Subspace.from_gradients(torch.diag(EYE[0]), 1, normalise=True), r"zero at \[1, 2, 3\]"),
        (lambda: Subspace.from_gradients(EYE / 0, 1), "gradients: got non-finite"),
        (lambda: Subspace.random(4, 2, seed=0, dtype=torch.float16), "dtype: got torch.float16"),
        (lambda: Subspace.krylov(lambda v: v, 0 * EYE[0], 1), "g0: got zero"),
        (lambda: Subspace.krylov(lambda v: v, EYE, 1), "g0: got"),
        (lambda: Subspace.krylov(lambda v: v[:2], EYE[0], 2), r"hvp\(v\): got d = 2"),
        (lambda: Subspace.krylov(lambda v: v / 0, EYE[0], 2), r"hvp\(v\): got non-finite"),
        (lambda: Subspace.prefix(EYE[:3], 3), "points: got 3 points, want at least k \\+ 1 = 4"),
        (lambda: Subspace.prefix(EYE[:1].repeat(3, 1), 2), "vectors: got zero at"),
    ]:
        with pytest.raises(ValueError, match=message):
            build()


@pytest.mark.parametrize("method", ["coordinates", "project", "capture", "norm_ratio", "mass", "density"])
def test_every_method_refuses_vectors_of_another_space(method):
    measure = getattr(Subspace(EYE[:, :2]), method)
    for x, message in [
        (torch.ones(3, dtype=torch.float64), "got d = 3, torch.float64, cpu, want d = 4"),
        (torch.ones(4), "got d = 4, torch.float32, cpu, want d = 4, torch.float64"),
        (torch.ones(4, dtype=torch.float64, device="meta"), "meta, want d = 4, torch.float64, cpu"),
        (EYE / 0, "non-finite"),
        (EYE[None], "got \\(1, 4, 4\\)"),
        ([1.0, 2.0], "got list"),
    ]:
        with pytest.raises(ValueError, match=message):
            measure(x)


def test_a_zero_displacement_has_no_capture_but_zero_mass():
    s = Subspace(EYE[:, :2])
    assert s.mass(0 * EYE[0]) == 0.0
    with pytest.raises(ValueError, match="delta: got zero at \\[2\\]"):
        s.capture(torch.stack([EYE[0], EYE[1], 0 * EYE[0]]))


@pytest.mark.parametrize("method", ["overlap", "principal_angles"])
def test_subspaces_of_different_spaces_cannot_be_compared(method):
    compare = getattr(Subspace(EYE[:, :2]), method)
    with pytest.raises(ValueError, match="other: got d = 5"):
        compare(Subspace.random(5, 2, seed=0))
    with pytest.raises(ValueError, match=r"other: got .*float32"):
        compare(Subspace(EYE.float()))
