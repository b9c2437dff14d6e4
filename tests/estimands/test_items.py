"""Effects on items: beta plus deviations, averaged over answers; probabilities, ranks, signs."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.estimands.distribution import N_DRAWS

ROLES = {"treatment": "treat", "person": "id", "item": "item"}


def test_average_is_the_coefficient_with_its_standard_error(caffeine):
    row = caffeine.coefficients.loc["treat"]
    average = il.item_effects(caffeine).average.loc["caffeine v placebo"]
    for ours, theirs in [
        ("effect", "estimate"),
        ("se", "se"),
        ("lower", "lower"),
        ("upper", "upper"),
    ]:
        assert average[ours] == pytest.approx(row[theirs], rel=1e-12)
    assert average["p_positive"] == pytest.approx(norm.cdf(row["estimate"] / row["se"]))


def test_effect_of_an_item_is_the_coefficient_plus_its_deviation(caffeine):
    frame = il.item_effects(caffeine).frame
    deviation = caffeine.random_effects("item")["estimate"].unstack("term")
    expected = caffeine.coefficients.loc["treat", "estimate"] + deviation["treat"]
    np.testing.assert_allclose(frame["effect"], expected[frame.index])
    np.testing.assert_allclose(frame["easiness"], deviation.loc[frame.index, "Intercept"])
    np.testing.assert_allclose(frame["difficulty"], -frame["easiness"])


def test_intervals_and_probabilities_are_normal(caffeine):
    frame = il.item_effects(caffeine).frame
    marginal = norm(frame["effect"], frame["se"])
    np.testing.assert_allclose(frame[["lower", "upper"]].T, marginal.interval(0.95))
    np.testing.assert_allclose(frame["p_positive"], norm.cdf(frame["effect"] / frame["se"]))


def test_standard_errors_are_those_of_the_draws(caffeine):
    """Draws of beta and of deviations are made by other code, from the factored Hessian."""
    posterior = caffeine.draws["posterior"]
    beta = posterior["beta"].sel(term="treat")
    effects = beta + posterior["re_item"].sel(item_column="treat")
    frame = il.item_effects(caffeine).frame
    drawn = effects.std(("chain", "draw")).sel(item=list(frame.index)).to_numpy()
    # 2,000 draws know an SD to 1 / sqrt(2 * 2000) = 1.6 %; 4 of these
    np.testing.assert_allclose(frame["se"], drawn, rtol=0.064)


def test_constant_effects_are_the_coefficient_for_every_item(trial_table):
    table = trial_table(3, persons=80, items=5)
    fit = il.laplace(il.il_hte(table, effects="constant"))
    effects = il.item_effects(fit)
    row = fit.coefficients.loc["treat"]
    np.testing.assert_allclose(effects["effect"], row["estimate"], rtol=1e-12)
    np.testing.assert_allclose(effects["se"], row["se"], rtol=1e-12)
    assert effects["rank_lower"].isna().all()  # nothing to order
    assert "gives every item the same effect, by assumption" in effects.notes[0]


def test_three_arms_have_a_contrast_each(trial_table):
    table = trial_table(4, persons=240, items=6, arms=3, spread=1.0)
    table["treat"] = np.array(["none", "drug", "talk"])[table["treat"]]
    model = il.Model(
        "resp ~ treat + (1 | id) + (treat | item)", table, roles=ROLES, reference={"treat": "none"}
    )
    fit = il.laplace(model, objective="map")
    effects = il.item_effects(fit)
    assert list(effects.average.index) == ["drug v none", "talk v none"]
    assert effects.frame.index.names == ["contrast", "item"] and len(effects) == 12
    deviation = fit.random_effects("item")["estimate"].unstack("term")
    for arm in ("drug", "talk"):
        term = f"treat[T.{arm}]"
        average = effects.average.loc[f"{arm} v none"]
        assert average["se"] == pytest.approx(fit.coefficients.loc[term, "se"], rel=1e-12)
        expected = fit.coefficients.loc[term, "estimate"] + deviation[term]
        np.testing.assert_allclose(effects.frame.loc[f"{arm} v none", "effect"], expected)
    picked = effects.false_signs([("drug v none", 1), ("talk v none", 2)])
    p = effects.frame["p_positive"][[("drug v none", 1), ("talk v none", 2)]]
    assert picked == pytest.approx(np.minimum(p, 1 - p).sum())


def test_interactions_are_averaged_over_the_answers_to_each_item(trial_table):
    """Which answers are missing depends on the covariate and the item: averages differ by item."""
    table = trial_table(5, persons=120, items=6)
    pre = np.random.default_rng(6).normal(0, 1, 120)
    table["pre"] = pre[table["id"]]
    table = table[(table["pre"] > -0.3) | (table["item"] % 2 == 0)]
    fit = il.laplace(
        il.Model("resp ~ treat * pre + (1 | id) + (treat | item)", table), objective="map"
    )
    effects = il.item_effects(fit)
    beta = fit.coefficients["estimate"]
    mean = table.groupby("item")["pre"].mean()
    deviation = fit.random_effects("item")["estimate"].unstack("term")["treat"]
    np.testing.assert_allclose(
        effects["effect"], beta["treat"] + beta["treat:pre"] * mean + deviation, rtol=1e-9
    )
    average = beta["treat"] + beta["treat:pre"] * mean.mean()
    assert effects.average["effect"].iloc[0] == pytest.approx(average)
    assert mean.max() - mean.min() > 0.3
    assert any("averaged over the answers to that item" in note for note in effects.notes)


def test_ranks_are_those_of_the_joint_draws(caffeine, fit_of_draws):
    """Draws chosen so that the first two items change places in one draw of ten."""
    model = caffeine.model
    n, items = 100, model.design.group("item").n_levels
    zeta = np.tile(np.arange(items, 0, -1.0), (n, 1))
    zeta[:10, [0, 1]] = zeta[:10, [1, 0]]
    re = {"item": np.stack([np.zeros_like(zeta), zeta], axis=2)}
    corr = {"item": np.tile(np.eye(2), (n, 1, 1))}
    sd = {g.name: np.ones((n, g.n_columns)) for g in model.design.groups}
    frame = il.item_effects(fit_of_draws(model, np.zeros((n, 2)), sd, corr, re)).frame
    ends = frame[["rank_lower", "rank_upper"]].to_numpy().tolist()
    assert ends == [[1, 2], [1, 2], *([k, k] for k in range(3, items + 1))]
    assert frame["effect"].iloc[0] == pytest.approx(items - 0.1)


def test_sampled_fits_use_their_draws(caffeine, fit_of_draws):
    model, rng, n = caffeine.model, np.random.default_rng(7), 500
    beta = rng.normal([0.0, 1.0], 0.3, (n, 2))
    zeta = rng.normal(0, 0.5, (n, 10, 2))
    corr = {"item": np.tile(np.eye(2), (n, 1, 1))}
    sd = {g.name: np.ones((n, g.n_columns)) for g in model.design.groups}
    effects = il.item_effects(fit_of_draws(model, beta, sd, corr, {"item": zeta}))
    drawn = beta[:, 1, None] + zeta[:, :, 1]
    np.testing.assert_allclose(effects["effect"], drawn.mean(axis=0))
    np.testing.assert_allclose(effects["se"], drawn.std(axis=0, ddof=1))
    quantiles = np.quantile(drawn, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(effects.frame[["lower", "upper"]].T, quantiles)
    np.testing.assert_allclose(effects["p_positive"], (drawn > 0).mean(axis=0))


def test_false_signs_add_up_the_smaller_probabilities():
    frame = pd.DataFrame({"p_positive": [0.99, 0.5, 0.1, 0.7]}, index=["a", "b", "c", "d"])
    effects = il.estimands.items.ItemEffects(frame, pd.DataFrame(), "effect", ())
    assert effects.false_signs(["a", "c"]) == pytest.approx(0.01 + 0.1)
    assert effects.false_signs(list("abcd")) == pytest.approx(0.01 + 0.5 + 0.1 + 0.3)


def test_false_signs_are_counted_right_on_average():
    """Effects drawn from their own distribution: the expected count is the count's mean."""
    mean, n = np.array([0.1, -0.8, 1.5]), 200_000
    truth = np.random.default_rng(8).normal(mean, 1.0, (n, 3))
    frame = pd.DataFrame({"p_positive": norm.cdf(mean)}, index=[1, 2, 3])
    effects = il.estimands.items.ItemEffects(frame, pd.DataFrame(), "effect", ())
    wrong = (np.sign(truth) != np.sign(mean)).sum(axis=1)
    assert effects.false_signs([1, 2, 3]) == pytest.approx(
        wrong.mean(), abs=4 * wrong.std() / n**0.5
    )


def test_groups_that_were_not_randomised_differ(trial_table):
    table = trial_table(9, persons=60, items=4)
    fit = il.laplace(il.il_hte(table, assignment="observational"))
    effects = il.item_effects(fit)
    assert effects.noun == "difference"
    assert effects.notes[-1] == "Arms were not randomised: these are differences between groups."
    assert il.item_effects(il.laplace(il.il_hte(table))).noun == "effect"


def test_an_sd_of_zero_leaves_nothing_to_say_of_single_items(trial_table):
    table = trial_table(2, persons=120, items=6, spread=0.0)
    model = il.Model("resp ~ treat + (1 | id) + (treat || item)", table)
    fit = il.laplace(model)
    assert fit.sd("item")["treat"] == 0.0
    effects = il.item_effects(fit)
    silent = ["lower", "upper", "p_positive", "rank_lower", "rank_upper"]
    assert effects.frame[silent].isna().all(axis=None)
    assert effects.notes[0].startswith("The effects are equal by estimate, not by evidence")
    assert np.isfinite(effects.average["lower"]).all()  # of the average, an interval exists
    assert "Use objective='map' or NUTS." in effects.notes[0]
    by_map = il.laplace(model, objective="map")
    assert by_map.sd("item")["treat"] == 0.0
    assert "not available by MAP. Use NUTS." in il.item_effects(by_map).notes[0]


def test_a_correlation_at_its_edge_gives_no_ranks(caffeine):
    fit = il.laplace(caffeine.model, objective="ml")
    assert fit.variance_components.loc[("item", "corr[Intercept,treat]"), "estimate"] == 1.0
    effects = il.item_effects(fit)
    assert effects["rank_lower"].isna().all() and effects["lower"].notna().all()
    assert "follow easiness exactly, by estimate" in effects.notes[0]
    assert il.item_effects(caffeine)["rank_lower"].notna().all()  # by MAP it is inside


def test_ranks_of_draws_repeat(caffeine):
    assert N_DRAWS == 4000
    again = il.item_effects(caffeine).frame
    pd.testing.assert_frame_equal(il.item_effects(caffeine).frame, again)


def test_roles_that_are_not_known_are_asked_for(trial_table):
    table = trial_table(9, persons=60, items=4).rename(columns={"treat": "arm", "item": "word"})
    fit = il.laplace(il.Model("resp ~ arm + (1 | id) + (1 | word)", table))
    with pytest.raises(il.errors.ModelError, match=r"roles=\{'item': \.\.\.\}"):
        il.item_effects(fit)
    fit = il.laplace(il.Model("resp ~ arm + (1 | id) + (1 | word)", table, roles={"item": "word"}))
    with pytest.raises(il.errors.ModelError, match=r"roles=\{'treatment': \.\.\.\}"):
        il.item_effects(fit)


def test_identical_answers_count_as_often_as_they_were_given():
    """Rows are kept once with a count; an average over answers must weigh them by it."""
    rng = np.random.default_rng(8)
    item, treat = np.tile(np.arange(6), 300), np.repeat([0, 1], 900)
    x = (rng.random(1800) < 0.1 + 0.15 * item).astype(int)  # rarer for the first items
    y = rng.binomial(1, 1 / (1 + np.exp(-(0.5 * treat * (1 + x) + 0.3 * item - 1))))
    frame = pd.DataFrame({"item": item, "treat": treat, "x": x, "y": y})
    roles = {"treatment": "treat", "item": "item"}
    fit = il.laplace(il.Model("y ~ treat * x + (treat | item)", frame, roles=roles))
    assert fit.model.design.n_rows < len(frame) / 20
    beta = fit.coefficients["estimate"]
    zeta = fit.random_effects("item")["estimate"].xs("treat", level="term").to_numpy()
    share = frame.groupby("item")["x"].mean().to_numpy()
    expected = beta["treat"] + beta["treat:x"] * share + zeta
    np.testing.assert_allclose(il.item_effects(fit)["effect"], expected, rtol=1e-10)
