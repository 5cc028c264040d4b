"""Pools of candidates: gains against the quadratic they should follow, slopes and curvatures by hand."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from lglib.base import chunks
from lglib.geometry.subspace import Subspace
from lglib.parameters.space import ParameterSpace
from lglib.search import pools, proposals
from lglib.theory import correlation

D = 12


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def line(d=D):
    """A model that is its own theta."""
    torch.manual_seed(0)
    return ParameterSpace(nn.Linear(d, 1, bias=False).double())


A, B = gaussian(D, D, seed=1), gaussian(D, seed=2)
H = A + A.T


def quadratic(module, batch):
    theta = module.weight[0]
    return 0.5 * theta @ H @ theta + B @ theta


def linear(module, slope):
    return module.weight[0] @ slope


def network(dtype=torch.float64):
    """A curved loss: d = 26."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)
    return ParameterSpace(net), gaussian(9, 3, seed=3).to(dtype)


def curved(module, x):
    return nn.functional.cross_entropy(module(x), torch.arange(len(x)) % 2)


def spaces(d, dtype=torch.float64):
    return {
        "small": Subspace.random(d, 2, seed=5, dtype=dtype),
        "full": None,
        "large": Subspace.random(d, 6, seed=6, dtype=dtype),
    }


def draw(space=None, loss=quadratic, batch=None, families=None, **changes):
    space = line() if space is None else space
    families = spaces(space.d) if families is None else families
    how = {"norms": [0.1, 1.0], "candidates": 5, "seed": 7}
    how["static"] = Subspace.random(space.d, 3, seed=8)
    return pools.draw(space, loss, batch, families, **{**how, **changes})


def directions(families, n, seed=7, d=D):
    """Directions u (families * n, d) of a pool, made again from their keys."""
    made = [
        proposals.everywhere(d, seed, name, dtype=torch.float64)
        if one is None
        else proposals.within(one, seed, name)
        for name, one in families.items()
    ]
    return torch.stack([propose(i) for propose in made for i in range(n)])


# --- against closed forms


def test_on_a_quadratic_loss_gains_are_the_quadratic_to_rounding():
    pool = draw(norms=[1e-2, 1.0, 30.0])
    np.testing.assert_allclose(pool.gains, pool.quadratic, rtol=1e-9, atol=1e-11)
    assert pool.gains.shape == (15, 3)


def test_slope_and_curvature_of_a_quadratic_loss_are_those_of_its_matrix():
    space = line()
    pool = draw(space)
    u = directions(spaces(D), 5)
    theta = space.flatten()
    gradient = H @ theta + B
    np.testing.assert_allclose(pool.slope, -u @ gradient, rtol=1e-10)
    np.testing.assert_allclose(pool.alignment, -u @ gradient / gradient.norm(), rtol=1e-10)
    np.testing.assert_allclose(pool.curvature, ((u @ H) * u).sum(1), rtol=1e-9, atol=1e-12)


def test_curvature_agrees_with_the_dense_hessian_within_a_subspace_and_everywhere():
    space, x = network()
    families = spaces(space.d)
    pool = draw(space, curved, x, families)
    hessian = space.hessian(curved, x)
    u = directions(families, 5, d=space.d)
    np.testing.assert_allclose(pool.curvature, ((u @ hessian) * u).sum(1), rtol=1e-9, atol=1e-13)
    assert set(pool.family) == {"small", "full", "large"}


def test_on_a_curved_loss_the_quadratic_is_off_by_the_cube_of_the_norm():
    space, x = network()
    pool = draw(space, curved, x, norms=[0.02, 0.01])
    error = np.abs(pool.gains - pool.quadratic)
    assert np.median(error[:, 0] / error[:, 1]) == pytest.approx(8, rel=0.1)


def test_gains_are_losses_before_less_losses_after():
    space, x = network()
    families = spaces(space.d)
    pool = draw(space, curved, x, families, norms=[0.5])
    base, theta = space.loss(curved, x), space.flatten()
    for gain, u in zip(pool.gains[:, 0], directions(families, 5, d=space.d), strict=True):
        with space.at(theta + 0.5 * u):
            assert gain == pytest.approx(base - space.loss(curved, x), abs=1e-12)


def test_overlap_is_the_capture_of_a_direction_by_the_static_plane():
    static = Subspace.random(D, 3, seed=8)
    pool = draw(static=static)
    p = static.basis @ static.basis.T
    u = directions(spaces(D), 5)
    np.testing.assert_allclose(pool.overlap, (u @ p).square().sum(1), rtol=1e-10)
    inside = draw(families={"static": static}, static=static)
    np.testing.assert_allclose(inside.overlap, 1, rtol=1e-10)


def test_density_is_the_gradients_energy_in_a_subspace_by_dimension():
    space = line()
    families = spaces(D)
    gradient = H @ space.flatten() + B
    found = draw(space).density
    assert list(found) == ["small", "full", "large"]
    for name, one in families.items():
        p = torch.eye(D, dtype=torch.float64) if one is None else one.basis @ one.basis.T
        assert found[name] == pytest.approx(((p @ gradient) @ gradient / p.trace()).item(), rel=1e-10)


def test_the_mean_square_slope_of_a_family_is_its_density():
    families = {"small": Subspace.random(D, 4, seed=5), "full": None}
    pool = draw(families=families, candidates=4000, norms=[0.1])
    for name, density in pool.density.items():
        squares = pool.slope[pool.family == name] ** 2
        assert abs(squares.mean() - density) < 4.5 * squares.std() / 4000**0.5


@pytest.mark.parametrize("family", [None, Subspace.random(60, 20, seed=5)], ids=["full", "subspace"])
@pytest.mark.parametrize("holds_gradient", [False, True])
def test_on_a_linear_loss_the_gain_tells_nothing_of_the_overlap(family, holds_gradient):
    # u and -u have opposite gains and the same overlap
    space, slope = line(60), gaussian(60, seed=9)
    vectors = gaussian(5, 60, seed=10)
    if holds_gradient:  # a plane that holds g: still no correlation, but dependence, so a wider interval
        vectors[0] = slope
    how = dict(static=Subspace.from_vectors(vectors), candidates=400, norms=[0.3])
    pool = draw(space, linear, slope, {"only": family}, **how)
    np.testing.assert_allclose(pool.gains[:, 0], 0.3 * pool.slope, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pool.curvature, 0, atol=1e-14)
    level = 0.99
    assert correlation.interval(pool.gains[:, 0], pool.overlap, level).contains(0)
    assert correlation.interval(pool.gains[:, 0], pool.alignment).estimate == pytest.approx(1)


# --- the pool as an object


def test_a_pool_names_its_families_in_order():
    pool = draw(norms=(0.1, 0.2, 0.3))
    assert pool.family.tolist() == ["small"] * 5 + ["full"] * 5 + ["large"] * 5
    assert pool.norms.tolist() == [0.1, 0.2, 0.3]
    for name in ("slope", "alignment", "overlap", "curvature"):
        assert getattr(pool, name).shape == (15,)
        assert getattr(pool, name).dtype == np.float64


def test_take_keeps_the_candidates_of_some_families_and_the_rest_as_it_is():
    pool = draw()
    part = pool.take(["large", "small"])
    kept = pool.family != "full"
    for field in fields(pool):
        if field.name not in ("norms", "density"):
            np.testing.assert_array_equal(getattr(part, field.name), getattr(pool, field.name)[kept])
    assert part.norms is pool.norms
    assert dict(part.density) == {name: pool.density[name] for name in ("large", "small")}
    np.testing.assert_array_equal(part.quadratic, pool.quadratic[kept])
    assert part.take(["small"]).family.tolist() == ["small"] * 5


def test_a_seed_fixes_the_pool_and_families_do_not_disturb_each_other():
    pool, again, other = draw(), draw(), draw(seed=8)
    np.testing.assert_array_equal(pool.gains, again.gains)
    assert not np.array_equal(pool.gains, other.gains)
    alone = draw(families={"large": spaces(D)["large"]})
    np.testing.assert_array_equal(alone.gains, pool.take(["large"]).gains)
    longer = draw(candidates=8)
    np.testing.assert_array_equal(longer.take(["full"]).gains[:5], pool.take(["full"]).gains)


def test_two_families_of_one_subspace_draw_different_directions():
    one = Subspace.random(D, 4, seed=0)
    pool = draw(families={"a": one, "b": one})
    assert pool.density["a"] == pool.density["b"]
    assert not np.isclose(pool.slope[:5], pool.slope[5:]).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_model_is_left_bit_for_bit_as_it_was(dtype):
    space, x = network(dtype)
    before = space.flatten()
    static = Subspace.random(space.d, 3, seed=8, dtype=dtype)
    pool = draw(space, curved, x, spaces(space.d, dtype), static=static)
    assert torch.equal(space.flatten(), before)
    assert all(p.grad is None and p.requires_grad for p in space.parameters())
    np.testing.assert_allclose(pool.gains[:, 0], pool.quadratic[:, 0], atol=2e-3)


def test_the_model_is_left_as_it_was_after_an_error():
    space, x = network()
    before, calls = space.flatten(), []

    def fails(module, batch):
        calls.append(1)
        if len(calls) > 9:
            raise MemoryError("out of memory")
        return curved(module, batch)

    with pytest.raises(MemoryError):
        draw(space, fails, x)
    assert torch.equal(space.flatten(), before)


def test_a_candidate_whose_loss_is_not_finite_has_the_gain_minus_infinity():
    space = line()
    norm = space.flatten().norm().item()
    pool = draw(space, lambda m, _: (1 - m.weight.square().sum() / (4 * norm**2)).log(), norms=[0.1, 99.0])
    assert np.isfinite(pool.gains[:, 0]).all()
    assert (pool.gains[:, 1] == -np.inf).all()


# --- refusals


def test_unknown_families_are_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"families \['none'\] are not in the pool; there is: small, full, l"
    ):
        draw().take(["small", "none"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"families": {}}, "spaces is empty: name at least one subspace to draw from"),
        ({"candidates": 1}, "candidates must be at least 2 a subspace, got 1"),
        ({"candidates": 0}, "candidates must be at least 2 a subspace, got 0"),
        ({"candidates": True}, "candidates must be"),
        ({"candidates": 2.5}, "candidates must be"),
        ({"norms": []}, "every sigma must be finite and above 0"),
        ({"norms": [0.1, 0.0]}, "every sigma must be finite and above 0"),
        ({"norms": [-1.0]}, "every sigma must be finite and above 0"),
        ({"norms": [1e-30]}, "too small"),
        ({"seed": -1}, "seed must be a whole number from 0, got -1"),
        ({"static": Subspace.random(5, 2, seed=0)}, "static"),
        ({"static": Subspace.random(D, 2, seed=0, dtype=torch.float32)}, "static"),
        ({"families": {"odd": Subspace.random(5, 2, seed=0)}}, "odd"),
        ({"families": {"odd": Subspace.random(D, 2, seed=0, dtype=torch.float32)}}, "odd"),
    ],
)
def test_a_pool_that_cannot_be_drawn_is_refused_by_name(changes, told):
    with pytest.raises(ValueError, match=told):
        draw(**changes)


def test_a_loss_without_a_slope_has_no_alignment_and_says_so():
    space = line()
    with pytest.raises(ValueError, match="gradient"):
        draw(space, lambda m, _: (m.weight - m.weight.detach()).square().sum())


def test_directions_are_held_some_at_a_time_where_memory_is_short():
    space, x = network()
    plane = Subspace.random(space.d, 3, seed=0, dtype=torch.float64)
    made = []
    for limit in (1e12, 1.0):
        with chunks.limited(limit):
            made.append(
                pools.draw(
                    space,
                    curved,
                    x,
                    {"plane": plane, "full": None},
                    static=plane,
                    norms=[0.1],
                    candidates=6,
                    seed=0,
                )
            )
    for one in fields(pools.Pool):
        a, b = (getattr(pool, one.name) for pool in made)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
