"""Build the HTML book strictly, into a new folder that takes the old one's place only when it is whole."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lglib.report import provenance
from workflow import publish


def stage(root: Path, site: Path) -> None:
    """Copy the book's sources to `site`, for a profile whose chapters are not the committed ones."""
    if site == root:
        return
    ours = site / "book" / "chapters"
    for path in [root / "_config.yml", root / "_toc.yml", *(root / "book").rglob("*")]:
        target = site / path.relative_to(root)
        if path.is_file() and not (target.parent == ours and target.exists()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def build(root: Path, site: Path, html: Path, log: Path) -> None:
    """jupyter-book build with -n -W --keep-going; SystemExit naming every warning when it is not clean."""
    stage(root, site)
    if wrong := publish.not_current(root, site / "book" / "chapters"):
        raise SystemExit("The book was not built:\n  " + "\n  ".join(wrong))
    fresh = html.parent / f".{html.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    tool = str(Path(sys.executable).with_name("jupyter-book"))
    command = [tool, "build", ".", "--all", "-n", "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    print(f"[book] building {html} (log: {log})", file=sys.stderr, flush=True)
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            [*command, "--path-output", str(fresh.resolve())],
            cwd=site,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    told = [
        line for line in log.read_text(encoding="utf-8").splitlines() if "WARNING" in line or "ERROR" in line
    ]
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise SystemExit(f"The strict build failed; the log is {log}\n  " + "\n  ".join(told[:20]))
    old = html.parent / f".{html.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if html.exists():
        html.replace(old)
    (fresh / "_build" / "html").replace(html)
    for leftover in (old, fresh):
        shutil.rmtree(leftover, ignore_errors=True)


def sources(root: Path) -> list[str]:
    """Files whose change asks for a new build, chapters aside: pages, settings, styles, lglib."""
    files = [root / "_config.yml", root / "_toc.yml", *(root / "lglib").glob("*.py")]
    files += [p for p in (root / "book").rglob("*") if p.is_file() and p.parent.name != "chapters"]
    return sorted(str(p.relative_to(root)) for p in files)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the book strictly.")
    for name in ("--site", "--html", "--log"):
        parser.add_argument(name, type=Path, required=True)
    asked = parser.parse_args()
    here = provenance.project_root()
    build(here, (here / asked.site).resolve(), asked.html, asked.log)
