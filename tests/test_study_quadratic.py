"""The study of quadratics: its runs against torch's own optimiser, its law against runs and closed forms."""

import numpy as np
import pytest
import torch

from lglib import studies
from lglib.geometry.subspace import Subspace
from lglib.report import claims, frames
from lglib.studies import ProfileError, quadratic
from lglib.studies.quadratic import law, runs
from lglib.theory import nulls

D, STEPS = 40, 60


@pytest.fixture(scope="module")
def tiny():
    return quadratic.Parameters(d=D, noises=(0.0, 0.3, 3.0), ks=(2, 10), horizons=(50, 100))


@pytest.fixture(scope="module")
def measured(tiny):
    return quadratic.measure(tiny, 1)


def a_run(loss, *, noise, rate=0.5, momentum=0.0, seed=0, steps=STEPS):
    return runs.descend(loss, noise * runs.unit_noise(loss, steps, seed), rate=rate, momentum=momentum)


def test_all_sections_are_measured_and_every_rule_of_the_claims_finds_its_rows(measured):
    assert not measured.left_out
    over = frames.over_seeds(measured.frame().assign(model="quadratics", seed=1))
    judged = claims.judge("quadratic", over, "quadratics", beyond=True)
    assert set(judged["claim"]) == {"S3"}
    assert len(claims.summary(judged)) == 3


def test_verify_measures_rows_of_measure_with_equal_values(tiny, measured):
    part, whole = quadratic.verify(tiny, 1).frame(), measured.frame()
    both = part.merge(whole, on=["claim", "measure", *frames.varied(part)], suffixes=("", " filed"))
    assert len(both) == len(part) > 20
    assert both["value"].tolist() == both["value filed"].tolist()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"d": 10}, "d is 10"),
        ({"noises": [0.001, 1.0]}, "a noise must be 0 or at least 0.01"),
        ({"noises": [1.0, 0.3]}, "the values must rise"),
        ({"momenta": [1.0]}, "less than 1"),
        ({"ks": [1, 2]}, "ks must hold 10 and horizons 100"),
        ({"horizons": [5, 100]}, "the largest of ks must be below the smallest of horizons"),
        ({"ks": [10, 45]}, "the largest of ks"),
        ({"model": "micro-gpt2"}, "the study of quadratics has one model: quadratics"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_wanted(change, told):
    with pytest.raises(ProfileError, match=told):
        studies.parameters("quadratic", "smoke", **change)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_run_is_that_of_torchs_sgd_on_the_dense_matrix_in_other_coordinates(momentum):
    loss = quadratic.made("falling as 1/i", "near a minimum", D, 3)
    noise = 0.5 * runs.unit_noise(loss, STEPS, 0)
    run = runs.descend(loss, noise, rate=0.3, momentum=momentum)
    frame = Subspace.random(D, D, 5).basis
    H = frame @ torch.diag(torch.as_tensor(loss.eigenvalues)) @ frame.T
    x = torch.nn.Parameter(torch.zeros(D, dtype=torch.float64))
    stepper, points = torch.optim.SGD([x], lr=0.3, momentum=momentum), [x.detach().clone()]
    for push in noise:
        x.grad = H @ x.detach() - frame @ (torch.as_tensor(loss.descent) + push)
        stepper.step()
        points.append(x.detach().clone())
    assert torch.allclose(torch.stack(points) @ frame, run.points, atol=1e-10)
    mine, theirs = (Subspace.prefix(p, 10).capture(p[-1]) for p in (run.points, torch.stack(points)))
    assert mine == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("setting", quadratic.SETTINGS)
def test_the_noise_of_a_step_is_as_long_as_the_first_gradient(setting):
    loss = quadratic.made("even, 0 to 1", setting, D, 0)
    drawn = runs.unit_noise(loss, 4000, 0)
    assert drawn.square().sum(1).mean().item() == pytest.approx((loss.descent**2).sum(), rel=0.03)
    assert drawn.mean(0).norm() < 0.1 * np.linalg.norm(loss.descent)


def test_the_noise_near_a_minimum_has_the_hessian_as_its_covariance():
    loss = quadratic.made("falling as 1/i", "near a minimum", D, 0)
    assert loss.scale**2 / loss.eigenvalues == pytest.approx(np.full(D, loss.scale[0] ** 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_expected_gram_matrix_is_the_mean_over_runs(momentum):
    loss = quadratic.made("10 large, rest small", "even", D, 0)
    grams = []
    for seed in range(300):
        updates = a_run(loss, noise=2.0, momentum=momentum, seed=seed, steps=12).points.diff(dim=0)
        grams.append((updates @ updates.T).numpy())
    expected = law.expected_gram(loss, 12, noise=2.0, rate=0.5, momentum=momentum)
    error = np.std(grams, axis=0) / np.sqrt(len(grams))
    assert np.abs(np.mean(grams, axis=0) - expected).max() < 5 * error.max()
    assert np.mean(grams, axis=0) == pytest.approx(expected, rel=0.1, abs=0.03 * expected.max())


def test_captures_of_a_gram_matrix_are_those_of_the_updates():
    run = a_run(quadratic.made("even, 0 to 1", "even", D, 0), noise=1.0)
    updates = run.points.diff(dim=0)
    gram, prefix = (updates @ updates.T).numpy(), Subspace.prefix(run.points, 5)
    assert law.capture(gram, 5) == pytest.approx(prefix.capture(run.displacement))
    assert law.capture_to_come(gram, 5) == pytest.approx(prefix.capture(run.points[-1] - run.points[5]))


@pytest.mark.parametrize("setting", quadratic.SETTINGS)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_without_noise_the_measured_captures_are_the_closed_form(setting, momentum):
    loss = quadratic.made("falling as 1/i", setting, D, 2)
    run = a_run(loss, noise=0.0, momentum=momentum)
    of = [(1, STEPS), (2, STEPS), (5, STEPS), (10, 50)]
    got = quadratic.measured(run, loss, of, exact=True)
    said = quadratic.by_law(loss, of, noise=0.0, rate=0.5, momentum=momentum)
    for pair in of:
        assert got[pair].whole == pytest.approx(said[pair].whole, abs=1e-9)
        assert got[pair].to_come == pytest.approx(said[pair].to_come, abs=1e-9)
        assert got[pair].energy == pytest.approx(said[pair].energy, abs=1e-9)
    by_updates = Subspace.prefix(run.points, 2).capture(run.displacement)
    assert by_updates == pytest.approx(got[2, STEPS].whole, abs=1e-9)


def test_without_curvature_and_gradient_the_law_is_that_of_a_random_walk():
    flat = quadratic.Loss(np.zeros(3), np.zeros(3), np.ones(3))
    gram = law.expected_gram(flat, 100, noise=1.0, rate=0.5, momentum=0.0)
    assert law.capture(gram, 10) == pytest.approx(nulls.random_walk_capture(10, 100, 10**12))
    assert law.capture_to_come(gram, 10) == pytest.approx(0)
    assert law.energy_share(gram, 10) == pytest.approx(0.1)


def test_the_law_predicts_single_runs_where_noise_is_alike_in_many_directions():
    loss = quadratic.made("falling as 1/i", "even", 1000, 0)
    of = [(10, 100)]
    for noise in (0.3, 1.0):
        run = a_run(loss, noise=noise, steps=100)
        got = quadratic.measured(run, loss, of, exact=False)[10, 100]
        said = quadratic.by_law(loss, of, noise=noise, rate=0.5, momentum=0.0)[10, 100]
        assert got.whole == pytest.approx(said.whole, abs=0.02)
        assert got.energy == pytest.approx(said.energy, abs=0.01)


def test_a_setting_that_does_not_exist_is_named():
    with pytest.raises(KeyError, match="setting is 'odd'; there is: even, near a minimum"):
        quadratic.made("even, 0 to 1", "odd", D, 0)
