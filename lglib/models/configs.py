"""What config.json of a model folder may say: plain JSON, of a sane size, no code, as deep as its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lglib.models.families import UnsupportedFamily

DEEPEST = 20  # levels of nesting; a real config has five
LAYERS = 10_000  # numbers above which a config cannot be meant: they would be built before they are refused
POSITIONS = 2**24
NUMBER = 2**31
CONTEXTS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length")


class ModelError(ValueError):
    """A model that cannot be loaded, or not safely; the message says what was looked for and what to do."""


def read(folder: Path) -> Mapping[str, Any]:
    """What config.json says, once it is known to be harmless.

    Raises ModelError when it cannot be read, names no model_type, runs code, is nested more than 20 levels,
    or holds a number that is not finite or that no model has (it would be built before it is refused).

    >>> from lglib.models import shipped
    >>> read(shipped.folder("micro-qwen2"))["model_type"]
    'qwen2'
    """
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ModelError(f"{path} is nested too deep to be a config: more than {DEEPEST} levels") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} is no model: its config.json cannot be read ({short(error)})") from None
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise ModelError(f"{path} names no model_type")
    if "auto_map" in found:
        raise ModelError(
            f"{path} runs code of its own (auto_map), which is refused: use a class of transformers"
        )
    named = found.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ModelError(f"{path}: architectures must be a list of names, got {named!r:.60}")
    for name, value, depth in _values(found):
        if depth > DEEPEST:
            raise ModelError(f"{path} is nested too deep to be a config: more than {DEEPEST} levels")
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelError(f"{path}: {name} is {value}, want a finite number")
        if isinstance(value, int) and abs(value) > (most := _most(name)):
            raise ModelError(
                f"{path}: {name} is {_digits(value)}, want at most {most:,}: no model is so large"
            )
    return found


def context(config: Any) -> int:
    """How many tokens a model reads at most. A sliding window or scaled rotary positions do not change it.

    `config` is a config of transformers. Raises UnsupportedFamily when it names none, as Mamba's and Bloom's.

    >>> from transformers import GPTJConfig
    >>> context(GPTJConfig(n_positions=77))
    77
    """
    for name in CONTEXTS:
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    raise UnsupportedFamily(
        f"the config of {config.model_type!r} names no number of positions ({', '.join(CONTEXTS)}): how long "
        "a text it reads is not known. Recurrent models and those with ALiBi only are not supported"
    )


def width(config: Any) -> int:
    """Width of the residual stream; UnsupportedFamily when the config names none.

    >>> from transformers import GPTJConfig
    >>> width(GPTJConfig(n_embd=64))
    64
    """
    value = getattr(config, "hidden_size", None)
    if isinstance(value, int) and value > 0:
        return value
    raise UnsupportedFamily(f"the config of {config.model_type!r} names no hidden_size")


def require_blocks(config: Any, held: int, folder: Path) -> None:
    """Raise ModelError unless the config has as many blocks as the weights, `held`; 0 is not known.

    >>> from transformers import GPT2Config
    >>> require_blocks(GPT2Config(n_layer=2), 2, Path("mine"))
    """
    wanted = getattr(config, "num_hidden_layers", None)
    if not held or not isinstance(wanted, int) or wanted == held:
        return
    how = "fewer" if wanted < held else "more"
    raise ModelError(f"{folder}: config.json has {how} blocks than the weights, which have {held}: {wanted}")


def short(error: Exception) -> str:
    """Return an error in one line.

    >>> short(ValueError("so\\nmuch"))
    'ValueError: so'
    """
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0][:200]}"


def _most(name: str) -> int:
    if "layer" in name:
        return LAYERS
    if "theta" in name:  # the base of rotary positions may be any number
        return 10**100
    return POSITIONS if "position" in name or name in CONTEXTS else NUMBER


def _values(config: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Name, value and depth of everything in a config, without recursion."""
    waiting: list[tuple[str, Any, int]] = [("", config, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        yield name, value, depth
        if depth > DEEPEST:
            return
        if isinstance(value, dict):
            waiting += [(str(key), own, depth + 1) for key, own in value.items()]
        elif isinstance(value, list):
            waiting += [(name, own, depth + 1) for own in value]


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 100 else "a number of hundreds of digits"
