"""`make ledger`: the verdict on every claim, by study and model, with its n, and the machines behind it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pandas as pd

from lglib import studies
from lglib.report import claims, filing, frames
from lglib.report.provenance import project_root
from workflow import plan
from workflow.request import ProfileError


def main(argv: Sequence[str] | None = None) -> int:
    """Print the ledger of a profile; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.ledger", description=__doc__)
    parser.add_argument("--profile", default="quick")
    asked = parser.parse_args(argv)
    try:
        state = plan.State(asked.profile, project_root())
    except ProfileError as error:
        print(f"make ledger: {error}", file=sys.stderr)
        return 2
    for study in state.plan:
        print("\n".join([study, *verdicts(study, asked.profile), *machines(state, study)]))
    return 0


def verdicts(study: str, profile: str) -> list[str]:
    """Lines of a study: model, claim, verdict, n of the rows that speak. Ours beyond the paper come last."""
    try:
        frame = studies.observed(study, profile).frame
    except filing.NoObservation as error:
        return [f"  {str(error).splitlines()[0]}"]
    over, lines = frames.over_seeds(frame), []
    for model in over["model"].unique():
        seeds = frame.loc[frame["model"] == model, "seed"].nunique()
        lines.append(f"  {model}, {seeds} seed{'s' * (seeds > 1)}")
        for beyond in (False, True):
            try:
                judged = claims.judge(study, over, model, beyond=beyond)
            except (KeyError, ValueError) as error:
                lines.append(f"    {error.args[0]}")
                continue
            lines += [f"    {_line(line, judged)}" for _, line in claims.summary(judged).iterrows()]
    return lines


def _line(line: pd.Series, judged: pd.DataFrame) -> str:
    """One claim in words.

    >>> judged = pd.DataFrame({"claim": ["T1", "T1"], "statement": ["s", "s"], "n": [5.0, 20.0]})
    >>> line = {"claim": "T1", "statement": "s", "verdict": "partly", "reproduced": "1 of 2", "because": ""}
    >>> _line(pd.Series(line), judged)
    'T1  s: partly (1 of 2; n 5 to 20)'
    """
    own = judged[(judged["claim"] == line["claim"]) & (judged["statement"] == line["statement"])][
        "n"
    ].dropna()
    n = (
        "no rows"
        if own.empty
        else f"n {own.min():.0f}" + (f" to {own.max():.0f}" if own.nunique() > 1 else "")
    )
    because = f": {line['because']}" if line["because"] else ""
    return f"{line['claim']}  {line['statement']}: {line['verdict']} ({line['reproduced']}; {n}){because}"


def machines(state: plan.State, study: str) -> list[str]:
    """Lines of a study: each machine with its versions, and the runs that it has measured."""
    standing, by = state.standing(study), dict[str, list[str]]()
    for (model, seed), (path, _) in sorted(standing.counted.items()):
        by.setdefault(filing.read(path).header.origin(), []).append(f"{model} seed {seed}")
    lines = [f"  {len(runs)} runs on {origin}: {', '.join(runs)}" for origin, runs in by.items()]
    return lines + [f"  left out {file}: {why}" for file, why in standing.left_out.items()]


if __name__ == "__main__":
    raise SystemExit(main())
