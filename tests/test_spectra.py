"""Spectra of sets of vectors from their Gram matrix, against numpy's dense singular values."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lglib.geometry import spectra
from lglib.geometry.spectra import Spectrum, gram_matrix


def gaussian(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def spectrum(vectors, centre=False):
    return spectra.spectrum(gram_matrix(vectors, centre=centre))


def dense(vectors, centre=False):
    """Squared singular values (n,) of the dense matrix, as numpy finds them."""
    x = np.asarray(vectors, dtype=np.float64)
    if centre:
        x = x - x.mean(0)
    values = np.linalg.svd(x, compute_uv=False) ** 2
    return np.concatenate([values, np.zeros(len(x) - len(values))])


centres = pytest.mark.parametrize("centre", [False, True])


@centres
@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (6, 6), (2, 1), (2, 3)])
def test_eigenvalues_are_the_squared_singular_values_of_numpy(shape, centre):
    vectors = gaussian(*shape) + 3 * gaussian(shape[1], seed=1)
    found = spectrum(vectors, centre=centre).eigenvalues
    expected = dense(vectors, centre)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * expected[0])
    assert found.dtype == torch.float64
    assert (found.diff() <= 0).all()
    assert (found >= 0).all()


def test_eigenvalues_sum_to_the_energy_of_the_vectors():
    vectors = gaussian(7, 50)
    assert spectrum(vectors).eigenvalues.sum().item() == pytest.approx(vectors.square().sum().item())
    around = vectors - vectors.mean(0)
    total = spectrum(vectors, centre=True).eigenvalues.sum().item()
    assert total == pytest.approx(around.square().sum().item())


def test_centring_takes_one_direction_away():
    values = spectrum(gaussian(5, 40), centre=True).eigenvalues
    assert values[-1] < 1e-12 * values[0]
    assert values[-2] > 1e-3 * values[0]


def test_a_large_mean_decides_the_raw_spectrum_and_not_the_centred_one():
    vectors = gaussian(20, 500) + 1e3
    assert spectrum(vectors).participation_ratio < 1.01
    assert spectrum(vectors, centre=True).participation_ratio > 17


@centres
def test_blocks_of_coordinates_add_up_to_the_whole(centre):
    d = 2 * 2**16 + 5
    vectors = gaussian(4, d, dtype=torch.float32) * torch.linspace(1, 3, d) + 0.5
    found = spectrum(vectors, centre=centre).eigenvalues
    expected = dense(vectors, centre)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * expected[0])


def test_the_order_of_vectors_and_of_coordinates_does_not_matter():
    vectors = gaussian(6, 30)
    for other in (vectors.flip(0), vectors.flip(1), vectors @ torch.linalg.qr(gaussian(30, 30, seed=2))[0]):
        torch.testing.assert_close(spectrum(other).eigenvalues, spectrum(vectors).eigenvalues)


# --- closed forms


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(0, 30), st.floats(-6, 6))
def test_n_equal_eigenvalues_have_participation_ratio_n(n, zeros, exponent):
    values = torch.tensor([10.0**exponent] * n + [0.0] * zeros, dtype=torch.float64)
    found = Spectrum(values)
    assert found.participation_ratio == pytest.approx(n)
    assert found.stable_rank == pytest.approx(n)
    assert found.rank(1.0) == n
    assert found.rank(0.5) == -(-n // 2)


def test_participation_ratio_stable_rank_and_rank_of_a_geometric_spectrum():
    found = Spectrum(torch.tensor([2.0**-i for i in range(30)], dtype=torch.float64))
    assert found.participation_ratio == pytest.approx(3)  # (1/(1-r))^2 (1-r^2) at r = 1/2
    assert found.stable_rank == pytest.approx(2)
    assert [found.rank(share) for share in (0.4, 0.5, 0.6, 0.75, 0.9)] == [1, 1, 2, 2, 4]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20), st.floats(0.01, 1))
def test_measures_of_a_spectrum_lie_between_one_and_n(values, share):
    found = Spectrum(torch.tensor(sorted(values, reverse=True), dtype=torch.float64))
    n, slack = len(values), 1 + 1e-9
    assert 1 / slack <= found.stable_rank <= n * slack
    assert 1 / slack <= found.participation_ratio <= n * slack
    assert found.participation_ratio <= found.stable_rank**2 * slack
    assert 1 <= found.rank(share) <= n
    held = np.cumsum(sorted(values, reverse=True)) / sum(values)
    assert held[found.rank(share) - 1] >= share - 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_rank_that_holds_all_energy_is_the_rank_of_the_matrix(dtype):
    vectors = gaussian(9, 3, dtype=dtype) @ gaussian(3, 200, seed=1, dtype=dtype)
    assert spectrum(vectors).rank(1.0) == 3
    assert spectrum(torch.eye(5, dtype=dtype)).rank(1.0) == 5


def test_a_spectrum_ignores_the_scale_of_its_vectors():
    vectors = gaussian(5, 40, dtype=torch.float32)
    for scale in (1e-30, 1e30):
        found, expected = spectrum(scale * vectors), spectrum(vectors)
        assert found.participation_ratio == pytest.approx(expected.participation_ratio, rel=1e-5)
        assert found.rank(0.9) == expected.rank(0.9)


# --- refusals


@centres
@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (torch.ones(1, 5), r"vectors must be \(n, d\) with n >= 2, got \(1, 5\)"),
        (torch.ones(5), r"with n >= 2, got \(5,\)"),
        (torch.ones(2, 3, 4), r"with n >= 2, got \(2, 3, 4\)"),
        (torch.tensor([[1.0, torch.nan], [1.0, 2.0]]), "vectors must be finite"),
        (torch.tensor([[1.0, torch.inf], [1.0, 2.0]]), "vectors must be finite"),
        (torch.zeros(3, 4), "vectors must not be all (zero|equal)"),
        (torch.zeros(3, 0), "vectors must not be all (zero|equal)"),
    ],
)
def test_what_has_no_spectrum_is_refused(vectors, told, centre):
    with pytest.raises(ValueError, match=told):
        spectrum(vectors, centre=centre)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [3, 7, 10])
def test_equal_vectors_have_a_raw_spectrum_of_rank_one_and_no_centred_one(n, dtype):
    vectors = gaussian(50, dtype=dtype).repeat(n, 1)
    assert spectrum(vectors).rank(1.0) == 1
    with pytest.raises(ValueError, match="vectors must not be all equal"):
        spectrum(vectors, centre=True)


def test_vectors_that_differ_little_beside_their_mean_are_not_called_equal():
    vectors = gaussian(4, 60) + 1e8  # float64: their differences keep eight digits
    np.testing.assert_allclose(
        spectrum(vectors, centre=True).eigenvalues[:3], dense(vectors, centre=True)[:3], rtol=1e-5
    )


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), 90])
def test_a_share_outside_the_unit_interval_is_refused(share):
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\], got"):
        Spectrum(torch.ones(3)).rank(share)
