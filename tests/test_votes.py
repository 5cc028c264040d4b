"""What candidates know together, against counting by hand: every subset, every pattern, every guess."""

import math
import warnings
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lglib.search import votes

patterns = st.tuples(st.integers(1, 7), st.integers(1, 4)).flatmap(lambda shape: hnp.arrays(bool, shape))


def share_of_subsets(right, k):
    """pass@k by trying every subset of k candidates on every item."""
    hits = [
        any(column[i] for i in chosen) for column in right.T for chosen in combinations(range(len(right)), k)
    ]
    return Fraction(sum(hits), len(hits))


@given(patterns, st.data())
def test_pass_at_k_is_the_share_of_subsets_in_which_one_is_right(right, data):
    k = data.draw(st.integers(1, len(right)))
    assert votes.pass_at(right, k) == pytest.approx(float(share_of_subsets(right, k)), abs=1e-12)


@pytest.mark.parametrize("p", [Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(9, 10), Fraction(1)])
@pytest.mark.parametrize(("n", "k"), [(5, 1), (5, 3), (6, 2), (6, 6)])
def test_pass_at_k_is_on_average_what_k_fresh_candidates_would_reach(n, k, p):
    average = 0.0
    for pattern in product([True, False], repeat=n):  # every outcome, with its probability
        weight = math.prod(p if one else 1 - p for one in pattern)
        average += float(weight) * votes.pass_at(np.array(pattern)[:, None], k)
    assert average == pytest.approx(float(1 - (1 - p) ** k), abs=1e-12)


@given(patterns)
def test_pass_at_all_is_whether_anyone_is_right(right):
    assert votes.pass_at(right, len(right)) == pytest.approx(right.any(0).mean(), abs=1e-12)


@given(patterns)
def test_pass_at_one_is_the_mean_accuracy(right):
    assert votes.pass_at(right, 1) == pytest.approx(right.mean(), abs=1e-12)


@given(patterns, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter_to_pass_at(right, dice):
    order = dice.sample(range(len(right)), len(right))
    for k in range(1, len(right) + 1):
        assert votes.pass_at(right[order], k) == pytest.approx(votes.pass_at(right, k), abs=1e-12)


@given(patterns)
def test_pass_at_never_falls_with_more_candidates(right):
    found = [votes.pass_at(right, k) for k in range(1, len(right) + 1)]
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(found))


@pytest.mark.parametrize(("n", "k", "c"), [(10_000, 50, 3), (5000, 256, 100), (5000, 4000, 1), (300, 7, 299)])
def test_pass_at_stays_exact_where_factorials_are_huge(n, k, c):
    right = np.zeros((n, 1), dtype=bool)
    right[:c] = True
    wanted = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert votes.pass_at(right, k) == pytest.approx(float(wanted), rel=1e-9)


@pytest.mark.parametrize(("n", "k"), [(20, 10), (64, 50), (3, 2), (256, 8), (7, 7)])
def test_where_nobody_is_right_pass_at_is_zero_and_not_below(n, k):
    assert votes.pass_at(np.zeros((n, 3), dtype=bool), k) == 0


@pytest.mark.parametrize(("n", "k"), [(20, 10), (64, 50), (3, 2), (256, 8), (7, 1)])
def test_where_all_are_right_pass_at_is_one(n, k):
    assert votes.pass_at(np.ones((n, 3), dtype=bool), k) == 1


@pytest.mark.parametrize(
    "right",
    [
        np.zeros((0, 3), dtype=bool),
        np.zeros((3, 0), dtype=bool),
        np.zeros(3, dtype=bool),
        np.zeros((2, 3, 4), dtype=bool),
        np.array(True),
        np.zeros((3, 2)),
        np.ones((3, 2), dtype=int),
        np.full((3, 2), math.nan),
        [],
        [[True, None]],
    ],
    ids=str,
)
def test_pass_at_wants_truth_values_of_candidates_by_items(right):
    with pytest.raises(ValueError, match=r"right must be true or false \(N, items\), got"):
        votes.pass_at(right, 1)


@pytest.mark.parametrize("k", [0, -1, 4, 1.0, 2.5, True, math.nan, None, "2"])
def test_pass_at_wants_k_between_one_and_the_number_of_candidates(k):
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 3"):
        votes.pass_at(np.ones((3, 2), dtype=bool), k)


def elected(ballots):
    """The most frequent answer, and of equally frequent ones that of the earliest candidate."""
    tally = Counter(ballots)
    most = max(tally.values())
    return next(answer for answer in ballots if tally[answer] == most)


@given(
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=7).flatmap(
        lambda shape: hnp.arrays(np.int64, shape, elements=st.integers(-2, 3))
    )
)
def test_the_majority_is_that_of_a_count_by_hand_entry_by_entry(predicted):
    found = votes.majority(predicted)
    assert found.shape == predicted.shape[1:]
    for place in np.ndindex(*found.shape):
        assert found[place] == elected([int(one[place]) for one in predicted])


@pytest.mark.parametrize(
    ("ballots", "wanted"),
    [
        ([5, 3, 3, 5], 5),  # a tie: candidate 0 is the better one
        ([3, 5, 5, 3], 3),
        ([9, 5, 3, 3, 5], 5),  # the best candidate's own answer has too few
        ([4, 2, 7], 4),  # all alone
        ([1, 2, 2], 2),
        ([6], 6),
    ],
)
def test_a_tie_goes_to_the_better_candidate(ballots, wanted):
    assert votes.majority(np.array(ballots)[:, None]).tolist() == [wanted]


def test_answers_of_several_tokens_are_voted_on_token_by_token():
    ballots = np.array([[[1, 9]], [[2, 8]], [[2, 9]]])  # (k, items, tokens)
    assert votes.majority(ballots).tolist() == [[2, 9]]


def test_the_vote_keeps_the_type_and_the_candidates_as_they_were():
    ballots = np.array([[1, 7], [2, 8], [2, 7]], dtype=np.uint16)
    before = ballots.copy()
    assert votes.majority(ballots).dtype == np.uint16
    assert np.array_equal(ballots, before)


@pytest.mark.parametrize(
    "predicted",
    [
        np.zeros((0, 3), dtype=int),
        np.array([1, 2, 3]),
        np.array(1),
        np.zeros((2, 3)),
        np.full((2, 3), math.nan),
        np.zeros((2, 3), dtype=bool),
        np.array([["a"], ["b"]]),
        [],
    ],
    ids=str,
)
def test_a_majority_wants_whole_numbers_of_at_least_one_candidate(predicted):
    with pytest.raises(ValueError, match="predicted must be whole numbers"):
        votes.majority(predicted)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("options", [[1], [2], [5], [2, 3], [4, 1, 2, 2]])
def test_chance_is_the_share_of_all_guesses_that_hit(options, k):
    shares = []
    for m in options:
        guesses = list(product(range(m), repeat=k))
        shares.append(Fraction(sum(0 in guess for guess in guesses), len(guesses)))
    assert votes.chance(options, k) == pytest.approx(float(sum(shares) / len(shares)), abs=1e-15)


@pytest.mark.parametrize("m", [10**3, 10**6, 10**9])
def test_chance_among_very_many_answers_keeps_its_first_digits(m):
    assert votes.chance([m], 3) == pytest.approx(float(1 - (1 - Fraction(1, m)) ** 3), rel=1e-6)


def test_chance_takes_sizes_of_numpy():
    assert votes.chance(np.array([2, 4]), 1) == pytest.approx((1 / 2 + 1 / 4) / 2)


@pytest.mark.parametrize(
    ("options", "k", "told"),
    [
        ([], 1, "options is empty"),
        ([0], 1, "options must be a whole number from 1, got 0"),
        ([2, -1], 1, "options must be a whole number from 1, got -1"),
        ([2.0], 1, "options must be a whole number"),
        ([math.nan], 1, "options must be a whole number"),
        ([True], 1, "options must be a whole number"),
        ([2], 0, "k must be a whole number from 1, got 0"),
        ([2], 1.0, "k must be a whole number"),
        ([2], True, "k must be a whole number"),
        ([2], math.nan, "k must be a whole number"),
    ],
)
def test_chance_wants_whole_numbers(options, k, told):
    with pytest.raises(ValueError, match=told):
        votes.chance(options, k)


scores = st.lists(
    st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, math.inf]) | st.floats(-3, 3), min_size=1, max_size=12
)


@given(scores, st.data())
def test_the_best_come_first_and_of_equals_the_earlier(scores, data):
    k = data.draw(st.integers(1, len(scores)))
    wanted = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    assert votes.best_first(np.array(scores), k).tolist() == wanted


def test_many_equal_scores_stay_in_their_order():
    assert votes.best_first(np.zeros(5000), 5000).tolist() == list(range(5000))


def test_candidates_that_failed_come_last():
    scores = np.array([-math.inf, 0.5, -math.inf, -1e300, math.inf])
    assert votes.best_first(scores, 5).tolist() == [4, 1, 3, 0, 2]


def test_whole_scores_are_taken_and_left_as_they_are():
    scores = np.array([1, 3, 2])
    assert votes.best_first(scores, 2).tolist() == [1, 2]
    assert scores.tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    "scores", [np.array([1.0, math.nan]), np.ones((2, 2)), np.array(1.0), np.ones((0, 2))], ids=str
)
def test_scores_are_one_number_a_candidate(scores):
    with pytest.raises(ValueError, match=r"scores must be \(N,\) without nan"):
        votes.best_first(scores, 1)


@pytest.mark.parametrize(
    ("scores", "k"), [([1.0, 2.0], k) for k in (0, 3, -1, 1.0, True, math.nan, None)] + [([], 1), ([], 0)]
)
def test_the_best_k_are_from_one_to_all(scores, k):
    with pytest.raises(ValueError, match="k must be a whole number from 1 to"):
        votes.best_first(np.array(scores), k)
