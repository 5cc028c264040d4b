"""Prefixes of walks beside random updates and Gaussian walks: closed forms, simulations, recorded points."""

import numpy as np
import pytest
import torch

from lglib.geometry.subspace import Subspace
from lglib.parameters import recovery
from lglib.parameters.descent import Trajectory
from lglib.parameters.walks import Walk


def run_of(updates):
    """A run with these updates (T, d)."""
    steps = torch.as_tensor(updates, dtype=torch.float64)
    points = torch.cat([torch.zeros(1, steps.shape[1], dtype=torch.float64), steps.cumsum(0)])
    return Trajectory(points, torch.zeros(len(steps)), torch.arange(len(steps) + 1))


def gaussian(steps, d, seed, lengths=None):
    dice = np.random.default_rng(seed)
    return dice.standard_normal((steps, d)) * (1.0 if lengths is None else np.asarray(lengths)[:, None])


def test_captures_from_inner_products_are_those_from_points():
    run = run_of(gaussian(12, 40, 0) + 0.5)
    walk = Walk.of(run)
    for k in (1, 3, 11):
        found = walk.prefix(k)
        basis = {"": Subspace.prefix(run.points, k)}
        assert found.whole == pytest.approx(recovery.captures(basis, run, [k], [12])[""].item())
        assert found.to_come == pytest.approx(recovery.still_to_come(run, [k], [12]).item())
    share = recovery.energy_share(run, [3], [12]).item()
    assert walk.isotropic(3, lengths=True).whole == pytest.approx(share + (1 - share) * 3 / 40)


def test_of_an_exchangeable_walk_random_updates_capture_what_the_prefix_does():
    ours, theirs = [], []
    for seed in range(300):
        walk = Walk.of(run_of(gaussian(10, 20, seed) + 0.3))
        ours.append(walk.prefix(3).to_come)
        theirs.append(walk.shuffled(3, 20, seed).to_come)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.02)


def test_a_prefix_that_knows_the_way_beats_random_updates():
    updates = gaussian(20, 400, 1)
    updates[:2] += 40 * updates.sum(0) / 20
    walk = Walk.of(run_of(updates))
    assert walk.prefix(2).to_come > 3 * walk.shuffled(2, 100, 0).to_come


@pytest.mark.parametrize("lengths", [None, np.linspace(3, 1, 10)])
def test_a_walk_without_direction_is_captured_as_its_law_says(lengths):
    walks = [Walk.of(run_of(gaussian(10, 500, seed, lengths))) for seed in range(300)]
    for of in ("whole", "to_come"):
        seen = np.mean([getattr(walk.prefix(4), of) for walk in walks])
        law = np.mean([getattr(walk.isotropic(4, lengths=lengths is not None), of) for walk in walks])
        assert seen == pytest.approx(law, rel=0.05)


def test_later_updates_of_random_signs_are_captured_as_uncorrelated_ones():
    dice, updates = np.random.default_rng(0), gaussian(15, 60, 3) + 0.4
    law = Walk.of(run_of(updates)).uncorrelated(5)
    inside, whole = 0.0, 0.0
    prefix = Subspace.from_vectors(torch.as_tensor(updates[:5]))
    for _ in range(4000):
        later = torch.as_tensor((dice.choice([-1.0, 1.0], 10)[:, None] * updates[5:]).sum(0))
        inside += prefix.project(later).square().sum().item()
        whole += later.square().sum().item()
    assert law.to_come == pytest.approx(inside / whole, rel=0.05)
    assert Walk.of(run_of(updates)).prefix(5).to_come > law.to_come


def test_updates_on_one_line_are_captured_whole_and_a_run_with_gaps_is_refused():
    line = np.outer(np.linspace(2, 1, 6), np.arange(1.0, 6))
    assert Walk.of(run_of(line)).shuffled(2, 5, 0).to_come == pytest.approx(1)
    run = run_of(line)
    with pytest.raises(ValueError, match="some steps of the run were not recorded"):
        Walk.of(Trajectory(run.points[::2], run.losses, run.steps[::2]))
    with pytest.raises(ValueError, match="an update is zero"):
        Walk(np.diag([0.0, 1.0, 1.0]), 9).prefix(1)
    with pytest.raises(ValueError, match="k must be"):
        Walk.of(run).prefix(6)
