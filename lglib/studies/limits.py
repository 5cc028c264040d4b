"""What must hold beyond the range of each parameter: told before anything starts.

Parameters that fit together, models that there are, a device that is there, the values of a notebook. It can
only refuse: parameters are filed by value, so no change here can change a number, and it is not hashed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from lglib.base import made
from lglib.base.settings import shown
from lglib.studies import naming, words

SHIPPED = ("micro-gpt2", "micro-qwen2", "micro-olmo2")  # `models.shipped.NAMES`, without loading torch
OWN = {  # studies of one network, or of quadratics, of their own
    "theory": "digits-mlp",
    "quadratic": "quadratics",
    "synthetic": "multitask-gpt2",
}
LANGUAGE = ("lora", "controls", "rank", "bridge", "lens")  # studies of one language model
KNOWN = (*SHIPPED, *made.HOW)
HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+@[0-9a-f]{40}")
LARGEST_SEED = 2**31 - 1
# What the first cell of a chapter sets beside profile, seed and model, by study.
Whole = Annotated[int, Field(ge=1, le=100_000)]
Name = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
LIVE: dict[str, dict[str, Any]] = {
    "theory": {"width": Annotated[int, Field(ge=2, le=200_000)]},
    "synthetic": {"task": Literal["sort", "reverse"], "optimiser": Literal["SGD", "momentum", "Adam"]},
    "models": {"model": Name},
    "lora": {
        "pair": Literal["cipher", "edit", "order", "last", "first", "format", "own"],
        "basis": Literal["prefix", "local", "static, normalised", "whole space"],
        "every": Whole,
    },
    "rank": {"live_tasks": Annotated[list[Name], Field(min_length=1)]},
    "bridge": {
        "kind": Literal["logit difference", "say yes", "correct answer"],
        "pairs": Annotated[Whole, Field(ge=4)],
    },
    "quadratic": {},
    "controls": {},
    "lens": {},
}


def wrong(study: str, p: Any) -> list[str]:
    """What of the parameters of a study does not fit together, a line each; empty where all does.

    >>> from lglib.studies.lora.parameters import Parameters as Lora
    >>> wrong("lora", Lora(shape_pairs=("first", "format")))
    ["shape_pairs must be among task_pairs, ['cipher', 'edit', 'order', 'last', 'first']; 'format' is not"]
    """
    found = [named("names", name) for name in p.names] if study == "models" else [run_of(study, p.model)]
    if study == "lora" and len(p.shapes) > 1:
        other = [pair for pair in p.shape_pairs if pair not in p.task_pairs]
        told = f"shape_pairs must be among task_pairs, {list(p.task_pairs)}"
        found += [f"{told}; {', '.join(map(repr, other))} is not"] if other else []
    return [line for line in found if line]


def run_of(study: str, model: str) -> str:
    """Why a study cannot run on a model of this name, on any machine; empty where it can.

    >>> run_of("lora", "micro-gtp2").partition(";")[0]
    "model is 'micro-gtp2', which is not known (did you mean 'micro-gpt2'?)"
    """
    if study in LANGUAGE:
        return named("model", model)
    if own := OWN.get(study):
        told = f"model is {model!r}; study {study} has one network of its own, which is called {own!r}"
        return told if model != own else ""
    if study == "models" and (model in KNOWN or not naming.MODEL.fullmatch(model)):
        told = f"model is {model!r}, and study models looks at several, under a name of its own such as"
        return f"{told} 'micro-models'; write the models into its parameter names"
    return ""


def named(parameter: str, model: str) -> str:
    """Why a name is none of a language model; empty where it may be one. Whether it is there, see `here`.

    >>> named("model", "micro-gpt2"), named("model", "./mine")
    ('', '')
    """
    if naming.is_folder(model) or model in KNOWN or HUB.fullmatch(model):
        return ""
    if "/" in model:
        told = f"{parameter} is {model!r}, which is no folder, and no hub id with its commit:"
        return f"{told} write owner/name@ and the 40 hexadecimal digits of the commit that is meant"
    told = f"{parameter} is {shown(model)}, which is not known{words.near(model, KNOWN)}"
    return f"{told}; it is {', '.join(KNOWN)}, a folder (./name), or a hub id owner/name@commit"


def here(study: str, p: Any) -> list[str]:
    """What a run with these parameters asks for and this machine has not: its GPU, the folder of its model.

    >>> from lglib.studies.rank.parameters import Parameters as Rank
    >>> here("rank", Rank(model="/no/such/model"))
    ['model is /no/such/model, and there is no such folder']
    """
    models = p.names if study == "models" else (p.model,) if study in LANGUAGE else ()
    return [line for line in (device(p.device), *map(there, models)) if line]


def device(wanted: str) -> str:
    """Why models cannot run on a device of this machine; empty where they can. Only cuda loads torch.

    >>> device("cpu")
    ''
    """
    if wanted == "cpu":
        return ""
    import torch

    if torch.cuda.is_available():
        return ""
    built = (
        "" if torch.backends.cuda.is_built() else "; the torch that is installed is built for the CPU alone"
    )
    return f"device is {wanted!r}, and torch sees no GPU here{built}; device: cpu runs everywhere"


def there(model: str) -> str:
    """Why a model cannot be read from this machine's disk; empty where it can, or comes from the hub.

    >>> there("micro-gpt2")
    ''
    """
    if model in made.HOW:
        try:
            made.folder(model)
        except made.NotMade as error:
            return str(error)
        except RuntimeError:
            return f"{model} would lie in the home folder, and there is none; set XDG_CACHE_HOME or HOME"
    if not naming.is_folder(model):
        return ""
    folder = naming.located(model)
    if not os.path.isdir(folder):
        return f"model is {folder}, and there is no such folder"
    if not os.path.isfile(os.path.join(folder, "config.json")):
        return f"model is {folder}, which has no config.json: no model in the format of transformers"
    return ""


def of_blocks(study: str, given: Mapping[str, Any], blocks: int) -> str:
    """Why a study cannot run on a model of so many blocks; empty where it can.

    >>> of_blocks("bridge", {"depths": [0.9, 1.0]}, 4)
    'depths [0.9, 1.0] are one layer of a model of 4 blocks; it takes two'
    """
    if study != "bridge" or len({max(1, round(depth * blocks)) for depth in given["depths"]}) > 1:
        return ""
    return f"depths {list(given['depths'])} are one layer of a model of {blocks} blocks; it takes two"


def live(study: str, given: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values that the first cell of a chapter sets for its live case, a line each.

    >>> live("synthetic", {"task": "sorted"})
    ["task is 'sorted' (did you mean 'sort'?); it should be 'sort' or 'reverse'"]
    """
    kinds, found = {"seed": Seed, **LIVE.get(study, {})}, []
    for name, value in given.items():
        try:
            TypeAdapter(kinds[name], config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            found += [words.line(one, name) for one in error.errors()[:1]]
    if "model" in given and not found:
        found = [told for told in (named("model", given["model"]), there(given["model"])) if told]
    return found
