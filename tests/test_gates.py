"""Gates of a forgetting experiment: both directions, and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lglib.studies import gates

shares = st.floats(0, 1)
named = st.dictionaries(st.text(min_size=1, max_size=4), shares, min_size=1, max_size=4)


def passes(gate, scores, bar):
    try:
        gate(scores, bar)
    except gates.GateError:
        return False
    return True


@given(named, shares)
def test_learned_passes_just_when_the_lowest_score_is_at_least_the_bar(scores, bar):
    assert passes(gates.require_learned, scores, bar) == (min(scores.values()) >= bar)


@given(named, shares)
def test_forgotten_passes_just_when_the_highest_score_is_at_most_the_bar(scores, bar):
    assert passes(gates.require_forgotten, scores, bar) == (max(scores.values()) <= bar)


def test_a_score_on_the_bar_passes_both_ways():
    gates.require_learned({"copy": 0.5}, 0.5)
    gates.require_forgotten({"copy": 0.5}, 0.5)


def test_what_was_not_learned_is_named_beside_every_score():
    with pytest.raises(gates.GateError, match=r"^sort, shift never reached the bar of 0\.95: ") as caught:
        gates.require_learned({"copy": 0.99, "sort": 0.5, "shift": 0.125}, 0.95)
    for told in ("copy 0.990", "sort 0.500", "shift 0.125"):
        assert told in str(caught.value)
    assert "copy never" not in str(caught.value)


def test_what_was_not_forgotten_is_named_beside_every_score():
    with pytest.raises(gates.GateError, match=r"^copy was not forgotten, the bar is 0\.1: ") as caught:
        gates.require_forgotten({"copy": 0.99, "sort": 0.0}, 0.1)
    for told in ("copy 0.990", "sort 0.000"):
        assert told in str(caught.value)


@pytest.mark.parametrize("gate", [gates.require_learned, gates.require_forgotten])
def test_a_score_that_is_no_number_never_passes(gate):
    for bar in (0.0, 0.5, 1.0):
        with pytest.raises(gates.GateError, match="sort nan"):
            gate({"copy": bar, "sort": float("nan")}, bar)


@pytest.mark.parametrize("gate", [gates.require_learned, gates.require_forgotten])
def test_no_score_is_nothing_to_check(gate):
    with pytest.raises(ValueError, match="scores is empty"):
        gate({}, 0.5)


@pytest.mark.parametrize("bar", [-0.01, 1.01, 95, float("nan"), float("inf")])
@pytest.mark.parametrize("gate", [gates.require_learned, gates.require_forgotten])
def test_a_bar_that_is_no_share_is_refused(gate, bar):
    with pytest.raises(ValueError, match=r"bar must lie in \[0, 1\], got"):
        gate({"copy": 1.0}, bar)


@pytest.mark.parametrize(
    ("gate", "score", "bar"), [(gates.require_learned, 0.9499, 0.95), (gates.require_forgotten, 0.1001, 0.1)]
)
def test_a_score_that_just_fails_is_not_shown_as_the_bar(gate, score, bar):
    with pytest.raises(gates.GateError) as caught:
        gate({"copy": score}, bar)
    assert f"copy {score:.5f}" in str(caught.value)
