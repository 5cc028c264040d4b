"""What peft's adapter_config.json says of the scaling of each layer, and what of it is no plain LoRA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PLAIN_STARTS = (
    True,
    False,
    "gaussian",
    "orthogonal",
    "eva",
)  # the others change the base's weights at the start
OTHER = (  # options of peft under which the function is another than W x + scaling B A x
    "use_dora", "lora_bias", "layer_replication", "use_qalora", "use_bdlora", "alora_invocation_tokens",
    "arrow_config", "modules_to_save", "target_parameters", "trainable_token_indices", "velora_config",
    "monteclora_config", "lora_ga_config", "kasa_config",
)  # fmt: skip


class AdapterError(ValueError):
    """An adapter that does not fit: no such layers, no such rank, or another base model."""


def scalings(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    """Scaling of each layer by name: alpha / r, or alpha / sqrt(r) with `use_rslora`, by its own alpha and r.

    `alpha_pattern` and `rank_pattern` give single layers others. Raises AdapterError for an adapter that is
    no plain LoRA (DoRA, say), by the option's name, and for an alpha or r that is no number.

    >>> scalings({"r": 4, "lora_alpha": 8, "use_rslora": True, "alpha_pattern": {"up": 2}}, ["up", "q"])
    {'up': 1.0, 'q': 4.0}
    """
    from peft.utils.other import get_pattern_key

    if (kind := str(config.get("peft_type", "LORA"))) not in ("LORA", "PeftType.LORA"):
        raise AdapterError(f"the adapter is {kind}, want LORA")
    if strange := [name for name in OTHER if config.get(name)]:
        raise AdapterError(f"the adapter uses {', '.join(strange)}, so it is not W x + scaling B A x")
    if (start := config.get("init_lora_weights", True)) not in PLAIN_STARTS:
        raise AdapterError(
            f"the adapter began as init_lora_weights={start!r}, which changes the base's weights: convert it "
            "with peft (path_initial_model_for_weight_conversion) before reading it"
        )
    found = {}
    for name in names:
        own: list[Any] = []
        for what, pattern in (("lora_alpha", "alpha_pattern"), ("r", "rank_pattern")):
            given = config.get(pattern) or {}
            own.append(given.get(get_pattern_key(list(given), name), config.get(what)))
        if not all(isinstance(x, int | float) and not isinstance(x, bool) and x > 0 for x in own):
            raise AdapterError(f"lora_alpha and r of {name} must be numbers above 0, got {own}")
        alpha, r = own
        found[name] = alpha / (r**0.5 if config.get("use_rslora") else r)
    return found
