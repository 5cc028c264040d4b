"""The hub, through a stand-in on this machine: fetched whole, at one commit, only when it is allowed.

The hub's clients read their settings when they are imported, so a process of its own loads what a test asks
for. Each test has repositories of its own, and so nothing in the cache.
"""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
import torch
from datasets import Dataset
from hub import Hub

pytestmark = pytest.mark.slow
NUMBERS = itertools.count()
CLIENT = """
import json, os, sys, time
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what is printed goes to the page, with the errors
import torch
from lglib.base import hub
from lglib.models import loading
from lglib.tasks import data

hub.WAITS = (0.05, 0.05)
really = time.sleep
time.sleep = lambda seconds: really(min(seconds, 0.05))  # the client waits between its tries, too

def load(**given):
    found = loading.load(device="cpu", **given)
    words = found.tokenizer("Anna is in the park.", return_tensors="pt").input_ids
    with torch.no_grad():
        return {**found.record(), "logits": found.model(input_ids=words).logits[0, -1, :5].tolist()}

def boolq(**given):
    return [vars(item) for item in data.boolq(**given)]

for line in sys.stdin:
    what, given = json.loads(line)
    try:
        told = {"found": {"load": load, "boolq": boolq}[what](**given)}
    except Exception as error:
        told = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(told), file=answers, flush=True)
"""


class Client:
    """A process that loads through the one door, with a cache at `home`, and what it printed."""

    def __init__(self, hub, home):
        self.hub, self.home, self.page = hub, home, home.parent / f"{home.name}.{id(self)}.page"
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("HF_", "LG_")) and "proxy" not in k.lower()
        }
        with open(self.page, "w") as page:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CLIENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=page,
                text=True,
                env=kept | settings,
            )

    def ask(self, what, **given):
        """What was found, or the error and its message; and the requests that the hub got meanwhile."""
        before, strays = len(self.hub.requests), len(self.hub.strays)
        print(json.dumps([what, given]), file=self.process.stdin, flush=True)
        told = json.loads(
            self.process.stdout.readline() or f'{{"error": {json.dumps(self.page.read_text())}}}'
        )
        blank = dict(found=None, error="", message="")
        return SimpleNamespace(**blank | told, asked=self.hub.requests[before:] + self.hub.strays[strays:])

    def load(self, name, sha=None, allow=True):
        return self.ask("load", name=name if sha is None else f"{name}@{sha}", allow_download=allow)

    def boolq(self, sha, allow=True, **more):
        return self.ask("boolq", revision=sha, allow_download=allow, **more)

    def blob(self, name, file, sha):
        """The cache's own file behind a file of a commit."""
        folder = self.home / "hub" / f"models--{name.replace('/', '--')}"
        return (folder / "snapshots" / sha / file).resolve()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def stand_in():
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def client(stand_in, tmp_path_factory):
    found = Client(stand_in, tmp_path_factory.mktemp("home") / "hf")
    yield found
    found.close()


@pytest.fixture
def hub(stand_in, client):
    """The hub without orders of the test before; nothing may have been printed in the end."""
    stand_in.heal()
    before = len(client.page.read_text())
    yield stand_in
    stand_in.heal()
    assert client.page.read_text()[before:] == ""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two models that differ in their weights only."""
    found = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("model") / str(seed)
        tiny.save(folder, seed=seed)
        found.append(folder)
    return found


@pytest.fixture
def published(hub, folders):
    """A model on the hub that no other test asks for: its name and commit."""
    name = f"owner/model-{next(NUMBERS)}"
    return name, hub.publish(name, folders[0])


def here(folder):
    from lglib.models import loading

    found = loading.load(str(folder), device="cpu")
    words = found.tokenizer("Anna is in the park.", return_tensors="pt").input_ids
    with torch.no_grad():
        return found.sha256, found.model(input_ids=words).logits[0, -1, :5].tolist()


def is_whole(told, name, sha, folder):
    """Whether this is the model of the folder, recorded under its name and commit."""
    sha256, logits = here(folder)
    assert told.error == "", told.message
    return told.found == {
        **told.found,
        "model": name,
        "revision": sha,
        "sha256": sha256,
        "logits": pytest.approx(logits, abs=1e-5),
    }


def test_a_model_is_fetched_once_and_then_read_from_the_cache(client, hub, published, folders):
    name, sha = published
    first = client.load(name, sha)
    assert is_whole(first, name, sha, folders[0])
    assert any(path.endswith("model.safetensors") for _, path, _ in first.asked)
    for allow in (True, False):
        again = client.load(name, sha, allow)
        assert again.found == first.found
        assert again.asked == []


def test_without_permission_nothing_is_asked_of_the_network(client, hub, published):
    name, sha = published
    told = client.load(name, sha, allow=False)
    assert (told.error, told.asked) == ("Unreachable", [])
    for part in (f"{name}@{sha}", "downloading is not allowed", "allow_download=True", str(client.home)):
        assert part in told.message
    assert hub.endpoint not in told.message


def test_another_commit_has_other_weights_and_its_own_record(client, hub, published, folders):
    name, old = published
    new = hub.publish(name, folders[1])
    for sha, folder in ((old, folders[0]), (new, folders[1]), (old, folders[0])):
        assert is_whole(client.load(name, sha), name, sha, folder)
    by_hand = client.ask("load", name=name, revision=new)
    assert is_whole(by_hand, name, new, folders[1])


@pytest.mark.long
def test_what_is_cached_loads_in_another_process_without_the_hub(client, stand_in, hub, published, folders):
    name, old = published
    new = hub.publish(name, folders[1])
    rows = [publish_boolq(hub, folders[0].parent, revision) for revision in ("old", "new")]
    for sha in (old, new):
        assert client.load(name, sha).error == ""
    for sha, _ in rows:
        assert client.boolq(sha).error == ""
    offline = Client(stand_in, client.home)
    stand_in.__exit__()
    try:
        for allow in (False, True):
            for sha, folder in ((new, folders[1]), (old, folders[0])):
                assert is_whole(offline.load(name, sha, allow), name, sha, folder)
            for sha, questions in rows:  # the older one last asked for is not the newest in the cache
                told = offline.boolq(sha, allow)
                assert [item["prompt"].split("Question: ")[1] for item in told.found] == [
                    f"{question}? Answer:" for question in questions
                ]
        never = offline.load("owner/never", old)
        assert never.error == "Unreachable"
        assert "could not be fetched (" in never.message
        assert f"hf download owner/never --repo-type model --revision {old}" in never.message
        missing = offline.boolq("0" * 40, allow=False)
        assert missing.error == "Unreachable"
        assert "google/boolq@" + "0" * 40 in missing.message
        assert "--repo-type dataset" in missing.message
    finally:
        stand_in.__enter__()
        offline.close()
    assert offline.page.read_text() == ""


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_transfer_that_is_cut_once_is_taken_up_again(client, hub, published, folders, file, share):
    name, sha = published
    hub.cut(f"{name}/resolve/{sha}/{file}", share)
    told = client.load(name, sha)
    if told.error:  # to refuse it is as good
        assert told.error == "Unreachable"
        told = client.load(name, sha)
    assert is_whole(told, name, sha, folders[0])


def test_a_transfer_that_is_always_cut_is_refused_and_works_later(client, hub, published, folders):
    name, sha = published
    hub.cut(f"{name}/resolve/{sha}/model.safetensors", 0.0, times=math.inf)
    told = client.load(name, sha)
    assert (told.error, told.found) == ("Unreachable", None)
    assert "could not be fetched" in told.message
    half = client.load(name, sha, allow=False)
    assert (half.error, half.asked) == ("Unreachable", [])
    assert "only in part in the cache" in half.message
    hub.heal()
    assert is_whole(client.load(name, sha), name, sha, folders[0])


def test_half_a_model_that_another_tool_has_cached_is_made_whole(client, hub, published, folders):
    name, sha = published
    folder = client.blob(name, "", sha)  # as older tools leave it: without a list of the commit's files
    folder.mkdir(parents=True)
    for path in folders[0].glob("*.json"):
        shutil.copy(path, folder)
    told = client.load(name, sha, allow=False)
    assert (told.error, told.asked) == ("UnsafeWeights", [])
    assert "neither model.safetensors nor" in told.message
    assert is_whole(client.load(name, sha), name, sha, folders[0])


def test_a_cached_file_that_was_altered_is_refused_until_it_is_fetched_anew(client, hub, published, folders):
    name, sha = published
    assert client.load(name, sha).error == ""
    path = client.blob(name, "model.safetensors", sha)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for allow in (False, True):
        told = client.load(name, sha, allow)
        assert told.error == "UnsafeWeights"
        assert "was altered or cut off" in told.message
        assert f"Delete {path} and load again with allow_download=True" in told.message
    path.unlink()
    assert is_whole(client.load(name, sha), name, sha, folders[0])


def test_a_model_that_does_not_exist_is_told_as_the_hub_tells_it(client, hub):
    told = client.load("owner/none", "0" * 40)
    assert told.error == "Unreachable"
    assert "does not exist, or is private" in told.message
    assert hub.endpoint in told.message


FAILURES = {  # status, code, which requests; what is told
    "gone": (404, None, "", "does not exist, or is private. Looked in"),
    "hidden": (401, None, "", "does not exist, or is private. Looked in"),
    "gated": (403, None, "/resolve/", "is gated. Looked in"),
    "gated and not logged in": (401, "GatedRepo", "/resolve/", "is gated. Looked in"),
    "always busy": (503, None, "", "was not served: the hub answers 503"),
    "busy for files": (503, None, "/resolve/", "was not served: the hub answers 503"),
    "broken": (500, None, "", "was not served: the hub answers 500"),
    "too many requests": (429, None, "", "was not served: the hub answers 429"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_told_and_afterwards_it_works(client, hub, published, folders, failure):
    name, sha = published
    status, code, where, words = FAILURES[failure]
    hub.fail(name + where, status, times=math.inf, code=code)
    told = client.load(name, sha)
    assert (told.error, told.found) == ("Unreachable", None)
    assert words in told.message
    assert f"{name}@{sha}" in told.message
    if "gated" in failure:
        assert f"{hub.endpoint}/{name}, then log in with: hf auth login" in told.message
    hub.heal()
    assert is_whole(client.load(name, sha), name, sha, folders[0])


@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize("where", ["/api/models/", "/tree/", "config.json", "model.safetensors"])
def test_a_hub_that_is_busy_once_is_asked_again(client, hub, published, folders, status, where):
    name, sha = published
    hub.fail(where, status)
    assert is_whole(client.load(name, sha), name, sha, folders[0])


def test_an_unknown_commit_is_told(client, hub, published):
    name, _ = published
    told = client.load(name, "0" * 40)
    assert told.error == "Unreachable"
    assert "has no such commit" in told.message
    assert f"{hub.endpoint}/{name}/commits/main" in told.message


def test_a_branch_is_refused_with_its_commit_where_that_may_be_asked(client, hub, published):
    name, sha = published
    for given in ("main", None):
        told = client.load(name, given)
        assert told.error == "ValueError"
        assert f"main is now {sha}" in told.message
        assert not any("/resolve/" in path for _, path, _ in told.asked)
        told = client.load(name, given, allow=False)
        assert (told.error, told.asked) == ("ValueError", [])
        assert "40 hexadecimal digits" in told.message
        assert sha not in told.message


def test_pickles_are_not_downloaded(client, hub, folders, tmp_path):
    for file in ("config.json", "tokenizer.json"):
        (tmp_path / file).write_bytes((folders[0] / file).read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    sha = hub.publish("owner/pickled", tmp_path)
    told = client.load("owner/pickled", sha)
    assert told.error == "Unreachable"
    assert "only as pytorch_model.bin, which are pickles" in told.message
    assert not any("/resolve/" in path for _, path, _ in told.asked)


def test_of_a_model_with_both_only_the_safe_weights_are_downloaded(client, hub, folders, tmp_path):
    for path in folders[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / "modeling_mine.py").write_text("raise SystemExit")
    sha = hub.publish("owner/both", tmp_path)
    told = client.load("owner/both", sha)
    assert is_whole(told, "owner/both", sha, folders[0])
    assert not any(path.endswith((".bin", ".py")) for _, path, _ in told.asked)


def test_a_model_in_several_files_is_fetched_whole(client, hub, tmp_path):
    tiny.save(tmp_path, "qwen2", shards="20KB")
    sha = hub.publish("owner/shards", tmp_path)
    assert is_whole(client.load("owner/shards", sha), "owner/shards", sha, tmp_path)


def publish_boolq(hub, folder, text):
    """BoolQ with questions of our own, two in each file; returns its commit and those of validation."""
    found = {}
    (folder / "boolq" / "data").mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation"):
        found[split] = [f"is {text} {split} {i} so" for i in range(2)]
        rows = {"question": found[split], "answer": [True, False], "passage": ["It is.", "It is not."]}
        Dataset.from_dict(rows).to_parquet(folder / "boolq" / "data" / f"{split}-00000-of-00001.parquet")
    return hub.publish("google/boolq", folder / "boolq", "dataset"), found["validation"]


def test_boolq_is_fetched_once_and_read_row_by_row(client, hub, tmp_path):
    sha, questions = publish_boolq(hub, tmp_path, "this")
    first = client.boolq(sha)
    assert first.error == "", first.message
    assert [(item["prompt"], item["label"], item["group"]) for item in first.found] == [
        (f"It is. Question: {questions[0]}? Answer:", 0, "It is."),
        (f"It is not. Question: {questions[1]}? Answer:", 1, "It is not."),
    ]
    again = client.boolq(sha, allow=False)
    assert (again.found, again.asked) == (first.found, [])
    short = client.boolq(sha, allow=False, split="train", limit=1, template="{question}! {passage}")
    assert [item["prompt"] for item in short.found] == ["is this train 0 so! It is."]


def test_boolq_without_permission_or_with_a_branch_is_refused(client, hub, tmp_path):
    sha, _ = publish_boolq(hub, tmp_path, "another")
    told = client.boolq(sha, allow=False)
    assert (told.error, told.asked) == ("Unreachable", [])
    assert f"hf download google/boolq --repo-type dataset --revision {sha}" in told.message
    told = client.boolq("main")
    assert told.error == "ValueError"
    assert f"main is now {sha}" in told.message
