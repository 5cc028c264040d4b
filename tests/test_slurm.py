"""`make measure CLUSTER=slurm` on a real SLURM of one node, started for this test on the loopback address."""

from __future__ import annotations

import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import mini
import pytest

from lglib.report import filing

pytestmark = pytest.mark.long
CONF = """ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={here}/munge/sock
CredType=cred/munge
StateSaveLocation={here}/state
SlurmdSpoolDir={here}/spool
SlurmctldPidFile={here}/ctld.pid
SlurmdPidFile={here}/slurmd.pid
SlurmctldLogFile={here}/ctld.log
SlurmdLogFile={here}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
"""
PROFILE = """executor: slurm
jobs: 4
latency-wait: 10
slurm-init-seconds-before-status-checks: 3
slurm-status-command: squeue
set-resources:
  measure:
    runtime: 2
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a SLURM that runs; skips, with the reason, where there is none to start."""
    tools = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
    os.environ["PATH"] += ":/usr/sbin"
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"no SLURM here: {', '.join(missing)} (Debian: slurmctld slurmd munge)")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no plugin for SLURM: pip install '.[slurm]'")
    here = tmp_path_factory.mktemp("slurm")
    conf = _written(here)
    key = f"--key-file={here}/munge/key", f"--socket={here}/munge/sock", f"--pid-file={here}/munge/pid"
    munged = ("munged", "--force", *key, f"--log-file={here}/munge/log", f"--seed-file={here}/munge/seed")
    for command in (munged, ("slurmctld", "-f", str(conf), "-c"), ("slurmd", "-f", str(conf), "-c")):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            _stop(here)
            pytest.skip(f"{command[0]} does not start here: {done.stderr.strip()[-300:]}")
    environment = {"SLURM_CONF": str(conf), "PATH": f"{here}/bin:{os.environ['PATH']}"}
    try:
        if not _idle(environment):
            pytest.skip(f"SLURM's node does not come up: {(here / 'slurmd.log').read_text()[-300:]}")
        yield environment
    finally:
        _stop(here)


def _written(here: Path) -> Path:
    """The files of a SLURM in a folder: its configuration, a key, an srun that finds them."""
    for name in ("munge", "state", "spool", "bin"):
        (here / name).mkdir(mode=0o700)
    (here / "munge" / "key").write_bytes(os.urandom(64))
    (here / "munge" / "key").chmod(0o600)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    conf = here / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    conf.write_text(CONF.format(here=here, host=host, ports=ports, user=getpass.getuser()))
    srun = here / "bin" / "srun"  # the plugin drops SLURM's variables within a job
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    return conf


def _idle(environment: dict[str, str]) -> bool:
    """Whether the node takes jobs, within half a minute."""
    for _ in range(60):
        if asked(environment, "sinfo", "--noheader", "--format=%T").strip() == "idle":
            return True
        time.sleep(0.5)
    return False


def _stop(here: Path) -> None:
    """End the daemons that the fixture has started, by their own files."""
    for name in ("slurmd.pid", "ctld.pid", "munge/pid"):
        if (here / name).is_file():
            os.kill(int((here / name).read_text()), signal.SIGTERM)


def asked(environment: dict[str, str], *command: str) -> str:
    """What a command of SLURM says."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


VALUE = """{{0: lambda: 1.0, 1: lambda: 1 / 0, 2: lambda: k < 2 or __import__('time').sleep(600),
                   3: lambda: len(bytearray(3 * 10**9)) and __import__('time').sleep(20)}}[seed]()"""


@pytest.fixture
def project(tmp_path: Path, slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project of which runs fail in four ways; study two asks for more memory than the node has."""
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    made = mini.make(tmp_path / "mini")
    (made / "workflow" / "profiles" / "slurm" / "config.yaml").write_text(PROFILE)
    (made / "config" / "quick.yml").write_text(mini.PROFILE.replace("[0, 1]", "[0, 1, 2, 3]"))
    mini.write_study(made, "one", value=VALUE.format())
    effort = made / "workflow" / "effort.py"
    effort.write_text(f"{effort.read_text()}\nPEAKS['two'] = 900e9\n")
    return made


def test_a_cluster_measures_says_what_failed_and_takes_up_what_is_left(project, slurm):
    failed = mini.drive(project, "measure", "--cluster", "slurm")
    assert failed.returncode == 1, failed.stderr
    assert sorted(mini.observations(project)) == ["mini/seed0/one.csv"]
    last = failed.stderr[failed.stderr.index("make measure: 4 of 5 runs not measured") :]
    print(last)
    assert "one mini seed 1: NothingMeasured: none of the 3 sections could be measured; row 0: Zero" in last
    assert "one mini seed 2: SLURM-job" in last
    assert "'TIMEOUT'" in last  # the time of the job
    assert "DUE TO TIME LIMIT" in last
    assert "one mini seed 3: SLURM-job" in last
    assert "exceeded memory limit" in last
    assert "two mini seed 0: SLURM sbatch failed" in last  # refused, and the others went on
    assert asked(slurm, "squeue", "--noheader") == ""  # nothing is left in the queue

    mini.write_study(project, "one", value="seed + k / 10")  # repaired
    shutil.copy2(mini.ROOT / "workflow" / "effort.py", project / "workflow" / "effort.py")
    process = mini.started(project, "measure", "--cluster", "slurm")
    deadline = time.monotonic() + 120
    while not asked(slurm, "squeue", "--noheader", "--states=running"):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    while asked(slurm, "squeue", "--noheader"):  # a driver that is ended takes its jobs with it
        assert time.monotonic() < deadline + 60
        time.sleep(0.5)
    made = mini.drive(project, "measure", "--cluster", "slurm")
    assert made.returncode == 0, made.stderr
    assert len(mini.observations(project)) == 5
    path = project / "runs" / "observations" / "quick" / "mini" / "seed2" / "one.csv"
    assert filing.read(path).frame["value"].tolist() == [2.0, 2.1, 2.2]
    assert "0 of 5 runs are to be measured" in mini.drive(project, "measure", "--cluster", "slurm").stderr
