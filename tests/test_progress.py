"""Progress of long work: rarely, to where it belongs, and never on a page."""

import io
import sys
from types import SimpleNamespace

import pytest
import torch

from lglib.base import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    monkeypatch.setattr(progress, "_last", now.seconds)
    monkeypatch.delenv("LG_PROGRESS", raising=False)
    return now


@pytest.fixture
def file(monkeypatch, tmp_path):
    path = tmp_path / "progress.log"
    monkeypatch.setenv("LG_PROGRESS", str(path))
    return path


def test_the_file_hears_at_most_once_in_an_interval(clock, file, capfd):
    for step in range(1, 101):
        clock.seconds += 0.125
        progress.tell("base model", step, 100, "loss 2.30")
    wanted = range(24, 101, 24)  # 3 s are 24 ticks of an eighth
    assert file.read_text().splitlines() == [f"base model: {i} of 100, loss 2.30" for i in wanted]
    assert tuple(capfd.readouterr()) == ("", "")


def test_long_steps_are_all_told(clock, file):
    for step in range(3):
        clock.seconds += 60
        progress.tell("forgetting", step + 1)
    assert file.read_text().splitlines() == ["forgetting: 1", "forgetting: 2", "forgetting: 3"]


def test_lines_are_added_to_what_the_file_holds(clock, file):
    file.write_text("before\n")
    clock.seconds += 4
    progress.tell("α", 1, 2)
    assert file.read_text(encoding="utf-8") == "before\nα: 1 of 2\n"


def test_a_page_sees_nothing(clock, capfd):
    clock.seconds += 60
    progress.tell("base model", 1, 2)
    progress.note("made again")
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_terminal_without_the_pipeline_sees_a_line(clock, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    clock.seconds += 2.9
    progress.tell("base model", 1, 2)
    assert terminal.getvalue() == ""
    clock.seconds += 0.2
    progress.tell("base model", 2, 2)
    assert terminal.getvalue() == "base model: 2 of 2\n"
    assert capsys.readouterr().out == ""


def test_the_file_of_the_pipeline_goes_before_the_terminal(clock, file, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress.note("made again")
    assert file.read_text() == "made again\n"
    assert terminal.getvalue() == ""


def test_a_note_does_not_wait(clock, file):
    progress.note("one")
    progress.note("two")
    assert file.read_text() == "one\ntwo\n"


def test_an_empty_name_of_a_file_is_no_file(clock, monkeypatch, capfd):
    monkeypatch.setenv("LG_PROGRESS", "")
    progress.note("nobody hears")
    assert tuple(capfd.readouterr()) == ("", "")


def test_telling_changes_no_number(clock, file):
    before = torch.get_rng_state()
    clock.seconds += 4
    progress.tell("base model", 1)
    assert torch.equal(torch.get_rng_state(), before)
