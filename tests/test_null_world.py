"""The table of verdicts in a world without any effect: no claim is called reproduced or partly too often."""

import json

import numpy as np
import pytest

from lglib import studies
from lglib.report import asked, claims, null_world, over_seeds, provenance
from lglib.report.tested import LEVEL, PARTLY, YES, Comparison
from lglib.theory.intervals import holm

BY_CHANCE = 0.012  # two standard errors of a rate of .05 in 2000 draws, and a little


def drawn():
    path = provenance.project_root() / null_world.FILE
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_filed_table_is_of_the_rules_as_they_are():
    assert drawn()["rules"] == null_world.of_rules(), "config/claims.yml has other rules: run make null"


def test_no_claim_passes_a_world_without_an_effect_in_more_than_five_percent_of_draws():
    rates = drawn()["rates"]
    assert {one["claim"] for one in rates} == set(claims.read()) - {"T4"}  # of T4 only code is checked
    for one in rates:
        assert one["draws"] >= 2000
        assert one[YES] + one[PARTLY] <= null_world.MOST, one
        assert one[YES] <= BY_CHANCE, one


@pytest.mark.parametrize("study", ["theory", "rank"])
def test_a_few_draws_say_the_same(study):
    over = over_seeds(studies.observed(study, "quick").frame)
    rates = null_world.table(study, over, draws=400, seed=7)
    assert len(rates)
    assert (rates[YES] + rates[PARTLY]).max() <= 0.08


def test_a_rule_of_smallness_alone_would_pass_every_such_world():
    """What was wrong with S2: a random plane misses the recovery, too."""
    over = over_seeds(studies.observed("lora", "quick").frame)
    ours = claims.read()
    old = [one.model_copy(update={"above_null": False}) for one in ours["S2"].judged["lora"]]
    only = {"S2": ours["S2"].model_copy(update={"judged": {"lora": old}})}
    found = null_world.rates(asked.questions("lora", over, "micro-gpt2", only), draws=20, seed=0)
    assert found[YES].tolist() == [1.0]


def test_a_world_keeps_the_spread_of_the_seeds_and_takes_the_mean_of_the_null():
    values = np.array([0.2, 0.5, 0.9, 0.4])
    made = null_world.world(Comparison(values, values, values, "plain", null=-1.0))
    draws = made.draw(np.random.default_rng(0).standard_normal((4000, 4, 4)))
    assert draws.mean() == pytest.approx(-1.0, abs=0.02)
    assert draws.std() == pytest.approx(values.std(ddof=1), rel=0.03)


def test_rows_that_move_together_over_seeds_do_so_in_the_world():
    values = np.array([0.2, 0.5, 0.9, 0.4])
    one = null_world.world(Comparison(values, values, values, "plain", null=0.0))
    other = null_world.world(Comparison(-2 * values, values, values, "plain", null=0.0))
    mix = np.random.default_rng(0).standard_normal((5, 5))
    assert other.draw(mix) == pytest.approx(-2 * one.draw(mix))


def test_a_family_of_rows_without_an_effect_is_called_partly_no_more_often_than_the_level():
    """Twelve rows of five seeds: without the correction one row or more would pass in a quarter of worlds."""
    values = np.random.default_rng(0).standard_normal((2000, 12, 5))
    p, _ = Comparison(values, np.zeros(5), np.full(5, np.inf), "plain", null=0.0).p()
    assert (holm(p) <= LEVEL).any(axis=-1).mean() <= 0.035
    assert (p <= LEVEL).any(axis=-1).mean() > 0.2
