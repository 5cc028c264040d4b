"""Files that a user writes: of what kind, how large, how deep, and what is said of each that will not do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lglib.base import settings
from lglib.base.settings import BadSettings
from lglib.report import filing, ledger
from lglib.report.observations import Observations
from lglib.studies import ProfileError, profiles
from lglib.tasks import own

WHAT = {
    "pipe": "is a pipe or a device",
    "device": "is a pipe or a device",
    "folder": "is a folder",
    "missing": "No such file",
    "binary": "is not UTF-8",
}


def put(path: Path, what: str) -> Path:
    """Something that is no text file in the place of one."""
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    elif what == "binary":
        path.write_bytes(bytes(range(256)))
    return path


@pytest.mark.parametrize("what", WHAT)
def test_what_is_no_text_file_is_named_before_it_is_opened(tmp_path, what):
    for read in (settings.text, settings.read, settings.json_of, ledger.read):
        with pytest.raises(ValueError, match=WHAT[what]) as caught:
            read(put(tmp_path / read.__module__, what))
        assert str(tmp_path) in str(caught.value)
        place = tmp_path / read.__module__
        place.rmdir() if what == "folder" else place.unlink(missing_ok=True)


@pytest.mark.parametrize("what", [what for what in WHAT if what != "missing"])
def test_a_profile_that_is_no_text_file_is_refused(tmp_path, what):
    (tmp_path / "config").mkdir()
    put(tmp_path / "config" / "mine.yml", what)
    with pytest.raises(ProfileError, match=f"config/mine.yml {WHAT[what]}"):
        profiles.read("mine", ("theory",), tmp_path)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_observations_that_are_no_text_file_are_refused(tmp_path, what, suffix):
    o = Observations()
    o.add("S3", "capture", 0.61, null=0.001, null_means="random subspace")
    rest = dict(parameters={}, device="cpu", versions={}, code="0")
    header = filing.Header(study="lora", profile="quick", model="mini", seed=0, **rest)
    path = filing.write(o, header, tmp_path)
    put(path.with_suffix(suffix), what)
    told = f"there is no lora{suffix}" if what == "missing" else "not a whole file of observations"
    with pytest.raises(ValueError, match=told):
        filing.read(path)


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "missing", "binary"])
def test_data_that_are_no_text_file_are_refused(tmp_path, what):
    with pytest.raises((ValueError, FileNotFoundError), match=r"mine\.jsonl"):
        own.read(put(tmp_path / "mine.jsonl", what))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1: a\nb: 2\n1: c\nb: 3\n", "mine: 1, b is given twice, in the entry from line 1"),
        ("[" * 2000 + "]" * 2000, "mine: it is nested too deep, at line 1: more than 50 levels"),
        ("a: &a [*a]", "nested too deep"),
        (
            "a: " + "9" * 5000,
            "mine: line 1 has '999.*5,000 characters, which YAML cannot read as a whole number",
        ),
        ("a: 2026-13-45", "cannot read as a date"),
        ("a: !!bool maybe", "cannot read as true or false"),
        ("a: !!python/object:os.system x", r"line 1 has the tag !!.*python/object:os.system"),
        ("? [a]\n: 1", "mine is not YAML"),
        ("a: [", "mine is not YAML"),
        ("a: \0", "mine is not YAML"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused_with_its_line(text, told):
    with pytest.raises(BadSettings, match=told):
        settings.parsed(text, "mine")


def test_aliases_may_be_used_and_not_without_end():
    assert settings.parsed("a: &x {k: 1}\nb: {<<: *x, m: 2}", "mine")["b"] == {"k": 1, "m": 2}
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(BadSettings, match="holds more than 50,000 values"):
        settings.parsed("\n".join(lines), "mine")


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_mistake(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert settings.read(path) == {"a": 1, "b": 2}


def test_a_file_that_is_too_large_or_too_deep_is_refused(tmp_path):
    path = tmp_path / "mine"
    path.write_bytes(b" " * 11)
    with pytest.raises(BadSettings, match="has 11 bytes; it may have 10"):
        settings.data(path, largest=10)
    path.write_text("[" * 100_000)
    with pytest.raises(BadSettings, match="nested too deep"):
        settings.json_of(path)
    path.write_text(json.dumps({"a": 1})[:-1])
    with pytest.raises(BadSettings, match="is not JSON"):
        settings.json_of(path)


def test_a_value_is_shown_whatever_its_size():
    assert settings.shown(16**5000) == "a whole number of 6,021 digits"
    assert settings.shown(-(10**39)) == str(-(10**39))
    assert len(settings.shown(["x" * 1000] * 1000)) < 2000
