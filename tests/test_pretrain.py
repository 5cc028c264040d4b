"""The recipe of the micro models: its loss, its gates, the models before training."""

import hashlib
import math

import pytest
import torch

from lglib.tasks.microworld import corpus, lexicon, pretrain

TINY = {"width": 16, "layers": 1, "heads": 2}


def stage(**changes):
    settings = dict(name="copy", documents=corpus.copying, steps=3, until={}, rows=2, length=24)
    return pretrain.Stage(**{**settings, **changes})


@pytest.fixture(scope="module")
def tokenizer():
    return lexicon.tokenizer()


@pytest.mark.parametrize("family", pretrain.FAMILIES)
def test_the_untrained_model_follows_from_its_seed_and_leaves_the_global_one_alone(family, tokenizer):
    before = torch.random.get_rng_state()
    one, same, other = (pretrain.untrained(family, tokenizer, seed=s, **TINY).state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family", pretrain.FAMILIES)
def test_the_shipped_size_is_about_a_million_parameters_in_four_megabytes(family, tokenizer):
    count = sum(p.numel() for p in pretrain.untrained(family, tokenizer, seed=0).parameters())
    assert 800_000 < count <= 1_000_000


@pytest.mark.parametrize("family", pretrain.FAMILIES)
def test_an_untrained_model_knows_nothing(family, tokenizer):
    model = pretrain.untrained(family, tokenizer, seed=0, **TINY)
    batch = next(corpus.batches(tokenizer, corpus.copying(0), rows=8, length=32))
    assert pretrain.loss(model, batch).item() == pytest.approx(math.log(len(tokenizer)), rel=0.05)


def test_the_loss_is_the_weighted_mean_of_the_token_losses(tokenizer):
    model = pretrain.untrained("gpt2", tokenizer, seed=0, **TINY)
    tokens, weights = next(corpus.batches(tokenizer, corpus.copying(0), rows=3, length=20))
    total = count = 0.0
    with torch.no_grad():
        for row, own in zip(tokens, weights, strict=True):
            logp = model(input_ids=row[None]).logits[0].double().log_softmax(-1)
            for place in range(1, len(row)):
                total -= own[place].item() * logp[place - 1, row[place]].item()
                count += own[place].item()
    assert pretrain.loss(model, (tokens, weights)).item() == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize(
    ("family", "shape", "told"),
    [
        ("bert", {}, "family is 'bert'; there is: gpt2, qwen2, olmo2"),
        ("gpt2", {"width": 30}, "width must be a multiple of 2 heads"),
        ("qwen2", {"heads": 0}, "width must be a multiple of 2 heads"),
        ("olmo2", {"layers": 0}, "layers at least 1; got 128, 4, 0"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(tokenizer, family, shape, told):
    with pytest.raises(ValueError, match=told):
        pretrain.untrained(family, tokenizer, seed=0, **shape)


@pytest.fixture
def looked(monkeypatch):
    """Scores that a test sets, in place of looking at validation items."""
    scores = {"open": 0.0, "who": 0.5}
    monkeypatch.setattr(pretrain, "scores", lambda model, tokenizer: dict(scores))
    return scores


def test_a_gate_that_is_not_met_stops_with_the_learning_curve(looked):
    with pytest.raises(pretrain.NotLearned) as told:
        pretrain.train("gpt2", stages=(stage(until={"open": 0.9}),), **TINY)
    assert "gpt2, seed 0: stage 'copy' ended without {'open': 0.9}" in str(told.value)
    assert "copy 3, " in str(told.value)
    assert "open 0.00 who 0.50" in str(told.value)
    assert [row["step"] for row in told.value.trained.curve] == [3]


def test_a_stage_ends_when_its_gate_is_met_and_a_whole_one_takes_all_its_steps(looked, monkeypatch):
    monkeypatch.setattr(pretrain, "EVERY", 2)
    looked["open"] = 1.0
    short, whole = stage(steps=9, until={"open": 0.9}), stage(name="settle", steps=5, whole=True)
    curve = pretrain.train("olmo2", stages=(short, whole), **TINY).curve
    assert [(row["stage"], row["step"]) for row in curve] == [
        ("copy", 2), ("settle", 2), ("settle", 4), ("settle", 5),
    ]  # fmt: skip
    assert [row["tokens"] for row in curve] == [96, 192, 288, 336]


def test_training_lowers_the_loss_and_repeats_itself(looked):
    stages = (stage(steps=60, rows=8, length=32), stage(name="calibrate", steps=3))
    runs = [pretrain.train("qwen2", stages=stages, **TINY) for _ in range(2)]
    one, same = (run.model.state_dict() for run in runs)
    assert all(torch.equal(one[name], same[name]) for name in one)
    batch = next(corpus.batches(runs[0].tokenizer, corpus.copying(1), rows=16, length=32))
    before = pretrain.untrained("qwen2", runs[0].tokenizer, seed=0, **TINY)
    assert pretrain.loss(runs[0].model, batch).item() < pretrain.loss(before, batch).item() - 0.1


def test_the_matrices_of_the_blocks_learn_by_muon_and_all_else_by_adamw(tokenizer):
    for family in pretrain.FAMILIES:
        model = pretrain.untrained(family, tokenizer, seed=0, **TINY)
        muon, adam = pretrain._optimizers(model, alone=False)
        names = {id(p): name for name, p in model.named_parameters()}
        inside = [names[id(p)] for group in muon.param_groups for p in group["params"]]
        rest = [names[id(p)] for group in adam.param_groups for p in group["params"]]
        assert sorted(inside + rest) == sorted(names.values())
        assert not any("wte" in n or "wpe" in n or "embed" in n or "norm" in n or "ln" in n for n in inside)


def test_the_scores_name_every_kind_and_skill(tokenizer):
    model = pretrain.untrained("gpt2", tokenizer, seed=0, **TINY)
    found = pretrain.scores(model, tokenizer, n=4)
    assert {"yes-no", "yes-no 2", "claim", "open", "who", "P(yes|true)", "sort", "take"} <= set(found)
    assert all(0 <= value <= 1 for value in found.values())
    gates = {name for own in pretrain.STAGES for name in own.until}
    assert gates <= set(found)


@pytest.mark.parametrize(
    ("number", "start"),
    [
        (0, "96eaaaae7e01"),
        (1, "da3df4c80fab"),
        (2, "aeb54ec846cf"),
        (3, "8111a0b204b9"),
        (4, "f6c914de8592"),
        (6, "5a578b5c0cd7"),
    ],
)
def test_the_text_is_still_the_text_that_the_shipped_models_learned_from(tokenizer, number, start):
    own = pretrain.STAGES[number]
    stream = corpus.batches(tokenizer, own.documents(0), rows=own.rows, length=own.length)
    digest = hashlib.sha256()
    for _ in range(3):
        for part in next(stream):
            digest.update(part.numpy().tobytes())
    assert digest.hexdigest()[:12] == start
