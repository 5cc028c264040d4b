"""`make merge`, `make ledger` and workflow/remote.sh: observations of several machines."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mini
import pytest

from lglib.report import filing, provenance
from lglib.report.headers import Header
from workflow import ledger, plan

GIVEN = dict(profile="quick", model="m", seed=0, parameters={}, device="cpu", versions={}, code="0")


def test_a_header_names_the_processor_and_one_without_keeps_its_bytes(root, tmp_path):
    published = sorted((root / "results").rglob("*.csv"))
    assert published
    for path in published:
        document = json.loads(path.with_suffix(".json").read_text())
        rest = {name: document[name] for name in ("columns", "sha256")}
        again = filing._write(tmp_path, filing.read(path).header, path.read_bytes().decode(), rest)
        assert again.read_bytes() == path.read_bytes()
        assert again.with_suffix(".json").read_bytes() == path.with_suffix(".json").read_bytes()
    old = Header(study="rank", **GIVEN)
    assert "machine" not in old.as_json()
    new = dataclasses.replace(old, machine=provenance.processor())
    assert new.as_json()["machine"] == new.origin().split(",")[0] == provenance.processor()


def test_a_header_of_a_gpu_run_names_the_gpu(monkeypatch):
    monkeypatch.setattr(provenance, "stamp", lambda study: "0")
    given = {name: value for name, value in GIVEN.items() if name not in ("versions", "code")}
    assert Header.made_now("rank", **{**given, "device": "NVIDIA H200"}).machine == "NVIDIA H200"
    assert Header.made_now("rank", **given).machine == provenance.processor()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with its plan measured, which no test may change."""
    project = mini.make(tmp_path_factory.mktemp("merged") / "mini")
    made = mini.drive(project, "measure")
    assert made.returncode == 0, made.stderr
    return project


@pytest.fixture
def project(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "mini"))


@pytest.fixture
def other(measured: Path, tmp_path: Path) -> Path:
    """The same of another machine."""
    there = Path(shutil.copytree(measured, tmp_path / "other machine"))
    for path in (there / "runs" / "observations").rglob("*.json"):
        path.write_text(
            json.dumps({**json.loads(path.read_text()), "machine": "Other 9000"}, indent=1) + "\n"
        )
    return there


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A module of workflow/, as make runs it."""
    return subprocess.run(
        [sys.executable, *(arguments if arguments[0] == "-c" else ("-m", *arguments))],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def place(project: Path, seed: int, study: str = "one") -> Path:
    return project / "runs" / "observations" / "quick" / "mini" / f"seed{seed}" / f"{study}.csv"


def gone(path: Path) -> None:
    path.unlink()
    path.with_suffix(".json").unlink()


@pytest.mark.slow
def test_observations_of_two_machines_merge_and_the_ledger_names_both(project, other):
    gone(place(project, 1))
    gone(place(other, 0))
    gone(place(other, 0, "two"))
    place(other, 1, "two").with_suffix(".partial.json").write_text("{}")
    made = run(project, "workflow.bring", str(other))
    assert made.returncode == 0, made.stdout + made.stderr
    assert "quick/mini/seed1/two.partial.json: left there, its run is unfinished" in made.stdout
    assert "make merge: 1 brought, 0 here already, 0 refused" in made.stdout
    assert place(project, 1).read_bytes() == place(other, 1).read_bytes()
    again = run(project, "workflow.bring", str(other))  # the very same file
    assert again.returncode == 0
    assert "0 brought, 1 here already" in again.stdout
    code = "from workflow import ledger, plan; from pathlib import Path; "
    code += "print(*ledger.machines(plan.State('quick', Path.cwd()), 'one'), sep='\\n')"
    told = run(project, "-c", code)
    assert told.returncode == 0, told.stderr
    assert "1 runs on Other 9000, code" in told.stdout
    assert f"1 runs on {provenance.processor()}, code" in told.stdout


@pytest.mark.slow
def test_a_run_that_two_machines_measured_is_refused_with_both_origins(project, other):
    mine = place(project, 1).read_bytes()
    made = run(project, "workflow.bring", str(other))
    assert made.returncode == 1
    assert "quick/mini/seed1/one.csv: refused, it was measured here too (equal in all values" in made.stdout
    assert f"here:  {provenance.processor()}, code" in made.stdout
    assert "there: Other 9000, code" in made.stdout
    assert "0 brought, 0 here already, 3 refused" in made.stdout
    assert place(project, 1).read_bytes() == mine

    table = place(other, 1)  # now one with other values
    text = table.read_text().replace("1.1,1.1,1.1", "1.7,1.7,1.7")
    assert text != table.read_text()
    header = table.with_suffix(".json")
    document = {**json.loads(header.read_text()), "sha256": filing._sha256(text)}
    table.write_text(text)
    header.write_text(json.dumps(document))
    made = run(project, "workflow.bring", str(other / "runs" / "observations"))
    assert made.returncode == 1
    assert "it was measured here too (1 of 3 values differ, 1 beyond the tolerance" in made.stdout


@pytest.mark.slow
def test_what_is_damaged_or_made_by_other_code_is_refused_and_the_rest_comes(project, other):
    for seed in (0, 1):
        gone(place(project, seed))
    gone(place(project, 0, "two"))
    place(other, 0).write_text(place(other, 0).read_text()[:-10])
    header = place(other, 1).with_suffix(".json")
    header.write_text(json.dumps({**json.loads(header.read_text()), "code": "another"}))
    made = run(project, "workflow.bring", str(other))
    assert made.returncode == 1
    assert "its table is cut off or altered" in made.stdout
    assert "it does not count here, made by other code" in made.stdout
    assert "1 brought, 0 here already, 2 refused" in made.stdout
    assert sorted(mini.observations(project)) == ["mini/seed0/two.csv"]

    place(project, 0, "two").write_text("damaged")  # what does not count here gives way
    made = run(project, "workflow.bring", str(other))
    assert "1 brought" in made.stdout
    assert filing.read(place(project, 0, "two")).header.machine == "Other 9000"


@pytest.mark.parametrize("named", ["", "nowhere", "."])
def test_a_folder_without_observations_is_refused(root, monkeypatch, tmp_path, capsys, named):
    from workflow import bring

    monkeypatch.chdir(root)
    assert bring.main([named and str(tmp_path / named)]) == 2
    assert "FROM is" in capsys.readouterr().err


def test_the_ledger_has_every_claim_of_a_study_with_its_n(root):
    lines = ledger.verdicts("theory", "quick")
    assert lines[0] == "  digits-mlp, 5 seeds"
    assert [line.split()[0] for line in lines[1:5]] == ["T1", "T2", "T3", "T4"]
    assert all("; n 5)" in line for line in lines[1:5])
    (told,) = ledger.machines(plan.State("quick", root), "theory")
    assert told.startswith("  5 runs on ")


SSH = """#!/bin/sh
# In place of ssh: the other machine is a folder.
test "$1" != -l || { user=$2; shift 2; set -- "$user@$@"; }
test "$1" = me@there || exit 255
shift
cd "$THERE" && exec sh -c "$*"
"""
MAKE_ONLY = """measure:
\t@PYTHONPATH=. {python} -m workflow.drive measure --studies "$(STUDIES)" --seeds "$(SEEDS)"
merge:
\t@PYTHONPATH=. {python} -m workflow.bring "$(FROM)"
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here")
def test_a_rented_machine_measures_and_its_observations_come_back(measured, tmp_path, monkeypatch):
    project, there = Path(shutil.copytree(measured, tmp_path / "mini")), tmp_path / "there"
    (project / "Makefile").write_text(MAKE_ONLY.format(python=sys.executable))
    for folder in (tmp_path / "bin", there):
        folder.mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("THERE", str(there))
    gone(place(project, 1))
    mini.write_study(project, "two", value="1.0 / seed")  # fails on seed 0
    command = ["workflow/remote.sh", "me@there", "STUDIES=one two", "SEEDS=0 1"]
    made = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert made.returncode != 0  # one run failed there
    assert "2 of 4 runs not measured" not in made.stderr
    assert "two mini seed 0: NothingMeasured" in made.stderr
    assert "[one mini seed 0]  measuring" not in made.stderr  # what is here was not measured again
    assert {"mini/seed1/one.csv", "mini/seed1/two.csv"} <= set(mini.observations(project))  # the rest came
    assert not (there / "lglib-book" / ".git").exists()

    mini.write_study(project, "two", value="1.0 + seed")
    made = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert filing.read(place(project, 0, "two")).frame["value"].tolist() == [1.0, 1.0, 1.0]
    away = ["workflow/remote.sh", "me@nowhere", "STUDIES=one"]
    lost = subprocess.run(away, cwd=project, capture_output=True, text=True, check=False)
    assert lost.returncode == 2
    odd = subprocess.run(
        ["workflow/remote.sh", "x; ls"], cwd=project, capture_output=True, text=True, check=False
    )
    assert odd.returncode == 2
    assert "HOST and FOLDER are plain names" in odd.stderr
