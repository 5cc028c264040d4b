"""Records, verdicts and their gathering over seeds."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from lglib.report import across, provenance, results, verdicts
from lglib.report.results import Record
from lglib.theory import stats
from workflow import execute, profiles

RECORD = Record("T1", "gain / law", 1.0, 0.9, 1.1, 50, "1", 0.0, "one draw", predicted=1.0)
RUN = {"chapter": "01_theory", "profile": "quick", "model": "m", "parameters": {"draws": 5}, "device": "cpu"}


def write(root, seed=0, value=1.0, **changes):
    record = replace(RECORD, value=value, low=value - 0.1, high=value + 0.1)
    return results.write([record], root=root, **{**RUN, "seed": seed, **changes})


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("claim", "T9", "the ledger has T1"),
        ("value", math.nan, "must be finite"),
        ("null", math.inf, "must be finite"),
        ("predicted", math.inf, "must be finite"),
        ("value", 2.0, "outside its interval"),
        ("n", 0, "n must be at least 1"),
        ("unit", "", "needs quantity, unit and null_means"),
        ("null_means", "", "needs quantity, unit and null_means"),
    ],
)
def test_a_record_with_something_missing_or_impossible_is_refused(field, value, told):
    with pytest.raises(ValueError, match=told):
        replace(RECORD, **{field: value})


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.96, 1.04, "reproduced"), (0.9, 1.04, "partly"), (0.5, 0.9, "not reproduced"), (0.5, 1.5, "partly")],
)
def test_agreement_asks_where_the_interval_lies_beside_the_prediction(low, high, verdict):
    record = replace(RECORD, value=(low + high) / 2, low=low, high=high)
    assert verdicts.agrees(record, 0.05) == verdict


def test_exceeding_and_falling_below_a_bar_are_mirror_images():
    record = replace(RECORD, value=0.5, low=0.4, high=0.6)
    for bar, above, below in [(0.3, "reproduced", "not reproduced"), (0.5, "partly", "partly")]:
        assert verdicts.exceeds(record, bar) == above
        assert verdicts.falls_below(record, bar) == below


def test_a_claim_has_one_verdict_only_when_its_records_agree():
    assert verdicts.overall(["reproduced", "reproduced"]) == "reproduced"
    assert verdicts.overall(["reproduced", "not reproduced"]) == "partly"
    with pytest.raises(ValueError, match="no verdict"):
        verdicts.overall([])


def test_a_verdict_needs_a_prediction_and_a_tolerance():
    with pytest.raises(ValueError, match="no prediction"):
        verdicts.agrees(replace(RECORD, predicted=None), 0.1)
    with pytest.raises(ValueError, match="tolerance"):
        verdicts.agrees(RECORD, 0)


def test_results_are_read_back_as_written_with_their_origin(tmp_path):
    path = write(tmp_path, seed=3)
    assert path == tmp_path / "quick" / "m" / "seed3" / "01_theory.json"
    document = results.read(path)
    assert document["claims"] == {"T1": [RECORD]}
    assert document["code"] == provenance.code_hash("01_theory")
    assert document["versions"]["torch"]
    assert (document["seed"], document["device"], document["parameters"]) == (3, "cpu", {"draws": 5})


def test_the_same_run_writes_the_same_bytes_and_leaves_no_other_file(tmp_path):
    first = write(tmp_path).read_bytes()
    assert write(tmp_path).read_bytes() == first
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["01_theory.json"]


def test_a_failed_write_leaves_the_old_results_and_no_temporary_file(tmp_path, monkeypatch):
    path = write(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(type(path), "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path, value=7.0)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_workflow_can_send_results_to_its_scratch_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LG_RESULTS", str(tmp_path / "scratch"))
    path = results.write([RECORD], seed=0, **RUN)
    assert path.is_relative_to(tmp_path / "scratch")


@pytest.mark.parametrize(
    ("records", "changes", "told"),
    [
        ([], {}, "records is empty"),
        ([RECORD, RECORD], {}, "recorded twice"),
        ([RECORD], {"seed": -1}, "seed must be"),
        ([RECORD], {"seed": "0"}, "seed must be"),
        ([RECORD], {"chapter": "99_none"}, "chapter is '99_none'; there is: 01_theory"),
    ],
)
def test_writing_refuses_a_run_that_cannot_be_filed(tmp_path, records, changes, told):
    with pytest.raises(ValueError, match=told):
        results.write(records, root=tmp_path, **{"seed": 0, **RUN, **changes})


@pytest.mark.parametrize("damage", ["", "{", '{"schema": 1}', "[]"])
def test_a_damaged_results_file_is_named(tmp_path, damage):
    path = write(tmp_path)
    path.write_text(damage)
    with pytest.raises(ValueError, match="is not a whole results file"):
        results.read(path)


def test_results_of_another_schema_are_named(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(ValueError, match="schema 99, this code reads 1"):
        results.read(path)


def test_the_interval_over_seeds_is_students(tmp_path):
    paths = [write(tmp_path, seed, value) for seed, value in enumerate([1.0, 1.2, 0.9])]
    runs = across.seeds(paths[0], root=tmp_path)
    assert runs.values("T1", "gain / law") == {0: 1.0, 1: 1.2, 2: 0.9}
    assert runs.interval("T1", "gain / law") == stats.mean_interval([1.0, 1.2, 0.9])
    record = runs.record("T1", "gain / law")
    assert (record.n, record.null, record.predicted) == (3, 0.0, 1.0)
    assert str(runs) == "3 seeds (0, 1, 2)"


def test_a_single_seed_keeps_its_own_interval_and_says_so(tmp_path):
    runs = across.seeds(write(tmp_path), root=tmp_path)
    assert runs.interval("T1", "gain / law") is None
    assert runs.record("T1", "gain / law").n == 50
    assert "no interval over seeds" in str(runs)


def test_stale_runs_and_runs_with_other_parameters_are_left_out_and_named(tmp_path):
    mine = write(tmp_path)
    stale = write(tmp_path, 1)
    stale.write_text(stale.read_text().replace(provenance.code_hash("01_theory"), "0" * 16))
    write(tmp_path, 2, parameters={"draws": 6})
    write(tmp_path, 3)
    runs = across.seeds(mine, root=tmp_path)
    assert sorted(runs.runs) == [0, 3]
    assert "seed 1 left out: made by other code" in str(runs)
    assert "seed 2 left out: made with other parameters" in str(runs)


def test_this_run_counts_instead_of_the_committed_run_of_its_seed(tmp_path):
    write(tmp_path / "committed", 0, value=5.0)
    runs = across.seeds(write(tmp_path / "scratch", 0, value=1.0), root=tmp_path / "committed")
    assert runs.values("T1", "gain / law") == {0: 1.0}


def test_an_unknown_quantity_names_those_there_are(tmp_path):
    runs = across.seeds(write(tmp_path), root=tmp_path)
    with pytest.raises(KeyError, match="gain / law"):
        runs.record("T1", "gian")


def test_the_fingerprint_of_committed_runs_changes_with_them(tmp_path):
    for seed in (0, 1):
        write(tmp_path / "results", seed)
    before = across.fingerprint("01_theory", "quick", leave_out=[0], root=tmp_path)
    assert [line.split(":")[0] for line in before] == ["m/seed1"]
    write(tmp_path / "results", 1, value=2.0)
    assert across.fingerprint("01_theory", "quick", leave_out=[0], root=tmp_path) != before


def test_every_committed_result_is_whole_current_and_of_the_published_profile(root):
    files = sorted((root / "results").glob("quick/*/*/*.json"))
    found: dict[str, dict[str, set[int]]] = {}
    for path in files:
        document = results.read(path)
        assert document["code"] == provenance.code_hash(document["chapter"]), f"{path} is stale"
        by_model = found.setdefault(document["chapter"], {})
        by_model.setdefault(document["model"], set()).add(document["seed"])
    filing = [c for c in provenance.chapters(root) if execute.files_results(root / f"notebooks/{c}.ipynb")]
    assert set(found) == set(filing)
    for chapter, by_model in found.items():
        own = profiles.load("quick", root)[chapter]["model"]
        assert by_model.pop(own) == {0, 1, 2, 3, 4}
        others = {"micro-qwen2", "micro-olmo2"} if profiles.takes_models(chapter, root) else set()
        seeds = {0} if chapter == "03_lora_drift" else {0, 1, 2, 3, 4}
        assert by_model == dict.fromkeys(others, seeds)
    for path in files:
        assert "/root/" not in json.dumps(path.read_text())


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("value", True, "value must be a number, got True"),
        ("low", "0.9", "low must be a number, got '0.9'"),
        ("n", math.nan, "n must be a whole number, got nan"),
        ("n", 2.5, "n must be a whole number"),
        ("n", True, "n must be a whole number"),
        ("quantity", "  ", "quantity is '  '"),
        ("unit", 1, "unit is 1"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(field, value, told):
    with pytest.raises(ValueError, match=told):
        replace(RECORD, **{field: value})


def test_numpy_numbers_become_pythons_and_survive_writing(tmp_path):
    record = replace(RECORD, value=np.float32(1), low=0, n=np.int64(5), predicted=np.float64(1))
    assert [type(x) for x in (record.value, record.low, record.n)] == [float, float, int]
    parameters = {"a": np.int64(1), "b": [np.float32(0.5), (1, None)], "c": {"d": np.bool_(True)}}
    path = results.write([record], root=tmp_path, seed=0, **{**RUN, "parameters": parameters})
    assert results.read(path)["parameters"] == {"a": 1, "b": [0.5, [1, None]], "c": {"d": True}}


def test_rounding_keeps_the_value_in_its_interval(tmp_path):
    record = replace(RECORD, value=1234567, low=1234566.5, high=1234567.2)
    path = results.write([record], root=tmp_path, seed=0, **RUN)
    (read,) = results.read(path)["claims"]["T1"]
    assert read.low <= read.value <= read.high


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "org/name"}, "write a hub id org/name as org--name"),
        ({"profile": "../x"}, "profile must be letters"),
        ({"chapter": ".."}, "chapter must be letters"),
        ({"seed": True}, "seed must be"),
        ({"parameters": {"x": math.nan}}, r"parameters\['x'\] must be finite"),
        ({"parameters": {"x": [object()]}}, r"parameters\['x'\]\[0\] must be"),
    ],
)
def test_what_cannot_be_filed_is_named(tmp_path, changes, told):
    with pytest.raises(ValueError, match=told):
        results.write([RECORD], root=tmp_path, **{"seed": 0, **RUN, **changes})
    assert not list(tmp_path.rglob("*.json"))


def test_a_row_tells_the_verdict_early_and_the_rule_exactly():
    row = verdicts.row(replace(RECORD, value=1.00049), verdicts.agrees, 0.125)
    assert list(row) == ["claim", "measured", "verdict", "value [interval] (n)", "prediction", "null", "rule"]
    assert row["rule"] == "within 12.5% of prediction"
    assert row["value [interval] (n)"] == "1 [0.9, 1.1] (50)"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: verdicts.exceeds(RECORD, math.nan), "bar must be finite"),
        (lambda: verdicts.falls_below(RECORD, math.inf), "bar must be finite"),
        (lambda: verdicts.agrees(RECORD, math.inf), "tolerance must be finite"),
        (lambda: verdicts.agrees(replace(RECORD, predicted=0), 0.1), "use falls_below"),
        (lambda: verdicts.overall("partly"), "must be a list"),
        (lambda: verdicts.overall(["reproduced", "yes"]), r"has \['yes'\]"),
        (
            lambda: Record.of("T1", "q", stats.Interval(1, 0, 2, 0.9, 5), unit="1", null=0, null_means="x"),
            "level is 0.9, want 0.95",
        ),
    ],
)
def test_a_rule_that_cannot_judge_says_so(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_a_committed_file_that_contradicts_its_place_is_named(tmp_path):
    mine, other = write(tmp_path), write(tmp_path, 1)
    other.write_text(other.read_text().replace('"seed": 1', '"seed": 2'))
    with pytest.raises(ValueError, match=r"seed1.01_theory\.json: its seed inside"):
        across.seeds(mine, root=tmp_path)


@pytest.mark.parametrize(("field", "value"), [("unit", "m"), ("null_means", "other"), ("predicted", None)])
def test_seeds_that_describe_a_quantity_differently_are_refused(tmp_path, field, value):
    mine = write(tmp_path)
    results.write([replace(RECORD, **{field: value})], root=tmp_path, seed=1, **RUN)
    with pytest.raises(ValueError, match="seed 0 and seed 1"):
        across.seeds(mine, root=tmp_path)


def test_a_table_by_claim_wants_words_for_each_claim_and_a_line_for_each_word():
    lines = [{"claim": "S1", "verdict": "reproduced"}, {"claim": "S1", "verdict": "partly"}]
    assert verdicts.by_claim(lines, {"S1": "low rank"})[0]["verdict"] == "partly"
    with pytest.raises(ValueError, match="statements has no words for S1"):
        verdicts.by_claim(lines, {"S2": "static"})
    with pytest.raises(ValueError, match="no verdict was given"):
        verdicts.by_claim(lines, {"S1": "low rank", "S2": "static"})
