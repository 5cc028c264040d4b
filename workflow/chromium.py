"""Chromium without a window, driven through a pipe: open a page, run a script in it, print it as PDF.

The protocol is that of Chromium's DevTools: JSON messages with a zero byte after each, on its file
descriptors 3 and 4. Of the standard library alone.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-extensions"),
    "--no-sandbox",  # as root there is none, and what is opened was built here
    "--host-resolver-rules=MAP * ~NOTFOUND",  # and it asks no other host
)
PATIENCE = 120.0  # seconds for one answer


class ChromiumError(RuntimeError):
    """Chromium is missing, has ended, does not answer, or refuses; the message says which."""


def found() -> str:
    """Path of the system's Chromium. Raises ChromiumError where there is none."""
    for path in filter(None, map(shutil.which, NAMES)):
        return path
    raise ChromiumError(
        f"no {', '.join(NAMES[:-1])} or {NAMES[-1]} is on PATH; on Debian: apt-get install chromium"
    )


class Tab:
    """One page of a running Chromium."""

    def __init__(self, reads: int, writes: int) -> None:
        """Take the descriptors of the pipe, and open an empty page."""
        self._reads, self._writes, self._buffer = reads, writes, b""
        self._number, self._session = 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answer of a method. Raises ChromiumError where Chromium refuses it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writes, data) :]
        answer = self._until(lambda told: told.get("id") == self._number)
        if "error" in answer:
            raise ChromiumError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Open a page and wait until it and its parts are loaded."""
        told = self.call("Page.navigate", url=url)
        if "errorText" in told:
            raise ChromiumError(f"{url}: {told['errorText']}")
        self._until(lambda event: event.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Value of an expression; a promise is waited for. Raises ChromiumError with what the page threw."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            thrown = told["exceptionDetails"]
            raise ChromiumError(str(thrown.get("exception", thrown).get("description", thrown)))
        return told["result"].get("value")

    def pdf(self) -> bytes:
        """The open page as PDF, of the size that its style names."""
        asked = {"printBackground": True, "preferCSSPageSize": True, "generateTaggedPDF": False}
        return base64.b64decode(self.call("Page.printToPDF", **asked)["data"])

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted; those before it are dropped."""
        end = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self._buffer:
                message, _, self._buffer = self._buffer.partition(b"\0")
                told: dict[str, Any] = json.loads(message)
                if wanted(told):
                    return told
            if not select.select([self._reads], [], [], max(0.0, end - time.monotonic()))[0]:
                raise ChromiumError(f"Chromium did not answer for {PATIENCE:.0f} s")
            more = os.read(self._reads, 1 << 20)
            if not more:
                raise ChromiumError("Chromium has ended")
            self._buffer += more


@contextmanager
def tab() -> Iterator[Tab]:
    """A page of a Chromium of its own, which ends with the body. Raises ChromiumError."""
    path = found()
    # Above 10, so that neither end has a number that the child gives away.
    ours = [_high(end) for end in (*os.pipe(), *os.pipe())]
    its_reads, our_writes, our_reads, its_writes = ours

    def give() -> None:
        os.dup2(its_reads, 3)
        os.dup2(its_writes, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [path, *FLAGS, f"--user-data-dir={home}", "about:blank"]
        quiet = subprocess.DEVNULL
        child = subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=quiet, close_fds=False, preexec_fn=give
        )
        os.close(its_reads)
        os.close(its_writes)
        try:
            yield Tab(our_reads, our_writes)
        finally:
            os.close(our_writes)  # Chromium ends when its pipe does
            os.close(our_reads)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _high(descriptor: int) -> int:
    """The same file under a number above 10, closed in children."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 11)
    os.close(descriptor)
    return high
