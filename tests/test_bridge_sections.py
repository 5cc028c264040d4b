"""Chapter 5 with contrasts, data of one's own and failures: other answer words, one section lost, units."""

import importlib
import itertools

import pytest
import torch
import words
from pydantic import ValidationError

from lglib import studies
from lglib.activations import effects
from lglib.base.checks import NotMeasurable
from lglib.models import loading
from lglib.parameters.units import TensorScale
from lglib.report import frames
from lglib.report.observations import Observations
from lglib.report.sections import NothingMeasured
from lglib.studies import bridge
from lglib.studies.bridge import constructions, imitated, search, steered, taylor
from lglib.studies.bridge.shared import Shared
from lglib.tasks import contrasts, data
from lglib.tasks.items import YES_NO, Item

measuring = importlib.import_module("lglib.studies.bridge.measure")


@pytest.fixture(scope="module")
def parameters():
    return studies.parameters("bridge", "smoke")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with a random model that knows the words of the contrasts, and of the micro-world."""
    items = [item for name in contrasts.NAMES for item in contrasts.pool(name)]
    texts = [item.prompt + "".join(item.answers) for item in items]
    texts += [item.prompt + " yes no" for kind in ("claim", "plural") for item in data.micro(60, kind)]
    return str(words.save(tmp_path_factory.mktemp("reader"), texts, context=512))


@pytest.mark.parametrize("name", contrasts.NAMES)
def test_a_contrast_is_steered_by_its_own_answer_words(parameters, reader, name):
    (forms,) = [own for own in contrasts.FORMS if name in own]
    other = forms[1 - forms.index(name)]
    setup = bridge.prepare(parameters.changed(model=reader, templates=(name, other)), 0)
    assert setup.templates == [name, other]
    evaluate = setup.steered["evaluate"]
    assert [item.label for item in evaluate] == [0, 1] * 8
    ids = torch.tensor([setup.model.answer_ids(item.answers) for item in evaluate])
    assert torch.equal(setup.lesson(evaluate).pair, ids)
    plain = effects.ask(setup.model, evaluate)
    rows = torch.arange(16)
    assert plain.each == pytest.approx(
        (plain.log_p[rows, ids[:, 0]] - plain.log_p[rows, ids[:, 1]]).sigmoid()
    )
    shifts = bridge.gradient_shifts(setup, name)
    caa = bridge.caa_vectors(setup, name)
    assert all(shifts[kind].isfinite().all() for kind in bridge.SHIFTS)
    assert all(caa[how].differences.isfinite().all() for how in bridge.CONTRASTS)


def test_a_step_against_the_logit_difference_moves_towards_the_first_answer_of_each_item(parameters, reader):
    setup = bridge.prepare(parameters.changed(model=reader, templates=("capitals", "capitals-2")), 0)
    select = setup.steered["select"]
    u = bridge.steps(setup, select)["logit difference"]
    before, theta = effects.ask(setup.model, select).p_yes, setup.space.flatten()
    with setup.space.at(theta + 0.05 * u / u.norm()):
        assert effects.ask(setup.model, select).p_yes > before + 1e-4


def test_words_that_the_model_does_not_know_as_tokens_are_told(parameters):
    with pytest.raises(ValueError, match="language, select is empty"):
        bridge.prepare(parameters.changed(templates=("language", "language-2")), 0)


@pytest.mark.long
def test_a_whole_run_on_a_contrast_files_rows_of_every_claim_and_its_competence(parameters, reader):
    found = bridge.measure(parameters.changed(model=reader, templates=("sentiment", "sentiment-2")), 0)
    assert found.left_out == {}
    rows = found.frame()
    assert set(rows["claim"]) == {"T4", "B1", "B2", "B3", "B4", "B5", "context"}
    accuracy = frames.rows(rows, measure="accuracy")
    assert accuracy[["task", "role"]].values.tolist() == [["sentiment", "steered"], ["sentiment-2", "other"]]
    assert accuracy["null"].tolist() == [0.5, 0.5]
    assert accuracy["n"].tolist() == [48, 48]
    assert accuracy["low"].max() < 0.55  # a random model can do neither
    mass = frames.rows(rows, measure="probability on the answer words")
    assert mass["value"].max() < 0.2
    halves = frames.rows(rows, measure="split-half cosine", role="steered")
    assert set(halves["vector"]) == {f"CAA, {how}" for how in bridge.CONTRASTS} | {
        f"shift, {kind}" for kind in bridge.SHIFTS
    }


@pytest.mark.long
def test_a_late_crash_loses_one_section_only(parameters, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("late")

    monkeypatch.setattr(search, "observe", broken)
    found = bridge.measure(parameters, 0)
    assert found.left_out == {"random search": "RuntimeError: late"}
    assert set(found.frame()["claim"]) == {"T4", "B1", "B2", "B3", "B5", "context"}


def test_the_rows_of_one_construction_and_those_of_the_others_are_all_rows(parameters):
    setup = bridge.prepare(parameters, 0)
    dice = torch.Generator().manual_seed(0)
    size = (2, len(setup.layers), setup.model.width)
    made = {name: tuple(torch.randn(*size, generator=dice)) for name in ("a", "b", "descent")}
    parts, whole = Observations(), Observations()
    constructions.observe(whole, setup, made)
    constructions.observe(parts, setup, {name: made[name] for name in ("a", "b")})
    constructions.observe(parts, setup, made, only="descent")
    keys = ["measure", "construction", "other", "depth"]
    one, other = (o.frame().sort_values(keys)["value"].tolist() for o in (parts, whole))
    assert one == other
    assert len(one) == 2 * (3 + 2 * 3)


def test_a_story_beyond_the_context_is_not_read_and_too_few_of_them_lose_the_side_costs():
    gpt = loading.load("micro-gpt2", device="cpu")
    short, long = ["They were all happy."], ["red " * 200]
    assert steered.that_fit(gpt, long + short * 5) == short * 5
    with pytest.raises(NotMeasurable, match="3 of 9 stories fit the context of micro-gpt2, 128 tokens"):
        steered.that_fit(gpt, long * 6 + short * 3)


def test_nothing_that_can_be_measured_is_an_error(parameters, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("never")

    for name in (
        "file_competence",
        "file_shifts",
        "file_halves",
        "file_descent",
        "file_search",
        "file_imitation",
    ):
        monkeypatch.setattr(measuring, name, broken)
    monkeypatch.setattr(taylor, "observe", broken)
    monkeypatch.setattr(constructions, "observe", broken)
    monkeypatch.setattr(measuring.steered, "judge", broken)
    with pytest.raises(NothingMeasured, match="none of the 14 sections could be measured"):
        bridge.measure(parameters, 0)


def test_a_file_of_ones_own_is_steered_in_place_of_the_first_template(parameters, tmp_path):
    asked = data.micro(400, "yes-no", key="mine")
    path = words.write(tmp_path / "mine.jsonl", asked)
    own = parameters.changed(data=path)
    setup = bridge.prepare(own, 0)
    assert setup.templates == ["data", "claim"]
    known = {item.prompt for item in asked}
    assert {i.prompt for part in setup.steered.values() for i in part} <= known
    assert setup.own.name == "mine.jsonl"
    few = words.write(tmp_path / "few.jsonl", asked[:20])
    with pytest.raises(ValueError, match="data, select must have 8 questions of each answer"):
        bridge.prepare(parameters.changed(data=few), 0)


def test_answers_of_several_tokens_cannot_be_steered_between(parameters, tmp_path):
    asked = data.micro(400, "yes-no", key="mine")
    long = [Item(i.prompt, (" yes it is", " no it is not"), i.label) for i in asked]
    with pytest.raises(ValueError, match="no two different answers of one token each"):
        bridge.prepare(parameters.changed(data=words.write(tmp_path / "long.jsonl", long)), 0)


@pytest.mark.parametrize(
    "templates",
    [("sentiment", "tense"), ("sentiment-2", "capitals-2"), ("language", "claim"), ("boolq", "capitals")],
)
def test_templates_that_are_not_two_forms_of_one_question_are_refused(templates):
    told = (
        "two forms of one question, for their vectors are compared: two of yes-no, claim, boolq, or two of "
    )
    with pytest.raises(
        ValidationError, match=f"templates must be {told}sentiment, sentiment-2, .*; got "
    ) as e:
        bridge.Parameters(templates=templates)
    assert str(list(templates)) in str(e.value)


@pytest.mark.parametrize("forms", [("claim", "boolq"), ("boolq", "yes-no"), *contrasts.FORMS])
def test_two_forms_of_one_question_may_come_in_either_order(forms):
    for templates in (forms, forms[::-1]):
        assert bridge.Parameters(templates=templates).asked == templates


def test_with_data_of_ones_own_no_vectors_of_two_questions_are_compared(parameters, tmp_path):
    path = words.write(tmp_path / "mine.jsonl", data.micro(400, "yes-no", key="mine"))
    own, o = parameters.changed(data=path), Observations()
    one = Shared(bridge.prepare(own, 0), own)
    constructions.observe(o, one.setup, one.constructions)
    measuring.file_descent(o, one)
    rows = o.frame()
    found = frames.rows(rows, claim="B3", measure="agreement")
    pairs = {frozenset(pair) for pair in found[["construction", "other"]].values.tolist()}
    mine = [f"{kind}, data" for kind in ("gradient", "CAA", "descent")]
    assert pairs == {
        *(frozenset(pair) for pair in itertools.combinations(mine, 2)),
        frozenset(("gradient, claim", "CAA, claim")),
    }
    halves = frames.rows(rows, claim="B3", measure="halves of one construction")
    assert set(halves["construction"]) == {*mine, "gradient, claim", "CAA, claim"}
    assert bridge.Parameters(data=path, templates=("sentiment", "tense")).asked == ("data", "tense")


def test_data_as_a_template_needs_a_file():
    with pytest.raises(ValidationError, match="templates names 'data': give the file"):
        bridge.Parameters(templates=("yes-no", "data"))


def test_items_for_a_long_context_are_cut_for_a_model_with_a_short_one():
    gpt = loading.load("micro-gpt2", device="cpu")
    asked = [Item(f"{'The box is red. ' * 80}{i.prompt}", YES_NO, i.label) for i in data.micro(6)]
    with pytest.raises(ValueError, match="the context holds 128"):
        effects.ask(gpt, asked)
    assert effects.ask(gpt, bridge.fitted(gpt, asked)).log_p.shape[0] == 6


def test_a_step_in_tensor_units_is_as_long_as_each_tensor_is_large(parameters):
    setup = bridge.prepare(parameters, 0)
    u, share = bridge.in_tensor_units(setup, bridge.steps(setup, setup.steered["select"])["random"])
    assert TensorScale(setup.space).length(u) == pytest.approx(1, rel=1e-5)
    assert share == pytest.approx((u.norm() / setup.space.flatten().norm()).item())


def test_the_order_of_the_remainder_is_two_also_where_gains_are_a_thousand_times_as_long(parameters, reader):
    """In |theta| all of these steps would be far beyond the linear regime, and T4 would look false."""
    setup = bridge.prepare(parameters.changed(model=reader), 0)
    with torch.no_grad():
        for name, p in setup.model.model.named_parameters():
            if "ln_" in name and name.endswith("weight"):
                p.mul_(1000.0)
            elif name.endswith(("c_attn.weight", "c_fc.weight")):
                p.div_(1000.0)
    exact = setup.model.model.double()
    setup = type(setup)(
        type(setup.model)(**{**vars(setup.model), "model": exact, "dtype": torch.float64}),
        bridge.setup.pushforward.of_blocks(setup.model),
        setup.layers,
        setup.parts,
        0,
    )
    seen = setup.steered["select"][:4]
    h, scales = setup.pushforward(seen), (1e-4, 1e-3, 1e-2, 1e-1)
    u, share = bridge.in_tensor_units(setup, taylor.step(setup, seen, "random"))
    found = bridge.remainders(h, u, scales).mean(1)
    assert bridge.order(found, scales) == pytest.approx(2, abs=0.1)
    assert share < 0.1  # a tensor unit is a small part of |theta| here


def test_verify_touches_every_claim_but_the_doses(parameters):
    part = bridge.verify(parameters, 0).frame()
    assert set(part["claim"]) == {"T4", "B1", "B2", "B3", "B4", "context"}


def test_names_of_the_edits_differ_and_biases_are_asked_only_of_models_that_have_any(parameters):
    setup = bridge.prepare(parameters, 0)
    names = [measuring.named(setup, edit) for edit in measuring.edits(setup)]
    assert len(set(names)) == len(names) == 5
    assert imitated.has_biases(setup.model)
