"""`make models`: gates, and folders that are replaced whole or not at all."""

import json

import pytest

from lglib.models import shipped
from lglib.tasks.microworld import lexicon, pretrain
from workflow import card, micro

GOOD = {
    "yes-no": dict(value=0.99, low=0.98, high=1.0, n=1000),
    "claim": dict(value=0.98, low=0.97, high=0.99, n=1000),
    "P(yes|true), yes-no": dict(value=0.9, low=0.89, high=0.91, n=500),
}


def scored(**changes):
    return {what: {**own, "value": changes.get(what, own["value"])} for what, own in GOOD.items()}


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A training that takes no time, of a tiny model, with good scores; its folder of models."""
    tokenizer = lexicon.tokenizer()
    curve = [dict(stage="copy", step=3, seconds=0.1, tokens=96, loss=5.0)]

    def train(family, *, seed, device):
        model = pretrain.untrained(family, tokenizer, seed=seed, width=16, layers=1, heads=2)
        return pretrain.Trained(model, tokenizer, curve)

    tables = {name: dict(value=1.0, low=0.9, high=1.0, n=250) for name in card.SCORED}
    monkeypatch.setattr(pretrain, "train", train)
    monkeypatch.setattr(micro, "tested", lambda model, tokenizer, n: {**tables, **scored()})
    monkeypatch.setattr(shipped, "root", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "changes",
    [{"yes-no": 0.96}, {"claim": 0.5}, {"P(yes|true), yes-no": 0.999}, {"P(yes|true), yes-no": 0.7}],
)
def test_a_model_that_reads_badly_or_is_too_sure_is_not_shipped(changes):
    micro.require("micro-gpt2", scored())
    with pytest.raises(micro.GateNotMet, match=r"micro-gpt2: wanted .* got yes-no 0\.\d+, claim 0\.\d+"):
        micro.require("micro-gpt2", scored(**changes))


def test_what_is_made_is_what_is_loaded(quick):
    found = micro.make("micro-qwen2", 3, "cpu", quick)
    assert sorted(path.name for path in quick.iterdir()) == ["micro-qwen2"]
    assert shipped.folder("micro-qwen2") == quick / "micro-qwen2"
    assert dict(shipped.manifest("micro-qwen2")) == json.loads(json.dumps(found))
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(found["files"])
    card = (quick / "micro-qwen2" / "README.md").read_text()
    assert found["files"]["model.safetensors"] in card
    assert "| copy | 3 | 0 |" in card


def test_a_gate_that_fails_leaves_the_shipped_model_as_it_was(quick, monkeypatch):
    micro.make("micro-olmo2", 0, "cpu", quick)
    before = {path.name: path.read_bytes() for path in (quick / "micro-olmo2").iterdir()}
    monkeypatch.setattr(micro, "tested", lambda model, tokenizer, n: scored(claim=0.5))
    with pytest.raises(micro.GateNotMet):
        micro.make("micro-olmo2", 1, "cpu", quick)
    assert {path.name: path.read_bytes() for path in (quick / "micro-olmo2").iterdir()} == before
    assert [path.name for path in quick.iterdir()] == ["micro-olmo2"]


def test_an_error_while_writing_leaves_no_half_folder(quick, monkeypatch):
    monkeypatch.setattr(micro.card, "text", lambda found: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        micro.make("micro-gpt2", 0, "cpu", quick)
    assert list(quick.iterdir()) == []


def test_a_file_that_is_too_large_is_not_shipped(quick, monkeypatch):
    monkeypatch.setattr(micro, "LARGEST", 1000)
    with pytest.raises(micro.GateNotMet, match=r"model.safetensors has [\d,]+ bytes, at most 1,000"):
        micro.make("micro-gpt2", 0, "cpu", quick)


def test_a_new_model_takes_the_place_of_the_old(quick):
    first = micro.make("micro-gpt2", 0, "cpu", quick)
    second = micro.make("micro-gpt2", 1, "cpu", quick)
    assert first["files"]["model.safetensors"] != second["files"]["model.safetensors"]
    assert shipped.folder("micro-gpt2") == quick / "micro-gpt2"
    assert shipped.manifest("micro-gpt2")["seed"] == 1


def test_an_unknown_name_is_refused_with_those_there_are(capsys):
    assert micro.main(["micro-bert"]) == 2
    assert "no micro-bert; there is: micro-gpt2, micro-qwen2, micro-olmo2" in capsys.readouterr().err


def test_a_training_that_does_not_learn_says_so_and_fails(quick, monkeypatch, capsys):
    def train(family, *, seed, device):
        raise pretrain.NotLearned("gpt2, seed 0: the learning curve", pretrain.Trained(None, None))

    monkeypatch.setattr(pretrain, "train", train)
    assert micro.main(["micro-gpt2", "--inside", "--device", "cpu"]) == 1
    assert "not made: gpt2, seed 0: the learning curve" in capsys.readouterr().out
    assert list(quick.iterdir()) == []
