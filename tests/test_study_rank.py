"""The study of chapter 4 in a tiny profile: what it files, what its check repeats, and what it refuses."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lglib.parameters.linearity import Regime
from lglib.report import claims, observations
from lglib.studies import rank
from lglib.studies.rank import causes, ranks, regime, search
from lglib.tasks.items import Item
from lglib.theory import laws
from lglib.theory.stats import Interval

TINY = rank.Parameters(
    tasks=("yes-no", "open"),
    examples=8,
    answer_counts=(2, 3),
    widths=(8, 12),
    sketch_sizes=(2, 4),
    regime_items=2,
    random_directions=2,
    probes=2,
    candidates=8,
)


@pytest.fixture(scope="module")
def measured():
    return rank.measure(TINY, seed=0).frame()


def test_every_claim_of_the_chapter_finds_its_rows(measured):
    over = observations.over_seeds(measured.assign(model="micro-gpt2", seed=0))
    judged = claims.judge("rank", over, "micro-gpt2")
    assert set(judged["claim"]) == {"L1", "L2"}
    assert len(judged) == 2 * 2 + 5
    assert len(claims.judge("rank", over, "micro-gpt2", beyond=True)) == 2 + 4 + 3


def test_verify_files_rows_of_measure_with_the_same_values(measured):
    part = rank.verify(TINY, seed=0).frame()
    keys = [name for name in part.columns if name in observations.frames.varied(part)]
    both = part.merge(measured, on=["claim", "measure", *keys], how="left", suffixes=("", " whole"))
    assert len(both) == len(part) < len(measured)
    for name in ("value", "low", "high", "null", "predicted"):
        np.testing.assert_allclose(both[name], both[f"{name} whole"], rtol=1e-5, atol=1e-9, err_msg=name)


def test_a_rank_is_at_least_one_and_at_most_that_of_random_directions(measured):
    found = observations.rows(measured, claim="L1", measure=list(ranks.RANKS), view="unit norm")
    assert found["value"].between(1, TINY.examples).all()
    assert (found["null"] > found["value"] - 1e-6).all()


def test_sure_wrong_yes_no_answers_turn_gradients_round_and_leave_the_spectrum():
    one = rank.load(TINY, seed=0)
    items = rank.items(one, "yes-no", 8, "set 0")
    turned = [Item(i.prompt, i.answers, 1 - i.label) for i in items]
    own, other = (rank.grams(one, "trained", chosen).total for chosen in (items, turned))
    assert ranks.participation_ratio(own) == pytest.approx(ranks.participation_ratio(other), rel=0.05)


def test_growth_is_one_for_orthogonal_gradients_and_nought_for_a_rank():
    class Fake:
        total = torch.eye(16, dtype=torch.float64)

    assert ranks.growth_exponent(rank.growth(Fake)["participation ratio"]) == pytest.approx(1)
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    Fake.total = x @ x.T
    assert abs(ranks.growth_exponent(rank.growth(Fake)["participation ratio"])) < 0.1


def test_shuffled_items_keep_their_prompts_and_deal_out_the_same_answers():
    items = [Item(str(i), (str(i),), 0) for i in range(9)]
    mixed = rank.subject.shuffled(items, seed=3)
    assert [i.prompt for i in mixed] == [i.prompt for i in items]
    assert sorted(i.answer for i in mixed) == [i.answer for i in items]
    assert mixed != items


def test_a_state_that_is_not_there_and_a_pool_too_small_are_refused():
    one = rank.load(TINY, seed=0)
    with pytest.raises(ValueError, match="state is 'asleep'; there is: trained, untrained, shuffled labels"):
        rank.grams(one, "asleep", rank.items(one, "open", 2, "x"))
    pool = [Item("a", ("x",), 0), Item("b", ("y",), 0)]
    with pytest.raises(ValueError, match="pool has 2 answers, 2 items with them; want 3 and 2"):
        causes.with_answers(pool, 3, 2)
    with pytest.raises(ValueError, match="pool has 2 answers, 2 items with them; want 2 and 4"):
        causes.with_answers(pool, 2, 4)


def quadratic(slope, bend):
    """F1 and F2 of s * slope + s^2 * bend / 2."""
    s = regime.SCALES
    return Regime(s, s * slope, s**2 * bend / 2, slope)


def test_curvature_predicts_the_crossing_of_a_quadratic_and_another_direction_does_not():
    slopes, bends = {"random 0": 1.0, "random 1": 1.0}, {"random 0": 4.0, "random 1": 400.0}
    found = {name: quadratic(slopes[name], bends[name]) for name in slopes}
    lines = regime.Lines(1.0, 10, dict.fromkeys(found, 2.0), found, bends)
    own, others = rank.crossing_errors(lines)
    np.testing.assert_allclose(own, 0, atol=1e-9)
    np.testing.assert_allclose(others, 2, atol=1e-9)  # the other's bend is 100 times its own
    assert lines.decades("random 0") == pytest.approx(6 + np.log10(0.5))
    assert lines.good_up_to("random 0") == pytest.approx(1)
    assert lines.in_tensor_units("random 0") == pytest.approx(0.25)


def test_the_share_at_sigma_star_counts_losses_of_a_choice_by_lot_as_no_gain():
    def step(multiple, gain):
        return search.Step(multiple, Interval(gain, gain, gain, 0.95, 1), gain, gain, gain, 1.0, gain)

    steps = [step(m, g) for m, g in zip(search.MULTIPLES, (1.0, 2.0, 3.0, 4.0, -50.0), strict=True)]
    assert search.share_at_sigma_star(steps) == (0.75, 0.5)


@pytest.mark.parametrize("n", [1, 4, 8])
def test_the_largest_absolute_normal_has_the_moments_of_draws(n):
    z = np.abs(np.random.default_rng(0).standard_normal((200_000, n))).max(1)
    assert rank.largest_absolute(n) == pytest.approx((z.mean(), (z**2).mean()), rel=0.01)
    assert rank.largest_absolute(n)[0] > laws.expected_maximum(2 * n)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"examples": 8, "answer_counts": (2, 9)},
            "a set of examples = 8 items cannot have 9 different answers",
        ),
        ({"tasks": ("open", "open")}, "each value may stand once"),
        ({"tasks": ("open",)}, "at least 2 items"),
        ({"tasks": ("open", "chess")}, "Input should be 'boolq'"),
        ({"answer_counts": (4, 2)}, "the values must rise"),
        ({"answer_counts": (1, 2)}, "greater than or equal to 2"),
        ({"widths": (30, 64)}, "multiple of 4"),
        ({"widths": (64, 32)}, "the values must rise"),
        ({"sketch_sizes": (8, 8)}, "the values must rise"),
        ({"candidates": 9}, "multiple of 2"),
        ({"candidates": 6}, "greater than or equal to 8"),
        ({"examples": 7}, "greater than or equal to 8"),
        ({"regime_items": 1}, "greater than or equal to 2"),
        ({"random_directions": 1}, "greater than or equal to 2"),
        ({"probes": 24.0}, "valid integer"),
        ({"model": ""}, "at least 1 character"),
        ({"sigma": 0.1}, "Extra inputs are not permitted"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_with_the_reason(given, told):
    with pytest.raises(ValidationError, match=told):
        rank.Parameters(**given)


def test_the_best_is_taken_of_a_quarter_of_the_candidates_and_of_sixteen_at_most():
    assert [rank.Parameters(candidates=n).best_of for n in (8, 32, 64, 256)] == [2, 8, 16, 16]
