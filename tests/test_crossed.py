"""Seeds of one chapter on several models: which runs count for which, and what is said of the others."""

import pytest
from test_siblings import write

from lglib.report import crossed, results


def test_each_model_has_its_own_seeds_and_this_runs_model_comes_first(tmp_path):
    mine = write(tmp_path, "b", 0.4)
    write(tmp_path, "b", 0.6, seed=1)
    for seed, value in ((0, 0.42), (3, 0.48)):
        write(tmp_path, "a", value, seed=seed)
    found = crossed.gather(mine, root=tmp_path)
    assert list(found.models) == ["b", "a"]
    assert found.record("b", "S3", "capture").value == pytest.approx(0.5)
    assert found.record("a", "S3", "capture").value == pytest.approx(0.45)
    assert str(found).splitlines() == ["b: 2 seeds (0, 1)", "a: 2 seeds (0, 3)"]


def test_a_stale_seed_of_another_model_is_left_out_and_the_others_stay(tmp_path):
    mine = write(tmp_path, "b")
    old = write(tmp_path, "a", 0.6)
    old.write_text(old.read_text().replace(results.read(old)["code"], "0" * 16))
    write(tmp_path, "a", 0.45, seed=1)
    write(tmp_path, "a", 0.55, seed=2)
    found = crossed.gather(mine, root=tmp_path)
    assert found.record("a", "S3", "capture").value == pytest.approx(0.5)
    assert "seed 0 left out: made by other code" in str(found)


def test_a_model_without_a_fitting_run_is_left_out_and_says_why(tmp_path):
    mine = write(tmp_path, "b")
    write(tmp_path, "a", parameters={"draws": 6})
    old = write(tmp_path, "c")
    old.write_text(old.read_text().replace(results.read(old)["code"], "0" * 16))
    found = crossed.gather(mine, root=tmp_path)
    assert found.left_out == {"a": "made with other parameters", "c": "made by other code; remake it"}
    with pytest.raises(KeyError, match="no run of 'a'; there is: b"):
        found.record("a", "S3", "capture")
