"""Odds ratios: exp of coefficients, for units of the caller's choice."""

import numpy as np
import pytest

import ilhte_bayes as il


def test_odds_ratios(table):
    assert round(float(np.exp(0.2906)), 3) == 1.337  # SD173: "about 34% higher"
    fit = il.laplace(il.Model("use ~ age + urban + (1 | district)", table("contraception")))
    frame = il.odds_ratios(fit).frame
    assert frame.index.tolist() == ["age", "urban[T.Y]"]
    own = fit.coefficients.loc["urban[T.Y]", ["estimate", "lower", "upper"]].astype(float)
    np.testing.assert_allclose(frame.loc["urban[T.Y]"], np.exp(own))
    ordinal = il.laplace(
        il.Model("rating ~ temp + (1 | judge)", table("wine"), family="cumulative")
    )
    assert il.odds_ratios(ordinal).frame.index.tolist() == ["temp[T.warm]"]
    assert "at or below it" in repr(il.odds_ratios(ordinal))


def test_units(table):
    """Ten years more are ten times the coefficient; ten years less turn the interval round."""
    fit = il.laplace(il.Model("use ~ age + urban + (1 | district)", table("contraception")))
    own = fit.coefficients.loc["age", ["estimate", "lower", "upper"]].to_numpy(dtype=float)
    more = il.odds_ratios(fit, {"age": 10}).frame.loc["age"]
    np.testing.assert_allclose(more[["odds_ratio", "lower", "upper"]], np.exp(10 * own))
    less = il.odds_ratios(fit, {"age": -10}).frame.loc["age"]
    np.testing.assert_allclose(less[["odds_ratio", "lower", "upper"]], np.exp(-10 * own[[0, 2, 1]]))
    with pytest.raises(il.errors.DataError, match="no term; the terms are 'age'"):
        il.odds_ratios(fit, {"urban": 10})
    with pytest.raises(il.errors.DataError, match="give a number, not 0"):
        il.odds_ratios(fit, {"age": 0})


def test_slopes_of_single_thresholds_are_named(table):
    fit = il.laplace(
        il.Model("thk ~ cc + (1 | school)", table("tvsfp"), "cumulative", own_slopes="cc")
    )
    assert "difference of slopes" in repr(il.odds_ratios(fit))
