"""Length of a weight step, each tensor in its own root mean square, against the closed form."""

import pytest
import torch
from torch import nn

from lglib.parameters.space import ParameterSpace
from lglib.parameters.units import TensorScale


class Two(nn.Module):
    """Gains of size 100 and a matrix of size 0.01, as in a model whose |theta| is all gains."""

    def __init__(self, gain=100.0, weight=0.01, bias=None):
        super().__init__()
        self.gain = nn.Parameter(torch.full((4,), gain))
        self.weight = nn.Parameter(torch.full((6, 6), weight))
        if bias is not None:
            self.bias = nn.Parameter(torch.full((2,), bias))


def test_theta_itself_has_length_one():
    space = ParameterSpace(Two())
    assert TensorScale(space).length(space.flatten()) == pytest.approx(1, rel=1e-6)


def test_a_step_in_the_small_tensor_is_not_short_because_another_tensor_is_long():
    space = ParameterSpace(Two())
    delta = torch.zeros(space.d)
    delta[space.slices["weight"]] = 0.01  # as large as the matrix itself
    assert (delta.norm() / space.flatten().norm()).item() < 1e-3
    assert TensorScale(space).length(delta) == pytest.approx((36 / 40) ** 0.5, rel=1e-6)


def test_where_all_tensors_have_one_size_the_length_is_that_in_units_of_theta():
    space = ParameterSpace(Two(gain=0.3, weight=0.3))
    delta = torch.randn(space.d, generator=torch.Generator().manual_seed(0))
    wanted = (delta.norm() / space.flatten().norm()).item()
    assert TensorScale(space).length(delta) == pytest.approx(wanted, rel=1e-5)


def test_a_tensor_of_zeros_counts_with_a_hundredth_of_the_median():
    space = ParameterSpace(Two(gain=1.0, weight=1.0, bias=0.0))
    scale = TensorScale(space)
    assert scale.rms["bias"] == pytest.approx(0.01)
    delta = torch.zeros(space.d)
    delta[space.slices["bias"]] = 0.02
    assert scale.length(delta) == pytest.approx((2 / 42 * 2.0**2) ** 0.5, rel=1e-5)


def test_many_biases_that_are_still_zero_do_not_take_the_unit_away():
    net = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8))
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("bias"):
                p.zero_()
            elif p.ndim == 2:
                p.fill_(0.5)
    scale = TensorScale(ParameterSpace(net))
    assert sorted(set(scale.rms.values())) == pytest.approx([0.005, 0.5, 1.0])


def test_units_are_those_of_the_theta_at_which_they_were_taken():
    space = ParameterSpace(Two())
    scale, theta = TensorScale(space), space.flatten()
    with space.at(2 * theta):
        assert scale.length(theta) == pytest.approx(1, rel=1e-6)
        assert TensorScale(space).length(theta) == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("delta", "told"),
    [
        (torch.zeros(3), r"delta must be \(40,\), got \(3,\)"),
        (torch.full((40,), float("nan")), "delta must be finite"),
        (torch.full((40,), float("inf")), "delta must be finite"),
    ],
)
def test_a_step_that_has_no_length_is_refused(delta, told):
    with pytest.raises(ValueError, match=told):
        TensorScale(ParameterSpace(Two())).length(delta)


def test_no_factor_gives_a_zero_step_a_length_and_zero_weights_give_no_unit():
    with pytest.raises(ValueError, match="delta is zero"):
        TensorScale(ParameterSpace(Two())).unit(torch.zeros(40))
    with pytest.raises(ValueError, match="all of its tensors are zero"):
        TensorScale(ParameterSpace(Two(gain=0.0, weight=0.0)))
