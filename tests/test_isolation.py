"""The user's own set-up of Python, IPython, Jupyter and Snakemake changes nothing."""

import json
import os
import subprocess
import sys

import mini
import pytest

from workflow import terminal


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's set-up, all of it in the way."""
    folder = tmp_path / "home"
    startup = folder / "ipython" / "profile_default" / "startup"
    kernel = folder / "data" / "kernels" / "python3"
    for path in (startup, kernel, folder / "modules"):
        path.mkdir(parents=True)
    (startup / "00.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    spec = {"argv": ["/bin/false"], "display_name": "mine", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    (folder / "matplotlibrc").write_text("figure.dpi: 13\n")
    (folder / "modules" / "nbformat.py").write_text("raise SystemExit('the wrong nbformat')")
    given = dict(IPYTHONDIR=folder / "ipython", JUPYTER_DATA_DIR=folder / "data")
    given |= dict(JUPYTER_PATH=folder / "data", MATPLOTLIBRC=folder / "matplotlibrc")
    given |= dict(PYTHONPATH=folder / "modules", PYTHONWARNINGS="error", PYTHONOPTIMIZE="2")
    given |= dict(SNAKEMAKE_PROFILE="mine", MPLBACKEND="nonsense")
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    for name in (*terminal.ENVIRONMENT, *terminal.FOLDERS):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back after the test
    return folder


def test_the_environment_is_the_projects_own(home, tmp_path):
    assert terminal.isolate(tmp_path / "project")
    assert not {name for name in terminal.DROPPED if name in os.environ}
    assert not [value for value in os.environ.values() if str(home) in value]
    assert not terminal.isolate(tmp_path / "project")


def test_of_a_pythonpath_the_project_stays(home, tmp_path, monkeypatch):
    project = tmp_path / "a project"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(home / "modules"), "", str(project / "inside")]))
    terminal.isolate(project)
    assert os.environ["PYTHONPATH"] == str(project / "inside")


@pytest.mark.usefixtures("home")
def test_the_settings_of_matplotlib_are_those_that_it_comes_with(tmp_path):
    terminal.isolate(tmp_path)
    code = "import matplotlib; print(matplotlib.rcParams['figure.dpi'], matplotlib.get_backend())"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert told.stdout.split()[0] == "100.0"


@pytest.mark.long
def test_a_book_is_made_in_spite_of_it(home, tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONOPTIMIZE"):  # make drops them before Python starts
        monkeypatch.delenv(name)
    project = mini.make(tmp_path / "mini")
    done = mini.drive(project, "book")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "ran").exists()


def test_make_drops_what_python_reads_when_it_starts(root, home):
    told = subprocess.run(
        ["make", "--no-print-directory", "serve", "PYTHON=env; true"],
        cwd=root, env={**os.environ, "PROFILE": "none"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert not {line.partition("=")[0] for line in told.splitlines()} & {
        "PYTHONPATH", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONSTARTUP",
    }  # fmt: skip


def test_what_a_killed_process_left_half_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = tmp_path / "results" / "quick"
    folder.mkdir(parents=True)
    left, living = folder / f".one.csv.{ended.pid}.tmp", folder / f".one.csv.{os.getpid()}.tmp"
    for path in (left, living, folder / "one.csv"):
        path.write_text("1")
    with terminal.alone(tmp_path):
        assert sorted(folder.iterdir()) == sorted([living, folder / "one.csv"])


def test_a_user_without_a_home_or_a_name_works_within_the_project(monkeypatch, tmp_path):
    for name in (*terminal.ENVIRONMENT, *terminal.FOLDERS, "HOME", "LOGNAME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back after the test
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("LOGNAME")

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(terminal.pwd, "getpwuid", unknown)
    assert terminal.isolate(tmp_path)
    own = str(tmp_path / "runs" / ".home")
    assert (os.environ["HOME"], os.environ["LOGNAME"]) == (own, f"user{os.getuid()}")
    assert os.environ["MPLCONFIGDIR"].startswith(own)  # it is not there, so nothing can be written to it
    assert not terminal.isolate(tmp_path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            PermissionError(13, "Permission denied", "/p/runs"),
            "make x: /p/runs: Permission denied; the project",
        ),
        (
            OSError(30, "Read-only file system", "/p/runs"),
            "make x: /p/runs: Read-only file system; the project",
        ),
        (OSError(28, "No space left on device"), "make x: No space left on device; make room"),
        (NotADirectoryError(20, "Not a directory", "/p/runs"), "make x: /p/runs: Not a directory"),
    ],
)
def test_what_the_system_refuses_is_told_in_a_line(error, told):
    with pytest.raises(SystemExit) as caught, terminal.plainly("make x"):
        raise error
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
