"""The tokenizer of a model folder: loaded without code of its own, open at its end, within the embedding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lglib.base import progress
from lglib.models.configs import ModelError, short
from lglib.tasks import encoding

PLAIN = ("TokenizersBackend", "PreTrainedTokenizerFast")  # a tokenizer that is all in tokenizer.json
LOCAL: dict[str, Any] = dict(local_files_only=True, trust_remote_code=False)
TOO_LONG = "sequence-length-is-longer-than-the-specified-maximum"  # transformers' own name of its warning


def read(folder: Path) -> Any:
    """Load the tokenizer of a folder in transformers format; nothing is downloaded and no code is run.

    A token that it would put behind every text is taken off, and said so as progress: a prompt must end where
    its answer begins. It does not warn of long texts, whose length is checked against the model's context.
    Raises ModelError where there is none that loads, or its end cannot be opened.

    >>> from lglib.models import shipped
    >>> read(shipped.folder("micro-gpt2")).tokenize("Is it?")
    ['ĠIs', 'Ġit', '?']
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    own: Any = AutoTokenizer
    path, held = folder / "tokenizer_config.json", sorted(p.name for p in folder.iterdir())
    try:
        if not {"tokenizer.json", "tokenizer.model", "vocab.json"} & set(held):
            raise FileNotFoundError("none of its files is there")  # some classes are content with no word
        options = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if options.get("tokenizer_class") in PLAIN and (folder / "tokenizer.json").is_file():
            own = PreTrainedTokenizerFast  # AutoTokenizer would cut a Qwen2's text its own way nevertheless
        found = own.from_pretrained(folder, **LOCAL)
        found.deprecation_warnings[TOO_LONG] = True  # said once already: a strict build fails by it
        behind = encoding.behind_text(found)
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise ModelError(f"{folder} has no tokenizer that loads ({short(error)}); it holds {held}") from None
    if behind:
        _open_end(found, behind, folder)
    return found


def require_within(tokenizer: Any, rows: int, folder: Path) -> None:
    """Raise ModelError when ordinary text can become a token beyond the rows of the embedding.

    A special token beyond them is let pass: no text has it unless it spells it out (Gemma 3 has one).

    >>> from lglib.tasks.microworld import lexicon
    >>> require_within(lexicon.tokenizer(), len(lexicon.tokenizer()), Path("mine"))
    """
    added = tokenizer.added_tokens_decoder
    beyond = {i: token for token, i in tokenizer.get_vocab().items() if i >= rows}
    always = [i for i in tokenizer(encoding.CARRIER).input_ids if i >= rows]
    ordinary = sorted({i for i in beyond if not (i in added and added[i].special)} | set(always))
    if ordinary:
        told = ", ".join(f"{beyond.get(i)!r} ({i})" for i in ordinary[:3])
        raise ModelError(
            f"{folder}: the tokenizer has {len(ordinary)} tokens beyond the embedding, which has {rows} "
            f"rows: {told}. The tokenizer is of another model, or the embedding was not resized"
        )


def _open_end(tokenizer: Any, behind: list[int], folder: Path) -> None:
    """Take off what the tokenizer puts behind a text."""
    from tokenizers import Tokenizer

    told = tokenizer.convert_ids_to_tokens(behind)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        own = json.loads(backend.to_str())
        own["post_processor"] = _opened(own["post_processor"])
        backend.post_processor = Tokenizer.from_str(json.dumps(own)).post_processor
    if backend is None or encoding.behind_text(tokenizer):
        raise ModelError(
            f"{folder}: the tokenizer ends every text with {told}, so that no answer can follow a prompt, "
            "and that cannot be taken off here. Save it with add_eos_token=False"
        )
    progress.note(f"{folder}: the tokenizer's {told} behind every text is left off, so that answers follow")


def _opened(post: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A post-processor, as it is written in tokenizer.json, without what comes behind a text."""
    if post is None:
        return None
    if post["type"] == "Sequence":
        return {**post, "processors": [_opened(one) for one in post["processors"]]}
    if post["type"] == "TemplateProcessing":
        return {**post, "single": _until_text(post["single"])}
    if post["type"] in ("RobertaProcessing", "BertProcessing"):
        name, number = post["cls"]
        first = {"SpecialToken": {"id": name, "type_id": 0}}
        one, other = ({"Sequence": {"id": x, "type_id": 0}} for x in "AB")
        tokens = {name: {"id": name, "ids": [number], "tokens": [name]}}
        pieces = dict(single=[first, one], pair=[first, one, other], special_tokens=tokens)
        return {"type": "TemplateProcessing", **pieces}
    return dict(post)


def _until_text(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    at = next((i for i, piece in enumerate(pieces) if "Sequence" in piece), len(pieces) - 1)
    return pieces[: at + 1]
