"""The effect card: four targets and their spread, by closed form and by draws made on purpose."""

import numpy as np
import pytest
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.card_targets import mean_over_items
from ilhte_bayes.estimands.items import changes_by_item, treatment_contrasts
from ilhte_bayes.estimands.parameters import parameter_draws

N = 4000  # draws
# Quantiles at 2.5 % of N normal draws are known to sqrt(.025 * .975 / N) / phi(1.96) = .042 SDs;
# both the fit's draws and the card's own noise are finite, hence 4 * sqrt(2) of these.
TOLERANCE = 4 * 2**0.5 * 0.042


def row(card, target, scale="logits"):
    contrast = card.frame.index[0][0]
    return card.frame.loc[(contrast, target, scale)]


def covers(found, mean, sd):
    """Whether an interval is the normal one, within Monte Carlo error."""
    low, high = norm(mean, sd).interval(0.95)
    return (
        abs(found["lower"] - low) < TOLERANCE * sd and abs(found["upper"] - high) < TOLERANCE * sd
    )


@pytest.fixture(scope="module")
def made(caffeine, fit_of_draws):
    """Draws with known parts: beta ~ N(0.5, 0.2^2), deviations of items known, sigma 0.6."""
    model, rng = caffeine.model, np.random.default_rng(1)
    beta = np.column_stack([np.zeros(N), rng.normal(0.5, 0.2, N)])
    zeta = np.zeros((N, 10, 2))
    zeta[:, :, 1] = np.linspace(-0.5, 0.7, 10) + rng.normal(0, 0.3, (N, 10))
    sd = {"study": np.full((N, 1), 0.8), "study:id": np.full((N, 1), 1.5)}
    sd["item"] = np.tile([1.0, 0.6], (N, 1))
    corr = {"item": np.tile([[1.0, -0.4], [-0.4, 1.0]], (N, 1, 1))}
    return fit_of_draws(model, beta, sd, corr, {"item": zeta})


def test_population_is_the_coefficient(made):
    assert row(il.effect_card(made), "item population")["estimate"] == pytest.approx(
        made.coefficients.loc["treat", "estimate"]
    )
    assert covers(row(il.effect_card(made), "item population"), 0.5, 0.2)


def test_these_items_have_their_own_deviations(made):
    found = row(il.effect_card(made), "these 10 items")
    assert covers(found, 0.5 + 0.1, np.hypot(0.2, 0.3 / np.sqrt(10)))
    assert found["estimate"] == pytest.approx(il.item_effects(made)["effect"].mean())


def test_a_new_item_adds_the_spread_of_items(made):
    found = row(il.effect_card(made), "one new item")
    sd = np.hypot(0.2, 0.6)
    assert covers(found, 0.5, sd)
    # a probability of N draws is known to .5 / sqrt(N); 4 of these
    assert found["p_positive"] == pytest.approx(norm.cdf(0.5 / sd), abs=2 / np.sqrt(N))


@pytest.mark.parametrize("k", [1, 4, 25])
def test_a_new_test_of_k_items_adds_a_kth_of_it(made, k):
    found = row(il.effect_card(made, k=k), f"a new {k}-item test")
    assert covers(found, 0.5, np.sqrt(0.2**2 + 0.6**2 / k))


def test_an_endless_test_is_the_population(made):
    card = il.effect_card(made, k=10**12)
    endless, population = row(card, f"a new {10**12}-item test"), row(card, "item population")
    np.testing.assert_allclose(endless.to_numpy(), population.to_numpy(), atol=1e-5)


def test_in_sds_of_ability_every_draw_is_divided_by_its_own(made):
    card = il.effect_card(made)
    unit = np.hypot(1.5, 0.8)  # the same in every draw; caffeine has no covariates
    for target in ("these 10 items", "item population", "one new item"):
        ours, logits = row(card, target, "SDs of ability"), row(card, target)
        np.testing.assert_allclose(ours[["lower", "upper"]], logits[["lower", "upper"]] / unit)
    residual = row(il.effect_card(made, sd="residual"), "item population", "SDs of ability")
    logits = row(card, "item population")
    np.testing.assert_allclose(residual["upper"], logits["upper"] / 1.5)


def test_a_maximised_fit_has_the_same_card_as_its_normal_approximation(caffeine):
    card, row_of = il.effect_card(caffeine), caffeine.coefficients.loc["treat"]
    assert covers(row(card, "item population"), row_of["estimate"], row_of["se"])
    assert row(card, "item population")["estimate"] == row_of["estimate"]
    draws = parameter_draws(caffeine)
    spread = draws.covariance["item"][:, 1, 1]
    rng = np.random.default_rng(2)
    mixed = draws.beta[:, 1] + np.sqrt(spread) * rng.standard_normal(len(spread))
    found = row(card, "one new item")
    sd = mixed.std()
    assert abs(found["lower"] - np.quantile(mixed, 0.025)) < TOLERANCE * sd
    assert abs(found["upper"] - np.quantile(mixed, 0.975)) < TOLERANCE * sd
    assert sd**2 == pytest.approx(row_of["se"] ** 2 + spread.mean(), rel=0.1)  # 4 sqrt(2 / N) = .09


def test_these_items_of_a_maximised_fit_move_with_its_parameters(caffeine):
    """Their draws against those made from the factored Hessian."""
    posterior = caffeine.draws["posterior"]
    effects = posterior["beta"].sel(term="treat") + posterior["re_item"].sel(item_column="treat")
    mean = effects.mean("item").to_numpy().ravel()
    found = row(il.effect_card(caffeine), "these 10 items")
    assert covers(found, mean.mean(), mean.std())
    # they go with the coefficient as far as there: .970, known to (1 - .970^2) / sqrt(2000)
    draws, (contrast,) = parameter_draws(caffeine), treatment_contrasts(caffeine)
    weights = changes_by_item(caffeine, "item", contrast)
    ours = mean_over_items(caffeine, "item", weights, draws)
    theirs = posterior["beta"].sel(term="treat").to_numpy().ravel()
    expected = np.corrcoef(mean, theirs)[0, 1]
    assert np.corrcoef(ours, draws.beta[:, 1])[0, 1] == pytest.approx(expected, abs=0.008)
    unit = np.median(ability_sd(caffeine, draws))
    in_sds = row(il.effect_card(caffeine), "these 10 items", "SDs of ability")
    assert in_sds["estimate"] == pytest.approx(found["estimate"] / unit, rel=0.02)


def test_estimates_in_sds_agree_over_targets_with_one_mean(caffeine):
    card = il.effect_card(caffeine)
    targets = ("item population", "one new item", "a new 10-item test")
    assert len({row(card, target, "SDs of ability")["estimate"] for target in targets}) == 1


def test_equal_effects_make_the_targets_agree(trial_table):
    fit = il.laplace(il.il_hte(trial_table(3, persons=80, items=5), effects="constant"))
    card = il.effect_card(fit)
    frame = card.frame.xs("logits", level="scale")
    assert np.ptp(frame["estimate"]) < 1e-12
    assert np.ptp(frame["lower"]) < TOLERANCE * fit.coefficients.loc["treat", "se"]
    assert "the four targets agree" in card.notes[1]


def test_an_sd_of_zero_is_named(trial_table):
    table = trial_table(2, persons=120, items=6, spread=0.0)
    fit = il.laplace(il.Model("resp ~ treat + (1 | id) + (treat || item)", table))
    note = il.effect_card(fit).notes[1]
    assert "estimated at 0" in note and "too narrow" in note and "NUTS" in note


def test_three_arms_have_a_card_each(trial_table):
    table = trial_table(4, persons=150, items=6, arms=3)
    table["treat"] = np.array(["none", "drug", "talk"])[table["treat"]]
    roles = {"treatment": "treat", "person": "id", "item": "item"}
    formula = "resp ~ treat + (1 | id) + (treat | item)"
    model = il.Model(formula, table, roles=roles, reference={"treat": "none"})
    fit = il.laplace(model, objective="map")
    frame = il.effect_card(fit).frame
    assert list(frame.index.unique(0)) == ["drug v none", "talk v none"]
    for arm in ("drug", "talk"):
        found = frame.loc[(f"{arm} v none", "item population", "logits")]
        expected = fit.coefficients.loc[f"treat[T.{arm}]"]
        assert found["estimate"] == pytest.approx(expected["estimate"])
        assert covers(found, expected["estimate"], expected["se"])


def test_the_denominator_is_named_and_groups_have_differences(trial_table):
    table = trial_table(9, persons=60, items=4)
    card = il.effect_card(il.laplace(il.il_hte(table, assignment="observational")), sd="residual")
    assert card.noun == "difference"
    assert "residual SD of persons, given covariates and clusters" in card.notes[0]
    assert card.notes[-1] == "Arms were not randomised: these are differences between groups."


def test_a_test_has_at_least_one_item(caffeine):
    with pytest.raises(il.ModelError, match="k=0: a new test has at least one item"):
        il.effect_card(caffeine, k=0)


def test_the_same_fit_gives_the_same_card(caffeine):
    first, second = il.effect_card(caffeine).frame, il.effect_card(caffeine).frame
    assert first.equals(second)
