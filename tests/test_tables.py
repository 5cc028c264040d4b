"""Tables of the page: digits, intervals, headings, and what they refuse."""

import pandas as pd
import pytest

from lglib.report import claims, pages, tables
from lglib.report.observations import Observations, over_seeds
from lglib.theory import stats


def frame():
    made = Observations()
    for pair in ("cipher", "edit"):
        for k in (1, 10):
            spread = stats.Interval(0.6123, 0.5512, 0.6734, 0.95, 5)
            made.add("S3", "capture", spread, null=0.001, null_means="random subspace", pair=pair, k=k)
    made.add("S3", "size", 1234.56789, null=0.0, null_means="nothing")
    return made.frame()


def test_a_table_has_headings_digits_intervals_and_empty_cells():
    shown = tables.show(frame(), {"measure": "what", "k": "k", "null": "chance", tables.VALUE: "value"})
    assert shown.columns.name == "what"
    assert shown.iloc[1].tolist() == ["10", "0.001", "0.612 [0.551, 0.673] (5)"]
    assert shown.iloc[4].tolist() == ["", "0", "1235"]


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(KeyError, match="no column layer; there is: claim, measure"):
        tables.show(frame(), ["claim", "layer"])


def test_a_wide_table_has_a_cell_for_each_combination_in_order_of_appearance():
    part = frame().query("measure == 'capture'")
    wide = tables.wide(part[::-1], "pair", "k")
    assert (wide.index.tolist(), wide.columns.tolist()) == (["edit", "cipher"], [10, 1])
    assert wide.loc["cipher", 10] == "0.612 [0.551, 0.673] (5)"
    holes = tables.wide(part.iloc[:3], "pair", "k")
    assert holes.loc["edit", 10] == ""


def test_rows_that_fall_into_one_cell_are_refused():
    with pytest.raises(ValueError, match="claim and k do not tell all rows apart"):
        tables.wide(frame(), "claim", "k")


def test_the_lines_of_verdicts_show_bar_and_reason():
    over = over_seeds(frame().assign(model="m", seed=0))
    rule = {
        "rows": {"measure": "capture", "k": "max"},
        "each": ["pair"],
        "rule": "above",
        "bar": 0.5,
        "why": "most",
    }
    rule["seeds"] = {"least": 1, "why": "its interval is over draws"}
    claim = claims.Claim(statement="s", paper=None, reading="r", judged={"lora": [rule]})
    shown = tables.verdicts(claims.judge("lora", over, "m", claims={"S3": claim}))
    assert isinstance(shown, pd.DataFrame)
    assert shown.iloc[0].tolist() == [
        "capture, cipher, k = 10",
        "reproduced",
        "0.612 [0.551, 0.673] (5)",
        "0.0005 (of 2)",
        "0.001: random subspace",
        "",
        "above 0.5: most",
    ]


def test_a_wide_table_can_show_each_value_with_its_null():
    frame = pd.DataFrame({"pair": ["a"], "k": [1], "value": [0.2], "low": [0.2], "high": [0.2], "n": [1]})
    assert tables.wide(frame.assign(null=0.01), "pair", "k", nulls=True).loc["a"].tolist() == [
        "0.2; null 0.01"
    ]


def observed_of(models):
    made = Observations()
    made.add("S3", "capture", 0.6, null=0.001, null_means="random subspace")
    return over_seeds(pd.concat([made.frame().assign(model=m, seed=k) for m in models for k in range(3)]))


def test_a_verdict_says_that_seeds_share_one_base_model(monkeypatch):
    rule = {"rows": {"measure": "capture"}, "rule": "above", "bar": 0.5, "why": "most"}
    claim = claims.Claim(statement="s", paper=None, reading="r", judged={"lora": [rule]})
    monkeypatch.setattr(claims, "read", lambda: {"S3": claim})
    one = claims.judge("lora", observed_of(["a"]), "a")
    assert claims.summary(one)["holds for"].tolist() == ["a alone: 3 seeds, one base model"]
    assert "value [95 % over seeds of one base model] (n)" in tables.verdicts(one).columns
    several = observed_of(["a", "b", "c"])
    here = pages.verdicts("lora", several)
    assert here.loc["S3: s (in the paper: no figure)"].tolist() == [
        "a: reproduced; b: reproduced; c: reproduced"
    ]
    all_ = claims.judge_models("lora", several)
    assert claims.summary(all_)["holds for"].tolist() == ["3 models"]
    assert "value [95 % over models, their seeds within] (n)" in tables.verdicts(all_).columns


def test_rates_that_were_drawn_for_other_rules_are_refused(monkeypatch):
    monkeypatch.setattr(tables.null_world, "of_rules", lambda: "others")
    with pytest.raises(ValueError, match="was drawn for other rules; run make null"):
        tables.null_rates()
