"""The models that come with the project: unaltered, small, and as good as their manifests say."""

import hashlib
import json

import pytest
import tiny
import torch

from lglib.models import loading, shipped
from lglib.tasks import scoring
from lglib.tasks.microworld import passages, pretrain

LARGEST = 4_000_000  # bytes
FRESH = 300  # test items that no gate has seen
NAME = "micro-gpt2"
every_model = pytest.mark.parametrize("name", shipped.NAMES)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A tiny model, shipped in a folder of this test."""
    monkeypatch.setattr(shipped, "root", lambda: tmp_path)
    folder = tmp_path / NAME
    tiny.save(folder)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    (folder / shipped.MANIFEST).write_text(json.dumps({"family": "gpt2", "files": files}))
    return folder


def refused(name=NAME):
    with pytest.raises(shipped.Altered) as told:
        shipped.folder(name)
    assert f"git checkout -- lglib/tasks/microworld/weights/{name}" in str(told.value)
    assert f"make models NAMES={name}" in str(told.value)
    return str(told.value)


def test_what_was_shipped_is_found(made):
    assert shipped.folder(NAME) == made
    assert shipped.manifest(NAME)["family"] == "gpt2"
    found = loading.load(NAME, device="cpu")
    assert torch.equal(tiny.logits(found.model), tiny.logits(tiny.model()))
    assert found.record()["model"] == NAME
    assert found.sha256 == shipped.manifest(NAME)["files"]["model.safetensors"]


@pytest.mark.parametrize(
    "file", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("at", [0, 0.5, -1])
def test_one_altered_bit_is_noticed(made, file, at):
    path = made / file
    data = bytearray(path.read_bytes())
    data[int(at * len(data)) if at != -1 else -1] ^= 1
    path.write_bytes(data)
    assert f"{path} is not what was shipped: sha256" in refused()
    with pytest.raises(shipped.Altered):
        loading.load(NAME, device="cpu")


def test_a_missing_file_is_named(made):
    (made / "tokenizer.json").unlink()
    assert f"{made / 'tokenizer.json'} is missing" in refused()


def test_a_missing_model_is_told(made):
    assert "cannot be read (FileNotFoundError)" in refused("micro-olmo2")


MANIFESTS = {
    "no json": b"{",
    "no text": b"\xff\xfe",
    "empty": b"",
    "a list": b"[]",
    "no files": b"{}",
    "files that are a list": b'{"files": ["model.safetensors"]}',
    "no file at all": b'{"files": {}}',
    "no weights": b'{"files": {"config.json": "0", "tokenizer.json": "0"}}',
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_broken_manifest_is_noticed(made, kind):
    (made / shipped.MANIFEST).write_bytes(MANIFESTS[kind])
    assert str(made / shipped.MANIFEST) in refused()


@pytest.mark.parametrize("digest", [None, 7, "", "0" * 64])
def test_a_wrong_sha256_in_the_manifest_is_noticed(made, digest):
    told = json.loads((made / shipped.MANIFEST).read_text())
    told["files"]["model.safetensors"] = digest
    (made / shipped.MANIFEST).write_text(json.dumps(told))
    assert "model.safetensors is not what was shipped" in refused()


def test_a_sha256_is_that_of_the_whole_file(tmp_path):
    data = bytes(range(256)) * (1 << 15)  # longer than the pieces it is read in
    (tmp_path / "a").write_bytes(data + b"end")
    assert shipped.sha256(tmp_path / "a") == hashlib.sha256(data + b"end").hexdigest()


@pytest.fixture(scope="module")
def loaded():
    kept = {}

    def load(name):
        if name not in kept:
            kept[name] = loading.load(name, device="cpu")
        return kept[name]

    return load


def yes(found, kind):
    """Right or wrong, P(yes) relative to yes and no, and whether yes is true, of fresh test items."""
    items = passages.questions(FRESH, kind, part="test", key="tests of the shipped models")
    p = scoring.probabilities(found.model, found.tokenizer, items)
    true = torch.tensor([item.label == 0 for item in items])
    return (p.argmax(1) == 0) == true, p[:, 0] / p.sum(1), true


@every_model
def test_a_shipped_model_is_whole_and_small(name):
    folder, told = shipped.folder(name), shipped.manifest(name)
    assert (told["name"], told["family"]) == (name, name.removeprefix("micro-"))
    assert (folder / "model.safetensors").stat().st_size == told["bytes"] <= LARGEST
    beside = {shipped.MANIFEST, "README.md"}
    assert {path.name for path in folder.iterdir()} == set(told["files"]) | beside
    assert told["files"]["model.safetensors"] in (folder / "README.md").read_text()


@every_model
def test_a_shipped_model_goes_through_the_door(loaded, name):
    found, told = loaded(name), shipped.manifest(name)
    assert (found.family, found.parameters) == (told["family"], told["parameters"])
    assert found.sha256 == told["files"]["model.safetensors"]
    assert (found.width, len(found.blocks), found.context) == (128, 4, 128)
    assert len(found.answer_ids([" yes", " no"])) == 2


@every_model
def test_a_shipped_model_cuts_text_as_it_did_in_training(loaded, name):
    from lglib.tasks.microworld import lexicon

    items = passages.questions(20, "yes-no", part="test", key="words")
    for text in [item.prompt for item in items] + ["Zürich?", " yes", ""]:
        assert loaded(name).tokenizer(text).input_ids == lexicon.tokenizer()(text).input_ids


@every_model
def test_a_shipped_model_met_its_gates(name):
    tested = shipped.manifest(name)["tested"]
    for kind, least in pretrain.READS.items():
        assert tested[kind]["value"] >= least >= 0.97
    assert 0.8 <= tested["P(yes|true), yes-no"]["value"] <= 0.95
    for own in tested.values():
        assert own["low"] <= own["value"] <= own["high"]


@every_model
def test_a_shipped_model_reads_and_answers_softly(loaded, name):
    right, soft, true = yes(loaded(name), "yes-no")
    assert right.float().mean() >= 0.97
    assert 0.8 <= soft[true].mean() <= 0.95
    assert soft[~true].mean() < 0.2


@every_model
def test_what_the_manifest_says_is_measured_again(loaded, name):
    tested = shipped.manifest(name)["tested"]
    for kind in ("yes-no", "claim"):
        right, soft, true = yes(loaded(name), kind)
        assert right.float().mean().item() == pytest.approx(tested[kind]["value"], abs=0.03)
        for word, own in (("true", true), ("false", ~true)):
            value = tested[f"P(yes|{word}), {kind}"]["value"]
            assert soft[own].mean().item() == pytest.approx(value, abs=0.04)


@every_model
def test_its_untrained_twin_cannot_answer(loaded, name):
    twin = loading.load(name, trained=False, device="cpu")
    right, _, _ = yes(twin, "yes-no")
    assert 0.3 < right.float().mean() < 0.7
    assert twin.parameters == loaded(name).parameters


@pytest.mark.parametrize("name", shipped.NAMES)
def test_the_twin_of_the_training_seed_is_the_network_that_training_began_from(name):
    card = shipped.manifest(name)
    twin = loading.load(name, trained=False, seed=card["seed"], device="cpu")
    start = pretrain.untrained(card["family"], twin.tokenizer, seed=card["seed"])
    for one, other in zip(twin.model.parameters(), start.parameters(), strict=True):
        assert torch.equal(one, other)
