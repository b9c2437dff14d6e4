"""Probabilities: SD173's arithmetic, brute-force integration, simulated units."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.estimands.predict import AVERAGE, TYPICAL, _with_categories, average_probability


def test_sd173_probability():
    assert round(float(expit(-0.1759)), 3) == 0.456
    assert round(1 - float(expit(-0.1759)), 3) == 0.544
    assert round(float(expit(-0.09849)), 3) == 0.475


@pytest.mark.parametrize(
    "logits, cumulative, categories",
    [
        ((0.1818, 1.3112), (0.5453, 0.7877), (0.5453, 0.2424, 0.2123)),
        ((0.0560, 2.3644), (0.5139, 0.9140), (0.5139, 0.4001, 0.0860)),
    ],
)
def test_sd173_cumulative_probabilities_and_categories(logits, cumulative, categories):
    found = _with_categories(expit(np.array([logits])))[0]
    # the growth example cuts digits off (.513996 is printed .5139), so within one of the last digit
    np.testing.assert_allclose(found, [*cumulative, *categories], atol=1e-4)


def fit_with(fit_of_draws, model, beta, sd):
    """A posterior that is one point (twice, so that an SD exists)."""
    names = [group.name for group in model.design.groups]
    values = {name: np.tile(own, (2, 1)).astype(float) for name, own in zip(names, sd, strict=True)}
    return fit_of_draws(model, np.tile(beta, (2, 1)), values)


@pytest.mark.parametrize("logit", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("variance", [0.0, 0.5, 6.35, 100.0])
def test_averages_over_units_by_brute_force(logit, variance):
    ours = average_probability(np.array([logit]), np.array([variance]))[0]
    sd = np.sqrt(variance)
    exact = quad(lambda z: expit(logit + sd * z) * norm.pdf(z), -12, 12, limit=500, epsabs=1e-13)[0]
    # the trapezoid rule's own error is 3e-9 at SD 10 and nothing at SDs below 5
    assert ours == pytest.approx(exact, abs=5e-9)


def test_averages_of_several_levels_and_a_slope(make_trial, fit_of_draws):
    """Summed variances of three groups, one with a slope, against simulated units."""
    model = il.Model("resp ~ treat + (treat || item) + (1 | school/id)", make_trial())
    sd = {"item": (0.7, 0.9), "school": (0.4,), "school:id": (1.2,)}
    fit = fit_with(fit_of_draws, model, (-0.3, 0.8), [sd[g.name] for g in model.design.groups])
    found = il.predict(fit, {"treat": [0, 1]}).frame["estimate"]
    rng, n = np.random.default_rng(4), 400_000
    u = rng.normal(size=(4, n)) * np.array([0.7, 0.9, 0.4, 1.2])[:, None]
    for treat in (0, 1):
        eta = -0.3 + 0.8 * treat + u[0] + treat * u[1] + u[2] + u[3]
        # a probability in n units with SD below .3 is known to .0005; 4 of these
        chance = found[treat, "P(resp = 1)", AVERAGE]
        assert chance == pytest.approx(expit(eta).mean(), abs=0.002)
        assert found[treat, "P(resp = 1)", TYPICAL] == pytest.approx(expit(-0.3 + 0.8 * treat))


def test_ordinal_averages_with_thresholds_of_items_own(make_trial, fit_of_draws):
    """Items' own thresholds widen the spread at some thresholds and not at others."""
    model = il.Model(
        "rate ~ treat + (1 | item) + (1 | id)", make_trial(), family="cumulative", thresholds="item"
    )
    group = model.design.group("item")
    sds = {"item": (0.5, 0.6, 0.3), "id": (1.0,)}
    kappa, slope = np.array([-1.0, 0.2, 1.1]), 0.4
    fit = fit_with(fit_of_draws, model, (*kappa, slope), [sds[g.name] for g in model.design.groups])
    found = il.predict(fit, {"treat": 1}).frame["estimate"].droplevel("treat")
    rng, n = np.random.default_rng(5), 400_000
    items = rng.normal(size=(n, 3)) * np.array(sds["item"])
    person = rng.normal(size=n)
    for k in range(3):
        shift = items @ (np.array([1.0, 0.0, 0.0]) + group.cut_z[k])
        below = expit(kappa[k] - slope - shift - person).mean()
        assert found[f"P(rate <= {k})", AVERAGE] == pytest.approx(below, abs=0.002)


def test_a_typical_units_interval_is_the_wald_interval_transformed(table):
    fit = il.laplace(il.Model("use ~ urban + (1 | district)", table("contraception")))
    found = il.predict(fit, {"urban": "N"}).frame.loc["N"]
    intercept = fit.coefficients.loc["Intercept", ["estimate", "lower", "upper"]]
    logit = found.loc[("logit", TYPICAL), ["estimate", "lower", "upper"]]
    np.testing.assert_allclose(logit, intercept, rtol=1e-8)
    chance = found.loc[("P(use = Y)", TYPICAL), ["estimate", "lower", "upper"]]
    np.testing.assert_allclose(chance, expit(intercept.astype(float)), rtol=1e-8)


def test_ordinal_answers_of_a_fit(table):
    fit = il.laplace(il.Model("rating ~ temp + (1 | judge)", table("wine"), family="cumulative"))
    found = il.predict(fit, {"temp": ["cold", "warm"]}).frame["estimate"]
    beta = fit.coefficients["estimate"]
    below = expit(beta["2|3"] - beta["temp[T.warm]"])
    assert found["warm", "P(rating <= 2)", TYPICAL] == pytest.approx(below)
    for temp in ("cold", "warm"):
        categories = [found[temp, f"P(rating = {k})", AVERAGE] for k in range(1, 6)]
        assert sum(categories) == pytest.approx(1.0)


def test_averages_come_near_the_shares_in_the_data(table):
    """Of a model with every predictor saturated, averages estimate the shares of the population."""
    data = table("contraception")
    fit = il.laplace(il.Model("use ~ urban + (1 | district)", data))
    found = il.predict(fit, {"urban": ["N", "Y"]}).frame["estimate"]
    shares = data.assign(y=data["use"] == "Y").groupby("urban")["y"].mean()
    for urban in ("N", "Y"):
        # 1,934 women in 60 districts of unequal size: standard error about .02
        assert found[urban, "P(use = Y)", AVERAGE] == pytest.approx(shares[urban], abs=0.05)


def test_what_is_held_is_said(table):
    fit = il.laplace(il.Model("use ~ age + urban + (1 | district)", table("contraception")))
    assert "Held: age = 0, urban = N." in repr(il.predict(fit))


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


def test_free_shapes_of_ability_are_refused(make_trial):
    model = il.il_hte(make_trial(), ability="histogram")
    fit = il.Fit(model, "nuts", "posterior", None, (), 0.0, 0.0)
    with pytest.raises(il.ModelError, match="shape of ability free"):
        il.predict(fit)


def test_slopes_of_single_thresholds(table):
    """A model saturated in one 0/1 predictor: its logits are those of the cells."""
    formula = "thk ~ cc + (1 | school)"
    fit = il.laplace(il.Model(formula, table("tvsfp"), family="cumulative", own_slopes="cc"))
    found = il.predict(fit, {"cc": [0, 1]}).frame["estimate"]
    beta = fit.coefficients["estimate"]
    for k, threshold in enumerate(["1|2", "2|3", "3|4"], start=1):
        slope = beta["cc"] + (beta[f"cc, {threshold}"] if k > 1 else 0.0)
        quantity = f"P(thk <= {k})"
        assert found[0, quantity, TYPICAL] == pytest.approx(expit(beta[threshold]))
        assert found[1, quantity, TYPICAL] == pytest.approx(expit(beta[threshold] - slope))
    assert "difference of slopes" in repr(il.odds_ratios(fit))


def test_every_engine_gives_the_same_answers_where_data_are_many(make_trial):
    """Laplace, quadrature and draws; priors pull MAP and draws a little."""
    model = il.Model("resp ~ treat + (1 | id)", make_trial(persons=150, items=8))
    fits = [il.laplace(model), il.quadrature(model), il.laplace(model, objective="map")]
    fits.append(il.sample(model, draws=300, tune=300, chains=2, seed=1, progress=False))
    for quantity in (lambda fit: il.predict(fit, {"treat": 1}), il.variance_shares):
        tables = [quantity(fit).frame for fit in fits]
        sd = tables[0]["se"]
        known = sd > 0
        for table in tables[1:]:
            gap = (table["estimate"] - tables[0]["estimate"]).abs()[known] / sd[known]
            # MAP and means of skewed posteriors lie within half a standard error of ML here
            assert gap.max() < 0.6
