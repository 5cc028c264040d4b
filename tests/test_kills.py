"""A few kills of the pipeline, one a stage; benchmarks/kills.py has 32."""

from __future__ import annotations

import kills
import pytest

pytestmark = pytest.mark.long


def test_a_project_that_was_killed_in_every_stage_ends_as_one_that_never_was(tmp_path):
    made = kills.prepared(tmp_path)
    (plan,) = kills.plan(lives=1, seed=1, each=1)
    assert {kill.stage for kill in plan} == set(kills.COMMANDS)
    assert len({(kill.signal, kill.whom) for kill in plan}) == len(kills.SIGNALS)
    told = list(kills.lived(plan, made, tmp_path / "killed"))
    assert [found for _, _, found in told if found] == []
    assert sum(kill is not None and status != 0 for kill, status, _ in told) >= 2
