"""Hutchinson's trace and u.Hu, against the dense Hessian of a small net in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from lglib.parameters import hessian
from lglib.parameters.space import ParameterSpace
from lglib.theory import stats


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def small():
    """A small net, its Hessian (d, d), and v -> Hv."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    space, x, y = ParameterSpace(net), gaussian(10, 3), gaussian(10, 2, seed=1)

    def loss(net, batch):
        return (net(x) - y).square().mean()

    return space, space.hessian(loss), space.hvp_operator(loss)


def off(h):
    """Variance of a probe, 2 sum over i != j of H_ij^2."""
    return 2 * (h - h.diag().diag()).square().sum().item()


def draws(product, like, probes, seed, **more):
    """Single values of probes, from pairs: each trace of two probes is their mean."""
    return np.array([hessian.trace(product, like, 2, seed + i, **more).estimate for i in range(probes)])


def test_the_trace_is_that_of_the_dense_hessian_on_average(small):
    space, h, product = small
    like, n = space.flatten(), 1000
    found = hessian.trace(product, like, n, seed=0)
    assert found.estimate == pytest.approx(h.trace().item(), abs=5 * (off(h) / n) ** 0.5)
    assert (found.n, found.level) == (n, 0.95)
    half = 1.96 * (off(h) / n) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)


def test_the_variance_of_a_probe_is_twice_the_squares_off_the_diagonal():
    h = gaussian(8, 8)
    h = h + h.T
    n = 4000
    found = draws(lambda v: h @ v, torch.zeros(8).double(), n, seed=0)
    expected = off(h) / 2  # of the mean of two
    spread = ((found - h.trace().item()) ** 2).std() / n**0.5
    assert ((found - h.trace().item()) ** 2).mean() == pytest.approx(expected, abs=5 * spread)
    assert found.mean() == pytest.approx(h.trace().item(), abs=5 * (expected / n) ** 0.5)


def test_the_interval_covers_the_trace_as_often_as_it_says():
    h = gaussian(30, 30)
    h = h + h.T
    found = [hessian.trace(lambda v: h @ v, h[0], 20, seed=s).contains(h.trace().item()) for s in range(300)]
    assert np.mean(found) == pytest.approx(0.95, abs=5 * (0.95 * 0.05 / 300) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_trace_of_a_diagonal_hessian_is_exact(dtype):
    values = torch.tensor([2.0, -3.0, 0.5, 8.0], dtype=dtype)
    found = hessian.trace(lambda v: values * v, values, 2, seed=5)
    assert (found.estimate, found.low, found.high) == (7.5, 7.5, 7.5)


def test_a_slice_takes_the_trace_of_its_diagonal_block_alone(small):
    space, h, product = small
    like, n = space.flatten(), 600
    for part in space.slices.values():
        block = h[part, part]
        found = hessian.trace(product, like, n, seed=0, where=part)
        assert found.estimate == pytest.approx(block.trace().item(), abs=5 * (off(block) / n) ** 0.5 + 1e-12)


def test_a_slice_probes_with_signs_inside_and_zeros_outside():
    seen = []

    def product(v):
        seen.append(v.clone())
        return v

    found = hessian.trace(product, torch.zeros(9), 4, seed=0, where=slice(2, 6))
    assert found.estimate == 4
    for v in seen:
        assert v[2:6].abs().tolist() == [1.0] * 4
        assert v[:2].tolist() + v[6:].tolist() == [0.0] * 5
    assert len({tuple(v.tolist()) for v in seen}) > 1


@pytest.mark.parametrize("where", [slice(3, 3), slice(20, 30)])
def test_an_empty_slice_has_no_trace(where):
    with pytest.raises(ValueError, match="where"):
        hessian.trace(lambda v: v, torch.zeros(9), 4, seed=0, where=where)


def test_probes_follow_their_seed_and_leave_the_global_generator_alone():
    h = gaussian(9, 9)
    before = torch.get_rng_state()
    one, same, other = (hessian.trace(lambda v: h @ v, h[0], 5, seed=s) for s in (0, 0, 1))
    assert one == same
    assert one != other
    assert torch.equal(torch.get_rng_state(), before)


def test_more_probes_begin_with_the_fewer():
    seen = {}
    for probes in (2, 5):
        seen[probes] = []
        hessian.trace(lambda v, p=probes: seen[p].append(v) or v, torch.zeros(20), probes, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(seen[2], seen[5], strict=False))


@pytest.mark.parametrize("probes", [1, 0, -1, 2.0, True, None])
def test_fewer_than_two_probes_are_refused(probes):
    with pytest.raises(ValueError, match="probes must be a whole number from 2"):
        hessian.trace(lambda v: v, torch.zeros(3), probes, seed=0)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_product_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match=r"product: z\.Hz is .*, want a finite number"):
        hessian.trace(lambda v: torch.full_like(v, value), torch.zeros(1), 2, seed=0)


def test_the_result_is_an_interval_of_the_book():
    assert isinstance(hessian.trace(lambda v: v, torch.zeros(3), 2, seed=0), stats.Interval)


def test_curvature_along_directions_is_the_quadratic_form_of_the_dense_hessian(small):
    space, h, product = small
    directions = [gaussian(space.d, seed=s) for s in range(3)]
    found = hessian.along(product, directions)
    assert found == pytest.approx([(u @ h @ u).item() for u in directions], rel=1e-10)
    values, vectors = torch.linalg.eigh(h)
    assert hessian.along(product, list(vectors.T)) == pytest.approx(values.tolist(), abs=1e-10)
    assert hessian.along(product, []) == []
