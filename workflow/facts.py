"""Facts on the models of a plan, without a download: from a folder, the hub's cache, or config/models.yml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lglib.base import made, settings
from lglib.studies import limits, naming
from lglib.studies.profiles import ProfileError

SHIPPED = Path("lglib/tasks/microworld/weights")


@dataclass(frozen=True)
class Facts:
    """What is known of a model. `download` and `disk` in bytes; `missing` says what must be done first.

    `shape` is None for a model that nobody knows. `fetched` says that files are to be downloaded.
    """

    model: str
    revision: str = ""
    source: str = ""
    download: int = 0
    disk: int = 0
    shape: Any = None
    context: int = 0
    missing: str = ""

    @property
    def fetched(self) -> bool:
        """Whether it is on the hub and not in the cache."""
        return self.source in ("config/models.yml", "unknown") and not self.missing


def of(model: str, root: Path) -> Facts:
    """Facts on a model as a plan or a command line names it; never a download.

    >>> from lglib.report.provenance import project_root
    >>> of("micro-gpt2", project_root()).shape.width
    128
    """
    if naming.is_folder(model):
        path = Path(naming.located(model, root))
        if not (path / "config.json").is_file():
            return Facts(model, missing=f"there is no model at {path}: it has no config.json")
        return _local(model, path, "folder")
    if (root / SHIPPED / model / "config.json").is_file():
        return _local(model, root / SHIPPED / model, "shipped")
    if model in made.HOW:
        try:
            return _local(model, made.folder(model), "cache")
        except (made.NotMade, RuntimeError):  # it is not made, or there is no home folder
            return _listed(model, root, missing=limits.there(model))
    name, _, commit = model.partition("@")
    if "/" not in name:
        return Facts(model, missing=f"no model {model!r} is known; a model is {naming.KINDS}")
    if closed := _closed(os.R_OK | os.X_OK, "read"):
        return _listed(model, root, missing=closed)
    if (cached := snapshot(name, commit)) is not None:
        return _local(model, cached, "cache", commit)
    return _listed(model, root, missing=_closed(os.W_OK, "written"))


def snapshot(name: str, commit: str, kind: str = "models") -> Path | None:
    """Folder of a commit in the hub's cache, if its weights (of a data set: any file) are there."""
    from huggingface_hub import constants

    path = Path(constants.HF_HUB_CACHE) / f"{kind}--{name.replace('/', '--')}" / "snapshots" / commit
    wanted = "*.safetensors" if kind == "models" else "**/*.*"
    return path if commit and path.is_dir() and any(path.glob(wanted)) else None


def _closed(how: int, told: str) -> str:
    """Why the hub's cache, or the folder that will hold it, is of no use to this user; empty when it is."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (cache, *cache.parents) if os.path.lexists(path))
    if os.access(there, how):
        return ""
    return f"the hub's cache {cache} cannot be {told} by this user; name one of yours: HF_HOME=a/folder"


def _local(model: str, folder: Path, source: str, revision: str = "") -> Facts:
    from lglib.base import footprint
    from lglib.models import configs, weights

    try:
        config = configs.read(folder)
        found = weights.find(folder)
        shape = footprint.shape_of(config, found.numbers)
        context = _context(config)
    except (TypeError, ZeroDivisionError) as error:  # a number that is a text, no head
        return Facts(model, revision, source, missing=f"{folder} is no model: its config.json, {error}")
    except (OSError, ValueError) as error:
        return Facts(model, revision, source, missing=f"{folder} is no model: {error}")
    size = sum(os.path.getsize(path) for path in found.files)
    return Facts(model, revision, source, 0, size, shape, context)


def _listed(model: str, root: Path, missing: str = "") -> Facts:
    from lglib.base import footprint

    name, _, commit = model.partition("@")
    own = "config/models.yml"
    try:
        known = settings.read(root / own, own) or {}
        if name not in known:
            return Facts(model, commit, "unknown", missing=missing)
        facts = known[name]
        shape = footprint.shape_of(facts["config"], int(facts["parameters"]))
        size, context = int(facts["download"]), _context(facts["config"])
        revision = commit or str(facts["revision"])
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise ProfileError(f"{own}: what it says of {name} is not whole: {error!r}") from None
    except ValueError as error:
        raise ProfileError(f"{own}: {error}") from None
    return Facts(model, revision, own, size, size, shape, context, missing)


def _context(config: Mapping[str, Any]) -> int:
    """Tokens that a model reads at most; 0 where its config does not say."""
    return int(config.get("max_position_embeddings") or config.get("n_positions") or 0)
