"""Every chapter in the smoke profile, on each shipped model that it takes; and what stops a chapter."""

from __future__ import annotations

import re
import shutil

import jupytext
import pytest

from lglib.report import provenance, results
from workflow import execute

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", provenance.chapters())
def test_every_notebook_runs_in_the_smoke_profile_and_files_its_records(project, monkeypatch, name):
    monkeypatch.setenv("LG_RESULTS", "")
    monkeypatch.chdir(project)
    execute.execute(name, profile="smoke", seed=0, root=project)
    filed = list((project / "results" / "smoke").rglob(f"{name}.json"))
    assert len(filed) == execute.files_results(project / "notebooks" / f"{name}.ipynb")
    assert all(results.read(path)["claims"] for path in filed)
    notebook = jupytext.read(project / "runs" / "smoke" / "seed0" / f"{name}.ipynb")
    streams = [o for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
    assert streams == []


@pytest.mark.parametrize(
    ("chapter", "model"),
    [
        ("03_lora_drift", "micro-qwen2"),
        ("03_lora_drift", "micro-olmo2"),
        ("04_llm_rank", "micro-qwen2"),
        ("04_llm_rank", "micro-olmo2"),
        ("05_steering_bridge", "micro-qwen2"),
        ("05_steering_bridge", "micro-olmo2"),
    ],
)
def test_chapters_that_take_a_model_run_on_the_other_shipped_ones(project, monkeypatch, chapter, model):
    monkeypatch.setenv("LG_RESULTS", "")
    monkeypatch.chdir(project)
    assert execute.main([chapter, "--profile", "smoke", "--model", model]) == 0
    (path,) = (project / "results" / "smoke" / model).rglob("*.json")
    assert results.read(path)["model"] == model
    assert (project / "runs" / "smoke" / "models" / model / "seed0" / f"{chapter}.ipynb").is_file()
    assert not (project / "book" / "chapters" / "smoke").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("bar: 0.9", r"cipher, B never reached the bar of 0\.9: cipher, A 0\.\d"),
        ("lost: 0.0", r"A was not forgotten, the bar is 0: \w+, A 0\.\d"),
        ("back: 0.9", r"cipher, A back, AdamW.* never reached the bar of 0\.9"),
    ],
)
def test_the_lora_chapter_stops_with_the_figures_when_a_pair_fails(project, monkeypatch, change, told):
    monkeypatch.setenv("LG_RESULTS", "")
    monkeypatch.chdir(project)
    shutil.rmtree(project / "results" / "smoke", ignore_errors=True)
    smoke = project / "config" / "smoke.yml"
    key = f"03_lora_drift.{change.split(':')[0]}"
    smoke.write_text(re.sub(rf"{key}: .*", f"03_lora_drift.{change}", smoke.read_text()))
    with pytest.raises(SystemExit, match=told):
        execute.execute("03_lora_drift", profile="smoke", seed=0, root=project)
    assert not list((project / "results" / "smoke").rglob("03_*.json"))


def test_a_chapter_stops_with_the_scores_when_its_base_model_never_learned(project, monkeypatch):
    monkeypatch.setenv("LG_RESULTS", "")
    monkeypatch.chdir(project)
    shutil.rmtree(project / "results" / "smoke", ignore_errors=True)
    smoke = project / "config" / "smoke.yml"
    smoke.write_text(smoke.read_text().replace("bar: 0.0", "bar: 0.9"))
    with pytest.raises(SystemExit) as stopped:
        execute.execute("02_synthetic_transformer", profile="smoke", seed=0, root=project)
    assert "never reached the bar of 0.9: copy 0." in str(stopped.value)
    assert not list((project / "results" / "smoke").rglob("02_*.json"))
