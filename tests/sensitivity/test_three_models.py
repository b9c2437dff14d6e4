"""M_0, M_A, M_B and M_C are what their formulas say, on one set of answers."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, ModelError
from ilhte_bayes.sensitivity.three_models import three_models

FORMULAS = {
    "M_0": "resp ~ treat + (1 | school/id) + (1 | item)",
    "M_A": "resp ~ treat + (1 | school/id) + (treat | item)",
    "M_A+": "resp ~ treat + pre + (1 | school/id) + (treat | item)",
    "M_B": "resp ~ treat * pre + (1 | school/id) + (1 | item)",
    "M_C": "resp ~ treat * pre + (1 | school/id) + (treat | item)",
}
ROLES = {"treatment": "treat", "person": "id", "item": "item", "clusters": ["school"]}


def same(one, other):
    assert set(one.terms) == set(other.terms)
    order = [other.terms.index(term) for term in one.terms]
    np.testing.assert_array_equal(one.x[one.pattern], other.x[other.pattern][:, order])
    for a, b in zip(one.groups, other.groups, strict=True):
        assert (a.name, a.columns, a.blocks) == (b.name, b.columns, b.blocks)
        np.testing.assert_array_equal(a.level, b.level)


def test_models_are_those_of_their_formulas_with_clusters(make_trial):
    table = make_trial()
    built = three_models(table, "pre", clusters=["school"], assignment="randomised")
    for key, formula in FORMULAS.items():
        # pre is in the rows of all: missing values in it would be dropped in all
        other = il.Model(formula, table, roles=ROLES, assignment="randomised")
        if "pre" in formula:
            same(built.models[key].design, other.design)
        assert set(built.models[key].design.terms) == set(other.design.terms)
        assert built.models[key].design.n_obs == len(table)
    assert (built.interaction, built.effect) == ("treat:pre", "treat")


def test_a_model_keeps_its_other_covariates_family_and_priors(make_trial):
    prior = il.priors.Normal(0, 0.25)
    model = il.il_hte(
        make_trial(),
        response="rate",
        treatment="trt",
        covariates=["age"],
        moderators=["pre"],
        family="cumulative",
        assignment="randomised",
        priors={"beta[age]": prior},
    )
    built = three_models(model, None)
    for key, each in built.models.items():
        assert "age" in each.design.terms
        assert each.design.n_cuts == 3
        assert each.priors["beta[age]"] == prior
        assert ("pre" in each.design.terms) == (key not in ("M_0", "M_A"))
    assert built.interaction == "trt[T.placebo]:pre"  # drug, the first in order, is the reference


def test_models_without_effects_by_item_get_them(make_trial):
    model = il.il_hte(make_trial(), moderators=["pre"], effects="constant", assignment="randomised")
    built = three_models(model, None)
    assert built.models["M_A"].design.group("item").columns == ("Intercept", "treat")
    assert built.models["M_B"].design.group("item").columns == ("Intercept",)


def test_what_cannot_be_asked_is_refused(make_trial):
    table = make_trial()
    plain = il.il_hte(table, assignment="randomised")
    with pytest.raises(ModelError, match="which covariate"):
        three_models(table, None)
    with pytest.raises(ModelError, match="moderators="):
        three_models(plain, None)
    with pytest.raises(ModelError, match="none"):
        three_models(plain, "pre")
    with pytest.raises(DataError, match="prex"):
        three_models(table, "prex")
    with pytest.raises(ModelError, match="go with a table"):
        three_models(plain, "pre", clusters=["school"])
    with pytest.raises(ModelError, match="two arms"):
        three_models(table.assign(treat=table["id"] % 3), "pre", assignment="randomised")
    with pytest.raises(ModelError, match="2 columns"):
        band = table["school"].map(lambda k: "abc"[k % 3])
        three_models(table.assign(band=band), "band", assignment="randomised")
