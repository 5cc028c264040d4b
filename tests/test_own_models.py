"""A re-executor's models and data: tokenizers trained elsewhere, random weights, files that are not right."""

from __future__ import annotations

import json
import os
import time

import pytest
import strangers

from lglib import studies
from lglib.models import loading
from lglib.report.observations import Observations
from lglib.studies import models
from lglib.studies.bridge import steered
from lglib.studies.profiles import ProfileError
from lglib.tasks import own
from lglib.tasks.microworld import skills
from workflow import request


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two models in folders with spaces in their paths."""
    base = tmp_path_factory.mktemp("my models")
    return {family: strangers.save(base / f"a random {family}", family) for family in strangers.CONFIGS}


def measured(study, folder, **changes):
    """Observations of a study on a folder of the smoke profile."""
    which = dict(names=[str(folder)]) if study == "models" else dict(model=str(folder))
    parameters = studies.parameters(study, "smoke", **which, items=20, **changes)
    found = Observations()
    studies.study(study).measure(parameters, 0, found=found)
    return found


def test_a_folder_is_filed_by_its_last_part_in_the_study_of_the_models(made, tmp_path):
    folder = made["llama"]
    found = measured("models", folder)
    assert set(found.frame()["network"].dropna()) == {"a-random-llama"}
    assert {name.partition(",")[0] for name in found.done} == {"world", "a-random-llama"}
    with pytest.raises(ValueError, match="would both be filed under 'a-random-llama'"):
        models.Parameters(names=(str(folder), str(tmp_path / "a random llama")))


def test_stories_of_a_short_context_are_cut_at_a_sentence_only_where_few_fit():
    model = loading.load("micro-gpt2")
    stories = skills.stories(8, part="test", key=0)
    assert steered.that_fit(model, stories) == stories
    longer = [" ".join([story] * 4) for story in stories]
    cut = steered.that_fit(model, longer)
    assert len(cut) == len(longer)
    for short, whole in zip(cut, longer, strict=True):
        assert whole.startswith(short)
        assert short.endswith(".")
        assert len(model.tokenizer(short).input_ids) <= model.context
    assert steered.that_fit(model, [*stories, longer[0]]) == stories


def test_a_folder_with_spaces_may_be_named_on_the_command_line(made):
    one, other = map(str, made.values())
    assert request.pick_models(one) == [one]
    assert request.pick_models(f"'{one}' micro-gpt2 '{other}'") == [one, "micro-gpt2", other]
    with pytest.raises(ProfileError, match="No closing quotation"):
        request.pick_models(f"'{one}")


LINE = {"question": "is it", "passage": "It is.", "label": True}
OTHER = {"question": "is it", "passage": "It is.", "label": False}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "mine.jsonl holds no items"),
        (b"\n \n", "mine.jsonl holds no items"),
        (b'{"question": "caf\xe9"}\n', "mine.jsonl: 1 of 1 lines are no items: line 1: not UTF-8"),
        (b"\xff\xfe{\x00}\x00", "mine.jsonl: 1 of 1 lines are no items: line 1: not UTF-8"),
        (b"\x00\x01\x02", "line 1: not JSON"),
        ("\n".join(map(json.dumps, (LINE, OTHER))).encode(), "line 2: it asks what line 1 asks"),
    ],
)
@pytest.mark.parametrize("study", ["models", "rank", "bridge", "lora"])
def test_a_file_that_is_not_right_is_told_and_nothing_is_filed(made, tmp_path, content, told, study):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    with pytest.raises(own.BadData, match=told):
        refused(study, made["llama"], path)


def refused(study, folder, path):
    """Measure with a file; it must fail before anything is filed."""
    more = dict(task_pairs=["own", "cipher"]) if study == "lora" else {}
    which = dict(names=[str(folder)]) if study == "models" else dict(model=str(folder))
    parameters = studies.parameters(study, "smoke", **which, data=str(path), **more)
    found = Observations()
    try:
        studies.study(study).measure(parameters, 0, found=found)
    finally:
        assert len(found) == 0


@pytest.mark.parametrize("read", [own.read, own.read_questions, own.read_statements])
def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path, read):
    pipe, started = tmp_path / "pipe.jsonl", time.monotonic()
    os.mkfifo(pipe)
    with pytest.raises(own.BadData, match=r"pipe.jsonl': that is no regular file, such as a pipe"):
        read(pipe)
    with pytest.raises(own.BadData, match="that is a folder; it must be a JSON-lines file"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read(tmp_path / "none.jsonl")
    assert time.monotonic() - started < 1
