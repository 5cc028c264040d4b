"""`make measure` and `make verify` on a small project: what is measured, what a failure leaves and says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mini
import numpy as np
import pandas as pd
import pytest
from mini import drive, observations

from lglib.report import filing
from workflow import measure, request, verify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with all of its plan measured, which no test may change."""
    project = mini.make(tmp_path_factory.mktemp("measured") / "mini")
    made = drive(project, "measure")
    assert made.returncode == 0, made.stderr
    assert "3 of 3 runs are to be measured" in made.stderr
    assert "All 3 runs are measured" in made.stdout
    return project


@pytest.fixture
def project(measured: Path, tmp_path: Path) -> Path:
    shutil.copytree(measured, tmp_path / "mini")
    return tmp_path / "mini"


def by_hand(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run, as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.measure", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_what_is_missing_damaged_or_asked_for_is_measured(project):
    before = observations(project)
    assert "0 of 3 runs are to be measured" in drive(project, "measure").stderr
    folder = project / "runs" / "observations" / "quick" / "mini"
    damaged = folder / "seed0" / "two.csv"
    damaged.write_text(damaged.read_text()[:-20])  # cut off
    (folder / "seed1" / "one.json").unlink()
    made = drive(project, "measure", "--seeds", "0 1 3", "--cores", "2")
    assert made.returncode == 0, made.stderr
    assert "5 of 6 runs are to be measured" in made.stderr
    after = observations(project)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {
        *("mini/seed0/two.csv", "mini/seed1/one.csv"),  # damaged
        *("mini/seed3/one.csv", "mini/seed1/two.csv", "mini/seed3/two.csv"),  # asked for
    }


def test_an_observation_says_where_it_comes_from(project):
    filed = filing.read(project / "runs" / "observations" / "quick" / "mini" / "seed1" / "one.csv")
    header = filed.header
    assert (header.study, header.profile, header.model, header.seed) == ("one", "quick", "mini", 1)
    assert header.parameters["steps"] == 3
    assert header.device == "cpu"
    assert "python" in header.versions
    assert filed.frame["value"].tolist() == [1.0, 1.1, 1.2]


@pytest.mark.long
def test_a_failing_run_names_study_model_seed_and_cause_leaves_nothing_and_stops_no_other(project):
    mini.write_study(project, "one", value="1.0 / (1 - seed)")
    before = observations(project)
    for _ in range(2):
        failed = drive(project, "measure")
        assert failed.returncode != 0
        assert "FAILED: study one, profile quick, model mini, seed 1" in failed.stderr
        assert "error  NothingMeasured: none of the 3 sections" in failed.stderr
        assert "row 0: ZeroDivisionError: float division by zero" in failed.stderr
        assert "1 of 3 runs not measured" in failed.stderr
    log = project / "runs" / "logs" / "quick" / "mini" / "seed1" / "one.log"
    assert "ZeroDivisionError: float division by zero" in log.read_text().split("Traceback")[-1]
    after = observations(project)
    assert after["mini/seed0/one.csv"] != before["mini/seed0/one.csv"]
    assert after["mini/seed1/one.csv"] == before["mini/seed1/one.csv"]  # stale, and named as such
    assert not list(project.rglob("*.tmp"))


def test_a_run_that_is_killed_leaves_nothing_and_is_taken_up_again(project):
    value = "[float(k), __import__('time').sleep(0 if __import__('os').path.exists('go') else 60)][0]"
    mini.write_study(project, "two", value=value)
    stale = (project / "runs" / "observations" / "quick" / "mini" / "seed0" / "two.csv").read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow.measure", "two"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert "measuring" in process.stderr.readline()
    assert drive(project, "measure").returncode == 2  # a run by hand keeps a driver out
    process.send_signal(signal.SIGKILL)
    process.wait()
    path = project / "runs" / "observations" / "quick" / "mini" / "seed0" / "two.csv"
    assert path.read_bytes() == stale
    (project / "go").touch()
    made = drive(project, "measure")
    assert made.returncode == 0, made.stderr
    assert "1 of 3 runs are to be measured" in made.stderr
    assert filing.read(path).frame["value"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.long
def test_a_run_that_is_killed_late_goes_on_where_it_was(project):
    import json

    stop = (
        "[float(k), k == 2 and __import__('time').sleep(0 if __import__('os').path.exists('go') else 60)][0]"
    )
    mini.write_study(project, "two", value=stop)
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow.measure", "two"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        stderr=subprocess.DEVNULL,
    )
    kept = project / "runs" / "observations" / "quick" / "mini" / "seed0" / "two.partial.json"
    while not kept.exists() or len(json.loads(kept.read_text())["found"]["done"]) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (project / "go").touch()
    made = by_hand(project, "two")
    assert made.returncode == 0, made.stderr
    assert "an unfinished run is taken up: 2 sections, 2 rows are there" in made.stderr
    assert filing.read(kept.with_name("two.csv")).frame["value"].tolist() == [0.0, 1.0, 2.0]
    assert not kept.exists()


def test_a_section_that_fails_is_left_out_told_and_tried_again_alone(project):
    lost = "float([10, 11][k]) if not __import__('os').path.exists('go') else 5.0"
    mini.write_study(project, "two", value=lost)
    made = by_hand(project, "two")
    assert made.returncode == 0, made.stderr
    assert "LEFT OUT: row 2: IndexError: list index out of range" in made.stderr
    assert "row 2 ended in a fault; measuring this run again tries that alone" in made.stderr
    log = project / "runs" / "logs" / "quick" / "mini" / "seed0" / "two.log"
    assert "section row 2" in log.read_text()
    path = project / "runs" / "observations" / "quick" / "mini" / "seed0" / "two.csv"
    assert filing.read(path).header.left_out == {"row 2": "IndexError: list index out of range"}
    assert filing.read(path).frame["value"].tolist() == [10.0, 11.0]
    assert "0 of 1 runs are to be measured" in drive(project, "measure", "--studies", "two").stderr
    (project / "go").touch()
    again = by_hand(project, "two")
    assert again.returncode == 0, again.stderr
    assert filing.read(path).frame["value"].tolist() == [10.0, 11.0, 5.0]
    assert filing.read(path).header.left_out == {}
    assert not path.with_name("two.partial.json").exists()


def test_a_folder_is_in_a_header_by_its_name_and_not_by_its_path(tmp_path):
    from lglib.studies.base import Parameters

    folder = tmp_path / "my model"
    folder.mkdir()
    assert measure.told(Parameters(model=str(folder)))["model"] == "my-model"
    hub = "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert measure.told(Parameters(model=hub))["model"] == hub


def test_an_error_is_told_with_all_that_caused_it(project):
    mini.write_study(project, "two", imports="raise RuntimeError('no model') from OSError('no config.json')")
    failed = by_hand(project, "two")
    assert failed.returncode == 1
    assert "error  RuntimeError: no model\n  cause  OSError: no config.json" in failed.stderr


def test_code_that_is_edited_while_it_measures_is_refused(project):
    edit = "open('lglib/studies/two.py', 'a').write('X = 1\\n')"
    mini.write_study(project, "two", value=f"float(k + 0 * {edit})")
    before = observations(project)
    failed = by_hand(project, "two")
    assert failed.returncode == 1
    assert "FAILED: study two" in failed.stderr
    assert "edited" in failed.stderr
    assert observations(project) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["three"], "study is 'three'; there is: theory"),
        (["lora", "--profile", "quik"], "profile is 'quik'; there is: "),
        (["lora", "--seed", "-1"], "a seed is a whole number from 0"),
        (["lora", "--seed", ""], "name one model and one seed"),
        (["lora", "--model", "../x"], "a model is a shipped one"),
    ],
)
def test_measuring_by_hand_refuses_what_makes_no_sense_at_once_in_one_line(
    root, monkeypatch, capsys, arguments, told
):
    monkeypatch.chdir(root)
    arguments = [f"--seed={arguments[2]}", arguments[0]] if "--seed" in arguments else arguments
    started = time.monotonic()
    assert measure.main(arguments) == 2
    assert time.monotonic() - started < 1
    said = capsys.readouterr().err
    assert said.startswith("measure: ")
    assert told in said
    assert said.count("\n") == 1


def test_a_wrong_parameter_of_a_profile_is_told_with_study_name_value_and_range(project):
    profile = project / "config" / "quick.yml"
    profile.write_text(profile.read_text().replace("parameters: {}", "parameters: {steps: 0}", 1))
    refused = by_hand(project, "one")
    assert refused.returncode == 2
    assert "study one, steps is 0; it should be greater than or equal to 1" in refused.stderr
    refused = drive(project, "measure")
    assert refused.returncode == 2
    assert "study one, steps is 0" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_plan_and_what_is_asked_make_the_runs(root):
    def asked(**rest):
        return [(r.study, r.name, r.seed) for r in request.runs("quick", root, **rest)]

    everything = asked()
    assert ("theory", "digits-mlp", 0) in everything
    assert ("lora", "micro-gpt2", 4) in everything
    assert asked(names="lora", models="micro-qwen2") == [("lora", "micro-qwen2", 0)]
    assert asked(names="lora", models="micro-qwen2", seeds="2 1") == [
        ("lora", "micro-qwen2", 1),
        ("lora", "micro-qwen2", 2),
    ]
    assert {study for study, _, _ in asked(models="micro-olmo2")} == {"lora", "rank", "bridge", "lens"}
    hub = "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert asked(names="lora", models=hub) == [("lora", "openai-community--gpt2", 0)]


# Verify


def row(value, n=1, half=0.0, **varied):
    return {
        **{"claim": "S3", "measure": "capture", "value": value, "low": value - half, "high": value + half},
        **{"n": n, "null": 0.0, "predicted": np.nan, **varied},
    }


@pytest.mark.parametrize(
    ("filed", "new", "same"),
    [
        (row(0.61), row(0.615), True),
        (row(0.61), row(0.63), False),
        (row(0.01, half=0.5), row(0.02, half=0.5), True),  # far within its interval
        (row(0.0234375, n=128), row(0.0390625, n=128), True),  # two items of 128
        (row(0.0234375, n=128), row(0.046875, n=128), False),  # three
        (row(0.2, n=10), row(0.4, n=10), False),  # so few that two flips would hide anything
        (row(0.0), row(3e-17), True),
        (row(0.61, k=1), row(0.61, k=2), False),  # a row that is not filed
    ],
)
def test_a_value_is_the_same_within_the_stated_tolerance(filed, new, same):
    (off,) = verify.compared(pd.DataFrame([filed]), pd.DataFrame([new]))["off"]
    assert (off <= 1) == same


def test_columns_that_only_one_side_has_are_empty_in_the_other():
    filed = pd.DataFrame([row(0.61, basis="prefix"), row(0.5, k=1), row(0.4, k=0.5)])
    found = verify.compared(filed, pd.DataFrame([row(0.5, k=1)]))
    assert found["off"].tolist() == [0.0]
    found = verify.compared(pd.DataFrame([row(0.5, k=1)]), filed)
    assert found["off"].tolist() == [np.inf, 0.0, np.inf]


def test_verify_measures_a_part_of_each_study_anew_and_compares_it_with_what_is_filed(project):
    done = drive(project, "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[one mini seed 0]  1 of 3 rows measured anew" in done.stdout
    assert verify.STATED in done.stdout
    path = project / "runs" / "observations" / "quick" / "mini" / "seed1" / "one.csv"
    edited = path.read_text().replace("1.0,1.0,1.0", "1.1,1.1,1.1", 1)
    assert edited != path.read_text()
    header = path.with_suffix(".json")
    header.write_text(header.read_text().replace(sha(path.read_text()), sha(edited)))
    path.write_text(edited)
    failed = drive(project, "verify", "--studies", "one", "--seeds", "1")
    assert failed.returncode == 1
    assert "T1 gain, k = 0: filed 1.1, now 1 (n = 1)" in failed.stdout
    assert "make verify: not the same: one mini seed 1" in failed.stdout
    none = drive(project, "verify", "--studies", "two", "--seeds", "7")
    assert none.returncode == 1
    assert "nothing current is filed; type: make measure STUDIES=two" in none.stdout


def sha(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
