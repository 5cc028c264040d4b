"""The same chapter on several models: which runs count, and what is said of the others."""

from dataclasses import replace

import pytest

from lglib.report import results, siblings
from lglib.report.results import Record

RECORD = Record("S3", "capture", 0.5, 0.4, 0.6, 5, "1", 0.001, "random subspace")
RUN = {"chapter": "01_theory", "profile": "quick", "device": "cpu", "seed": 0}


def write(root, model, value=0.5, quantity="capture", **changes):
    record = replace(RECORD, value=value, quantity=quantity)
    told = {"parameters": {"draws": 5, "model": model, "seed": 0}} | changes
    return results.write([record], root=root, model=model, **{**RUN, **told})


def test_runs_of_other_models_stand_beside_the_own_one_which_comes_first(tmp_path):
    mine = write(tmp_path, "b", 0.45)
    write(tmp_path, "a", 0.55)
    found = siblings.gather(mine, root=tmp_path)
    assert list(found.runs) == ["b", "a"]
    assert [found.record(m, "S3", "capture").value for m in found.runs] == [0.45, 0.55]
    assert str(found) == "2 models (b, a)"


def test_a_run_from_a_scratch_folder_replaces_the_committed_one_of_its_model(tmp_path):
    mine = write(tmp_path / "scratch", "b", 0.45)
    write(tmp_path / "committed", "b", 0.55)
    found = siblings.gather(mine, root=tmp_path / "committed")
    assert found.record("b", "S3", "capture").value == 0.45


def test_a_run_with_other_parameters_or_code_is_left_out_and_says_why(tmp_path):
    mine = write(tmp_path, "b")
    write(tmp_path, "a", parameters={"draws": 6})
    old = write(tmp_path, "c")
    old.write_text(old.read_text().replace(results.read(old)["code"], "0" * 16))
    found = siblings.gather(mine, root=tmp_path)
    assert list(found.runs) == ["b"]
    assert str(found).splitlines() == [
        "1 model (b)",
        "a left out: made with other parameters",
        "c left out: made by other code; remake it",
    ]


def test_another_seed_is_no_sibling(tmp_path):
    mine = write(tmp_path, "b")
    write(tmp_path, "a", seed=1)
    assert list(siblings.gather(mine, root=tmp_path).runs) == ["b"]


def test_what_a_model_did_not_measure_is_none_and_an_unknown_model_is_named(tmp_path):
    mine = write(tmp_path, "b")
    write(tmp_path, "a", quantity="other")
    found = siblings.gather(mine, root=tmp_path)
    assert found.record("a", "S3", "capture") is None
    with pytest.raises(KeyError, match="no run of 'z'; there is: b, a"):
        found.record("z", "S3", "capture")


def test_the_fingerprint_follows_the_other_models_only(tmp_path):
    folder = tmp_path / "results"
    write(folder, "b")
    assert siblings.fingerprint("01_theory", "quick", "b", root=tmp_path) == []
    write(folder, "a")
    before = siblings.fingerprint("01_theory", "quick", "b", root=tmp_path)
    assert [line.split(":")[0] for line in before] == ["a"]
    write(folder, "b", 0.45)
    assert siblings.fingerprint("01_theory", "quick", "b", root=tmp_path) == before
    write(folder, "a", 0.55)
    assert siblings.fingerprint("01_theory", "quick", "b", root=tmp_path) != before
