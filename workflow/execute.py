"""Run one notebook with papermill: progress on the terminal, an error that says where, no half output."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from lglib.base import files
from lglib.report import provenance, results
from workflow import profiles

# One thread a kernel: the order of a sum depends on the number of threads, and with it the last digits.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
}


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


@contextmanager
def following(path: Path, label: str, pause: float = 1.0) -> Iterator[None]:
    """While the body runs, print the lines that `lglib.progress` adds to a file; then remove it."""
    done = threading.Event()

    def show() -> None:
        with path.open(encoding="utf-8") as file:
            while True:
                last = done.is_set()  # asked first, so that what was written before the end is still shown
                for line in file:
                    print(f"{label}    {line.rstrip()}", file=sys.stderr, flush=True)
                if last:
                    return
                done.wait(pause)

    path.write_text("", encoding="utf-8")
    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        path.unlink(missing_ok=True)


class UnfinishedError(ValueError):
    """A notebook that papermill takes for finished although a cell of it was not run to its end."""


def execute(chapter: str, *, profile: str, seed: int, root: Path, model: str = "") -> None:
    """Run one chapter into `runs/<profile>/seed<k>/` and file its records; SystemExit says where it failed.

    `model` runs it on another model than the profile's, into `runs/<profile>/models/<model>/seed<k>/`.
    The live notebook grows in a hidden file and takes its name only when it is whole, so a kill at any
    moment leaves no half output. A failed one is kept as `<chapter>.failed.ipynb` beside the log.
    """
    values = profiles.load(profile, root).get(chapter, {})
    folder, label = root / "runs" / profile / f"seed{seed}", f"[{chapter} seed {seed}]"
    if model:
        ((filed_as, _),) = profiles.pick_models(model).items()
        values = values | {"model": model}
        folder = root / "runs" / profile / "models" / filed_as / f"seed{seed}"
        label = f"[{chapter} {filed_as} seed {seed}]"
    folder.mkdir(parents=True, exist_ok=True)
    notebook = root / "notebooks" / f"{chapter}.ipynb"
    live, log = folder / f".{chapter}.live.ipynb", folder / f"{chapter}.log"
    failed, scratch = folder / f"{chapter}.failed.ipynb", folder / f".{chapter}.records"
    shutil.rmtree(scratch, ignore_errors=True)
    failed.unlink(missing_ok=True)
    progress = folder / f".{chapter}.progress"
    os.environ.update(ENVIRONMENT, LG_RESULTS=str(scratch), LG_PROGRESS=str(progress))
    expected = provenance.code_hash(chapter, root)
    with log.open("w", encoding="utf-8") as stream, following(progress, label):
        try:
            papermill.execute_notebook(
                notebook,
                live,
                parameters={**values, "profile": profile, "seed": seed},
                engine_name="telling",
                kernel_name="python3",
                progress_bar=False,
                cwd=str(root),
                label=label,
                stream=stream,
                stdout_file=stream,
                stderr_file=stream,
                extra_arguments=["--log-level=ERROR"],
            )
            _check_finished(live)
            asked = {"chapter": chapter, "profile": profile, "seed": seed}
            filed, text = _the_records(scratch, expected, asked, notebook)
        except (PapermillExecutionError, DeadKernelError, ValueError) as error:
            stream.write(f"\n{error}\n")
            if live.exists():
                live.replace(failed)
            raise SystemExit(_report(error, notebook, label, log, failed)) from None
    place = root / "results" / profile / str(filed) / f"seed{seed}" / f"{chapter}.json"
    if filed and (not place.exists() or place.read_text(encoding="utf-8") != text):
        files.write_atomically(place, text)
    files.write_atomically(folder / f"{chapter}.json", text)
    live.replace(folder / f"{chapter}.ipynb")
    shutil.rmtree(scratch, ignore_errors=True)


def files_results(notebook: Path) -> bool:
    """Whether a chapter measures claims: whether its code imports `lglib.results`."""
    cells = provenance.code_cells(notebook)
    return any("results" in provenance.imported_modules(provenance.code_only(cell)) for cell in cells)


def _check_finished(live: Path) -> None:
    """papermill lets `sys.exit(0)` pass; a chapter that stops there has not measured what it promises."""
    for cell in nbformat.read(live, as_version=4).cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                raise UnfinishedError(f"{output.ename}: {output.evalue} ended the run before its last cell")
        if cell.execution_count is None:
            raise UnfinishedError("the run ended before its last cell")


def _the_records(
    scratch: Path, expected: str, asked: dict[str, Any], notebook: Path
) -> tuple[str | None, str]:
    """Model and text of the one results file, checked against what was asked for.

    A chapter that measures no claim, and so does not import `lglib.results`, files nothing.
    """
    found = sorted(scratch.rglob("*.json"))
    if not found and not files_results(notebook):
        if provenance.code_hash(asked["chapter"]) != expected:
            raise ValueError("the notebook or lglib was edited while it ran; run it again")
        return None, json.dumps({**asked, "code": expected, "claims": {}}, indent=1) + "\n"
    if len(found) != 1:
        raise ValueError(f"the notebook must call results.write once, it wrote {len(found)} files")
    document = results.read(found[0])
    for name, wanted in asked.items():
        if document[name] != wanted:
            raise ValueError(f"the notebook filed {name} {document[name]!r}, it was run for {wanted!r}")
    if document["code"] != expected:
        raise ValueError("the notebook or lglib was edited while it ran; run it again")
    return document["model"], found[0].read_text(encoding="utf-8")


def _report(error: Exception, notebook: Path, label: str, log: Path, failed: Path) -> str:
    lines = [f"{label}  FAILED: {_from_here(notebook)}"]
    if isinstance(error, PapermillExecutionError | DeadKernelError | UnfinishedError) and failed.exists():
        # papermill adds cells of its own; leave them out, so that the reader finds the cell in the source
        own = {"injected-parameters", "papermill-error-cell-tag"}
        cells = nbformat.read(failed, as_version=4).cells
        cells = [c for c in cells if not own & set(c.metadata.get("tags", []))]
        begun = [i for i, c in enumerate(cells) if c.metadata.get("papermill", {}).get("start_time")]
        last = begun[-1] if begun else 0
        lines.append(
            f"  cell   {last + 1} of {len(cells)}: {(cells[last].source.strip() or ' ').splitlines()[0]}"
        )
    if isinstance(error, PapermillExecutionError):
        lines.append(f"  error  {error.ename}: {error.evalue}")
    else:
        lines.append(f"  error  {error}")
    lines.append(f"  log    {_from_here(log)}")
    lines.append(f"  so far {_from_here(failed)}")
    return "\n".join(lines)


def _from_here(path: Path) -> str:
    return os.path.relpath(path)


def main(argv: list[str] | None = None) -> int:
    """Check what was asked and run it; returns the exit status."""
    parser = argparse.ArgumentParser(description="Run one chapter of a profile with one seed.")
    parser.add_argument("chapter")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--model", default="")
    asked = parser.parse_args(argv)
    root = provenance.project_root()
    try:
        profiles.load(asked.profile, root)
        if asked.chapter not in (known := provenance.chapters(root)):
            raise profiles.ProfileError(f"chapter is {asked.chapter!r}; there is: {', '.join(known)}")
        if not (asked.seed.split() == [asked.seed] and profiles.pick_seeds(asked.seed)):
            raise profiles.ProfileError(f"seed is {asked.seed!r}; a seed is one whole number from 0")
        if len(profiles.pick_models(asked.model)) > 1:
            raise profiles.ProfileError(f"model is {asked.model!r}; name one")
        if asked.model and not profiles.takes_models(asked.chapter, root):
            raise profiles.ProfileError(f"chapter {asked.chapter} has its own model, got {asked.model!r}")
        provenance.code_hash(asked.chapter, root)
    except (profiles.ProfileError, OSError, SyntaxError, ValueError) as error:
        print(f"execute: {error}", file=sys.stderr)
        return 2
    execute(asked.chapter, profile=asked.profile, seed=int(asked.seed), root=root, model=asked.model)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
