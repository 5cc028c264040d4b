"""Chapter 3 keeps its place in a profile that leaves the controls out."""

from workflow import plan

CHAPTER = "03_lora_drift"


def test_a_profile_without_controls_keeps_the_chapter_that_would_show_them(root):
    state = plan.State("real", root)
    assert "controls" not in state.plan
    assert state.studies_of(CHAPTER) == ["lora"]
    assert CHAPTER in state.own
    assert state.pick("03")[0] == CHAPTER


def test_where_the_controls_are_planned_the_chapter_reads_them(root):
    assert plan.State("quick", root).studies_of(CHAPTER) == ["lora", "controls"]


def test_a_profile_without_another_study_loses_its_chapter(root):
    assert "01_theory" not in plan.State("real", root).own
