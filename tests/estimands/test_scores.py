"""Score effects against integrals by another rule, and against what must hold between them."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

import ilhte_bayes as il
from ilhte_bayes.estimands.ability_averages import average_logistic
from ilhte_bayes.estimands.card_scales import TargetDraw, expected_answers
from ilhte_bayes.estimands.expected import Arm
from ilhte_bayes.estimands.expected_draws import expected_draws, mode_draw
from ilhte_bayes.estimands.item_sample import item_sample
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts

CONTRAST = "treat 1 v 0"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    person, item = (grid.ravel() for grid in np.indices((90, 4)))
    pre, school = rng.normal(size=90).round(1), np.arange(90) // 2 % 6
    eta = 1.2 * rng.normal(size=90)[person] + 0.5 * pre[person] + np.linspace(-1, 1, 4)[item]
    eta += (0.7 + 0.2 * item) * (person % 2) + rng.logistic(size=person.size)
    return pd.DataFrame(
        {
            "id": person,
            "item": np.array(["a", "b", "c", "d"])[item],
            "treat": person % 2,
            "pre": pre[person],
            "school": school[person],
            "resp": np.digitize(eta, [-1.0, 0.4, 1.7]),
        }
    )


@pytest.fixture(scope="module", params=["common", "item"])
def fit(request, table) -> il.Fit:
    model = il.il_hte(
        table, family="cumulative", clusters=["school"], covariates=["pre"],
        thresholds=request.param,
    )  # fmt: skip
    return il.laplace(model, objective="map")


@pytest.mark.parametrize("sd", [0.0, 0.4, 1.0, 3.0])
def test_average_of_a_logistic_curve(sd):
    place = np.linspace(-6, 6, 25)
    found = average_logistic(place, sd)

    def chance(z, m):
        return expit(m + sd * z) * norm.pdf(z)

    expected = [quad(chance, -9, 9, args=(m,), epsabs=1e-12)[0] for m in place]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    many = np.linspace(-6, 6, 5001)  # read off a table: straight lines are off by up to 1e-6
    np.testing.assert_allclose(
        average_logistic(many, sd)[::208][:24], average_logistic(many[::208][:24], sd), atol=2e-6
    )


def by_hand(fit, table, item, arm) -> np.ndarray:
    """P(Y >= c) in one arm: the mean over the item's answers of integrals over ability."""
    u = fit.random_effects("item")["estimate"][item]
    beta, sd = (
        fit.coefficients["estimate"],
        float(np.hypot(fit.sd("id").iloc[0], fit.sd("school").iloc[0])),
    )
    pre = table.loc[table["item"] == item, "pre"].to_numpy()
    eta = beta["pre"] * pre + u["Intercept"] + arm * (beta["treat"] + u["treat"])
    kappa = fit.thresholds["estimate"].to_numpy()
    if "spread" in u:  # polynomials of degree 1 and 2 at three points, of mean square 1
        kappa = kappa + u["spread"] * np.sqrt(1.5) * np.array([-1, 0, 1])
        kappa = kappa + u["bend"] * np.sqrt(0.5) * np.array([1, -2, 1])
    z, w = np.polynomial.hermite_e.hermegauss(81)
    places = eta[:, None, None] - kappa[:, None] + sd * z
    return (expit(places) @ (w / w.sum())).mean(axis=0)


def test_both_arms_of_every_item_by_gauss_hermite(fit, table):
    frame = il.score_effects(fit, draws=20).frame
    for item in "abcd":
        for arm, column in enumerate(("reference", "treated")):
            found = frame.loc[(CONTRAST, item), column]
            expected = by_hand(fit, table, item, arm)
            np.testing.assert_allclose(found.to_numpy()[1:], expected, atol=1e-8)
            assert found["expected score"] == pytest.approx(expected.sum(), abs=1e-8)


def test_adjacent_categories_by_gauss_hermite(table):
    """Both arms: P(Y = k) in proportion to exp(k eta - tau_1 - .. - tau_k), ability integrated."""
    fit = il.laplace(il.il_hte(table, family="adjacent"), objective="map")
    frame = il.score_effects(fit, draws=20).frame
    beta, tau = fit.coefficients["estimate"]["treat"], fit.thresholds["estimate"].to_numpy()
    z, w = np.polynomial.hermite_e.hermegauss(81)
    for item in "abcd":
        u = fit.random_effects("item")["estimate"][item]
        for arm, column in enumerate(("reference", "treated")):
            eta = u["Intercept"] + arm * (beta + u["treat"]) + fit.sd("id").iloc[0] * z
            odds = np.exp(np.outer(eta, np.arange(4)) - np.concatenate([[0.0], np.cumsum(tau)]))
            share = (w / w.sum()) @ (odds / odds.sum(axis=1, keepdims=True))
            found = frame.loc[(CONTRAST, item), column].to_numpy()
            # 81 nodes and the trapezoid sum are both exact to 1e-9 at SDs near 1
            np.testing.assert_allclose(found[1:], share[::-1].cumsum()[::-1][1:], atol=1e-8)
            assert found[0] == pytest.approx(share @ np.arange(4), abs=1e-8)


def test_unordered_answers_have_no_score(table):
    fit = il.laplace(il.il_hte(table[table["item"] != "d"], family="multinomial"))
    with pytest.raises(il.errors.NotAvailable, match="no score"):
        il.score_effects(fit)


def test_points_of_the_test_are_the_sum_over_its_items(fit):
    scores = il.score_effects(fit, draws=20)
    by_item = scores.frame.xs("expected score", level="outcome").loc[CONTRAST]
    test = scores.test.loc[(CONTRAST, "these 4 items", "score points")]
    for column in ("reference", "treated", "effect"):
        assert test[column] == pytest.approx(by_item[column].sum())
    assert (scores.frame["effect"] == scores.frame["treated"] - scores.frame["reference"]).all()
    chances = scores.frame.loc[(CONTRAST, "a"), "reference"].to_numpy()[1:]
    assert (np.diff(chances) < 0).all() and 0 < chances.min() < chances.max() < 1


def test_new_items_with_the_effects_of_old_ones_are_those(fit, table):
    """Here every item was answered by everyone, so that averages over answers are the same."""
    contrast, at = treatment_contrasts(fit)[0], mode_draw(fit, "item")
    for arm in (contrast.from_arm, contrast.to_arm):
        own = Arm.of(fit, "item", contrast, arm)
        np.testing.assert_allclose(own.new_items(at, at.effects["item"]), own(at), atol=1e-12)


def test_a_longer_new_test_has_more_points_and_is_less_certain(fit):
    scores = il.score_effects(fit, k=8, draws=200)
    here, new = (
        scores.test.loc[(CONTRAST, name, "score points")]
        for name in ("these 4 items", "a new 8-item test")
    )
    # 8 items against 4; a difference between old and new items' easiness stays
    assert new["effect"] / here["effect"] == pytest.approx(2, abs=0.4)
    # at least as uncertain point for point; 200 draws leave 10 % of a width to chance
    assert new["upper"] - new["lower"] > 1.7 * (here["upper"] - here["lower"])


def test_intervals_agree_with_the_delta_method(table):
    """Without items that differ, the effect is a smooth function of few parameters."""
    model = il.il_hte(table, family="cumulative", effects="constant")
    fit = il.laplace(model)
    scores = il.score_effects(fit, draws=2000)
    row = scores.test.loc[(CONTRAST, "these 4 items", "score points")]
    se = fit.coefficients.loc["treat", "se"] / fit.coefficients.loc["treat", "estimate"]
    # half-width over effect is that of the coefficient: points are nearly linear in it; 2,000
    # draws leave an error of 4 % of a half-width
    assert (row["upper"] - row["lower"]) / 2 / row["effect"] == pytest.approx(1.96 * se, rel=0.12)
    assert row["lower"] < row["effect"] < row["upper"]


def test_of_binary_answers_the_score_is_the_probability(table):
    fit = il.laplace(il.il_hte(table, response="resp >= 2"), objective="map")
    scores = il.score_effects(fit, draws=50)
    assert list(scores.frame.index.unique("outcome")) == ["expected score", "P(Y >= yes)"]
    both = scores.frame.unstack("outcome")["effect"]
    np.testing.assert_allclose(both["expected score"], both["P(Y >= yes)"])


def test_it_says_what_it_needs(fit, table):
    with pytest.raises(il.errors.ModelError, match="k=0: it is a whole number"):
        il.score_effects(fit, k=0)
    with pytest.raises(il.errors.ModelError, match="draws='many'"):
        il.score_effects(fit, draws="many")
    bare = il.laplace(il.Model("resp ~ pre + (1 | id) + (1 | item)", table, "cumulative"))
    with pytest.raises(il.errors.ModelError, match="treatment"):
        il.score_effects(bare)


def test_how_it_prints(fit):
    scores = il.score_effects(fit, draws=20)
    text, html = repr(scores), scores._repr_html_()
    for word in ("score points", "P(Y >= 3)", "these 4 items", "Scores: 0 to 3", "reference arm"):
        assert word in text
    assert "<table" in html and "Expected score by item" in html
    assert scores.to_frame() is scores.frame


@pytest.mark.parametrize("objective", ["ml", "map"])
def test_tests_of_these_items_and_new_ones_are_those_of_the_card(table, objective):
    """One estimand, one estimate and one interval; by ML with t's few degrees of freedom."""
    model = il.il_hte(table, response="resp >= 2", clusters=["school"])
    fit = il.laplace(model, objective=objective)
    card = il.effect_card(fit, k=6).frame.loc[CONTRAST]
    test = il.score_effects(fit, k=6).test.loc[CONTRAST]
    columns = ["lower", "upper", "p_positive"]
    for name in ("these 4 items", "a new 6-item test"):
        for scale, outcome in (("score points", "score points"), ("probability", "P(Y >= yes)")):
            ours, theirs = test.loc[(name, outcome)], card.loc[(name, scale)]
            np.testing.assert_allclose(ours[columns], theirs[columns], atol=1e-12)
            assert ours["effect"] == pytest.approx(theirs["estimate"], abs=1e-12)
    new, expected = test.loc[("a new 6-item test", "score points")], mode_draw(fit, "item")
    arms = [Arm.of(fit, "item", *treatment_contrasts(fit), arm) for arm in (0, 1)]
    # the estimate is the population's at the fit's own, times six items, not a mean of draws
    for arm, column in zip(arms, ("reference", "treated"), strict=True):
        assert new[column] == pytest.approx(6 * arm.population(expected).sum())


def test_t_of_few_items_lengthens_the_new_test_of_maximum_likelihood(trial_table):
    """Against the normal interval of the same draws: t(df) over z at 2.5 %."""
    fit = il.laplace(il.il_hte(trial_table(8, persons=400, items=8, spread=0.8)))
    weights = changes_by_item(fit, "item", *treatment_contrasts(fit))
    sample = item_sample(fit, "item", weights)
    spread = sample.sd**2 / 8
    resting = (sample.share * sample.se**2 + spread) / (sample.se**2 + spread)
    df = 7 / resting**2  # Satterthwaite's, of both parts together
    assert 7 < df < 12
    found = il.score_effects(fit, draws=4000).test.loc[
        (CONTRAST, "a new 8-item test", "score points")
    ]
    arms = [Arm.of(fit, "item", *treatment_contrasts(fit), arm) for arm in (0, 1)]
    drawn = expected_draws(fit, "item", 4000)
    normal = [TargetDraw(one, one, 1.0, True) for one in drawn]
    answers = expected_answers(fit, "item", arms, normal, 8).draws[:, 3]
    sd = 8 * (answers[:, 1] - answers[:, 0]).sum(axis=1).std()
    # the range between the 2.5 % points of 4,000 draws of t has an SE of 2 %, the SD one of 1 %;
    # four of these together. The normal interval would be shorter by more.
    longer = (found["upper"] - found["lower"]) / (2 * norm.ppf(0.975) * sd)
    expected = student.ppf(0.975, df) / norm.ppf(0.975)
    assert longer == pytest.approx(expected, rel=0.09) and expected > 1.1
