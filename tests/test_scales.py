"""Scales of measures: every filed value lies in the range of its scale, and no name is of nothing."""

import pytest

from lglib import studies
from lglib.report import scales
from lglib.theory.intervals import MAPS


@pytest.fixture(scope="module")
def filed():
    frames = [studies.observed(name, "quick").frame for name in studies.NAMES]
    return {(m, v) for frame in frames for m, v in zip(frame["measure"], frame["value"], strict=True)}


def test_every_filed_value_lies_in_the_range_of_its_scale(filed):
    for measure, value in filed:
        ends = MAPS[scales.of(measure)]
        assert ends.low <= value <= ends.high, measure


def test_every_measure_that_has_a_scale_is_filed(filed):
    assert scales.named() <= {measure for measure, _ in filed}
