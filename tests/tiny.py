"""Tiny random models of every family, of their real classes, saved as any model is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lglib.tasks.microworld import lexicon

BLOCKS, WIDTH, CONTEXT = 3, 32, 64
WORDS = "Anna is in the park. Question: Is Anna in the park? Answer:"
_SHAPE = dict(
    hidden_size=WIDTH,
    intermediate_size=48,
    num_hidden_layers=BLOCKS,
    num_attention_heads=4,
    max_position_embeddings=CONTEXT,
)
_GROUPED = _SHAPE | dict(num_key_value_heads=2)
_GROUPED_FALCON = dict(
    hidden_size=WIDTH,
    ffn_hidden_size=48,
    num_hidden_layers=BLOCKS,
    num_attention_heads=4,
    num_kv_heads=2,
    new_decoder_architecture=True,
    max_position_embeddings=CONTEXT,
)
_LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]
SETTINGS: dict[str, dict[str, Any]] = {
    "gpt2": dict(n_layer=BLOCKS, n_embd=WIDTH, n_head=4, n_positions=CONTEXT),
    "gpt_neox": _SHAPE | dict(rotary_pct=0.5),
    "qwen2": _GROUPED | dict(tie_word_embeddings=True),
    "qwen3": _GROUPED | dict(head_dim=8),
    "llama": _GROUPED,
    "olmo2": _GROUPED,
    "gemma2": _GROUPED | dict(head_dim=8, query_pre_attn_scalar=8, sliding_window=8),
    "gemma3_text": _GROUPED
    | dict(head_dim=8, query_pre_attn_scalar=8, sliding_window=8, layer_types=_LAYERS),
    "mistral": _GROUPED | dict(sliding_window=8),
    "olmo": _GROUPED,
    "olmo3": _GROUPED | dict(sliding_window=8, layer_types=_LAYERS),
    "phi3": _GROUPED | dict(sliding_window=8),
    "smollm3": _GROUPED,
    "gptj": dict(n_layer=BLOCKS, n_embd=WIDTH, n_head=4, n_positions=CONTEXT, n_inner=48, rotary_dim=4),
    "falcon": _GROUPED_FALCON,
}
FAMILIES = tuple(SETTINGS)
OTHERS: dict[str, dict[str, Any]] = {  # of families that are not known, or not fit
    "opt": _SHAPE | dict(ffn_dim=48, word_embed_proj_dim=WIDTH),
    "mixtral": _GROUPED | dict(num_local_experts=4),
    "mamba": dict(hidden_size=16, num_hidden_layers=2),
    "bloom": dict(hidden_size=16, n_layer=2, n_head=2),
}


def model(family: str = "gpt2", seed: int = 0, **more: Any) -> Any:
    """A model with weights large enough that every part of it matters. The global generator is left alone."""
    from transformers import AutoConfig, AutoModelForCausalLM

    words = dict(vocab_size=len(lexicon.tokenizer()), bos_token_id=0, eos_token_id=0, pad_token_id=1)
    own = words | dict(initializer_range=0.2) | (SETTINGS | OTHERS)[family] | more
    config = AutoConfig.for_model(family, **own)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def save(folder: Path, family: str = "gpt2", seed: int = 0, shards: str | None = None, **more: Any) -> Any:
    """Save a model and the tokenizer of the micro-world into a folder; returns the model."""
    made = model(family, seed, **more)
    made.save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    lexicon.tokenizer().save_pretrained(folder)
    return made


def tokens(*texts: str) -> torch.Tensor:
    """The tokens of texts of equal length, one row each."""
    return torch.tensor([lexicon.tokenizer()(text).input_ids for text in texts or (WORDS,)])


@torch.no_grad()
def logits(net: Any, *texts: str) -> torch.Tensor:
    return net(input_ids=tokens(*texts).to(next(net.parameters()).device), use_cache=False).logits
