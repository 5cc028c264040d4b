"""`make measure` as a sweep: what runs at a time, what failed and why, and what twenty kills leave."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mini
import pytest

from lglib.report import filing
from workflow import drive, forecast, plan, request, sweep


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The small project, nothing measured."""
    return mini.make(tmp_path / "mini")


def plan_of(project: Path, seeds: int, steps: int = 3) -> None:
    """How many seeds study one has, and how many rows a run."""
    one = f"one:\n  runs: {{mini: {list(range(seeds))}}}\n  parameters: {{steps: {steps}}}\n"
    two = "two:\n  runs: {mini: [0]}\n  parameters: {}\n"
    (project / "config" / "quick.yml").write_text(one + two)


@pytest.mark.slow
def test_runs_share_the_cores_and_never_more_than_the_memory(project):
    plan_of(project, 3)
    begin, end = (f"__import__('os').write(__import__('os').open('seen', 1025 | 64), b'{x}')" for x in "<>")
    mini.write_study(project, "one", value=f"[{begin}, __import__('time').sleep(0.3), {end}, 1.0][-1]")
    made = mini.drive(project, "measure", "--studies", "one", "--cores", "3", "--memory", "1500M")
    assert made.returncode == 0, made.stderr
    assert (project / "seen").read_text() == "<>" * 9  # of 1000 MB each, one at a time

    shutil.rmtree(project / "runs")
    there = "len(__import__('os').listdir('there'))"
    wait = f"[__import__('time').sleep(0.1) for _ in range(1200) if {there} < 3]"
    mini.write_study(project, "one", value=f"[open(f'there/{{seed}}', 'w').close(), {wait}, {there} / 3][-1]")
    (project / "there").mkdir()
    made = mini.drive(project, "measure", "--studies", "one", "--cores", "3", "--memory", "3G")
    assert made.returncode == 0, made.stderr
    path = project / "runs" / "observations" / "quick" / "mini" / "seed0" / "one.csv"
    assert filing.read(path).frame["value"].tolist() == [1.0, 1.0, 1.0]  # all three were at work together


@pytest.mark.slow
def test_a_sweep_goes_on_past_failures_and_lists_them_with_why_at_the_end(project):
    plan_of(project, 3)
    fault = (
        "{0: lambda: 1.0, 1: lambda: 1 / 0, 2: lambda: __import__('os').kill(__import__('os').getpid(), 9)}"
    )
    mini.write_study(project, "one", value=f"({fault})[seed]()")
    made = mini.drive(project, "measure", "--cores", "2")
    assert made.returncode == 1
    last = made.stderr[made.stderr.index("make measure: 2 of 4 runs not measured") :]
    assert "one mini seed 1: NothingMeasured: none of the 3 sections could be measured; row 0: Zero" in last
    assert "one mini seed 2: killed by signal 9, perhaps for want of memory" in last
    assert "log  runs/logs/quick/mini/seed1/one.log" in last
    assert sorted(mini.observations(project)) == ["mini/seed0/one.csv", "mini/seed0/two.csv"]
    mini.write_study(project, "one")
    again = mini.drive(project, "measure")
    assert again.returncode == 0
    assert "seed 1:" not in again.stderr  # what an earlier try said is gone


@pytest.mark.parametrize(
    ("means", "told"),
    [
        ({"memory": "much"}, "MEMORY is 'much'; it is a size such as 12G or 800M"),
        ({"memory": "0G"}, "MEMORY is '0G'"),
        ({"gpus": "all"}, "GPUS is 'all'; it is a whole number from 0"),
        ({"cluster": "moon"}, "CLUSTER is 'moon'; there is: kubernetes, slurm"),
        ({"cluster": "../profiles"}, "CLUSTER is '../profiles'"),
    ],
)
def test_means_that_make_no_sense_are_refused(root, means, told):
    nothing = dict.fromkeys(("cores", "memory", "gpus", "cluster"), "")
    with pytest.raises(request.ProfileError, match=told.replace("(", r"\(")):
        request.pick_means({**nothing, **means}, root)


def test_without_its_plugin_a_cluster_is_refused_with_the_command_that_installs_it(root, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    given = {"cores": "", "memory": "", "gpus": "", "cluster": "slurm"}
    with pytest.raises(request.ProfileError, match=r"pip install .* '\.\[slurm\]'"):
        request.pick_means(given, root)


def test_the_memory_and_minutes_of_a_run_are_those_of_the_plan(root):
    state = plan.State("quick", root)
    runs = request.runs("quick", root, seeds="0")
    found = sweep.needs(state, runs, sweep.Means(1))
    assert set(found) == {f"{run.study}/{run.name}" for run in runs}
    (row,) = forecast.rows(state, request.runs("quick", root, names="rank", models="micro-gpt2"), None)
    assert found["rank/micro-gpt2"]["mem_mb"] == pytest.approx(row.peak / 1e6, abs=1)
    assert row.seconds
    assert found["rank/micro-gpt2"]["runtime"] == pytest.approx(3 * row.seconds / 60, abs=10)
    assert found["theory/digits-mlp"]["mem_mb"] == 900  # measured
    assert all(one["runtime"] >= sweep.SHORTEST for one in found.values())
    there = sweep.needs(state, runs, sweep.Means(1, cluster="slurm"))
    assert there["theory/digits-mlp"]["mem_mb"] == 1350  # what a job may take before the cluster ends it


def test_a_gpu_run_where_no_gpu_is_given_is_refused_and_left_to_a_cluster(root):
    state, runs = plan.State("paper", root), request.runs("paper", root, names="synthetic")
    if state.parameters("synthetic")["device"] != "cuda":
        runs = [run for run in request.runs("paper", root) if state.parameters(run.study)["device"] == "cuda"]
    here = drive._reasons(state, runs, sweep.Means(1, gpus=0))
    assert "device: cuda, and GPUS is 0" in here
    there = drive._reasons(state, runs, sweep.Means(1, cluster="slurm"))
    assert not [why for why in there if why.endswith(forecast.NO_GPU)]


def test_each_gpu_is_taken_by_one_run_at_a_time(tmp_path):
    code = """
import os, sys
from pathlib import Path
from workflow import terminal
for _ in range(int(sys.argv[2])):
    os.environ["LG_GPUS"] = "3 5"
    assert terminal.take_gpu(Path(sys.argv[1]), True)
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
assert not terminal.take_gpu(Path(sys.argv[1]), True)  # by hand nothing is done
"""

    def taken(times: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(tmp_path), str(times)]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert taken(2).stdout.split() == ["3", "5"]
    assert taken(1).stdout.split() == ["3"]  # the locks went with the process
    with pytest.raises(subprocess.TimeoutExpired) as waiting:
        taken(3)  # the third waits
    assert (waiting.value.stdout or b"").split() == [b"3", b"5"]


def test_what_a_cluster_says_of_a_job_is_found_by_the_run(tmp_path):
    job = tmp_path / "7.log"
    job.write_text(
        "slurmstepd-n1: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T08:00:00 DUE TO TIME LIMIT ***\n"
    )
    said = f"""
Error in rule measure:
    message: SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable (x).
    jobid: 1
    output: runs/.flags/measured/one/mini/seed0
    log: {job} (check log file(s) for error details)
Error in rule measure:
    message: SLURM sbatch failed. The error message was 'no such
sbatch: node'.
    sbatch call:
        sbatch --parsable
For further error details see the cluster/cloud log and the log files of the involved rule(s).
    jobid: 2
    output: runs/.flags/measured/two/mini/seed0
"""
    found = sweep.failures(said)
    assert found["runs/.flags/measured/one/mini/seed0"] == (
        "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'.; "
        "*** JOB 7 ON n1 CANCELLED AT 2026-11-28T08:00:00 DUE TO TIME LIMIT ***"
    )
    assert "no such sbatch: node" in found["runs/.flags/measured/two/mini/seed0"]


KILLS = 20


@pytest.mark.long
def test_twenty_kills_in_mid_sweep_lose_nothing_that_was_kept(project):
    plan_of(project, 4, steps=8)
    note = "__import__('os').write(__import__('os').open('seen', 1025 | 64), f'{seed}.{k} '.encode())"
    mini.write_study(project, "one", value=f"[{note}, __import__('time').sleep(0.2), seed + k / 10][-1]")
    kept: dict[str, set[str]] = {}
    for kill in range(KILLS):
        before = _kept(project)
        process = mini.started(project, "measure", "--studies", "one", "--cores", "2")
        deadline = time.monotonic() + 300  # of a busy machine
        while _kept(project) == before:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02 * (1 + kill % 5))
        _kill(project, process)
        after = _kept(project)
        assert all(rows <= after[run] for run, rows in kept.items()), f"kill {kill} lost rows"
        kept = after
        print(f"kill {kill}: {sum(map(len, kept.values()))} rows are safe")
    made = mini.drive(project, "measure", "--studies", "one")
    assert made.returncode == 0, made.stderr
    folder = project / "runs" / "observations"
    for seed in range(4):
        path = folder / "quick" / "mini" / f"seed{seed}" / "one.csv"
        assert filing.read(path).frame["value"].tolist() == [seed + k / 10 for k in range(8)]
    assert not [*folder.rglob("*.tmp"), *folder.rglob("*.partial.json")]
    seen = (project / "seen").read_text().split()
    assert len(set(seen)) == 32
    assert len(seen) <= 32 + 2 * KILLS  # no row was measured again but the ones at work when it was killed


def _kept(project: Path) -> dict[str, set[str]]:
    """Rows that are safe, by run: of finished runs and of unfinished ones."""
    found: dict[str, set[str]] = {}
    for seed in range(4):
        folder = project / "runs" / "observations" / "quick" / "mini" / f"seed{seed}"
        if (folder / "one.csv").exists() and (folder / "one.json").exists():
            rows = filing.read(folder / "one.csv").frame["k"]
            found[str(seed)] = {f"row {k}" for k in rows}
        elif (folder / "one.partial.json").exists():
            found[str(seed)] = set(json.loads((folder / "one.partial.json").read_text())["found"]["done"])
        else:
            found[str(seed)] = set()
    return found


def _kill(project: Path, process: subprocess.Popen[str]) -> None:
    """Kill the driver, Snakemake and its jobs at once, as a machine that goes down does."""
    mine = [process.pid]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if Path(os.readlink(folder / "cwd")) == project:
                mine.append(int(folder.name))
    for number in mine:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.communicate()
