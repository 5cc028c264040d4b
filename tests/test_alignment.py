"""Agreement of two mean vectors: the interval, and what chance gives."""

import numpy as np
import pytest
import torch

from lglib.activations import alignment
from lglib.theory import nulls


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_cosine_is_that_of_the_means_and_lies_in_its_interval():
    a, b = gaussian(30, 8) + 1, gaussian(30, 8, seed=1) + 1
    found = alignment.cosine(a, b)
    assert found.estimate == pytest.approx(
        torch.cosine_similarity(a.mean(0), b.mean(0), dim=0).item(), abs=1e-6
    )
    assert found.low < found.estimate < found.high
    assert found.n == 30


def test_the_interval_covers_the_cosine_that_repeated_draws_scatter_by():
    true = torch.zeros(8)
    true[0] = 3.0
    cosines, widths = [], []
    for s in range(40):
        found = alignment.cosine(gaussian(40, 8, seed=s) + true, gaussian(40, 8, seed=99 + s) + true)
        cosines.append(found.estimate)
        widths.append(found.high - found.low)
    assert np.mean(widths) == pytest.approx(4 * np.std(cosines), rel=0.5)


def test_a_planted_direction_reproduces_itself_as_far_as_its_noise_lets_it():
    planted = torch.zeros(32)
    planted[3] = 1.0
    noise = gaussian(200, 32)
    # the halves of 100 have noise 0.1 in each of 32 coordinates beside a signal of 1
    assert alignment.halves(planted + noise, 0) == pytest.approx(1 / (1 + 32 * 0.01), abs=0.08)
    assert abs(alignment.halves(noise, 0)) < 0.3


def test_two_random_means_agree_no_more_than_the_law_of_random_directions():
    cosines = torch.cosine_similarity(gaussian(2000, 64), gaussian(2000, 64, seed=1), dim=1).abs()
    assert (cosines < nulls.random_direction(64)).double().mean().item() == pytest.approx(0.95, abs=0.015)


def test_pairs_on_one_line_are_not_told_from_permuted_ones_by_the_cosine_but_by_the_projection():
    line = torch.zeros(16)
    line[2] = 2.0
    bound, projection = alignment.permuted(line + 0.001 * gaussian(100, 16), line, 0)
    assert bound == pytest.approx(1, abs=1e-3)
    assert projection == pytest.approx(2 * 1.96 / 10, rel=0.1)


def test_pairs_without_a_label_stay_below_the_bound_of_permuted_ones():
    inside = 0
    for s in range(100):
        d, direction = gaussian(50, 16, seed=s), gaussian(16, seed=500 + s)
        bound, _ = alignment.permuted(d, direction, s)
        inside += torch.cosine_similarity(d.mean(0), direction, dim=0).abs().item() < bound
    assert 88 <= inside <= 100


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"a and b must be \(n, width\)"):
        alignment.cosine(gaussian(3, 4), gaussian(4, 4))
    with pytest.raises(ValueError, match="at least 2 rows"):
        alignment.cosine(gaussian(1, 4), gaussian(1, 4))
    with pytest.raises(ValueError, match="means that are not zero"):
        alignment.cosine(torch.zeros(3, 4), gaussian(3, 4))
    with pytest.raises(ValueError, match="at least 2 rows"):
        alignment.halves(gaussian(1, 4), 0)
    with pytest.raises(ValueError, match="differences must be"):
        alignment.permuted(gaussian(3, 4), gaussian(3), 0)
    for bad in (0, 2.5):
        with pytest.raises(ValueError, match="draws must be a whole number"):
            alignment.permuted(gaussian(3, 4), gaussian(4), 0, draws=bad)


def test_halves_of_noise_stay_below_the_bound_of_permuted_labels_as_often_as_it_says():
    beyond = 0
    for seed in range(60):
        a = torch.randn(24, 32, generator=torch.Generator().manual_seed(seed))
        beyond += alignment.halves(a, seed) > alignment.permuted_halves(a, seed)
    assert beyond <= 8  # 3 expected; more than 8 of 60 has a chance below 1 %


def test_halves_of_a_vector_in_noise_are_above_it_also_where_all_rows_lie_on_one_line():
    dice = torch.Generator().manual_seed(0)
    signal = torch.randn(32, generator=dice)
    noisy = signal + 2 * torch.randn(24, 32, generator=dice)
    line = torch.rand(24, 1, generator=dice) * signal
    for a in (noisy, line):
        assert alignment.halves(a, 0) > alignment.permuted_halves(a, 0) + 0.2
    with pytest.raises(ValueError, match="a split in halves needs at least 2 rows"):
        alignment.permuted_halves(line[:1], 0)
