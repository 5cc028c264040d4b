"""make serve: which book, on which port, nothing outside; and no value on make's command line is run."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from workflow import serve

VALUES = ("PROFILE", "STUDIES", "MODELS", "SEEDS", "DATA", "DEVICE", "CHAPTERS", "CORES", "CONFIRM", "NAMES")


def built(root, name, age=0):
    folder = root / "_build" / (name if name == "html" else f"{name}/html")
    folder.mkdir(parents=True)
    for file in ("index.html", serve.STAMP):
        (folder / file).write_text(name)
        os.utime(folder / file, (1e9 - age, 1e9 - age))
    return folder


def test_the_book_that_was_built_last_is_shown_or_the_one_that_is_named(tmp_path):
    usual, smoke = built(tmp_path, "html", age=5), built(tmp_path, "smoke")
    assert serve.chosen(tmp_path, "") == ("smoke", smoke)
    assert serve.chosen(tmp_path, "quick") == ("quick", usual)
    with pytest.raises(ValueError, match=r"no book of the profile 'mine' is built, only of smoke, quick"):
        serve.chosen(tmp_path, "mine")


def test_without_a_book_it_is_said_how_to_make_one(tmp_path):
    with pytest.raises(ValueError, match="no book is built yet; type: make book"):
        serve.chosen(tmp_path, "")


@pytest.mark.parametrize("text", ["0", "65536", "99999", "8000; true", "", "-1", "1e3", "٣", "9" * 5000])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(ValueError, match="PORT must be a whole number from 1 to 65535"):
        serve.port(text)


def test_a_port_in_use_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    built(tmp_path, "html")
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert serve.main(["--port", str(number)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"make serve: port {number} cannot be had (Address already in use)")
    assert told.count("\n") == 1


def test_a_link_out_of_the_book_is_not_followed(tmp_path):
    folder = built(tmp_path, "html")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "inside").symlink_to(folder / "index.html")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(serve.Inside, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}"
        try:
            assert urlopen(f"{home}/inside").read() == b"html"
            for path in ("link", "../../secret", "%2e%2e/%2e%2e/secret"):
                with pytest.raises(HTTPError, match="404"):
                    urlopen(f"{home}/{path}")
        finally:
            server.shutdown()


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("name", [*VALUES, "PORT", "ACCEPT_TERMS", "ALL"])
def test_make_runs_nothing_of_a_value(root, tmp_path, name):
    done = tmp_path / "done"
    for value in (f"$(shell touch {done})", f"`touch {done}`", f"$$(touch {done})", f"'; touch {done}; '"):
        for given in ([f"{name}={value}"], []):
            env = {**os.environ, **({} if given else {name: value})}
            told = subprocess.run(
                ["make", "--no-print-directory", "serve", "PYTHON=true", *given],
                cwd=root, env=env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert not told.returncode, told.stderr
    assert not done.exists()


def test_it_needs_the_standard_library_alone(root):
    code = "import sys, workflow.serve; print([m for m in ('torch', 'numpy', 'lglib') if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
