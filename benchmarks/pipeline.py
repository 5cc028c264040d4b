"""The budgets of the pipeline, measured: `make bench` writes benchmarks/pipeline.json.

Each step is a whole command in a fresh clone, wall time and peak memory of its processes (sampled, children
included). One run each: the steps take minutes and the budgets are generous.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
STUDIES = ("theory", "synthetic", "models", "lora", "rank", "bridge", "lens")
BUDGETS = {  # seconds
    "install": 180,
    "study theory, one run": 90,
    "study synthetic, one run": 240,
    "study models, one run": 90,
    "study lora, one run": 360,
    "study rank, one run": 180,
    "study bridge, one run": 240,
    "make book PROFILE=smoke": 180,
    "make book, first time after the install": 240,
    "make book, nothing to do": 10,
    "make book, after a change of prose": 25,
    "make verify": 240,
    "make test": 360,
}


def measure(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds and peak memory (MB) of a command; stops the benchmark when it fails."""
    started, peak, done = time.monotonic(), [0], threading.Event()
    log = (folder.parent / "log.txt").open("w+")
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def watch() -> None:
        while not done.wait(0.25):
            total = 0
            try:
                for p in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                    total += p.memory_info().rss
            except psutil.NoSuchProcess:
                continue  # it ended between the two looks
            peak[0] = max(peak[0], total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    done.set()
    watcher.join()
    if status:
        log.seek(0)
        sys.exit(f"{log.read()[-4000:]}\n{' '.join(command)} failed with status {status}")
    found = {"seconds": round(time.monotonic() - started, 1), "peak MB": round(peak[0] / 2**20)}
    print(" ".join(command[-4:]), found, file=sys.stderr, flush=True)
    return found


def written(found: dict[str, dict[str, float]]) -> str:
    """Write what is measured so far beside its budgets: a benchmark that is ended early keeps that."""
    steps = {s: {**f, "budget": BUDGETS[s]} if s in BUDGETS else f for s, f in found.items()}
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    text = json.dumps({"machine": machine, "steps": steps}, indent=1)
    (ROOT / "benchmarks" / "pipeline.json").write_text(text + "\n")
    return text


def main() -> None:
    """Measure every step in a fresh clone and write the figures beside their budgets."""
    found: dict[str, dict[str, float]] = {}

    def step(name: str, command: list[str]) -> None:
        found[name] = measure(command, clone)
        written(found)

    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        step("install", ["make", "setup"])
        step("make book, first time after the install", ["make", "book"])
        status = ["git", "status", "--porcelain"]
        changed = subprocess.run(status, cwd=clone, check=True, capture_output=True, text=True).stdout
        if changed:
            sys.exit(f"make book changed committed files:\n{changed}")
        step("make book, nothing to do", ["make", "book"])
        page = clone / "notebooks" / "01_theory.py"
        before = page.read_text()
        page.write_text(before.replace("# %% [markdown]\n# # ", "# %% [markdown]\n# # On ", 1))
        if page.read_text() == before:
            sys.exit("the prose edit changed nothing: choose words that the chapter has")
        step("make book, after a change of prose", ["make", "book"])
        subprocess.run(["git", "checkout", "--quiet", "."], cwd=clone, check=True)
        step("install of the test tools", ["make", ".venv/.test"])
        step("make test", ["make", "test"])
        step("make verify", ["make", "verify"])
        step("make book PROFILE=smoke", ["make", "book", "PROFILE=smoke"])
        python = str(clone / ".venv" / "bin" / "python")
        for name in STUDIES:
            step(f"study {name}, one run", [python, "-m", "workflow.measure", name])
    print(written(found))


if __name__ == "__main__":
    main()
