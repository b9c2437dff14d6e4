"""Tests of variances: SD173's Wald lines, refits by formula, and the peers' likelihood ratios."""

import numpy as np
import pytest
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.estimands.variance_tests import (
    variance_with_error,
    wald_of_variance,
    without_column,
)


@pytest.mark.parametrize(
    "variance, se, z, p",
    [
        (0.9087, 0.1359, 6.69, 0.0),
        (0.1703, 0.04785, 3.56, 0.0002),
        (0.2833, 0.09073, 3.12, 0.0009),
        (0.000423, 0.000304, 1.39, 0.0820),
        (0.004751, 0.007728, 0.61, 0.2693),
    ],
)
def test_sd173_wald_tests_are_one_sided(variance, se, z, p):
    found = wald_of_variance(variance, se)
    assert found["z"] == pytest.approx(z, abs=6e-3)
    assert found["p_wald"] == pytest.approx(p, abs=1.2e-4)


@pytest.fixture(scope="module")
def verbagg(table):
    return il.laplace(il.Model("y ~ treat + (1 | id) + (treat | item)", table("verbagg")))


def test_likelihood_ratios_are_those_of_formulas_without_the_term(verbagg, table):
    found = il.variance_tests(verbagg).frame
    smaller = il.laplace(il.Model("y ~ treat + (1 | id) + (1 | item)", table("verbagg")))
    row = found.loc[("item", "treat")]
    assert row["chi2"] == pytest.approx(2 * (verbagg.loglik - smaller.loglik), abs=1e-6)
    assert row["df"] == 2  # the variance and its correlation
    # glmer, run tight on both models, has 21.8273; two log-likelihoods to 1e-3 each
    assert row["chi2"] == pytest.approx(21.8273, abs=4e-3)
    assert row["p_lr"] == pytest.approx(1.0596e-5, rel=3e-3)
    with pytest.warns(il.errors.IlhteWarning, match="no term for id"):
        no_persons = il.laplace(il.Model("y ~ treat + (treat | item)", table("verbagg")))
    gain = 2 * (verbagg.loglik - no_persons.loglik)
    assert found.loc[("id", "Intercept"), "chi2"] == pytest.approx(gain, abs=1e-6)


def test_wald_from_the_sds_own_error(verbagg):
    row = il.variance_tests(verbagg).frame.loc[("id", "Intercept")]
    sd = verbagg.variance_components.loc[("id", "sd[Intercept]")]
    assert row["variance"] == pytest.approx(sd["estimate"] ** 2)
    assert row["z"] == pytest.approx(sd["estimate"] / (2 * sd["se"]))
    assert row["p_wald"] == pytest.approx(norm.sf(row["z"]))


def test_a_lone_variance_is_tested_against_no_groups_at_all(table):
    """Ordinal answers of schools and classes; Stata has the single-level log-likelihood."""
    model = il.Model("thk ~ prethk + cc * tv + (1 | school)", table("tvsfp"), family="cumulative")
    fit = il.laplace(model)
    row = il.variance_tests(fit).frame.loc[("school", "Intercept")]
    assert row["chi2"] == pytest.approx(2 * (fit.loglik + 2125.1032), abs=2e-4)


def test_quadrature_refits_by_quadrature(table):
    formula = "yy ~ trt + late + (1 | ID)"
    fit = il.quadrature(il.Model(formula, il.load_dataset("bacteria")))
    result = il.variance_tests(fit)
    row = result.frame.loc[("ID", "Intercept")]
    laplace = il.variance_tests(il.laplace(fit.model)).frame.loc[("ID", "Intercept")]
    more = 2 * (fit.loglik - il.laplace(fit.model).loglik)
    assert row["chi2"] == pytest.approx(laplace["chi2"] + more, abs=1e-6)


def test_columns_leave_their_block_and_keep_the_others(make_trial):
    model = il.Model("resp ~ treat + pre + (treat + pre | item) + (1 | id)", make_trial())
    smaller, dropped = without_column(model, "item", 1)
    group = smaller.design.group("item")
    assert group.columns == ("Intercept", "pre")
    assert group.blocks == ((0, 1),)
    assert dropped == 3  # a variance and two correlations
    direct = il.Model("resp ~ treat + pre + (pre | item) + (1 | id)", make_trial())
    assert il.laplace(smaller).loglik == pytest.approx(il.laplace(direct).loglik, abs=1e-7)


def test_draws_have_a_mean_and_an_sd(verbagg, fit_of_draws):
    rng = np.random.default_rng(1)
    sd = rng.uniform(1, 2, (200, 1))
    both = {"id": sd, "item": np.ones((200, 2))}
    corr = {"item": np.tile(np.eye(2), (200, 1, 1))}
    drawn = fit_of_draws(verbagg.model, np.zeros((200, 2)), both, corr)
    mean, error = variance_with_error(drawn, "id", "Intercept")
    assert mean == pytest.approx((sd**2).mean())
    assert error == pytest.approx((sd**2).std(ddof=1))


def test_only_maximum_likelihood(caffeine):
    with pytest.raises(il.errors.ModelError, match="this fit is MAP"):
        il.variance_tests(caffeine)


def test_proc_glimmixs_listing_of_tvsfp(table):
    """PROC GLIMMIX METHOD=LAPLACE, thk = cc|tv|prethk: its school variance, SE and criteria."""
    formula = "thk ~ cc * tv * prethk + (1 | school)"
    fit = il.laplace(il.Model(formula, table("tvsfp"), family="cumulative"))
    row = il.variance_tests(fit).frame.loc[("school", "Intercept")]
    assert round(row["variance"], 5) == 0.07520
    assert round(row["se"], 5) == 0.03896
    assert round(-2 * fit.loglik, 2) == 4233.05
    assert round(fit.aic, 2) == 4255.05
    # 28 schools: the Wald test has p = .027, the likelihood ratio .0005
    assert row["p_lr"] < row["p_wald"] / 10
