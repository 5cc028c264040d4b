"""`make measure CLUSTER=kubernetes` with a stand-in: an API server that runs a job's command as a process."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mini
import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        any(
            importlib.util.find_spec(name) is None
            for name in ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs")
        ),
        reason="no plugins for Kubernetes: pip install '.[kubernetes]'",
    ),
]


class Api(http.server.BaseHTTPRequestHandler):
    """The part of the API that Snakemake uses: secrets, jobs, pods and their logs."""

    jobs: dict[str, tuple[dict[str, Any], subprocess.Popen[str]]]
    folder: Path

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            name = body["metadata"]["name"]
            (container,) = body["spec"]["template"]["spec"]["containers"]
            where = self.folder / name  # an empty working directory of its own, as in a pod
            where.mkdir()
            with (self.folder / f"{name}.log").open("w") as log:
                command = [*container["command"], *container["args"]]
                run = subprocess.Popen(command, cwd=where, stdout=log, stderr=log, text=True)
            self.jobs[name] = (body, run)
        self._say(body)

    def do_GET(self) -> None:
        if found := re.search(r"job-name%3D([\w-]+)", self.path):
            state = (
                {"terminated": {"exitCode": self._code(found[1])}} if self._code(found[1]) is not None else {}
            )
            status = dict(name="snakemake", image="", imageID="", ready=False, restartCount=0, state=state)
            pod = {"metadata": {"name": f"pod-{found[1]}"}, "status": {"containerStatuses": [status]}}
            return self._say({"kind": "PodList", "items": [pod]})
        if found := re.search(r"/jobs/([\w-]+)/status", self.path):
            code = self._code(found[1])
            done = {} if code is None else {"succeeded" if code == 0 else "failed": 1}
            return self._say({**self.jobs[found[1]][0], "status": done})
        if found := re.search(r"/pods/pod-([\w-]+)/log", self.path):
            return self._say((self.folder / f"{found[1]}.log").read_text())
        return self._say({}, 404)

    def do_DELETE(self) -> None:
        self._say({"kind": "Status", "status": "Success"})

    def _code(self, name: str) -> int | None:
        return self.jobs[name][1].poll()

    def _say(self, what: object, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(what).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    """A stand-in that the plugin finds through KUBECONFIG."""
    (tmp_path / "pods").mkdir()
    mine = type("Mine", (Api,), {"jobs": {}, "folder": tmp_path / "pods"})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), mine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
    config |= {"clusters": [{"name": "here", "cluster": {"server": address}}]}
    config |= {"users": [{"name": "me", "user": {}}]}
    config |= {"contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    yield mine
    server.shutdown()


def test_jobs_of_kubernetes_measure_on_the_volume_and_a_failure_is_told(tmp_path, api):
    project = mini.make(tmp_path / "mini")
    mini.write_study(project, "one", value="1.0 / (1 - seed)")
    failed = mini.drive(project, "measure", "--cluster", "kubernetes")
    assert failed.returncode == 1, failed.stderr
    assert sorted(mini.observations(project)) == ["mini/seed0/one.csv", "mini/seed0/two.csv"]
    assert "one mini seed 1: NothingMeasured: none of the 3 sections" in failed.stderr
    (spec, *_) = [body["spec"]["template"]["spec"] for body, _ in api.jobs.values()]
    (container,) = spec["containers"]
    assert spec["volumes"][-1]["persistentVolumeClaim"]["claimName"] == "lglib"
    assert container["resources"]["requests"]["memory"] == "1000M"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "0"
    mini.write_study(project, "one")
    made = mini.drive(project, "measure", "--cluster", "kubernetes")
    assert made.returncode == 0, made.stderr
    assert "2 of 3 runs are to be measured" in made.stderr
