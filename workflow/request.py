"""What a user asks for on the command line of make: studies, models, seeds, chapters, cores; all checked."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lglib import studies
from lglib.studies import limits, naming
from lglib.studies.limits import LARGEST_SEED
from lglib.studies.naming import MODEL, filed, located
from lglib.studies.profiles import ProfileError


@dataclass(frozen=True)
class Run:
    """One run of a study; `model` is what is loaded (a folder: its path), `name` what it is filed under."""

    study: str
    profile: str
    model: str
    seed: int

    @property
    def name(self) -> str:
        """Name under which the run is filed."""
        return filed(self.model)


def runs(profile: str, root: Path, *, names: str = "", models: str = "", seeds: str = "") -> list[Run]:
    """Runs of a profile's plan, of some studies, models and seeds only where these are named.

    A seed that is named is run whether or not it is in the plan. A model outside the plan takes naming the
    studies too. Raises ProfileError naming what cannot be.
    """
    plan = studies.check(profile, root)
    wanted, numbers = pick_models(models), pick_seeds(seeds)
    chosen = [study for study in pick_studies(names) if study in plan or study in names.split()]
    own = {study: {located(m, root): found for m, found in plan[study].runs.items()} for study in chosen}
    planned = {model for runs in own.values() for model in runs}
    if not names.split() and (unknown := [model for model in wanted if model not in planned]):
        raise ProfileError(
            f"MODELS has {unknown[0]!r}, which is not in the plan of {profile}; name STUDIES too"
        )
    if wrong := [told for study in chosen for model in wanted if (told := _no_run(study, model, planned))]:
        raise ProfileError("; ".join(dict.fromkeys(wrong)))
    if wrong := naming.clashes([*plan.models, *wanted], root):
        raise ProfileError("; ".join(wrong))
    found = []
    for study in chosen:
        for model in wanted or own[study]:
            if model in own[study] or model not in planned:
                found += [Run(study, profile, model, s) for s in numbers or own[study].get(model, [0])]
    return found


def _no_run(study: str, model: str, planned: set[str]) -> str:
    """Why a study cannot run on a model of the command line; one of the plan runs where the plan names it."""
    return "" if model in planned else limits.run_of(study, model)


def pick_studies(wanted: str) -> list[str]:
    """Studies by name, in the order of the book; none named means all."""
    for word in wanted.split():
        if word not in studies.NAMES:
            raise ProfileError(f"STUDIES has {word!r}; there is: {', '.join(studies.NAMES)}")
    return [name for name in studies.NAMES if name in wanted.split() or not wanted.split()]


def pick_models(wanted: str) -> list[str]:
    """Models by what is loaded: of a folder its absolute path.

    A folder with spaces in its path stands in quotes among others; alone it needs none.
    """
    words = _words(wanted)
    for word in words:
        missing = naming.is_folder(word) and not os.path.isdir(located(word))
        if missing or not MODEL.fullmatch(filed(word)):
            where = f" (there is no folder {located(word)})" if missing else ""
            raise ProfileError(f"MODELS has {word!r}; a model is {naming.KINDS}{where}")
    return list(dict.fromkeys(map(located, words)))


def _words(wanted: str) -> list[str]:
    """Words of a list of models: a folder that is there as it is, else parted by spaces outside of quotes."""
    if naming.is_folder(wanted) and os.path.isdir(located(wanted)):
        return [wanted]
    try:
        return shlex.split(wanted)
    except ValueError as error:
        raise ProfileError(f"MODELS is {wanted!r}: {error}") from None


def pick_seeds(wanted: str) -> list[int]:
    """Seeds from "0 1 2", rising, each once."""
    for word in wanted.split():
        if not (word.isascii() and word.isdigit() and int(word) <= LARGEST_SEED):
            raise ProfileError(f"SEEDS has {word!r}; a seed is a whole number from 0 to {LARGEST_SEED}")
    return sorted({int(word) for word in wanted.split()})


def pick_chapters(wanted: str, known: list[str]) -> list[str]:
    """Pages by chapter or by name, for example "01 03s_lora_drift"; a number means all of the chapter.

    >>> pick_chapters("4 02b", ["02_a", "02b_m", "04_b", "04s_b"])
    ['02b_m', '04_b', '04s_b']
    """
    found = []
    for word in wanted.split():
        number = word.zfill(2) if word.isdecimal() else word
        matches = [c for c in known if number in (c, c.split("_")[0], c[:2])]
        if not matches:
            raise ProfileError(f"CHAPTERS has {word!r}; there is: {', '.join(known)}")
        found += matches
    return sorted(set(found)) or list(known)


def pick_means(given: Mapping[str, str], root: Path) -> dict[str, Any]:
    """What a sweep may use, from texts: cores, memory in bytes, GPUs, the name of a cluster's profile."""
    found = {"cores": pick_cores(given["cores"]), "memory": pick_memory(given["memory"])}
    gpus, cluster = given["gpus"], given["cluster"]
    if gpus and not (gpus.isascii() and gpus.isdigit()):
        raise ProfileError(f"GPUS is {gpus!r}; it is a whole number from 0")
    known = sorted(path.parent.name for path in (root / "workflow" / "profiles").glob("*/config.yaml"))
    if cluster and cluster not in known:
        raise ProfileError(f"CLUSTER is {cluster!r}; there is: {', '.join(known)}")
    if cluster and importlib.util.find_spec(f"snakemake_executor_plugin_{cluster}") is None:
        advice = f".venv/bin/python -m pip install --constraint requirements.txt '.[{cluster}]'"
        raise ProfileError(f"CLUSTER={cluster} takes a plugin of Snakemake; type: {advice}")
    return {**found, "gpus": int(gpus) if gpus else None, "cluster": cluster}


def pick_memory(wanted: str) -> float:
    """Bytes that all runs together may take; 0 for none named.

    >>> pick_memory("12G"), pick_memory("800 MB"), pick_memory("")
    (12000000000.0, 800000000.0, 0.0)
    """
    if not wanted.strip():
        return 0.0
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([GM])B?", wanted.strip(), re.ASCII)
    if not found or float(found[1]) == 0:
        raise ProfileError(f"MEMORY is {wanted!r}; it is a size such as 12G or 800M")
    return float(found[1]) * {"G": 1e9, "M": 1e6}[found[2]]


def pick_cores(wanted: str) -> int:
    """Jobs at a time; default: the cores that this process may use."""
    if not wanted:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (wanted.isascii() and wanted.isdigit() and int(wanted) > 0):
        raise ProfileError(f"CORES is {wanted!r}; it is a whole number from 1")
    return int(wanted)
