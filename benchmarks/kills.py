"""What a kill leaves: `python benchmarks/kills.py` writes benchmarks/kills.json.

Small projects (two studies, two chapters, as the tests have them) are measured, executed, built, published,
and killed on the way: by SIGTERM and SIGINT to the driver, SIGKILL to the driver alone and to all processes,
at random times after the start and after moments when a stage is at work. After each kill: the exit status,
processes that are left, files that are half, pages that are neither the old nor the new. At the end of each
project: pages, observations and chapters as without a kill, byte for byte, a clean tree, no file more.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import kills  # noqa: E402

LIVES, EACH, SEED = 1, 8, 0


def main() -> None:
    """Kill, look, finish, compare; the figures of what was done so far are written after each project."""
    with tempfile.TemporaryDirectory() as scratch:
        made, told, wrong = kills.prepared(Path(scratch)), [], []
        for number, plan in enumerate(kills.plan(LIVES, SEED, EACH)):
            folder = Path(scratch) / f"life {number}"
            folder.mkdir()
            for kill, status, found in kills.lived(plan, made, folder / "mini"):
                print(kill or "finished", status, found or "nothing wrong", file=sys.stderr, flush=True)
                told += [(kill, status)] if kill else []
                wrong += [f"life {number}, {kill or 'its end'}: {one}" for one in found]
                write(told, wrong, number, made.seconds)
            write(told, wrong, number + 1, made.seconds)


def write(told: list[tuple[kills.Kill, int]], wrong: list[str], ends: int, seconds: dict[str, float]) -> None:
    """Write how many kills there were by stage, by signal and by how the run ended, and what was wrong."""
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    figures = {
        "machine": machine,
        "seconds of a stage without a kill": {stage: round(s, 1) for stage, s in seconds.items()},
        "kills": len(told),
        "by stage": dict(Counter(kill.stage for kill, _ in told)),
        "by signal": dict(Counter(f"{kill.signal} to {kill.whom}" for kill, _ in told)),
        "had ended before (status 0)": sum(status == 0 for _, status in told),
        "projects finished": ends,
        "wrong": wrong,
    }
    (ROOT / "benchmarks" / "kills.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
