"""Profiles, chapters and seeds: what is allowed, and what is said of the rest."""

import json
import re

import jupytext
import pytest

from lglib.report import provenance
from workflow import pairs, profiles


@pytest.fixture
def with_profile(root, tmp_path):
    """A folder with the project's schema and one profile of the test's making."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "schema.yml").write_text((root / "config" / "schema.yml").read_text())

    def load(text):
        (tmp_path / "config" / "mine.yml").write_text(text)
        return profiles.load("mine", tmp_path)

    return load


@pytest.mark.parametrize("name", ["smoke", "quick", "paper"])
def test_the_projects_profiles_are_valid_and_complete(root, name):
    schema = profiles.read_yaml(root / "config" / "schema.yml")
    loaded = profiles.load(name, root)
    assert {f"{chapter}.{key}" for chapter, keys in loaded.items() for key in keys} == set(schema)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "01_theory.drawz: 5",
            "unknown key '01_theory.drawz'; chapter 01_theory takes: model, draws, widths",
        ),
        ("draws: 500", "unknown key 'draws'; chapters: 01_theory"),
        (
            "01_theory.draws: many",
            r"draws of chapter 01_theory is 'many' \(text\); allowed: a whole number from 200",
        ),
        ("01_theory.draws: 1e3", r"is '1e3' \(text: YAML wants 1\.0e\+03 with a point\)"),
        (
            "01_theory.draws: 3",
            "draws of chapter 01_theory is 3; allowed: a whole number from 200 to 10000000",
        ),
        ("01_theory.draws: true", "draws of chapter 01_theory is True"),
        ("01_theory.draws: 500.5", "draws of chapter 01_theory is 500.5"),
        (
            "01_theory.widths: 13",
            "widths of chapter 01_theory is 13; allowed: a list of 2 or more, each a whole",
        ),
        ("01_theory.widths: [13, 1]", r"widths of chapter 01_theory is \[13, 1\]"),
        ("01_theory.device: tpu", "allowed: one of cpu, cuda"),
        ("02_synthetic_transformer.ks: [1, 2]", r"whole number from 1 to 1000, 10 among them, rising"),
        ("02_synthetic_transformer.ks: [10, 2]", r"ks of chapter 02_synthetic_transformer is \[10, 2\]"),
        ("02_synthetic_transformer.horizons: [50, 100]", "allowed: a list of 3, each a whole number from 20"),
        ("02_synthetic_transformer.schedule_steps: 100", "from 16 to 100000, a multiple of 16"),
        ("01_theory.draws: 500\n01_theory.draws: 600", "01_theory.draws is given twice"),
        ("- a list", "must be a flat list of `chapter.parameter: value` lines"),
        ("a: [", "is not YAML"),
        ("01_theory.draws: 500", "01_theory.widths is missing; allowed: a list of 2 or more"),
        ("", "must be a flat list"),
    ],
)
def test_a_bad_profile_says_which_key_which_chapter_and_what_is_allowed(with_profile, text, told):
    with pytest.raises(profiles.ProfileError, match=told):
        with_profile(text)


def test_everything_that_is_wrong_is_told_at_once(with_profile):
    with pytest.raises(profiles.ProfileError) as caught:
        with_profile(
            "01_theory.draws: 1\n01_theory.nope: 2\n01_theory.device: 3\n01_theory.model: digits-mlp"
        )
    # that the chapters from 2 on are missing whole is told too
    told = [line for line in str(caught.value).splitlines() if not re.search(r" 0[2-9]", line)]
    assert len(told) == 5
    assert all(line.startswith("config/mine.yml: ") for line in told)
    for told in ("draws of", "unknown key", "device of", "widths is missing", "candidates is missing"):
        assert told in str(caught.value)


def test_a_whole_number_written_with_a_point_is_refused(with_profile):
    with pytest.raises(profiles.ProfileError, match=r"draws of chapter 01_theory is 400\.0"):
        with_profile("01_theory.draws: 400.0")


def test_a_profile_of_another_encoding_or_name_is_refused(root, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "schema.yml").write_text("{}")
    (tmp_path / "config" / "mine.yml").write_bytes("# Grüße\n{}".encode("latin-1"))
    (tmp_path / "config" / "My Own.yml").write_text("{}")
    with pytest.raises(profiles.ProfileError, match="is not YAML in UTF-8"):
        profiles.load("mine", tmp_path)
    with pytest.raises(profiles.ProfileError, match="a name is small letters"):
        profiles.load("My Own", tmp_path)


def test_an_unknown_profile_lists_the_profiles(root):
    with pytest.raises(profiles.ProfileError, match="PROFILE is 'quik'; there is: paper, quick, smoke"):
        profiles.load("quik", root)


def test_the_schema_is_no_profile(root):
    with pytest.raises(profiles.ProfileError, match="PROFILE is 'schema'"):
        profiles.load("schema", root)


def test_chapters_are_picked_by_number_or_name():
    known = ["01_theory", "02_synthetic"]
    assert profiles.pick_chapters("", known) == known
    assert profiles.pick_chapters("02", known) == ["02_synthetic"]
    assert profiles.pick_chapters("02_synthetic 01", known) == known
    with pytest.raises(profiles.ProfileError, match="CHAPTERS has '7'; there is: 01_theory, 02_synthetic"):
        profiles.pick_chapters("7", known)


def test_other_models_are_filed_under_a_name_that_can_be_a_folder(root):
    assert profiles.pick_models("") == {}
    hub = "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e"
    assert profiles.pick_models(f"micro-qwen2 {hub}") == {
        "micro-qwen2": "micro-qwen2",
        "openai-community--gpt2": hub,
    }
    with pytest.raises(profiles.ProfileError, match=r"MODELS has '\.\./x'; a model is"):
        profiles.pick_models("../x")
    assert profiles.takes_models("03_lora_drift", root)
    assert not profiles.takes_models("01_theory", root)
    assert not profiles.takes_models("02b_models", root)


def test_seed_zero_is_always_among_the_seeds():
    assert profiles.pick_seeds("") == [0]
    assert profiles.pick_seeds("3 1 1") == [0, 1, 3]


@pytest.mark.parametrize("bad", ["-1", "1.5", "a", "1,2", "²", str(2**31)])
def test_a_bad_seed_says_what_a_seed_is(bad):
    with pytest.raises(profiles.ProfileError, match="a seed is a whole number from 0"):
        profiles.pick_seeds(bad)


def parameters_cell(root, chapter):
    cells = jupytext.read(root / "notebooks" / f"{chapter}.ipynb").cells
    (cell,) = [c for c in cells if "parameters" in c.metadata.get("tags", [])]
    found: dict[str, object] = {}
    exec(cell.source, found)
    return {k: v for k, v in found.items() if not k.startswith("__")}


def test_the_parameters_cell_shows_the_published_profile_and_the_schema_knows_it_whole(root):
    quick = profiles.load("quick", root)
    for chapter in provenance.chapters(root):
        assert parameters_cell(root, chapter) == {**quick.get(chapter, {}), "profile": "quick", "seed": 0}


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
    assert pairs.sync(pair) == ["01_a: 01_a.py and 01_a.ipynb differ; both now follow 01_a.py, the newer"]
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
