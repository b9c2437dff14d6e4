"""Item features: shares of given parameters, simulated features, the smaller model made or given."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import t as student

import ilhte_bayes as il
from ilhte_bayes.estimands.item_features import FALL, SHARE, WITH, WITHOUT


def featured(*, gain=0.9, persons=300, items=24, seed=2, spread=0.3):
    """A trial whose effect is larger by `gain` on open items, every other one."""
    rng = np.random.default_rng(seed)
    person, item = (grid.ravel() for grid in np.indices((persons, items)))
    treat, is_open = person % 2, item % 2
    effect = 0.3 + gain * (np.arange(items) % 2) + spread * rng.normal(size=items)
    logit = rng.normal(size=persons)[person] + 0.5 * rng.normal(size=items)[item]
    logit += effect[item] * treat
    score = (rng.random(logit.size) < expit(logit)).astype(int)
    return pd.DataFrame(
        {"resp": score, "id": person, "item": item + 1, "treat": treat, "open": is_open}
    )


def drawn(fit_of_draws, model, gamma, sd):
    beta = np.column_stack([np.zeros(len(gamma)), np.ones((len(gamma), 2)), gamma])
    assert model.design.terms[-1] == "treat:open"
    effects = np.column_stack([np.ones(len(sd)), sd])
    return fit_of_draws(model, beta, {"id": np.ones((len(sd), 1)), "item": effects})


@pytest.fixture(scope="module")
def model():
    table = featured(persons=30, items=6)
    return il.Model("resp ~ treat * open + (1 | id) + (treat || item)", table, roles=ROLES)


ROLES = {"treatment": "treat", "person": "id", "item": "item"}


@pytest.fixture(scope="module")
def smaller():
    table = featured(persons=30, items=6)
    return il.Model("resp ~ treat + open + (1 | id) + (treat || item)", table, roles=ROLES)


def without_of(fit_of_draws, model, sd):
    effects = {"id": np.ones((len(sd), 1)), "item": np.column_stack([np.ones(len(sd)), sd])}
    return fit_of_draws(model, np.zeros((len(sd), 3)), effects)


def test_shares_of_given_parameters(model, smaller, fit_of_draws):
    """Half the items are open: their effects differ by gamma, with variance gamma^2 / 4."""
    gamma, sd = np.array([0.8, 0.4, 0.0]), np.array([0.3, 0.6, 0.5])
    fit = drawn(fit_of_draws, model, gamma, sd)
    frame = il.item_features(fit, without_of(fit_of_draws, smaller, np.full(3, 0.7))).frame
    shares = gamma**2 / 4 / (gamma**2 / 4 + sd**2)
    assert frame.loc[SHARE, "estimate"] == pytest.approx(shares.mean())
    assert frame.loc[SHARE, "upper"] == pytest.approx(np.quantile(shares, 0.975))
    assert frame.loc["treat:open", "estimate"] == pytest.approx(0.4)
    assert frame.loc[WITH, "estimate"] == pytest.approx(sd.mean())
    assert frame.loc[FALL, "estimate"] == pytest.approx(1 - sd.mean() ** 2 / 0.49)


def test_a_negative_fall_and_one_that_is_not_defined_are_said(model, smaller, fit_of_draws):
    fit = drawn(fit_of_draws, model, np.zeros(2), np.full(2, 0.5))
    negative = il.item_features(fit, without_of(fit_of_draws, smaller, np.full(2, 0.4)))
    assert negative.frame.loc[FALL, "estimate"] == pytest.approx(1 - 0.25 / 0.16)
    assert "It is negative" in repr(negative)
    zero = il.item_features(fit, without_of(fit_of_draws, smaller, np.zeros(2)))
    assert np.isnan(zero.frame.loc[FALL, "estimate"])
    assert "It is not defined" in repr(zero)


def test_the_smaller_model_is_made_as_its_formula_would():
    """One call and two fits agree; the feature that was simulated is found."""
    table = featured()
    fit = il.laplace(il.il_hte(table, item_features="open"))
    made = il.item_features(fit)
    formula = "resp ~ treat + open + (1 | id) + (treat | item)"
    given = il.item_features(fit, il.laplace(il.Model(formula, table, roles=ROLES)))
    # two searches for one maximum
    pd.testing.assert_frame_equal(made.frame, given.frame, rtol=1e-3, atol=1e-5)
    row = made.frame.loc["treat:open"]
    assert abs(row["estimate"] - 0.9) < 3 * row["se"]
    # .9^2 / 4 = .20 of the variance goes with the feature, .3^2 = .09 does not
    share = made.frame.loc[SHARE]
    assert share["lower"] < 0.20 / 0.29 < share["upper"]
    assert made.frame.loc[WITHOUT, "estimate"] > made.frame.loc[WITH, "estimate"]
    assert 0.3 < made.frame.loc[FALL, "estimate"] <= 1.0
    text = repr(made)
    assert max(map(len, text.split("\n")[:7])) < 100
    assert "1 against 23 differences between items" in text


def test_ordinal_answers():
    trial = il.load_dataset("caffeine")
    fit = il.laplace(il.il_hte(trial, family="cumulative", item_features="reverse"))
    frame = il.item_features(fit).frame
    pd.testing.assert_series_equal(
        frame.loc["treat:reverse"], fit.coefficients.loc["treat:reverse"], check_names=False
    )


def test_refusals(model, fit_of_draws):
    table = featured(persons=40, items=6)
    with pytest.raises(il.errors.ModelError, match="no item feature meets the treatment"):
        il.item_features(il.laplace(il.il_hte(table)))
    constant = il.Model("resp ~ treat * open + (1 | id) + (1 | item)", table, roles=ROLES)
    with pytest.raises(il.errors.ModelError, match=r"write \(treat \| item\)"):
        il.item_features(il.laplace(constant))
    fit = drawn(fit_of_draws, model, np.zeros(2), np.full(2, 0.5))
    with pytest.raises(il.errors.ModelError, match="of a posterior, give the fit without"):
        il.item_features(fit)
    with pytest.raises(il.errors.ModelError, match="has to be of the same answers"):
        il.item_features(fit, fit)


def test_interactions_rest_on_items_and_have_their_t():
    """Two kinds of 6 items, hundreds of persons: nearly all of the squared SE is the items', which
    leaves 10 degrees of freedom; by hand, sigma^2 (1/6 + 1/6) is theirs."""
    plan = il.Trial(persons=600, items=12, sigma_zeta=0.8)
    table = il.simulate(plan, seed=2).table
    table["kind"] = table["item"].isin([f"q{k:02d}" for k in range(1, 7)]).astype(int)
    assert table.groupby("kind")["item"].nunique().tolist() == [6, 6]
    fit = il.laplace(il.il_hte(table, item_features="kind"))
    row, own = il.item_features(fit).frame.loc["treat:kind"], fit.coefficients.loc["treat:kind"]
    sd = fit.sd("item")["treat"]
    df = 10.0 / (sd**2 / 3.0 / own["se"] ** 2) ** 2
    assert 10 < df < 14
    reach = student.ppf(0.975, df) * own["se"]
    np.testing.assert_allclose(
        row[["lower", "upper"]].astype(float), own["estimate"] + reach * np.array([-1, 1])
    )
    found = il.subscale_effects(fit, "kind").frame.loc["all such items"].loc["1 - 0"]
    np.testing.assert_allclose(
        found[["lower", "upper"]].astype(float), row[["lower", "upper"]].astype(float), rtol=1e-6
    )
    assert "treat:kind: effects of the 12 levels of item" in " ".join(il.fixed_tests(fit).notes)
    assert "Read with 10" in " ".join(il.fixed_tests(fit).notes)
