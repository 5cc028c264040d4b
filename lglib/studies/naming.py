"""What a model is called: what a user writes, what is loaded, and the name under which its runs are filed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from lglib.base.files import write_atomically
from lglib.report.provenance import project_root

MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # the name under which a model is filed
FOLDERS = "runs/.folders.json"  # folders that were named on a command line, by profile and name
KINDS = "a shipped one, a folder, or a hub id owner/name@commit"


def is_folder(model: str) -> bool:
    """Whether a model is meant as a folder: by how it begins, or because there is one.

    A plain name is none; write ./name. With two parts, as a hub id has, it is one where it exists.

    >>> is_folder("/data/mine"), is_folder("./mine"), is_folder("owner/name@0123"), is_folder("micro-gpt2")
    (True, True, False, False)
    """
    if model in (".", "..") or model.startswith(("/", "./", "../", "~")):
        return True
    return "/" in model and "@" not in model and (model.count("/") > 1 or os.path.isdir(model))


def located(model: str, root: str | Path | None = None) -> str:
    """What is loaded: of a folder its absolute path, seen from `root` (default: here); else what is written.

    >>> located("../mine", "/data/project"), located("micro-gpt2")
    ('/data/mine', 'micro-gpt2')
    """
    if not is_folder(model):
        return model
    return os.path.abspath(os.path.join(root or os.getcwd(), os.path.expanduser(model)))


def filed(model: str) -> str:
    """Name under which the runs of a model are filed: a hub id without its commit, the last part of a folder.

    >>> filed("openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e")
    'openai-community--gpt2'
    >>> filed("/data/my models/Gemma 3 (tuned)/")
    'Gemma-3-tuned'
    """
    if is_folder(model):
        return re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(located(model))).strip("-._")
    return model.partition("@")[0].rstrip("/").replace("/", "--")


def clashes(models: Iterable[str], root: str | Path | None = None) -> list[str]:
    """One line for each name that two different models would be filed under.

    >>> clashes(["/a/mine", "/b/mine", "micro-gpt2"])
    ["'/a/mine' and '/b/mine' would both be filed under 'mine'; rename one"]
    """
    by_name: dict[str, dict[str, None]] = {}
    for model in models:
        by_name.setdefault(filed(model), {})[located(model, root)] = None
    return [
        f"{' and '.join(map(repr, found))} would both be filed under {name!r}; rename one"
        for name, found in by_name.items()
        if len(found) > 1
    ]


def remember(profile: str, models: Iterable[str], root: Path) -> list[str]:
    """Note which folder each name stands for, so that a later run and a page find it.

    Returns one line for each name that stands for another folder already, and notes nothing then.
    """
    found = _noted(root)
    own = found.get(profile, {})
    new = {filed(model): located(model, root) for model in models if is_folder(model)}
    wrong = [
        f"{path!r} would be filed under {name!r}, which is {own[name]!r} here; rename one, or delete "
        f"runs/observations/{profile}/{name} and its line in {FOLDERS}"
        for name, path in new.items()
        if own.get(name, path) != path
    ]
    if new and not wrong and not new.items() <= own.items():
        write_atomically(root / FOLDERS, json.dumps({**found, profile: {**own, **new}}, indent=1) + "\n")
    return wrong


def loaded(model: str, planned: Iterable[str], profile: str, root: Path | None = None) -> str:
    """What is loaded for a model, or for the name under which it is filed, in a profile.

    `planned` are the models of the profile. A name that is not among them may be that of a folder that was
    named on a command line before; any other is left as it is.
    """
    root = root or project_root()
    if is_folder(model):
        return located(model, root)
    names = {filed(one): located(one, root) for one in planned}
    if model in names:
        return names[model]
    return model if model in names.values() else _noted(root).get(profile, {}).get(model, model)


def _noted(root: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads((root / FOLDERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
