"""Sections of a study: one that fails is left out alone, and what was measured before a cut is taken up."""

import hashlib
import json

import pytest

from lglib import studies
from lglib.base.checks import NotMeasurable
from lglib.report import filing, frames, observations, partial, sections
from lglib.report.observations import FileChanged, Header, Observations
from lglib.studies.gates import GateError


def header(**changes):
    given = dict(study="rank", profile="quick", model="micro", seed=0, parameters={"n": 3}, device="cpu")
    return Header(**{**given, "versions": {"python": "3"}, "code": "abc", **changes})


def add(found, k, value=1.0):
    found.add("T1", "gain", value, null=0.0, null_means="no step", k=k)


def three(found, second=None, called=None):
    """Sections a, b and c of one row each; `second` is what b raises after its row."""

    def run(k, name):
        if called is not None:
            called.append(name)
        add(found, k)
        if name == "b" and second is not None:
            raise second

    return {name: (lambda k=k, name=name: run(k, name)) for k, name in enumerate("abc")}


def test_a_section_that_cannot_be_measured_is_left_out_with_its_rows_and_its_reason():
    found = Observations()
    sections.measure_sections(found, three(found, NotMeasurable("no finite optimum: the trace is -3.1")))
    assert found.frame()["k"].tolist() == [0, 2]
    assert found.left_out == {"b": "NotMeasurable: no finite optimum: the trace is -3.1"}
    assert found.done == ["a", "b", "c"]
    assert found.crashed == {}
    add(found, 1)  # its key is free again


def test_a_late_crash_loses_one_section_only_and_keeps_its_place_in_the_code():
    found = Observations()
    sections.measure_sections(found, three(found, IndexError("position 7\nof 5")))
    assert found.frame()["k"].tolist() == [0, 2]
    assert found.left_out == {"b": "IndexError: position 7 of 5"}
    assert found.done == ["a", "c"]
    assert "raise second" in found.crashed["b"]


def test_a_run_that_is_taken_up_skips_what_is_done_and_tries_what_crashed_again():
    found, called = Observations(), []
    sections.measure_sections(found, three(found, IndexError("position 7")))
    again = Observations.from_json(json.loads(json.dumps(found.as_json())))
    sections.measure_sections(again, three(again, called=called))
    assert called == ["b"]
    assert again.left_out == again.crashed == {}
    assert sorted(again.frame()["k"]) == [0, 1, 2]


def test_what_cannot_be_measured_is_not_tried_again():
    found, called = Observations(), []
    sections.measure_sections(found, three(found, GateError("cipher was not forgotten")))
    sections.measure_sections(found, three(found, called=called))
    assert called == []
    assert found.left_out == {"b": "GateError: cipher was not forgotten"}


def test_what_there_is_is_kept_after_each_section():
    found, kept = Observations(), []
    sections.measure_sections(found, three(found), keep=lambda o: kept.append((len(o), list(o.done))))
    assert kept == [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"])]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_a_run_stops_it(stop):
    found = Observations()
    with pytest.raises(stop):
        sections.measure_sections(found, three(found, stop()))
    assert found.done == ["a"]


def test_a_study_of_which_every_section_fails_raises_with_all_reasons_and_places():
    found = Observations()

    def crash():
        raise IndexError("position 7")

    def cannot():
        raise NotMeasurable("one answer only")

    with pytest.raises(
        sections.NothingMeasured, match=r"(?s)none of the 2.*a: IndexError: position 7"
    ) as told:
        sections.measure_sections(found, {"a": crash, "b": cannot})
    assert "b: NotMeasurable: one answer only" in str(told.value)
    assert any("in crash" in note for note in told.value.__notes__)


def test_a_reason_is_one_line_without_folders_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert sections.reason(OSError(f"no {tmp_path}/weights\n here")) == "OSError: no ./weights here"
    assert len(sections.reason(ValueError("x" * 5000))) == sections.LONGEST
    assert sections.reason(RuntimeError()) == "RuntimeError: no words"


# --- files of data


def test_a_file_that_changes_within_a_run_ends_it():
    found = Observations()

    def reads(sha):
        return lambda: found.used("own.jsonl", sha)

    with pytest.raises(FileChanged, match=r"own\.jsonl is no longer the file that this run began with"):
        sections.measure_sections(found, {"a": reads("1" * 64), "b": reads("2" * 64)})
    assert found.files == {"own.jsonl": "1" * 64}


# --- what an unfinished run keeps


def test_an_unfinished_run_is_taken_up_whole(tmp_path):
    found = Observations()
    sections.measure_sections(found, three(found, NotMeasurable("no")))
    found.used("own.jsonl", "1" * 64)
    path = partial.keep(found, header(), tmp_path)
    assert path == tmp_path / "quick" / "micro" / "seed0" / "rank.partial.json"
    again = partial.take_up(header(), tmp_path)
    assert again.frame().equals(found.frame())
    assert [getattr(again, name) for name in observations.STATE] == [
        *(["a", "b", "c"], {"b": "NotMeasurable: no"}, {}, {"own.jsonl": "1" * 64})
    ]
    partial.discard(header(), tmp_path)
    assert len(partial.take_up(header(), tmp_path)) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"code": "abd"}, "made with other code"),
        ({"parameters": {"n": 4}}, "made with other parameters"),
        ({"versions": {"python": "4"}}, "made with other versions"),
        ({"device": "H100"}, "made with other device"),
    ],
)
def test_an_unfinished_run_of_something_else_is_discarded_with_a_word(tmp_path, monkeypatch, change, told):
    said = []
    monkeypatch.setattr(partial.progress, "note", said.append)
    found = Observations()
    add(found, 0)
    path = partial.keep(found, header(), tmp_path)
    assert len(partial.take_up(header(**change), tmp_path)) == 0
    assert not path.exists()
    assert told in said[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"header": {}}'])
def test_a_damaged_unfinished_run_is_discarded(tmp_path, text):
    path = partial.path_of(header(), tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert len(partial.take_up(header(), tmp_path)) == 0
    assert not path.exists()


def test_an_unfinished_run_is_never_read_as_an_observation(tmp_path):
    found, root = Observations(), tmp_path / filing.FRESH
    add(found, 0)
    partial.keep(found, header(seed=1), root)
    observations.write(found, header(), root)
    partial.keep(found, header(), root)
    gathered = filing.gather("rank", "quick", code="abc", root=tmp_path)
    assert gathered.frame["seed"].tolist() == [0]
    assert gathered.left_out == {}


# --- in the header, and where it is read


def test_what_was_left_out_and_read_is_in_the_header_and_in_what_is_gathered(tmp_path):
    found, root = Observations(), tmp_path / filing.FRESH
    add(found, 0)
    left = header(left_out={"drift": "NotMeasurable: one step"}, files={"own.jsonl": "1" * 64})
    assert filing.read(observations.write(found, left, root)).header == left
    observations.write(found, header(seed=1), root)
    gathered = filing.gather("rank", "quick", code="abc", root=tmp_path)
    assert gathered.sections == {"micro seed 0": {"drift": "NotMeasurable: one step"}}
    assert "micro seed 0, without drift: NotMeasurable: one step" in str(gathered)
    row = frames.rows(gathered.frame, claim="context", measure=frames.LEFT_OUT)
    assert row[["seed", "section", "reason"]].values.tolist() == [[0, "drift", "NotMeasurable: one step"]]


def test_a_header_from_before_sections_reads_as_one_that_left_nothing_out(tmp_path):
    found = Observations()
    add(found, 0)
    path = observations.write(found, header(), tmp_path).with_suffix(".json")
    document = json.loads(path.read_text())
    old = {name: value for name, value in document.items() if name not in ("left_out", "files")}
    path.write_text(json.dumps(old))
    assert filing.read(path).header == header()
    assert set(document) - set(old) == {"left_out", "files"}


def test_an_observation_made_of_another_file_of_data_is_stale(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "own.jsonl"
    data.write_text("{}\n")
    sha = hashlib.sha256(data.read_bytes()).hexdigest()
    made = header(parameters={"data": "own.jsonl"}, files={"own.jsonl": sha})
    assert filing.stale(made, "abc", {"data": "own.jsonl"}) == ""
    data.write_text("{} \n")
    assert filing.stale(made, "abc", {"data": "own.jsonl"}) == "made of another file own.jsonl"
    data.unlink()  # what cannot be seen is not said
    assert filing.stale(made, "abc", {"data": "own.jsonl"}) == ""


# --- the studies: a run that was cut off anywhere ends as one that was not

TINY = {
    "theory": dict(widths=(13, 20)),
    "models": dict(items=20),
    "synthetic": {},
    "lora": dict(candidates=4, refresh=(3,), shapes=("4-attention", "2-linear")),
}


class Cut(BaseException):
    """The machine is switched off."""


@pytest.mark.long
@pytest.mark.parametrize("study", list(TINY))
def test_a_run_that_is_cut_off_and_taken_up_ends_as_one_that_was_not(study):
    module, parameters = studies.study(study), studies.parameters(study, "smoke", **TINY[study])
    whole = module.measure(parameters, 0)
    assert whole.crashed == {}
    half, state = len(whole.done) // 2, {}

    def keep(found):
        state.update(json.loads(json.dumps(found.as_json())))
        if len(found.done) == half:
            raise Cut

    with pytest.raises(Cut):
        module.measure(parameters, 0, keep=keep)
    again = module.measure(parameters, 0, found=Observations.from_json(state))
    assert (again.done, again.left_out) == (whole.done, whole.left_out)
    assert again.frame().equals(whole.frame())
