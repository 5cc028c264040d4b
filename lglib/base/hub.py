"""Files of a hub repository at one fixed commit: from the cache or, when allowed, from the network.

Safetensors, Parquet and text only, never a pickle.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lglib.base import progress

ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
WANTED = {
    "model": ["*.json", "*.safetensors", "*.txt", "*.jinja"],
    "dataset": ["*.parquet", "*.json", "*.jsonl", "README.md"],
}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
BUSY = (429, 500, 502, 503, 504)
WAITS = (1.0, 3.0)  # seconds before another try when the hub is busy
Found = TypeVar("Found")


class Unreachable(ConnectionError):
    """A repository, revision or file that could not be had: what was looked for, where, what to do."""


def fetch(name: str, revision: str | None, *, allow_download: bool = False, kind: str = "model") -> Path:
    """Folder with the text and weight files of a repository (`model` or `dataset`) at a commit.

    What the cache holds is used as it is; only with `allow_download` is the network asked for the rest. A
    busy hub is asked again; a file that is cut off in transfer is taken up again or refused. Raises
    Unreachable, also for a model whose weights are pickles only, and ValueError for a revision that is no
    commit.
    """
    from huggingface_hub import HfApi, snapshot_download

    pinned = _pinned(name, revision, allow_download, kind)

    def get(local: bool) -> Path:
        found = snapshot_download(
            name,
            repo_type=kind,
            revision=pinned,
            allow_patterns=WANTED[kind],
            local_files_only=local,
            tqdm_class=_bar(f"{name}: files"),
        )
        return Path(found)

    try:
        cached = _tried(lambda: get(True), name, pinned, kind, allowed=False)
        if not allow_download or _listed(cached):
            return cached
    except Unreachable:
        if not allow_download:
            raise
    info: Any = _tried(
        lambda: HfApi().repo_info(name, repo_type=kind, revision=pinned), name, pinned, kind, allowed=True
    )
    files = [entry.rfilename for entry in info.siblings or []]
    pickles = [file for file in files if file.endswith(PICKLES)]
    if kind == "model" and pickles and not any(file.endswith(".safetensors") for file in files):
        raise Unreachable(
            f"{name}@{pinned} holds its weights only as {', '.join(pickles[:3])}, which are pickles: they "
            "can run code when read, so they are not downloaded. Look for a revision with safetensors"
        )
    progress.note(f"{name}@{pinned[:8]}: fetching its files")
    return _tried(lambda: get(False), name, pinned, kind, allowed=True)


def _listed(cached: Path) -> bool:
    """Whether the cache holds the list of the commit's files, by which it knows that none is missing."""
    return (cached.parent.parent / "trees" / f"{cached.name}.json").is_file()


def _pinned(name: str, revision: str | None, allow_download: bool, kind: str) -> str:
    if not ID.fullmatch(name):
        raise ValueError(f"{name!r} is no hub id; one has an owner and a name: openai-community/gpt2")
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    found = ""
    if allow_download:
        from huggingface_hub import HfApi

        branch = revision or "main"
        info = _tried(
            lambda: HfApi().repo_info(name, repo_type=kind, revision=branch), name, branch, kind, allowed=True
        )
        found = f"; {branch} is now {info.sha}"
    raise ValueError(
        f"{name} needs the commit that is meant, 40 hexadecimal digits, so that others get the same files; "
        f"got {revision!r}{found}. Write {name}@<commit>"
    )


def _tried(get: Callable[[], Found], name: str, revision: str, kind: str, *, allowed: bool) -> Found:
    """What `get` returns; a busy hub is asked again, and any other failure is told in our words."""
    for wait in (*WAITS, None):
        try:
            with _noted():
                return get()
        except Exception as error:
            if not _of_the_network(error):
                raise
            status = _status(error)
            if allowed and wait is not None and status in BUSY:
                progress.note(f"{name}: the hub answers {status}; asking again in {wait:g} s")
                time.sleep(wait)
                continue
            raise Unreachable(_told(error, status, name, revision, kind, allowed)) from error
    raise Unreachable(f"{name}@{revision} could not be fetched")


@contextmanager
def _noted() -> Iterator[None]:
    """Warnings of huggingface_hub as lines of progress: it would print them, and a page keep them."""

    class Noted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            progress.note(record.getMessage().partition("\n")[0][:160])

    own = logging.getLogger("huggingface_hub")
    kept, own.handlers = own.handlers, [Noted()]
    try:
        yield
    finally:
        own.handlers = kept


def _told(error: Exception, status: int | None, name: str, revision: str, kind: str, allowed: bool) -> str:
    from huggingface_hub import constants, errors

    where = f"Looked in the cache {constants.HF_HUB_CACHE}" + (
        f" and at {constants.ENDPOINT}" if allowed else ""
    )
    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"
    command = f"hf download {name} --repo-type {kind} --revision {revision}"
    offline = (
        f"To work offline, fetch it once where there is a network ({command}) "
        "and copy the cache, or give the path of a folder with the files"
    )
    if isinstance(error, errors.GatedRepoError):
        what = "is gated"
        advice = f"Accept its terms at {page}, then log in with: hf auth login"
    elif isinstance(error, errors.RepositoryNotFoundError):
        what = "does not exist, or is private"
        advice = "Check the spelling; for a private one log in with: hf auth login"
    elif isinstance(error, errors.RevisionNotFoundError):
        what, advice = (
            "has no such commit",
            f"The commits are listed at {page}/commits/main",
        )
    elif not allowed:
        part = "only in part" if type(error).__name__ == "IncompleteSnapshotError" else "not"
        what = f"is {part} in the cache, and downloading is not allowed"
        advice = f"Say allow_download=True to fetch it. {offline}"
    elif status is not None:
        what, advice = f"was not served: the hub answers {status}", f"Try again later. {offline}"
    else:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        what, advice = f"could not be fetched ({type(error).__name__}: {reason})", offline
    return f"{name}@{revision} {what}. {where}. {advice}"


def _of_the_network(error: Exception) -> bool:
    """huggingface_hub speaks HTTP through httpx or its successor httpx2, whose errors are no OSError."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("httpx", "httpx2")


def _status(error: BaseException | None) -> int | None:
    """Status of the HTTP answer behind an error, if there was one."""
    for cause in _causes(error):
        response = getattr(cause, "response", None)
        if response is not None and getattr(response, "status_code", None):
            return int(response.status_code)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _bar(what: str) -> Any:
    """A bar that is drawn on a terminal and else told line by line, so that none ends on a page."""
    from tqdm.auto import tqdm

    class Told(tqdm):
        told = 0.0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": not progress.on_terminal()})

        def update(self, n: float | None = 1) -> bool | None:
            self.told += n or 0
            progress.tell(
                str(getattr(self, "desc", "") or what), int(self.told), getattr(self, "total", None)
            )
            return super().update(n)

    return Told
