"""Random sketches: right on average, with the variance of their law, and not alike for alike shapes."""

import itertools

import numpy as np
import pytest
import torch

from lglib.parameters import sketches
from lglib.parameters.sketches import Sketch, Squares

N, D, DRAWS = 4, 30, 2000
kinds = pytest.mark.parametrize("kind", sketches.KINDS)


def vectors(seed=0):
    """Vectors of unlike lengths, some of them far from Gaussian."""
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x[1] = x[0] + 0.3 * x[1]
    x[2, 3:] *= 0.1  # most of its length in three coordinates
    return 2 * x


def shown(sketch, x, cuts=(0, 12, 20, D)):
    for i, (start, end) in enumerate(itertools.pairwise(cuts)):
        sketch(f"parameter {i}", 0, x[:, start:end])
    return sketch.gram


@kinds
@pytest.mark.parametrize("m", [1, 5, D])
def test_inner_products_are_right_on_average_with_the_variance_of_the_law(kind, m):
    x = vectors()
    exact = x @ x.T
    squares = Squares()
    shown(squares, x)
    torch.testing.assert_close(squares.gram, x.square() @ x.square().T)
    expected = sketches.variance(exact, m, squares=squares.gram if kind == "countsketch" else None)
    found = torch.stack([shown(Sketch(kind, m=m, d=D, seed=s), x) for s in range(DRAWS)])
    away = (found - exact).double()
    spread = found.std(0)
    assert (away.mean(0).abs() < 5 * spread / DRAWS**0.5 + 1e-9).all()
    # the standard error of a variance, from the draws' own fourth moments
    error = ((away**4).mean(0) - (away**2).mean(0) ** 2).clamp(min=0).sqrt() / DRAWS**0.5
    assert ((away.square().mean(0) - expected).abs() < 5 * error + 1e-9).all()


def test_the_two_variances_differ_by_the_squares_alone():
    x = vectors()
    exact, q = x @ x.T, x.square() @ x.square().T
    dense, count = sketches.variance(exact, 7), sketches.variance(exact, 7, squares=q)
    torch.testing.assert_close(dense - count, 2 * q / 7)
    expected = exact.diagonal().outer(exact.diagonal()) + exact.square()
    torch.testing.assert_close(dense, expected / 7)
    assert (count >= -1e-12).all()


def test_a_vector_in_one_coordinate_keeps_its_length_exactly_in_a_count_sketch():
    for seed in range(20):
        sketch = Sketch("countsketch", m=2, d=D, seed=seed)
        assert shown(sketch, 3 * torch.eye(D)).diagonal().tolist() == [9.0] * D


def test_one_bucket_holds_the_signed_sum():
    x = vectors()
    rows = shown_rows(Sketch("countsketch", m=1, d=D, seed=0), x)
    signs = shown_rows(Sketch("countsketch", m=1, d=D, seed=0), torch.eye(D, dtype=torch.float64))
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(rows, x @ signs)


def shown_rows(sketch, x):
    shown(sketch, x)
    return sketch.rows


@kinds
def test_a_sketch_is_linear_in_the_vectors(kind):
    x, y = vectors(), vectors(1)
    rows = [shown_rows(Sketch(kind, m=6, d=D, seed=0), v) for v in (x, y, 2 * x - 3 * y)]
    torch.testing.assert_close(rows[2], 2 * rows[0] - 3 * rows[1])


@kinds
def test_wide_blocks_and_blocks_of_any_shape_are_taken(kind):
    wide = 2 * sketches.CHUNK + 3
    x = torch.randn(2, wide, generator=torch.Generator().manual_seed(0))
    sketch = Sketch(kind, m=400, d=wide, seed=0)
    sketch("a", 0, x)
    exact = (x.double() @ x.double().T).fill_diagonal_(wide)
    assert (sketch.gram - exact).abs().max() < 6 * wide * (2 / 400) ** 0.5
    shaped = Sketch(kind, m=400, d=wide, seed=0)
    shaped("a", 0, x.reshape(2, wide, 1, 1))
    assert torch.equal(sketch.rows, shaped.rows)


@kinds
@pytest.mark.parametrize("other", [("b", 0, 0), ("a", 1, 0), ("a", 0, 1)])
def test_alike_shapes_under_another_name_row_or_seed_are_hashed_apart(kind, other):
    """S^T S' of independent sketches is noise; were they the same, its diagonal would be one."""
    width, m = 2000, 50
    rows = []
    for name, row, seed in (("a", 0, 0), other):
        sketch = Sketch(kind, m=m, d=width, seed=seed)
        sketch(name, row, torch.eye(width, dtype=torch.float64))
        rows.append(sketch.rows)
    inner = (rows[0] * rows[1]).sum(1)  # (width,), mean 0 and variance 1/m
    assert abs(inner.mean().item()) < 5 * (1 / (m * width)) ** 0.5
    assert inner.square().mean().item() == pytest.approx(1 / m, rel=0.35)
    own = (rows[0] * rows[0]).sum(1)
    assert own.mean().item() == pytest.approx(1, abs=0.05)


@kinds
def test_the_two_parts_of_one_vector_do_not_interfere(kind):
    """The same numbers in two parameters: with the same hash, their sketch would have twice the length."""
    x = torch.randn(1, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ratios = []
    for seed in range(300):
        sketch = Sketch(kind, m=20, d=600, seed=seed)
        sketch("h.0.weight", 0, x)
        sketch("h.1.weight", 0, x)
        ratios.append(sketch.gram.item() / (2 * x.square().sum().item()))
    assert np.mean(ratios) == pytest.approx(1, abs=5 * (2 / 20 / 300) ** 0.5)


@kinds
def test_a_sketch_follows_its_seed_and_leaves_the_global_generator_alone(kind):
    x, before = vectors(), torch.get_rng_state()
    one, same, other = (shown(Sketch(kind, m=5, d=D, seed=s), x) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@kinds
def test_the_order_of_parameters_does_not_matter(kind):
    x = vectors()
    one, other = (Sketch(kind, m=5, d=D, seed=0) for _ in range(2))
    parts = [("a", 0, x[:, :12]), ("b", 0, x[:, 12:20]), ("b", 8, x[:, 20:])]
    for part in parts:
        one(*part)
    for part in parts[::-1]:
        other(*part)
    torch.testing.assert_close(one.gram, other.gram)


# --- refusals


@kinds
@pytest.mark.parametrize("m", [0, -1, 31, True, 2.0, "3", float("nan"), None])
def test_a_dimension_below_one_or_above_d_is_refused(kind, m):
    with pytest.raises(ValueError, match="m, the sketch's dimension, must be a whole number from 1 to 30"):
        Sketch(kind, m=m, d=30, seed=0)


def test_a_whole_number_of_numpy_is_one():
    assert Sketch("dense", m=np.int64(3), d=30, seed=0).m == 3


@pytest.mark.parametrize("kind", ["gaussian", "", None])
def test_an_unknown_kind_is_refused_with_those_there_are(kind):
    with pytest.raises(ValueError, match="there is: countsketch, dense"):
        Sketch(kind, m=1, d=3, seed=0)


def test_a_sketch_that_has_seen_nothing_has_no_matrix():
    with pytest.raises(ValueError, match="has seen no block"):
        _ = Sketch("dense", m=1, d=3, seed=0).gram


@pytest.mark.parametrize("m", [0, -3, float("nan")])
def test_the_laws_refuse_a_dimension_below_one(m):
    with pytest.raises(ValueError, match="at least 1"):
        sketches.variance(torch.eye(2), m)
    with pytest.raises(ValueError, match="at least 1"):
        sketches.participation_ratio(10.0, m)


@pytest.mark.parametrize("exact", [0.5, 0, -1, float("nan")])
def test_a_ratio_below_one_is_refused(exact):
    with pytest.raises(ValueError, match="at least 1"):
        sketches.participation_ratio(exact, 10)


# --- the bias of a rank


@pytest.mark.parametrize("m", [3, 15, 60])
def test_the_participation_ratio_of_a_dense_sketch_follows_its_law(m):
    x = torch.randn(20, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x *= torch.linspace(0.1, 2, 60)
    exact = x @ x.T
    trace, energy, draws = exact.trace() ** 2, [], 400
    for seed in range(draws):
        sketch = Sketch("dense", m=m, d=60, seed=seed)
        sketch("x", 0, x)
        energy.append(sketch.gram.square().sum().item())
    expected = trace.item() / sketches.participation_ratio((trace / exact.square().sum()).item(), m)
    assert np.mean(energy) == pytest.approx(expected, abs=5 * np.std(energy) / draws**0.5)


def test_a_sketch_shows_less_than_there_is_and_less_than_it_holds():
    for m in (1, 10, 1000):
        for exact in (1.0, 2.0, 50.0, 1e6, float("inf")):
            found = sketches.participation_ratio(exact, m)
            assert found < exact or exact == 1.0
            assert found <= m + 1e-9
    assert sketches.participation_ratio(float("inf"), 10) == pytest.approx(10)
    assert sketches.participation_ratio(50.0, 10**12) == pytest.approx(50)
