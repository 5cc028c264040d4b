"""The halves of a notebook pair: the edit is kept, whichever half has it and whatever their times say."""

from __future__ import annotations

import os
import subprocess
import time

import mini
import pytest

from workflow import pairs


@pytest.fixture
def project(tmp_path, root):
    """A committed pair that is in step."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "jupytext.toml").write_bytes(
        (root / "notebooks" / "jupytext.toml").read_bytes()
    )
    mini.write_chapter(tmp_path, "01_one")
    for command in (["init", "-q"], ["add", "notebooks"], ["commit", "-q", "-m", "all"]):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@x", *command], cwd=tmp_path, check=True
        )
    return tmp_path


def half(project, end):
    return project / "notebooks" / f"01_one{end}"


def change(path, new, old="Some prose."):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def later(path, seconds=100):
    when = time.time() + seconds
    os.utime(path, (when, when))


def says(project, end, words):
    return words in half(project, end).read_text()


@pytest.mark.parametrize("end", pairs.ENDS)
@pytest.mark.parametrize("git", [True, False])
def test_an_edit_of_one_half_reaches_the_other_even_when_that_is_newer(project, end, git):
    other = ".py" if end == ".ipynb" else ".ipynb"
    if not git:
        (project / ".git").rename(project / "away")
    change(half(project, end), "An edit.")
    later(half(project, other))  # as after a stash or a checkout
    (told,) = pairs.sync(project)
    assert says(project, other, "An edit.")
    assert f"both now follow 01_one{end}, the one that" in told
    assert pairs.sync(project) == []


def test_a_half_that_was_stashed_does_not_take_the_edit_with_it(project):
    change(half(project, ".py"), "An edit.")
    pairs.sync(project)
    subprocess.run(["git", "checkout", "-q", "notebooks/01_one.ipynb"], cwd=project, check=True)
    later(half(project, ".ipynb"))
    pairs.sync(project)
    assert says(project, ".py", "An edit.")
    assert says(project, ".ipynb", "An edit.")


def test_edits_of_both_halves_are_refused_and_stay(project):
    change(half(project, ".py"), "One edit.")
    change(half(project, ".ipynb"), "Another edit.")
    before = [half(project, end).read_bytes() for end in pairs.ENDS]
    with pytest.raises(pairs.PairError, match=r"01_one.py and 01_one.ipynb were both changed.*make sync"):
        pairs.sync(project)
    assert [half(project, end).read_bytes() for end in pairs.ENDS] == before
    half(project, ".ipynb").rename(project / "away.ipynb")
    pairs.sync(project)
    assert says(project, ".ipynb", "One edit.")


def test_an_older_edit_that_comes_back_from_a_stash_overwrites_nothing_that_is_nowhere_else(project):
    change(half(project, ".py"), "First edit.")
    pairs.sync(project)
    old = half(project, ".ipynb").read_bytes()
    change(half(project, ".py"), "Second edit.", "First edit.")
    pairs.sync(project)
    half(project, ".ipynb").write_bytes(old)
    (told,) = pairs.sync(project)
    (kept,) = [path for path in (project / pairs.KEPT).iterdir() if "Second edit." in path.read_text()]
    assert told.endswith(f"what 01_one.py was is in runs/pairs/{kept.name}")


def test_a_half_that_is_no_notebook_is_named(project):
    half(project, ".ipynb").write_text("{ no")
    with pytest.raises(
        pairs.PairError, match=r"01_one.ipynb is no whole notebook .* remove it, and make sync"
    ):
        pairs.sync(project)


def test_without_git_and_memory_the_newer_is_taken_and_the_other_kept(project):
    (project / ".git").rename(project / "away")
    (project / pairs.MEMORY).unlink()
    change(half(project, ".py"), "One edit.")
    change(half(project, ".ipynb"), "Another edit.")
    later(half(project, ".ipynb"))
    (told,) = pairs.sync(project)
    assert "01_one.ipynb, the newer" in told
    (kept,) = (project / pairs.KEPT).iterdir()
    assert "One edit." in kept.read_text()
