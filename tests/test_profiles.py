"""Profiles and what is asked of make: what is allowed, and what is said of the rest."""

import json

import jupytext
import pytest

from lglib import studies
from lglib.models import families
from lglib.studies import base, naming, profiles
from workflow import pairs, request

KNOWN = ("one", "two")
WHOLE = "one:\n  runs: {mini: [0, 1]}\n  parameters: {}\ntwo:\n  runs: {mini: [0]}\n  parameters: {}\n"


class Steps(base.Parameters):
    steps: base.Count = base.parameter(3, "how many", unit="steps")
    ks: base.RisingInts = base.parameter((1, 2), "dimensions", min_length=2)
    rate: base.Positive = base.parameter(0.1, "learning rate")
    pairs: tuple[str, ...] = base.parameter(("a",), "pairs")


@pytest.fixture
def profile(tmp_path):
    """A folder with one profile of the test's making."""
    (tmp_path / "config").mkdir()

    def read(text, name="mine"):
        (tmp_path / "config" / f"{name}.yml").write_text(text)
        return profiles.read(name, KNOWN, tmp_path)

    return read


@pytest.mark.parametrize("name", ["smoke", "quick", "paper", "real", "real-capitals"])
@pytest.mark.parametrize("study", studies.NAMES)
def test_the_projects_profiles_are_valid(name, study):
    for model in studies.plan(name).get(study, []):
        assert studies.planned(study, name, model=model).model == model


@pytest.mark.parametrize("study", studies.NAMES)
def test_each_parameter_has_its_description_and_unit_and_quick_is_the_default(study):
    declared = studies.study(study).Parameters
    assert [one["name"] for one in declared.described() if not (one["description"] and one["unit"])] == []
    assert studies.parameters(study, "quick") == declared()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WHOLE.replace("two:", "three:"), "no study 'three'; there is: one, two"),
        ("families: {}\n", "must name studies"),
        (WHOLE + "families: [a]\n", r"families is \['a'\]; it should name model types"),
        (
            WHOLE + "families: {mamba: {blocks: layers, attention: [], linear: [a]}}\n",
            "families, mamba, attention",
        ),
        (
            WHOLE.replace("mini: [0, 1]", "/a/b: [0]").replace("mini: [0]", "/c/b: [0]"),
            "'/a/b' and '/c/b' would both be filed under 'b'; rename one",
        ),
        (WHOLE.replace("runs: {mini: [0]}", "runs: {}"), "study two, runs is {}"),
        (
            WHOLE.replace("[0]", "[-1]"),
            r"study two, runs.mini.0 is -1; it should be greater than or equal to 0",
        ),
        (WHOLE.replace("[0]", "['0']"), r"study two, runs.mini.0 is '0'"),
        (
            WHOLE.replace("mini: [0]}", "-x: [0]}"),
            r"study two, runs: '-x' is no model; a model is a shipped one",
        ),
        (
            WHOLE.replace("parameters: {}", "steps: 3", 1),
            "study one, unknown parameter 'steps'; it has: runs",
        ),
        (WHOLE + "two:\n  runs: {mini: [0]}\n", "two is given twice"),
        ("- a list", "must name studies, each with its runs and parameters"),
        ("a: [", "is not YAML"),
        ("", "must name studies"),
    ],
)
def test_a_bad_profile_says_which_study_what_it_got_and_what_is_allowed(profile, text, told):
    with pytest.raises(profiles.ProfileError, match=told):
        profile(text)


def test_everything_that_is_wrong_with_a_profile_is_told_at_once(profile):
    with pytest.raises(profiles.ProfileError) as caught:
        profile("one:\n  runs: {mini: [-1]}\n  steps: 3\nthree: {}\n")
    told = str(caught.value).splitlines()
    assert len(told) == 3
    assert all(line.startswith("config/mine.yml: ") for line in told)


def test_a_profile_of_another_encoding_or_name_is_refused(profile, tmp_path):
    assert list(profile(WHOLE)) == ["one", "two"]
    with pytest.raises(profiles.ProfileError, match="a name is small letters"):
        profile(WHOLE, "My Own")
    (tmp_path / "config" / "mine.yml").write_bytes("# Grüße\n".encode("latin-1"))
    with pytest.raises(profiles.ProfileError, match="is not UTF-8"):
        profiles.read("mine", KNOWN, tmp_path)


def test_an_unknown_profile_lists_the_profiles_and_the_claims_are_none():
    for name in ("quik", "claims"):
        with pytest.raises(
            profiles.ProfileError,
            match=f"profile is '{name}'; there is: paper, quick, real, real-capitals, smoke",
        ):
            studies.plan(name)


def test_an_unknown_study_lists_the_studies():
    with pytest.raises(profiles.ProfileError, match="study is 'lroa'; there is: theory, quadratic"):
        studies.study("lroa")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"stepz": 5},
            r"study one, unknown parameter 'stepz' \(did you mean 'steps'\?\); it has: model, device, allow",
        ),
        ({"lr": 5}, r"unknown parameter 'lr' \(did you mean 'rate'\?\)"),
        ({"steps": "many"}, "study one, steps is 'many'; it should be a whole number"),
        ({"steps": "1e3"}, r"steps is '1e3' \(text: YAML wants 1\.0e\+03 with a point\)"),
        ({"steps": 0}, "steps is 0; it should be greater than or equal to 1"),
        ({"steps": True}, "steps is True"),
        ({"steps": 400.0}, r"steps is 400\.0"),
        ({"ks": [2, 1]}, r"ks is \(2, 1\); the values must rise"),
        ({"ks": [1, 2.5]}, r"ks\.1 is 2\.5"),
        ({"ks": 13}, "ks is 13"),
        ({"rate": float("nan")}, "rate is nan; it should be"),
        ({"device": "tpu"}, "device is 'tpu'; it should be 'cpu' or 'cuda'"),
    ],
)
def test_a_bad_parameter_says_which_study_what_it_got_and_what_is_allowed(given, told):
    with pytest.raises(profiles.ProfileError, match=told):
        profiles.checked("one", Steps, given)


def test_parameters_are_frozen_lists_become_tuples_and_a_changed_copy_is_checked():
    found = profiles.checked("one", Steps, {"ks": [1, 2, 5], "rate": 1})
    assert (found.ks, found.rate) == ((1, 2, 5), 1.0)
    assert found.changed(steps=5).steps == 5
    with pytest.raises(ValueError, match="frozen"):
        found.steps = 4
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        found.changed(steps=0)


def test_chapters_are_picked_by_number_or_name():
    known = ["01_theory", "02_synthetic"]
    assert request.pick_chapters("", known) == known
    assert request.pick_chapters("02", known) == ["02_synthetic"]
    assert request.pick_chapters("02_synthetic 01", known) == known
    with pytest.raises(profiles.ProfileError, match="CHAPTERS has '7'; there is: 01_theory, 02_synthetic"):
        request.pick_chapters("7", known)


def test_models_are_filed_under_a_name_that_can_be_a_folder():
    hub = "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert request.pick_models(f"micro-qwen2 {hub}") == ["micro-qwen2", hub]
    assert studies.filed(hub) == "openai-community--gpt2"
    with pytest.raises(profiles.ProfileError, match=r"MODELS has '\.\./x'; a model is"):
        request.pick_models("../x")


def test_a_profile_may_leave_a_study_out_and_says_so_when_it_is_asked_for(profile):
    found = profile(WHOLE.partition("two:")[0])
    assert list(found) == ["one"]
    with pytest.raises(profiles.ProfileError, match="study two is not in profile mine, which has: one"):
        found["two"]
    with pytest.raises(profiles.ProfileError, match="study theory is not in profile real, which has: lora"):
        studies.parameters("theory", "real")
    assert {run.study for run in request.runs("real", profiles.project_root())} == {
        *("lora", "rank", "bridge", "lens")
    }


def test_a_folder_is_loaded_from_its_path_and_filed_under_its_last_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my models" / "Tuned (1)").mkdir(parents=True)
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = str(tmp_path / "my models" / "Tuned (1)")
    assert request.pick_models("a/b ./a") == [str(tmp_path / "a" / "b"), str(tmp_path / "a")]
    assert [naming.filed(one) for one in (path, path + "/", "a/b", "./a/", "a/b/..")] == [
        *("Tuned-1", "Tuned-1", "b", "a", "a")
    ]
    assert naming.filed("/") == ""  # no name, so it is refused
    assert naming.located("owner/name") == naming.located("owner/name@0")[:-2] == "owner/name"
    with pytest.raises(profiles.ProfileError, match=r"MODELS has 'a/b/c'; .*there is no folder .*/a/b/c"):
        request.pick_models("a/b/c")


def test_a_folder_of_the_command_line_must_not_take_the_name_of_a_model_of_the_plan(tmp_path, root):
    other = tmp_path / "micro-gpt2"
    other.mkdir()
    with pytest.raises(profiles.ProfileError, match="would both be filed under 'micro-gpt2'"):
        request.runs("quick", root, names="lora", models=str(other))
    (run,) = request.runs("quick", root, names="lora", models=f"{other}/..")
    assert (run.model, run.name, run.seed) == (str(tmp_path), naming.filed(str(tmp_path)), 0)


def test_a_name_stands_for_one_folder_of_a_profile(tmp_path):
    def one(path, profile="mine"):
        return naming.remember(profile, [str(path)], tmp_path)

    assert one("/a/x") == one("/a/x") == one("/b/x", "other") == []
    assert naming.loaded("x", ["mini"], "mine", tmp_path) == "/a/x"
    assert naming.loaded("x", ["/c/x"], "mine", tmp_path) == "/c/x"  # the profile's own goes before
    assert naming.loaded("mini", ["mini"], "mine", tmp_path) == "mini"
    (told,) = one("/b/x")
    assert "'/b/x' would be filed under 'x', which is '/a/x' here" in told
    assert naming.loaded("x", [], "mine", tmp_path) == "/a/x"


def test_a_page_finds_a_hub_model_of_its_profile_by_the_name_it_is_filed_under():
    (model,) = studies.plan("paper")["rank"]
    assert studies.planned("rank", "paper", model=studies.filed(model)).model == model


def test_a_profile_registers_families_of_models(profile, monkeypatch):
    text = (
        WHOLE
        + "families: {strange: {blocks: a.b, attention: [qkv], linear: [qkv, o], fan_in_fan_out: true}}\n"
    )
    found = profile(text)
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    studies._register(found)
    assert families.of("strange") == families.Family("strange", "a.b", ("qkv",), ("qkv", "o"), True)
    other = profile(text.replace("strange", "gpt2"))
    with pytest.raises(profiles.ProfileError, match=r"config/mine.yml: families, 'gpt2' is known as"):
        studies._register(other)


def test_seeds_are_each_taken_once_and_in_order():
    assert request.pick_seeds("") == []
    assert request.pick_seeds("3 1 1") == [1, 3]


@pytest.mark.parametrize("bad", ["-1", "1.5", "a", "1,2", "²", str(2**31)])
def test_a_bad_seed_says_what_a_seed_is(bad):
    with pytest.raises(profiles.ProfileError, match="a seed is a whole number from 0"):
        request.pick_seeds(bad)


def test_every_pair_of_notebook_files_is_in_step_and_holds_no_outputs(root):
    assert pairs.out_of_step(root) == []
    assert pairs.carries_outputs(root) == []


@pytest.fixture
def pair(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "jupytext.toml").write_text('formats = "ipynb,py:percent"\n')
    notebook = jupytext.reads("# %% [markdown]\n# # Title\n\n# %%\nx = 1\n", "py:percent")
    for name in ("01_a.py", "01_a.ipynb"):
        jupytext.write(notebook, folder / name, fmt="py:percent" if name.endswith(".py") else "ipynb")
    return tmp_path


def test_a_pair_out_of_step_is_found_and_follows_its_newer_file(pair):
    assert pairs.out_of_step(pair) == []
    script = pair / "notebooks" / "01_a.py"
    script.write_text(script.read_text().replace("x = 1", "x = 2"))
    assert pairs.out_of_step(pair) == ["01_a: 01_a.py and 01_a.ipynb differ"]
    (told,) = pairs.sync(pair)
    assert told.startswith("01_a: 01_a.py and 01_a.ipynb differ; both now follow 01_a.py, the newer; what")
    assert pairs.out_of_step(pair) == []
    assert "x = 2" in (pair / "notebooks" / "01_a.ipynb").read_text()


def test_a_missing_half_of_a_pair_is_found_and_made(pair):
    (pair / "notebooks" / "01_a.ipynb").unlink()
    assert pairs.out_of_step(pair) == ["01_a: 01_a.ipynb is missing"]
    pairs.sync(pair)
    assert pairs.out_of_step(pair) == []


def test_a_source_with_outputs_is_found(pair):
    path = pair / "notebooks" / "01_a.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}]
    path.write_text(json.dumps(notebook))
    assert pairs.carries_outputs(pair) == ["01_a.ipynb"]
