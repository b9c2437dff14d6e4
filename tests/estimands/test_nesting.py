"""A smaller model within a larger one: its rows and columns, and its estimates there."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.nesting import added, null_in_full, null_of

CASES = {
    "bernoulli": ("resp", "treat + pre", "(1 | item) + (1 | id)", "(treat | item) + (1 | id)"),
    "cumulative": ("rate", "treat", "(1 | item) + (1 | id)", "(treat || item) + (1 | id)"),
    "adjacent": ("rate", "treat", "(1 | id)", "(1 | item) + (1 | id)"),
    "multinomial": ("rate", "treat", "(1 | id)", "(1 | item) + (1 | id)"),
}


@pytest.mark.parametrize("family", list(CASES))
def test_the_null_on_the_columns_of_the_full_model_is_the_null(make_trial, family):
    response, fixed, small, large = CASES[family]
    table = make_trial()
    null = il.Model(f"{response} ~ {fixed} + {small}", table, family)
    full = il.Model(f"{response} ~ {fixed} * pre + {large}", table, family)
    again = null_of(full, null)
    assert again.design.terms == null.design.terms
    assert il.laplace(again).loglik == pytest.approx(il.laplace(null).loglik, abs=1e-6)


def test_estimates_stay_and_the_rest_is_0(make_trial):
    table = make_trial()
    null = il.laplace(il.Model("resp ~ pre + (1 | item) + (1 | id)", table))
    full = il.Model("resp ~ treat * pre + (1 + treat | item) + (1 | id)", table)
    found = null_in_full(null, full)
    assert found["beta"].sel(term="pre") == null.coefficients.loc["pre", "estimate"]
    assert (found["beta"].sel(term=["treat", "treat:pre"]) == 0).all()
    sd = found["sd_item"].to_series()
    assert sd["Intercept"] == null.sd("item")["Intercept"]
    assert sd["treat"] == 0
    assert np.array_equal(found["corr_item"], np.eye(2))


def test_what_is_added_has_names(make_trial):
    table = make_trial()
    null, full, split = (
        il.laplace(il.Model(f"resp ~ {text} + (1 | id)", table))
        for text in (
            "treat + (1 | item)",
            "treat * pre + (treat | item)",
            "treat + (treat || item)",
        )
    )
    more = added(null, full)
    assert set(more.terms) == {"pre", "treat:pre"}
    assert more.variances == (("item", "treat"),)
    assert more.covariances == (("item", "Intercept", "treat"),)
    assert more.n == 4 == full.n_parameters - null.n_parameters
    assert added(split, full).variances == ()
