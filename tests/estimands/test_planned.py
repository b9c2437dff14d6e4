"""Plan against fit: what differs is named, and nothing else."""

import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.planned import plan_differences


@pytest.fixture(scope="module")
def plan(make_trial):
    model = il.il_hte(il.blinded(make_trial()))
    return il.analysis_plan(model, engine="laplace", objective="map", exclusions="Nobody.")


def fitted(table, objective="map", **options):
    return il.laplace(il.il_hte(table, **options), objective=objective)


def test_done_as_planned(plan, make_trial):
    found = plan_differences(plan, fitted(make_trial()))
    assert list(found.index) == ["formula", "family", "engine", "exclusions"]
    assert found["same"].all()
    assert found.loc["exclusions", "planned"] == "Nobody."
    assert found.loc["exclusions", "done"] == "no incomplete rows; 240 answers analysed"


def test_what_was_done_otherwise_is_named(plan, make_trial):
    table = make_trial()
    table.loc[:4, "pre"] = float("nan")
    fit = fitted(table, covariates="pre", priors={"sd_item[treat]": il.priors.HalfNormal(0.2)})
    found = plan_differences(plan, fit)
    differs = found.index[~found["same"]]
    names = ["beta[Intercept]", "sd_item[treat]", "beta[pre]"]  # the first follows the covariate
    assert list(differs) == ["formula", *(f"prior of {name}" for name in names)]
    assert found.loc["prior of beta[pre]", "planned"] == "not in the model"
    assert "incomplete rows left out (pre 5)" in found.loc["exclusions", "done"]


def test_engine_and_priors_of_maximum_likelihood(plan, make_trial):
    other = fitted(make_trial(), objective="ml", priors={"sd": il.priors.HalfNormal(0.1)})
    found = plan_differences(plan, other)
    assert list(found.index[~found["same"]]) == ["engine"]
    assert found.loc["engine", "done"] == "laplace, ml"


def test_codings_and_choices(make_trial):
    table = make_trial()
    words = {"treatment": "trt", "assignment": "randomised"}
    model = il.il_hte(il.blinded(table), **words, reference={"trt": "placebo"})
    plan = il.analysis_plan(model, engine="laplace")
    found = plan_differences(plan, fitted(table, "ml", treatment="trt"))
    assert list(found.index[~found["same"]]) == ["assignment", "coding of trt"]
