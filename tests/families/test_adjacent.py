"""Adjacent-category logit against a dense calculation, binary answers and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import ilhte_bayes as il
from ilhte_bayes.engines.marginal.objective import LaplaceObjective
from tests.families.gradients import assert_gradient

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
FORMULA = "y ~ treat + (1 | id) + (treat || item)"


def rated(persons=40, items=6, categories=4, seed=5) -> pd.DataFrame:
    """Partial credit answers with an effect that differs between items."""
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(persons), items), np.tile(np.arange(items), persons)
    treat = person % 2
    effect = rng.normal(0.4, 0.3, items)
    eta = rng.normal(0, 0.8, persons)[person] + rng.normal(0, 0.5, items)[item]
    eta = eta + effect[item] * treat
    steps = np.linspace(-0.6, 0.6, categories - 1)
    logits = np.column_stack([np.zeros(eta.size), np.cumsum(eta[:, None] - steps, axis=1)])
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return pd.DataFrame({"id": person, "item": item, "treat": treat, "y": y})


def dense_laplace(table: pd.DataFrame, beta: np.ndarray, sd: np.ndarray) -> float:
    """Laplace log-likelihood from the formula of the model, with dense matrices.

    beta: thresholds, effect; sd: persons, items, items' effects.
    """
    y, treat = table["y"].to_numpy(), table["treat"].to_numpy()
    n_cuts = beta.size - 1
    person = np.eye(table["id"].nunique())[table["id"]] * sd[0]
    item = np.eye(table["item"].nunique())[table["item"]]
    z = np.hstack([person, item * sd[1], item * treat[:, None] * sd[2]])
    category = np.arange(n_cuts + 1)
    sums = np.append(0.0, np.cumsum(beta[:n_cuts]))

    def parts(v):
        eta = beta[-1] * treat + z @ v
        logits = np.outer(eta, category) - sums
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        mu = np.exp(log_p)
        mean = mu @ category
        variance = mu @ category**2 - mean**2
        value = log_p[np.arange(y.size), y].sum() - 0.5 * v @ v
        return value, z.T @ (y - mean) - v, (z.T * variance) @ z + np.eye(v.size)

    v = np.zeros(z.shape[1])
    for _ in range(50):
        value, gradient, hessian = parts(v)
        v = v + np.linalg.solve(hessian, gradient)
    value, _, hessian = parts(v)
    return float(value - 0.5 * np.linalg.slogdet(hessian)[1])


def test_laplace_is_that_of_the_formula():
    table = rated()
    model = il.Model(FORMULA, table, "adjacent")
    target = LaplaceObjective(model.rows, model.family)
    fit = il.laplace(model)
    beta = fit.mode["beta"].to_numpy()
    sd = np.concatenate([fit.mode["sd_id"].to_numpy(), fit.mode["sd_item"].to_numpy()])
    # the same sum in another order: rounding, and the mode's distance of 1e-9
    assert fit.loglik == pytest.approx(dense_laplace(table, beta, sd), abs=1e-6)
    assert target.design.n_rows == 6 * model.design.n_rows


def test_maximum_is_found_by_brute_force_too():
    table = rated(persons=20, items=4, categories=3)
    fit = il.laplace(il.Model(FORMULA, table, "adjacent"))

    def loss(psi):
        return -dense_laplace(table, psi[:3], np.exp(psi[3:]))

    found = minimize(loss, np.array([0.0, 0.0, 0.0, -0.5, -0.5, -0.5]), method="BFGS")
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-5)
    # BFGS with differenced gradients stops within about 1e-3 of the maximum
    np.testing.assert_allclose(fit.mode["beta"], found.x[:3], atol=3e-3)


def test_two_categories_are_binary():
    table = rated(categories=2)
    ours = il.laplace(il.Model(FORMULA, table, "adjacent"))
    binary = il.laplace(il.Model(FORMULA, table))
    assert ours.loglik == pytest.approx(binary.loglik, abs=1e-7)
    np.testing.assert_allclose(ours.mode["beta"], binary.mode["beta"] * [-1, 1], atol=1e-5)
    np.testing.assert_allclose(ours.mode["beta_cov"], binary.mode["beta_cov"] * [[1, -1], [-1, 1]],
                               rtol=1e-3, atol=1e-6)  # fmt: skip
    np.testing.assert_allclose(ours.mode["sd_item"], binary.mode["sd_item"], atol=1e-4)


def test_thresholds_need_no_order():
    """A middle category that is never the most likely one: its thresholds cross."""
    rng = np.random.default_rng(2)
    person = np.repeat(np.arange(60), 5)
    y = rng.choice(3, person.size, p=[0.45, 0.1, 0.45])
    table = pd.DataFrame({"id": person, "item": np.tile(np.arange(5), 60), "y": y})
    fit = il.laplace(il.Model("y ~ 1 + (1 | id)", table, "adjacent"), objective="map")
    low, high = fit.mode["beta"].to_numpy()
    # log odds of neighbours, log(.45 / .1) = 1.5 each way; shares of 300 answers have SE .17
    assert low == pytest.approx(1.5, abs=0.6)
    assert high == pytest.approx(-1.5, abs=0.6)


def test_gradient_with_thresholds_of_items():
    model = il.Model(
        FORMULA, rated(), "adjacent", thresholds="item", roles={"item": "item"}
    )  # fmt: skip
    target = LaplaceObjective(model.rows, model.family)
    psi = np.random.default_rng(1).normal(0, 0.5, target.n_psi)
    assert_gradient(target, psi)


def test_draws_have_the_shares_of_the_formula():
    family = il.Model(FORMULA, rated(categories=3), "adjacent").family
    eta, cuts = np.array([0.4]), np.array([[-0.2, 0.7]])
    n = 200_000
    drawn = family.draw(eta, cuts, np.array([n]), np.random.default_rng(1))[0] / n
    logits = np.array([0.0, 0.4 + 0.2, 2 * 0.4 + 0.2 - 0.7])
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(drawn, expected, atol=4 * 0.5 / np.sqrt(n))


def test_item_effects_of_partial_credit():
    table = rated(persons=80)
    fit = il.laplace(il.il_hte(table, response="y", family="adjacent"), objective="map")
    effects = il.item_effects(fit)
    assert len(effects) == 6
    assert "adjacent" in repr(fit.model)


def test_empty_categories_are_refused():
    table = rated().replace({"y": {2: 3}})
    with pytest.raises(il.errors.DataError, match="a category that nobody chose"):
        il.Model(FORMULA, table, "adjacent")


def test_abilities_of_free_shape_are_refused():
    with pytest.raises(il.errors.NotAvailable, match="ability='histogram' with family='adjacent'"):
        il.Model("y ~ treat + (1 | id)", rated(), "adjacent", ability="histogram")


def test_fit_is_saved_and_opened(tmp_path):
    fit = il.laplace(il.Model(FORMULA, rated(), "adjacent"))
    fit.save(tmp_path / "fit.h5")
    again = il.load(tmp_path / "fit.h5")
    assert again.model.family == fit.model.family
    assert again.model.design.terms == fit.model.design.terms
    np.testing.assert_array_equal(again.mode["beta"], fit.mode["beta"])


def test_scores_average_the_formula_over_persons():
    from scipy import integrate

    from ilhte_bayes.estimands.ability_averages import average_steps

    place, sd = np.array([[0.4, -0.3, 0.8], [1.5, 0.0, -2.0]]), 1.3
    found = average_steps(place, sd)

    def at_least(category, row, z):
        logits = np.append(0.0, np.cumsum(place[row] + sd * z))
        chance = np.exp(logits) / np.exp(logits).sum()
        return chance[category:].sum() * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)

    for row in range(2):
        for category in range(1, 4):
            exact, _ = integrate.quad(lambda z, c=category, r=row: at_least(c, r, z), -9, 9)
            assert found[row, category - 1] == pytest.approx(exact, abs=1e-7)


def test_page_and_equation_speak_of_steps(tmp_path):
    table = rated(persons=30)
    fit = il.laplace(il.il_hte(table, response="y", family="adjacent"), objective="map")
    il.report(fit, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "log P(y = k) / P(y = k − 1) = " in page
    assert "for each step up" in page
    assert "&lt; <var>κ</var>" not in page  # thresholds need no order


def test_item_curves_are_expected_scores():
    from ilhte_bayes.show.figures.curves import score_band

    level, cuts, ability = np.full(5, 0.3), np.tile([-0.4, 0.6], (5, 1)), np.array([-1.0, 2.0])
    _, middle, _ = score_band(level, np.ones(5), cuts, ability, steps=True)
    for at, theta in enumerate(ability):
        logits = np.append(0.0, np.cumsum(0.3 + theta - cuts[0]))
        chance = np.exp(logits) / np.exp(logits).sum()
        assert middle[at] == pytest.approx(chance @ [0, 1, 2])
