"""make lab: a kernel that has lglib of this clone, settings that ask nothing, sources that stay sources."""

import json
import os
import subprocess
import sys
from copy import deepcopy

import jupytext
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import run_kernel
from tornado.web import HTTPError

from workflow import lab, terminal


@pytest.fixture
def prepared(root, tmp_path, monkeypatch):
    """Its own Jupyter, as make lab leaves it, in a folder of the test."""
    for name in (*terminal.ENVIRONMENT, *terminal.FOLDERS, "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back after the test
    for name in terminal.FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return lab.prepare(root)


def test_the_kernel_is_found_by_its_name_and_imports_lglib_of_this_clone(root, prepared, tmp_path):
    assert KernelSpecManager().find_kernel_specs()[lab.NAME] == str(prepared.parent)
    code = "import lglib, os; print(lglib.__file__, os.environ['OMP_NUM_THREADS'])"
    (elsewhere := tmp_path / "elsewhere").mkdir()
    with run_kernel(kernel_name=lab.NAME, cwd=str(elsewhere)) as client:
        told = []
        client.execute_interactive(code, timeout=60, output_hook=lambda m: told.append(m["content"]))
    (text,) = [content["text"] for content in told if "text" in content]
    assert text.split() == [str(root / "lglib" / "__init__.py"), "1"]


def test_the_settings_ask_no_question_and_no_other_host(root, prepared, tmp_path):
    folder = tmp_path / "jupyter_config_dir" / "labconfig"
    settings = json.loads((folder / "default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/notebook-extension:tracker"] == {"autoStartDefaultKernel": True}
    told = " ".join(lab.options(root, 8001))
    assert "default_url=/lab/tree/notebooks" in told
    assert "port=8001" in told
    assert ("--allow-root" in told) == (os.geteuid() == 0)


def test_a_notebook_that_was_run_and_saved_is_the_source_that_it_was(root):
    """As JupyterLab saves it: outputs, the name of its kernel, and the same name in the text half."""
    path = next((root / "notebooks").glob("03x_*.ipynb"))
    before = json.loads(path.read_text())
    run = deepcopy(before)
    spec = {"display_name": lab.SHOWN, "language": "python", "name": lab.NAME}
    run["metadata"] |= {"kernelspec": spec, "language_info": {"name": "python"}}
    cell = next(cell for cell in run["cells"] if cell["cell_type"] == "code")
    cell |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}], "execution_count": 1}
    script = path.with_suffix(".py")
    text = jupytext.read(script)
    text.metadata["kernelspec"] = spec
    half = {"type": "file", "content": jupytext.writes(text, fmt="py:percent")}
    assert lab.SHOWN in half["content"]
    lab.as_source(half, f"/notebooks/{script.name}", contents_manager=None)
    assert half["content"] == script.read_text()
    saved = {"type": "notebook", "content": run}
    lab.as_source(saved, f"notebooks/{path.name}")
    assert saved["content"] == before


def test_a_notebook_of_yours_keeps_its_outputs_and_its_kernel():
    cell = {"cell_type": "code", "outputs": [1], "execution_count": 1}
    model = {"type": "notebook", "content": {"cells": [cell], "metadata": {"kernelspec": {"name": "lglib"}}}}
    before = deepcopy(model)
    lab.as_source(model, "course/student/03x_lora_drift.ipynb")
    assert model == before
    lab.as_source({"type": "directory", "content": None}, "notebooks/mine")


@pytest.mark.parametrize("path", ["book/chapters/03_lora_drift.ipynb", "/results/quick/x.json"])
def test_what_was_published_is_not_saved_by_hand(path):
    with pytest.raises(HTTPError, match=r"was published; save a copy elsewhere"):
        lab.as_source({"type": "notebook", "content": {"cells": [], "metadata": {}}}, path)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--port", "none"], 2, "make lab: PORT must be a whole number from 1 to 65535, got 'none'"),
        ([], 1, "make lab: JupyterLab is not in "),
    ],
)
def test_what_cannot_start_is_told_in_a_line(root, arguments, code, told):
    hide = "find = util.find_spec; util.find_spec = lambda name: None if name == 'jupyterlab' else find(name)"
    run = f"import sys; from importlib import util; {hide}; from workflow import lab; "
    run += f"sys.exit(lab.main({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", run], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(told)
