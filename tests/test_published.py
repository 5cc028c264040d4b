"""The committed observations: whole, current, all that the profile plans, and every claim can be judged."""

import pytest

from lglib import studies
from lglib.report import claims, filing, frames, provenance
from workflow import plan

PROFILE = "quick"
BESIDE = plan.BESIDE


@pytest.fixture(params=studies.NAMES)
def study(request, root):
    if not list((root / filing.PUBLISHED / PROFILE).glob(f"*/seed*/{request.param}.csv")):
        pytest.skip(f"no observation of {request.param} is published")
    return request.param


def published(study, root, profile=PROFILE):
    return sorted((root / filing.PUBLISHED / profile).glob(f"*/seed*/{study}.csv"))


@pytest.mark.parametrize("profile", [PROFILE, BESIDE])
def test_each_file_is_whole_and_made_by_the_present_code_with_the_parameters_of_the_profile(
    study, root, profile
):
    if not (there := published(study, root, profile)):
        pytest.skip(f"no observation of {study} is published in the profile {profile}")
    code, parameters = provenance.code_hash(study), studies.planned(study, profile)
    for path in there:
        assert filing.stale(filing.read(path).header, code, parameters) == "", path


def test_what_is_published_of_the_pretrained_model_is_of_its_plan(root):
    planned = studies.plan(BESIDE)
    for path in (p for name in planned for p in published(name, root, BESIDE)):
        header = filing.read(path).header
        assert header.seed in planned[header.study][header.model], path


def test_each_run_of_the_plan_is_there(study, root):
    planned = {(studies.filed(m), s) for m, seeds in studies.plan(PROFILE)[study].items() for s in seeds}
    there = {(h.model, h.seed) for h in (filing.read(path).header for path in published(study, root))}
    assert there == planned


@pytest.mark.parametrize("beyond", [False, True])
def test_every_claim_of_the_study_has_its_rows_on_every_model(study, beyond):
    ledger = claims.read()
    rules = [r for c in ledger.values() for r in (c.beyond if beyond else c.judged).get(study, [])]
    if not rules:
        pytest.skip("nothing to judge")
    over = frames.over_seeds(studies.observed(study, PROFILE).frame)
    for model in over["model"].unique():
        assert set(claims.judge(study, over, model, beyond=beyond)["verdict"]) <= {
            *claims.VERDICTS,
            *claims.UNSETTLED,
            *claims.CHECKS.values(),
        }


def test_nothing_else_is_published(root):
    known = {
        path.with_suffix(s)
        for name in studies.NAMES
        for profile in (PROFILE, BESIDE)
        for path in published(name, root, profile)
        for s in (".csv", ".json")
    }
    if not known:
        pytest.skip("no observation is published")
    assert {path for path in (root / filing.PUBLISHED).rglob("*") if path.is_file()} == known
