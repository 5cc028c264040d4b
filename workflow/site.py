"""Build the HTML book strictly, into a new folder that takes the old one's place only when it is whole."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lglib.report.provenance import project_root
from workflow import explore, footers, form, merge, plan, terminal


def stage(state: plan.State, chapters: list[str]) -> Path:
    """Make the folder that is built: sources, the executed chapters in their place, what is made for pages.

    SystemExit names every chapter that may not be shown.
    """
    site = state.root / "_build" / state.profile / "site"
    shutil.rmtree(site, ignore_errors=True)
    committed = state.root / "book" / "chapters"
    for path in [state.root / "_config.yml", state.root / "_toc.yml", *(state.root / "book").rglob("*")]:
        if path.is_file() and path.parent != committed and path.suffix != ".pyc":
            target = site / path.relative_to(state.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    wrong = []
    for chapter, run in state.shown(chapters).items():
        try:
            merge.write(chapter, run, site / "book" / "chapters" / f"{chapter}.ipynb", state.root)
        except merge.MergeError as error:
            wrong.append(str(error))
    if wrong:
        raise SystemExit("The book was not built:\n  " + "\n  ".join(wrong))
    explore.write(state, site)
    footers.write(state, site)
    return site


def build(profile: str, chapters: list[str], root: Path) -> None:
    """jupyter-book build with -n -W --keep-going; SystemExit naming every warning when it is not clean."""
    state = plan.State(profile, root)
    stamp, html = state.book_stamp(chapters), state.html
    site = stage(state, chapters)
    fresh, log = html.parent / f".{html.name}.new", root / "runs" / profile / "book.log"
    shutil.rmtree(fresh, ignore_errors=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    # Not its script: that names the folder in which it was installed, and breaks when that has moved.
    tool = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [
        *tool,
        "build",
        ".",
        "--all",
        "-n",
        "-W",
        "--keep-going",
        "--path-output",
        str(fresh.resolve()),
    ]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    print(f"[book] building {html} (log: {terminal.from_here(log)})", file=sys.stderr, flush=True)
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            command, cwd=site, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False
        )
    text = log.read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line]
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise SystemExit(f"The strict build failed; the log is {log}\n  " + "\n  ".join(told[:20]))
    if plan.State(profile, root).book_stamp(chapters) != stamp:
        shutil.rmtree(fresh, ignore_errors=True)
        raise SystemExit("The book was not built: its sources changed meanwhile; run make book again")
    plan.stamp(stamp, fresh / "_build" / "html")
    old = html.parent / f".{html.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if html.exists():
        html.replace(old)
    (fresh / "_build" / "html").replace(html)
    for leftover in (old, fresh):
        shutil.rmtree(leftover, ignore_errors=True)
    print(form.report(site / "book" / "chapters", root), file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the book of a profile strictly.")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--chapters", default="")
    asked = parser.parse_args()
    with terminal.plainly("make book"):
        here = project_root()
        with terminal.at_work(here):
            wanted = plan.State(asked.profile, here).pick(asked.chapters)
            build(asked.profile, wanted, here)
