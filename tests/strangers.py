"""Two tiny models made elsewhere: random weights, tokenizers that were trained on a little text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers import models as cores
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from lglib.studies.lora.parameters import Parameters
from lglib.tasks import data, pairs
from lglib.tasks.microworld import passages, skills

KINDS = (*passages.KINDS, *skills.SKILLS)
SHAPE: dict[str, Any] = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=96,
    initializer_range=0.2,
)
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": SHAPE | dict(num_key_value_heads=2),
    "gpt_neox": SHAPE | dict(rotary_pct=0.5, max_position_embeddings=128),
}


def texts() -> Iterator[str]:
    """A little text of the micro-world and of the pairs of tasks, with the answers."""
    for kind in KINDS:
        for item in data.micro(40, kind, key="strangers"):
            yield item.prompt
            yield from (item.prompt + answer for answer in item.answers)
    for name in Parameters().task_pairs:
        pair = pairs.pair(name)
        for item in (*pair.a(40, "train", 0), *pair.b(40, "train", 0)):
            yield from (item.prompt + answer for answer in item.answers)


def metaspace() -> Any:
    """A BPE in the way of SentencePiece: a space before each text, `<s>` in front, padded on the right."""
    core = Tokenizer(cores.BPE(unk_token="<unk>", byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    core.decoder = decoders.Sequence([decoders.Metaspace(), decoders.ByteFallback(), decoders.Fuse()])
    told = [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>", "<s>", "</s>", *told])
    core.train_from_iterator(texts(), trainer)
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = dict(unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>")
    return PreTrainedTokenizerFast(tokenizer_object=core, padding_side="right", **names)


def byte_level() -> Any:
    """A byte-level BPE without a token in front, padded on the left."""
    core = Tokenizer(cores.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<end>"], initial_alphabet=alphabet)
    core.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, padding_side="left", eos_token="<end>", pad_token="<end>"
    )


TOKENIZERS = {"llama": metaspace, "gpt_neox": byte_level}


def save(folder: Path, family: str, seed: int = 0) -> Path:
    """Save a random model of a family with its tokenizer; returns the folder."""
    own = TOKENIZERS[family]()
    words = dict(vocab_size=len(own), bos_token_id=own.bos_token_id, eos_token_id=own.eos_token_id)
    config = AutoConfig.for_model(family, pad_token_id=own.pad_token_id, **words, **CONFIGS[family])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder
