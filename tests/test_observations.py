"""Observations: what a row must hold, what a file must be, which files count, and intervals over seeds."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from lglib.report import observations as obs
from lglib.report import provenance
from lglib.theory import stats

ROW = {"null": 0.001, "null_means": "random subspace"}
PARAMETERS = {"model": "micro", "ks": [1, 2], "device": "cpu", "allow_download": False}


def measured(shift=0.0, pairs=("cipher", "edit")):
    made = obs.Observations()
    for pair in pairs:
        for k in (1, 10):
            made.add("S3", "capture", 0.1 * k**0.5 + shift, **ROW, pair=pair, k=k)
    made.add("S4", "half-life", stats.Interval(12.0, 10.0, 14.0, 0.95, 3), null=100, null_means="stays")
    made.add("T4", "order", 2.0, **ROW, predicted=2.0, scale=0.5)
    return made


def header(**changes):
    given = {
        "study": "lora",
        "profile": "quick",
        "model": "micro-gpt2",
        "seed": 0,
        "parameters": PARAMETERS,
        "device": "cpu",
        "versions": {"python": "3.11"},
        "code": "abc",
    }
    return obs.Header(**{**given, **changes})


def file(root, shift=0.0, **changes):
    return obs.write(measured(shift), header(**changes), root)


# --- a row


def test_what_is_read_is_what_was_written(tmp_path):
    filed = obs.read(file(tmp_path))
    pd.testing.assert_frame_equal(filed.frame, measured().frame())
    assert filed.header == header()
    assert filed.frame["k"].tolist()[:4] == [1, 10, 1, 10]
    assert filed.frame["pair"].isna().tolist() == [False] * 4 + [True] * 2


def test_two_runs_of_the_same_write_the_same_bytes(tmp_path):
    first, second = (file(tmp_path / name) for name in "ab")
    for suffix in (".csv", ".json"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


def test_a_text_that_looks_like_a_number_a_comma_or_a_missing_value_stays_a_text(tmp_path):
    made = obs.Observations()
    for name in ("1", "NA", "a, b", 'say "so"', "None", "Δ\n2"):
        made.add("S3", "capture", 0.5, **ROW, basis=name)
    frame = obs.read(obs.write(made, header(), tmp_path)).frame
    assert frame["basis"].tolist() == ["1", "NA", "a, b", 'say "so"', "None", "Δ\n2"]


def test_numbers_are_rounded_to_six_digits_and_stay_in_their_interval():
    made = obs.Observations()
    made.add("S3", "a", 1 / 3, **ROW)
    made.add("S3", "b", stats.Interval(1 / 3, 1 / 3, 0.5, 0.95, 5), **ROW)
    assert made.frame()["value"].tolist() == [0.333333] * 2
    assert (made.frame()["low"] <= made.frame()["value"]).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"null": None}, "null must be a number"),
        ({"null": np.nan}, "null must be finite"),
        ({"null_means": " "}, "null_means must be words"),
        ({"unit": ""}, "unit must be words"),
        ({"claim": "S10"}, "claim must be one of T1"),
        ({"measure": ""}, "measure must be words"),
        ({"value": np.inf}, "value must be finite"),
        ({"value": "0.5"}, "value must be a number"),
        ({"value": True}, "value must be a number"),
        ({"value": stats.Interval(0.5, 0.4, 0.6, 0.9, 5)}, "level of the interval must be 0.95"),
        ({"value": stats.Interval(0.7, 0.4, 0.6, 0.95, 5)}, "outside its interval"),
        ({"predicted": np.nan}, "predicted must be finite"),
        ({"pair": None}, "pair must be a text or a finite number"),
        ({"centred": True}, "centred must be a text or a finite number"),
        ({"k": np.nan}, "k must be a text or a finite number"),
        ({"seed": 3}, "'seed' is the name of a fixed column"),
        ({"low": 3}, "'low' is the name of a fixed column"),
    ],
)
def test_a_row_that_is_not_whole_is_refused_and_named(changes, told):
    given = {"claim": "S3", "measure": "capture", "value": 0.5, **ROW, **changes}
    claim, measure, value = (given.pop(name) for name in ("claim", "measure", "value"))
    with pytest.raises(ValueError, match=told):
        obs.Observations().add(claim, measure, value, **given)


def test_a_row_without_null_is_refused():
    with pytest.raises(TypeError, match="null"):
        obs.Observations().add("S3", "capture", 0.5)


def test_the_same_measure_twice_is_refused_and_named():
    made = measured()
    with pytest.raises(ValueError, match="S3 capture, k = 10, cipher is measured twice"):
        made.add("S3", "capture", 0.5, **ROW, k=10, pair="cipher")


def test_a_column_of_texts_and_numbers_is_refused():
    made = measured()
    made.add("S3", "capture", 0.5, **ROW, k="all")
    with pytest.raises(ValueError, match="'k' holds both texts and numbers"):
        made.frame()


def test_a_run_that_measured_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing was measured"):
        obs.Observations().frame()


# --- a file


def alter(path, change):
    path.write_text(change(path.read_text()))


def rewrite(path, change):
    """A table that somebody changed, with a header that agrees."""
    alter(path, change)
    document = json.loads(path.with_suffix(".json").read_text())
    document["sha256"] = obs.read.__globals__["_sha256"](path.read_text())
    path.with_suffix(".json").write_text(json.dumps(document))


def test_a_table_that_was_cut_off_or_altered_is_refused(tmp_path):
    for change in (lambda t: t[:-20], lambda t: t.replace("0.1", "0.2", 1)):
        path = file(tmp_path)
        alter(path, change)
        with pytest.raises(ValueError, match=rf"{path.name} is not a whole.*cut off or altered"):
            obs.read(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"schema": 2', '"schema": 1', "of schema 1; this code reads schema 2"),
        ('"code"', '"kode"', "kode"),
        ('"seed": 0', '"seed": "0"', "seed"),
        ('"seed": 0', '"seed": -1', "seed"),
        ('"columns"', '"kolumns"', "columns"),
        ("{", "", "Extra data"),
        ('"model": "micro-gpt2"', '"model": "a/b"', "model"),
    ],
)
def test_a_header_of_another_schema_or_form_is_refused(tmp_path, old, new, told):
    path = file(tmp_path)
    alter(path.with_suffix(".json"), lambda t: t.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"(?s)lora.csv is not a whole file of observations.*{told}"):
        obs.read(path)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_table_without_header_and_a_header_without_table_are_refused(tmp_path, suffix):
    path = file(tmp_path)
    path.with_suffix(suffix).unlink()
    with pytest.raises(ValueError, match=f"there is no lora{suffix}"):
        obs.read(path)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("smoke/micro-gpt2/seed0/lora", "profile"),
        ("quick/micro-olmo2/seed0/lora", "model"),
        ("quick/micro-gpt2/seed1/lora", "seed"),
        ("quick/micro-gpt2/seed0/rank", "study"),
    ],
)
def test_a_file_in_the_wrong_place_is_refused(tmp_path, place, told):
    path = file(tmp_path / "here")
    target = tmp_path / "there" / f"{place}.csv"
    target.parent.mkdir(parents=True)
    for suffix in (".csv", ".json"):
        os.replace(path.with_suffix(suffix), target.with_suffix(suffix))
    with pytest.raises(ValueError, match=f"its {told} inside is not that of its place"):
        obs.read(target)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.replace(",null_means", ",means", 1), "no column null_means"),
        (lambda t: t.replace("0.001,random subspace", ",random subspace", 1), "not finite"),
        (lambda t: t.replace("0.001,random subspace", "inf,random subspace", 1), "not finite"),
        (lambda t: t.replace(",random subspace", ",", 1), "no null_means"),
        (lambda t: t + t.splitlines(keepends=True)[1], "the same claim, measure and varied"),
        (lambda t: t.splitlines(keepends=True)[0], "no row"),
        (lambda t: t.replace("10.0,14.0", "12.5,14.0", 1), "outside its interval"),
        (lambda t: t.replace("S4", "S44", 1), "neither 'context' nor in the ledger"),
        (lambda t: t.replace("pair", "pear", 1), "pair, pear, are in one|pair, pear"),
    ],
)
def test_a_table_with_a_missing_column_null_or_a_double_is_refused_whoever_wrote_it(tmp_path, change, told):
    path = file(tmp_path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"(?s)lora.csv is not a whole file of observations: .*({told})"):
        obs.read(path)


def test_parameters_that_json_cannot_hold_are_refused():
    with pytest.raises(ValueError, match="parameters must be finite numbers"):
        header(parameters={"rate": float("nan")})


# --- who writes where


@pytest.fixture
def project(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").touch()
    return tmp_path


def test_a_run_by_hand_does_not_write_into_the_committed_folder(project):
    (project / "link").symlink_to(project / obs.PUBLISHED)
    for root in (project / obs.PUBLISHED, project / obs.PUBLISHED / "mine", project / "link"):
        with pytest.raises(ValueError, match="holds published observations"):
            file(root)
    assert not (project / obs.PUBLISHED).exists()


def test_publishing_copies_byte_by_byte(project):
    path = file(project / obs.FRESH)
    copy = obs.publish(path, parameters=PARAMETERS, code="abc", root=project)
    assert copy == project / obs.PUBLISHED / "quick/micro-gpt2/seed0/lora.csv"
    for suffix in (".csv", ".json"):
        assert copy.with_suffix(suffix).read_bytes() == path.with_suffix(suffix).read_bytes()
    obs.read(copy)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"code": "other"}, "made by other code"),
        ({"parameters": {**PARAMETERS, "ks": [3]}}, r"made with other parameters \(ks\)"),
    ],
)
def test_what_the_profile_does_not_ask_for_is_not_published(project, given, told):
    path = file(project / obs.FRESH)
    with pytest.raises(ValueError, match=told):
        obs.publish(path, **{"parameters": PARAMETERS, "code": "abc", "root": project, **given})
    alter(path, lambda t: t[:-5])
    with pytest.raises(ValueError, match="cut off or altered"):
        obs.publish(path, parameters=PARAMETERS, code="abc", root=project)
    assert not (project / obs.PUBLISHED).exists()


# --- which files count


def gather(project, **changes):
    return obs.gather(
        "lora", "quick", **{"parameters": PARAMETERS, "code": "abc", "root": project, **changes}
    )


def publish(project, shift=0.0, **changes):
    path = file(project / "elsewhere", shift, **changes)
    return obs.publish(path, parameters=path and obs.read(path).header.parameters, code="abc", root=project)


def test_a_fresh_run_goes_before_the_published_one(project):
    publish(project)
    publish(project, seed=1)
    file(project / obs.FRESH, 0.01)
    found = obs.rows(gather(project).frame, measure="capture", pair="cipher", k=1)
    assert dict(zip(found["seed"], found["value"], strict=True)) == {0: 0.11, 1: 0.1}


def test_runs_by_other_code_or_with_other_parameters_are_named_and_not_mixed_in(project):
    publish(project)
    file(project / obs.FRESH, 0.5, code="old")
    file(project / obs.FRESH, 0.5, seed=1, parameters={**PARAMETERS, "ks": [9]})
    file(project / obs.FRESH, 0.2, model="micro-olmo2", parameters={**PARAMETERS, "model": "other"})
    found = gather(project)
    assert found.frame.groupby(["model", "seed"]).size().to_dict() == {
        ("micro-gpt2", 0): 6,
        ("micro-olmo2", 0): 6,
    }
    assert found.left_out == {
        "runs/observations/quick/micro-gpt2/seed0/lora.csv": "made by other code",
        "runs/observations/quick/micro-gpt2/seed1/lora.csv": "made with other parameters (ks)",
    }
    assert "left out runs/observations/quick/micro-gpt2/seed0/lora.csv: made by other code" in str(found)


def test_a_published_file_behind_a_fresh_one_is_not_named(project):
    publish(project)
    file(project / obs.FRESH, code="new")
    assert gather(project, code="new").left_out == {}


def test_without_parameters_all_runs_must_have_the_same(project):
    publish(project)
    assert len(gather(project, parameters=None).frame) == 6
    file(project / obs.FRESH, seed=1, parameters={**PARAMETERS, "ks": [9]})
    with pytest.raises(ValueError, match=r"seed 1 of study lora is made with other parameters \(ks\)"):
        gather(project, parameters=None)


def test_no_run_that_counts_is_an_error_that_says_what_to_do(project):
    with pytest.raises(ValueError, match="make measure STUDIES=lora PROFILE=quick"):
        gather(project)
    publish(project)
    with pytest.raises(ValueError, match=r"(?s)make measure.*seed0/lora\.csv: made by other code"):
        gather(project, code="new")


def test_a_file_that_cannot_be_read_is_named(project):
    publish(project)
    path = file(project / obs.FRESH, seed=1)
    path.unlink()
    name = "runs/observations/quick/micro-gpt2/seed1/lora.csv"
    assert gather(project).left_out == {
        name: f"cannot be read: {name}: there is no lora.csv; measure it anew"
    }


# --- over seeds


def runs(*shifts, **changes):
    parts = [measured(s).frame().assign(model="micro", seed=i, **changes) for i, s in enumerate(shifts)]
    return pd.concat(parts)


def test_the_interval_over_seeds_is_that_of_mean_interval():
    shifts = (0.0, 0.01, 0.05)
    frame = runs(*shifts).replace({"measure": {"capture": "gain"}})  # a measure without ends
    found = obs.rows(obs.over_seeds(frame), measure="gain", pair="edit", k=1).iloc[0]
    want = stats.mean_interval([0.1 + s for s in shifts])
    assert [found["value"], found["low"], found["high"]] == pytest.approx(
        [want.estimate, want.low, want.high]
    )
    assert (found["n"], found["over"], found["null"]) == (3, "seeds", pytest.approx(0.001))
    told = [run[:2] for run in found["runs"]]
    assert told == [(seed, pytest.approx(0.1 + shift)) for seed, shift in enumerate(shifts)]


def test_the_interval_of_a_share_does_not_leave_its_range():
    found = obs.rows(obs.over_seeds(runs(0.0, 0.01, 0.2)), measure="capture", pair="edit", k=1).iloc[0]
    assert stats.mean_interval([0.1, 0.11, 0.3]).low < 0 < found["low"] < found["value"] < found["high"] < 1


def test_a_measure_of_one_seed_keeps_its_own_interval():
    frame = runs(0.0, 0.01)
    frame = frame[(frame["seed"] == 0) | (frame["measure"] != "half-life")]
    found = obs.rows(obs.over_seeds(frame), measure="half-life").iloc[0]
    assert found[["value", "low", "high", "n", "over"]].tolist() == [12.0, 10.0, 14.0, 3, "draws"]


def test_equal_seeds_give_an_interval_of_width_zero_and_predictions_are_means():
    found = obs.rows(obs.over_seeds(runs(0.0, 0.0, 0.0)), measure="order").iloc[0]
    assert found[["value", "low", "high", "predicted"]].tolist() == [2.0] * 4


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("unit", "nats", "two units"), ("null_means", "x", "two meanings"), ("predicted", 1.0, "prediction")],
)
def test_seeds_that_describe_a_measure_differently_are_refused(column, value, told):
    frame = runs(0.0, 0.01)
    frame.loc[(frame["seed"] == 1) & (frame["measure"] == "capture"), column] = value
    with pytest.raises(ValueError, match=f"S3 capture, cipher, k = 1 of micro has .*{told}"):
        obs.over_seeds(frame)


def test_a_seed_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="has a seed twice"):
        obs.over_seeds(pd.concat([runs(0.0), runs(0.1)]))


def test_models_and_columns_that_only_some_have_stay_apart(project):
    publish(project)
    made = measured(pairs=("cipher",))
    made.add("S3", "capture", 0.9, **ROW, optimiser="SGD")
    obs.write(made, header(model="micro-olmo2"), project / obs.FRESH)
    found = obs.over_seeds(gather(project).frame)
    assert found.groupby("model").size().to_dict() == {"micro-gpt2": 6, "micro-olmo2": 5}
    assert list(found.columns[:3]) == ["model", "claim", "measure"]


# --- selecting


def test_rows_are_selected_by_value_list_emptiness_and_extreme():
    frame = measured().frame()
    assert obs.rows(frame, measure="capture", k="max")["value"].tolist() == [0.316228] * 2
    assert obs.rows(frame, k="max", pair="edit")["k"].tolist() == [10]
    assert len(obs.rows(frame, pair=["edit", "cipher"])) == 4
    assert obs.rows(frame, k=None)["measure"].tolist() == ["half-life", "order"]
    assert "scale" not in obs.rows(frame, measure="capture").columns


def test_no_such_row_names_the_values_there_are():
    frame = measured().frame()
    with pytest.raises(
        KeyError, match="no row with k = 7 among rows with measure = 'capture'; there is: 1, 10"
    ):
        obs.rows(frame, measure="capture", k=7)
    with pytest.raises(KeyError, match="no column layer; there is: claim"):
        obs.rows(frame, layer=1)


def test_the_stamp_of_a_header_comes_from_the_process(monkeypatch):
    monkeypatch.setattr(provenance, "stamp", lambda study: f"of {study}", raising=False)
    rest = {"profile": "quick", "model": "m", "seed": 0, "device": "cpu"}
    made = obs.Header.made_now("lora", **rest, parameters={"ks": (1, 2)})
    assert (made.code, made.parameters) == ("of lora", {"ks": [1, 2]})
    assert "torch" in made.versions
