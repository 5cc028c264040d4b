"""Small tokenizers that put the space before a word into its token, each in the way of a real family."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers import models as cores
from transformers import PreTrainedTokenizerFast

SPACE = "▁"
HABITS = ("legacy", "first", "gemma", "words")  # Llama 2 as saved first, as saved later, Gemma, a piece model
_WORDS = ("yes", "no", "Answer", "Is", "it")
_SPECIAL = ("<unk>", "<s>", "</s>")


def tokenizer(habit: str, **more: Any) -> Any:
    """A tokenizer with `<s>` before each text, that knows a few words with a space and without."""
    merges = [pair for word in _WORDS for pair in _merges(word)]
    merges += [(SPACE, word) for word in _WORDS]
    pieces = [SPACE, *sorted({letter for word in _WORDS for letter in word}), *":?.", "\n"]
    vocabulary = dict.fromkeys((*_SPECIAL, *pieces, *(a + b for a, b in merges)))
    numbers = {piece: i for i, piece in enumerate(vocabulary)}
    if habit == "words":
        scored = [(piece, -1.0 - 0.1 * (len(numbers) - i)) for piece, i in numbers.items()]
        core = Tokenizer(cores.Unigram([(p, 0.0 if p.strip(SPACE) in _WORDS else s) for p, s in scored], 0))
    else:
        core = Tokenizer(cores.BPE(vocab=numbers, merges=merges, unk_token="<unk>"))
    if habit == "legacy":
        core.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    elif habit == "gemma":
        core.normalizer = normalizers.Replace(" ", SPACE)
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=habit == "words")
    core.decoder = decoders.Metaspace()
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = dict(unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    return PreTrainedTokenizerFast(tokenizer_object=core, **names, **more)


def _merges(word: str) -> list[tuple[str, str]]:
    """Letter by letter."""
    return [(word[:i], word[i]) for i in range(1, len(word))]
