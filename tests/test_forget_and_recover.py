"""An experiment learns, forgets and recovers: what its points can do, and what it trains on."""

import math
import re
from dataclasses import replace

import pytest
import tiny
import torch

from lglib.models import loading, lora
from lglib.parameters.descent import Diverged
from lglib.studies import gates
from lglib.studies.lora.forget_and_recover import Experiment
from lglib.tasks import pairs
from lglib.tasks.items import Item
from lglib.tasks.microworld import skills
from lglib.tasks.pairs import Pair

TASKS = ("a", "b", "forget")
STEPS = 20  # of a recovery


class Recorder:
    """A pair of tasks that notes what is drawn: (task, part, key, items)."""

    def __init__(self, pair):
        self.calls = []
        self.pair = replace(pair, **{task: self.noting(task, getattr(pair, task)) for task in TASKS})

    def noting(self, task, draw):
        def noted(n, part, key):
            found = draw(n, part, key)
            self.calls.append((task, part, key, found))
            return found

        return noted

    def drawn(self, task, part="train"):
        return [found for own, own_part, _, found in self.calls if (own, own_part) == (task, part)]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a random model, on which a step takes few milliseconds."""
    folder = tmp_path_factory.mktemp("small")
    tiny.save(folder, n_layer=1)
    return str(folder)


def experiment(name, pair, seed=0, **more):
    """An experiment in a fresh adapter of rank 2 on a model that is loaded anew."""
    return Experiment(lora.attach(loading.load(name, device="cpu"), r=2), pair, seed, **more)


def decoded(adapter, theta, item):
    """What the model at theta goes on with by greedy decoding, for as many tokens as the answer has."""
    tokenizer = adapter.base.tokenizer
    ids, wanted = tokenizer(item.prompt).input_ids, tokenizer(item.answer, add_special_tokens=False).input_ids
    with adapter.space.at(theta) as net, torch.no_grad():
        for _ in wanted:
            ids = [*ids, net(input_ids=torch.tensor([ids])).logits[0, -1].argmax().item()]
    return tokenizer.decode(ids[-len(wanted) :])


def share(adapter, theta, items):
    return sum(decoded(adapter, theta, item) == item.answer for item in items) / len(items)


def by_hand(net, tokenizer, items):
    """Loss of items one by one: mean over them of the mean of -log p over the answer's tokens."""
    total = 0.0
    for item in items:
        prompt = tokenizer(item.prompt).input_ids
        answer = tokenizer(item.answer, add_special_tokens=False).input_ids
        logs = net(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        total = total - sum(logs[len(prompt) - 1 + i, t] for i, t in enumerate(answer)) / len(answer)
    return total / len(items)


@pytest.fixture(scope="module")
def first():
    """The experiment with `first` on the shipped model, prepared, and what it was trained on."""
    noted = Recorder(pairs.pair("first"))
    own = Experiment(lora.attach(loading.load("micro-gpt2", device="cpu"), r=4), noted.pair, seed=0, size=8)
    fresh = own.adapter.space.flatten()
    points = own.learn_and_forget(bar=0.9, lost=0.05)
    after = own.adapter.space.flatten()
    return own, points, fresh, after, list(noted.calls)


@pytest.fixture(scope="module")
def unseen():
    pair = pairs.pair("first")
    return {task: getattr(pair, task)(40, "test", "never drawn by a study") for task in "ab"}


def test_both_tasks_are_known_where_they_were_learned(first, unseen):
    own, points, *_ = first
    assert share(own.adapter, points.star, unseen["a"]) >= 0.9
    assert share(own.adapter, points.star, unseen["b"]) >= 0.9


def test_the_first_task_is_lost_where_it_was_forgotten(first, unseen):
    own, points, *_ = first
    assert share(own.adapter, points.forgot, unseen["a"]) <= 0.05


@pytest.mark.parametrize("point", ["initial", "never"])
def test_the_first_task_was_never_known_by_the_other_points(first, unseen, point):
    own, points, *_ = first
    assert share(own.adapter, getattr(points, point), unseen["a"]) <= 0.1


def test_what_never_knew_the_first_task_knows_the_second(first, unseen):
    own, points, *_ = first
    assert share(own.adapter, points.never, unseen["b"]) >= 0.9


def test_the_initial_point_is_the_fresh_adapter_and_it_is_left_there(first):
    _, points, fresh, after, _ = first
    assert torch.equal(points.initial, fresh)
    assert torch.equal(after, fresh)


def test_an_experiment_trains_on_training_items_and_looks_at_validation_items_only(first):
    *_, calls = first
    assert {part for _, part, _, _ in calls} == {"train", "validation"}
    keys = [(task, key) for task, part, key, _ in calls if part == "train"]
    assert len(set(keys)) == len(keys), "no minibatch comes twice"


def test_the_history_of_never_is_that_of_forgot_without_the_first_task(first):
    _, points, _, _, calls = first
    trained = [(task, len(found)) for task, part, _, found in calls if part == "train"]
    learn, forget = points.learned_in, points.forgot_in
    known = [("a", 4), ("b", 4)] * learn + [("forget", 8)] * forget
    never = [("b", 8)] * learn + [("forget", 8)] * forget
    assert trained == known + never
    assert learn % 25 == forget % 25 == 0
    assert min(learn, forget) >= 50, "one round more than it took"


@pytest.fixture(scope="module")
def back(first):
    own, points, *_ = first
    return own.recover(points.forgot, "SGD", STEPS)


def test_the_first_task_comes_back(first, unseen, back):
    own, *_ = first
    assert share(own.adapter, back.points[-1], unseen["a"]) >= 0.9


def test_every_point_of_a_recovery_is_recorded(first, back):
    own, points, *_ = first
    assert back.points.shape == (STEPS + 1, own.adapter.space.d)
    assert back.steps.tolist() == list(range(STEPS + 1))
    assert back.losses.shape == (STEPS,)
    assert torch.equal(back.points[0], points.forgot)
    assert len(back.points.unique(dim=0)) == STEPS + 1


def test_scores_are_those_of_greedy_decoding(first, back):
    own, points, *_ = first
    noted = Recorder(own.pair)
    asking = replace(own, pair=noted.pair)
    for theta in (points.star, points.initial, back.points[8]):
        noted.calls.clear()
        found = asking.scores(theta, n=20)
        drawn = {task: noted.drawn(task, "test") for task in "ab"}
        assert [len(one[0]) for one in drawn.values()] == [20, 20]
        assert found == {
            name: pytest.approx(share(own.adapter, theta, drawn[name.lower()][0])) for name in "AB"
        }


def test_scores_leave_the_adapter_where_it_is(first):
    own, points, *_ = first
    own.adapter.space.load(points.never)
    one = own.scores(points.star, n=8)
    assert torch.equal(own.adapter.space.flatten(), points.never)
    assert own.scores(points.star, n=8) == one


@pytest.mark.parametrize("start", ["forgot", "never", "initial"])
def test_a_recovery_starts_where_it_is_told_wherever_the_adapter_is(first, start):
    own, points, *_ = first
    own.adapter.space.load(points.star)
    run = own.recover(getattr(points, start), "AdamW", 1)
    assert torch.equal(run.points[0], getattr(points, start))
    assert torch.equal(own.adapter.space.flatten(), run.points[-1])


def test_another_order_is_another_stream_of_minibatches_from_the_same_start(first):
    own, points, *_ = first
    noted = Recorder(own.pair)
    asking = replace(own, pair=noted.pair)
    runs, streams = [], []
    for order in (0, 1, 0):
        noted.calls.clear()
        runs.append(asking.recover(points.forgot, "SGD", 3, order=order))
        streams.append(noted.drawn("a"))
        assert [task for task, *_ in noted.calls] == ["a"] * 3, "A alone"
    assert torch.equal(runs[0].points, runs[2].points)
    assert torch.equal(runs[0].points[0], runs[1].points[0])
    assert not torch.equal(runs[0].points[1], runs[1].points[1])
    assert streams[0] == streams[2]
    assert not {i.prompt for b in streams[0] for i in b} & {i.prompt for b in streams[1] for i in b}


def test_a_longer_recovery_begins_as_a_shorter_one(first):
    own, points, *_ = first
    short, long = (own.recover(points.forgot, "AdamW", steps) for steps in (2, 4))
    assert torch.equal(long.points[:3], short.points)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_recovery_with_sgd_is_gradient_descent_on_the_answers_by_hand(family, tmp_path):
    tiny.save(tmp_path, family)
    noted = Recorder(pairs.pair("order"))  # answers of several tokens
    own = experiment(str(tmp_path), noted.pair, size=3, rates={"AdamW": 1e-3, "SGD": 0.25})
    space = own.adapter.space
    run = own.recover(space.flatten() + 0.05, "SGD", 3)
    batches = noted.drawn("a")
    assert [len(batch) for batch in batches] == [3, 3, 3]
    for step, batch in enumerate(batches):
        space.load(run.points[step])
        loss = by_hand(space.module, own.adapter.base.tokenizer, batch)
        assert loss.item() == pytest.approx(run.losses[step].item(), rel=1e-4)
        slope = torch.cat([g.flatten() for g in torch.autograd.grad(loss, space.parameters())])
        wanted = run.points[step] - 0.25 * slope
        torch.testing.assert_close(run.points[step + 1], wanted, rtol=1e-4, atol=1e-5)


def test_a_recovery_with_adamw_begins_with_a_step_of_its_rate(small):
    own = experiment(small, pairs.pair("first"), size=2, rates={"AdamW": 0.01, "SGD": 1.0})
    run = own.recover(own.adapter.space.flatten(), "AdamW", 1)
    moved = run.displacement.abs()
    assert moved.max().item() == pytest.approx(0.01, rel=0.01)
    assert moved.median() == 0 or moved.median().item() == pytest.approx(0.01, rel=0.01)


def quick(small, pair="first", seed=0, size=2, **how):
    """All points of an experiment whose gates let everything pass, and the start of a recovery."""
    own = experiment(small, pairs.pair(pair), seed, size=size)
    points = own.learn_and_forget(**(dict(bar=0.0, lost=1.0, limit=1) | how))
    return points, own.recover(points.forgot, "AdamW", 3)


def vectors(points, run):
    return [points.initial, points.star, points.forgot, points.never, run.points]


def test_a_seed_fixes_an_experiment_bit_by_bit(small):
    one, same = (vectors(*quick(small)) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(one, same, strict=True))


def test_another_seed_gives_another_experiment_from_the_same_adapter(small):
    one, other = (vectors(*quick(small, seed=seed)) for seed in (0, 1))
    assert torch.equal(one[0], other[0])
    assert not any(torch.equal(x, y) for x, y in zip(one[1:], other[1:], strict=True))


def test_an_experiment_neither_uses_nor_moves_the_global_generator(small):
    runs = []
    for seed in (7, 8):
        own = experiment(small, pairs.pair("first"), size=2)
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        points = own.learn_and_forget(bar=0.0, lost=1.0, limit=1)
        runs.append(vectors(points, own.recover(points.forgot, "AdamW", 2)))
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(x, y) for x, y in zip(*runs, strict=True))


@pytest.mark.parametrize("name", ["cipher", "edit", "order", "last", "format"])
def test_every_pair_can_be_studied(small, name):
    points, run = quick(small, name)
    assert len(torch.stack([points.initial, points.star, points.forgot, points.never]).unique(dim=0)) == 4
    assert run.points.isfinite().all()


def steps_taken(noted):
    return {task: len(noted.drawn(task)) for task in TASKS}


@pytest.mark.parametrize(("limit", "learned", "forgot"), [(600, 50, 50), (30, 30, 30)])
def test_after_the_round_that_passes_comes_one_more_within_the_limit(small, limit, learned, forgot):
    noted = Recorder(pairs.pair("last"))
    points = experiment(small, noted.pair, size=2).learn_and_forget(bar=0.0, lost=1.0, limit=limit)
    assert (points.learned_in, points.forgot_in) == (learned, forgot)
    assert steps_taken(noted) == {"a": learned, "b": 2 * learned, "forget": 2 * forgot}
    assert len(noted.drawn("a", "validation")) == 2, "one look after learning, one after forgetting"


@pytest.mark.parametrize("limit", [1, 25, 50])
def test_no_more_steps_are_taken_than_the_limit(small, limit):
    noted = Recorder(pairs.pair("first"))
    points = experiment(small, noted.pair, size=2).learn_and_forget(bar=0.0, lost=1.0, limit=limit)
    assert max(points.learned_in, points.forgot_in) <= limit
    assert steps_taken(noted)["a"] <= limit


@pytest.mark.parametrize(("limit", "looks"), [(1, 1), (25, 1), (40, 2)])
def test_what_is_never_learned_stops_at_the_limit_with_the_figures(small, limit, looks):
    noted = Recorder(pairs.pair("first"))
    own = experiment(small, noted.pair, size=2)
    with pytest.raises(gates.GateError, match=r"never reached the bar of 1: ") as caught:
        own.learn_and_forget(bar=1.0, lost=0.5, limit=limit)
    assert re.search(r"first, A [01]\.\d+, first, B [01]\.\d+", str(caught.value))
    assert steps_taken(noted) == {"a": limit, "b": limit, "forget": 0}
    assert len(noted.drawn("a", "validation")) == looks


def skill(name):
    """A skill that the shipped model has, as a draw of a pair."""
    return lambda n, part, key: skills.questions(n, name, part=part, key=key)


def test_what_is_never_forgotten_stops_at_the_limit_with_the_figures():
    noted = Recorder(Pair("known", skill("plural"), skill("capital"), skill("plural"), "", "B alone", True))
    own = experiment("micro-gpt2", noted.pair)
    with pytest.raises(gates.GateError, match=r"known, A was not forgotten, the bar is 0: ") as caught:
        own.learn_and_forget(bar=0.9, lost=0.0, limit=2)
    assert re.search(r"known, A (0\.9|1\.0)\d+\. ", str(caught.value))
    assert "known, B" not in str(caught.value)
    assert steps_taken(noted)["forget"] == 2


@pytest.mark.parametrize("task", ["a", "b"])
def test_one_task_that_is_not_learned_is_enough_to_stop(task):
    strange = lambda n, part, key: [Item("Add: one one. Answer:", (" river",), 0)] * n  # noqa: E731
    pair = Pair("half", skill("plural"), skill("capital"), skill("plural"), "", "B alone", True)
    with pytest.raises(gates.GateError, match=rf"^half, {task.upper()} never reached") as caught:
        experiment("micro-gpt2", replace(pair, **{task: strange})).learn_and_forget(
            bar=0.9, lost=0.5, limit=1
        )
    assert f"half, {task.upper()} 0.00000" in str(caught.value)


def test_an_experiment_that_failed_can_be_tried_again_from_the_fresh_adapter(small):
    own = experiment(small, pairs.pair("first"), size=2)
    fresh = own.adapter.space.flatten()
    with pytest.raises(gates.GateError):
        own.learn_and_forget(bar=1.0, lost=0.5, limit=1)
    assert torch.equal(own.learn_and_forget(bar=0.0, lost=1.0, limit=1).initial, fresh)


@pytest.mark.parametrize("limit", [0, -5, 1.0, True, None])
def test_a_limit_is_a_whole_number_of_steps(small, limit):
    with pytest.raises(ValueError, match="limit must be a whole number from 1"):
        experiment(small, pairs.pair("first")).learn_and_forget(bar=0.9, lost=0.1, limit=limit)


@pytest.mark.parametrize(("bar", "lost"), [(1.5, 0.1), (math.nan, 0.1), (0.0, -0.1), (0.0, math.nan)])
def test_a_bar_is_a_share(small, bar, lost):
    with pytest.raises(ValueError, match=r"(bar|lost) must lie in \[0, 1\]"):
        experiment(small, pairs.pair("first"), size=2).learn_and_forget(bar=bar, lost=lost, limit=1)


@pytest.mark.parametrize("steps", [0, -1, 2.0, True])
def test_a_recovery_takes_at_least_one_step(small, steps):
    own = experiment(small, pairs.pair("first"))
    with pytest.raises(ValueError, match="steps must be a whole number from 1"):
        own.recover(own.adapter.space.flatten(), "SGD", steps)


def test_a_recovery_by_an_unknown_optimiser_says_which_there_are(small):
    own = experiment(small, pairs.pair("first"))
    with pytest.raises(ValueError, match="optimiser is 'Adam'; there is: AdamW, SGD"):
        own.recover(own.adapter.space.flatten(), "Adam", 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda own, start: own.learn_and_forget(bar=0.0, lost=1.0, limit=1),
        lambda own, start: own.recover(start, "SGD", 1),
        lambda own, start: own.scores(start),
    ],
    ids=["learn_and_forget", "recover", "scores"],
)
def test_a_context_that_is_too_short_is_named_with_what_it_would_take(call, tmp_path):
    tiny.save(tmp_path, "gpt2", n_positions=8)  # <|end|> First : a b c . Answer : a
    own = experiment(str(tmp_path), pairs.pair("first"))
    start = own.adapter.space.flatten()
    with pytest.raises(ValueError, match=r"has 1[0-2] tokens, the context holds 8"):
        call(own, start)
    assert torch.equal(own.adapter.space.flatten(), start)


def test_a_loss_that_is_no_number_stops_an_experiment(small):
    own = experiment(small, pairs.pair("first"), size=2)
    with torch.no_grad():
        own.adapter.base.model.get_input_embeddings().weight.fill_(math.nan)
    start = own.adapter.space.flatten()
    with pytest.raises(Diverged, match="loss is nan at step 0 with AdamW"):
        own.learn_and_forget(bar=0.0, lost=1.0, limit=1)
    with pytest.raises(Diverged, match="loss is nan at step 0 with SGD") as caught:
        own.recover(start, "SGD", 3)
    assert torch.equal(caught.value.trajectory.points, start[None])


def test_a_recovery_at_far_too_large_a_rate_keeps_what_was_recorded(small):
    own = experiment(small, pairs.pair("first"), size=2, rates={"AdamW": 1e25, "SGD": 1.0})
    with pytest.raises(Diverged) as caught:
        own.recover(own.adapter.space.flatten(), "AdamW", 5)
    kept = caught.value.trajectory
    assert len(kept.points) == len(kept.losses) + 1 == kept.steps[-1] + 1 >= 2
    assert kept.points.isfinite().all()


def test_the_rate_of_a_pair_is_that_of_its_forgetting_alone(small):
    slow = pairs.pair("last")
    runs = []
    for rate in (slow.rate, slow.rate / 3):
        own = experiment(small, replace(slow, rate=rate), size=2)
        runs.append(own.learn_and_forget(bar=0.0, lost=1.0, limit=1))
    assert torch.equal(runs[0].star, runs[1].star)
    far, near = ((one.forgot - one.star).abs().max().item() for one in runs)
    assert far == pytest.approx(3 * near, rel=0.3)
