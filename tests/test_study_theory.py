"""The study of the theory: its laws on their own assumptions, and rows that claims are judged by."""

import numpy as np
import pytest
import torch

from lglib import studies
from lglib.parameters.space import ParameterSpace
from lglib.report import claims, frames
from lglib.studies import ProfileError, theory
from lglib.studies.theory import networks, recovery
from lglib.tasks import digits
from lglib.theory import laws


@pytest.fixture(scope="module")
def tiny():
    return theory.Parameters(draws=200, widths=(13, 16), candidates=32)


@pytest.fixture(scope="module")
def measured(tiny):
    return theory.measure(tiny, 1).frame()


@pytest.mark.parametrize("beyond", [False, True])
def test_every_rule_of_the_claims_finds_its_rows(measured, beyond):
    over = frames.over_seeds(measured.assign(model="digits-mlp", seed=1))
    judged = claims.judge("theory", over, "digits-mlp", beyond=beyond)
    assert set(judged["claim"]) == ({"T1", "T2"} if beyond else {"T1", "T2", "T3", "T4"})


def test_verify_measures_rows_of_measure_with_equal_values(tiny, measured):
    part = theory.verify(tiny, 1).frame()
    keys = ["claim", "measure", *frames.varied(part)]
    both = part.merge(measured, on=keys, suffixes=("", " filed"))
    assert len(both) == len(part) > 50
    for column in ("value", "low", "high", "null"):
        assert both[column].tolist() == both[f"{column} filed"].tolist()
    assert set(part["claim"]) == {"context", "T1", "T2", "T3", "T4"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"draws": 100}, "draws is 100; it should be greater than or equal to 200"),
        ({"draws": 500.5}, "draws is 500.5"),
        ({"widths": [13]}, r"widths is .*at least 2"),
        ({"widths": [133, 13]}, "the values must rise"),
        ({"widths": [1, 13]}, "greater than or equal to 2"),
        ({"candidates": 16}, "candidates is 16"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"model": "micro-gpt2"}, "the theory study has one model: digits-mlp"),
        ({"drawz": 400}, "unknown parameter 'drawz'"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_wanted(change, told):
    with pytest.raises(ProfileError, match=told):
        studies.parameters("theory", "smoke", **change)


def test_best_of_n_follows_its_law_in_any_dimension():
    for d in (10, 1000):
        ratio = theory.gain_over_law(theory.projections(d, 20_000, seed=2), 16)
        assert ratio.estimate == pytest.approx(1, abs=0.03)


def test_tied_noise_follows_the_norm_of_the_sum():
    for a in theory.layered_scores(0).values():
        law = laws.best_of_n_gain(1.0, laws.tied_norm(list(a)), 16)
        gain = theory.layered_gain(a, 10_000, 0, tied=True)
        assert gain.estimate == pytest.approx(law, rel=0.1, abs=1e-6)


def test_density_ranks_subspaces_at_fixed_length_and_mass_does_not():
    found = theory.random_subspaces(20_000, np.random.default_rng(0))
    assert theory.rank_correlation(found.density, found.gain, 0).low > 0.9
    assert theory.rank_correlation(found.mass, found.gain, 0).high < 0.9


def test_the_net_gain_on_a_flat_quadratic_follows_the_curvature_law():
    flat = theory.quadratics()["flat"]
    for multiple in (0.3, 1.0):
        gain = theory.net_gain(flat, multiple, 20_000, seed=0)
        assert gain.estimate == pytest.approx(theory.curvature_law(multiple), rel=0.15)


def test_local_geometry_is_that_of_the_dense_hessian_and_sigma_star_its_optimum():
    data, space = networks.images(0), ParameterSpace(digits.network(4, 0))
    digits.fit(space.module, data.train, until=1.0, seed=0)
    local = networks.geometry(space, data.select, 0, probes=400)
    H = space.hessian(digits.mean_cross_entropy, data.select)
    assert local.traces.mean() == pytest.approx(H.trace().item(), rel=0.05)
    assert local.kappa == pytest.approx((local.a @ H @ local.a / local.a.square().sum()).item(), rel=1e-4)
    gain = [
        laws.linear_winner_gain(x * local.sigma_star, local.norm, local.traces.mean(), local.kappa, 16)
        for x in (0.9, 1.0, 1.1)
    ]
    assert gain[1] == max(gain)


def test_a_search_leaves_the_network_as_it_was_and_its_linear_part_is_the_gradient():
    data, space = networks.images(0), ParameterSpace(digits.network(8, 0))
    digits.fit(space.module, data.train, until=1.0, seed=0)
    local = networks.geometry(space, data.select, 0, probes=4)
    before = space.flatten()
    found = networks.search(space, local, data, 32, 0, multiples=(1e-3, 1.0))
    assert torch.equal(space.flatten(), before)
    sigma = found.at(1e-3)[1]
    assert found.gains[:, 0] == pytest.approx(sigma * found.linear, rel=0.05, abs=2e-6)
    with pytest.raises(ValueError, match="not in tuple"):
        found.at(0.5)


def test_gradient_descent_and_the_heavy_ball_stay_in_the_krylov_space_and_adam_leaves_it():
    off = {name: theory.krylov_distances(o, 3).max() for name, o in theory.OPTIMISERS.items()}
    assert off["gradient descent"] < 1e-12
    assert off["heavy ball"] < 1e-12
    assert off["Adam"] > 0.1


def test_noise_lowers_the_capture_of_a_prefix_and_a_longer_prefix_captures_more():
    eigenvalues = theory.spectra()["falling as 1/i"]
    exact, noisy = (theory.prefix_captures(eigenvalues, noise, 0) for noise in (0.0, 1.0))
    assert list(exact) == list(recovery.KS)
    assert all(noisy[k] < exact[k] for k in exact)
    assert list(noisy.values()) == sorted(noisy.values())


def test_the_error_of_the_pushforward_falls_as_the_square_of_the_step():
    h = theory.Outputs.untrained(4)
    orders = [theory.order(theory.remainders(h, u)) for u in theory.directions(h, 4)[:3]]
    assert orders == pytest.approx([2, 2, 2], abs=0.02)
