"""The one way to load: what was saved is what is loaded, and what is no model is refused with what to do."""

import json
import shutil
from contextlib import suppress

import peft
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as cores
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from lglib.models import families, loading, weights
from lglib.tasks.items import YES_NO
from lglib.tasks.microworld import lexicon
from lglib.tasks.scoring import SplitAnswer

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


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


def configure(folder, **changes):
    path = folder / "config.json"
    told = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))


def refused(folder, error=loading.ModelError, **more):
    """What the door says when it does not open."""
    with pytest.raises(error) as told:
        load(folder, **more)
    return str(told.value)


@every_family
def test_what_was_saved_is_what_is_loaded(tmp_path, family):
    net = tiny.save(tmp_path, family)
    found = load(tmp_path)
    assert type(found.model) is type(net)
    assert torch.equal(tiny.logits(found.model), tiny.logits(net))
    assert not found.model.training
    assert found.tokenizer(tiny.WORDS).input_ids == lexicon.tokenizer()(tiny.WORDS).input_ids
    assert (found.family, found.width, found.context) == (family, tiny.WIDTH, tiny.CONTEXT)
    assert found.blocks == families.blocks(found.model, families.of(family))
    assert len(found.blocks) == tiny.BLOCKS
    assert found.parameters == sum(value.numel() for value in net.parameters())
    assert found.dtype == next(found.model.parameters()).dtype == torch.float32
    own = families.of(family)
    assert (found.attention, found.linear) == (own.attention, own.linear)
    assert found.fan_in_fan_out == (family == "gpt2")
    assert found.model.config._attn_implementation == "eager"
    assert found.sha256 == weights.find(tmp_path).sha256


@every_family
def test_with_bfloat16_weights_the_adapters_are_float32(tmp_path, family):
    tiny.save(tmp_path, family)
    found = load(tmp_path, dtype="bfloat16")
    assert {value.dtype for value in found.model.parameters()} == {torch.bfloat16}
    config = peft.LoraConfig(
        target_modules=list(found.attention), fan_in_fan_out=found.fan_in_fan_out, task_type="CAUSAL_LM"
    )
    adapted = peft.get_peft_model(found.model, config)
    learned = [value for value in adapted.parameters() if value.requires_grad]
    assert {value.dtype for value in learned} == {torch.float32}
    adapted(input_ids=tiny.tokens(), use_cache=False).logits.float().square().mean().backward()
    assert {value.grad.dtype for value in learned} == {torch.float32}
    assert any(value.grad.abs().max() > 0 for value in learned)


@every_family
def test_the_untrained_twin_differs_in_its_weights_only(tmp_path, family):
    tiny.save(tmp_path, family, seed=1, initializer_range=0.02)
    found, twin = load(tmp_path), load(tmp_path, trained=False)
    one, other = dict(found.model.named_parameters()), dict(twin.model.named_parameters())
    assert {name: value.shape for name, value in one.items()} == {n: v.shape for n, v in other.items()}
    matrices = [name for name, value in one.items() if value.dim() > 1]
    assert not any(torch.equal(one[name], other[name]) for name in matrices)
    for name in matrices:  # the same distribution
        assert other[name].std().item() == pytest.approx(one[name].std().item(), rel=0.3)
    assert (twin.sha256, twin.model.training) == ("", False)
    assert twin.tokenizer(tiny.WORDS).input_ids == found.tokenizer(tiny.WORDS).input_ids


def test_the_seed_fixes_the_twin(original):
    def twin(seed):
        return tiny.logits(load(original, trained=False, seed=seed).model)

    first = twin(0)
    torch.rand(3)
    assert torch.equal(twin(0), first)
    assert not torch.equal(twin(1), first)


@pytest.mark.parametrize("trained", [True, False])
def test_loading_leaves_the_global_generator_alone(original, trained):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load(original, trained=trained)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_record_is_json_and_says_which_model_it_was(original):
    record = load(original).record()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "model": "gpt2",
        "revision": "",
        "sha256": weights.find(original).sha256,
        "parameters": record["parameters"],
        "dtype": "float32",
        "device": "cpu",
    }
    assert load(original, trained=False, dtype="bfloat16").record() == record | {
        "sha256": "",
        "dtype": "bfloat16",
    }


@pytest.mark.parametrize("dtype", ["bfloat16", torch.bfloat16, "torch.bfloat16"])
def test_a_type_may_be_named_in_three_ways(original, dtype):
    assert load(original, dtype=dtype).dtype == torch.bfloat16


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "auto"])
def test_a_device_may_be_named_or_found(original, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = load(original, device=device)
    assert found.device == next(found.model.parameters()).device == torch.device("cpu")


def test_the_other_attention_gives_the_same_to_rounding(original):
    fast = load(original, attention="sdpa")
    assert fast.model.config._attn_implementation == "sdpa"
    torch.testing.assert_close(
        tiny.logits(fast.model), tiny.logits(load(original).model), rtol=1e-4, atol=1e-4
    )


def test_a_model_in_several_files_is_the_same_model(original, tmp_path):
    net = tiny.save(tmp_path, shards="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 3
    found = load(tmp_path)
    assert torch.equal(tiny.logits(found.model), tiny.logits(net))
    assert found.parameters == load(original).parameters


def test_answers_are_found_by_their_tokens(original):
    found = load(original)
    assert found.tokenizer.convert_ids_to_tokens(found.answer_ids([" yes", " no"])) == ["Ġyes", "Ġno"]


def test_nothing_is_written_to_the_terminal_of_a_page(original, capfd):
    load(original)
    load(original, trained=False)
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(device="gpu"), "device is 'gpu', want auto, cpu or cuda"),
        (dict(device="meta"), "device is 'meta', want auto, cpu or cuda"),
        (dict(device=None), "device is None, want auto, cpu or cuda"),
        (dict(device="cuda"), "device is 'cuda', and torch sees no CUDA GPU here"),
        (dict(dtype="float16"), "dtype is 'float16'; there is: auto, float32, bfloat16, float64"),
        (dict(dtype=torch.int8), "dtype is torch.int8; there is: auto"),
        (dict(dtype=None), "dtype is None; there is: auto"),
        (dict(attention="flash"), "attention is 'flash'; there is: eager, sdpa"),
        (dict(attention=None), "attention is None; there is: eager, sdpa"),
        (dict(revision=COMMIT), "is a folder and has no revision, got '0123456"),
    ],
    ids=str,
)
def test_what_is_not_offered_is_told_with_what_is(original, wrong, told, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert told in refused(original, **wrong)


@pytest.mark.parametrize(
    "name", ["gpt2", "micro-gpt3", "./nowhere", "../no/where", "no where/model", "a/b/c", "x" * 5000]
)
def test_a_name_that_means_nothing_is_told_with_what_there_is(name):
    with pytest.raises(loading.ModelError) as told:
        loading.load(name)
    for part in ("micro-gpt2, micro-qwen2, micro-olmo2", "not a folder", "openai-community/gpt2@<commit>"):
        assert part in str(told.value)


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_a_name_must_be_text(name):
    with pytest.raises(loading.ModelError, match="name must be a text that is not empty"):
        loading.load(name)


def test_two_revisions_at_once_are_refused():
    with pytest.raises(loading.ModelError, match=r"name says revision '0123.* and revision says 'ffff"):
        loading.load(f"owner/name@{COMMIT}", revision="f" * 40)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:7], COMMIT.upper()])
def test_a_hub_model_needs_a_whole_commit(revision):
    with pytest.raises(ValueError, match=r"owner/name needs the commit .* 40 hexadecimal digits"):
        loading.load("owner/name", revision=revision)


def rename(folder, old, new):
    (folder / old).rename(folder / new)


def other_tensors(change):
    def spoil(folder):
        path = folder / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    return spoil


FIRST = "transformer.h.0.attn.c_attn.weight"
SPOILED = {
    "no config": (
        lambda f: (f / "config.json").unlink(),
        "its config.json cannot be read (FileNotFoundError",
    ),
    "config no json": (lambda f: (f / "config.json").write_text("{"), "its config.json cannot be read ("),
    "config no text": (
        lambda f: (f / "config.json").write_bytes(b"\xff"),
        "its config.json cannot be read (",
    ),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "config.json names no model_type"),
    "no model_type": (lambda f: configure(f, model_type=None), "config.json names no model_type"),
    "code of its own": (
        lambda f: configure(f, auto_map={"AutoModelForCausalLM": "mine.Net"}),
        "runs code of its own (auto_map), which is refused",
    ),
    "layers no number": (lambda f: configure(f, n_layer="three"), "does not load: "),
    "heads none": (lambda f: configure(f, n_head=0), "does not load: "),
    "heads that do not fit": (lambda f: configure(f, n_head=5), "does not load: "),
    "another vocabulary": (lambda f: configure(f, vocab_size=99), "does not load: "),
    "a tensor missing": (
        other_tensors(lambda tensors: tensors.pop(FIRST)),
        f"the weights are not those of GPT2LMHeadModel: {{'missing_keys': ['{FIRST}']}}",
    ),
    "a block missing": (
        lambda f: configure(f, n_layer=4),
        "config.json has more blocks than the weights, which have 3",
    ),
    "a tensor of another shape": (
        other_tensors(lambda tensors: tensors.update({FIRST: torch.zeros(32, 95)})),
        "does not load: ",
    ),
    "no tokenizer": (
        lambda f: [path.unlink() for path in f.glob("tokenizer*")],
        "has no tokenizer that loads",
    ),
    "a tokenizer that is no json": (
        lambda f: (f / "tokenizer.json").write_text("{"),
        "has no tokenizer that loads",
    ),
    "a tokenizer that is none": (
        lambda f: (f / "tokenizer.json").write_text("{}"),
        "has no tokenizer that loads",
    ),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_folder_that_is_no_model_is_refused(folder, spoiled):
    spoil, told = SPOILED[spoiled]
    spoil(folder)
    found = refused(folder)
    assert told in found
    assert str(folder) in found


@every_family
def test_no_family_goes_without_the_files_of_a_tokenizer(tmp_path, family):
    tiny.save(tmp_path, family)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    assert "has no tokenizer that loads" in refused(tmp_path, answers=())


@pytest.mark.parametrize("spoiled", ["layers no number", "heads none", "heads that do not fit"])
def test_a_wrong_config_has_no_untrained_twin_either(folder, spoiled):
    SPOILED[spoiled][0](folder)
    assert "does not load: " in refused(folder, trained=False)


def test_code_beside_the_weights_is_not_run(folder):
    mark = folder / "was_run"
    (folder / "mine.py").write_text(f"open({str(mark)!r}, 'w')\nclass Net: pass\nclass Words: pass\n")
    path = folder / "tokenizer_config.json"
    own = {"auto_map": {"AutoTokenizer": ["mine.Words", "mine.Words"]}, "tokenizer_class": "Words"}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))
    with suppress(loading.ModelError):
        load(folder)
    configure(folder, auto_map={"AutoModelForCausalLM": "mine.Net", "AutoConfig": "mine.Net"})
    assert "runs code of its own" in refused(folder)
    assert not mark.exists()


def test_an_unknown_family_is_refused_before_its_weights_are_read(folder):
    configure(folder, model_type="mamba", architectures=["MambaForCausalLM"])
    (folder / "model.safetensors").unlink()
    found = refused(folder, families.UnsupportedFamily)
    for part in ("'mamba'", "MambaForCausalLM", "blocks=", "attention=", "linear="):
        assert part in found


def test_a_family_that_was_registered_goes_through_the_door(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    net = tiny.save(tmp_path, "llama")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "helium", "architectures": ["HeliumForCausalLM"], "head_dim": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "'helium' (HeliumForCausalLM)" in refused(tmp_path, families.UnsupportedFamily)
    families.register(
        "helium", blocks="model.layers", attention=["q_proj"], linear=["q_proj", "k_proj", "v_proj"]
    )
    found = load(tmp_path)
    assert type(found.model).__name__ == "HeliumForCausalLM"
    assert found.parameters == sum(value.numel() for value in net.parameters())


def test_a_tokenizer_that_splits_an_answer_is_refused_where_one_token_is_needed(folder):
    pieces = {piece: i for i, piece in enumerate(["?", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    core = Tokenizer(cores.BPE(vocab=pieces, merges=[], unk_token="?"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=core, unk_token="?").save_pretrained(folder)
    told = "makes 4 tokens of the answer ' yes' behind 'Answer:', ['Ġ', 'y', 'e', 's']"
    assert told in refused(folder, SplitAnswer, answers=YES_NO)
    found = load(folder)  # what does not need one token works
    with pytest.raises(SplitAnswer, match="needs an answer that is one token"):
        found.answer_ids(YES_NO)
    assert len(found.tokenizer(" yes").input_ids) == 4


def test_a_tokenizer_without_a_config_of_its_own_is_found(folder):
    (folder / "tokenizer_config.json").unlink()
    assert load(folder, answers=()).tokenizer.tokenize(" yes")


def test_a_model_without_room_is_refused_with_both_figures(original, monkeypatch):
    numbers = weights.find(original).numbers
    free = type("Free", (), {"available": 1000})()
    monkeypatch.setattr(weights.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", None)  # it must not come so far
    found = refused(original, MemoryError)
    assert f"has {numbers:,} parameters" in found
    assert "GB to load as float32 on cpu; 0.00 GB are free" in found
    assert str(original) in found


@pytest.mark.parametrize("shown", [True, False])
def test_the_bars_of_transformers_are_left_as_they_were(original, shown):
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    try:
        (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
        load(original)
        with pytest.raises(SplitAnswer):
            load(original, answers=[" perhaps"])
        assert logging.is_progress_bar_enabled() == shown
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_a_config_with_fewer_blocks_than_the_weights_is_refused(tmp_path, family):
    tiny.save(tmp_path, family)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    name = "n_layer" if family == "gpt2" else "num_hidden_layers"
    path.write_text(json.dumps({**config, name: tiny.BLOCKS - 1}))
    with pytest.raises(loading.ModelError, match=f"fewer blocks than the weights, which have {tiny.BLOCKS}"):
        loading.load(str(tmp_path), device="cpu")
