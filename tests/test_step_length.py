"""sigma*: its slope and curvature against closed forms, with lengths added up in float64."""

import pytest
import torch

from lglib.parameters.space import ParameterSpace
from lglib.search.step_length import sigma_star


def bowl(d, dtype=torch.float32):
    """L = sum of (theta - 0.1 i / d)^2: the gradient is 2 (theta - target), the Hessian 2 I."""
    net = torch.nn.Linear(d, 1, bias=False).to(dtype)
    torch.nn.init.zeros_(net.weight)
    target = 0.1 * torch.arange(d, dtype=dtype) / d
    return ParameterSpace(net), lambda m, _: (m.weight[0] - target).square().sum()


def test_slope_trace_and_curvature_are_those_of_the_closed_form():
    space, loss = bowl(1_000_000)
    found = sigma_star(space, loss, n=16, probes=2)
    g = space.gradient(loss).double()
    assert found.slope == pytest.approx(g.norm().item(), rel=1e-12)  # not float32's sum of 10^6 squares
    assert found.trace.estimate == pytest.approx(2e6, rel=1e-6)
    assert found.along == pytest.approx(2.0, rel=1e-6)
