"""Oddities of real models at the door: each works, or is refused with its cause."""

import json
import shutil
import sys
import time

import pytest
import spaced
import tiny
import torch
from safetensors.torch import load_file, save_file
from tokenizers import processors

from lglib.models import configs, families, loading, weights
from lglib.tasks import scoring
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

ASKED = [Item("Anna is in the park. Question: Is Anna in the park? Answer:", YES_NO, 0)]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A saved GPT-2 that no test may change."""
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    tiny.save(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy of it to spoil."""
    return shutil.copytree(original, tmp_path / "gpt2")


def load(folder, **more):
    return loading.load(str(folder), **{"device": "cpu", **more})


def refused(folder, error=loading.ModelError, **more):
    with pytest.raises(error) as told:
        load(folder, **more)
    return str(told.value)


def configure(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change(folder, name, value):
    """Put another tensor into the weights."""
    path = folder / "model.safetensors"
    save_file(load_file(path) | {name: value}, path, metadata={"format": "pt"})


# --- weights


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_with_the_tensor(folder, bad):
    name = "transformer.h.1.mlp.c_fc.weight"
    spoiled = load_file(folder / "model.safetensors")[name]
    spoiled[3, 4:6] = bad
    change(folder, name, spoiled)
    told = refused(folder, weights.UnsafeWeights)
    assert f"1 tensors are not finite (NaN or infinite): {name} (2 of its numbers)" in told
    assert str(folder) in told
    assert load(folder, trained=False).sha256 == ""  # the twin has none of them


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "gemma3_text", "falcon"])
def test_a_head_that_differs_from_the_embedding_it_is_tied_to_is_refused(tmp_path, family):
    net = tiny.save(tmp_path, family, tie_word_embeddings=True)
    words = net.get_input_embeddings().weight.detach().clone()
    change(tmp_path, "lm_head.weight", words)
    assert torch.equal(tiny.logits(load(tmp_path).model), tiny.logits(net))  # the same twice does no harm
    words[5, 5] += 1
    change(tmp_path, "lm_head.weight", words)
    for trained in (True, False):
        told = refused(tmp_path, weights.UnsafeWeights, trained=trained)
        assert "config.json ties the head to the embedding" in told
        assert "lm_head.weight" in told


# --- tokenizers


def test_words_beyond_the_embedding_are_refused_and_named(folder):
    own = lexicon.tokenizer()
    rows = len(own)
    own.add_tokens(["zyx", "wvu"])
    own.save_pretrained(folder)
    told = refused(folder)
    assert f"2 tokens beyond the embedding, which has {rows} rows: 'zyx' ({rows}), 'wvu' ({rows + 1})" in told


def test_a_special_token_beyond_the_embedding_does_no_harm_until_it_is_written(folder):
    """Gemma 3's tokenizer has one, for images."""
    own = lexicon.tokenizer()
    own.add_special_tokens({"additional_special_tokens": ["<image>"]})
    own.save_pretrained(folder)
    found = load(folder)
    assert scoring.probabilities(found.model, found.tokenizer, ASKED).isfinite().all()
    with pytest.raises(ValueError, match=r"item 0 has the token .* and the embedding has"):
        scoring.text_loss(found.model, found.tokenizer, ["Anna <image> is"])


def closing():
    """Ways in which a tokenizer puts its end token (here its first one) behind a text."""
    name = lexicon.tokenizer().convert_ids_to_tokens(0)
    byte = processors.ByteLevel(trim_offsets=False)
    template = processors.TemplateProcessing(single=f"{name} $A {name}", special_tokens=[(name, 0)])
    return {
        "template": template,
        "sequence": processors.Sequence([byte, template]),
        "roberta": processors.RobertaProcessing((name, 0), (name, 0)),
        "bert": processors.BertProcessing((name, 0), (name, 0)),
    }


@pytest.mark.parametrize("how", closing())
def test_an_end_token_behind_every_text_is_left_off(original, folder, how):
    own = lexicon.tokenizer()
    own.backend_tokenizer.post_processor = closing()[how]
    assert own("Is it?").input_ids[-1] == 0
    own.save_pretrained(folder)
    found, plain = load(folder), load(original)
    assert found.tokenizer(ASKED[0].prompt).input_ids == plain.tokenizer(ASKED[0].prompt).input_ids
    for measure in (scoring.probabilities, scoring.exact_match):
        assert torch.equal(*(measure(one.model, one.tokenizer, ASKED) for one in (found, plain)))


def test_what_was_left_off_is_told(folder, tmp_path, monkeypatch):
    own = lexicon.tokenizer()
    own.backend_tokenizer.post_processor = closing()["template"]
    own.save_pretrained(folder)
    monkeypatch.setenv("LG_PROGRESS", str(tmp_path / "told"))
    load(folder)
    name = own.convert_ids_to_tokens(0)
    assert f"the tokenizer's ['{name}'] behind every text is left off" in (tmp_path / "told").read_text()


def test_a_kink_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    families.register("opt", blocks="model.decoder.layers", attention=["q_proj"], linear=["q_proj", "fc1"])
    tiny.save(tmp_path / "opt", "opt")
    monkeypatch.setenv("LG_PROGRESS", str(tmp_path / "told"))
    assert load(tmp_path / "opt").kinks == ["ReLU"]
    assert "ReLU has a kink, which a Hessian product does not see" in (tmp_path / "told").read_text()


def test_a_tokenizer_whose_end_cannot_be_opened_is_refused(folder, monkeypatch):
    own = lexicon.tokenizer()
    own.backend_tokenizer.post_processor = closing()["template"]
    own.save_pretrained(folder)
    monkeypatch.setattr(type(own), "backend_tokenizer", None)
    told = refused(folder)
    assert "the tokenizer ends every text with" in told
    assert "add_eos_token=False" in told


@pytest.mark.parametrize("habit", spaced.HABITS)
def test_a_tokenizer_that_adds_a_space_goes_through_the_door(tmp_path, habit):
    net = tiny.save(tmp_path, "llama")
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    spaced.tokenizer(habit).save_pretrained(tmp_path)
    found = load(tmp_path, answers=YES_NO)
    asked = [Item("Is it? Answer:", YES_NO, 0), Item("no no. Is it? Answer:", YES_NO, 1)]
    got = scoring.probabilities(found.model, found.tokenizer, asked)
    for row, item in zip(got, asked, strict=True):
        tokens = found.tokenizer(item.prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            want = net(input_ids=tokens).logits[0, -1].softmax(-1)
        own = found.tokenizer.convert_tokens_to_ids([f"{spaced.SPACE}yes", f"{spaced.SPACE}no"])
        torch.testing.assert_close(row, want[own])
    assert found.answer_ids(YES_NO) == own


def test_a_long_text_is_no_warning_on_stderr(folder, capfd):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 8}))
    found = load(folder)
    assert found.tokenizer.model_max_length == 8
    assert len(found.tokenizer("red " * 30).input_ids) > 8
    scoring.text_loss(found.model, found.tokenizer, ["red " * 20])
    assert tuple(capfd.readouterr()) == ("", "")


# --- configs


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [25, 900, 200_000])
@pytest.mark.parametrize("trained", [True, False])
def test_a_config_that_is_nested_too_deep_is_refused(folder, depth, trained):
    path = folder / "config.json"
    path.write_text(path.read_text().rstrip().rstrip("}") + f', "deep": {nested(depth)}}}')
    assert "is nested too deep to be a config" in refused(folder, trained=trained)


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_tokenizer_that_is_nested_too_deep_is_refused(folder, file):
    (folder / file).write_text(nested(200_000))
    assert "has no tokenizer that loads" in refused(folder)


def test_an_index_that_is_nested_too_deep_is_refused(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(nested(200_000))
    assert "is no index of weights (RecursionError)" in refused(folder, weights.UnsafeWeights)


HUGE = {
    "a name that is a number": (dict(architectures=[1]), "architectures must be a list of names, got [1]"),
    "a name alone": (dict(architectures="GPT2LMHeadModel"), "architectures must be a list of names"),
    "a million layers": (dict(n_layer=1_000_000), "n_layer is 1000000, want at most 10,000"),
    "a few layers too many": (dict(n_layer=9_000), "more blocks than the weights, which have 3: 9000"),
    "endless positions": (dict(n_positions=10**9), "n_positions is 1000000000, want at most 16,777,216"),
    "many positions": (dict(n_positions=10**6), "does not load: "),
    "a wide model": (dict(n_embd=10**7), "does not load: "),
    "a large vocabulary": (dict(vocab_size=10**9), "does not load: "),
    "a number of many digits": (dict(vocab_size=10**400), "vocab_size is a number of hundreds of digits"),
    "less than nothing": (dict(n_layer=-(10**6)), "n_layer is -1000000"),
    "no number": (dict(layer_norm_epsilon=float("nan")), "layer_norm_epsilon is nan, want a finite number"),
    "without end": (dict(attn_pdrop=float("inf")), "attn_pdrop is inf, want a finite number"),
}


@pytest.mark.parametrize("what", HUGE)
@pytest.mark.parametrize("trained", [True, False])
def test_a_config_of_no_possible_model_is_refused_at_once(folder, what, trained):
    changes, told = HUGE[what]
    configure(folder, **changes)
    started = time.process_time()
    assert told in refused(folder, trained=trained)
    assert time.process_time() - started < 5


def test_limits_do_not_stop_a_real_config(folder):
    configure(folder, rope_theta=10**10, rope_parameters={"rope_theta": 5e11, "rope_type": "default"})
    assert configs.read(folder)["rope_theta"] == 10**10


REGISTERED = {
    "mamba": dict(blocks="backbone.layers", attention=["in_proj"], linear=["in_proj", "out_proj"]),
    "bloom": dict(blocks="transformer.h", attention=["query_key_value"], linear=["query_key_value", "dense"]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", REGISTERED)
def test_a_model_without_a_number_of_positions_is_told_so_also_when_registered(tmp_path, monkeypatch, family):
    tiny.save(tmp_path, family)
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    assert f"model_type '{family}'" in refused(tmp_path, families.UnsupportedFamily)
    families.register(family, **REGISTERED[family])
    told = refused(tmp_path, families.UnsupportedFamily)
    assert f"the config of '{family}' names no number of positions" in told


@pytest.mark.parametrize("family", ["mistral", "gemma3_text", "olmo3", "gptj", "falcon"])
def test_the_context_is_that_of_the_config_whatever_the_window(tmp_path, family):
    tiny.save(tmp_path, family)
    found = load(tmp_path)
    assert found.context == tiny.CONTEXT
    text = "red " * (tiny.CONTEXT - 1)
    assert scoring.text_loss(found.model, found.tokenizer, [text.strip()]).isfinite().all()


# --- folders


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("plain", "plain"),
        ("with space", "with-space"),
        ('it\'s "mine"', "it-s-mine"),
        ("deep/er/gemma-3.1_b", "gemma-3.1_b"),
        ("ünï", "n"),
        ("--", "model"),
    ],
)
@pytest.mark.parametrize("how", ["absolute", "relative", "slash", "home", "dots"])
def test_a_folder_loads_under_any_path_and_has_a_plain_name(original, tmp_path, monkeypatch, path, name, how):
    own = tmp_path / path
    shutil.copytree(original, own)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    given = dict(
        absolute=own, relative=path, slash=f"{own}//", home=f"~/{path}", dots=f"./{path}/../{own.name}/."
    )
    found = loading.load(str(given[how]), device="cpu")
    assert found.name == name
    assert found.record()["model"] == name
    assert found.sha256 == weights.find(original).sha256


def test_the_folder_in_which_one_stands_has_its_name(original, monkeypatch):
    monkeypatch.chdir(original)
    assert loading.load(".", device="cpu").name == "gpt2"


def test_a_model_that_make_puts_into_the_cache_has_its_name(original, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(loading.ModelError, match=r"gemma-3-270m is not in .*; run: make gemma"):
        loading.load("gemma-3-270m", device="cpu")
    shutil.copytree(original, tmp_path / "lglib" / "gemma-3-270m")
    assert loading.load("gemma-3-270m", device="cpu").name == "gemma-3-270m"
    with pytest.raises(loading.ModelError, match="is made here and has no revision"):
        loading.load("gemma-3-270m", revision="0" * 40)


def test_nothing_here_needs_the_network(original, monkeypatch):
    import socket

    monkeypatch.setattr(socket.socket, "connect", lambda *_: sys.exit("the network was asked"))
    load(original)
