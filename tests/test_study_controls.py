"""The study of controls: its rows are those that claims are judged by, and no side of a contest sees more."""

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from lglib import studies
from lglib.models import loading
from lglib.parameters import recovery
from lglib.report import claims, frames
from lglib.report.observations import Observations
from lglib.studies import controls, lora
from lglib.studies.controls import contest, drifts, equal, pooled, prefixes


@pytest.fixture(scope="module")
def smoke():
    return studies.parameters("controls", "smoke")


@pytest.fixture(scope="module")
def measured(smoke):
    return controls.measure(smoke, 0)


@pytest.fixture(scope="module")
def case(smoke):
    adapter = lora.attach(loading.load(smoke.model), "2-attention", 0)
    return lora.prepare(smoke.lora, adapter, "first", 0)


@pytest.fixture(scope="module")
def asked(smoke, case):
    return equal.parts(smoke, case)


@pytest.mark.parametrize("beyond", [False, True])
def test_every_rule_of_the_claims_finds_its_rows(measured, beyond):
    frame = frames.with_left_out(measured.frame(), measured.left_out)
    judged = claims.judge("controls", frames.over_seeds(frame.assign(model="m", seed=0)), "m", beyond=beyond)
    assert set(judged["claim"]) == ({"S3", "S4"} if beyond else {"S5", "S6"})
    assert judged["value"].notna().all()


def test_nothing_crashes_and_only_what_has_no_optimum_is_left_out(measured):
    assert measured.crashed == {}
    assert all(name.startswith("sigma*") for name in measured.left_out)
    assert set(measured.frame()["claim"]) == {"context", "S3", "S4", "S5", "S6", "S9", "T1"}


def test_verify_measures_rows_of_measure_with_equal_values(smoke, measured):
    verified = controls.verify(smoke, 0).frame()
    keys = ["claim", "measure", *frames.varied(verified)]
    both = verified.merge(measured.frame(), on=keys, suffixes=("", " filed"))
    assert len(both) == len(verified) > 50
    for column in ("value", "low", "high", "null"):
        assert both[column].tolist() == both[f"{column} filed"].tolist()


def test_the_runs_are_those_of_the_study_lora(smoke):
    usual, ours = studies.parameters("lora"), studies.parameters("controls").lora
    same = (
        "model",
        "task_pairs",
        "bar",
        "lost",
        "back",
        "limit",
        "rates",
        "k",
        "horizon",
        "gradients",
        "items",
    )
    assert {name: getattr(ours, name) for name in same} == {name: getattr(usual, name) for name in same}
    assert ours.shapes[0] == usual.shapes[0]


def test_the_captures_of_the_prefix_are_those_of_the_recorded_points(smoke, case):
    table = controls.tables(smoke, case, "SGD", 2)
    for name, run in ((prefixes.RECOVERY, case.runs["SGD"]), (prefixes.NEVER, case.never["SGD"])):
        to_come = recovery.still_to_come(run, [2], [smoke.horizon]).item()
        assert table[name][prefixes.PREFIX].to_come == pytest.approx(to_come, rel=1e-4)


def test_centred_gradients_have_no_mean_and_raw_ones_are_left_alone():
    g = [torch.randn(5, 7, generator=torch.Generator().manual_seed(0)) + 3]
    assert drifts.viewed(g, drifts.CENTRED)[0].mean(0).abs().max() < 1e-6
    assert drifts.viewed(g, drifts.RAW)[0] is g[0]


def test_no_question_is_in_two_of_the_parts(asked):
    texts = [
        {tuple(row.tolist()) for row in part.tokens} for part in (asked.fit, asked.choose, asked.held_out)
    ]
    assert not (texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2])
    assert len(asked.fit.tokens) == len(asked.choose.tokens)


def test_held_out_questions_change_nothing_that_a_method_hands_over(smoke, case, asked):
    other = equal.Parts(asked.fit, asked.choose, asked.choose)
    for name, run in equal.methods(smoke, case, asked).items():
        if name != "best of N, advised":
            again = equal.methods(smoke, case, other)[name]()
            assert torch.equal(run()(40), again(40)), name


def test_a_method_hands_over_its_best_point_on_the_choice_within_the_budget():
    found = equal.Offered()
    for spent, loss in ((1, 3.0), (5, 2.0), (9, 2.5), (13, 1.0), (17, np.nan)):
        found.offer(spent, loss, torch.tensor([float(spent)]))
    assert [found.within(budget).item() for budget in (1, 4, 5, 12, 13, 99)] == [1, 1, 5, 5, 13, 13]


@pytest.mark.parametrize("budget", [40, 48])
def test_no_method_makes_more_forward_passes_than_its_budget(smoke, case, asked, monkeypatch, budget):
    """Rows that go through the model, in passes over the questions to learn from; a backward pass is two."""
    rows = {"count": 0}
    lone, many, taken = equal.loss_at, equal.lora_candidates.run, equal.descent.descend

    def looked(case, point, lesson):
        rows["count"] += len(lesson.tokens)
        return lone(case, point, lesson)

    def tried(adapter, lesson, direction, **how):
        rows["count"] += how["candidates"] * len(lesson.tokens)
        return many(adapter, lesson, direction, **how)

    def descended(space, loss, step, batches, **how):
        rows["count"] += 3 * sum(len(batch.tokens) for batch in batches)
        return taken(space, loss, step, batches, **how)

    monkeypatch.setattr(equal, "loss_at", looked)
    monkeypatch.setattr(equal.lora_candidates, "run", tried)
    monkeypatch.setattr(equal.descent, "descend", descended)
    parameters = smoke.changed(budgets=(budget,))
    for name, run in equal.methods(parameters, case, asked).items():
        if name != "best of N, advised":
            rows["count"] = 0
            run()(budget)
            paid = equal.GRADIENT if "gradient basis" in name else 0
            assert 0.5 * budget < paid + rows["count"] / len(asked.fit.tokens) <= budget, name


def test_means_over_pairs_are_of_the_methods_that_all_pairs_have():
    o = Observations()
    for pair, methods in (("a", ("AdamW", "best of N")), ("b", ("AdamW",))):
        start = contest.Score(3.0, 0.1, 10)
        scores = {(m, 64): contest.Score(2.0 + (pair == "b"), 0.5, 10) for m in methods}
        contest.add_contest(o, pair, start, scores)
    contest.add_over_pairs(o, o.frame(), 2)
    found = o.frame()
    found = found[found["measure"] == f"{contest.ON}, mean over pairs"]
    assert found[["method", "value"]].values.tolist() == [["AdamW", 2.5]]


def test_candidates_of_seed_0_are_filed_with_what_the_scatter_draws(smoke, measured):
    found = frames.rows(measured.frame(), measure="candidate")
    assert set(found["norm"]) == set(pooled.SHOWN)
    assert len(found) == 6 * len(pooled.SHOWN) * len(smoke.search_pairs)
    assert found["alignment"].between(-1, 1).all()
    assert found["overlap"].between(0, 1).all()
    static = found[found["subspace"] == "static"]["overlap"]
    assert static.min() > 0.999


def test_gains_at_shares_of_sigma_star_stand_beside_their_law(measured):
    found = measured.frame()
    found = found[found["claim"] == "T1"]
    own = found[found["measure"].str.endswith("sigma*")]
    assert own["predicted"].notna().all()
    assert isinstance(found, pd.DataFrame)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dict(search_pairs=("cipher", "order")), "search_pairs must be among task_pairs, order is not"),
        (dict(horizon=5), "horizon"),
        (dict(gradients=3, ks=(1, 3)), "horizon must be more than twice|gradients must be more than"),
        (dict(scale_candidates=3, best_of=2), "scale_candidates"),
        (dict(shares=(0.0, 1.0)), "shares must lie above 0"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(smoke, change, told):
    with pytest.raises(ValidationError, match=told):
        smoke.changed(**change)
