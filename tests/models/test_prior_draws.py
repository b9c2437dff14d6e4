"""Parameters have their priors: distributions known in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ilhte_bayes as il
from ilhte_bayes.models.prior_draws import draw_from_prior

# Designs without persons, and items answered alike, are meant here.
pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

PRIORS = {
    "normal": (il.priors.Normal(0.5, 2), stats.norm(0.5, 2), "beta[treat]"),
    "t": (il.priors.StudentT(4, 1, 2), stats.t(4, 1, 2), "beta[treat]"),
    "half-normal": (il.priors.HalfNormal(1.5), stats.halfnorm(scale=1.5), "sd_item[treat]"),
    "exponential": (il.priors.Exponential(0.7), stats.expon(scale=0.7), "sd_item[treat]"),
    "gamma": (il.priors.Gamma(3, 2), stats.gamma(3, scale=0.5), "sd_item[treat]"),
    # the distribution of |t| for t with 3 degrees of freedom
    "half-t": (il.priors.HalfStudentT(3, 2), stats.foldcauchy, "sd_item[treat]"),
    "lkj": (il.priors.LKJ(3), stats.beta(3, 3, loc=-1, scale=2), "corr_item"),
}


@pytest.mark.parametrize("name", PRIORS)
def test_parameters_have_their_priors(name, make_trial):
    prior, reference, parameter = PRIORS[name]
    model = il.Model("resp ~ treat + (treat | item)", make_trial(6), priors={parameter: prior})
    rng = np.random.default_rng(11)
    place = {"beta[treat]": "beta", "sd_item[treat]": "sd_item", "corr_item": "corr_item"}
    drawn = [draw_from_prior(model, rng)[place[parameter]].to_numpy() for _ in range(500)]
    values = np.array([d[0, 1] if d.ndim == 2 else d[1] for d in drawn])
    cdf = reference.cdf
    if name == "half-t":
        cdf = lambda x: 2 * stats.t(3, 0, 2).cdf(x) - 1  # noqa: E731
    assert stats.kstest(values, cdf).pvalue > 1e-3


def test_correlations_of_three_columns_are_lkj(make_trial):
    """Each is 2 beta(eta + 1/2, eta + 1/2) - 1 (Lewandowski et al. 2009), eta = 2."""
    model = il.Model("resp ~ treat + pre + (treat + pre | item)", make_trial())
    rng = np.random.default_rng(3)
    corr = np.array([draw_from_prior(model, rng)["corr_item"].to_numpy() for _ in range(500)])
    np.testing.assert_allclose(np.einsum("kii->ki", corr), 1.0)
    for i, j in ((1, 0), (2, 0), (2, 1)):
        assert stats.kstest(corr[:, i, j], stats.beta(2.5, 2.5, -1, 2).cdf).pvalue > 1e-3


ORDINAL = "rate ~ treat + (1 | id) + (treat | item)"


def ordinal(table: pd.DataFrame, kind: str = "common", **priors) -> il.Model:
    options = {"family": "cumulative", "thresholds": kind, "roles": {"item": "item"}}
    return il.Model(
        ORDINAL, table, priors={"threshold": il.priors.Normal(0.2, 1)} | priors, **options
    )


def test_thresholds_are_drawn_on_the_condition_that_they_are_in_order(make_trial):
    """Of one prior they are its order statistics; of several, draws out of order are made again."""
    table, rng = make_trial(6, 4), np.random.default_rng(7)
    table["rate"] = np.arange(len(table)) % 4
    model = ordinal(table)
    same = [draw_from_prior(model, rng)["beta"][:3] for _ in range(500)]
    expected = 0.2 + np.array([-0.8463, 0, 0.8463])  # of three standard normals
    np.testing.assert_allclose(np.mean(same, axis=0), expected, atol=4 * 0.75 / np.sqrt(500))
    other = ordinal(table, **{"threshold[1|2]": il.priors.Normal(0.2, 0.1)})
    found = np.array([draw_from_prior(other, rng)["beta"][:3] for _ in range(500)])
    draws = np.random.default_rng(1).normal(0.2, [1, 0.1, 1], (400_000, 3))
    draws = draws[(np.diff(draws) > 0).all(axis=1)]
    error = draws.std(axis=0) / np.sqrt(500)
    assert (np.abs(found.mean(axis=0) - draws.mean(axis=0)) < 4 * error).all()


def test_priors_that_put_thresholds_out_of_order_are_refused(make_trial):
    table = make_trial(6, 4)
    table["rate"] = np.arange(len(table)) % 4
    wrong = {
        "threshold[0|1]": il.priors.Normal(9, 0.1),
        "threshold[1|2]": il.priors.Normal(-9, 0.1),
    }
    with pytest.raises(il.errors.ModelError, match="never in order"):
        draw_from_prior(ordinal(table, **wrong), np.random.default_rng(1))
