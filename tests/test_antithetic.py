"""Random search in mirrored pairs: scores of straight and bent losses, weights, sums, and a law."""

import numpy as np
import pytest
import torch
from torch import nn

from lglib.parameters.space import ParameterSpace
from lglib.search import antithetic, random_search


@pytest.fixture
def space():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ParameterSpace(nn.Linear(6, 5).double())


def straight(space, seed=3):
    a = torch.randn(space.d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def loss(net, _):
        return -(a @ torch.cat([p.reshape(-1) for p in net.parameters()]))

    return a, loss


def test_scores_of_a_straight_loss_are_its_slopes(space):
    a, loss = straight(space)
    odd, even = antithetic.scores(space, loss, None, sigma=0.1, pairs=5, seed=4)
    slopes = [0.1 * (a @ random_search.noise(space, 4, i)).item() for i in range(5)]
    assert odd == pytest.approx(slopes)
    assert np.abs(even).max() < 1e-12


def test_scores_do_not_see_curvature_which_is_told_apart(space):
    a, loss = straight(space)
    theta = space.flatten()

    def bent(net, batch):
        gap = torch.cat([p.reshape(-1) for p in net.parameters()]) - theta
        return loss(net, batch) + 3 * gap.square().sum()

    odd, even = antithetic.scores(space, bent, None, sigma=0.1, pairs=4, seed=4)
    assert odd == pytest.approx([0.1 * (a @ random_search.noise(space, 4, i)).item() for i in range(4)])
    assert even == pytest.approx(
        [-3 * 0.01 * random_search.noise(space, 4, i).square().sum().item() for i in range(4)]
    )


def test_the_model_is_left_as_it_was(space):
    before = space.flatten()
    antithetic.scores(space, straight(space)[1], None, sigma=0.1, pairs=3, seed=0)
    assert torch.equal(space.flatten(), before)


@pytest.mark.parametrize("at_once", [1, 2, 16])
def test_directions_are_the_weighted_sums_of_the_noise(space, at_once):
    table = np.random.default_rng(0).standard_normal((5, 7))
    table[2] = 0
    noise = torch.stack([random_search.noise(space, 9, i) for i in range(7)])
    found = torch.stack(list(antithetic.directions(space, table, 9, at_once=at_once)))
    assert torch.allclose(found, torch.as_tensor(table) @ noise, atol=1e-12)


def test_the_best_pairs_are_those_of_the_largest_score_either_way():
    weights = antithetic.top([0.1, -5.0, 3.0, 0.2, 99.0], 4, 2)
    assert weights.tolist() == [0, -0.5, 0.5, 0, 0]
    assert antithetic.weighted([1.0, 2.0, 3.0], 2).tolist() == [1, 2, 0]


def test_pairs_by_lot_are_as_many_of_the_same_first_ones():
    rows = np.array([antithetic.at_random(10, 8, 4, seed) for seed in range(200)])
    assert (np.count_nonzero(rows, axis=1) == 4).all()
    assert (np.abs(rows).sum(1) == 1).all()
    assert not rows[:, 8:].any()
    assert np.abs(rows.mean(0)).max() < 0.05


def law(d, m, pairs, draws, weigh):
    """Mean cosine of J sum w eps with J a over draws, and what the law says."""
    rng = np.random.default_rng(0)
    j = rng.standard_normal((m, d)) * np.logspace(0, -1, m)[:, None]
    a = rng.standard_normal(d)
    a /= np.linalg.norm(a)
    own = j @ a
    rest = j - np.outer(own, a)
    effective = (rest**2).sum() / (own**2).sum()
    found, predicted = [], []
    for _ in range(draws):
        eps = rng.standard_normal((pairs, d))
        s = eps @ a
        w = weigh(s)
        x = j @ (w @ eps)
        found.append(x @ own / np.linalg.norm(x) / np.linalg.norm(own))
        predicted.append(antithetic.expected_cosine(antithetic.signal(w, s), effective))
    return np.mean(found), np.mean(predicted)


@pytest.mark.parametrize(
    "weigh",
    [lambda s: antithetic.weighted(s, len(s)), lambda s: antithetic.top(s, len(s), 8)],
    ids=["score-weighted", "top 8"],
)
@pytest.mark.parametrize("pairs", [16, 64, 256])
def test_the_cosine_follows_the_law_of_signal_and_effective_directions(pairs, weigh):
    found, predicted = law(d=300, m=60, pairs=pairs, draws=60, weigh=weigh)
    assert found == pytest.approx(predicted, abs=0.06)


def test_in_weight_space_the_law_has_d_less_one_directions():
    rng = np.random.default_rng(1)
    cosines = []
    for _ in range(200):
        eps = rng.standard_normal((50, 400))
        w = eps[:, 0]
        x = w @ eps
        cosines.append(x[0] / np.linalg.norm(x))
    assert np.mean(cosines) == pytest.approx(antithetic.expected_cosine(50, 399).item(), abs=0.02)


def test_score_weighting_has_the_largest_signal_of_all_weights():
    s = np.random.default_rng(0).standard_normal(40)
    best = antithetic.signal(s, s)
    assert best == pytest.approx(s @ s)
    others = [antithetic.top(s, 40, k) for k in range(1, 41)] + [np.ones(40)]
    assert all(antithetic.signal(w, s) <= best for w in others)


def test_bad_input_is_refused(space):
    _, loss = straight(space)
    with pytest.raises(ValueError, match="pairs must be a whole number from 1"):
        antithetic.scores(space, loss, None, sigma=0.1, pairs=0, seed=0)
    with pytest.raises(ValueError, match="sigma must be finite and above 0"):
        antithetic.scores(space, loss, None, sigma=0.0, pairs=1, seed=0)
    with pytest.raises(ValueError, match="too large"):
        antithetic.scores(
            space, lambda net, _: (300 * net.bias).exp().sum(), None, sigma=1e3, pairs=3, seed=0
        )
    for bad in (0, 4, 1.5):
        with pytest.raises(ValueError, match="n must be a whole number from 1 to 3"):
            antithetic.weighted([1.0, 2.0, 3.0], bad)
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 2"):
        antithetic.top([1.0, 2.0, 3.0], 2, 3)
    with pytest.raises(ValueError, match="not all zero"):
        antithetic.signal([0.0], [1.0])
    with pytest.raises(ValueError, match="directions must be above 0"):
        antithetic.expected_cosine(1.0, 0.0)
