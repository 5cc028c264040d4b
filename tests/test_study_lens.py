"""The lens study: what it files, what it refuses, and its behaviours."""

import importlib

import pytest
import torch
import words
from pydantic import ValidationError

from lglib import studies
from lglib.activations import steering_losses
from lglib.activations.pushforward import Pushforward
from lglib.models import loading
from lglib.report import claims, frames
from lglib.report.sections import NothingMeasured
from lglib.studies import lens
from lglib.tasks import contrasts as of_text
from lglib.tasks import data, scoring, splits
from lglib.tasks.microworld import contrasts, lexicon, skills


@pytest.fixture(scope="module")
def parameters():
    return studies.parameters("lens", "smoke")


@pytest.fixture(scope="module")
def measured(parameters):
    return lens.measure(parameters, 0).frame()


def gathered(frame, seeds=(0, 1, 2)):
    return frames.joined([frame.assign(model="micro-gpt2", seed=seed) for seed in seeds])


def test_each_rule_beyond_the_paper_has_a_line_for_each_task_and_depth(parameters, measured):
    judged = claims.judge("lens", frames.over_seeds(gathered(measured)), "micro-gpt2", beyond=True)
    assert len(judged) == 2 * len(parameters.tasks)
    assert set(judged["claim"]) == {"B1"}
    assert set(judged["verdict"]) <= {"reproduced", "not reproduced", claims.CANNOT}


def test_a_task_that_the_model_cannot_do_is_not_judged(measured):
    poor = measured.copy()
    rows = (poor["measure"] == "accuracy") & (poor["task"] == "yes-no")
    assert rows.sum() == 1
    poor.loc[rows, ["value", "low", "high"]] = 0.5
    judged = claims.judge("lens", frames.over_seeds(gathered(poor)), "micro-gpt2", beyond=True)
    yes_no = judged["what"].str.contains("yes-no")
    assert set(judged[yes_no]["verdict"]) == {claims.CANNOT}
    assert judged[yes_no]["because"].str.contains("accuracy, yes-no").all()
    assert not judged[~yes_no]["because"].str.contains("accuracy").any()


def test_a_lead_that_excludes_no_lead_in_all_seeds_is_reproduced_and_else_not(measured):
    for shift, verdict in ((5.0, "reproduced"), (-5.0, "not reproduced")):
        moved = measured.copy()
        moved.loc[moved["measure"] == lens.LEAD, ["value", "low", "high"]] += shift
        halves = moved["measure"] == "split-half cosine"
        moved.loc[halves, ["value", "low", "high"]], moved.loc[halves, "null"] = 0.9, 0.1
        judged = claims.judge("lens", frames.over_seeds(gathered(moved)), "micro-gpt2", beyond=True)
        assert set(judged["verdict"]) == {verdict}


def test_verify_files_rows_that_measure_files_with_equal_values(parameters, measured):
    part = lens.verify(parameters, 0).frame()
    keys = ["claim", "measure", *frames.varied(part)]
    both = part.merge(measured, on=keys, suffixes=("", " filed"))
    assert len(both) == len(part) < len(measured)
    for column in ("value", "low", "high", "null"):
        assert both[column].tolist() == both[f"{column} filed"].tolist()


def test_the_rows_say_task_depth_and_which_two_vectors(parameters, measured):
    cosine = frames.rows(measured, claim="B1", measure="cosine")
    pairs = {frozenset(p) for p in cosine[["vector", "other"]].values.tolist()}
    assert len(pairs) == len(lens.NAMES) * (len(lens.NAMES) - 1) // 2
    assert len(cosine) == len(pairs) * len(parameters.tasks) * len(parameters.depths)
    assert cosine["value"].abs().max() <= 1
    assert set(frames.rows(measured, measure="effect")["vector"]) == {*lens.NAMES, lens.RANDOM}
    lead = frames.rows(measured, measure=lens.LEAD, task="yes-no", place=lens.PLACES[1]).iloc[0]
    near = {
        other: frames.rows(cosine, task="yes-no", depth=1.0, vector=lens.CAA, other=other)["value"].item()
        for other in (lens.STEP, lens.LENS)
    }
    chance = cosine["null"].iloc[0]
    assert lead["value"] == pytest.approx(near[lens.STEP] - max(near[lens.LENS], chance), abs=1e-5)


def test_the_two_shifts_add_up_to_that_of_the_whole_gradient(parameters):
    setup = lens.prepare(parameters, 0)
    first, second = lens.shifts(setup, "sort-reverse")
    read = splits.halves(setup.part("sort-reverse", "extract"))[0]
    h = Pushforward(setup.model, setup.space, setup.reading(read), setup.layers)
    loss = steering_losses.loss(setup.model, "logit difference")
    whole = h.push(-setup.space.gradient(loss, setup.lesson(setup.part("sort-reverse", "select"))))
    assert torch.allclose(first + second, whole, rtol=1e-3, atol=1e-4 * whole.abs().max())


def test_the_model_is_left_as_it_was(parameters):
    setup = lens.prepare(parameters, 0)
    before = {name: p.clone() for name, p in setup.model.model.named_parameters()}
    made = lens.of_task(setup, "yes-no")
    judge = lens.judge(setup, "yes-no", parameters)
    judge.answer(made.values[lens.LENS], setup.layers[-1], 1.0)
    assert all(torch.equal(before[name], p) for name, p in setup.model.model.named_parameters())
    assert not any(part._forward_hooks for part in setup.model.model.modules())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"depths": (0.25, 0.5)}, "depths must end with 1"),
        ({"doses": (0.5, 2.0)}, "doses must have 1 among them"),
        ({"judged": 60}, "judged must be at most questions, 48, got 60"),
        ({"questions": 10}, "multiple of 4"),
        ({"tasks": ("claim", "claim")}, "once"),
        ({"tasks": ()}, "at least 1 item"),
        ({"tasks": ("juggling",)}, "'yes-no'"),
        ({"random_directions": 1}, "greater than or equal to 2"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(given, told):
    with pytest.raises(ValidationError, match=told):
        lens.Parameters(**given)


def test_depths_that_are_one_layer_of_the_model_are_refused(parameters):
    with pytest.raises(ValueError, match="one layer of micro-gpt2, which has 4 blocks"):
        lens.prepare(parameters.changed(depths=(0.9, 1.0)), 0)


@pytest.mark.parametrize("name", ["tense", "capitals"])
def test_contrasts_of_real_text_are_compared_with_their_own_words(parameters, name, tmp_path):
    items = of_text.pool(name)
    folder = words.save(tmp_path, [i.prompt + "".join(i.answers) for i in items], context=512)
    own = parameters.changed(model=str(folder), tasks=(name,))
    setup = lens.prepare(own, 0)
    made = lens.of_task(setup, name)
    assert set(made.values) == set(lens.NAMES)
    assert all(v.isfinite().all() and v.any() for v in made.values.values())
    rows = lens.baselines(setup, name)[lens.LENS]
    fixed = bool(torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-5))
    assert fixed == (name == "tense")  # was and will in each item; other capitals in each


def test_a_random_model_can_do_no_task_and_its_rows_say_so(parameters, tmp_path):
    texts = [item.prompt + " yes no" for item in data.micro(400, "yes-no", key="any")]
    texts += [item.prompt + " yes no" for item in data.micro(140, "yes-no", key="0/bridge")]
    folder = words.save(tmp_path, texts, context=256)
    found = lens.measure(parameters.changed(model=str(folder), tasks=("yes-no",)), 0).frame()
    accuracy = frames.rows(found, measure="accuracy").iloc[0]
    assert accuracy["low"] < accuracy["null"] + 0.05


def test_where_no_section_can_be_measured_it_is_told(parameters, monkeypatch):
    measuring = importlib.import_module("lglib.studies.lens.measure")

    def broken(*_, **__):
        raise RuntimeError("broken")

    for name in ("file_competence", "file_cosines", "file_effects"):
        monkeypatch.setattr(measuring, name, broken)
    with pytest.raises(NothingMeasured, match="none of the 6 sections could be measured"):
        lens.measure(parameters, 0)


# --- the behaviours of the micro-world


@pytest.mark.parametrize("name", contrasts.NAMES)
def test_items_of_the_micro_world_say_both_answers_and_are_one_token_each(name):
    model = loading.load("micro-gpt2", device="cpu")
    items = contrasts.pool(60, name)
    assert {item.label for item in items} == {0, 1}
    for item in items:
        asked = item.prompt.replace(".", " ").split()
        assert all(word.strip() in asked for word in item.answers)
    assert len({tuple(model.answer_ids(item.answers)) for item in items}) > 20
    assert contrasts.pool(60, name) == items
    assert contrasts.pool(60, name, key=1) != items
    assert [i.prompt for i in contrasts.pool(5, name, part="train")] != [i.prompt for i in items[:5]]


def test_the_answers_of_the_behaviours_are_right():
    for item in contrasts.pool(80, "sort-reverse"):
        rule, letters = item.prompt.removesuffix(". Answer:").split(": ")
        own = letters.split()
        assert item.answer.strip() == (sorted(own) if rule == "Sort" else own[::-1])[0]
        assert skills.part_of(f"{rule}: {letters}") == "test"
    for item in contrasts.pool(80, "place-thing"):
        name = item.prompt.split("Question:")[1].split()[2].strip("?")
        told = item.prompt.split(" Question:")[0]
        place, thing = (answer.strip() for answer in item.answers)
        assert place in lexicon.PLACES
        assert thing in lexicon.BELONGINGS
        assert f"{name} is in the {place}." in told
        assert f"{name} has a {thing}." in told
        assert (item.label == 0) == (" Where is " in item.prompt)


@pytest.mark.parametrize("shipped", ["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def test_the_shipped_models_can_do_both_behaviours(shipped):
    model = loading.load(shipped, device="cpu")
    for name in contrasts.NAMES:
        assert scoring.exact_match(model.model, model.tokenizer, contrasts.pool(40, name)).mean() > 0.95


def test_unknown_behaviours_and_parts_are_refused():
    with pytest.raises(ValueError, match="name is 'juggle'; there is: place-thing, sort-reverse"):
        contrasts.pool(3, "juggle")
    with pytest.raises(ValueError, match="part is 'all'; there is: train, validation, test"):
        contrasts.pool(3, "place-thing", part="all")
    with pytest.raises(ValueError, match="n must be"):
        contrasts.pool(0, "place-thing")
