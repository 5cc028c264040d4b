"""Figures that others published: each has its source, they agree with each other, laws read them right."""

import numpy as np
import pandas as pd
import pytest

from lglib.report import elsewhere
from lglib.theory import fits


def test_every_table_has_a_source_with_a_commit_and_every_source_its_table(root):
    found = elsewhere.sources()
    folder = root / elsewhere.FOLDER
    assert {p.stem for p in folder.iterdir()} == {*found["table"], "sources"}
    assert found["commit"].str.fullmatch(r"[0-9a-f]{40}").all()
    assert found.notna().all(axis=None)
    with pytest.raises(KeyError, match="no table 'gains' has a source"):
        elsewhere.table("gains")


def test_what_was_typed_agrees_where_two_published_files_say_the_same():
    """Means of the runs of 40 by sigma, as the source's own summary of them has it (commit fed9387)."""
    scores = elsewhere.table("countdown_candidates")
    means = scores.groupby(["model", "noise", "sigma"])["reward"].mean()
    published = {
        ("7B", "tied", 0.002): 0.2841857142857143,
        ("7B", "independent", 0.003): 0.16255,
        ("3B", "tied", 0.0005): 0.11468571428571432,
        ("1.5B", "independent", 0.001): 0.09916666666666668,
        ("0.5B", "tied", 0.003): 0.005808333333333332,
    }
    for key, value in published.items():
        assert means[key] == pytest.approx(value, abs=1e-9)
    assert (scores.groupby(["model", "noise"]).size() == 40).all()


def test_shares_of_candidates_are_whole_counts_that_fall():
    for _, n, above in elsewhere.shares():
        assert above.is_monotonic_decreasing
        assert above.iloc[0] <= n
    seeds = elsewhere.table("gsm8k_above_base")["percent"] * 3
    assert np.abs(seeds - seeds.round()).max() < 0.002


def test_rewards_lie_between_the_mean_and_what_a_reward_can_be():
    runs = elsewhere.table("countdown_runs")
    assert (runs["mean"] <= runs["best"]).all()
    assert (runs["best"] <= 1.1).all()
    assert (runs["above_base_5"] <= runs["above_base"]).all()


def test_a_run_that_scores_nothing_is_left_out():
    assert (elsewhere.runs()["best"] > 0).all()
    assert (elsewhere.table("countdown_runs")["best"] == 0).any()


def test_holm_rejects_no_more_than_it_may():
    dice = np.random.default_rng(0)
    wrong = [elsewhere.holm(dice.uniform(size=8)).any() for _ in range(2000)]
    assert 0.03 <= np.mean(wrong) <= 0.07
    assert elsewhere.holm(np.array([0.01, 0.02, 0.03])).tolist() == [True, True, True]
    assert elsewhere.holm(np.array([0.01, 0.04, 0.03])).tolist() == [True, False, False]


def test_the_vote_is_held_against_the_mean_of_the_best_25():
    found = elsewhere.votes().set_index("population")["selected"]
    assert found[25].to_numpy() == pytest.approx(0, abs=1e-9)
    assert found[300].to_numpy() == pytest.approx(float(fits.expected_top(300, 25)))


def test_a_known_fall_is_read_from_a_table_like_these():
    sigma = np.array([1e-4, 1e-3, 2e-3, 3e-3])
    part = pd.DataFrame({"sigma": sigma, "mean": 40 - 2e6 * sigma**2, "error": 0.2})
    assert elsewhere.fall(part, 0.003).trace.estimate == pytest.approx(4e6, rel=1e-6)
    assert elsewhere.fall(part, 0.003, free=True).power.estimate == pytest.approx(2)
    with pytest.raises(ValueError, match="at least 3 different sigma"):
        elsewhere.fall(part, 0.001)


def test_the_gain_of_one_step_is_read_from_how_often_a_random_one_does_better():
    found = elsewhere.one_step()
    assert found["PPO in spreads"].tolist() == pytest.approx([0.994458, 0.0], abs=1e-5)
    assert found["d"].iloc[0] == pytest.approx(3_085_938_688, rel=0.01)  # the parameters of that model
