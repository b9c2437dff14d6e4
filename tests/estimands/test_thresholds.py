"""Thresholds by item: around the common ones, and their draws as uncertain as they should be."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Items whose thresholds lie closer together or further apart."""
    rng = np.random.default_rng(2)
    person, item = (grid.ravel() for grid in np.indices((300, 6)))
    eta = rng.normal(0, 1, 300)[person] + 0.5 * (person % 2) + rng.logistic(size=person.size)
    width = np.array([0.5, 0.7, 0.9, 1.2, 1.5, 1.8])[item]
    score = (eta[:, None] > width[:, None] * [-1, 0, 1]).sum(axis=1)
    return pd.DataFrame({"id": person, "item": item, "treat": person % 2, "resp": score})


def a_fit(table, thresholds):
    model = il.il_hte(table, family="cumulative", effects="constant", thresholds=thresholds)
    return il.laplace(model, objective="map")


def test_common_thresholds_are_every_items(table):
    fit = a_fit(table, "common")
    found = il.item_thresholds(fit).frame
    assert list(fit.thresholds.index) == ["0|1", "1|2", "2|3"]
    assert fit.thresholds.equals(fit.coefficients.iloc[:3].rename_axis("threshold"))
    for item in range(6):
        # medians and SDs of 2,000 draws: errors of 2.8 % and 1.6 % of the standard error
        se = fit.thresholds["se"].to_numpy()
        distance = found.loc[item, "estimate"] - fit.thresholds["estimate"].to_numpy()
        assert (abs(distance) < 0.12 * se).all()
        np.testing.assert_allclose(found.loc[item, "se"], se, rtol=0.07)


def test_own_thresholds_are_found(table):
    fit = a_fit(table, "item")
    wide = il.item_thresholds(fit).frame["estimate"].unstack()
    half = (wide["2|3"] - wide["0|1"]) / 2
    # simulated .5 to 1.8; the SE of one is about .13 and shrinkage pulls to the middle
    np.testing.assert_allclose(half, [0.5, 0.7, 0.9, 1.2, 1.5, 1.8], atol=0.35)
    np.testing.assert_allclose(  # deviations sum to 0 for each item
        wide.mean(axis=1), fit.thresholds["estimate"].mean(), atol=0.05
    )


def test_draws_of_ordinal_fits_scatter_as_the_fit_says(table):
    """The normal approximation is drawn at the rows of the thresholds, not at the answers."""
    fit = a_fit(table, "item")
    drawn = fit.draws["posterior"]["re_item"].to_numpy()[0].std(axis=0)
    expected = fit.random_effects("item")["se"].to_numpy().reshape(drawn.shape)
    np.testing.assert_allclose(drawn, expected, rtol=0.08)  # 2,000 draws: 1.6 % each


def test_binary_fits_have_none(table):
    fit = il.laplace(il.il_hte(table, response="resp >= 2", effects="constant"))
    assert fit.thresholds.empty and list(fit.thresholds) == list(fit.coefficients)
    with pytest.raises(il.errors.ModelError, match="family='cumulative'"):
        il.item_thresholds(fit)
