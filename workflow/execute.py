"""Execute one chapter with papermill: progress on the terminal, an error that says where, no half output."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from lglib import studies
from lglib.report.provenance import project_root
from lglib.studies.profiles import ProfileError
from workflow import plan, terminal

START = 180  # seconds after which a kernel that does not answer is given up


class Telling(NBClientEngine):
    """papermill's engine that prints a line per section: chapter, cell of how many, elapsed, heading."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        """Run the notebook; papermill calls this."""
        label, stream = kwargs.pop("label"), kwargs.pop("stream")
        total, started, plain_start = len(nb_man.nb.cells), time.monotonic(), nb_man.cell_start

        def cell_start(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
            lines = cell.source.splitlines() if cell.cell_type == "markdown" else []
            heading = next((line.lstrip("# ") for line in lines if line.startswith("#")), "")
            if heading or cell_index == total - 1:
                seconds = int(time.monotonic() - started)
                clock = f"{seconds // 60:02d}:{seconds % 60:02d}"
                line = f"{label}  cell {(cell_index or 0) + 1:>3} of {total}  {clock}  {heading or 'done'}"
                print(line, file=sys.stderr, flush=True)
                print(line, file=stream, flush=True)
            plain_start(cell, cell_index, **rest)

        nb_man.cell_start = cell_start
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register("telling", Telling)


class UnfinishedError(ValueError):
    """A notebook that papermill takes for finished although a cell of it was not run to its end."""


def execute(chapter: str, profile: str, root: Path) -> None:
    """Execute one chapter into `runs/<profile>/chapters/`; SystemExit says where it failed.

    The live notebook grows in a hidden file and takes its name only when it is whole, so a kill at any
    moment leaves no half output. A failed one is kept as `<chapter>.failed.ipynb` beside the log.
    """
    state = plan.State(profile, root)
    notebook, target, label = state.source(chapter), state.executed(chapter), f"[{chapter}]"
    target.parent.mkdir(parents=True, exist_ok=True)
    live, failed = target.with_name(f".{chapter}.live.ipynb"), target.with_name(f"{chapter}.failed.ipynb")
    log, progress = target.with_suffix(".log"), target.with_name(f".{chapter}.progress")
    failed.unlink(missing_ok=True)
    terminal.isolate(root)
    (root / "runs" / ".home").mkdir(exist_ok=True)  # IPython warns where it cannot make its folder
    os.environ["LG_PROGRESS"] = str(progress)
    stamp, shown = state.chapter_stamp(chapter), state.shown_model(chapter)
    with log.open("w", encoding="utf-8") as stream, terminal.following(progress, label):
        try:
            papermill.execute_notebook(
                _as_it_is(notebook),
                _as_it_is(live),
                parameters={"profile": profile, **({"model": shown} if shown else {})},
                engine_name="telling",
                kernel_name="python3",
                progress_bar=False,
                cwd=str(root),
                label=label,
                stream=stream,
                stdout_file=stream,
                stderr_file=stream,
                extra_arguments=["--log-level=ERROR"],
                start_timeout=START,
            )
            _check_finished(live)
            if plan.State(profile, root).chapter_stamp(chapter) != stamp:
                raise ValueError("its code or its observations changed while it ran; run it again")
        except (PapermillExecutionError, DeadKernelError, RuntimeError, ValueError) as error:
            stream.write(f"\n{error}\n")
            if live.exists():
                live.replace(failed)
            raise SystemExit(_report(error, notebook, label, log, failed)) from None
    live.replace(target)
    plan.sign(target, stamp)


def _as_it_is(path: Path) -> str:
    """A path for papermill, which fills in what stands in braces.

    >>> _as_it_is(Path("my {book}/01.ipynb"))
    'my {{book}}/01.ipynb'
    """
    return str(path).replace("{", "{{").replace("}", "}}")


def _check_finished(live: Path) -> None:
    """papermill lets `sys.exit(0)` pass; a chapter that stops there does not show what it promises."""
    for cell in nbformat.read(live, as_version=4).cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                raise UnfinishedError(f"{output.ename}: {output.evalue} ended the run before its last cell")
        if cell.execution_count is None:
            raise UnfinishedError("the run ended before its last cell")


def _report(error: Exception, notebook: Path, label: str, log: Path, failed: Path) -> str:
    lines = [f"{label}  FAILED: {terminal.from_here(notebook)}"]
    if isinstance(error, PapermillExecutionError | DeadKernelError | UnfinishedError) and failed.exists():
        # papermill adds cells of its own; leave them out, so that the reader finds the cell in the source
        own = {"injected-parameters", "papermill-error-cell-tag"}
        cells = nbformat.read(failed, as_version=4).cells
        cells = [c for c in cells if not own & set(c.metadata.get("tags", []))]
        begun = [i for i, c in enumerate(cells) if c.metadata.get("papermill", {}).get("start_time")]
        last = begun[-1] if begun else 0
        first_line = (cells[last].source.strip() or " ").splitlines()[0]
        lines.append(f"  cell   {last + 1} of {len(cells)}: {first_line}")
    if isinstance(error, PapermillExecutionError):
        lines.append(f"  error  {error.ename}: {error.evalue}")
    else:
        lines.append(f"  error  {error}")
    lines.append(f"  log    {terminal.from_here(log)}")
    lines.append(f"  so far {terminal.from_here(failed)}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Check what was asked and execute it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.execute", description=__doc__)
    parser.add_argument("chapter")
    parser.add_argument("--profile", default="quick")
    asked = parser.parse_args(argv)
    root = project_root()
    try:
        state = plan.State(asked.profile, root)
        (chapter,) = state.pick(asked.chapter or "?")
        for run in state.live(chapter):  # their GPU and their model are there
            studies.parameters(run.study, run.profile, model=run.model)
    except (ProfileError, OSError, SyntaxError, ValueError) as error:
        print(f"execute: {error}", file=sys.stderr)
        return 2
    with terminal.at_work(root):
        execute(chapter, asked.profile, root)
    return 0


if __name__ == "__main__":
    with terminal.plainly("execute"):
        raise SystemExit(main())
