"""Chapter 4 where something fails or is large: sections, own data, short contexts, bounded memory."""

import importlib
import weakref

import pytest
import torch
import words
from pydantic import ValidationError

from lglib.report import frames
from lglib.search.step_length import Curvature
from lglib.studies import rank
from lglib.studies.rank import causes, regime, search
from lglib.tasks import data
from lglib.tasks.items import YES_NO, Item
from lglib.theory.stats import Interval

measuring = importlib.import_module("lglib.studies.rank.measure")
TINY = rank.Parameters(
    tasks=("yes-no", "open"),
    examples=8,
    answer_counts=(2, 3),
    widths=(8, 12),
    sketch_sizes=(2, 4),
    regime_items=2,
    random_directions=2,
    probes=2,
    candidates=8,
)
FALLING = Curvature(1.0, Interval(-3.1, -4.0, -2.0, 0.95, 2), 0.2)


def long_questions(n):
    """Questions behind passages far beyond a context of 128 tokens."""
    asked = data.micro(n, "yes-no", key="long")
    return [
        Item(f"{'The box is red. ' * 60}{i.prompt}", YES_NO, i.label, group=i.group + str(k))
        for k, i in enumerate(asked)
    ]


def test_a_negative_trace_loses_the_step_that_has_no_optimum_and_nothing_else(monkeypatch):
    monkeypatch.setattr(search, "curvature", lambda subject: FALLING)
    found = rank.measure(TINY, seed=0)
    why = "NotMeasurable: no finite optimum: the Hessian's trace is -3.1, 0.2 along the gradient"
    assert found.left_out == dict.fromkeys(("steps", "sigma*", "noise"), why)
    assert found.crashed == {}
    rows = found.frame()
    assert set(rows["claim"]) == {"L1", "L2", "context"}
    assert frames.rows(rows, measure="trace of the Hessian")["value"].tolist() == [-3.1]
    assert len(frames.rows(rows, measure="decades of linear regime")) == 2 + 3 + 4
    assert "error of the predicted crossing" in set(rows["measure"])
    again = rank.measure(TINY, seed=0, found=found)  # a run that is taken up measures nothing twice
    assert len(again) == len(rows)


@pytest.mark.long
def test_a_crash_loses_one_section_and_each_is_kept_before_the_next(monkeypatch):
    def broken(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(measuring, "file_sketches", broken)
    kept = []
    found = rank.measure(TINY, seed=0, keep=lambda o: kept.append((len(o), list(o.done))))
    assert found.left_out == {"sketches": "RuntimeError: out of luck"}
    assert list(found.crashed) == ["sketches"]
    assert [rows for rows, _ in kept] == sorted(rows for rows, _ in kept)
    assert kept[0][1] == ["competence: yes-no"]
    assert "gain at sigma* / largest gain over the steps" in set(found.frame()["measure"])


@pytest.mark.long
def test_a_file_of_ones_own_takes_the_place_of_the_first_task_and_is_named_in_the_header(tmp_path):
    path = words.write(tmp_path / "mine.jsonl", data.micro(120, "yes-no", key="mine"))
    own = TINY.changed(data=path)
    assert own.asked == ("data", "open")
    found = rank.measure(own, seed=0)
    assert found.left_out == {}
    assert set(found.frame()["task"].dropna()) == {"data", "open"}
    assert list(found.files) == ["mine.jsonl"]
    accuracy = frames.rows(found.frame(), measure="accuracy", task="data")
    assert accuracy["value"].tolist() == [1.0]
    assert accuracy["n"].tolist() == [8]


def test_prompts_beyond_the_context_are_cut_and_counted_and_every_network_holds_them(tmp_path):
    path = words.write(tmp_path / "long.jsonl", long_questions(40))
    one = rank.load(TINY.changed(data=path), seed=0)
    sets = {task: rank.item_sets(one, task)[0] for task in ("data", "open")}
    lengths = {task: rank.encode(one, own).tokens.shape[1] for task, own in sets.items()}
    assert lengths["open"] < 64 < lengths["data"] <= one.model.context == 128
    assert set(rank.by_width(one, sets, 8)) == {"data", "open"}
    fitted = rank.fitted(one, "data", 8, "set 0")
    assert (fitted.cut, fitted.left_out, fitted.given) == (8, 0, 8)


def test_sets_of_a_finite_task_share_no_item_nor_do_the_questions_searched_on_and_held_out(tmp_path):
    path = words.write(tmp_path / "mine.jsonl", data.micro(30, "yes-no", key="mine"))
    one = rank.load(TINY.changed(data=path, regime_items=12), seed=0)
    for n, keys in ((8, ("set 0", "set 1", "set 2")), (12, ("select", "held"))):
        drawn = [{item.prompt for item in rank.items(one, "data", n, key)} for key in keys]
        assert all(len(own) == n for own in drawn)
        assert len(set.union(*drawn)) == n * len(keys)
    with pytest.raises(ValueError, match=r"task data has too few items .* want 11 for each of 3 sets"):
        rank.items(one, "data", 11, "set 2")


def test_only_one_direction_in_weight_space_is_held_at_a_time(monkeypatch):
    alive, most, make = [], [], regime.direction

    def watched(*given):
        most.append(sum(ref() is not None for ref in alive))
        made = make(*given)
        alive.append(weakref.ref(made))
        return made

    monkeypatch.setattr(regime, "direction", watched)
    lines = rank.regimes(rank.load(TINY, seed=0))
    assert len(lines.regimes) == 9
    assert max(most) <= 1  # the one before, until its name is given to the next


def test_in_the_models_own_precision_no_second_copy_is_loaded(monkeypatch):
    one = rank.load(TINY.changed(precision="float32"), seed=0)
    monkeypatch.setattr(regime.loading, "load", lambda *_, **__: pytest.fail("a second copy"))
    lines = rank.regimes(one, ("random 0",))
    assert lines.decades("random 0") > 0


def test_scales_are_in_units_of_each_tensors_own_size_and_theta_stands_beside():
    one = rank.load(TINY, seed=0)
    lines = rank.regimes(one, ("gradient",))
    regime_found, unit = lines.regimes["gradient"], lines.unit["gradient"]
    assert regime_found.scales == pytest.approx(rank.SCALES * unit)
    assert lines.decades("gradient") == pytest.approx(
        torch.log10(torch.tensor(lines.in_tensor_units("gradient") / rank.SCALES[0])).item(), rel=1e-5
    )


def test_a_large_vocabulary_is_that_of_the_items_in_the_untrained_networks(monkeypatch):
    one = rank.load(TINY, seed=0)
    sets = {task: rank.item_sets(one, task)[0] for task in ("yes-no", "open")}
    lessons = {task: rank.encode(one, own) for task, own in sets.items()}
    found, size = causes.renumbered(lessons)
    assert size < causes.vocabulary(one) == 644
    for task, lesson in lessons.items():
        assert (found[task].tokens.unique().numel()) == lesson.tokens.unique().numel()
        same = lesson.tokens[:, :, None] == lesson.tokens[:, None, :]
        assert torch.equal(found[task].tokens[:, :, None] == found[task].tokens[:, None, :], same)
    monkeypatch.setattr(causes, "WORDS", 100)
    seen = []
    build = causes.untrained_of_width
    monkeypatch.setattr(causes, "untrained_of_width", lambda *given: seen.append(given[-1]) or build(*given))
    ranks = rank.by_width(one, sets, 16)
    assert seen == [size]
    assert all(1 <= value <= 8 for value in ranks.values())


def test_another_tokenizer_splits_the_answers_and_sets_with_few_of_them_still_are(tmp_path):
    folder = words.save(tmp_path / "other", ["Answer: yes no Question Sort"], context=512)
    one = rank.load(TINY.changed(model=str(folder)), seed=0)
    few = rank.with_answers(rank.answer_pool(one), 2, 8)
    lesson = rank.encode(one, few)
    assert lesson.targets.shape[1] > 1
    assert rank.grams(one, "trained", few).total.shape == (8, 8)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tasks": ("data", "open")}, "tasks names 'data': give the file as data"),
        ({"template": "{prompt}"}, "template and answers say how `data` is put, which is empty"),
        ({"data": "x.jsonl", "answers": (" yes",)}, "answers must be two different texts or none"),
        ({"precision": "float16"}, "'float64' or 'float32'"),
    ],
)
def test_data_that_do_not_fit_together_are_refused(given, told):
    with pytest.raises(ValidationError, match=told):
        rank.Parameters(**given)


def test_a_missing_file_is_told_before_a_model_is_loaded(monkeypatch):
    monkeypatch.setattr(rank.subject.loading, "load", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(FileNotFoundError, match=r"data is 'none\.jsonl'"):
        rank.load(TINY.changed(data="none.jsonl"), seed=0)
