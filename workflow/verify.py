"""`make verify`: measure a small part of each study anew and compare it with what is filed.

The last digits of a float32 sum depend on the processor, and a descent carries them on. So a value counts as
the same when it differs by at most 2 % of the larger of its size and the width of its interval, or by two
items where it is a share of counted items: differences that no sentence of the book would notice. A
mistake in the code, another seed or other data differ by more than that in most rows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from lglib import studies
from lglib.base.checks import NotMeasurable
from lglib.report import filing, frames
from lglib.report.provenance import project_root
from workflow import plan, terminal
from workflow.request import Run

RELATIVE = 0.02  # of the larger of |value| and high - low
ABSOLUTE = 1e-6  # for what is zero but for rounding
FLIPS = 2  # items of a counted share that may fall on the other side
COUNTED = 20  # items from which a share counts as counted: fewer, and two flips would hide anything
STATED = (
    f"tolerance: {RELATIVE:.0%} of the larger of |value| and its interval's width (plus {ABSOLUTE:g}); "
    f"{FLIPS} items for a share of at least {COUNTED} counted items"
)


def tolerance(filed: pd.DataFrame) -> pd.Series:
    """How far each row's numbers may be from the filed ones on another processor.

    >>> row = {"value": [0.5, 1e-3], "low": [0.4, 1e-3], "high": [0.6, 1e-3], "n": [100, 1]}
    >>> tolerance(pd.DataFrame(row)).round(6).tolist()
    [0.02, 2.1e-05]
    """
    size = np.maximum(filed["value"].abs(), filed["high"] - filed["low"])
    count = filed["value"] * filed["n"]
    whole = (count - count.round()).abs() <= 1e-5 * filed["n"]
    share = filed["value"].between(0, 1) & (filed["n"] >= COUNTED) & whole
    return np.maximum(RELATIVE * size + ABSOLUTE, np.where(share, FLIPS / filed["n"], 0.0))


def compared(filed: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Rows of `new` beside the filed rows of the same claim, measure and varied columns.

    Column `off` is the largest difference of value, low, high, null and prediction in units of the tolerance
    (inf where a row has no twin), `difference` that of the values as a share of the filed, `what` the row.
    """
    keys = [*frames.LEFT, *dict.fromkeys([*frames.varied(filed), *frames.varied(new)])]
    table = pd.concat([filed, new])  # a column that only one side has is empty in the other, of its type
    sides = [part[[*keys, *frames.NUMBERS, "n"]] for part in (table[: len(filed)], table[len(filed) :])]
    both = pd.merge(sides[0], sides[1], on=keys, how="right", suffixes=("", " new"), indicator="side")
    off = pd.Series(0.0, index=both.index)
    for name in frames.NUMBERS:
        old, now = both[name].astype(float), both[f"{name} new"].astype(float)
        same = old.isna() & now.isna()  # no prediction on either side
        off = np.maximum(off, ((now - old).abs() / tolerance(both)).mask(same, 0.0).fillna(np.inf))
    both["off"] = off.mask(both["side"] != "both", np.inf)
    size = both["value"].abs().clip(lower=ABSOLUTE)
    both["difference"] = (both["value new"] - both["value"]).abs() / size
    both["what"] = [frames.describe(row) for row in both[keys].to_dict("records")]
    return both


def verify(run: Run, root: Path) -> int:
    """Measure a part of one run anew; returns 0 when it is what is filed. Prints the comparison."""
    label = f"[{run.study} {run.name} seed {run.seed}]"
    state = plan.State(run.profile, root)
    standing = state.standing(run.study)
    if (run.name, run.seed) not in standing.counted:
        told = "".join(f"\n  {file}: {why}" for file, why in standing.left_out.items())
        print(f"{label}  nothing current is filed; type: make measure STUDIES={run.study}{told}")
        return 1
    path, _ = standing.counted[run.name, run.seed]
    module = studies.study(run.study)
    parameters = studies.parameters(run.study, run.profile, model=run.model)
    progress = root / "runs" / "logs" / f".verify-{run.study}-{run.name}-{run.seed}"
    os.environ["LG_PROGRESS"] = str(progress)
    started = time.monotonic()
    whole = filing.read(path)
    with terminal.following(progress, label):
        try:
            part = getattr(module, "verify", module.measure)(parameters, run.seed).frame()
        except NotMeasurable as error:  # known, if the run has left something out for such a reason
            print(f"{label}  cannot be measured anew: {error}\n  left out there: {whole.header.left_out}")
            return int(not whole.header.left_out)
    filed = whole.frame
    found = compared(filed, part)
    wrong = found[~(found["off"] <= 1)]
    print(
        f"{label}  {len(found)} of {len(filed)} rows measured anew in {time.monotonic() - started:.0f} s, "
        f"beside {path.relative_to(root)}\n"
        f"  {int((found['difference'] == 0).sum())} values equal in all digits; relative difference: "
        f"median {found['difference'].median():.1e}, largest {found['difference'].max():.1e}\n"
        f"  {len(wrong)} beyond the tolerance",
        flush=True,
    )
    for _, row in wrong.sort_values("off", ascending=False).head(10).iterrows():
        print(f"    {row['what']}: filed {row['value']:g}, now {row['value new']:g} (n = {row['n']})")
    return int(len(wrong) > 0)


def main(runs: Sequence[Run], cores: int, root: Path) -> int:
    """Verify runs, each in a process of its own; returns the exit status."""
    terminal.isolate(root)

    def one(run: Run) -> int:
        asked = ["--profile", run.profile, "--model", run.model, "--seed", str(run.seed)]
        command = [sys.executable, "-m", "workflow.verify", run.study, *asked]
        return subprocess.run(command, cwd=root, check=False).returncode

    with ThreadPoolExecutor(cores) as pool:
        states = list(pool.map(one, runs))
    failed = [run for run, state in zip(runs, states, strict=True) if state]
    print(STATED)
    if failed:
        print(f"make verify: not the same: {', '.join(f'{r.study} {r.name} seed {r.seed}' for r in failed)}")
        return 1
    print(f"make verify: {len(runs)} runs are what is filed")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m workflow.verify", description=__doc__)
    parser.add_argument("study", choices=studies.NAMES)
    for option, default in (("--profile", "quick"), ("--model", ""), ("--seed", "0")):
        parser.add_argument(option, default=default)
    asked = parser.parse_args()
    with terminal.plainly("make verify"):
        here = project_root()
        with terminal.at_work(here):
            model = asked.model or next(iter(plan.State(asked.profile, here).plan[asked.study].runs))
            raise SystemExit(verify(Run(asked.study, asked.profile, model, int(asked.seed)), here))
