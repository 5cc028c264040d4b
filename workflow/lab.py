"""make lab: JupyterLab on notebooks/, with a kernel of the project's own name that has this clone's lglib."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from tornado.web import HTTPError

from lglib.base.files import write_atomically
from lglib.report.provenance import project_root
from workflow import serve, terminal

NAME, SHOWN = "lglib", "lglib (this clone)"
PLAIN = {"display_name": "Python 3", "language": "python", "name": "python3"}  # a kernel that is everywhere
SOURCES = "notebooks/"
PUBLISHED = ("book/chapters/", "results/")  # make publish alone writes there
SETTINGS = {  # of JupyterLab: no question which kernel, none whether to fetch news
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def prepare(root: Path) -> Path:
    """Write the kernel of this clone and settings where only its own Jupyter looks; return the kernel's file.

    It runs this interpreter, takes lglib from this clone and sums in one thread, as `make book` does.
    """
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": SHOWN,
        "language": "python",
        "env": {**terminal.ENVIRONMENT, "PYTHONPATH": str(root)},
    }
    settings = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(settings, json.dumps(SETTINGS, indent=1) + "\n")
    path = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / NAME / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, json.dumps(spec, indent=1) + "\n")


def options(root: Path, port: int) -> list[str]:
    """Command line of JupyterLab: this kernel alone, notebooks first, nothing asked of another host."""
    found = [
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.port={port}",
        f"--LabApp.default_url=/lab/tree/{SOURCES.rstrip('/')}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        f"--KernelSpecManager.allowed_kernelspecs={NAME}",
        "--KernelSpecManager.ensure_native_kernel=False",
        f"--MultiKernelManager.default_kernel_name={NAME}",
        f"--ContentsManager.pre_save_hook={__name__ if __name__ != '__main__' else 'workflow.lab'}.as_source",
    ]
    return [*found, "--allow-root"] if os.geteuid() == 0 else found  # make was typed as root already


def as_source(model: dict[str, Any], path: str, **_: Any) -> None:
    """What JupyterLab calls before it saves: a file of notebooks/ is a source, without outputs.

    It keeps the name of a kernel that is everywhere, so that a saved notebook differs by its edit alone.
    Raises HTTPError, which JupyterLab shows, for what was published.
    """
    content, path = model.get("content"), path.lstrip("/")
    if path.startswith(PUBLISHED):
        raise HTTPError(
            403, f"{path} was published; save a copy elsewhere, or edit {SOURCES} and publish anew"
        )
    if not path.startswith(SOURCES) or not content:
        return
    if model.get("type") == "notebook":
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        content["metadata"]["kernelspec"] = dict(PLAIN)
        content["metadata"].pop("language_info", None)
    elif path.endswith(".py"):
        for line, own in (
            (f"name: {NAME}", PLAIN["name"]),
            (f"display_name: {SHOWN}", PLAIN["display_name"]),
        ):
            content = content.replace(f"#     {line}\n", f"#     {line.partition(':')[0]}: {own}\n")
        model["content"] = content


def main(argv: list[str] | None = None) -> int:
    """Become JupyterLab; returns the exit status where that cannot be."""
    parser = argparse.ArgumentParser(prog="make lab", description=__doc__)
    parser.add_argument("--port", default="8000")
    asked = parser.parse_args(argv)
    try:
        port = serve.port(asked.port)
    except ValueError as error:
        print(f"make lab: {error}", file=sys.stderr)
        return 2
    if importlib.util.find_spec("jupyterlab") is None:
        told = "install it there: pip install --no-deps -r requirements/lab.lock"
        print(f"make lab: JupyterLab is not in {sys.prefix}; {told}", file=sys.stderr)
        return 1
    root = project_root()
    terminal.isolate(root)
    prepare(root)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *options(root, port)])


if __name__ == "__main__":
    with terminal.plainly("make lab"):
        sys.exit(main())
