"""Expected answers of these items, new ones and their population against brute-force integrals."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.estimands.ability_averages import average_logistic, average_steps
from ilhte_bayes.estimands.expected import Arm, new_items
from ilhte_bayes.estimands.expected_draws import Draw, expected_draws, mode_draw
from ilhte_bayes.estimands.items import treatment_contrasts
from ilhte_bayes.formulas.contrasts import contrasts_at

SIGMA = np.array([[0.81, -0.18], [-0.18, 0.36]])  # of easiness and effect
SD = 1.2  # of ability
Z, W = np.polynomial.hermite_e.hermegauss(81)  # exact to 1e-9 for SDs up to 2.5
W = W / W.sum()


def table_of(items=4, persons=60, seed=3, levels=2):
    rng = np.random.default_rng(seed)
    person, item = (grid.ravel() for grid in np.indices((persons, items)))
    pre = rng.normal(size=persons).round(1)
    return pd.DataFrame(
        {
            "id": person,
            "item": item,
            "treat": person % 2,
            "pre": pre[person],
            "resp": rng.integers(0, levels, person.size),
        }
    )


def arms_of(model, average="population", at=None):
    fit = SimpleNamespace(model=model)
    contrasts = contrasts_at(treatment_contrasts(fit), model.responses, "treat", at)
    (c,) = contrasts
    return [Arm.of(fit, "item", c, arm, average) for arm in (c.from_arm, c.to_arm)]


def by_hand(eta, sd=SD):
    """E[expit(eta + sd Z)], by another rule than ours."""
    return expit(np.asarray(eta)[..., None] + sd * Z) @ W


def item_grid(sigma):
    """Gauss-Hermite nodes (node, 2) of easiness and effect, and weights."""
    root = np.linalg.cholesky(sigma)
    one, two = (grid.ravel() for grid in np.meshgrid(Z, Z))
    return np.stack([one, two], axis=1) @ root.T, np.outer(W, W).ravel()


@pytest.fixture(scope="module")
def rasch():
    return il.il_hte(table_of())


def draw_of(model, beta, effects=None, **more):
    covariance = {"id": np.array([[SD**2]]), "item": SIGMA}
    n = model.design.group("item").n_levels
    effects = np.zeros((n, 2)) if effects is None else effects
    return Draw(np.array(beta), {"item": effects}, covariance, **more)


def test_population_of_items_by_integrals_over_easiness_effect_and_ability(rasch):
    draw = draw_of(rasch, [-0.4, 0.7])
    nodes, weight = item_grid(SIGMA)
    for treated, arm in enumerate(arms_of(rasch)):
        expected = weight @ by_hand(-0.4 + nodes[:, 0] + treated * (0.7 + nodes[:, 1]))
        assert arm.population(draw)[0] == pytest.approx(expected, abs=1e-8)


def test_a_typical_person_has_ability_at_its_mean(rasch):
    draw = draw_of(rasch, [-0.4, 0.7], np.array([[0.5, 0.1], [0.0, 0.0], [-1.0, 0.3], [2.0, -0.2]]))
    nodes, weight = item_grid(SIGMA)
    for treated, arm in enumerate(arms_of(rasch, "typical")):
        b, zeta = draw.effects["item"].T
        np.testing.assert_allclose(arm(draw)[:, 0], expit(-0.4 + b + treated * (0.7 + zeta)))
        over = weight @ expit(-0.4 + nodes[:, 0] + treated * (0.7 + nodes[:, 1]))
        assert arm.population(draw)[0] == pytest.approx(over, abs=1e-8)


def test_covariates_are_averaged_over_or_held():
    table = table_of()
    model = il.il_hte(table, moderators=["pre"])
    assert model.design.terms == ("Intercept", "treat", "pre", "treat:pre")
    draw = draw_of(model, [-0.4, 0.7, 0.5, -0.3])
    pre = table.groupby("id")["pre"].first().to_numpy()  # everybody answered every item
    for treated, (arm, held, typical) in enumerate(
        zip(
            arms_of(model),
            arms_of(model, at={"pre": -1.5}),
            arms_of(model, "typical"),
            strict=True,
        )
    ):
        eta = -0.4 + 0.7 * treated + (0.5 - 0.3 * treated) * pre
        np.testing.assert_allclose(arm(draw)[:, 0], by_hand(eta).mean(), atol=1e-9)
        wide = np.sqrt(SD**2 + SIGMA[0, 0] + treated * (2 * SIGMA[0, 1] + SIGMA[1, 1]))
        assert arm.population(draw)[0] == pytest.approx(by_hand(eta, wide).mean(), abs=1e-7)
        there = -0.4 + 0.7 * treated - 1.5 * (0.5 - 0.3 * treated)
        np.testing.assert_allclose(held(draw)[:, 0], by_hand(there), atol=1e-9)
        middle = -0.4 + 0.7 * treated + (0.5 - 0.3 * treated) * pre.mean()
        np.testing.assert_allclose(typical(draw)[:, 0], expit(middle), atol=1e-9)


def test_arms_with_abilities_of_their_own():
    model = il.il_hte(table_of(), ability_sd="by_arm")
    effects = {"item": np.zeros((4, 2))}
    draw = Draw(np.array([0.3, 0.7]), effects, {"id": np.diag([0.25, 2.25]), "item": SIGMA})
    for treated, arm in enumerate(arms_of(model)):
        sd = 1.5 if treated else 0.5
        np.testing.assert_allclose(arm(draw)[:, 0], by_hand(0.3 + 0.7 * treated, sd), atol=1e-8)


@pytest.mark.parametrize("kind", ["loaded", "additive"])
def test_discriminations_multiply_ability_and_if_loaded_the_effect(kind):
    model = il.il_hte(table_of(), discrimination=kind)
    a = np.array([0.5, 1.0, 1.4, 2.0])
    b, zeta = np.array([0.3, -0.2, 0.0, 0.5]), np.array([0.1, 0.0, -0.3, 0.2])
    draw = draw_of(
        model, [-0.4, 0.7], np.stack([b, zeta], 1), discrimination=a, sd_discrimination=0.4
    )
    nodes, weight = item_grid(SIGMA)
    logs = np.linspace(-2.4, 2.4, 121)  # trapezoid, to 6 SDs
    chance = np.exp(-0.5 * (logs / 0.4) ** 2)
    for treated, arm in enumerate(arms_of(model)):
        times = a if kind == "loaded" else np.ones(4)
        eta = -0.4 + b + times * treated * (0.7 + zeta)
        expected = [by_hand(e, s) for e, s in zip(eta, a * SD, strict=True)]
        np.testing.assert_allclose(arm(draw)[:, 0], expected, atol=1e-7)
        total = 0.0
        for log, p in zip(logs, chance / chance.sum(), strict=True):
            one = np.exp(log) if kind == "loaded" else 1.0
            eta = -0.4 + nodes[:, 0] + treated * one * (0.7 + nodes[:, 1])
            if p > 1e-9:
                total += p * (weight @ average_logistic(eta, float(np.exp(log)) * SD))
        assert arm.population(draw)[0] == pytest.approx(total, abs=1e-6)


def test_ability_of_a_free_shape():
    model = il.il_hte(table_of(items=12), ability="histogram")  # 30 persons or more
    values, mass = np.array([-1.5, 0.0, 2.5]), np.array([0.5, 0.2, 0.3])
    draw = draw_of(model, [-0.4, 0.7], shape=(values, mass))
    nodes, weight = item_grid(SIGMA)
    for treated, arm in enumerate(arms_of(model)):
        expected = expit(-0.4 + 0.7 * treated + values) @ mass
        np.testing.assert_allclose(arm(draw)[:, 0], expected, atol=1e-12)
        eta = -0.4 + nodes[:, 0] + treated * (0.7 + nodes[:, 1])
        over = weight @ (expit(eta[:, None] + values) @ mass)
        assert arm.population(draw)[0] == pytest.approx(over, abs=1e-8)
    for arm in arms_of(model, "typical"):
        assert not arm.shaped


@pytest.mark.parametrize("family", ["cumulative", "adjacent"])
def test_population_of_ordinal_items_with_thresholds_of_their_own(family):
    table = table_of(levels=3, persons=200)
    model = il.il_hte(table, family=family, thresholds="item")
    group = model.design.group("item")
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(group.n_columns, group.n_columns)) * 0.4
    covariance = {"id": np.array([[SD**2]]), "item": mix @ mix.T}
    effects = {"item": np.zeros((4, group.n_columns))}
    draw = Draw(np.array([-0.8, 0.6, 0.5]), effects, covariance)
    many = rng.normal(size=(40_000, group.n_columns)) @ mix.T
    for arm in arms_of(model):
        each = arm.new_items(draw, many)
        # four standard errors of the mean over these items; the 256 even ones of "adjacent" err by
        # more, by at most .002 as measured with these seeds
        error = 4 * each.std(axis=0) / 200 + (0.002 if family == "adjacent" else 0.0)
        assert (np.abs(arm.population(draw) - each.mean(axis=0)) < error).all()


def test_new_items_come_from_their_population(rasch):
    draw = draw_of(rasch, [-0.4, 0.7], sd_discrimination=0.3)
    effects, logs = new_items(arms_of(rasch)[0], draw, 50_000, np.random.default_rng(1))
    # an entry of a covariance of n draws has an SD below 2 / sqrt(n) times the variances; 4 of these
    np.testing.assert_allclose(np.cov(effects.T), SIGMA, atol=8 * 0.81 / np.sqrt(50_000))
    assert logs.std() == pytest.approx(0.3, rel=4 / np.sqrt(100_000))


def test_steps_over_a_shape_are_those_at_its_values():
    place = np.array([[0.3, -0.5], [1.0, 0.2]])
    values, mass = np.array([-1.0, 2.0]), np.array([0.7, 0.3])
    found = average_steps(place, 0.0, (values, mass))
    odds = np.exp(np.cumsum(place[None] + values[:, None, None], axis=2))
    total = 1 + odds.sum(axis=2)
    at_least = np.stack([(odds.sum(axis=2)) / total, odds[:, :, 1] / total], axis=2)
    np.testing.assert_allclose(found, np.tensordot(mass, at_least, 1), atol=1e-12)


def test_draws_of_a_maximised_fit_are_those_of_the_full_approximation(caffeine):
    """Without drawing persons: means, SDs and correlations of items' effects."""
    drawn = expected_draws(caffeine, "item", 2000)
    effects = np.array([d.effects["item"] for d in drawn])
    full = caffeine.draws["posterior"]["re_item"].to_numpy()[0]
    # both have 2,000 draws: 4 sqrt(2) standard errors of a mean, and of an SD
    error = 4 * 2**0.5 * full.std(axis=0) / 2000**0.5
    assert (np.abs(effects.mean(axis=0) - full.mean(axis=0)) < error).all()
    np.testing.assert_allclose(effects.std(axis=0), full.std(axis=0), rtol=4 / 2000**0.5)
    beta = np.array([d.beta[1] for d in drawn])
    theirs = caffeine.draws["posterior"]["beta"].to_numpy()[0, :, 1]
    ours = np.corrcoef(beta, effects[:, :, 1].mean(axis=1))[0, 1]
    # two correlations, each known to 1 / sqrt(2000)
    expected = np.corrcoef(theirs, full[:, :, 1].mean(axis=1))[0, 1]
    assert ours == pytest.approx(expected, abs=4 * 2**0.5 / 2000**0.5)


def test_estimates_of_a_fit_are_one_draw(caffeine):
    at = mode_draw(caffeine, "item")
    np.testing.assert_allclose(at.beta, caffeine.coefficients["estimate"])
    sd = np.sqrt(np.diag(at.covariance["item"]))
    np.testing.assert_allclose(sd, caffeine.sd("item"), rtol=1e-6)


def test_new_items_with_features_and_effects_of_old_ones_are_those(trial_table):
    table = trial_table(5, persons=40, items=4)
    table["hard"] = (table["item"] == table["item"].iloc[0]).astype(int)
    model = il.il_hte(table.sample(frac=0.8, random_state=1), item_features="hard")
    fit = il.laplace(model, objective="map")
    at = mode_draw(fit, "item")
    for arm in arms_of(model):
        again = arm.new_items(at, at.effects["item"], like=np.arange(4))
        np.testing.assert_allclose(again, arm(at), atol=1e-12)
        assert np.abs(arm.new_items(at, at.effects["item"]) - arm(at)).max() > 0.01
