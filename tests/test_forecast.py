"""`make plan` and the check before a run: what is told, what is refused, and that nothing is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import mini
import pytest
import tiny
import yaml
from hub import Hub
from mini import drive

from lglib import studies
from lglib.base import footprint
from workflow import effort, facts, forecast, plan, request

GPT2 = "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e"


def planned(root, profile, **asked):
    state = plan.State(profile, root)
    device = forecast.named(asked.pop("device", ""))
    return state, forecast.rows(state, request.runs(profile, root, **asked), device)


@pytest.fixture
def nothing_cached(monkeypatch, tmp_path):
    """No model in the hub's cache or in the project's, and no GPU."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = forecast.here
    monkeypatch.setattr(forecast, "here", lambda kind: real(kind) if kind == "cpu" else None)


def test_the_paper_profile_fits_an_h100_by_the_plan(root, nothing_cached):
    state, found = planned(root, "paper", device="h100-80g")
    assert {row.study for row in found} == set(studies.NAMES)
    assert forecast.reasons(found) == []
    models = [row for row in found if row.known]
    assert {row.study for row in models} == set(studies.NAMES) - {"theory", "quadratic", "synthetic"}
    assert all(0 < row.peak < 80e9 for row in models)
    assert all(row.seconds > 0 for row in found)
    fetched = {row.known.model: row.known.download for row in models if row.known.fetched}
    assert len(fetched) == 3
    assert forecast.downloads(found, boolq=True) == pytest.approx(sum(fetched.values()) + forecast.LITTLE)
    told = forecast.told(state, found, "h100-80g", 10)
    for words in ("revision 060db6499f32faf8b98477b0a26969ef7d8b9987", "download 1.00 GB", "All of it fits."):
        assert words in told


def test_the_parameters_that_are_listed_are_those_of_the_shapes(root):
    """Gemma and GPT-2 have norms, biases and positions beside what a shape counts."""
    for name, listed in yaml.safe_load((root / "config" / "models.yml").read_text()).items():
        counted = footprint.shape_of(listed["config"]).parameters
        assert listed["parameters"] == pytest.approx(counted, rel=0.02), name
        assert listed["download"] > 0.5 * listed["parameters"], name


def test_without_a_gpu_all_studies_that_ask_for_one_are_refused_in_one_line(root, nothing_cached):
    state = plan.State("paper", root)
    device, *others = forecast.refusals(state, request.runs("paper", root))
    asking = [name for name in studies.NAMES if name != "quadratic"]  # it runs on the CPU
    assert device == f"{', '.join(asking)}: device: cuda, and torch sees no GPU here"
    assert others == []  # the downloads are allowed


def test_what_may_not_be_fetched_is_named_and_a_made_model_says_how_it_is_made(root, nothing_cached):
    _, found = planned(root, "quick", names="lora rank", models=GPT2)
    (why,) = forecast.reasons(found)
    assert why == (
        f"lora on {GPT2}, rank on {GPT2}: not in the hub's cache, and the profile does not say "
        "allow_download: true"
    )
    strange = "owner/name@" + "0" * 40
    assert (
        "not in the hub's cache"
        in forecast.reasons(planned(root, "quick", names="rank", models=strange)[1])[0]
    )
    assert facts.of(strange, root).shape is None
    (why,) = forecast.reasons(planned(root, "real")[1])
    assert why.startswith(
        "lora on gemma-3-270m, rank on gemma-3-270m, bridge on gemma-3-270m, lens on gemma-3-270m: gemma-3"
    )
    assert why.endswith("run: make gemma ACCEPT_TERMS=yes")


def test_memory_and_disk_that_do_not_suffice_are_told_with_the_largest_part(
    root, nothing_cached, monkeypatch
):
    monkeypatch.setattr(forecast, "here", lambda kind: forecast.Device("cpu", 0.4e9))
    _, found = planned(root, "quick", names="rank")
    (first, *_) = forecast.reasons(found)
    assert "memory: about " in first
    assert "of 0.40 GB on cpu; largest: " in first
    assert forecast.reasons(found, memory=False) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1e8))
    (told,) = forecast.disk_wrong(found, boolq=False)
    assert told.startswith("disk: 0.20 GB are wanted, 0.10 GB are free at ")


def test_a_folder_is_asked_for_its_own_size(root, tmp_path):
    folder = tmp_path / "mine"
    model = tiny.save(folder, "qwen2")
    found = facts.of(str(folder), root)
    assert found.shape.parameters == sum(p.numel() for p in model.parameters())
    assert (found.shape.layers, found.context, found.download) == (tiny.BLOCKS, tiny.CONTEXT, 0)
    assert found.disk == (folder / "model.safetensors").stat().st_size
    (folder / "model.safetensors").unlink()
    assert "has no weights" in facts.of(str(folder), root).missing
    assert "it has no config.json" in facts.of(str(tmp_path), root).missing


def test_what_is_larger_takes_longer_and_a_faster_device_less(root):
    small = facts.of("micro-gpt2", root).shape
    large = facts.of(GPT2, root).shape
    given = studies.parameters("rank", "quick").model_dump()
    usual = effort.work("rank", given, small, 0)
    same = effort.seconds("rank", usual, small, usual, small, effort.speed("cpu"))
    assert same == pytest.approx(effort.MEASURED["rank"])
    work = effort.work("rank", given, large, 1024)
    cpu = effort.seconds("rank", work, large, usual, small, effort.speed("cpu"))
    gpu = effort.seconds("rank", work, large, usual, small, effort.speed("h100-80g"))
    assert cpu > 50 * same
    assert gpu < cpu / 50
    more = effort.work("rank", {**given, "candidates": 10 * given["candidates"]}, large, 1024)
    assert more.passes > work.passes
    boolq = effort.work("rank", {**given, "tasks": ["boolq", "open"]}, large, 1024)
    assert (work.tokens, boolq.tokens) == (effort.SHORT, effort.LONG)
    assert effort.work("rank", {**given, "tasks": ["boolq", "open"]}, small, 128).tokens == 128


def test_a_second_model_and_a_copy_in_double_count(root):
    large = facts.of(GPT2, root).shape
    given = studies.parameters("rank", "quick").model_dump() | {"precision": "float32"}
    single, double = (
        effort.peak(effort.work("rank", one, large, 1024), large, 80e9, cuda=True)[0]
        for one in (given, given | {"precision": "float64", "examples": 8, "regime_items": 2})
    )
    twin = 4 * large.parameters
    kinds = footprint.estimate_from_shapes(
        large, items=given["examples"], tokens=effort.SHORT, free=80e9 - twin
    )
    few = footprint.estimate_from_shapes(
        large, items=given["regime_items"], tokens=effort.SHORT, free=80e9 - twin
    )
    parts = [kinds["loading"], kinds["gradient"], kinds["gram"], few["hessian"]]
    assert single == pytest.approx(twin + max(sum(one.values()) for one in parts))
    assert double > 2 * twin + 24 * large.parameters


def test_own_data_lengthen_the_items_and_a_file_that_cannot_be_read_is_named(root, tmp_path, capsys):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "x" * 900, "answer": "y"}) + "\n")
    tokens = forecast.data_tokens(str(path))
    assert 300 <= tokens <= 320
    state = plan.State("quick", root)
    runs = request.runs("quick", root, names="rank", models="micro-gpt2", seeds="0")
    (short,), (long,) = (forecast.rows(state, runs, forecast.named("cpu"), n) for n in (0, tokens))
    assert long.peak > short.peak
    for arguments, told in (
        (["--data", str(tmp_path / "none")], "there is no such file"),
        (["--device", "h100"], "DEVICE is 'h100'; there is: cpu, h100-80g"),
        (["--profile", "quik"], "profile is 'quik'"),
    ):
        assert forecast.main(arguments) == 2
        assert told in capsys.readouterr().err


def test_make_measure_and_make_book_refuse_with_all_reasons_before_anything_starts(tmp_path):
    project = mini.make(tmp_path / "mini")
    profile = project / "config" / "quick.yml"
    profile.write_text(profile.read_text().replace("parameters: {}", "parameters: {device: cuda}"))
    for action in ("measure", "book"):
        refused = drive(project, action)
        assert refused.returncode == 2, refused.stderr
        assert f"make {action}: one, two: device: cuda, and torch sees no GPU here" in refused.stderr
        assert "nothing was started" in refused.stderr
        assert "measuring" not in refused.stderr
        assert not (project / "runs" / "observations").exists()
        assert not (project / "runs" / "quick").exists()


@pytest.mark.long
def test_a_profile_without_a_study_executes_only_the_chapters_that_it_has(tmp_path):
    project = mini.make(tmp_path / "mini")
    (project / "config" / "smoke.yml").write_text("two:\n  runs: {mini: [0]}\n")
    refused = drive(project, "book", "--profile", "smoke", "--chapters", "01")
    assert refused.returncode == 2
    assert "chapter 01_one reads one, which profile smoke leaves out; it has: 02_two" in refused.stderr
    refused = drive(project, "measure", "--profile", "smoke", "--studies", "one")
    assert refused.returncode == 2
    assert "study one is not in profile smoke, which has: two" in refused.stderr
    made_ = drive(project, "measure", "--profile", "smoke")
    assert made_.returncode == 0, made_.stderr
    done = drive(project, "book", "--profile", "smoke")
    assert list(mini.executed(project, "smoke")) == ["02_two"], done.stderr
    assert "01_one: not executed yet" in done.stderr  # and nothing of it is published here to show


@pytest.mark.long
def test_a_folder_of_the_command_line_is_measured_and_filed_under_its_name(tmp_path):
    project = mini.make(tmp_path / "mini")
    folder = tmp_path / "my model"
    folder.mkdir()
    (tmp_path / "other" / "mini").mkdir(parents=True)
    refused = drive(project, "measure", "--studies", "two", "--models", f"{tmp_path}/other/mini")
    assert refused.returncode == 2
    assert "would both be filed under 'mini'" in refused.stderr
    short = tmp_path / "short"
    folder.rename(short)
    done = drive(project, "measure", "--studies", "two", "--models", "../short")
    assert done.returncode == 0, done.stderr
    assert (project / "runs" / "observations" / "quick" / "short" / "seed0" / "two.csv").is_file()
    header = json.loads((project / "runs/observations/quick/short/seed0/two.json").read_text())
    assert (header["model"], header["parameters"]["model"]) == ("short", "short")  # no path of this machine
    noted = json.loads((project / "runs" / ".folders.json").read_text())
    assert noted == {"quick": {"short": str(short)}}


@pytest.mark.long
def test_a_job_that_is_killed_is_told_and_so_is_a_graph_that_cannot_be_made(tmp_path):
    project = mini.make(tmp_path / "mini")
    mini.write_study(project, "two", value="__import__('os').kill(__import__('os').getpid(), 9)")
    failed = drive(project, "measure", "--studies", "two")
    assert failed.returncode != 0
    assert "killed by signal 9, perhaps for want of memory" in failed.stderr
    graph = project / "workflow" / "Snakefile"
    graph.write_text(graph.read_text() + "\nraise RuntimeError('no such graph')\n")
    failed = drive(project, "measure", "--studies", "one")
    assert failed.returncode != 0
    assert "The workflow's graph cannot be made:" in failed.stderr
    assert "no such graph" in failed.stderr


STAND_INS = {"distilbert/distilgpt2": "gpt2", "openai-community/gpt2": "gpt2", "Qwen/Qwen2.5-0.5B": "qwen2"}
FETCH = """
import json, sys
from lglib.models import loading
from lglib.report.provenance import project_root
from workflow import facts, forecast, plan, request

root = project_root()
state = plan.State("paper", root)
runs = request.runs("paper", root)

def sources():
    rows = forecast.rows(state, runs, forecast.named("h100-80g"))
    return {row.known.model: row.known.source for row in rows if row.known}, forecast.reasons(rows)

before, _ = sources()
names = [name for name, source in before.items() if source != "shipped"]
loaded = {name: loading.load(name, device="cpu", allow_download=True).parameters for name in names}
from lglib.tasks import data
items = len(data.boolq(revision=data.BOOLQ_REVISION, allow_download=True))
after, wrong = sources()
print(json.dumps(dict(before=before, loaded=loaded, items=items, after=after, wrong=wrong)))
"""


MEASURE = """
import json, yaml
from pathlib import Path
from lglib import studies
from lglib.report import frames

small = yaml.safe_load(Path("config/smoke.yml").read_text())
kept = ("names", "tasks", "templates", "task_pairs", "shape_pairs", "refresh_pairs", "allow_download")
found = {}
for name in ("models", "lora", "rank", "bridge"):
    model = next(iter(studies.plan("paper")[name]))
    paper = studies.planned(name, "paper", model=model).model_dump()
    sizes = {k: v for k, v in small[name]["parameters"].items() if k not in kept}
    asked = studies.study(name).Parameters(**{**paper, **sizes, "device": "cpu"})
    rows = studies.study(name).measure(asked, 0)
    found[name] = dict(
        rows=len(rows), claims=sorted(set(rows.frame()["claim"]) - {frames.CONTEXT}), left_out=rows.left_out,
        crashed=rows.crashed,
    )
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def paper(root, tmp_path_factory):
    """Run a script in a copy of the project whose paper profile names tiny stand-ins on a stand-in hub."""
    from datasets import Dataset

    scratch = tmp_path_factory.mktemp("paper")
    project = scratch / "project"
    for folder in ("lglib", "workflow", "config", "notebooks"):
        shutil.copytree(root / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(root / "_toc.yml", project)
    profile = project / "config" / "paper.yml"
    with Hub() as hub:
        for k, (name, family) in enumerate(STAND_INS.items()):
            tiny.save(scratch / name, family, seed=k)
            sha = hub.publish(name, scratch / name)
            old = next(w for w in profile.read_text().split() if w.strip(":").startswith(f"{name}@"))
            profile.write_text(profile.read_text().replace(old.strip(":"), f"{name}@{sha}"))
        n = range(240)
        rows = {
            "question": [f"is anna in park {i}" for i in n],
            "passage": [f"Anna is in the park number {i}." for i in n],
            "answer": [i % 2 == 0 for i in n],
        }
        (scratch / "boolq" / "data").mkdir(parents=True)
        Dataset.from_dict(rows).to_parquet(scratch / "boolq" / "data" / "validation-00000-of-00001.parquet")
        data = project / "lglib" / "tasks" / "data.py"
        sha = hub.publish("google/boolq", scratch / "boolq", kind="dataset")
        data.write_text(data.read_text().replace("35b264d03638db9f4ce671b711558bf7ff0f80d5", sha))
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(scratch / "home"),
            "PYTHONPATH": str(project),
        }

        def run(script: str) -> dict:
            command = [sys.executable, "-c", script]
            done = subprocess.run(
                command, cwd=project, env={**kept, **settings}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout.splitlines()[-1])

        yield run


@pytest.mark.long
def test_the_models_of_the_paper_profile_are_planned_and_fetched_from_a_stand_in_of_the_hub(paper):
    """Tiny stand-ins under the names of the paper's models; the commits are those of the stand-in."""
    found = paper(FETCH)
    fetched = [name for name, source in found["before"].items() if source == "config/models.yml"]
    assert sorted(name.partition("@")[0] for name in fetched) == sorted(STAND_INS)
    assert all(found["after"][name] == "cache" for name in fetched)
    assert sorted(found["loaded"]) == sorted(fetched)
    assert found["items"] == 240
    assert found["wrong"] == []


@pytest.mark.long
def test_the_studies_of_the_paper_profile_run_to_their_end_on_stand_ins(paper):
    """Its models, tasks, templates and pairs, at the sizes of smoke: no section ends in a fault."""
    found = paper(MEASURE)
    assert {name: one["crashed"] for name, one in found.items()} == {name: {} for name in found}
    assert set(found["lora"]["claims"]) >= {"S1", "S2", "S3", "S4"}
    assert set(found["rank"]["claims"]) == {"L1", "L2"}
    assert set(found["bridge"]["claims"]) >= {"T4", "B1", "B2", "B3", "B4"}
    assert found["models"]["rows"] > 0


@pytest.mark.parametrize(("how", "told"), [(os.R_OK, "read"), (os.W_OK, "written")])
def test_a_cache_that_belongs_to_another_user_is_named(
    root, nothing_cached, monkeypatch, tmp_path, how, told
):
    (tmp_path / "hub").mkdir()
    # a test may run as root, who may read and write all
    monkeypatch.setattr(os, "access", lambda path, asked: not asked & how)
    known = facts.of(GPT2, root)
    assert f"the hub's cache {tmp_path / 'hub'} cannot be {told} by this user" in known.missing
    assert not known.fetched
