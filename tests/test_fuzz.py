"""Whatever a user's file holds, it is accepted or refused in the project's words: nothing else, no hang."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lglib import studies
from lglib.base.settings import BadSettings, parsed
from lglib.report import filing
from lglib.report.observations import Observations
from lglib.studies import profiles
from lglib.tasks import own

BOUNDED = settings(
    max_examples=60,
    deadline=None,  # the machine may be busy; what takes long is bounded by the number of examples
    derandomize=True,  # the same files in every run
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = ("", " ", "0", ".nan", "1e-3", "micro-gpt2", "cipher", "../x", "a/b", "<b>x</b>", "data", "\x1b[31m")
ODD = st.sampled_from(
    [None, True, 0, -1, 2**31, 10**40, 1e308, float("nan"), float("inf"), *WORDS, [], {}, [[]], [0, 0], ["0"]]
)
NUMBERS = st.integers() | st.floats()
TEXTS = st.text(max_size=8)
VALUES = st.recursive(
    ODD | NUMBERS | TEXTS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.integers(), inner, max_size=3),
    max_leaves=6,
)
SMOKE = yaml.safe_load((Path(__file__).parent.parent / "config" / "smoke.yml").read_text(encoding="utf-8"))
NAMES = {study: sorted(studies.declared(study).model_fields) for study in studies.NAMES}


@st.composite
def changed(draw) -> dict:
    """Two studies of the smoke profile with a few entries, runs or parameters that are anything."""
    two = draw(st.lists(st.sampled_from(studies.NAMES), min_size=2, max_size=2, unique=True))
    profile = {study: {key: dict(part) for key, part in SMOKE[study].items()} for study in two}
    for _ in range(draw(st.integers(1, 3))):
        study = draw(st.sampled_from(two))
        where = draw(st.sampled_from(["parameters"] * 6 + ["runs", "entry", "profile"]))
        if where == "parameters" and isinstance(profile.get(study), dict):
            name = draw(st.sampled_from(NAMES[study]) | TEXTS)
            profile[study].setdefault("parameters", {})[name] = draw(VALUES)
        elif where == "runs" and isinstance(profile.get(study), dict):
            profile[study]["runs"] = draw(
                st.dictionaries(ODD.filter(_can_be_key) | TEXTS, VALUES, max_size=2)
            )
        elif where == "entry":
            profile[study] = draw(VALUES)
        else:
            profile[draw(TEXTS | st.just("families"))] = draw(VALUES)
    return profile


def _can_be_key(value: object) -> bool:
    return not isinstance(value, list | dict)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """Bytes of a file of which a piece was cut off, left out, doubled, or replaced."""
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(len(whole), start + 40)))
    piece = draw(
        st.sampled_from([b"", whole[start:end] * 2, b"\0", b",", b'"', b"nan", b"1e999", b"\xff"])
        | st.binary(max_size=8)
    )
    return draw(st.sampled_from([whole[:start] + piece + whole[end:], whole[:start]]))


def refused(kind: type[Exception], read: Callable[[], object]) -> str | None:
    """What was said where a file was refused; None where it was accepted. Any other exception goes on."""
    try:
        read()
    except kind as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    (root / "config").mkdir()
    return root


def checked(project: Path, content: bytes) -> None:
    (project / "config" / "mine.yml").write_bytes(content)
    told = refused(profiles.ProfileError, lambda: studies.check("mine", project))
    assert told is None or "mine.yml" in told


@BOUNDED
@given(changed())
def test_a_profile_with_any_values_is_accepted_or_refused(project, profile):
    checked(project, yaml.safe_dump(profile, allow_unicode=True).encode())


@BOUNDED
@given(
    damaged(yaml.safe_dump({"lora": SMOKE["lora"], "theory": SMOKE["theory"]}).encode())
    | st.binary(max_size=60)
)
def test_a_damaged_profile_is_accepted_or_refused(project, content):
    checked(project, content)


@BOUNDED
@given(st.text(st.sampled_from("ab01.:-{}[]&*!|>?#%,'\" \n\t\\<=~@"), max_size=40))
def test_any_text_is_settings_or_refused(source):
    told = refused(BadSettings, lambda: parsed(source, "mine"))
    assert told is None or told.startswith("mine")


@pytest.fixture(scope="module")
def filed(project) -> tuple[Path, bytes, dict]:
    o = Observations()
    for k in (1, 10):
        o.add("S3", "capture", 0.61 - k / 100, null=0.001, null_means="random subspace", k=k, pair="cipher")
    rest = dict(parameters={"ks": [1, 10]}, device="cpu", versions={}, code="0")
    header = filing.Header(study="lora", profile="quick", model="mini", seed=0, **rest)
    path = filing.write(o, header, project / "runs")
    return path, path.read_bytes(), json.loads(path.with_suffix(".json").read_text())


def read(path: Path, table: bytes, header: object) -> None:
    path.write_bytes(table)
    path.with_suffix(".json").write_bytes(
        header if isinstance(header, bytes) else json.dumps(header).encode()
    )
    told = refused(ValueError, lambda: filing.read(path))
    assert told is None or str(path) in told


@BOUNDED
@given(st.data())
def test_a_damaged_table_is_read_or_refused_even_where_its_header_vouches_for_it(filed, data):
    path, table, header = filed
    new = data.draw(damaged(table))
    try:
        text = new.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    vouched = data.draw(st.booleans())
    read(path, new, {**header, "sha256": filing._sha256(text)} if vouched else header)


@BOUNDED
@given(st.data())
def test_a_header_with_any_values_is_read_or_refused(filed, data):
    path, table, header = filed
    whole = json.dumps(header).encode()
    name = data.draw(st.sampled_from(sorted(header)) | TEXTS)
    read(path, table, data.draw(damaged(whole) | VALUES.map(lambda value: {**header, name: value}) | VALUES))


LINES = st.dictionaries(
    st.sampled_from(["question", "passage", "answer", "label", "statement", "prompt", "answers", "x"]),
    VALUES | st.lists(TEXTS, max_size=3),
    max_size=5,
)


@BOUNDED
@given(
    st.lists(
        LINES.map(lambda line: json.dumps(line).encode())
        | st.binary(max_size=20)
        | ODD.map(lambda x: json.dumps(x).encode()),
        max_size=5,
    ),
    st.sampled_from(
        ["", "{prompt}", "{question}", "{passage} {question}", "{", "{0}", "{x.y}", "{question!r:>9}"]
    )
    | TEXTS,
    st.sampled_from([(), ("a", "b"), ("a", "a"), ("a",), (" ", "b")]),
)
def test_a_file_of_data_is_read_or_refused(project, lines, template, answers):
    path = project / "mine.jsonl"
    path.write_bytes(b"\n".join(lines))
    told = refused(ValueError, lambda: own.read(path, template=template, answers=answers))
    assert told is None or told.strip()
