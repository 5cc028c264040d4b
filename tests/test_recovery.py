"""Captures of a recovery displacement and their controls, against dense projectors and loops by hand."""

import numpy as np
import pytest
import torch

from lglib.geometry.subspace import Subspace
from lglib.parameters import recovery
from lglib.parameters.descent import Trajectory, descend, optimizer
from lglib.parameters.space import ParameterSpace

D, T = 30, 12


def walk(steps=T, d=D, seed=0, dtype=torch.float64):
    """A blind walk with steps of several lengths, every point recorded."""
    generator = torch.Generator().manual_seed(seed)
    updates = torch.randn(steps, d, generator=generator, dtype=dtype) * torch.rand(
        steps, 1, generator=generator, dtype=dtype
    )
    points = torch.cat([torch.randn(1, d, generator=generator, dtype=dtype), updates]).cumsum(0)
    return Trajectory(points, torch.zeros(steps), torch.arange(steps + 1))


def every(run, n):
    """The same run, had only each n-th point been recorded."""
    return Trajectory(run.points[::n], run.losses, run.steps[::n])


def projector(vectors):
    """Dense projector (d, d) onto the span of rows (n, d)."""
    columns = np.asarray(vectors).T
    return columns @ np.linalg.pinv(columns)


def share(p, delta):
    delta = np.asarray(delta)
    return (p @ delta) @ (p @ delta) / (delta @ delta)


# --- against dense float64 oracles


def test_captures_are_those_of_the_dense_projector_for_every_k_and_t():
    run, ks = walk(), [1, 2, 5, 7]
    bases = {"prefix": Subspace.prefix(run.points, 7), "random": Subspace.random(D, 9, seed=1)}
    horizons = [7, 9, T]
    found = recovery.captures(bases, run, ks, horizons)
    assert list(found) == ["prefix", "random"]
    updates = run.points.diff(dim=0)
    for i, k in enumerate(ks):
        for j, t in enumerate(horizons):
            delta = run.points[t] - run.points[0]
            assert found["prefix"][i, j] == pytest.approx(share(projector(updates[:k]), delta), rel=1e-10)
            first = projector(bases["random"].basis.T[:k])
            assert found["random"][i, j] == pytest.approx(share(first, delta), rel=1e-10)


def test_captures_agree_with_the_capture_of_each_nested_subspace():
    run = walk(dtype=torch.float32)
    basis = Subspace.random(D, 6, seed=2, dtype=torch.float32)
    found = recovery.captures({"b": basis}, run, [1, 3, 6], [6, T])["b"]
    for i, k in enumerate([1, 3, 6]):
        for j, t in enumerate([6, T]):
            nested = Subspace(basis.basis[:, :k])
            assert found[i, j] == pytest.approx(nested.capture(run.points[t] - run.points[0]), rel=1e-5)


def test_the_whole_prefix_captures_all_and_never_more_than_all():
    run = walk(dtype=torch.float32)
    found = recovery.captures({"prefix": Subspace.prefix(run.points, T)}, run, range(1, T + 1), [T])["prefix"]
    assert found[-1, 0] == pytest.approx(1, abs=1e-6)
    assert found.max() <= 1
    assert (np.diff(found[:, 0]) >= -1e-7).all()


def test_a_basis_that_is_too_small_gives_nan_and_only_there():
    run = walk()
    one = Subspace.from_vectors(run.points[1:2] - run.points[:1])
    found = recovery.captures({"one": one, "random": Subspace.random(D, 3, 0)}, run, [1, 3, 4], [4, T])
    assert np.isnan(found["one"]).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    assert np.isnan(found["random"]).tolist() == [[False] * 2, [False] * 2, [True] * 2]


def test_still_to_come_is_the_capture_of_the_steps_that_the_prefix_does_not_hold():
    run, ks, horizons = walk(), [1, 2, 5], [5, 8, T]
    found = recovery.still_to_come(run, ks, horizons)
    assert found.shape == (3, 3)
    for i, k in enumerate(ks):
        for j, t in enumerate(horizons):
            if k == t:
                assert np.isnan(found[i, j])
                continue
            p = projector(run.points[: k + 1].diff(dim=0))
            assert found[i, j] == pytest.approx(share(p, run.points[t] - run.points[k]), rel=1e-10)


def test_energy_share_is_the_ratio_of_two_sums():
    run, ks, horizons = walk(), [1, 2, 5], [5, 8, T]
    found = recovery.energy_share(run, ks, horizons)
    points = run.points.numpy()
    for i, k in enumerate(ks):
        for j, t in enumerate(horizons):
            own, whole = (sum(((points[s + 1] - points[s]) ** 2).sum() for s in range(n)) for n in (k, t))
            assert found[i, j] == pytest.approx(own / whole, rel=1e-12)
    assert found[2, 0] == pytest.approx(1)


def test_a_walk_with_orthogonal_steps_has_its_energy_share_as_capture_and_nothing_still_to_come():
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((D, T)))[0].T
    lengths = np.random.default_rng(1).uniform(0.1, 3, size=(T, 1))
    points = torch.tensor(np.vstack([np.zeros(D), directions * lengths]).cumsum(0))
    run = Trajectory(points, torch.zeros(T), torch.arange(T + 1))
    ks, horizons = [1, 4, 6], [6, 9, T]
    captured = recovery.captures({"prefix": Subspace.prefix(points, 6)}, run, ks, horizons)["prefix"]
    np.testing.assert_allclose(captured, recovery.energy_share(run, ks, horizons), rtol=1e-12)
    coming = recovery.still_to_come(run, ks, horizons)
    assert np.nanmax(coming) < 1e-25


def test_a_blind_walk_in_many_dimensions_captures_about_its_energy_share():
    run = walk(steps=40, d=20_000, dtype=torch.float32)
    captured = recovery.captures({"prefix": Subspace.prefix(run.points, 20)}, run, [5, 10, 20], [40])
    np.testing.assert_allclose(captured["prefix"], recovery.energy_share(run, [5, 10, 20], [40]), atol=0.02)


def test_a_straight_line_is_captured_whole_although_its_energy_share_is_small():
    points = torch.arange(11.0, dtype=torch.float64)[:, None] * torch.eye(4, dtype=torch.float64)[0]
    run = Trajectory(points, torch.zeros(10), torch.arange(11))
    assert recovery.captures({"p": Subspace.prefix(points, 1)}, run, [1], [10])["p"].item() == 1
    assert recovery.energy_share(run, [1], [10]).item() == pytest.approx(0.1)
    assert recovery.still_to_come(run, [1], [10]).item() == pytest.approx(1)


def test_a_point_is_found_by_its_step_and_not_by_its_row():
    whole = walk()
    sparse = every(whole, 4)
    for step in (0, 4, 8, 12):
        assert torch.equal(recovery.point(sparse, step), whole.points[step])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_on_a_gpu_is_measured_like_one_on_a_cpu():
    run = walk()
    there = Trajectory(run.points.cuda(), run.losses, run.steps)
    for measure in (recovery.still_to_come, recovery.energy_share):
        np.testing.assert_allclose(measure(there, [2, 3], [5]), measure(run, [2, 3], [5]), rtol=1e-9)
    here, far = (
        recovery.captures({"p": Subspace.prefix(r.points, 3)}, r, [2, 3], [5])["p"] for r in (run, there)
    )
    np.testing.assert_allclose(far, here, rtol=1e-9)


# --- runs of which not every point was recorded


def test_captures_of_a_sparse_run_are_those_of_the_whole_one_at_the_same_steps():
    whole = walk()
    bases = {"random": Subspace.random(D, 4, seed=1)}
    found = recovery.captures(bases, every(whole, 4), [1, 4], [4, 8, 12])["random"]
    np.testing.assert_array_equal(found, recovery.captures(bases, whole, [1, 4], [4, 8, 12])["random"])


@pytest.mark.parametrize("measure", [recovery.still_to_come, recovery.energy_share])
def test_a_prefix_of_steps_that_were_not_recorded_is_refused(measure):
    # k and T are recorded, the steps between are not: rows are no steps there
    with pytest.raises(ValueError, match="not recorded"):
        measure(every(walk(), 2), [2], [4])
    with pytest.raises(ValueError, match="not recorded"):
        measure(every(walk(), 3), [3], [12])


def test_a_run_of_descend_with_every_is_refused_where_its_prefix_has_gaps():
    run = descend(
        ParameterSpace(torch.nn.Linear(6, 1)),
        lambda m, x: m(x).square().mean(),
        optimizer("SGD", 0.1),
        list(torch.randn(9, 4, 6, generator=torch.Generator().manual_seed(0))),
        every=2,
    )
    assert run.steps.tolist() == [0, 2, 4, 6, 8, 9]
    basis = Subspace.random(7, 2, 0, dtype=torch.float32)
    assert recovery.captures({"r": basis}, run, [1], [9])["r"].item() > 0
    with pytest.raises(ValueError, match="not recorded"):
        recovery.energy_share(run, [2], [9])


# --- refusals

MEASURES = [
    lambda run, ks, horizons: recovery.captures({"b": Subspace.random(D, 9, 0)}, run, ks, horizons),
    recovery.still_to_come,
    recovery.energy_share,
]
measures = pytest.mark.parametrize("measure", MEASURES, ids=["captures", "still to come", "energy share"])


@measures
def test_a_horizon_shorter_than_a_prefix_is_refused_with_both_numbers(measure):
    with pytest.raises(ValueError, match="T must be at least k: got T = 5 with k = 9"):
        measure(walk(), [2, 9], [5, 10])


@measures
def test_a_step_that_was_not_recorded_is_refused_by_its_number(measure):
    with pytest.raises(ValueError, match="step 13 was not recorded; the run has 12 steps"):
        measure(walk(), [2], [5, 13])


@measures
@pytest.mark.parametrize(("ks", "horizons"), [([], [3]), ([1], []), ([0, 1], [3]), ([-1], [3])])
def test_no_k_or_no_horizon_or_a_k_below_one_is_refused(measure, ks, horizons):
    with pytest.raises(ValueError, match="ks and horizons must hold whole numbers from 1, got"):
        measure(walk(), ks, horizons)


@pytest.mark.parametrize("measure", MEASURES[:2], ids=["captures", "still to come"])
def test_a_run_that_came_back_to_where_it_was_has_no_capture(measure):
    run = walk()
    run.points[5] = run.points[0] if measure is MEASURES[0] else run.points[2]
    with pytest.raises(ValueError, match="zero"):
        measure(run, [2], [5])
