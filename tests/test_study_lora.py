"""The study of LoRA adapters: its rows are those that claims are judged by, and verify measures them anew."""

import hashlib
import json
import re

import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from lglib import studies
from lglib.geometry.subspace import Subspace
from lglib.models import loading
from lglib.report import claims, frames
from lglib.report.observations import Observations
from lglib.studies import gates, lora
from lglib.studies.lora import captures, drifting, refresh
from lglib.studies.lora import cases as lora_cases
from lglib.studies.lora import function as function_of


@pytest.fixture(scope="module")
def smoke():
    return studies.parameters("lora", "smoke", candidates=4, refresh=(3,), shapes=("4-attention", "2-linear"))


@pytest.fixture(scope="module")
def measured(smoke):
    return lora.measure(smoke, 0).frame()


@pytest.fixture(scope="module")
def verified(smoke):
    return lora.verify(smoke, 0).frame()


@pytest.fixture(scope="module")
def case(smoke):
    adapter = lora.attach(loading.load(smoke.model), "2-attention", 0)
    return lora.prepare(smoke, adapter, "first", 0)


@pytest.mark.parametrize("beyond", [False, True])
def test_every_rule_of_the_claims_finds_its_rows(measured, beyond):
    over = frames.over_seeds(measured.assign(model="micro-gpt2", seed=0))
    judged = claims.judge("lora", over, "micro-gpt2", beyond=beyond)
    asked = {"S1", "S2", "S3", "S5", "S9"} if beyond else {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S9"}
    assert set(judged["claim"]) == asked


def test_verify_measures_rows_of_measure_with_equal_values(verified, measured):
    keys = ["claim", "measure", *frames.varied(verified)]
    both = verified.merge(measured, on=keys, suffixes=("", " filed"))
    assert len(both) == len(verified) > 50
    for column in ("value", "low", "high", "null"):
        assert both[column].tolist() == both[f"{column} filed"].tolist()


def test_all_main_steps_are_verified(verified):
    assert set(verified["claim"]) == {"context", "S1", "S2", "S3", "S4", "S9"}


def test_a_prefix_of_all_updates_captures_everything_and_its_energy_share_is_one(case):
    run, other, never = (own["SGD"] for own in (case.runs, case.others, case.never))
    grid = lora.capture_grid(run, other, never, {}, [1, 2], [2])
    assert grid["prefix"][1, 0] == pytest.approx(1, abs=1e-6)
    assert grid["energy share"][1, 0] == 1
    delta = run.points[2] - run.points[0]
    first = Subspace.prefix(never.points, 1)
    assert grid["prefix"][0, 0] == pytest.approx(Subspace.prefix(run.points, 1).capture(delta), rel=1e-5)
    assert grid["never learned"][0, 0] == pytest.approx(
        first.capture(never.points[2] - never.points[0]), rel=1e-5
    )


def test_the_unit_gauge_changes_no_capture_and_a_gauge_changes_no_merged_matrix(smoke, case):
    k = smoke.k
    plain = lora.in_gauge(case, "AdamW", k, *lora.GAUGES["c = 1"])
    assert plain["prefix"] == pytest.approx(
        captures.grid_of(smoke, case, "AdamW")["prefix"][-1, -1], rel=1e-3
    )
    made = function_of.gauge_matrices(case.adapter, (0, "test"), 1.0, 3.0)
    values = torch.linalg.svdvals(made[0])
    assert values[[0, -1]].tolist() == pytest.approx([3, 1 / 3], rel=1e-4)


def test_a_case_of_unrelated_gradients_has_rank_ratio_near_one():
    noise = torch.randn(12, 5000, generator=torch.Generator().manual_seed(0))
    for centre in (False, True):
        assert lora.rank_ratio(noise, 1, centre=centre) == pytest.approx(1, abs=0.01)
    assert lora.rank_ratio(noise + 10, 1, centre=False) < 0.2
    assert lora.rank_ratio(noise + 10, 1, centre=True) == pytest.approx(1, abs=0.01)


def test_drift_is_read_before_the_end_and_there():
    assert [drifting.read_steps(t) for t in (6, 10, 100)] == [[0, 2, 6], [0, 2, 10], [0, 2, 10, 100]]


def test_a_kept_basis_confines_the_recovery_to_it(smoke, case):
    kept = lora.recover_within(smoke, case, None, "prefix")
    prefix = Subspace.prefix(case.others["SGD"].points, smoke.k)
    assert prefix.capture(kept.run.displacement) == pytest.approx(1, abs=1e-4)
    assert kept.spent[:2].tolist() == [0, smoke.k * 16 + 16]
    assert refresh.steps_paid(kept, 16 * smoke.horizon) == smoke.horizon - smoke.k


def test_questions_to_select_on_are_not_those_to_report_on(smoke, case):
    asked = lora.questions(smoke, case)
    select, held_out = (
        {tuple(row.tolist()) for row in part.tokens} for part in (asked.select, asked.held_out)
    )
    assert len(asked.options) == len(asked.select.tokens) == smoke.items // 2
    assert not select & held_out


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "told", "gate"),
    [
        (dict(bar=0.9), r"GateError: cipher, .*B never reached the bar of 0\.9: cipher, A 0\.\d", "B"),
        (dict(back=0.9), r"GateError: cipher, A back, AdamW.* never reached the bar of 0\.9", "A back, SGD"),
    ],
)
def test_where_no_pair_works_the_scores_are_filed_and_no_claim_is_judged(smoke, change, told, gate):
    parameters = smoke.changed(**change, shapes=("4-attention",))
    found = lora.measure(parameters, 0)
    assert found.done[2] == "gates"
    assert found.crashed == {}
    assert set(found.left_out) == set(found.done) - {"gates"}
    assert re.search(told, found.left_out["pair cipher"])
    none = "NotMeasurable: none of the pairs cipher, first was learned, lost and recovered"
    assert found.left_out["captures"] == none
    rows = frames.rows(found.frame(), measure="score at the gate", gate=gate)
    assert set(rows["null"]) == set(change.values())
    assert set(claims_of(found, beyond=False)["verdict"]) == {claims.CANNOT}
    again = lora.measure(
        parameters, 0, found=Observations.from_json({**found.as_json(), "rows": [], "done": found.done[:2]})
    )
    assert again.frame().equals(found.frame())
    with pytest.raises(gates.GateError, match="no pair works: cipher, "):
        lora.verify(parameters, 0)


def test_a_pair_that_was_not_forgotten_is_stopped_with_the_figures(smoke):
    adapter = lora.attach(loading.load(smoke.model), "2-attention", 0)
    with pytest.raises(
        gates.GateError, match=r"first, A was not forgotten, the bar is 0: first, A 0\.\d"
    ) as told:
        lora.prepare(smoke.changed(lost=0.0), adapter, "first", 0)
    assert told.value.bar == 0
    assert list(told.value.scores) == ["first, A"]


@pytest.fixture
def one_pair_fails(monkeypatch):
    prepare = lora_cases.prepare

    def fails(parameters, adapter, name, *rest):
        if name == "cipher":
            gates.require_learned({"cipher, A": 0.41667}, 0.9)
        return prepare(parameters, adapter, name, *rest)

    monkeypatch.setattr(lora_cases, "prepare", fails)


@pytest.mark.long
def test_a_pair_that_fails_is_left_out_and_the_others_are_filed(smoke, measured, one_pair_fails):
    found = lora.measure(smoke.changed(shapes=("4-attention",)), 0)
    assert found.left_out["pair cipher"].startswith("GateError: cipher, A never reached the bar of 0.9: ")
    assert found.crashed == {}
    means = {"captures over runs", "gauges", "ranking", "cost"}  # over several pairs, and one is left
    assert set(found.left_out) == {"pair cipher", "refresh, cipher", *means}
    assert found.left_out["ranking"] == "NotMeasurable: a mean over pairs wants 2, and only first works"
    own = found.frame()
    gate = frames.rows(own, pair="cipher").drop(columns=["n"]).iloc[0]
    assert gate[["measure", "value", "null", "gate"]].tolist() == ["score at the gate", 0.41667, 0.9, "A"]
    own = own[own["pair"] != "cipher"].drop(columns="gate")
    keys = ["claim", "measure", *frames.varied(own)]
    both = own.merge(measured, on=keys, suffixes=("", " of both"))
    same = both["measure"] != "change at a third of the rate, mean over pairs"
    assert same.sum() > 100
    assert both["value"][same].tolist() == both["value of both"][same].tolist()
    judged = [one for beyond in (False, True) for one in (claims_of(found, beyond),)]
    assert judged[0].set_index("claim")["verdict"]["S7"].tolist() == [claims.CANNOT] * 2
    assert (
        "pair cipher is left out: GateError: cipher, A"
        in judged[0].set_index("claim")["because"]["S7"].iloc[0]
    )


def claims_of(found, beyond):
    frame = frames.with_left_out(found.frame(), found.left_out)
    return claims.judge("lora", frames.over_seeds(frame.assign(model="m", seed=0)), "m", beyond=beyond)


@pytest.mark.long
def test_a_pair_can_be_made_of_a_file_of_ones_own(smoke, tmp_path):
    path = tmp_path / "colours.jsonl"
    words = ("red", "green", "blue")
    lines = [
        json.dumps({"prompt": f"Sort: {w}. Answer:", "answer": f" {words[i - 1]}"})
        for i, w in enumerate(words)
    ]
    path.write_text("\n".join(lines))
    parameters = smoke.changed(
        task_pairs=("own", "first"), data=str(path), refresh_pairs=("own",), shape_pairs=("first",)
    )
    found = lora.measure(parameters.changed(shapes=("4-attention",)), 0)
    assert found.files == {"colours.jsonl": hashlib.sha256(path.read_bytes()).hexdigest()}
    exact = frames.rows(found.frame(), measure="exact match", pair="own", task="A")
    assert exact["null"].tolist() == pytest.approx([1 / 3] * len(exact))
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dict(horizons=(8, 50, 100)), "horizons must all be at least the last of ks, 10"),
        (dict(horizons=(10, 11, 19)), "horizons must end at 20 or more, twice the last of ks"),
        (dict(gradients=9), "gradients must be at least the last of ks, 10: 9"),
        (dict(norms=(0.0, 1.0)), "norms must lie above 0 and up to 100"),
        (dict(norms=(0.5, 101.0)), "norms must lie above 0 and up to 100"),
        (dict(refresh_pairs=("format",)), "refresh_pairs must be among task_pairs, format is not"),
        (dict(task_pairs=("own", "cipher")), "the pair own needs data"),
        (dict(shape_pairs=("own",)), "the pair own needs data"),
        (dict(template="{prompt}"), "template and answers are of data, which is not given"),
        (dict(task_pairs=("cipher", "cipher")), "each value may stand once"),
        (dict(ks=(5, 2)), "the values must rise"),
        (dict(shapes=("4-everything",)), "String should match pattern"),
        (dict(task_pairs=("cipher", "sort")), "Input should be 'cipher', 'edit'"),
        (dict(horizons=(50, 100)), "should have at least 3 items"),
        (dict(limit=400.0), "valid integer"),
        (dict(bar=1.5), "less than or equal to 1"),
        (dict(rate=0.0), "greater than 0"),
    ],
)
def test_parameters_refuse_what_does_not_fit(change, told):
    with pytest.raises(ValidationError, match=told):
        lora.Parameters().changed(**change)


def test_own_data_take_the_place_of_the_first_pair_unless_they_are_named():
    given = lora.Parameters(data="x.jsonl")
    assert given.task_pairs == ("own", "edit", "order", "last", "first")
    assert (given.shape_pairs, given.refresh_pairs) == (("edit",), ("own", "order"))
    assert (
        lora.Parameters(data="x.jsonl", task_pairs=("edit", "own"), refresh_pairs=("own",)).task_pairs[0]
        == "edit"
    )
    assert given.changed(rate=0.01).task_pairs == given.task_pairs


def test_each_parameter_is_described_and_the_quick_profile_is_the_default():
    assert all(one["description"] and one["unit"] for one in lora.Parameters.described())
    assert studies.parameters("lora", "quick") == lora.Parameters()
    assert studies.planned("lora", "paper").horizon == 200


def test_a_row_is_never_without_its_null(measured):
    assert measured[["null", "null_means"]].notna().all().all()
    energy = measured[measured["measure"] == "energy share"]
    assert pd.Series(energy["null"]).between(0, 1).all()
