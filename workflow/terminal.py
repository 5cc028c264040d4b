"""What the jobs of the pipeline share: their environment, a lock, progress lines on the terminal."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import pwd
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# One thread a process: the order of a sum depends on the number of threads, and with it the last digits.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
}
# The user's own set-up of Python, IPython, Jupyter and Snakemake: none of it may change a number or a page.
DROPPED = (
    *("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "MPLBACKEND", "SNAKEMAKE_PROFILE"),
    *("PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS"),
)
NOT_YOURS = "; the project must be a copy that you may write into"
FULL = "; make room and type it again: what was finished before stands"
HINTS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), NOT_YOURS),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FULL),
}
FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")  # start-up files, settings, kernels


def isolate(root: Path) -> bool:
    """Give this process and its children the environment of the project; whether anything changed by it.

    A PYTHONPATH keeps the project and what lies below it; all else could stand before an installed library.
    What an interpreter reads when it starts (threads, the seed of hashes) counts for the children only.
    """
    home, before = root / "runs" / ".home", dict(os.environ)
    for name in DROPPED:
        os.environ.pop(name, None)
    os.environ.update(ENVIRONMENT, **{name: str(home / name.lower()) for name in FOLDERS})
    _replace_home(home)
    if (found := importlib.util.find_spec("matplotlib")) and found.origin:
        os.environ["MATPLOTLIBRC"] = str(Path(found.origin).parent / "mpl-data" / "matplotlibrc")
    paths = [path for path in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if path]
    if own := [path for path in paths if Path(path).resolve().is_relative_to(root.resolve())]:
        os.environ["PYTHONPATH"] = os.pathsep.join(own)
    return dict(os.environ) != before


def _replace_home(own: Path) -> None:
    """A user who has no home folder, no name, or no right to write at home works within the project."""
    if os.path.expanduser("~") == "~":  # neither HOME nor a line in the table of users
        os.environ["HOME"] = str(own)
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["MPLCONFIGDIR"] = str(own / "matplotlib")
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("LOGNAME", f"user{os.getuid()}")


@contextmanager
def plainly(label: str) -> Iterator[None]:
    """Say in one line what the system has refused (a right, room on the disk), and exit with status 1."""
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(1) from None  # who reads our lines has gone
    except OSError as error:
        raise SystemExit(f"{label}: {refused(error)}") from None


def refused(error: OSError) -> str:
    """What the system has refused, of which file, and what to do.

    >>> refused(PermissionError(13, "Permission denied", "/project/runs/.lock"))
    '/project/runs/.lock: Permission denied; the project must be a copy that you may write into'
    """
    named = [str(name) for name in (error.filename, error.filename2) if name]
    told = ": ".join([*named[:1], error.strerror or str(error) or type(error).__name__])
    return told + HINTS.get(error.errno or 0, "")


class Busy(RuntimeError):
    """Another run is at work in this folder."""


@contextmanager
def alone(root: Path) -> Iterator[int]:
    """Hold the folder's lock; yields its file descriptor, for children to inherit. Raises Busy.

    The kernel drops the lock when the last process that holds it ends, so neither a kill nor a driver that
    dies before its children leaves the folder in a wrong state. Jobs hold a second lock, see `at_work`.
    """
    (root / "runs").mkdir(exist_ok=True)
    with (root / "runs" / ".lock").open("w") as lock, (root / "runs" / ".work").open("w") as work:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(work, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("another run is at work in this folder; wait for it") from None
        _sweep(root)
        fcntl.flock(work, fcntl.LOCK_UN)
        yield lock.fileno()


def _sweep(root: Path) -> None:
    """Remove what `write_atomically` of killed processes has left; a living one keeps its file."""
    for folder in ("runs", "results", "book/chapters", "_build"):
        for path in (root / folder).rglob(".*.tmp"):
            pid = path.name.split(".")[-2]
            if pid.isdigit() and not Path("/proc", pid).exists() and Path("/proc/self").exists():
                path.unlink(missing_ok=True)


@contextmanager
def at_work(root: Path) -> Iterator[None]:
    """Mark that a job works in this folder: several may, and no new driver starts before all have ended."""
    (root / "runs").mkdir(exist_ok=True)
    with (root / "runs" / ".work").open("w") as work:
        fcntl.flock(work, fcntl.LOCK_SH)
        yield


@contextmanager
def following(path: Path, label: str, pause: float = 1.0) -> Iterator[None]:
    """While the body runs, print the lines that `lglib.base.progress` adds to a file; then remove it."""
    done = threading.Event()

    def show() -> None:
        with path.open(encoding="utf-8") as file:
            while True:
                last = done.is_set()  # asked first, so that what was written before the end is still shown
                for line in file:
                    print(f"{label}    {line.rstrip()}", file=sys.stderr, flush=True)
                if last:
                    return
                done.wait(pause)

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        path.unlink(missing_ok=True)


def take_gpu(root: Path, wanted: bool, pause: float = 1.0) -> bool:
    """Take one GPU of LG_GPUS for this process and what it becomes; whether anything changed by it.

    Each has a lock that the kernel drops when the process ends. Without LG_GPUS, as by hand or on a cluster,
    which gives a job its GPU itself, nothing is done.
    """
    names = os.environ.pop("LG_GPUS", "").split() if wanted else []
    (root / "runs").mkdir(exist_ok=True)
    while names:
        for name in names:
            file = os.open(root / "runs" / f".gpu-{name}", os.O_CREAT | os.O_RDWR, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            os.set_inheritable(file, True)  # it stays open when the interpreter starts anew
            os.environ["CUDA_VISIBLE_DEVICES"] = name
            return True
        time.sleep(pause)
    return False


def from_here(path: Path) -> str:
    """Path as it is seen from the folder in which the user typed."""
    return os.path.relpath(path)
