"""The bridge study: what it files, what it refuses, and its short steps against closed forms."""

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from lglib import studies
from lglib.report import claims, frames
from lglib.studies import bridge
from lglib.studies.bridge import across, search, shifts


@pytest.fixture(scope="module")
def parameters():
    return studies.parameters("bridge", "smoke")


@pytest.fixture(scope="module")
def measured(parameters):
    return bridge.measure(parameters, 0).frame()


def gathered(frame, models=("micro-gpt2",), seeds=(0,)):
    parts = [frame.assign(model=model, seed=seed) for model in models for seed in seeds]
    return frames.joined(parts)


@pytest.mark.parametrize("beyond", [False, True])
def test_what_is_measured_has_a_row_for_every_rule_of_the_claims(measured, beyond):
    over = frames.over_seeds(bridge.across_models(gathered(measured)))
    judged = claims.judge("bridge", over, "micro-gpt2", beyond=beyond)
    wanted = {"T4", "B1", "B2", "B4"} if beyond else {"T4", "B1", "B2", "B3", "B4", "B5"}
    assert set(judged["claim"]) == wanted


def test_verify_files_rows_that_measure_files_with_equal_values(parameters, measured):
    part = bridge.verify(parameters, 0).frame()
    keys = ["claim", "measure", *frames.varied(part)]
    both = part.merge(measured, on=keys, suffixes=("", " filed"))
    assert len(both) == len(part) < len(measured)
    for column in ("value", "low", "high", "null"):
        assert both[column].tolist() == both[f"{column} filed"].tolist()


def test_the_model_is_left_as_it_was(parameters):
    setup = bridge.prepare(parameters, 0)
    before = {name: p.clone() for name, p in setup.model.model.named_parameters()}
    judge = bridge.judge(setup, parameters)
    vector = bridge.random_directions(setup, 1)[0]
    bridge.by_descent(setup, setup.templates[-1], parameters)
    bridge.imitate(judge, vector, setup.late[-1], 1.0, parameters, edit="LoRA", places=3)
    after = dict(setup.model.model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_no_passage_is_in_two_parts_or_templates(parameters):
    setup = bridge.prepare(parameters, 0)
    groups = [
        {item.group or item.prompt for item in own}
        for drawn in setup.parts.values()
        for own in drawn.values()
    ]
    assert len(groups) == 6
    assert sum(map(len, groups)) == len(set.union(*groups)) == 6 * 2 * parameters.questions


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"depths": (0.25, 0.5)}, "depths must end with 1"),
        ({"depths": (1.0,)}, "at least 2 items"),
        ({"depths": (0.5, 0.5, 1.0)}, "must rise"),
        ({"multipliers": (-1.0, 0.0, 1.0, 2.0)}, "symmetric about 0"),
        ({"multipliers": (-2.0, 0.0, 2.0)}, "with 1 among them"),
        ({"questions": 10}, "multiple of 4"),
        ({"templates": ("claim", "claim")}, "once"),
        ({"templates": ("claim",)}, "at least 2 items"),
        ({"skills": ("dance",)}, "'open'"),
        ({"pairs": 4}, "greater than or equal to 8"),
        ({"sigma": 0.0}, "greater than 0"),
        ({"learning_rate": 0.1}, "Extra inputs"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(given, told):
    with pytest.raises(ValidationError, match=told):
        bridge.Parameters(**given)


def test_depths_that_are_one_layer_of_the_model_are_refused(parameters):
    with pytest.raises(ValueError, match="one layer of micro-gpt2, which has 4 blocks"):
        bridge.prepare(parameters.changed(depths=(0.9, 1.0)), 0)


def test_an_edit_of_another_kind_is_refused(parameters):
    setup = bridge.prepare(parameters, 0)
    judge, vector = bridge.judge(setup, parameters), bridge.random_directions(setup, 1)[0]
    with pytest.raises(ValueError, match="edit is 'prompt'; there is: LoRA, biases"):
        bridge.imitate(judge, vector, setup.late[-1], 1.0, parameters, edit="prompt", places=1)


def test_the_order_of_a_quadratic_remainder_is_two_whatever_its_size():
    scales = np.array([1e-4, 1e-3, 1e-2, 1e-1])
    for size in (0.1, 1.0, 5.0):
        assert bridge.order(size * scales, list(scales)) == pytest.approx(2)


def test_a_shift_agrees_with_itself_and_with_no_random_direction():
    draws = torch.randn(20, 64, generator=torch.Generator().manual_seed(0)) + 3
    found = shifts.agreement(draws, draws, torch.randn(8, 64, generator=torch.Generator().manual_seed(1)), 0)
    assert found.cosine.estimate == pytest.approx(1, abs=1e-6)
    assert found.random_weights < 0.5
    assert found.projection > 1


def test_the_ceiling_of_two_noisy_views_is_the_cosine_that_they_have():
    dice = torch.Generator().manual_seed(0)
    truth = torch.randn(1, 20_000, generator=dice)
    views = [truth + torch.randn(1, 20_000, generator=dice) for _ in range(4)]
    a, b = (views[0], views[1]), (views[2], views[3])
    alike = torch.cosine_similarity(bridge.whole(a), bridge.whole(b), dim=-1)
    assert bridge.ceiling(a, b).item() == pytest.approx(alike.item(), abs=0.02)


def test_the_directions_that_matter_of_an_isotropic_map_are_all_but_one():
    d, setup = 50, type("", (), {"space": type("", (), {"d": 50})})
    random = torch.randn(4000, 1, d, generator=torch.Generator().manual_seed(0)) / d**0.5
    sought = torch.nn.functional.one_hot(torch.tensor([0]), d).float()
    assert search.effective_directions(setup, sought, random)[0] == pytest.approx(d - 1, rel=0.05)


def b5(values):
    rows = [
        {"model": m, "seed": s, "claim": "B5", "measure": k, "vector": v, "depth": 1.0, "multiplier": 1.0}
        | {"value": x, "low": x, "high": x, "n": 1, "unit": "points", "null": 0.0, "null_means": "none"}
        | {"predicted": float("nan")}
        for (m, s), x in values.items()
        for k in across.MEASURES
        for v in ("CAA, true - false", "shift, logit difference")
    ]
    return pd.DataFrame(rows)


def test_models_are_compared_seed_by_seed_between_the_two_most_different():
    frame = b5({("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): 9.0, ("b", 1): 11.0, ("c", 0): 5.0})
    found = frames.rows(bridge.across_models(frame), measure=across.DIFFERENCE, of="target gain")
    assert set(found["model"]) == {"a", "b", "c"}
    assert sorted(frames.rows(found, model="a", vector="CAA, true - false")["value"]) == [8.0, 9.0]
    assert frames.over_seeds(bridge.across_models(frame)) is not None


def test_a_single_model_differs_from_itself_by_nothing():
    found = frames.rows(bridge.across_models(b5({("a", 0): 3.0})), measure=across.DIFFERENCE)
    assert set(found["value"]) == {0.0}
