"""Contrasts: statsmodels' marginal effects, closed forms, draws by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import ilhte_bayes as il


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(11)
    n = 400
    x, t = rng.normal(size=n), rng.integers(0, 2, n)
    eta = -0.3 + 0.7 * t + 0.5 * x - 0.4 * t * x
    nominal = np.column_stack([np.zeros(n), 0.2 + 0.8 * t, -0.5 + 0.6 * x])
    shares = np.exp(nominal) / np.exp(nominal).sum(axis=1, keepdims=True)
    mode = [rng.choice(["bus", "car", "train"], p=p) for p in shares]
    y = (rng.random(n) < expit(eta)).astype(int)
    table = pd.DataFrame({"y": y, "t": t, "x": x, "mode": mode})
    # groups in which answers are as equally mixed as can be: their SD is estimated at 0, so that
    # the model is one without random effects
    table["g"] = table["y"].rank(method="first").astype(int) % 40
    table["h"] = (table["mode"] + table["t"].astype(str)).rank(method="first").astype(int) % 40
    return table


def test_logit_without_random_effects_as_statsmodels(people):
    """Average marginal effects of a slope and of a 0/1 column, with delta-method errors."""
    sm = pytest.importorskip("statsmodels.api")
    fit = il.laplace(il.Model("y ~ t + x + (1 | g)", people))
    assert fit.sd("g").item() == 0.0
    theirs = sm.Logit(people["y"], sm.add_constant(people[["t", "x"]])).fit(disp=0)
    frame = theirs.get_margeff(at="overall", dummy=True).summary_frame()
    for name, values in (("t", [0, 1]), ("x", "slope")):
        drawn = il.contrasts(fit, {name: values}, average="observed").frame.iloc[0]
        # nothing is random: the same, but for the error of 1,000 draws
        assert drawn["estimate"] == pytest.approx(
            frame.loc[name, "dy/dx"], abs=4 * drawn["se"] / np.sqrt(1000)
        )
        ours = il.contrasts(fit, {name: values}).frame.iloc[0]
        # two optimisers, each good to about 1e-6 of an estimate
        assert ours["estimate"] == pytest.approx(frame.loc[name, "dy/dx"], rel=1e-5)
        assert ours["se"] == pytest.approx(frame.loc[name, "Std. Err."], rel=1e-4)
        assert ours["upper"] == pytest.approx(frame.loc[name, "Cont. Int. Hi."], rel=1e-4)


def test_multinomial_without_random_effects_as_statsmodels(people):
    sm = pytest.importorskip("statsmodels.api")
    fit = il.laplace(il.Model("mode ~ t + x + (1 | h)", people, "multinomial"))
    assert (fit.sd("h") < 1e-6).all()
    code = people["mode"].map({"bus": 0, "car": 1, "train": 2})
    theirs = sm.MNLogit(code, sm.add_constant(people[["t", "x"]])).fit(disp=0)
    effects = theirs.get_margeff(at="overall", dummy=True)
    for k, (name, values) in enumerate((("t", [0, 1]), ("x", "slope"))):
        ours = il.contrasts(fit, {name: values}).frame
        np.testing.assert_allclose(ours["estimate"], effects.margeff[k], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(ours["se"], effects.margeff_se[k], rtol=1e-3)


def test_a_typical_units_odds_ratio_is_that_of_the_coefficient(table):
    fit = il.laplace(il.Model("use ~ urban + (1 | district)", table("contraception")))
    found = il.contrasts(fit, {"urban": ["N", "Y"]}, average="typical", compare="odds ratio")
    own = il.odds_ratios(fit).frame.loc["urban[T.Y]", ["odds_ratio", "lower", "upper"]]
    ours = found.frame.iloc[0][["estimate", "lower", "upper"]]
    np.testing.assert_allclose(ours.astype(float), own.astype(float), rtol=1e-6)


def test_an_odds_ratio_of_averages_is_nearer_to_1(table):
    """Zeger, Liang & Albert (1988): within-unit logits over sqrt(1 + .346 variance), to 2 %."""
    fit = il.laplace(il.Model("use ~ urban + (1 | district)", table("contraception")))
    found = il.contrasts(fit, {"urban": ["N", "Y"]}, compare="odds ratio").frame["estimate"].item()
    variance = fit.sd("district").item() ** 2
    slope = fit.coefficients.loc["urban[T.Y]", "estimate"]
    assert np.log(found) == pytest.approx(slope / np.sqrt(1 + 0.346 * variance), rel=0.03)


def test_comparisons_belong_to_the_same_arms(people):
    fit = il.laplace(il.Model("y ~ t * x + (1 | g)", people))
    found = il.contrasts(
        fit, {"t": [0, 1]}, {"x": [-1, 1]}, compare=["difference", "ratio", "odds ratio"]
    ).frame["estimate"]
    chance = il.predict(fit, {"x": [-1, 1], "t": [0, 1]}, average="population").frame["estimate"]
    for x in (-1, 1):
        a, b = chance.loc[x].to_numpy()
        label = (x, "t 1 v 0", "P(y = 1)")
        np.testing.assert_allclose(
            found.loc[label], [b - a, b / a, b / (1 - b) * (1 - a) / a], rtol=1e-10
        )


def test_expected_scores_of_ordinal_answers(table):
    """The change of the expected score is that of the chances to be above each threshold."""
    fit = il.laplace(il.Model("rating ~ temp + (1 | judge)", table("wine"), "cumulative"))
    found = il.contrasts(
        fit, {"temp": ["cold", "warm"]}, compare=["difference", "odds ratio"]
    ).frame["estimate"]["temp warm v cold"]
    single = [found[f"P(rating = {k})", "difference"] for k in range(1, 6)]
    assert sum(single) == pytest.approx(0.0, abs=1e-12)
    assert found["expected score", "difference"] == pytest.approx(np.arange(5) @ single)
    assert ("expected score", "odds ratio") not in found


def test_effects_that_simulated_arms_have(trial_table):
    """A known answer: 1,500 persons' shares in each arm differ by what the model says they do."""
    table = trial_table(5, persons=1500, items=4, effect=0.6, spread=0.3)
    fit = il.laplace(il.il_hte(table))
    found = il.contrasts(fit, {"treat": [0, 1]}, average="observed").frame.iloc[0]
    shares = table.groupby("treat")["resp"].mean()
    # two random halves: the difference of their shares, a standard error of .017, has noise of
    # persons that the model takes out of the effect; three of these
    assert found["estimate"] == pytest.approx(shares[1] - shares[0], abs=0.05)
    assert 0.008 < found["se"] < 0.03


def test_draws_of_a_posterior(make_trial, fit_of_draws):
    """Intervals are quantiles over draws of each draw's own difference."""
    model = il.Model("resp ~ treat + (1 | id)", make_trial())
    beta = np.random.default_rng(2).normal(size=(500, 2))
    fit = fit_of_draws(model, beta, {"id": np.zeros((500, 1))})
    found = il.contrasts(fit, {"treat": [0, 1]}).frame.iloc[0]
    gap = expit(beta.sum(axis=1)) - expit(beta[:, 0])
    assert found["estimate"] == pytest.approx(gap.mean())
    assert found["lower"] == pytest.approx(np.quantile(gap, 0.025))


def test_a_typical_units_slope_in_closed_form(people):
    """The derivative of expit(a + b x) is b p (1 - p)."""
    fit = il.laplace(il.Model("y ~ t + x + (1 | g)", people))
    found = il.contrasts(fit, {"x": "slope"}, {"t": 1}, average="typical")
    beta = fit.coefficients["estimate"]
    p = expit(beta["Intercept"] + beta["t"])
    # central differences with a step of a thousandth of an SD
    assert found.frame["estimate"].item() == pytest.approx(beta["x"] * p * (1 - p), rel=1e-6)


def test_slopes_of_transformed_columns(people):
    """What is moved is the covariate, not its column: d/dx of a + b x^2 at the table's rows."""
    fit = il.laplace(il.Model("y ~ t + I(x**2) + (1 | g)", people))
    found = il.contrasts(fit, {"x": "slope"}).frame["estimate"].item()
    beta = fit.coefficients["estimate"]
    eta = beta["Intercept"] + beta["t"] * people["t"] + beta.iloc[2] * people["x"] ** 2
    own = 2 * beta.iloc[2] * people["x"] * expit(eta) * (1 - expit(eta))
    assert found == pytest.approx(own.mean(), rel=1e-5)


@pytest.fixture(scope="module")
def small_schools_gain():
    """Schools of 4, 6, ..., 14 pupils; the larger, the smaller the effect."""
    rng = np.random.default_rng(4)
    size = np.arange(4, 16, 2)
    table = pd.DataFrame({"school": np.repeat([f"s{k}" for k in range(6)], size)})
    table["treat"] = table.groupby("school").cumcount() % 2
    table["id"] = np.arange(len(table))
    table = pd.concat([table, table, table[table["id"] % 3 == 0]])  # two answers, or three
    gain = 2.0 - 0.15 * size[table["school"].str[1:].astype(int)]
    table["y"] = (rng.random(len(table)) < expit(-0.5 + gain * table["treat"])).astype(int)
    return table


def test_every_school_counts_alike(small_schools_gain, fit_of_draws):
    """By hand from il.predict: differences school by school, averaged over schools or answers."""
    model = il.Model("y ~ treat + (treat | school)", small_schools_gain)
    rng = np.random.default_rng(8)
    beta = rng.normal([-0.5, 0.8], 0.1, (400, 2))
    own = rng.normal(0, 0.3, (400, 6, 2)) + np.linspace(0.7, -0.7, 6)[:, None] * [0, 1]
    fit = fit_of_draws(model, beta, {"school": np.ones((400, 2))}, re={"school": own})
    change = {"treat": [0, 1]}
    chance = il.predict(
        fit, {"school": [f"s{k}" for k in range(6)], "treat": [0, 1]}, average="observed"
    ).frame["estimate"]
    gain = np.diff(chance.unstack("treat").groupby("school").sum()).ravel()
    size = small_schools_gain.groupby("school").size().to_numpy()
    answers = il.contrasts(fit, change, average="observed").frame["estimate"].item()
    schools = il.contrasts(fit, change, average="observed", each="school")
    # means of the same draws: the same but for rounding
    assert answers == pytest.approx(gain @ size / size.sum(), rel=1e-10)
    assert schools.frame["estimate"].item() == pytest.approx(gain.mean(), rel=1e-10)
    assert schools.frame["estimate"].item() > answers + 0.03
    draws = expit(beta.sum(axis=1)[:, None] + own.sum(axis=2)) - expit(beta[:, :1] + own[..., 0])
    ends = schools.frame[["lower", "upper"]].iloc[0]
    np.testing.assert_allclose(ends, np.quantile(draws.mean(axis=1), [0.025, 0.975]))
    assert "6 levels of school, each of the mean over its answers" in repr(schools)


def test_every_person_counts_alike(small_schools_gain, fit_of_draws):
    """Each of two answers of a person is heavier than each of another's three."""
    model = il.Model("y ~ treat + (1 | id)", small_schools_gain)
    beta = np.tile([-0.5, 0.8], (2, 1))
    labels = model.design.group("id").labels
    own = np.linspace(-3, 3, len(labels))[None, :, None] * np.ones((2, 1, 1))
    fit = fit_of_draws(model, beta, {"id": np.ones((2, 1))}, re={"id": own})
    gain = expit(0.3 + own[0, :, 0]) - expit(-0.5 + own[0, :, 0])
    found = il.contrasts(fit, {"treat": [0, 1]}, average="observed", each="id").frame
    assert found["estimate"].item() == pytest.approx(gain.mean(), rel=1e-10)
    answers = np.array([(small_schools_gain["id"] == label).sum() for label in labels])
    found = il.contrasts(fit, {"treat": [0, 1]}, average="observed").frame
    assert found["estimate"].item() == pytest.approx(np.average(gain, weights=answers), rel=1e-10)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"each": "g"}, "say average='observed'"),
        ({"each": "t", "average": "observed"}, "a group of the formula: 'g'"),
        ({"each": "g", "average": "observed", "newdata": {"g": 3}}, "moved to the level named"),
    ],
)
def test_where_nothing_can_count_alike(people, arguments, words):
    fit = il.laplace(il.Model("y ~ t + x + (1 | g)", people))
    with pytest.raises(il.errors.ModelError, match=words):
        il.contrasts(fit, {"t": [0, 1]}, **arguments)


def test_text(people):
    text = repr(il.contrasts(il.laplace(il.Model("y ~ t + x + (1 | g)", people)), {"t": [0, 1]}))
    assert "x as in the table's 400 answers" in " ".join(text.split())
    assert max(map(len, text.split("\n")[:4])) < 100


@pytest.mark.parametrize(
    "arguments, words",
    [
        (({"t": [0]},), "has one value; a contrast needs two"),
        (({"t": [0, 1], "x": [0, 1]},), "changes one predictor"),
        (({"x": "slopes"},), "or 'slope' for a numeric covariate"),
        (({"z": [0, 1]},), "'z' is not a covariate"),
        (({"t": [0, 1]}, {"t": 1}), "stands in newdata, too"),
    ],
)
def test_refusals(people, arguments, words):
    fit = il.laplace(il.Model("y ~ t + x + (1 | g)", people))
    with pytest.raises(il.errors.IlhteError, match=words):
        il.contrasts(fit, *arguments)
    with pytest.raises(il.errors.ModelError, match="compare='gap'"):
        il.contrasts(fit, {"t": [0, 1]}, compare="gap")
