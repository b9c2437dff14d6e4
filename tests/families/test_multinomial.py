"""Baseline-category logit against statsmodels, a dense calculation and binary answers."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.engines.marginal.objective import LaplaceObjective
from ilhte_bayes.show.peers import peers_code
from tests.families.gradients import assert_gradient

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
FORMULA = "y ~ treat + pre + (1 | id)"


def chosen(persons=60, items=5, categories=3, seed=6) -> pd.DataFrame:
    """Choices with an intercept of each person for each category."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(persons), items)
    treat, pre = person % 2, rng.normal(size=persons).round(2)[person]
    own = rng.normal(0, 0.8, (persons, categories))[person]
    own = (
        own
        + np.outer(treat, 0.5 * np.arange(categories))
        + np.outer(pre, np.arange(categories)) / 3
    )
    own[:, 0] = 0.0
    y = (own + rng.gumbel(size=own.shape)).argmax(axis=1)
    table = pd.DataFrame({"id": person, "treat": treat, "pre": pre, "y": y})
    return table.assign(item=np.tile(np.arange(items), persons))


def named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(y=np.array(["bus", "car", "train", "walk"])[table["y"]])


def test_without_random_effects_equal_to_statsmodels():
    sm = pytest.importorskip("statsmodels.api", reason="a development dependency: uv sync")
    table = chosen()
    theirs = sm.MNLogit(table["y"], sm.add_constant(table[["treat", "pre"]])).fit(disp=0, tol=1e-12)
    model = il.Model(FORMULA, table, "multinomial")
    target = LaplaceObjective(model.rows, model.family)
    psi = np.zeros(target.n_psi)  # SDs of 0
    psi[:6] = theirs.params.to_numpy().T.ravel()
    at = target.evaluate(psi)
    assert at.value == pytest.approx(theirs.llf, abs=1e-9)
    gradient, information = target.fixed_information(at)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)  # their search ends about there
    np.testing.assert_allclose(np.linalg.inv(information), theirs.cov_params(), rtol=1e-6)


def dense_laplace(table: pd.DataFrame, beta: np.ndarray, sd: np.ndarray) -> float:
    """Laplace log-likelihood from the formula of the model, with dense matrices."""
    y, n = table["y"].to_numpy(), len(table)
    persons, others = table["id"].nunique(), len(beta)
    x = np.column_stack([np.ones(n), table["treat"], table["pre"]])
    v = np.zeros((others, persons))

    def parts(v):
        eta = beta @ x.T + sd[:, None] * v[:, table["id"]]  # (category, answer)
        logits = np.vstack([np.zeros(n), eta])
        mu = np.exp(logits - np.log(np.exp(logits).sum(axis=0)))
        value = np.log(mu[y, np.arange(n)]).sum() - 0.5 * np.sum(v**2)
        gradient, hessian = -v.copy(), np.zeros((persons, others, others))
        for r in range(n):
            p, m = table["id"].iloc[r], mu[1:, r]
            gradient[:, p] += sd * ((y[r] == np.arange(1, others + 1)) - m)
            hessian[p] += np.outer(sd, sd) * (np.diag(m) - np.outer(m, m))
        return value, gradient, hessian + np.eye(others)

    for _ in range(12):
        _, gradient, hessian = parts(v)
        v = v + np.linalg.solve(hessian, gradient.T[..., None])[..., 0].T
    value, _, hessian = parts(v)
    return float(value - 0.5 * np.linalg.slogdet(hessian)[1].sum())


def test_laplace_is_that_of_the_formula():
    table = chosen(persons=25)
    fit = il.laplace(il.Model(FORMULA, table, "multinomial"))
    beta, sd = fit.mode["beta"].to_numpy().reshape(2, 3), fit.mode["sd_id"].to_numpy()
    # the same sum in another order: rounding, and the mode's distance of 1e-9
    assert fit.loglik == pytest.approx(dense_laplace(table, beta, sd), abs=1e-6)


def test_two_categories_are_binary():
    table = chosen(categories=2)
    text = "y ~ treat + pre + (1 | id) + (treat | item)"
    ours, binary = (
        il.laplace(il.Model(text, table, "multinomial")),
        il.laplace(il.Model(text, table)),
    )
    assert ours.loglik == pytest.approx(binary.loglik, abs=1e-7)
    np.testing.assert_allclose(ours.mode["beta"], binary.mode["beta"], atol=1e-5)
    np.testing.assert_allclose(ours.mode["sd_item"], binary.mode["sd_item"], atol=1e-4)


@pytest.mark.parametrize("logits", ["independent", "correlated"])
def test_gradient(logits):
    text = "y ~ treat + (1 | id) + (treat | item)"
    model = il.Model(text, chosen(categories=4), "multinomial", logits=logits)
    target = LaplaceObjective(model.rows, model.family)
    psi = np.random.default_rng(1).normal(0, 0.4, target.n_psi)
    assert_gradient(target, psi)


def test_the_reference_is_the_first_category_or_the_one_named():
    """Another reference is the same model written anew: differences of coefficients stay."""
    table = named(chosen())
    first = il.laplace(il.Model("y ~ treat + (1 | id)", table, "multinomial"))
    assert list(first.coefficients.index[:2]) == ["car: Intercept", "car: treat"]
    model = il.Model("y ~ treat + (1 | id)", table, "multinomial", reference={"y": "train"})
    assert model.design.terms[::2] == ("bus: Intercept", "car: Intercept")
    target, other = (LaplaceObjective(m.rows, m.family) for m in (first.model, model))
    at_zero = np.zeros(target.n_psi)
    beta = np.array([[0.2, -0.4], [0.7, 0.1]])
    at_zero[:4] = beta.ravel()
    moved = np.zeros(target.n_psi)
    moved[:4] = np.array([-beta[1], beta[0] - beta[1]]).ravel()
    assert target.evaluate(at_zero).value == pytest.approx(other.evaluate(moved).value, abs=1e-10)


def test_numbers_are_labels():
    table = chosen().assign(y=lambda t: np.array([2, 5, 9])[t["y"]])
    model = il.Model("y ~ treat + (1 | id)", table, "multinomial", reference={"y": "5"})
    assert model.design.terms[::2] == ("2: Intercept", "9: Intercept")


def test_prior_of_intercepts_looks_at_their_own_covariates():
    table = chosen().assign(age=lambda t: 40 + 10 * t["pre"])
    priors = il.Model("y ~ age + (1 | id)", table, "multinomial").priors
    binary = il.Model("y > 0 ~ age + (1 | id)", table).priors
    assert priors["beta[1: Intercept]"] == binary["beta[Intercept]"]
    assert priors["beta[2: age]"] == binary["beta[age]"]


def test_persons_are_not_integrated_out():
    model = il.Model(FORMULA, chosen(), "multinomial")
    with pytest.raises(il.errors.NotAvailable, match="persons are not integrated out"):
        il.quadrature(model)


def test_effects_by_item_are_refused():
    fit = il.laplace(il.il_hte(chosen(), response="y", family="multinomial"))
    for estimand in (il.item_effects, il.effect_card):
        with pytest.raises(il.errors.ModelError, match="an effect for each category"):
            estimand(fit)


def test_simulated_answers_have_the_shares_of_the_formula():
    from ilhte_bayes.models.simulated import simulate_answers

    table = chosen(persons=4000, items=5)
    model = il.Model("y ~ treat + (1 | id)", table, "multinomial")
    truth = {"beta": np.array([0.2, 0.5, -0.3, 1.0]), "sd_id": np.zeros(2)}
    new = simulate_answers(model, truth, np.random.default_rng(2)).model.design
    treated = new.x[new.pattern, 1] == 1
    for arm, logits in ((False, [0.0, 0.2, -0.3]), (True, [0.0, 0.7, 0.7])):
        rows = treated == arm
        shares = np.bincount(new.score[rows], weights=new.count[rows]) / new.count[rows].sum()
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(10_000))


def test_fit_is_saved_and_opened(tmp_path):
    model = il.Model(FORMULA, named(chosen()), "multinomial", logits="correlated")
    fit = il.laplace(model)
    fit.save(tmp_path / "fit.h5")
    again = il.load(tmp_path / "fit.h5")
    assert again.model.design.group("id").blocks == ((0, 1),)
    np.testing.assert_array_equal(again.mode["beta"], fit.mode["beta"])


def test_page_and_equation_speak_of_categories(tmp_path):
    fit = il.laplace(
        il.il_hte(named(chosen()), response="y", family="multinomial"), objective="map"
    )
    assert "car, train against bus" in repr(fit.model)
    il.report(fit, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "log P(y = c) / P(y = bus) = " in page
    assert "for c = car, train" in page


def test_code_of_other_programs_names_the_reference():
    model = il.Model("y ~ treat + (1 | id)", named(chosen()), "multinomial")
    text = peers_code(model)
    assert 'relevel(factor(d$y), ref = "bus")' in text and "brms::categorical" in text
    assert "model y(ref='bus') = treat / dist=multinomial link=glogit solution;" in text
    assert "random intercept / subject=id group=y;" in text


def test_odds_ratios_are_those_of_each_category():
    fit = il.laplace(il.Model(FORMULA, chosen(), "multinomial"))
    table = il.odds_ratios(fit)
    assert list(table.frame.index) == ["1: treat", "1: pre", "2: treat", "2: pre"]
    assert "of a category against the first" in repr(table)
