"""The study of the synthetic transformer, tiny: what it files, what verify files again, what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from lglib import studies
from lglib.parameters.space import ParameterSpace
from lglib.report import claims, frames
from lglib.studies import gates, synthetic
from lglib.studies.synthetic import basis_drift, candidates, captures, gradients, setups, trained
from lglib.studies.synthetic.parameters import Parameters

TINY = studies.parameters("synthetic", "smoke")
SEED = 3


@pytest.fixture(scope="module")
def model():
    return trained.train(TINY, SEED)


@pytest.fixture(scope="module")
def measured():
    return synthetic.measure(TINY, SEED).frame()


# --- what is filed


def test_measure_files_what_the_claims_ask_for(measured):
    over = frames.over_seeds(measured.assign(model="multitask-gpt2", seed=SEED))
    judged = claims.judge("synthetic", over, "multitask-gpt2")
    assert judged["claim"].value_counts().to_dict() == {
        **{"S1": 4, "S2": 6, "S3": 6, "S4": 3},
        **{"S5": 30, "S6": 30, "S8": 9},
    }
    beyond = claims.judge("synthetic", over, "multitask-gpt2", beyond=True)
    assert beyond["claim"].value_counts().to_dict() == {"S1": 4, "S3": 13, "S5": 30}


def test_what_verify_measures_is_what_measure_files(measured):
    part = synthetic.verify(TINY, SEED).frame()
    keys = list(part.columns[: part.columns.get_loc("value")])
    both = part.merge(measured, on=keys, suffixes=("", " filed"))
    assert len(both) == len(part) > 100
    assert set(part["claim"]) == {"context", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"}
    for name in ("value", "low", "high", "null", "predicted"):
        pd.testing.assert_series_equal(both[name], both[f"{name} filed"], check_names=False)


def test_a_capture_stands_beside_its_null_and_names_its_horizon(measured, model):
    found = frames.rows(measured, measure="capture", basis="prefix", task="sort", optimiser="SGD")
    assert sorted(zip(found["k"], found["T"], found["horizon"], strict=True)) == [
        (k, T, name) for k in (1, 2, 10) for T, name in ((20, "short"), (21, "middle"), (22, "long"))
    ]
    np.testing.assert_allclose(found["null"], found["k"].astype(float) / model.space.d, rtol=1e-5)
    assert found["value"].between(0, 1).all()


def test_the_way_back_has_a_capture_for_one_dimension_only(measured):
    found = frames.rows(measured, measure="capture", basis="way back")
    assert set(found["k"]) == {1}


# --- parameters


def test_the_defaults_are_those_of_the_published_book():
    assert studies.parameters("synthetic", "quick") == Parameters()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ks": (1, 2, 5)}, r"ks must hold 10, at which subspaces are compared, got \(1, 2, 5\)"),
        ({"ks": (10,)}, "at least 2 items"),
        ({"ks": (10, 5)}, "the values must rise"),
        ({"horizons": (19, 100, 200)}, r"horizons must lie from 20 \(twice 10, and the largest k\)"),
        ({"ks": (1, 10, 60), "gradients": 20}, "horizons must lie from 60"),
        ({"horizons": (50, 100, 100_001)}, "to 100000"),
        ({"horizons": (50, 100)}, "at least 3 items"),
        ({"ks": (10, 41), "gradients": 10}, "ks must not exceed the 40 gradients of 4 sets"),
        ({"gradients": 9}, "greater than or equal to 10"),
        ({"schedule_steps": 40}, "multiple of 16"),
        ({"width": 66}, "multiple of 4"),
        ({"length": 10}, "less than or equal to 9"),
        ({"bar": 1.5}, "less than or equal to 1"),
        ({"candidates": 3}, "greater than or equal to 4"),
        ({"base_steps": 500.0}, "valid integer"),
        ({"steps": 5}, "Extra inputs"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_name(changes, message):
    with pytest.raises(ValidationError, match=message):
        Parameters(**changes)


# --- steps


def test_a_model_that_never_knew_the_tasks_stops_the_study():
    with pytest.raises(gates.GateError, match=r"never reached the bar of 0.5: copy 0"):
        trained.train(TINY.changed(bar=0.5), SEED)


def test_a_recovery_starts_at_the_point_named_and_follows_from_seed_and_order(model):
    first, again, other = (trained.recover(model, "sort", "SGD", 2, order=o) for o in (0, 0, 1))
    assert torch.equal(first.points[0], model.points["theta_f"])
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.points[1], other.points[1])
    assert torch.equal(
        trained.recover(model, "sort", "Adam", 1, start="initial").points[0], model.points["initial"]
    )


def test_gradient_sets_are_independent_and_of_the_size_asked_for(model):
    sets = gradients.gradient_sets(model, "sort", "theta_f")
    assert [g.shape for g in sets] == [(TINY.gradients, model.space.d)] * 4
    assert not torch.equal(sets[0], sets[1])


def test_random_gradients_have_the_rank_of_their_null_and_share_no_mean():
    dice = torch.Generator().manual_seed(0)
    sets = [torch.randn(10, 4000, generator=dice) for _ in range(4)]
    for kind in gradients.SPECTRA:
        assert gradients.relative_ranks(sets, kind, 0)[
            "participation ratio / null"
        ].estimate == pytest.approx(1 if kind != "centred" else 0.9, abs=0.03)
    assert gradients.share_of_mean(sets).estimate == pytest.approx(0.1, abs=0.02)


def test_gradients_that_share_a_mean_have_its_share_and_a_low_rank_until_it_is_taken_off():
    mean, noise = torch.zeros(10, 4000), torch.eye(10, 4000)
    mean[:, -1] = 1.0  # squared length 1, like the noise: exercise "A mean gradient is low rank"
    sets = [mean + noise] * 2
    assert gradients.share_of_mean(sets).estimate == pytest.approx(1.1 / 2)
    spectra, _ = gradients.spectra_and_nulls(sets, "raw", 0)
    assert spectra[0].participation_ratio == pytest.approx(20**2 / (11**2 + 9))
    centred, _ = gradients.spectra_and_nulls(sets, "centred", 0)
    assert centred[0].participation_ratio == pytest.approx(9)


def test_bases_are_the_top_gradient_directions_of_each_set_of_batches():
    space = ParameterSpace(torch.nn.Linear(6, 1, bias=False).double())
    dice = torch.Generator().manual_seed(0)
    sets = [list(torch.randn(5, 6, dtype=torch.float64, generator=dice)) for _ in range(2)]
    found = basis_drift.gradient_bases(space, lambda m, x: m(x).sum(), sets, k=2)  # the gradient of x is x
    assert [b.k for b in found] == [2, 2]
    for basis, batches in zip(found, sets, strict=True):
        expected = np.linalg.svd(torch.stack(batches).numpy())[2][:2]
        np.testing.assert_allclose(np.abs(expected @ basis.basis.numpy()), np.eye(2), atol=1e-10)


def test_a_set_with_fewer_batches_than_k_is_refused_with_its_size():
    space, batches = ParameterSpace(torch.nn.Linear(6, 1, bias=False)), list(torch.randn(4, 6))
    with pytest.raises(ValueError, match=r"sets must hold at least k = 3 batches each, got \[2\]"):
        basis_drift.gradient_bases(space, lambda m, x: m(x).sum(), [batches, batches[:2]], k=3)


def test_a_static_plane_is_normalised_by_task_and_nested_in_k(model):
    planes = captures.static_planes(model)
    assert {name: plane.k for name, plane in planes.items()} == {"static": 10, "static, normalised": 10}
    beforehand = captures.bases_beforehand(model, "sort", planes)
    assert beforehand["way back"].k == 1
    assert beforehand["way back"].capture(model.points["theta*"] - model.points["theta_f"]) == pytest.approx(
        1
    )


def test_candidates_of_a_family_are_the_same_whatever_else_is_drawn(model):
    path = trained.recover(model, "sort", "Adam", 21).points
    planes = captures.static_planes(model)
    whole = candidates.pool_at(model, path, 0, planes)
    few = candidates.pool_at(model, path, 0, planes, families=("static", "random", "whole space"))
    np.testing.assert_array_equal(few.gains, whole.take(["static", "random", "whole space"]).gains)
    assert {c.pool for c in candidates.correlations(few)} == {"no recovery"}
    assert len(list(candidates.correlations(whole))) == 2 * 3 * len(candidates.SHARES)
    best = candidates.best_of(few)  # of all candidates there are: four a family
    np.testing.assert_allclose(best, few.gains.reshape(3, 4, -1).max(1))


def test_only_a_sequential_schedule_has_a_switch(model):
    setup = "sort + reverse, base"
    assert setups.train_by(model, "alternating", setup).switch is None
    found = setups.train_by(model, "sequential A then B", setup)
    assert found.switch is not None
    assert found.worst == min(found.end)
