"""The cumulative logit's probabilities and derivatives, row by row, and at two categories."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.families.bernoulli import Bernoulli
from ilhte_bayes.families.cumulative import Cumulative
from ilhte_bayes.formulas.cuts import ABOVE, BELOW, GAP

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

FAMILY = Cumulative()


def derivatives(eta, score, count):
    slope, weight, third = (np.empty(eta.size) for _ in range(3))
    value = FAMILY.derivatives(eta, score, count, slope, weight, third)
    return value, slope, weight, third


def some_rows(n: int = 20_000, seed: int = 2):
    """More rows than are worked on at a time; gaps are positive, from 1e-4 to 30."""
    rng = np.random.default_rng(seed)
    score = rng.choice([ABOVE, BELOW, GAP], n).astype(np.int8)
    eta = np.where(score == GAP, 10 ** rng.uniform(-4, 1.48, n), rng.normal(0, 6, n))
    return eta, score, rng.integers(1, 5, n).astype(np.int32)


def test_value_is_the_sum_of_the_rows_log_probabilities():
    eta, score, count = some_rows()
    expected = np.where(score == ABOVE, np.log(expit(eta)), np.log(expit(-eta)))
    expected[score == GAP] = np.log1p(-np.exp(-eta[score == GAP]))
    value = derivatives(eta, score, count)[0]
    # summed in another order: rounding of 20,000 numbers
    assert value == pytest.approx(count @ expected, rel=1e-11)
    assert FAMILY.log_probability(eta, score, count) == pytest.approx(count @ expected, rel=1e-11)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_are_those_of_the_one_before(order):
    eta, score, count = some_rows(400)
    ones = np.ones(1)
    step = 1e-4 * np.minimum(1.0, np.abs(eta))

    def before(at):
        if order == 1:
            row = [derivatives(np.array([e]), score[r : r + 1], ones)[0] for r, e in enumerate(at)]
            return count * np.array(row)
        return derivatives(at, score, count)[order - 1] * (1 if order == 2 else -1)

    slope = (before(eta + step) - before(eta - step)) / (2 * step)
    found = derivatives(eta, score, count)[order] * (1 if order == 1 else -1)
    # central differences: the step squared times a third derivative of up to 6 / gap^2 times the
    # slope (1e-8 of it), and rounding, 1e-16 |value| / step
    rounding = 1e-14 * np.maximum(np.abs(before(eta)), 1.0) / step
    assert (np.abs(found - slope) < 1e-6 * np.abs(found) + rounding).all()


@pytest.mark.parametrize("gap", [0.0, -0.3])
def test_thresholds_that_meet_or_cross_are_impossible(gap):
    eta, score, count = np.array([0.2, gap]), np.array([ABOVE, GAP], np.int8), np.ones(2)
    assert derivatives(eta, score, count)[0] == -np.inf
    assert FAMILY.log_probability(eta, score, count) == -np.inf


def test_far_thresholds_and_extreme_predictors_stay_finite():
    eta = np.array([800.0, -800.0, 800.0, 1e-12])
    score = np.array([ABOVE, ABOVE, GAP, GAP], np.int8)
    value, *rest = derivatives(eta, score, np.ones(4))
    assert value == pytest.approx(-800.0 + np.log(1e-12), rel=1e-12)
    assert all(np.isfinite(a).all() for a in rest)


def test_starts_reproduce_the_shares_of_the_answers():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"g": rng.integers(0, 9, 4000), "y": rng.choice(5, 4000, p=[0.1, 0.3, 0.2, 0.35, 0.05])}
    )
    model = il.Model("y ~ (1 | g)", table, family="cumulative")
    below = expit(FAMILY.start(model.rows))
    shares = table["y"].value_counts(normalize=True).sort_index().cumsum().to_numpy()[:-1]
    np.testing.assert_allclose(below, shares, atol=1e-3)  # half an answer is added to each side


def trial(seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": np.repeat(np.arange(60), 6), "item": np.tile(np.arange(6), 60)})
    table["treat"] = table["id"] % 2
    eta = (
        rng.normal(size=60)[table["id"]] + rng.normal(size=6)[table["item"]] + 0.4 * table["treat"]
    )
    table["y"] = (rng.random(len(table)) < expit(eta)).astype(int)
    return table


FORMULA = "y ~ treat + (1 | id) + (treat | item)"


@pytest.mark.parametrize("engine", ["laplace", "quadrature"])
def test_two_categories_are_the_binary_model(engine):
    """The only threshold is the intercept with its sign changed; all else is the same."""
    formula = "y ~ treat + (1 | id)" if engine == "quadrature" else FORMULA
    fits = []
    for family in ("bernoulli", "cumulative"):
        model = il.Model(formula, trial(), family=family, roles={"treatment": "treat"})
        fit = il.quadrature(model) if engine == "quadrature" else il.laplace(model)
        fits.append(fit)
    binary, ordinal = fits
    # two searches for the same maximum
    assert ordinal.loglik == pytest.approx(binary.loglik, abs=1e-7)
    ours, theirs = ordinal.coefficients, binary.coefficients
    sign = np.where(theirs.index == "Intercept", -1.0, 1.0)
    np.testing.assert_allclose(ours["estimate"], sign * theirs["estimate"], atol=2e-4)
    np.testing.assert_allclose(ours["se"], theirs["se"], rtol=2e-3)
    for group in binary.model.design.groups:
        name = f"sd_{group.name}"
        np.testing.assert_allclose(ordinal.mode[name], binary.mode[name], atol=2e-4)
        np.testing.assert_allclose(
            ordinal.mode[f"re_{group.name}"], binary.mode[f"re_{group.name}"], atol=5e-4
        )
    assert isinstance(binary.model.family, Bernoulli)
