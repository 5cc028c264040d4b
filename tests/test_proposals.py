"""Directions by key: unit vectors, inside their subspace, uniform on its sphere."""

import numpy as np
import pytest
import scipy.stats
import torch

from lglib.geometry.subspace import Subspace
from lglib.search import proposals


def drawn(propose, n):
    return torch.stack([propose(i) for i in range(n)])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_directions_of_a_subspace_are_unit_vectors_inside_it(dtype, tolerance):
    subspace = Subspace.random(300, 5, seed=1, dtype=dtype)
    u = drawn(proposals.within(subspace, 0, "random"), 50)
    assert u.dtype == dtype
    torch.testing.assert_close(u.norm(dim=1), torch.ones(50, dtype=dtype), atol=10 * tolerance, rtol=0)
    torch.testing.assert_close(subspace.project(u), u, atol=10 * tolerance, rtol=0)
    torch.testing.assert_close(subspace.capture(u), torch.ones(50, dtype=dtype), atol=1e-5, rtol=0)


def test_directions_of_a_subspace_are_uniform_on_its_sphere():
    d, k, n = 8, 3, 4000
    subspace = Subspace.random(d, k, seed=1)
    u = drawn(proposals.within(subspace, 0, "random"), n).numpy()
    basis = subspace.basis.numpy()
    # each coordinate in the basis has mean 0 and variance 1/k
    assert np.abs(u.mean(0)).max() < 4.5 / np.sqrt(k * n)
    np.testing.assert_allclose(u.T @ u / n, basis @ basis.T / k, atol=4.5 / np.sqrt(k * n))
    share = (u @ basis[:, 0]) ** 2
    assert scipy.stats.kstest(share, scipy.stats.beta(1 / 2, (k - 1) / 2).cdf).pvalue > 0.01


def test_directions_everywhere_are_uniform_on_the_whole_sphere():
    d, n = 6, 4000
    u = drawn(proposals.everywhere(d, 0, "full", dtype=torch.float64), n).numpy()
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1, rtol=1e-14)
    assert np.abs(u.mean(0)).max() < 4.5 / np.sqrt(d * n)
    np.testing.assert_allclose(u.T @ u / n, np.eye(d) / d, atol=4.5 / np.sqrt(d * n))
    assert scipy.stats.kstest(u[:, 2] ** 2, scipy.stats.beta(1 / 2, (d - 1) / 2).cdf).pvalue > 0.01


def test_a_line_has_two_directions():
    line = Subspace.random(10, 1, seed=0)
    u = drawn(proposals.within(line, 0, "line"), 200) @ line.basis[:, 0]
    np.testing.assert_allclose(u.abs(), 1, rtol=1e-12)
    assert 60 < (u > 0).sum() < 140


def test_many_float32_coordinates_still_have_unit_norm():
    u = proposals.everywhere(10**6, 0, "full")(0)
    assert u.dtype == torch.float32
    assert u.double().norm().item() == pytest.approx(1, abs=1e-6)


PROPOSALS = {
    "within": lambda seed, name: proposals.within(Subspace.random(40, 4, seed=0), seed, name),
    "everywhere": lambda seed, name: proposals.everywhere(40, seed, name),
}
both = pytest.mark.parametrize("make", PROPOSALS.values(), ids=PROPOSALS)


@both
def test_the_key_alone_decides_a_direction(make):
    propose, again = make(1, "name"), make(1, "name")
    last = propose(5)
    torch.manual_seed(99)
    propose(2)
    assert torch.equal(propose(5), last)  # not the order in which they are asked for
    assert torch.equal(again(5), last)
    for other in (make(2, "name")(5), make(1, "other")(5), propose(6)):
        assert not torch.equal(other, last)


@both
def test_a_proposal_leaves_the_global_generator_alone(make):
    before = torch.get_rng_state()
    make(0, "name")(3)
    assert torch.equal(torch.get_rng_state(), before)


@both
def test_directions_of_two_candidates_seeds_or_names_are_unrelated(make):
    n = 300
    one = drawn(make(0, "a"), n)
    for other in (drawn(make(1, "a"), n), drawn(make(0, "b"), n), one.roll(1, 0)):
        cosines = (one * other).sum(1)
        assert abs(cosines.mean()) < 4.5 * cosines.std() / n**0.5
