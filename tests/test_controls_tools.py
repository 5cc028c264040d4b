"""Correlations beside permutations, and the advised noise scale beside a quadratic loss."""

import numpy as np
import pytest
import torch

from lglib.base.checks import NotMeasurable
from lglib.parameters.space import ParameterSpace
from lglib.search import advice, step_length
from lglib.search.step_length import Curvature
from lglib.theory import correlation, permuted
from lglib.theory.stats import Interval


def test_unrelated_numbers_have_p_values_below_a_twentieth_as_often_as_that():
    dice = np.random.default_rng(0)
    found = [
        permuted.correlation(*dice.standard_normal((2, 20)), seed, permutations=199) for seed in range(400)
    ]
    assert np.mean([one.p <= 0.05 for one in found]) == pytest.approx(0.05, abs=0.03)
    assert np.mean([one.bound for one in found]) == pytest.approx(1.96 / 20**0.5, abs=0.03)


def test_a_contrast_between_groups_alone_is_no_surprise_within_them():
    dice = np.random.default_rng(1)
    groups = np.repeat(["a", "b", "c"], 12)
    x, y = (np.repeat([0.0, 5.0, 9.0], 12) + dice.standard_normal(36) for _ in range(2))
    assert permuted.correlation(x, y, 0).p == pytest.approx(1e-3)
    assert permuted.correlation(x, y, 0, groups=groups).p > 0.05
    shuffled = dice.permutation(36)  # groups need not lie side by side
    again = permuted.correlation(x[shuffled], y[shuffled], 0, groups=groups[shuffled])
    assert again.p > 0.05
    assert again.mean == pytest.approx(correlation.parts(x, y, groups)[0])


def test_a_relation_within_groups_is_found_there():
    dice = np.random.default_rng(2)
    groups = np.repeat(["a", "b"], 15)
    x = np.repeat([0.0, 30.0], 15) + (own := dice.standard_normal(30))
    y = np.repeat([30.0, 0.0], 15) + own + 0.3 * dice.standard_normal(30)
    assert permuted.correlation(x, y, 0).r < -0.9
    assert permuted.correlation(x, y, 0, groups=groups).p < 0.01


@pytest.mark.parametrize(
    ("x", "y", "groups", "told"),
    [
        ([1.0, 2, 3], [1.0, 2, 3], None, "at least 4"),
        ([1.0, 1, 1, 1], [1.0, 2, 3, 4], None, "x must be finite and vary"),
        ([1.0, 2, 3, 4], [1.0, 2, 3, np.inf], None, "y must be finite and vary"),
        ([1.0, 2, 3, 4], [1.0, 2, 4, 3], ["a"], "groups must have one label"),
    ],
)
def test_what_has_no_correlation_is_refused(x, y, groups, told):
    with pytest.raises(ValueError, match=told):
        permuted.correlation(x, y, 0, groups=groups)


def test_the_held_out_law_is_what_a_simulated_search_gains_on_another_quadratic():
    dice, d, n, sigma = np.random.default_rng(3), 30, 16, 0.2
    select, held = (dice.standard_normal(d) for _ in range(2))
    root = dice.standard_normal((d, d)) / d**0.5
    h, u = root @ root.T, select / np.linalg.norm(select)
    eps = sigma * dice.standard_normal((20000, n, d))
    best = eps[np.arange(20000), (-(eps @ select)).argmax(1)]
    gain = -(best @ held) - 0.5 * np.einsum("ij,jk,ik->i", best, h, best)
    trace = Interval(float(np.trace(h)), 0.0, 99.0, 0.95, 8)
    curved = Curvature(1.0, trace, float(u @ h @ u))
    law = advice.held_out_law(sigma, torch.as_tensor(select), torch.as_tensor(held), curved, n)
    assert law == pytest.approx(gain.mean(), abs=4 * gain.std() / 20000**0.5)


def test_the_advised_scale_is_a_share_of_sigma_star_and_refused_where_there_is_none():
    space = ParameterSpace(torch.nn.Linear(6, 1, bias=False))
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))

    def loss(net, batch):
        return (net(batch) - 1).square().mean()

    star = step_length.sigma_star(space, loss, x, n=8, probes=16).sigma
    assert advice.advised_sigma(space, loss, x, n=8) == pytest.approx(advice.SHARE * star)
    assert advice.advised_sigma(space, loss, x, n=8, share=1.0) == pytest.approx(star)
    with pytest.raises(NotMeasurable, match="no finite optimum"):
        advice.advised_sigma(space, lambda net, batch: -loss(net, batch), x, n=8)
    with pytest.raises(ValueError, match="share must be above 0"):
        advice.advised_sigma(space, loss, x, n=8, share=0.0)
