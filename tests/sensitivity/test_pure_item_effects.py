"""Simulated tables in which only items differ: M_B refitted, directions, the p-value."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.models.simulated import simulate_answers
from ilhte_bayes.sensitivity.easiness import sd_ratio
from ilhte_bayes.sensitivity.pure_item_effects import (
    PureItemEffects,
    constant_effects,
    simulate_pure_item_effects,
    warm_refits,
)
from ilhte_bayes.sensitivity.three_models import three_models

PERSONS, ITEMS = 400, 12


def planted(rho, beta_3=0.0, sigma_zeta=0.8, seed=1, pre=1.0, **options):
    """Answers with item effects of exactly this SD and correlation with easiness."""
    rng = np.random.default_rng(seed)
    covariate = np.repeat(rng.normal(size=PERSONS), ITEMS)
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(PERSONS), ITEMS),
            "item": np.tile(np.arange(ITEMS), PERSONS),
            "treat": np.repeat(np.arange(PERSONS) % 2, ITEMS),
            "pre": covariate,
            "resp": rng.integers(0, 2, PERSONS * ITEMS),
        }
    )
    model = il.il_hte(table, moderators=["pre"], assignment="randomised", **options)
    drawn = np.linalg.qr(rng.normal(size=(ITEMS, 3)) * [0, 1, 1] + [1, 0, 0])[0][:, 1:]
    b, e = (drawn * np.sqrt(ITEMS)).T  # mean 0, variance 1, uncorrelated
    zeta = sigma_zeta * (rho * b + np.sqrt(1 - rho**2) * e)
    truth = {
        "beta": np.array([0.0, 0.3, pre, beta_3]),
        "sd_id": np.ones(1),
        "sd_item": np.array([1.0, sigma_zeta]),
        "corr_item": np.array([[1.0, rho], [rho, 1.0]]),
        "re_item": np.column_stack([b, zeta]),
    }
    return simulate_answers(model, truth, rng).model


def checked(model, replicates=19, seed=3):
    built = three_models(model, "pre")
    null = il.laplace(built.models["M_A+"])
    return simulate_pure_item_effects(built, null, n=replicates, seed=seed)


def mean_error(found):
    """Monte Carlo standard error of the mean over simulated tables."""
    return found.simulated.std(ddof=1) / found.simulated.size**0.5


@pytest.mark.parametrize(("rho", "sign"), [(0.8, -1), (-0.8, 1)])
def test_items_alone_make_an_interaction_against_the_ratio(rho, sign):
    """Ratio above 1: M_B comes out too low; below 1: too high (Gilbert and others 2025)."""
    model = planted(rho)
    assert (sd_ratio(rho, 0.8) - 1.0) * sign < 0
    found = checked(model)
    # the bias is about .1, the Monte Carlo error of the mean of 19 tables .025
    assert sign * found.mean > 3 * mean_error(found)
    built = three_models(model, "pre")
    both = [il.laplace(built.models[key]).coefficients.loc["treat:pre"] for key in ("M_B", "M_C")]
    assert sign * (both[0]["estimate"] - both[1]["estimate"]) > 0
    assert found.p > 0.05  # no interaction was planted: items alone do explain it


def test_nothing_is_made_of_items_at_ratio_one():
    found = checked(planted(-0.4))  # rho = -r / 2
    assert abs(found.mean) < 4 * mean_error(found) + 0.03


def test_an_interaction_of_persons_is_not_explained_by_items():
    found = checked(planted(0.0, beta_3=0.8), replicates=39)
    assert found.observed > found.simulated.max()
    assert found.p == pytest.approx(2 / 40)


def test_answers_without_persons_or_arms_changed():
    model = planted(0.5)
    built = three_models(model, "pre")
    other = constant_effects(model, built).design
    same = built.models["M_B"].design
    assert other.terms == same.terms
    np.testing.assert_array_equal(other.x[other.pattern], same.x[same.pattern])
    assert other.group("item").columns == same.group("item").columns


@pytest.mark.parametrize("family", ["bernoulli", "cumulative"])
def test_a_warm_refit_is_the_maximum(family, make_trial):
    options = {"response": "rate", "family": family} if family == "cumulative" else {}
    table = make_trial(120, 8)
    first = il.il_hte(
        table, moderators=["pre"], assignment="randomised", effects="constant", **options
    )
    other = table.assign(rate=table["rate"].to_numpy()[::-1], resp=table["resp"].to_numpy()[::-1])
    second = il.il_hte(
        other, moderators=["pre"], assignment="randomised", effects="constant", **options
    )
    cold = il.laplace(second).coefficients
    warm = warm_refits(il.laplace(first))(second)
    # the search ends at a gradient of 1e-3 in standard errors
    np.testing.assert_allclose(warm, cold["estimate"], atol=5e-3 * cold["se"].max())


def test_p_value_counts_the_observed_table():
    """With the observed one exchangeable with 39 others, p <= .05 in 2 of 40 places."""
    values = np.arange(40.0)
    p = [PureItemEffects(x, np.delete(values, k)).p for k, x in enumerate(values)]
    assert sum(each <= 0.05 for each in p) == 2
    assert max(p) == 1.0


def test_ordinal_answers_with_clusters_can_be_simulated(make_trial):
    model = il.il_hte(
        make_trial(100, 6),
        response="rate",
        family="cumulative",
        clusters=["school"],
        moderators=["pre"],
        assignment="randomised",
    )
    found = checked(model, replicates=5)
    assert found.simulated.shape == (5,)
    assert np.isfinite(found.simulated).all()
    assert found.simulated.std() > 0
