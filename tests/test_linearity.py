"""F1, F2 and where they cross, against closed forms of a cubic and a quadratic, in float64 and float32."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lglib.parameters import linearity
from lglib.parameters.linearity import Regime
from lglib.parameters.space import ParameterSpace

D = 6
SCALES = np.logspace(-3, 2, 41)


class Point(nn.Module):
    def __init__(self, theta):
        super().__init__()
        self.theta = nn.Parameter(torch.as_tensor(theta))


def space_of(seed=0, dtype=torch.float64):
    return ParameterSpace(Point(gaussian(D, seed=seed).to(dtype)))


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(seed):
    u = gaussian(D, seed=seed)
    return u / u.norm()


class Cubic:
    """L = c + g.x + x.Ax / 2 + k sum x^3, with every derivative known."""

    def __init__(self, k=0.7, seed=3, convex=False):
        a = gaussian(D, D, seed=seed)
        self.a, self.g, self.k = a @ a.T if convex else a + a.T, gaussian(D, seed=seed + 1), k

    def __call__(self, net, batch):
        x = net.theta
        a, g = self.a.to(x), self.g.to(x)
        return 1.5 + g @ x + x @ a @ x / 2 + self.k * (x**3).sum()

    def parts(self, x, u, s):
        """F1, F2, g.u, u.Hu in closed form."""
        slope = (self.g + self.a @ x + 3 * self.k * x**2) @ u
        bend = u @ (self.a @ u) + 6 * self.k * (x * u**2).sum()
        third = self.k * (u**3).sum()
        return s * slope.item() + s**3 * third.item(), s**2 * bend.item() / 2, slope.item(), bend.item()


@pytest.mark.parametrize("seed", range(4))
def test_f1_and_f2_of_a_cubic_are_its_odd_and_even_parts_exactly(seed):
    space, loss, u = space_of(), Cubic(), unit(10 + seed)
    scales = np.array([1e-2, 0.1, 1.0, 30.0])
    (found,) = linearity.measure(space, loss, None, [u], scales)
    f1, f2, slope, _ = loss.parts(space.flatten(), u, scales)
    size = np.abs(loss(space.module, None).item()) + np.abs(f1) + np.abs(f2)
    assert (np.abs(found.f1 - f1) < 1e-14 * size * 10).all()
    assert (np.abs(found.f2 - f2) < 1e-14 * size * 10).all()
    assert found.slope == pytest.approx(slope, rel=1e-12)
    np.testing.assert_allclose(found.ratio, np.abs(f2 / f1), rtol=1e-9)
    np.testing.assert_allclose(found.error, np.abs(f1 / (scales * slope) - 1), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(found.scales, scales)


@pytest.mark.parametrize("seed", range(6))
def test_the_crossing_of_a_quadratic_is_twice_the_slope_over_the_curvature(seed):
    space, loss, u = space_of(), Cubic(k=0), unit(seed)
    (found,) = linearity.measure(space, loss, None, [u], SCALES)
    _, _, slope, bend = loss.parts(space.flatten(), u, 1.0)
    expected = 2 * abs(slope) / abs(bend)
    assert SCALES[0] < expected < SCALES[-1]
    assert found.crossing == pytest.approx(expected, rel=1e-6)


def test_the_opposite_direction_has_the_same_crossing_and_the_opposite_f1():
    space, loss, u = space_of(), Cubic(), unit(0)
    one, other = linearity.measure(space, loss, None, [u, -u], SCALES)
    np.testing.assert_allclose(other.f1, -one.f1)
    np.testing.assert_allclose(other.f2, one.f2)
    assert other.slope == pytest.approx(-one.slope)
    assert other.crossing == pytest.approx(one.crossing)


def test_a_regime_that_never_ends_ends_at_the_largest_scale_and_one_that_never_was_at_the_smallest():
    s = np.array([0.1, 1.0, 10.0])
    assert Regime(s, s, 0 * s, 1.0).crossing == 10.0
    assert Regime(s, 0 * s, s**2, 0.0).crossing == 0.1
    assert Regime(s, s, 1e9 * s**2, 1.0).crossing == 0.1
    assert Regime(s[:1], s[:1], 0.5 * s[:1], 1.0).crossing == 0.1
    assert Regime(s, s, -(s**2) / 5, 1.0).crossing == pytest.approx(5.0)


def test_the_ratio_is_infinite_where_the_odd_part_is_zero():
    s = np.array([1.0, 2.0, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Regime(s, np.array([0.0, 1.0, -2.0]), np.array([1.0, -3.0, 0.0]), 1.0).ratio
    assert found.tolist() == [math.inf, 3.0, 0.0]


def test_the_error_of_a_direction_without_slope_is_not_a_warning():
    s = np.array([1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Regime(s, s**3, s**2, 0.0).error
    assert not np.isfinite(found).any()


def test_the_longest_run_decides_and_rounding_at_small_scales_does_not():
    s = np.logspace(-8, 1, 10)
    ratio = np.array([0.2, 5, 0.3, 4, 1e-4, 1e-3, 1e-2, 0.1, 10, 100])
    assert s[7] < Regime(s, s, ratio * s, 1.0).crossing < s[8]
    assert Regime(s, s, ratio * s, 1.0).crossing == pytest.approx(s[7] * 10**0.5)


def test_in_float32_rounding_drowns_small_scales_and_the_crossing_stands():
    wide, loss = space_of(), Cubic(k=0)
    narrow = space_of(dtype=torch.float32)
    scales = np.logspace(-9, 2, 45)
    u = unit(0)
    (exact,), (rough,) = (
        linearity.measure(space, loss, None, [v], scales) for space, v in ((wide, u), (narrow, u.float()))
    )
    assert (rough.error[:8] > 0.3).all(), "at scales below rounding nothing moves as it should"
    assert rough.crossing == pytest.approx(exact.crossing, rel=1e-3)
    assert rough.slope == pytest.approx(exact.slope, rel=1e-5)


def test_a_loss_that_overflows_far_away_still_has_a_crossing():
    space = ParameterSpace(Point(torch.zeros(1, dtype=torch.float64)))
    scales = np.array([1e-2, 1e-1, 1.0, 1e3, 1e4])
    (found,) = linearity.measure(
        space, lambda net, _: net.theta.exp().sum(), None, [torch.ones(1).double()], scales
    )
    assert found.f1[:3] == pytest.approx(np.sinh(scales[:3]))
    assert found.f2[:3] == pytest.approx(np.cosh(scales[:3]) - 1)
    assert math.isfinite(found.crossing), "tanh(s / 2) < 1 as far as the loss is finite"
    assert found.crossing >= 1.0


# --- theta


def test_theta_comes_back_bit_for_bit():
    space = space_of()
    with torch.no_grad():
        space.module.theta[0] = -0.0
    before = space.flatten()
    linearity.measure(space, Cubic(), None, [unit(0), unit(1)], [1e-3, 1e3])
    assert space.flatten().view(torch.int64).tolist() == before.view(torch.int64).tolist()
    assert space.module.theta.grad is None


@pytest.mark.parametrize("calls", [0, 1, 2, 5])
def test_theta_comes_back_also_after_an_error(calls):
    space, left = space_of(dtype=torch.float32), [calls]
    before = space.flatten()

    def loss(net, batch):
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("mine")
        return (net.theta**3).sum()

    with pytest.raises(RuntimeError, match="mine"):
        linearity.measure(space, loss, None, [unit(0).float()], [0.1, 1.0])
    assert torch.equal(space.flatten(), before)


def test_a_wrong_direction_behind_a_right_one_leaves_theta_as_it_was():
    space = space_of()
    before = space.flatten()
    with pytest.raises(ValueError, match=r"directions\[1\] must be a unit vector"):
        linearity.measure(space, Cubic(), None, [unit(0), 2 * unit(1)], [0.1, 1.0])
    assert torch.equal(space.flatten(), before)


def test_a_step_that_overflows_theta_is_refused_and_undone():
    space = ParameterSpace(Point(torch.tensor([3e38, 0.0])))
    before = space.flatten()
    with pytest.raises(ValueError, match="non-finite"):
        linearity.measure(space, lambda net, _: net.theta[1], None, [torch.tensor([1.0, 0.0])], [1.0, 3e38])
    assert torch.equal(space.flatten(), before)


# --- refusals


@pytest.mark.parametrize(
    "scales",
    [
        [],
        [0.0],
        [0.0, 1.0],
        [-1.0, 1.0],
        [1.0, 0.1],
        [1.0, 1.0],
        [1.0, float("nan")],
        [float("inf")],
        [[1.0]],
        1.0,
    ],
)
def test_scales_that_are_empty_not_rising_or_not_positive_are_refused(scales):
    with pytest.raises(ValueError, match="scales must be finite, above 0 and rising"):
        linearity.measure(space_of(), Cubic(), None, [unit(0)], scales)


@pytest.mark.parametrize("many", [list, tuple, np.asarray, torch.tensor])
def test_scales_may_come_in_any_sequence(many):
    (found,) = linearity.measure(space_of(), Cubic(), None, [unit(0)], many([0.1, 1.0]))
    assert found.scales.tolist() == pytest.approx([0.1, 1.0])


@pytest.mark.parametrize(
    "u",
    [
        torch.zeros(D).double(),
        1.1 * unit(0),
        torch.ones(1).double(),
        torch.ones(D - 1).double(),
        unit(0)[None],
        torch.full((D,), torch.nan),
    ],
)
def test_a_direction_that_is_no_unit_vector_of_the_space_is_refused(u):
    with pytest.raises(ValueError, match=r"directions\[0\] must be a unit vector \(6,\)"):
        linearity.measure(space_of(), Cubic(), None, [u], [0.1])


def test_no_direction_is_refused():
    with pytest.raises(ValueError, match="directions is empty"):
        linearity.measure(space_of(), Cubic(), None, [], [0.1])


def test_a_constant_loss_has_no_regime():
    with pytest.raises(ValueError, match=r"constant, 2\.0"):
        linearity.measure(space_of(), lambda net, _: 0 * net.theta.sum() + 2, None, [unit(0)], [0.1, 1.0])
    with pytest.raises(ValueError, match="loss_fn"):
        linearity.measure(space_of(), lambda net, _: torch.tensor(2.0), None, [unit(0)], [0.1, 1.0])


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_not_finite_at_theta_is_refused(value):
    with pytest.raises(ValueError, match="want a finite loss"):
        linearity.measure(space_of(), lambda net, _: net.theta.sum() * 0 + value, None, [unit(0)], [0.1])


def test_a_loss_of_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="scalar"):
        linearity.measure(space_of(), lambda net, _: net.theta**2, None, [unit(0)], [0.1])
