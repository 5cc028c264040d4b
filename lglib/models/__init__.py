"""Language models by name, folder or hub id, and LoRA adapters on them as points in R^d."""

from lglib.models import families, function_space, loading, lora, shipped
from lglib.models.loading import LanguageModel, load
from lglib.models.lora import Adapter, attach, detach

__all__ = [
    "Adapter",
    "LanguageModel",
    "attach",
    "detach",
    "families",
    "function_space",
    "load",
    "loading",
    "lora",
    "shipped",
]
