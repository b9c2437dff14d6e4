"""Shares, correlations and median odds ratios: SD173's arithmetic, closed forms, simulation."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.variance_shares import median_odds_ratio, shares_and_correlations

TWO = {"school": [], "teacher": ["school"]}


@pytest.mark.parametrize(
    "school, teacher, school_share, teacher_share",
    [(0.9087, 0.6354, 0.1880, 0.1314), (0.8925, 0.7040, 0.1826, 0.1441)],
)
def test_sd173_three_levels(school, teacher, school_share, teacher_share):
    found = shares_and_correlations({"school": school, "teacher": teacher}, TWO, residual=3.29)
    assert found.loc["school", "share"] == pytest.approx(school_share, abs=6e-5)
    assert found.loc["teacher", "share"] == pytest.approx(teacher_share, abs=6e-5)
    assert found.loc["school", "within-unit correlation"] == found.loc["school", "share"]
    total = school + teacher + 3.29
    within = found.loc["teacher", "within-unit correlation"]
    assert within == pytest.approx((school + teacher) / total)


def test_two_students_of_one_teacher_correlate_319_not_1314():
    found = shares_and_correlations({"school": 0.9087, "teacher": 0.6354}, TWO, residual=3.29)
    assert round(found.loc["teacher", "within-unit correlation"], 3) == 0.319
    assert round(1 - found["share"].sum(), 2) == 0.68  # left to students; SD173 prints 78 %


@pytest.mark.parametrize("variance, share", [(6.3522, 0.6588), (8.3787, 0.718)])
def test_sd173_growth(variance, share):
    found = shares_and_correlations({"child": variance}, {"child": []}, residual=3.29)
    assert found.loc["child", "share"] == pytest.approx(
        share, abs=6e-5 if share == 0.6588 else 6e-4
    )


def test_the_residual_is_pi_squared_over_3_exactly():
    found = shares_and_correlations({"child": np.pi**2 / 3}, {"child": []})
    assert found.loc["child", "share"] == pytest.approx(0.5, abs=1e-15)


def test_median_odds_ratio_is_a_median():
    rng = np.random.default_rng(1)
    u = rng.normal(0, 0.8, (2, 400_000))
    median = np.median(np.exp(np.abs(u[0] - u[1])))
    # a sample median of this size is known to about .3 %; 4 of these
    assert median_odds_ratio(np.array([0.64]))[0] == pytest.approx(median, rel=0.012)
    assert median_odds_ratio(np.array([0.0]))[0] == 1.0


def test_the_correlation_is_that_of_simulated_latent_answers():
    rng = np.random.default_rng(2)
    n = 200_000
    school, teacher = rng.normal(0, 0.9, n), rng.normal(0, 0.7, n)
    first, second = (school + teacher + rng.logistic(size=n) for _ in range(2))
    found = shares_and_correlations({"school": 0.81, "teacher": 0.49}, TWO)
    # SE of a correlation of n pairs is below 1 / sqrt(n) = .0022; 4 of these
    empirical = np.corrcoef(first, second)[0, 1]
    assert found.loc["teacher", "within-unit correlation"] == pytest.approx(empirical, abs=0.009)


@pytest.fixture(scope="module")
def slopes(table):
    """A random slope: contraception, by district."""
    return il.laplace(
        il.Model("use ~ age + urban + (1 + urban | district)", table("contraception"))
    )


def test_random_slopes_at_a_stated_value(slopes):
    sd, mode = slopes.sd("district"), slopes.mode
    corr = float(mode["corr_district"][0, 1])
    frame = il.variance_shares(slopes, {"urban": ["N", "Y"]}).frame["estimate"]
    assert frame["N", "district", "variance"] == pytest.approx(sd.iloc[0] ** 2)
    by_hand = sd.iloc[0] ** 2 + sd.iloc[1] ** 2 + 2 * corr * sd.iloc[0] * sd.iloc[1]
    assert frame["Y", "district", "variance"] == pytest.approx(by_hand)
    shown = repr(il.variance_shares(slopes))
    assert "variances are those at age = 0, urban = N" in shown


def test_intervals_agree_with_those_of_the_sd(slopes):
    found = il.variance_shares(slopes).frame
    sd = slopes.variance_components.loc[("district", "sd[Intercept]")]
    low, high = found.loc[("district", "variance"), ["lower", "upper"]]
    assert (low, high) == pytest.approx((sd["lower"] ** 2, sd["upper"] ** 2), rel=1e-6)
    rest = np.pi**2 / 3
    assert found.loc[("district", "share"), "lower"] == pytest.approx(low / (low + rest), rel=1e-6)


def test_draws(slopes, fit_of_draws):
    rng = np.random.default_rng(1)
    sd = rng.uniform(0.3, 1.0, (500, 2))
    corr = np.tile(np.eye(2), (500, 1, 1))
    beta = np.zeros((500, len(slopes.model.design.terms)))
    drawn = fit_of_draws(slopes.model, beta, {"district": sd}, {"district": corr})
    found = il.variance_shares(drawn, {"urban": "Y"}).frame
    v = (sd**2).sum(axis=1)
    share = v / (v + np.pi**2 / 3)
    row = found.loc[("district", "share")]
    assert row["estimate"] == pytest.approx(share.mean())
    assert row["lower"] == pytest.approx(np.quantile(share, 0.025))


def test_a_variance_at_its_edge_has_no_interval():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"y": np.tile([0, 1], 100), "g": np.repeat(np.arange(20), 10)})
    fit = il.laplace(il.Model("y ~ 1 + (1 | g)", table.assign(x=rng.normal(size=200))))
    found = il.variance_shares(fit).frame
    assert found.loc[("g", "share"), "estimate"] == 0.0
    assert found.loc["g"][["lower", "upper"]].isna().all(axis=None)
    assert found.loc[("g", "MOR, any two"), "estimate"] == 1.0


def test_persons_and_items_cross(caffeine):
    shown = repr(il.variance_shares(caffeine))
    assert "study and item are crossed" in shown
    frame = il.variance_shares(caffeine).frame["estimate"]
    shares = frame.xs("share", level="quantity")
    assert shares.sum() == pytest.approx(1.0)
    same = frame["study:id", "within-unit correlation"]
    assert same == pytest.approx(shares["study"] + shares["study:id"])


def test_ordinal_answers_and_html(table):
    fit = il.laplace(il.Model("rating ~ temp + (1 | judge)", table("wine"), family="cumulative"))
    result = il.variance_shares(fit)
    variance = fit.sd("judge").iloc[0] ** 2
    assert result.frame.loc[("judge", "share"), "estimate"] == pytest.approx(
        variance / (variance + np.pi**2 / 3)
    )
    assert "<table>" in result._repr_html_()


def test_items_that_discriminate_differently_are_refused(make_trial):
    model = il.il_hte(make_trial(), discrimination=True)
    fit = il.Fit(model, "nuts", "posterior", None, (), 0.0, 0.0)
    with pytest.raises(il.errors.ModelError, match="discriminate differently"):
        il.variance_shares(fit)
