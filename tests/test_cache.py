"""Trained tensors kept between runs: made once, and never used when they are not what was written."""

import hashlib
import json
import math
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from lglib.report import cache, provenance
from lglib.studies.synthetic import multitask

TINY = dict(learn=["copy"], forget_by="sort", steps=3, forget_steps=2, width=8, length=2, seed=0)


class Maker:
    """Stands for a function of `lglib.gates`, whose code is little; it counts and can be made to fail."""

    def __init__(self):
        self.__module__, self.__qualname__ = "lglib.gates", "made_up"
        self.calls, self.error = [], None

    def __call__(self, **given):
        self.calls.append(given)
        if self.error:
            raise self.error
        n = given.get("n", 3)
        return {
            "theta": torch.arange(n) / 7,
            "whole": torch.tensor([n, -1]),
            "one": torch.tensor(0.1).double(),
        }


@pytest.fixture
def make():
    return Maker()


@pytest.fixture
def kept(make, tmp_path):
    """A cache that holds one result, and what asks for it again."""

    class Kept:
        folder, told = tmp_path, []

        def ask(self, **more):
            return cache.tensors("model", make, folder=tmp_path, told=self.told.append, **{"n": 3, **more})

        @property
        def data(self):
            (path,) = tmp_path.glob("*.safetensors")
            return path

        @property
        def manifest(self):
            (path,) = tmp_path.glob("*.json")
            return path

    found = Kept()
    found.ask()
    found.told.clear()
    make.calls.clear()
    return found


def same(one, two):
    return set(one) == set(two) and all(
        torch.equal(one[k], two[k]) and one[k].dtype == two[k].dtype for k in one
    )


def fresh(n=3):
    return Maker()(n=n)


def edit(path, **changes):
    kept = json.loads(path.read_text())
    assert set(changes) <= set(kept)
    path.write_text(json.dumps({**kept, **changes}))


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def test_tensors_are_made_once_and_then_read(make, tmp_path):
    told = []
    first = cache.tensors("model", make, folder=tmp_path, told=told.append, n=3)
    assert [make.calls, len(told)] == [[{"n": 3}], 1]
    second = cache.tensors("model", make, folder=tmp_path, told=told.append, n=3)
    assert [make.calls, len(told)] == [[{"n": 3}], 1]
    assert same(first, second)
    assert same(second, fresh())
    assert "model-" in told[0]
    assert "not made yet; making it" in told[0]


def test_two_models_trained_and_kept_are_the_models_trained(tmp_path):
    told = []
    first = cache.tensors("models", multitask.learn_and_forget, folder=tmp_path, told=told.append, **TINY)
    second = cache.tensors("models", multitask.learn_and_forget, folder=tmp_path, told=told.append, **TINY)
    assert len(told) == 1
    trained = multitask.learn_and_forget(**TINY)
    assert same(first, trained)
    assert same(second, trained)


def test_the_folder_holds_the_tensors_their_manifest_and_nothing_else(kept):
    assert {p.name for p in kept.folder.iterdir()} == {kept.data.name, kept.manifest.name}
    assert kept.data.stem == kept.manifest.stem
    told = json.loads(kept.manifest.read_text())
    assert told["made_by"] == "lglib.gates.made_up"
    assert told["settings"] == {"n": 3}
    assert told["code"] == provenance.library_hash(["gates"])
    assert told["versions"] == provenance.versions()
    assert same(load_file(kept.data), fresh())


def test_making_again_writes_the_same_bytes(kept):
    before = kept.data.read_bytes(), kept.manifest.read_bytes()
    kept.data.unlink()
    kept.manifest.unlink()
    kept.ask()
    assert (kept.data.read_bytes(), kept.manifest.read_bytes()) == before


def test_what_is_done_to_a_result_does_not_reach_the_cache(kept, make):
    for _ in range(2):
        found = kept.ask()
        found["theta"].zero_()
    assert same(kept.ask(), fresh())
    assert not make.calls


def empty(path):
    path.write_bytes(b"")


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {
    "one bit of the tensors": (lambda k: flip(k.data, -1), "its content is not what was written"),
    "one bit of the header": (lambda k: flip(k.data, 12), "its content is not what was written"),
    "half the tensors": (lambda k: halve(k.data), "its content is not what was written"),
    "one byte more": (lambda k: k.data.write_bytes(k.data.read_bytes() + b"x"), "not what was written"),
    "no byte of the tensors": (lambda k: empty(k.data), "its content is not what was written"),
    "half the manifest": (lambda k: halve(k.manifest), "its manifest is damaged"),
    "no byte of the manifest": (lambda k: empty(k.manifest), "its manifest is damaged"),
    "a manifest of prose": (lambda k: k.manifest.write_text("made by hand"), "its manifest is damaged"),
    "a manifest of no text": (lambda k: k.manifest.write_bytes(b"\xff\xfe"), "its manifest is damaged"),
    "a list": (lambda k: k.manifest.write_text("[1, 2]"), "its manifest is damaged"),
    "a word": (lambda k: k.manifest.write_text('"sha256"'), "its manifest is damaged"),
    "nothing at all": (lambda k: k.manifest.write_text("null"), "its manifest is damaged"),
    "no sha256": (lambda k: k.manifest.write_text('{"schema": 1}'), "its manifest is damaged"),
    "a sha256 of none": (lambda k: edit(k.manifest, sha256=None), "its content is not what was written"),
    "other settings": (lambda k: edit(k.manifest, settings={"n": 4}), "its manifest tells of another making"),
    "other code": (lambda k: edit(k.manifest, code="0" * 16), "its manifest tells of another making"),
    "other versions": (lambda k: edit(k.manifest, versions={}), "its manifest tells of another making"),
    "another maker": (
        lambda k: edit(k.manifest, made_by="lglib.x.y"),
        "its manifest tells of another making",
    ),
    "another schema": (lambda k: edit(k.manifest, schema=0), "its manifest tells of another making"),
    "no manifest": (lambda k: k.manifest.unlink(), ""),
    "no tensors": (lambda k: k.data.unlink(), ""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_made_again_and_told(kept, make, damage):
    harm, reason = DAMAGE[damage]
    name = kept.data.name
    harm(kept)
    assert same(kept.ask(), fresh())
    assert [len(make.calls), len(kept.told)] == [1, 1]
    assert kept.told[0].startswith(f"{name}: ")
    assert kept.told[0].endswith(f"{reason}; making it")
    assert same(kept.ask(), fresh())  # and what was made again is kept
    assert [len(make.calls), len(kept.told)] == [1, 1]


def test_tensors_without_their_manifest_are_not_told_to_be_missing(kept):
    kept.manifest.unlink()
    kept.ask()
    assert "manifest" in kept.told[0]


def test_junk_with_a_manifest_that_fits_is_made_again(kept, make):
    for junk in (b"", b"junk", b"\xff" * 64, kept.data.read_bytes()[:-1]):
        kept.data.write_bytes(junk)
        edit(kept.manifest, sha256=hashlib.sha256(junk).hexdigest())
        kept.told.clear()
        assert same(kept.ask(), fresh())
        assert "it cannot be read" in kept.told[0]


@settings(max_examples=40, deadline=None)
@given(which=st.booleans(), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_no_bit_and_no_cut_of_either_file_changes_a_result(tmp_path_factory, which, where, bit, cut):
    folder, make = tmp_path_factory.mktemp("cache"), Maker()
    cache.tensors("model", make, folder=folder, told=str, n=5)
    (path,) = folder.glob("*.safetensors" if which else "*.json")
    at = int(where * path.stat().st_size)
    if cut:
        path.write_bytes(path.read_bytes()[:at])
    else:
        flip(path, at, 1 << bit)
    assert same(cache.tensors("model", make, folder=folder, told=str, n=5), fresh(5))


def test_other_settings_and_names_have_files_of_their_own(kept, make):
    first = kept.data.name
    for more in ({"n": 4}, {"n": 3, "rate": 0.1}, {"n": 3, "rate": 0.2}):
        kept.ask(**more)
    cache.tensors("other", make, folder=kept.folder, told=str, n=3)
    assert len(make.calls) == 4
    assert len({p.name for p in kept.folder.glob("*.safetensors")}) == 5
    assert same(kept.ask(n=4), fresh(4))
    assert same(kept.ask(), fresh())
    assert len(make.calls) == 4
    assert first in {p.name for p in kept.folder.iterdir()}


def test_settings_are_the_same_in_any_order(make, tmp_path):
    cache.tensors("model", make, folder=tmp_path, told=str, n=3, a=1, b={"x": 1, "y": 2})
    cache.tensors("model", make, folder=tmp_path, told=str, b={"y": 2, "x": 1}, a=1, n=3)
    assert len(make.calls) == 1


@pytest.mark.parametrize("what", ["library_hash", "versions"])
def test_other_code_or_versions_make_it_again(kept, make, monkeypatch, what):
    changed = {"library_hash": lambda modules: "1" * 16, "versions": lambda: {"torch": "0.1"}}
    monkeypatch.setattr(provenance, what, changed[what])
    kept.ask()
    assert len(make.calls) == 1
    assert len(list(kept.folder.glob("*.safetensors"))) == 2
    monkeypatch.undo()
    kept.ask()
    assert len(make.calls) == 1  # the old one is still good for the old code


def test_the_code_that_counts_is_that_of_the_makers_module(kept, monkeypatch):
    asked = []
    monkeypatch.setattr(provenance, "library_hash", lambda modules: asked.append(list(modules)) or "2" * 16)
    kept.ask()
    assert asked == [["gates"]]


def test_without_a_folder_they_lie_in_the_runs_of_the_project(make, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "project_root", lambda start=None: tmp_path)
    monkeypatch.setattr(provenance, "library_hash", lambda modules: "3" * 16)
    cache.tensors("model", make, told=str, n=3)
    assert len(list((tmp_path / "runs" / "models").glob("model-*.safetensors"))) == 1


def test_without_a_listener_the_reason_goes_to_the_progress_file(make, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("LG_PROGRESS", str(tmp_path / "told.log"))
    cache.tensors("model", make, folder=tmp_path / "models", n=3)
    assert "not made yet; making it" in (tmp_path / "told.log").read_text()
    assert tuple(capfd.readouterr()) == ("", "")


def elsewhere(**given):
    return fresh()


def neighbour(**given):
    return fresh()


neighbour.__module__ = "lglibrary.gates"


@pytest.mark.parametrize("make_it", [elsewhere, neighbour, lambda **given: fresh(), max, partial(elsewhere)])
def test_a_function_from_outside_lglib_is_refused(make_it, tmp_path):
    with pytest.raises(ValueError, match="make must be a function of an lglib module"):
        cache.tensors("model", make_it, folder=tmp_path, told=str)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, torch.tensor(1.0), {1, 2}, Path("a"), b"a", print, [[math.nan]]],
    ids=repr,
)
def test_settings_that_json_cannot_hold_are_refused(make, tmp_path, value):
    with pytest.raises(ValueError, match="settings must be plain numbers, texts and lists"):
        cache.tensors("model", make, folder=tmp_path, told=str, value=value)
    assert not make.calls
    assert not list(tmp_path.iterdir())


def test_settings_that_json_would_confuse_do_not_share_a_file(make, tmp_path):
    with suppress(ValueError):  # to refuse a key that is no text is as good as to tell them apart
        cache.tensors("model", make, folder=tmp_path, told=str, value={1: 0})
    cache.tensors("model", make, folder=tmp_path, told=str, value={"1": 0})
    assert {"value": {"1": 0}} in make.calls


def test_tensors_that_share_memory_or_lie_across_it_are_kept(make, tmp_path):
    base = torch.arange(12.0).reshape(3, 4).requires_grad_()

    class Views(Maker):
        def __call__(self, **given):
            return {"first": base[0], "last": base[-1], "across": base.T, "all": base, "again": base}

    one = cache.tensors("model", Views(), folder=tmp_path, told=str)
    two = cache.tensors("model", Views(), folder=tmp_path, told=str)
    assert torch.equal(two["across"], base.detach().T)
    assert same(one, two)
    assert not any(value.requires_grad for value in one.values())


@pytest.mark.parametrize("error", [RuntimeError("diverged"), KeyboardInterrupt()])
def test_a_making_that_fails_leaves_no_file(make, tmp_path, error):
    make.error = error
    with pytest.raises(type(error)):
        cache.tensors("model", make, folder=tmp_path / "models", told=str, n=3)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    make.error = None
    assert same(cache.tensors("model", make, folder=tmp_path / "models", told=str, n=3), fresh())


def cut_off(tensors, path):
    """Half a file, and then the power goes."""
    save_file(tensors, path)
    halve(Path(path))
    raise KeyboardInterrupt


def stop(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["in the tensors", "before the swap", "before the manifest"])
@pytest.mark.parametrize("state", ["new", "damaged"])
def test_a_write_that_is_interrupted_leaves_nothing_that_is_used(make, tmp_path, monkeypatch, where, state):
    def ask():
        return cache.tensors("model", make, folder=tmp_path, told=str, n=3)

    if state == "damaged":
        ask()
        flip(next(tmp_path.glob("*.safetensors")), -1)
        make.calls.clear()
    with monkeypatch.context() as patch:
        if where == "in the tensors":
            patch.setattr(cache, "save_file", cut_off)
        elif where == "before the swap":
            patch.setattr(Path, "replace", stop)
        else:
            patch.setattr(provenance, "write_atomically", stop)
        with pytest.raises(KeyboardInterrupt):
            ask()
    assert not list(tmp_path.glob(".*"))  # no temporary file
    assert same(ask(), fresh())
    assert len(make.calls) == 2
    assert same(ask(), fresh())
    assert len(make.calls) == 2


def test_an_interrupted_write_does_not_touch_another_pair(kept, make, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cache, "save_file", cut_off)
        with pytest.raises(KeyboardInterrupt):
            kept.ask(n=4)
    make.calls.clear()
    assert same(kept.ask(), fresh())
    assert not make.calls
    assert {p.name for p in kept.folder.iterdir()} == {kept.data.name, kept.manifest.name}
