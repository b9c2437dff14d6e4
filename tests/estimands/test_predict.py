"""Probabilities: SD173's arithmetic, brute-force integration, simulated units."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.estimands.averages import categories_from
from ilhte_bayes.estimands.predict import AVERAGE, OBSERVED, TYPICAL


def ordinal_model(family):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {"y": rng.integers(0, 3, 120), "x": rng.normal(size=120), "g": np.arange(120) % 12}
    )
    return il.Model("y ~ x + (1 | g)", table, family)


@pytest.mark.parametrize(
    "logit, fails, passes", [(-0.1759, 0.544, 0.456), (-0.09849, 0.525, 0.475)]
)
def test_sd173_probability(logit, fails, passes):
    table = pd.DataFrame({"y": np.arange(120) % 2, "g": np.arange(120) % 12})
    found = categories_from(il.Model("y ~ 1 + (1 | g)", table), np.array([[logit]]), None)[0]
    np.testing.assert_allclose(found, [fails, passes], atol=5e-4)  # printed to three digits


@pytest.mark.parametrize(
    "logits, cumulative, categories",
    [
        ((0.1818, 1.3112), (0.5453, 0.7877), (0.5453, 0.2424, 0.2123)),
        ((0.0560, 2.3644), (0.5139, 0.9140), (0.5139, 0.4001, 0.0860)),
    ],
)
def test_sd173_cumulative_probabilities_and_categories(logits, cumulative, categories):
    model = ordinal_model("cumulative")
    category = categories_from(model, -np.array([logits]), None)[0]  # logits of being above
    found = [*np.cumsum(category)[:-1], *category]
    # the growth example cuts digits off (.513996 is printed .5139), so within one of the last digit
    np.testing.assert_allclose(found, [*cumulative, *categories], atol=1e-4)


def fit_with(fit_of_draws, model, beta, sd):
    """A posterior that is one point (twice, so that an SD exists)."""
    names = [group.name for group in model.design.groups]
    values = {name: np.tile(own, (2, 1)).astype(float) for name, own in zip(names, sd, strict=True)}
    return fit_of_draws(model, np.tile(beta, (2, 1)), values)


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
        sign = "<=" if k else "="  # at or below the lowest category is the lowest
        assert found[f"P(rate {sign} {k})", AVERAGE] == pytest.approx(below, abs=0.002)


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


def test_what_is_held_and_averaged_over_is_said(table):
    fit = il.laplace(il.Model("use ~ age + urban + (1 | district)", table("contraception")))
    text = repr(il.predict(fit))
    said = " ".join(text.split())
    assert "random effects of district are 0. Held: age = 0, urban = N." in said
    assert "new units of district (normal random effects) and age and urban as in the" in said
    assert max(map(len, text.split("\n")[1:6])) < 100
    assert "<table>" in il.predict(fit)._repr_html_()


def test_free_shapes_of_ability_are_refused(make_trial):
    model = il.il_hte(make_trial(), ability="histogram")
    fit = il.Fit(model, "nuts", "posterior", None, (), 0.0, 0.0)
    with pytest.raises(il.errors.NotAvailable, match="leaves their shape free"):
        il.predict(fit)


def test_slopes_of_single_thresholds(table):
    """A model saturated in one 0/1 predictor: its logits are those of the cells."""
    formula = "thk ~ cc + (1 | school)"
    fit = il.laplace(il.Model(formula, table("tvsfp"), family="cumulative", own_slopes="cc"))
    found = il.predict(fit, {"cc": [0, 1]}).frame["estimate"]
    beta = fit.coefficients["estimate"]
    for k, threshold in enumerate(["1|2", "2|3", "3|4"], start=1):
        slope = beta["cc"] + (beta[f"cc, {threshold}"] if k > 1 else 0.0)
        quantity = f"P(thk {'<=' if k > 1 else '='} {k})"
        assert found[0, quantity, TYPICAL] == pytest.approx(expit(beta[threshold]))
        assert found[1, quantity, TYPICAL] == pytest.approx(expit(beta[threshold] - slope))


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


def test_families_with_a_predictor_for_each_category(fit_of_draws):
    """Adjacent and multinomial, at parameters of our choice, against two million simulated units."""
    rng = np.random.default_rng(7)
    for family, beta in (("adjacent", (-0.4, 0.6, 0.5)), ("multinomial", (0.3, 0.8, -0.2, -0.5))):
        model = ordinal_model(family)
        sd = (0.9,) if family == "adjacent" else (0.9, 1.4)
        found = il.predict(fit_with(fit_of_draws, model, beta, [sd]), {"x": 1}).frame["estimate"]
        u = rng.normal(size=(2_000_000, len(sd))) * sd
        if family == "adjacent":
            steps = np.array([0.4, -0.6]) + 0.5 + u
            eta = np.cumsum(steps, axis=1)
        else:
            eta = np.array([0.3 + 0.8, -0.2 - 0.5]) + u
        odds = np.exp(np.column_stack([np.zeros(len(u)), eta]))
        expected = (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)
        for k in range(3):
            # a probability in two million units with SD below .25 is known to .0002; 4 of these
            assert found[1, f"P(y = {k})", AVERAGE] == pytest.approx(expected[k], abs=8e-4)
        if family == "adjacent":
            score = found[1, "expected score", AVERAGE]
            assert score == pytest.approx(expected @ [0, 1, 2], abs=2e-3)
            # log-odds of each category against the one below: threshold's place and slope
            assert found[1, "log P(y = 1) / P(y = 0)", TYPICAL] == pytest.approx(0.4 + 0.5)
            assert found[1, "log P(y = 2) / P(y = 1)", TYPICAL] == pytest.approx(-0.6 + 0.5)
        else:
            assert found[1, "log P(y = 2) / P(y = 0)", TYPICAL] == pytest.approx(-0.7)


@pytest.fixture(scope="module")
def two_draws(make_trial, fit_of_draws):
    """Persons in schools and items, with effects that a test can add up by hand."""
    trial = make_trial().assign(open=lambda t: t["item"].isin(["q1", "q2"]).astype(int))
    model = il.Model("resp ~ treat * open + pre + (treat || item) + (1 | school/id)", trial)
    rng = np.random.default_rng(3)
    n = {g.name: (g.n_levels, g.n_columns) for g in model.design.groups}
    re = {name: rng.normal(size=(2, *shape)) for name, shape in n.items()}
    beta = np.array([[-0.3, 0.8, 0.4, 0.2, 0.5], [0.1, 0.6, -0.4, 0.3, 0.2]])
    sd = {name: np.full((2, shape[1]), 0.7) for name, shape in n.items()}
    return trial, fit_of_draws(model, beta, sd, re=re)


def by_hand(fit, rows, treat):
    """(draw, row) logits of rows of the table, each with its own levels, in one arm."""
    posterior = fit.draws["posterior"]
    design = [np.ones(len(rows)), np.full(len(rows), treat), rows["open"], rows["pre"]]
    x = dict(zip(["Intercept", "treat", "open", "pre"], map(np.asarray, design), strict=True))
    x["treat:open"] = x["treat"] * x["open"]
    out = sum(posterior["beta"].sel(term=t).to_numpy()[0][:, None] * x[t] for t in x)
    person = (rows["school"].astype(str) + ":" + rows["id"].astype(str)).tolist()
    for name, levels in (("school", rows["school"].tolist()), ("school:id", person)):
        out += posterior[f"re_{name}"].sel({name: levels}).to_numpy()[0, :, :, 0]
    items = posterior["re_item"].sel(item=rows["item"].tolist()).to_numpy()[0]
    return out + items[..., 0] + treat * items[..., 1]


def test_observed_is_the_mean_over_the_tables_answers_in_each_arm(two_draws):
    trial, fit = two_draws
    found = il.predict(fit, {"treat": [0, 1]}, average="observed").frame["estimate"]
    gap = il.contrasts(fit, {"treat": [0, 1]}, average="observed").frame["estimate"]
    means = [expit(by_hand(fit, trial, treat)).mean() for treat in (0, 1)]
    for treat in (0, 1):
        assert found[treat, "P(resp = 1)", OBSERVED] == pytest.approx(means[treat], abs=1e-12)
    assert gap.iloc[0] == pytest.approx(means[1] - means[0], abs=1e-12)


def test_named_levels_bring_their_effects_features_and_schools(two_draws):
    trial, fit = two_draws
    row = trial.iloc[[40]]
    named = {"item": row["item"].item(), "id": row["id"].item(), "treat": [0, 1]}
    found = il.predict(fit, named, average="population").frame
    for treat in (0, 1):
        expected = expit(by_hand(fit, row, treat)).mean()
        values = found.xs(treat, level="treat")["estimate"]
        assert values.item() == pytest.approx(expected, abs=1e-12)
    text = repr(il.predict(fit, named))
    assert "item, school and school:id: effects as estimated for the levels named" in text
    assert "open and pre as theirs" in text


def test_a_new_level_is_integrated_over_or_typical(two_draws):
    _, fit = two_draws
    new = il.predict(fit, {"item": "q99", "treat": 1}).frame["estimate"]
    none = il.predict(fit, {"treat": 1}).frame["estimate"]
    np.testing.assert_allclose(new.droplevel("item"), none, rtol=1e-12)
    typical = repr(il.predict(fit, {"item": ["q99"]}, average="typical"))
    assert "item: effects of levels that are not in the table are 0." in typical
    notes = " ".join(il.predict(fit, {"item": ["q99"]}, average="population").notes)
    assert "not in the table are averaged over as those of new units." in notes


def test_covariates_that_are_not_named_are_averaged_over(two_draws, make_trial):
    """Against brute force: a row of newdata for each answer of the table, then their mean."""
    trial, fit = two_draws
    found = il.predict(fit, {"treat": 1}, average="population").frame["estimate"].item()
    each = il.predict(
        fit, trial[["open", "pre"]].assign(treat=1).drop_duplicates(), average="population"
    ).frame["estimate"]
    every = each.droplevel(["quantity", "unit"]).loc[
        list(trial[["open", "pre"]].assign(treat=1).itertuples(index=False, name=None))
    ]
    assert found == pytest.approx(every.mean(), abs=1e-12)


def test_known_items_of_a_maximised_fit(make_trial):
    """An item with very many answers: its estimated effect predicts its share."""
    trial = make_trial(persons=400, items=4)
    fit = il.quadrature(il.Model("resp ~ 1 + (1 | item) + (1 | id)", trial))
    found = il.predict(fit, {"item": ["q1", "q4"]}, average="population").frame
    for item in ("q1", "q4"):
        row = found.xs(item, level="item").iloc[0]
        share = trial.loc[trial["item"] == item, "resp"].mean()
        # the share's own standard error, .025 here, is what the interval is made of
        assert row["estimate"] == pytest.approx(share, abs=0.02)
        assert row["se"] == pytest.approx(np.sqrt(share * (1 - share) / 400), rel=0.25)


def test_persons_who_were_integrated_out_have_effects_too(make_trial):
    fit = il.quadrature(il.Model("resp ~ treat + (1 | item) + (1 | id)", make_trial()))
    found = il.predict(fit, {"treat": [0, 1]}, average="observed").frame["estimate"]
    shares = make_trial().groupby("treat")["resp"].mean()
    # in a logit model with an intercept and arms the mean prediction is near the share
    np.testing.assert_allclose(found, shares, atol=0.04)


def test_ids_that_two_schools_use_need_their_school(make_trial, fit_of_draws):
    trial = make_trial().assign(id=lambda t: t["id"] // 10)  # 0 to 3, in every school
    model = il.Model("resp ~ 1 + (1 | school:id)", trial[["resp", "school", "id"]])
    fit = fit_of_draws(model, np.zeros((2, 1)), {"school:id": np.ones((2, 1))})
    with pytest.raises(il.errors.DataError, match="Name school too"):
        il.predict(fit, {"id": 1})
    assert len(il.predict(fit, {"id": 1, "school": 2}, average="population")) == 1


def test_the_error_of_random_points_is_said(fit_of_draws):
    """Six categories with wide, correlated effects: the error that is printed is the error."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"y": rng.integers(0, 6, 200), "g": np.arange(200) % 20})
    model = il.Model("y ~ 1 + (1 | g)", table, "multinomial")
    fit = fit_with(fit_of_draws, model, np.zeros(5), [np.full(5, 2.5)])
    found = il.predict(fit, average="population")
    # all but the first category are alike by symmetry: how unlike they come out is the error
    chance = found.frame["estimate"].to_numpy()[1:]
    printed = float(repr(found).split("standard error ")[1].rstrip("."))
    assert 0 < printed < 0.001
    assert np.abs(chance - chance.mean()).max() < 4 * printed
    assert found.frame["estimate"].sum() == pytest.approx(1.0)


def test_a_table_may_hold_other_columns_where_no_covariate_is_absent(two_draws):
    fit = two_draws[1]
    names = fit.model.responses.patterns.columns
    table = pd.DataFrame({**dict.fromkeys(names, 0), "note": "x"}, index=[0])
    expected = il.predict(fit, dict.fromkeys(names, 0)).frame
    pd.testing.assert_frame_equal(il.predict(fit, table).frame, expected)
    misspelt = table.rename(columns={names[-1]: str(names[-1]).upper()})
    with pytest.raises(il.errors.DataError, match=f"Rename the column to '{names[-1]}'"):
        il.predict(fit, misspelt)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda fit: il.predict(fit, {"age_": 1}), "is not a covariate or a group"),
        (lambda fit: il.predict(fit, average="mean"), "average='mean'; it is 'population'"),
        (lambda fit: il.predict(fit, pd.DataFrame({"z": [1]})), "Rename the column to 'treat'"),
        (lambda fit: il.predict(fit, {"treat": "x"}), "'treat' cannot be 'x'"),
    ],
)
def test_refusals(two_draws, call, words):
    with pytest.raises(il.errors.IlhteError, match=words):
        call(two_draws[1])
