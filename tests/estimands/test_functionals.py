"""Intervals of quantities made of parameters, against what Wald intervals are by hand."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.functionals import estimates


@pytest.fixture(scope="module")
def fit():
    return il.laplace(il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria")))


def test_a_coefficient_has_its_own_wald_interval(fit):
    found = estimates(fit, lambda p: p.beta, ["identity"] * 4)
    # derivatives are numerical: eight digits and more
    np.testing.assert_allclose(found.to_numpy(), fit.coefficients.to_numpy(), rtol=1e-8)


def test_a_variance_has_the_square_of_its_sds_interval(fit):
    found = estimates(fit, lambda p: p.covariance["ID"][:, 0], ["log"]).iloc[0]
    sd = fit.variance_components.loc[("ID", "sd[Intercept]")]
    np.testing.assert_allclose(
        found[["estimate", "lower", "upper"]].to_numpy(),
        sd[["estimate", "lower", "upper"]].to_numpy() ** 2,
        rtol=1e-6,
    )
    assert found["se"] == pytest.approx(2 * sd["estimate"] * sd["se"], rel=1e-6)


def test_scales_are_monotone_transforms_of_one_interval(fit):
    def both(p):
        v = p.covariance["ID"][:, 0, 0]
        return np.stack([v, np.exp(np.sqrt(v)), v / (v + 1.0)], axis=1)

    v, mor, share = (row for _, row in estimates(fit, both, ["log", "loglog", "logit"]).iterrows())
    for side in ("estimate", "lower", "upper"):
        assert mor[side] == pytest.approx(np.exp(np.sqrt(v[side])), rel=1e-6)
        assert share[side] == pytest.approx(v[side] / (v[side] + 1.0), rel=1e-6)


def test_draws_have_mean_and_quantiles(fit, fit_of_draws):
    rng = np.random.default_rng(1)
    sd = rng.uniform(0.5, 1.5, (1000, 1))
    drawn = fit_of_draws(fit.model, np.zeros((1000, 4)), {"ID": sd})
    found = estimates(drawn, lambda p: p.covariance["ID"][:, 0], ["log"]).iloc[0]
    assert found["estimate"] == pytest.approx((sd**2).mean())
    assert found["upper"] == pytest.approx(np.quantile(sd**2, 0.975))
