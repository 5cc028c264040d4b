"""What a study cannot use is refused before anything starts: values, models, devices, live cases."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
import yaml

from lglib import studies
from lglib.activations import steering_losses
from lglib.models import shipped
from lglib.studies import ProfileError, limits
from lglib.studies.lora import candidates
from lglib.studies.lora.parameters import PairName
from lglib.studies.synthetic import trained

COMMIT = "0" * 40


@pytest.fixture
def checked(tmp_path, root):
    """Check a profile of one study, which is that of smoke but for its runs or some parameters."""
    smoke = yaml.safe_load((root / "config" / "smoke.yml").read_text(encoding="utf-8"))
    (tmp_path / "config").mkdir()

    def check(study, runs=None, **changes):
        entry = {
            "runs": runs or smoke[study]["runs"],
            "parameters": {**smoke[study]["parameters"], **changes},
        }
        (tmp_path / "config" / "mine.yml").write_text(yaml.safe_dump({study: entry}))
        return studies.check("mine", tmp_path)

    return check


@pytest.mark.parametrize("study", studies.NAMES)
def test_the_profiles_of_the_project_pass(checked, study):
    assert list(checked(study)) == [study]


@pytest.mark.parametrize(
    ("study", "changes", "told"),
    [
        ("lora", {"rate": float("nan")}, "study lora, rate is nan; it should be a finite number"),
        ("bridge", {"sigma": float("inf")}, "sigma is inf; it should be a finite number"),
        ("lora", {"bar": float("nan")}, "bar is nan"),
        (
            "lora",
            {"shape_pairs": ["edit"]},
            r"shape_pairs must be among task_pairs, \['cipher', 'first'\]; 'edit'",
        ),
        (
            "lora",
            {"refresh_pairs": ["edit"]},
            r"refresh_pairs must be among.*task_pairs is \['cipher', 'first'\]",
        ),
        ("lora", {"ks": [1, 8], "gradients": 8}, r"last of ks, 8: .*ks is \[1, 8\]"),
        ("lora", {"lr": 0.1}, r"unknown parameter 'lr' \(did you mean 'rate'\?\)"),
        ("lora", {"rate": "1e-3"}, r"rate is '1e-3' \(text: YAML wants 1.0e-03 with a point\)"),
        ("lora", {"rate": "0.1"}, r"rate is '0.1' \(text: a number stands without quotes\)"),
        ("lora", {"limit": 10**400}, "limit is a whole number of 401 digits"),
        ("lora", {"model": "micro-gpt2"}, "models are named in runs"),
        ("bridge", {"multipliers": [-1.0, 0.0, 2.0]}, "multipliers must be symmetric about 0"),
        ("rank", {"candidates": 6}, "candidates is 6; it should be greater than or equal to 8"),
        ("rank", {"tasks": ["yes_no", "open"]}, r"'yes_no' \(did you mean 'yes-no'\?\)"),
        ("models", {"names": ["micro-gtp2"]}, r"names is 'micro-gtp2', .*\(did you mean 'micro-gpt2'\?\)"),
        ("models", {"names": ["owner/name@main"]}, "40 hexadecimal digits"),
    ],
)
def test_parameters_that_cannot_be_used_are_named_with_what_they_do_not_fit(checked, study, changes, told):
    with pytest.raises(ProfileError, match=told):
        checked(study, **changes)


@pytest.mark.parametrize(
    ("study", "runs", "told"),
    [
        ("lora", {"micro-gtp2": [0]}, r"'micro-gtp2', which is not known \(did you mean 'micro-gpt2'\?\)"),
        ("lora", {"owner/name": [0]}, "no hub id with its commit"),
        ("lora", {"micro-gpt2": ["0"]}, "it should be a whole number"),
        ("lora", {"micro-gpt2": [True]}, "runs.micro-gpt2.0 is True"),
        ("lora", {"micro-gpt2": [1, 1]}, "each seed may stand once"),
        ("theory", {"micro-gpt2": [0]}, "one network of its own, which is called 'digits-mlp'"),
        ("synthetic", {"mine": [0]}, "one network of its own, which is called 'multitask-gpt2'"),
        ("models", {"micro-gpt2": [0]}, "write the models into its parameter names"),
    ],
)
def test_runs_that_cannot_be_are_named(checked, study, runs, told):
    with pytest.raises(ProfileError, match=told):
        checked(study, runs)


@pytest.mark.parametrize("model", [*limits.KNOWN, "./mine", "/data/mine", f"owner/name@{COMMIT}"])
def test_what_may_be_a_language_model_passes(checked, model):
    assert list(checked("lora", {model: [0]})["lora"].runs) == [model]


def test_a_profile_is_checked_for_any_machine_and_a_run_for_this_one(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert studies.planned("theory", "paper").device == "cuda"
    with pytest.raises(ProfileError, match="study theory, device is 'cuda', and torch sees no GPU here"):
        studies.parameters("theory", "paper")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert studies.parameters("theory", "paper").device == "cuda"


def test_a_folder_that_is_no_model_is_told_before_a_run(tmp_path):
    with pytest.raises(ProfileError, match="there is no such folder"):
        studies.parameters("rank", "smoke", model=str(tmp_path / "none"))
    with pytest.raises(ProfileError, match=r"has no config\.json"):
        studies.parameters("rank", "smoke", model=str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert studies.parameters("rank", "smoke", model=str(tmp_path)).model == str(tmp_path)


@pytest.mark.parametrize(
    ("study", "given", "told"),
    [
        ("theory", {"seed": "0"}, "live case of the notebook, seed is '0'"),
        ("theory", {"seed": True}, "seed is True"),
        ("theory", {"seed": []}, r"seed is \[\]"),
        ("theory", {"width": 0}, "width is 0"),
        ("synthetic", {"optimiser": "adam"}, r"'adam' \(did you mean 'Adam'\?\)"),
        ("lora", {"pair": "ciper"}, r"'ciper' \(did you mean 'cipher'\?\)"),
        ("rank", {"live_tasks": "open"}, "live_tasks is 'open'; it should be a list"),
        ("models", {"model": "gpt2"}, "model is 'gpt2', which is not known"),
        ("bridge", {"pairs": 1.5}, "pairs is 1.5"),
    ],
)
def test_the_values_of_a_notebook_are_checked_in_its_second_cell(study, given, told):
    with pytest.raises(ProfileError, match=told):
        studies.parameters(study, "smoke", live=given)


def test_the_names_that_a_notebook_may_choose_are_those_of_the_studies():
    live = limits.LIVE
    assert limits.SHIPPED == shipped.NAMES
    assert get_args(live["lora"]["pair"]) == get_args(PairName)
    assert get_args(live["synthetic"]["task"]) == trained.RECOVERED
    assert get_args(live["synthetic"]["optimiser"]) == tuple(trained.RATES)
    assert set(get_args(live["lora"]["basis"])) == set(candidates.SPACES)
    assert get_args(live["bridge"]["kind"]) == steering_losses.KINDS


@pytest.mark.parametrize("study", [name for name in studies.NAMES if name not in ("bridge", "controls")])
def test_parameters_are_checked_without_torch_and_are_the_studys_own(study, root):
    """Those of the bridge name its contrasts, those of the controls pairs of lora: both draw with torch."""
    code = f"import sys; from lglib import studies; studies.planned({study!r}, 'smoke'); "
    code += "assert 'torch' not in sys.modules; "
    code += f"assert studies.declared({study!r}) is studies.study({study!r}).Parameters"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
