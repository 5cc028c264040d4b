"""A tiny model that knows the words of some texts as single tokens, and files of items."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from lglib.tasks.items import Item


def tokenizer(texts: Iterable[str]) -> Any:
    """A tokenizer with the space in front of a word, for which every word of the texts is one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = {piece for text in texts for piece, _ in cut.pre_tokenize_str(text)}
    pieces = ["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *sorted(words)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    core.pre_tokenizer, core.decoder = cut, decoders.ByteLevel()
    core.add_special_tokens(["<end>"])
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<end>")


def save(folder: Path, texts: Iterable[str], *, context: int = 128, seed: int = 0) -> Path:
    """Save a random GPT-2 of two blocks that reads these texts."""
    from transformers import GPT2Config, GPT2LMHeadModel

    own = tokenizer(texts)
    shape: dict[str, Any] = dict(n_layer=2, n_head=2, n_embd=16, n_positions=context)
    config = GPT2Config(vocab_size=len(own), bos_token_id=0, eos_token_id=0, initializer_range=0.2, **shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        GPT2LMHeadModel(config).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder


def write(path: Path, items: Sequence[Item]) -> str:
    """Write items as prompts with their answers; returns the path as text."""
    rows = [json.dumps({"prompt": item.prompt, "answer": item.answer}) + "\n" for item in items]
    path.write_text("".join(rows), encoding="utf-8")
    return str(path)
