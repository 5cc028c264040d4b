"""The study of the models: its questions, its rows, and what it refuses."""

import importlib
import json

import numpy as np
import pytest

from lglib import studies
from lglib.base.checks import NotMeasurable
from lglib.report import frames
from lglib.studies import ProfileError, models
from lglib.studies.models import answers
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

measuring = importlib.import_module("lglib.studies.models.measure")  # the face has a function of that name


def yes_no(prompt, label=0):
    return Item(prompt, YES_NO, label)


@pytest.fixture(scope="module")
def tiny():
    return studies.parameters("models", "smoke", items=20)


@pytest.fixture(scope="module")
def measured(tiny):
    return models.measure(tiny, 1).frame()


def test_all_rows_describe_and_each_model_has_each_kind_of_item(tiny, measured):
    assert set(measured["claim"]) == {"context"}
    found = frames.rows(measured, measure="accuracy")
    assert found.groupby("network")["kind"].apply(list).to_dict() == {"micro-gpt2": list(models.KINDS)}


def test_verify_measures_rows_of_measure_with_equal_values(tiny, measured):
    part = models.verify(tiny, 1).frame()
    keys = ["claim", "measure", *frames.varied(part)]
    both = part.merge(measured, on=keys, suffixes=("", " filed"))
    assert len(both) == len(part) > 25
    for column in ("value", "low", "high", "null"):
        assert both[column].tolist() == both[f"{column} filed"].tolist()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"items": 10}, "items is 10; it should be greater than or equal to 20"),
        ({"names": []}, "at least 1"),
        ({"names": ["micro-gpt2", "micro-gpt2"]}, "each value may stand once"),
        ({"names": [""]}, "at least 1 character"),
        ({"names": "micro-gpt2"}, "names is 'micro-gpt2'"),
        ({"allow_download": 1}, "allow_download is 1"),
        ({"answers": ["yes", "no"]}, "template and answers are of data, which is not given"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_wanted(change, told):
    with pytest.raises(ProfileError, match=told):
        studies.parameters("models", "smoke", **change)


def test_the_parts_of_the_world_have_no_passage_in_common():
    train, test = (models.drawn_passages(part, 400, 0) for part in ("train", "test"))
    assert not train & test
    assert train & models.drawn_passages("train", 400, 1)


def test_the_shortcut_says_yes_where_the_value_is_present():
    here = yes_no("Anna is in the park. Ben is in the shop. Question: Is Ben in the park? Answer:", 1)
    away = yes_no("Anna is in the park. Question: Is Anna in the shop? Answer:", 1)
    assert [models.is_present(here), models.is_present(away)] == [True, False]
    assert models.shortcut([here, away]).estimate == 0.5


def test_changed_questions_keep_their_answer():
    tests = models.changed(40, seed=0)
    for plain, other in (
        ("places, as trained", "places, turned"),
        ("people, as trained", "people, renamed"),
    ):
        assert [i.label for i in tests[plain]] == [i.label for i in tests[other]]
        assert all(a.prompt != b.prompt for a, b in zip(tests[plain], tests[other], strict=True))
    assert all("Beatrix" in i.prompt.split("Question:")[1] for i in tests["people, renamed"])
    assert "Beatrix" not in lexicon.words()
    assert {i.prompt.partition("Question:")[0].count(".") for i in tests["8 facts"]} == {8}


def test_a_turned_fact_says_the_same_in_another_order_and_other_facts_stay():
    item = yes_no("Anna is in the park. Ben has a key. Question: Is Anna in the park? Answer:")
    told = models.turn(item).prompt
    assert told == "At the park is Anna. Ben has a key. Question: Is Anna in the park? Answer:"


def test_shares_of_p_yes_are_of_all_items_and_sure_answers_lie_at_the_ends():
    shares = answers.shares(np.array([0.0, 1.0, 1.0, 0.5]))
    assert [s.estimate for s in (shares[0], shares[10], shares[-1])] == [0.25, 0.25, 0.5]
    assert sum(s.estimate for s in shares) == 1


def test_a_kind_of_question_that_chance_did_not_draw_is_left_out_and_said(tiny, monkeypatch):
    empty = {
        "places, as trained": [],
        "people, as trained": [yes_no("Is it so? Question: Is Anna in x? Answer:")],
    }
    monkeypatch.setattr(measuring.questions, "changed", lambda items, seed: empty)
    monkeypatch.setattr(measuring.questions, "is_present", lambda item: False)
    found = models.measure(tiny.changed(names=("micro-gpt2",)), 1)
    assert found.crashed == {}
    assert found.left_out == {
        "micro-gpt2, where the shortcut fails": "0 such questions were drawn, wants 2: raise items",
        "micro-gpt2, places, as trained": "0 such questions were drawn, wants 2: raise items",
        "micro-gpt2, people, as trained": "1 such questions were drawn, wants 2: raise items",
    }
    assert "accuracy on changed questions" not in set(found.frame()["measure"])
    assert len(frames.rows(found.frame(), measure="accuracy")) == len(models.KINDS)


def test_an_accuracy_of_no_item_says_so():
    with pytest.raises(NotMeasurable, match="no item of kind yes-no to ask"):
        answers.accuracy(None, [])


@pytest.mark.parametrize("seed", range(3))
def test_twenty_items_are_enough_for_a_run(tiny, seed):
    assert models.measure(tiny, seed).crashed == {}


def test_items_of_ones_own_are_asked_beside_the_others(tiny, tmp_path):
    path = tmp_path / "own.jsonl"
    asked = models.drawn_items("yes-no", 30, 5)
    path.write_text("\n".join(json.dumps({"prompt": i.prompt, "answer": i.answer}) for i in asked))
    found = models.measure(tiny.changed(data=str(path), answers=(" yes", " no")), 0)
    assert list(found.files) == ["own.jsonl"]
    own = frames.rows(found.frame(), kind="own").set_index("measure")
    assert own["n"].tolist() == [20, 20]
    assert own["value"]["accuracy"] > 0.8 > own["null"]["accuracy"] >= 0.5
    assert own["value"]["probability on the answer words"] > 0.9
    assert own["null_means"]["accuracy"] == "always the most frequent answer"
