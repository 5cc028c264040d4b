"""Which linear structures in weights and activations are real? The library of the book: its thirty names.

Names are imported when asked for. The rooms behind them: theory, geometry, tasks, parameters, models, search,
activations; `lglib.studies` is what the chapters measure, `lglib.report` what they say of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_FACE = {
    # subspaces and their nulls
    "Subspace": "geometry.subspace",
    "gram_matrix": "geometry.spectra",
    "spectrum": "geometry.spectra",
    "same_norms": "geometry.spectra",
    "nulls": "theory",
    "beta_null": "theory.nulls",
    "laws": "theory",
    "Interval": "theory.stats",
    "mean_interval": "theory.stats",
    # a model as a point, and its runs
    "ParameterSpace": "parameters.space",
    "Trajectory": "parameters.descent",
    "descend": "parameters.descent",
    "optimizer": "parameters.descent",
    "prefix_capture": "parameters.recovery",
    "per_example_gradients": "parameters.per_example",
    "memory_estimate": "parameters.memory",
    # random search
    "random_search": "search.random_search",
    "gains": "search.random_search",
    "best_of_n": "search.random_search",
    "noise": "search.random_search",
    "sigma_star": "search.step_length",
    "advised_sigma": "search.advice",
    "pass_at": "search.votes",
    # language models, adapters, questions
    "load": "models.loading",
    "attach_lora": "models.lora",
    "Item": "tasks.items",
    "micro_items": "tasks.data",
    "probabilities": "tasks.scoring",
    # activations
    "caa": "activations.steering",
    "caa_from_texts": "activations.steering",
    "steer": "activations.steering",
    "Pushforward": "activations.pushforward",
    # exercises of the book
    "check": "course.checks",
}
_OWN_NAME = {"attach_lora": "attach", "micro_items": "micro"}
__all__ = list(_FACE)


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'lglib' has no attribute {name!r}; its names: {', '.join(_FACE)}")
    if _FACE[name] == "theory":
        return importlib.import_module(f"lglib.theory.{name}")
    return getattr(importlib.import_module(f"lglib.{_FACE[name]}"), _OWN_NAME.get(name, name))


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from lglib.activations.pushforward import Pushforward
    from lglib.activations.steering import caa, caa_from_texts, steer
    from lglib.course.checks import check
    from lglib.geometry.spectra import gram_matrix, same_norms, spectrum
    from lglib.geometry.subspace import Subspace
    from lglib.models.loading import load
    from lglib.models.lora import attach as attach_lora
    from lglib.parameters.descent import Trajectory, descend, optimizer
    from lglib.parameters.memory import memory_estimate
    from lglib.parameters.per_example import per_example_gradients
    from lglib.parameters.recovery import prefix_capture
    from lglib.parameters.space import ParameterSpace
    from lglib.search.advice import advised_sigma
    from lglib.search.random_search import best_of_n, gains, noise, random_search
    from lglib.search.step_length import sigma_star
    from lglib.search.votes import pass_at
    from lglib.tasks.data import micro as micro_items
    from lglib.tasks.items import Item
    from lglib.tasks.scoring import probabilities
    from lglib.theory import laws, nulls
    from lglib.theory.nulls import beta_null
    from lglib.theory.stats import Interval, mean_interval
