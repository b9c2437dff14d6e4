"""Look-alikes: each row is the fit that it says, and loadings explain what loadings made."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.errors import ModelError
from ilhte_bayes.sensitivity.lookalikes import (
    _correlations,
    _extended,
    _Followed,
    _loadings,
    implied_effects,
)


def test_rows_are_the_fits_they_name(table):
    exam = table("mathexam")
    options = {"moderators": ["cov_tests"]}
    frame = il.lookalikes(il.il_hte(exam, **options), draws=0).frame
    by_arm = il.laplace(il.il_hte(exam, ability_sd="by_arm", **options))
    row = frame.loc["SD of ability by arm"]
    components = by_arm.variance_components.loc["item"]
    np.testing.assert_allclose(row.loc["sigma_zeta"], components.loc["sd[treat]"], atol=1e-4)
    np.testing.assert_allclose(row.loc["rho"], components.loc["corr[Intercept,treat]"], atol=1e-4)
    beta = by_arm.coefficients.loc["treat:cov_tests"]
    np.testing.assert_allclose(row.loc["beta_3"], beta, atol=1e-5)
    spread = il.conditional(il.il_hte(exam)).sigma_zeta
    given = frame.loc["given sum scores"]
    assert given.loc["sigma_zeta", "estimate"] == spread.estimate
    assert given.loc["sigma_zeta", "upper"] == spread.upper
    assert given.loc[["rho", "beta_3"]].isna().all(axis=None)


def test_it_prints_and_says_what_is_left_out(table):
    model = il.il_hte(table("caffeine"), clusters=["study"], family="cumulative")
    found = il.lookalikes(model, draws=0)
    assert list(found.frame.index.get_level_values(0).unique()) == [
        "as fitted",
        "SD of ability by arm",
    ]
    text = repr(found)
    assert "given sum scores: left out" in text
    assert max(map(len, text.splitlines())) < 100


def test_a_wider_ability_in_one_arm_is_told_from_items():
    """Items differ by nothing; abilities are twice as wide in one arm."""
    rng = np.random.default_rng(3)
    persons, items = 600, 12
    treat = np.arange(persons) % 2
    ability = rng.normal(size=persons) * np.where(treat == 1, 2.0, 1.0)
    logit = ability[:, None] + np.linspace(-1.5, 1.5, items)
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(persons), items),
            "item": np.tile(np.arange(items), persons),
            "treat": np.repeat(treat, items),
            "resp": (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int).ravel(),
        }
    )
    found = il.lookalikes(il.il_hte(table, assignment="randomised"), draws=0)
    estimate = found.frame["estimate"].unstack()["sigma_zeta"]
    # one SD for both squeezes the wide arm's items together and stretches the other's
    assert estimate["SD of ability by arm"] < 0.7 * estimate["as fitted"]
    assert "p < .001" in found.notes[0]


def test_implied_effects_are_loadings_times_the_effect(make_trial, fit_of_draws):
    table = make_trial()
    model = il.il_hte(table, effects="constant", assignment="randomised")
    loaded = _extended(model, discrimination="loaded")
    rng = np.random.default_rng(2)
    n, items = 50, 6
    beta = rng.normal(size=(n, 2))
    fit = fit_of_draws(loaded, beta, {"id": np.ones((n, 1)), "item": np.ones((n, 1))})
    a = np.exp(0.3 * rng.normal(size=(n, items)))
    posterior = fit.tree["posterior"].to_dataset()
    posterior["discrimination"] = (("chain", "draw", "item"), a[None])
    tree = xr.DataTree.from_dict({"posterior": posterior})
    object.__setattr__(fit, "tree", tree)
    np.testing.assert_allclose(implied_effects(fit), a * beta[:, [1]])


def test_correlations_are_those_over_items():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 5, 7))
    wanted = [np.corrcoef(x, y)[0, 1] for x, y in zip(one, other, strict=True)]
    np.testing.assert_allclose(_correlations(one, other), wanted)


def test_models_without_effects_by_item_are_refused(make_trial):
    table = make_trial()
    with pytest.raises(ModelError, match="0 effects"):
        il.lookalikes(il.il_hte(table, effects="constant", assignment="randomised"))
    arms = table.assign(treat=pd.Categorical.from_codes(table["id"] % 3, list("abc")))
    with pytest.raises(ModelError, match="2 effects"):
        il.lookalikes(il.il_hte(arms, assignment="randomised"))


@pytest.mark.slow
def test_loadings_explain_effects_that_loadings_made():
    """One effect of 1.5 on ability, SD of log a .4: items' effects differ by loadings alone."""
    rng = np.random.default_rng(5)
    persons, items, effect = 600, 12, 1.5
    treat = np.arange(persons) % 2
    a = np.exp(0.4 * np.linspace(-1.6, 1.6, items))[rng.permutation(items)]
    ability = rng.normal(size=persons) + effect * treat
    logit = a * ability[:, None] + rng.normal(size=items)
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(persons), items),
            "item": np.tile(np.arange(items), persons),
            "treat": np.repeat(treat, items),
            "resp": (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int).ravel(),
        }
    )
    fit = il.laplace(il.il_hte(table, assignment="randomised"))
    options = {"draws": 150, "seed": 1, "progress": False}
    rows, words = _loadings(fit, _Followed("item", "treat", None), options)
    made = float(np.std(effect * a, ddof=1))
    # SD of 12 values a_i beta, each a_i known to about a tenth
    assert rows["sigma_zeta"]["estimate"] == pytest.approx(made, rel=0.25)
    share = rows["sigma_zeta"]["estimate"] ** 2 / fit.sd("item")["treat"] ** 2
    assert share > 0.5
    assert "% of sigma_zeta^2" in words
