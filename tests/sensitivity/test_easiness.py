"""The ratio of SDs of easiness: closed form, delta method, draws, modes."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.sensitivity.easiness import easiness_table, ratio_of_modes, sd_ratio


def test_ratio_is_the_sd_of_the_sum_over_the_sd_of_easiness():
    rng = np.random.default_rng(1)
    for sigma_b, sigma_zeta, rho in [(1.0, 0.4, 0.8), (0.7, 0.9, -0.8), (1.3, 0.2, 0.0)]:
        b, e = rng.normal(size=(2, 200_000))
        zeta = sigma_zeta * (rho * b + np.sqrt(1 - rho**2) * e)
        drawn = (sigma_b * b + zeta).std() / (sigma_b * b).std()
        # standard error of a ratio of SDs of 200,000 draws is at most .003
        assert sd_ratio(rho, sigma_zeta / sigma_b) == pytest.approx(drawn, abs=0.01)


@pytest.mark.parametrize("r", [0.1, 0.4, 1.0])
def test_ratio_is_one_at_minus_half_r_and_not_at_zero(r):
    assert sd_ratio(-r / 2, r) == pytest.approx(1.0, abs=1e-12)
    assert sd_ratio(0.0, r) > 1.0
    assert sd_ratio(-1.0, 1.0) == 0.0


@pytest.fixture(scope="module")
def exam():
    return il.laplace(il.il_hte(il.load_dataset("mathexam")))


def test_interval_is_the_delta_method_on_the_log(exam):
    """By hand, from SDs and correlation with their covariance: r and rho have simple derivatives."""
    table = easiness_table(exam, "item", "treat")
    b, zeta, rho = exam.mode["natural_item"].to_numpy()
    covariance = exam.mode["natural_cov_item"].to_numpy()
    r, ratio = zeta / b, float(sd_ratio(rho, zeta / b))
    by_r, by_rho = (rho + r) / ratio, r / ratio
    slope = np.array([-by_r * zeta / b**2, by_r / b, by_rho])
    se = np.sqrt(slope @ covariance @ slope)
    row = table.loc["sd_ratio"]
    assert row["estimate"] == pytest.approx(ratio, abs=1e-10)
    # natural_cov is itself by derivatives, estimates() by differences of 1e-4
    assert row["se"] == pytest.approx(se, rel=1e-5)
    z = 1.959963985
    assert np.log(row["upper"] / ratio) == pytest.approx(z * se / ratio, rel=1e-5)
    assert np.log(ratio / row["lower"]) == pytest.approx(z * se / ratio, rel=1e-5)


def test_modes_are_those_of_the_items(exam):
    table = exam.random_effects("item")["estimate"].unstack("term")
    by_hand = np.std(table["Intercept"] + table["treat"], ddof=1) / np.std(
        table["Intercept"], ddof=1
    )
    assert ratio_of_modes(exam, "item", "treat") == pytest.approx(by_hand)
    row = easiness_table(exam, "item", "treat").loc["sd_ratio_modes"]
    assert row["estimate"] == pytest.approx(by_hand)
    assert np.isnan(row["lower"])


def test_draws_give_the_ratio_of_each_draw(fit_of_draws):
    rng = np.random.default_rng(4)
    persons, items, n = 8, 3, 400
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(persons), items),
            "item": np.tile(np.arange(items), persons),
            "treat": np.repeat(np.arange(persons) % 2, items),
            "resp": np.arange(persons * items) % 5 % 2,
        }
    )
    model = il.il_hte(table, assignment="randomised")
    sd, rho = rng.uniform(0.3, 1.2, (n, 2)), rng.uniform(-0.9, 0.9, n)
    corr = np.array([[[1.0, c], [c, 1.0]] for c in rho])
    fit = fit_of_draws(
        model,
        np.zeros((n, 2)),
        {"id": np.ones((n, 1)), "item": sd},
        {"item": corr},
        {"item": rng.normal(size=(n, items, 2))},
    )
    found = easiness_table(fit, "item", "treat").loc["sd_ratio"]
    wanted = sd_ratio(rho, sd[:, 1] / sd[:, 0])
    assert found["estimate"] == pytest.approx(wanted.mean())
    assert found["lower"] == pytest.approx(np.quantile(wanted, 0.025))


def test_no_interval_at_an_edge(trial_table):
    table = trial_table(2, persons=120, items=6, spread=0.0)
    fit = il.laplace(il.il_hte(table, assignment="randomised"))
    components = fit.variance_components.loc["item"]
    assert components["lower"].isna().any()  # the case that is meant
    found = easiness_table(fit, "item", "treat").loc["sd_ratio"]
    assert np.isfinite(found["estimate"])
    assert np.isnan(found["lower"])
