"""Have Snakemake make what is missing, here or on a cluster; say at the end what failed, and why."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lglib.studies import naming
from workflow import effort, forecast, plan, terminal
from workflow.request import Run

MARGIN = 3.0  # a plan of minutes is right within a factor of this
SHORTEST = 10  # minutes that a cluster is asked for at least
UNKNOWN = {"mem_mb": 1000, "runtime": 120}  # of a run of which the plan knows nothing
CEILING = 1.5  # times the plan's memory: a cluster ends a job that takes more than it asked for
STORAGE = "runs/.storage"  # where jobs without a folder in common leave their flags
PROFILES = "workflow/profiles"  # a folder a cluster, as Snakemake reads it
SOURCES = "runs/.home/snakemake"  # Snakemake's copies of the files of its graph; an old copy would be read
LOG = "runs/logs/snakemake.log"  # what Snakemake says of a sweep on a cluster
SHOWN = re.compile(
    r"has been submitted with|^ *message: |steps? \(\d+%\) done|^Error|^WorkflowError|^Could not"
)
LABEL = re.compile(r"^(?: *error  |\[.*?\]  )")  # before the words that matter, in the file of a run
NO_NEWS = re.compile(r" ?(For further error|Detailed failure reason unavailable).*")
FAILED = re.compile(r"^Error in rule measure:\n(.*?^ +output: [^\n]*\n(?: +log: [^\n]*\n)?)", re.M | re.S)


@dataclass(frozen=True)
class Means:
    """What a sweep may use: jobs at a time, bytes of memory, GPUs, and the cluster that has them instead.

    Memory of 0 is what is free here; `gpus` of None are all that are seen here.
    """

    cores: int
    memory: float = 0.0
    gpus: int | None = None
    cluster: str = ""

    def devices(self, state: plan.State, runs: Sequence[Run]) -> list[str]:
        """The GPUs that runs may take, as CUDA_VISIBLE_DEVICES names them; torch is loaded only for these."""
        if self.gpus == 0 or all(state.parameters(run.study)["device"] == "cpu" for run in runs):
            return []
        return forecast.gpus()[: self.gpus]


def run(
    target: str, asked: Mapping[str, Any], means: Means, lock: int, state: plan.State, runs: list[Run]
) -> int:
    """Have Snakemake make a target; returns its exit status.

    It inherits the lock, so that the lock lives as long as it does. Of the runs nothing is left behind that a
    try of before said of them.
    """
    root = state.root
    for flags in (plan.FLAGS, STORAGE, SOURCES):  # of a run that was killed; of the graph as it was then
        shutil.rmtree(root / flags, ignore_errors=True)
    for one in runs:
        log(one, root).unlink(missing_ok=True)
    (root / LOG).unlink(missing_ok=True)
    config = root / "runs" / ".asked.json"  # a file: on its command line Snakemake reads 02 as a number
    settings = {**asked, "root": str(root), "needs": needs(state, runs, means)}
    settings["cache"] = os.environ.get("XDG_CACHE_HOME", "")  # that of the jobs; see `_own_cache`
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--nolock", "--keep-going"),
        *("--rerun-triggers", "mtime", "--configfile", str(config.relative_to(root))),
        *("--runtime-source-cache-path", str(root / SOURCES)),
    ]
    if means.cluster:
        jobs = ("--jobs", str(means.cores)) if asked["cores"] else ()
        command += ["--workflow-profile", f"{PROFILES}/{means.cluster}", *jobs]
        command += ["--default-storage-prefix", str(root / STORAGE)]  # where the profile names a provider
        status, stopped = _watched([*command, "--", target], root, lock)
    else:
        command += ["--cores", str(means.cores), "--resources", *_limits(means, state, runs)]
        status, stopped = _quiet([*command, "--quiet", "all", "--", target], root, lock)
    if status and not stopped and not any(why(one, root) for one in runs):
        _tell_graph([*command, "--dry-run", "--", target], root)
    return status


def needs(state: plan.State, runs: Sequence[Run], means: Means) -> dict[str, dict[str, int]]:
    """What Snakemake sets aside for a run, by study and name: mem_mb and runtime in minutes.

    Both are those of the plan, with MARGIN and, on a cluster, CEILING; a study without a language model has
    the memory that was measured. What is unknown is UNKNOWN.
    """
    found: dict[str, dict[str, int]] = {}
    ceiling = CEILING if means.cluster else 1.0
    for row in forecast.rows(state, runs, None):
        cuda = state.parameters(row.study)["device"] == "cuda"
        shape = row.known.shape if row.known else None
        memory = effort.host(shape) if cuda and shape else row.peak or effort.PEAKS.get(row.study, 0.0)
        minutes = max(math.ceil(MARGIN * row.seconds / 60), SHORTEST) if row.seconds else UNKNOWN["runtime"]
        one = found.setdefault(f"{row.study}/{_name(row, runs)}", {"mem_mb": 0, "runtime": 0})
        one["mem_mb"] = max(one["mem_mb"], math.ceil(ceiling * memory / 1e6) or UNKNOWN["mem_mb"])
        one["runtime"] += minutes
    return found


def _name(row: forecast.Row, runs: Sequence[Run]) -> str:
    """Under which name the run of a row is filed: the models study has a row for each of its models."""
    if row.study == "models":
        return next(run.name for run in runs if run.study == "models")
    return naming.filed(row.model)


def log(one: Run, root: Path) -> Path:
    """Where a run says why it failed."""
    return root / "runs" / "logs" / one.profile / one.name / f"seed{one.seed}" / f"{one.study}.log"


def why(one: Run, root: Path) -> str:
    """Why a run failed: its own words, else those of the cluster; empty where it was not reached."""
    path = log(one, root)
    own = path.read_text(encoding="utf-8").partition("\n\n")[0] if path.is_file() else ""
    said = root / LOG
    theirs = failures(said.read_text(encoding="utf-8")) if said.is_file() else {}
    cluster = theirs.get(f"{plan.FLAGS}/measured/{one.study}/{one.name}/seed{one.seed}", "")
    return "; ".join(LABEL.sub("", line).strip().rstrip(":") for line in own.splitlines()) or cluster


def failures(said: str) -> dict[str, str]:
    """What Snakemake and the cluster say of failed jobs, by the flag that they did not write.

    >>> failures("Error in rule measure:\\n    message: no\\n    jobid: 1\\n    output: runs/.flags/one\\n")
    {'runs/.flags/one': 'no'}
    """
    found = {}
    for block in FAILED.findall(said):
        message = re.search(r"message: (.*?)(?=\n +(?:sbatch call|jobid):)", block, re.DOTALL)
        output = re.search(rf"output: \S*?({re.escape(plan.FLAGS)}/\S+)", block)
        kept = re.search(r"log: (.*) \(check log", block)
        if output:
            words = NO_NEWS.sub("", " ".join(message[1].split())) if message else "the job failed"
            found[output[1]] = "; ".join([words.strip(), *(_killed(Path(kept[1])) if kept else ())])
    return found


def _killed(path: Path) -> list[str]:
    """What SLURM wrote into the file of a job that it ended: the limit that it went beyond."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return list(dict.fromkeys(re.findall(r"slurmstepd-\S+: error: (.*(?:limit|LIMIT|OOM|oom).*)", text)))


def told(left: Sequence[Run], root: Path) -> str:
    """The runs that were not measured, a line each, with why."""
    lines = []
    for one in left:
        reason = why(one, root) or "not reached"
        lines.append(f"  {one.study} {one.name} seed {one.seed}: {reason}")
        if log(one, root).is_file():
            lines.append(f"    log  {terminal.from_here(log(one, root))}")
    return "\n".join(lines)


def _limits(means: Means, state: plan.State, runs: Sequence[Run]) -> list[str]:
    """What all runs of this machine may use together. Which GPUs these are, the jobs read from LG_GPUS."""
    devices = means.devices(state, runs)
    os.environ["LG_GPUS"] = " ".join(devices)
    memory = means.memory or forecast.memory_here()
    return [f"gpu={max(len(devices), 1)}", f"mem_mb={memory / 1e6:.0f}"]


def _quiet(command: list[str], root: Path, lock: int) -> tuple[int, bool]:
    """Run Snakemake, of which nothing is shown but what its jobs say; exit status, whether it was stopped."""
    with (
        subprocess.Popen(
            command, cwd=root, env=_own_cache(root), pass_fds=(lock,), process_group=0
        ) as process,
        _passed(process) as got,
    ):
        status = process.wait()
    return (128 + got[0], True) if got else (abs(status), False)


def _watched(command: list[str], root: Path, lock: int) -> tuple[int, bool]:
    """Run Snakemake for a cluster, whose jobs write into files: what it says is kept, and the gist shown."""
    (root / LOG).parent.mkdir(parents=True, exist_ok=True)
    pipes: dict[str, Any] = dict(
        env=_own_cache(root), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with (
        (root / LOG).open("w", encoding="utf-8") as kept,
        subprocess.Popen(command, cwd=root, pass_fds=(lock,), process_group=0, **pipes) as process,
        _passed(process) as got,
    ):
        for line in process.stdout or ():
            kept.write(line)
            kept.flush()
            if SHOWN.search(line):
                print(f"[cluster]  {line.strip()}", file=sys.stderr, flush=True)
        status = process.wait()
    return (128 + got[0], True) if got else (abs(status), False)


@contextmanager
def _passed(process: subprocess.Popen[Any]) -> Iterator[list[int]]:
    """Pass signals on to a process and its children; yields those that came."""
    got: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        got.append(number)
        os.killpg(process.pid, signal.SIGTERM)  # an interrupt would have each job tell where it was

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_graph(command: list[str], root: Path) -> None:
    """Say what is wrong with the graph itself, if anything is: Snakemake is quiet, and no job has told it."""
    pipes: dict[str, Any] = dict(env=_own_cache(root), capture_output=True, text=True, check=False)
    done = subprocess.run(command, cwd=root, **pipes)
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-12:]
        print("\n  ".join(["The workflow's graph cannot be made:", *last]), file=sys.stderr)


def _own_cache(root: Path) -> dict[str, str]:
    """The environment of Snakemake: its cache lies in runs/, because a home may not be writable."""
    return {**os.environ, "XDG_CACHE_HOME": str(root / "runs" / ".home" / "cache")}
