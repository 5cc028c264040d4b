"""What a run reads from outside: a file of data from the command line, the folder of a model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lglib.report import filing
from lglib.studies.profiles import ProfileError
from workflow import drive, inputs, merge, plan, publish, request

LINES = [
    {
        "question": f"is the {color} box open",
        "passage": f"The {color} box is {state}.",
        "answer": state == "open",
    }
    for color in ("red", "blue", "green", "white")
    for state in ("open", "shut")
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "my questions.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)) + "\n")
    return path


def test_a_file_is_read_whole_before_it_is_used(data, tmp_path):
    assert inputs.checked(str(data)) == str(data)
    for text, told in [("", "no item"), ('{"question": 3}\n', "line 1")]:
        data.write_text(text)
        with pytest.raises(ProfileError, match=told):
            inputs.checked(str(data))
    with pytest.raises(ProfileError, match="no such file"):
        inputs.checked(str(tmp_path / "none.jsonl"))
    with pytest.raises(ProfileError, match="data is"):
        inputs.checked(str(tmp_path))


def test_a_link_names_no_folder_and_follows_the_last_file_named(data, tmp_path):
    root = tmp_path / "project"
    assert inputs.link(str(data), root) == "runs/data/my questions.jsonl"
    place = root / "runs" / "data" / data.name
    assert place.read_bytes() == data.read_bytes()
    other = tmp_path / "b" / data.name
    other.parent.mkdir()
    other.write_text("{}")
    inputs.link(str(other), root)
    assert place.read_text() == "{}"
    inputs.link(str(place), root)  # named by its link: it does not come to lead to itself
    assert place.read_text() == "{}"


def test_changed_weights_make_another_sum_and_a_copy_the_same(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"one")
    first = inputs.weights(str(folder), tmp_path)
    assert list(first) == ["model mine"]
    assert inputs.other_weights(str(folder), first, tmp_path) == ""
    (tmp_path / "b").mkdir()
    shutil.copytree(folder, tmp_path / "b" / "mine")
    assert inputs.weights(str(tmp_path / "b" / "mine"), tmp_path) == first
    (folder / "model.safetensors").write_bytes(b"two")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert inputs.other_weights(str(folder), first, tmp_path) == (
        "made of other weights (model mine has changed)"
    )
    assert inputs.weights("micro-gpt2", tmp_path) == {}
    assert inputs.other_weights(str(folder), {}, tmp_path) == ""  # a header of before: nothing is known


def test_data_goes_to_the_studies_that_take_it(root):
    state = plan.State("smoke", root, "runs/data/x.jsonl")
    runs = drive.with_data(state, request.runs("smoke", root), "")
    assert {run.study for run in runs} == {"models", "lora", "rank", "bridge"}
    assert state.parameters("rank")["data"] == "runs/data/x.jsonl"
    assert "data" not in state.parameters("theory")
    with pytest.raises(ProfileError, match="'theory', which takes no DATA"):
        drive.with_data(state, request.runs("smoke", root, names="theory rank"), "theory rank")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["measure", "--data", "/none.jsonl"], "there is no such file"),
        (["book", "--data", "/none.jsonl"], "write data: into a profile"),
        (["verify", "--data", "/none.jsonl"], "write data: into a profile"),
    ],
)
def test_bad_data_is_refused_in_one_line_before_anything_starts(root, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(root)
    assert drive.main([*arguments, "--profile", "smoke"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_header_with_a_path_of_this_machine_is_not_published(tmp_path):
    from lglib.report.observations import Observations

    found = Observations()
    found.add("S3", "capture", 0.61, null=0.001, null_means="random subspace")
    rest = dict(profile="quick", model="mini", seed=0, device="cpu", versions={}, code="0")
    for value, count in [("runs/data/x.jsonl", 0), ("/srv/x.jsonl", 1), ("~/x.jsonl", 1)]:
        header = filing.Header(study="rank", parameters={"data": value, "tasks": ["open"]}, **rest)
        assert len(publish.paths_told(filing.write(found, header, tmp_path))) == count
    header = filing.Header(study="models", parameters={"names": ["micro-gpt2", "/srv/mine"]}, **rest)
    assert "names is '/srv/mine'" in publish.paths_told(filing.write(found, header, tmp_path))[0]
    assert merge.private(f"{Path.home()}/x")


@pytest.mark.long
def test_own_data_are_measured_from_the_command_line_and_no_header_has_their_folder(root, data, tmp_path):
    copy = tmp_path / "project"
    for name in ("lglib", "workflow", "config", "notebooks"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "_toc.yml", copy)

    asked = ["--profile", "smoke", "--data", str(data), "--studies", "models", "--cores", "1"]

    def measured() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workflow.drive", "measure", *asked],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )

    made = measured()
    assert made.returncode == 0, made.stderr
    (path,) = (copy / "runs" / "observations").rglob("models.csv")
    header = path.with_suffix(".json").read_text()
    assert str(tmp_path) not in header + path.read_text()
    assert filing.read(path).header.parameters["data"] == f"runs/data/{data.name}"
    assert list(filing.read(path).header.files) == [data.name]
    assert "0 of 1 runs are to be measured" in measured().stderr
    data.write_text("\n".join(map(json.dumps, LINES[:6])) + "\n")
    assert "1 of 1 runs are to be measured" in measured().stderr  # the file is another one
