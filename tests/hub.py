"""A small stand-in of the Hugging Face hub, for tests of the ordinary client code.

A test publishes folders as commits of models and data sets and points `HF_ENDPOINT` at the server, which
answers what huggingface_hub 2.4 and datasets 5.2 ask of the real hub, without redirects, pages and xet
storage. Failures are ordered in advance.

    with Hub() as hub:
        sha = hub.publish("owner/name", folder)
        hub.fail("config.json", 503, times=2)
        run(script, env={"HF_ENDPOINT": hub.endpoint, "HF_HOME": fresh_folder, ...})

The clients read `HF_ENDPOINT` and `HF_HOME` when they are imported: run each in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

LFS = (".safetensors", ".parquet")  # files that the real hub keeps outside of git
NAME = r"(?P<name>[^/]+(?:/[^/]+)?)"
FILE = re.compile(rf"/(?P<kind>datasets/)?{NAME}/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
API = re.compile(
    rf"/api/(?P<kind>model|dataset)s/{NAME}"
    r"(?:/(?P<task>revision|tree|paths-info)/(?P<rev>[^/]+)(?:/(?P<path>.+))?)?"
)
MESSAGES = {
    "RepoNotFound": "Invalid username or password.",  # what the hub tells an anonymous client
    "GatedRepo": "Access to this repository is restricted. You must be authenticated to access it.",
    "EntryNotFound": "Entry not found",
}


def _git_id(data: bytes) -> str:
    """The id that git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _File:
    """The bytes of one file, and how a listing of its folder names them."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self.data, self.lfs = path, data, path.endswith(LFS)
        self.etag = hashlib.sha256(data).hexdigest() if self.lfs else _git_id(data)
        self.entry = {"type": "file", "path": path, "size": len(data), "oid": self.etag}
        if self.lfs:
            # What git holds of such a file is a short text.
            text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.etag}\nsize {len(data)}\n"
            self.entry["oid"] = _git_id(text.encode())
            self.entry["lfs"] = {"oid": self.etag, "size": len(data), "pointerSize": len(text)}


class _Error(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        message = message or MESSAGES.get(code) or HTTPStatus(status).phrase
        self.status, self.body = status, json.dumps({"error": message}).encode()
        codes = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self.headers = codes | {name.replace("_", "-"): value for name, value in headers.items()}


class Hub:
    """The server, as a context manager. Entered again after it was left, it has the same address."""

    def __init__(self) -> None:
        # Method, path with its query, and Range header of all that was asked of a repository.
        self.requests: list[tuple[str, str, str | None]] = []
        self.strays: list[str] = []  # addresses asked for that are of no repository
        self._port = 0
        self._lock = threading.Lock()
        self._commits: dict[tuple[str, str], dict[str, dict[str, _File]]] = {}  # repository, sha, path
        self._rules: list[SimpleNamespace] = []  # what fail and cut have ordered, cuts with status 0

    def __enter__(self) -> Hub:
        self._server = _Server(("127.0.0.1", self._port), type("Handler", (_Handler,), {"hub": self}))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """The address for `HF_ENDPOINT`, known once the server has been entered."""
        return f"http://127.0.0.1:{self._port}"

    def publish(self, name: str, folder: str | Path, kind: str = "model") -> str:
        """Store the files of `folder` as a new commit of a "model" or a "dataset" and move "main" to it.

        Returns the commit, which depends only on the history of the repository. Earlier ones stay reachable.
        """
        assert kind in ("model", "dataset")
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        files = [_File(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]
        with self._lock:
            commits = self._commits.setdefault((kind, name), {})
            text = json.dumps([kind, name, list(commits), [(file.path, file.etag) for file in files]])
            sha = hashlib.sha1(text.encode()).hexdigest()
            commits[sha] = {file.path: file for file in files}
        return sha

    def fail(self, path_part: str, status: int, times: float = 1, code: str | None = None, method: str = ""):
        """Give this status to the next `times` (`math.inf`: all) requests whose path contains `path_part`.

        `method` restricts it to "HEAD", "GET" or "POST". `code` is sent as X-Error-Code ("": none); without
        it 401 says RepoNotFound, 403 GatedRepo, and 404 EntryNotFound for a file, RepoNotFound elsewhere.
        """
        rule = SimpleNamespace(part=path_part, times=times, method=method, status=status, code=code)
        self._rules.append(rule)

    def cut(self, path_part: str, share: float, times: float = 1) -> None:
        """Send only this share of the bytes of the next `times` GETs of a matching file, then hang up.

        The header still promises all bytes. With a Range it is the share of the bytes asked for.
        """
        rule = SimpleNamespace(part=path_part, times=times, method="GET", status=0, share=share)
        self._rules.append(rule)

    def heal(self) -> None:
        """Forget the failures that have not happened yet."""
        self._rules.clear()

    def _take(self, method: str, path: str, cuts: bool) -> SimpleNamespace | None:
        """The first failure (or cut) that matches the request, used once."""
        with self._lock:
            for rule in self._rules:
                fits = rule.part in path and rule.method in ("", method) and cuts == (rule.status == 0)
                if fits and rule.times > 0:
                    rule.times -= 1
                    return rule
            return None

    def _commit(self, kind: str, name: str, revision: str) -> tuple[str, dict[str, _File]]:
        """The sha and the files of "main" or of a full sha."""
        with self._lock:
            commits = self._commits.get((kind, name))
            if not commits:
                raise _Error(401, "RepoNotFound")
            sha = list(commits)[-1] if revision == "main" else revision
            if sha not in commits:
                raise _Error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return sha, commits[sha]

    def _api(self, match: re.Match, query: dict[str, list[str]], body: str) -> object:
        """What an address under /api answers: the description of a repository, a folder, or some paths."""
        name, revision, path = (unquote(match[group] or "") for group in ("name", "rev", "path"))
        sha, files = self._commit(match["kind"], name, revision or "main")
        folders = {p.as_posix() for file in files for p in Path(file).parents} - {"."}
        listing = [{"type": "directory", "path": p, "size": 0, "oid": _git_id(p.encode())} for p in folders]
        listing = sorted(listing + [file.entry for file in files.values()], key=lambda entry: entry["path"])
        if match["task"] == "paths-info":
            return [entry for entry in listing if entry["path"] in parse_qs(body).get("paths", [])]
        if match["task"] == "tree":
            if path and path not in folders:
                raise _Error(404, "EntryNotFound", f"{path} does not exist", X_Repo_Commit=sha)
            prefix, deep = f"{path}/" if path else "", query.get("recursive") == ["true"]
            below = [entry for entry in listing if entry["path"].startswith(prefix)]
            return [entry for entry in below if deep or "/" not in entry["path"].removeprefix(prefix)]
        siblings = [{"rfilename": file} for file in files]
        return {"id": name, "sha": sha, "private": False, "gated": False, "tags": [], "siblings": siblings}


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *args: object) -> None:
        """A client that hung up is no news; anything else is a fault of this file."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*args)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    log_message = staticmethod(lambda *_: None)  # keeps the output of the tests clean

    def do_GET(self) -> None:
        url, path = urlsplit(self.path), unquote(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        api, file = API.fullmatch(url.path), FILE.fullmatch(url.path)
        if not api and not file:  # what the clients ask for themselves, as the list of agents
            self.hub.strays.append(path)
            return self._send(404, b"{}", {})
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        try:
            if rule := self.hub._take(self.command, path, cuts=False):
                missing = "EntryNotFound" if file else "RepoNotFound"
                usual = {401: "RepoNotFound", 403: "GatedRepo", 404: missing}.get(rule.status, "")
                raise _Error(rule.status, usual if rule.code is None else rule.code)
            if api:
                self._send(200, json.dumps(self.hub._api(api, parse_qs(url.query), body)).encode(), {})
            else:
                self._file(file)
        except _Error as error:
            self._send(error.status, error.body, error.headers)

    do_HEAD = do_POST = do_GET

    def _file(self, match: re.Match) -> None:
        """Send a file, or the part of it that a Range header asks for."""
        name, revision, path = (unquote(match[group]) for group in ("name", "rev", "path"))
        sha, files = self.hub._commit("dataset" if match["kind"] else "model", name, revision)
        if path not in files:
            raise _Error(404, "EntryNotFound", X_Repo_Commit=sha)
        file, data, status = files[path], files[path].data, 200
        headers = {"X-Repo-Commit": sha, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.lfs:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(data))}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if self.command == "GET" and asked and any(asked.groups()):
            first, last = asked.groups()
            start = int(first) if first else max(len(data) - int(last), 0)
            stop = min(int(last) + 1, len(data)) if first and last else len(data)
            if start >= stop:
                raise _Error(416, Content_Range=f"bytes */{len(data)}")
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            status, data = 206, data[start:stop]
        self._send(status, data, headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        """Answer and close the connection: none outlives the server, and a cut looks like a lost line."""
        kind = "application/octet-stream" if "ETag" in headers else "application/json"
        fixed = {"Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}
        self.send_response(status)
        for name, value in (headers | fixed).items():
            self.send_header(name, value)
        self.end_headers()
        rule = self.hub._take(self.command, unquote(self.path), cuts=True) if "ETag" in headers else None
        if self.command != "HEAD":
            self.wfile.write(data[: int(len(data) * rule.share)] if rule else data)
