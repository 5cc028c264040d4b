"""A count is a whole number between two bounds, whoever made it; anything else is named."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lglib.base.checks import count


def got(name, value, **bounds):
    """The value, or None where it is refused."""
    try:
        return count(name, value, **bounds)
    except ValueError:
        return None


@given(st.integers(), st.integers(-5, 5), st.none() | st.integers(-5, 20))
def test_a_whole_number_passes_just_when_it_lies_between_the_bounds(value, low, most):
    inside = low <= value and (most is None or value <= most)
    assert got("N", value, low=low, most=most) == (value if inside else None)


@given(st.integers(-300, 300))
def test_without_bounds_a_count_starts_at_one(value):
    assert got("N", value) == (value if value >= 1 else None)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint8, np.uint64, np.intp])
def test_whole_numbers_of_numpy_pass_and_become_ints(kind):
    found = count("N", kind(7), low=1, most=7)
    assert found == 7
    assert type(found) is int


def test_a_huge_number_keeps_all_its_digits():
    assert count("N", 10**30 + 1) == 10**30 + 1


@pytest.mark.parametrize("low", [-10, 0, 1])
@pytest.mark.parametrize(
    "value",
    [True, False, np.True_, np.False_, 3.0, np.float64(3.0), np.float32(3.0), float("nan"), float("inf")],
    ids=repr,
)
def test_truth_values_and_floats_are_no_counts(value, low):
    with pytest.raises(ValueError, match="N must be a whole number"):
        count("N", value, low=low)


@pytest.mark.parametrize(
    "value", [None, "3", b"3", [3], (3,), {3}, 3 + 0j, np.array([3]), np.array([]), torch.tensor([3]), int]
)
def test_what_is_no_number_is_no_count(value):
    with pytest.raises(ValueError, match="N must be a whole number"):
        count("N", value)


@pytest.mark.parametrize(
    "value",
    [np.array(3), np.array(3.0), np.array(True), torch.tensor(3), torch.tensor(3.0), torch.tensor(True)],
    ids=repr,
)
def test_an_array_without_a_dimension_is_no_count(value):
    with pytest.raises(ValueError, match="N must be a whole number"):
        count("N", value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: count("N", 0), "N must be a whole number from 1, got 0"),
        (lambda: count("cost", -1, low=0), "cost must be a whole number from 0, got -1"),
        (lambda: count("k", 11, most=10), "k must be a whole number from 1 to 10, got 11"),
        (lambda: count("k", 1.5, low=0, most=0), "k must be a whole number from 0 to 0, got 1.5"),
        (lambda: count("k", "7", most=10), "k must be a whole number from 1 to 10, got '7'"),
    ],
)
def test_the_message_names_the_count_its_bounds_and_what_came(call, told):
    with pytest.raises(ValueError, match="whole number") as caught:
        call()
    assert str(caught.value) == told
