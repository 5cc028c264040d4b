"""`make publish`: bring executed chapters into book/chapters and current observations into results/.

Of the profile of a pretrained model the observations alone: the published chapters show them too. Nothing
else writes into the committed folders. What is there and differs is named first, and by how much; where
values differ beyond the tolerance of `make verify`, nothing is written before the user confirms.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pandas as pd

from lglib.report import filing
from workflow import merge, plan, verify


def main(profile: str, chapters: list[str], confirmed: bool, root: Path) -> int:
    """Publish what is current; returns the exit status, 3 when it waits for the user to confirm."""
    if profile not in (plan.PUBLISHED, plan.BESIDE):
        told = f"only the profiles {plan.PUBLISHED} and {plan.BESIDE} are published, got {profile!r}"
        print(f"make publish: {told}")
        return 2
    state = plan.State(profile, root)
    if profile == plan.BESIDE:  # its observations are shown by the chapters of the other
        chapters = []
    if stale := [chapter for chapter in chapters if not state.chapter_stands(chapter)]:
        print(f"make publish: not executed from what is there now: {', '.join(stale)}; type: make book")
        return 1
    staged = root / "runs" / profile / "published"
    try:
        for chapter in chapters:
            merge.write(chapter, state.executed(chapter), staged / f"{chapter}.ipynb", root)
    except merge.MergeError as error:
        print(f"make publish: {error}")
        return 1
    observations = fresh(state)
    if private := [told for path in observations for told in paths_told(path)]:
        print("\n".join(["make publish: paths of this machine; nothing was written", *private]))
        return 1
    beyond = sum(observation_told(path, root) for path in observations)
    for chapter in chapters:
        chapter_told(staged / f"{chapter}.ipynb", root / "book" / "chapters" / f"{chapter}.ipynb")
    if beyond and not confirmed:
        print(
            f"make publish: {beyond} values would change beyond the tolerance; nothing was written. "
            f"To overwrite them: make publish CONFIRM=1\n{verify.STATED}"
        )
        return 3
    for path in observations:
        filing.publish(path, parameters=state.parameters(path.stem), root=root)
    for chapter in chapters:
        (staged / f"{chapter}.ipynb").replace(root / "book" / "chapters" / f"{chapter}.ipynb")
    print(f"make publish: {len(observations)} files of observations, {len(chapters)} chapters")
    return 0


def fresh(state: plan.State) -> list[Path]:
    """Current observations of this machine that are not in results/ yet, or not the same there."""
    found = []
    for study in state.plan:
        for path, _ in state.standing(study).counted.values():
            if path.is_relative_to(state.root / filing.FRESH):
                there = state.root / filing.PUBLISHED / path.relative_to(state.root / filing.FRESH)
                pairs = [(p, there.with_suffix(p.suffix)) for p in (path, path.with_suffix(".json"))]
                if any(not b.exists() or a.read_bytes() != b.read_bytes() for a, b in pairs):
                    found.append(path)
    return sorted(found)


def paths_told(path: Path) -> list[str]:
    """One line for each path of this machine among the parameters or reasons of a file's header."""
    header = filing.read(path).header
    texts = [("left_out", why) for why in header.left_out.values()]
    for name, value in header.parameters.items():
        texts += [(name, one) for one in (value if isinstance(value, list) else [value])]
    advice = "name it from the project's folder (DATA= does), or copy the file there"
    return [
        f"{path.name} of {header.model} seed {header.seed}: {name} is {one!r}; {advice}"
        for name, one in texts
        if isinstance(one, str) and (one.startswith(("/", "~")) or merge.private(one))
    ]


def observation_told(path: Path, root: Path) -> int:
    """Say how a file of observations differs from the published one; returns how many beyond tolerance."""
    there = root / filing.PUBLISHED / path.relative_to(root / filing.FRESH)
    name = there.relative_to(root)
    if not there.exists():
        print(f"{name}: new")
        return 0
    try:
        old, new = filing.read(there).frame, filing.read(path).frame
    except ValueError as error:
        print(f"{name}: cannot be compared, {error}")
        return 1
    found = verify.compared(old, new)
    both = found[found["side"] == "both"]
    beyond: pd.DataFrame = both[~(both["off"] <= 1)]
    gone = len(old) - len(both)
    print(
        f"{name}: {int((both['off'] > 0).sum())} of {len(both)} rows differ (median "
        f"{both['difference'].median():.1e}, largest {both['difference'].max():.1e} of the value), "
        f"{len(beyond)} beyond the tolerance; {len(found) - len(both)} rows are new, {gone} go"
    )
    for _, row in beyond.sort_values("off", ascending=False).head(3).iterrows():
        print(f"    {row['what']}: published {row['value']:g}, now {row['value new']:g} (n = {row['n']})")
    return len(beyond) + gone


def chapter_told(new: Path, old: Path) -> None:
    """Say how many code cells of a chapter show something else than the published one."""
    if not old.exists():
        print(f"{old.name}: new")
        return
    try:
        before, now = (_outputs(path) for path in (old, new))
    except ValueError:
        print(f"{old.name}: the published file is damaged; it is replaced")
        return
    if before != now:
        count = sum(a != b for a, b in zip(before, now, strict=False)) + abs(len(before) - len(now))
        print(f"{old.name}: {count} of {len(now)} code cells show something else")


def _outputs(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [json.dumps(c.outputs, sort_keys=True) for c in cells if c.cell_type == "code"]
