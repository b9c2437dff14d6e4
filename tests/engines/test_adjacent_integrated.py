"""Partial credit with persons integrated out: against sums by hand, binary answers and NUTS."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

import ilhte_bayes as il
from tests.families.test_adjacent import rated

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
NODES = np.linspace(-9, 9, 361)  # trapezoid sums over smooth integrands: exact to rounding
LOG_WEIGHTS = np.log(NODES[1] - NODES[0]) - 0.5 * NODES**2 - 0.5 * np.log(2 * np.pi)


def growing() -> pd.DataFrame:
    """Few persons, few categories; a predictor that differs in every row, whose slopes do too."""
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(24), 6)
    time = rng.normal(size=person.size).round(2)
    place, slope = rng.normal(size=(2, 24))
    eta = place[person] + (0.5 + slope[person]) * time + 0.4 * (person % 2)
    logits = np.column_stack([0 * eta, eta + 0.3, 2 * eta])
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return pd.DataFrame({"id": person, "treat": person % 2, "time": time, "y": y})


def by_hand(table: pd.DataFrame, psi: np.ndarray, slope: np.ndarray) -> float:
    """Log-likelihood of y ~ treat + time + one effect a person, by a fine grid.

    psi: two thresholds, treat, time, SD; `slope` (row,) multiplies the person's effect.
    """
    fixed = psi[2] * table["treat"] + psi[3] * table["time"]
    eta = fixed.to_numpy()[:, None] + psi[4] * slope[:, None] * NODES
    steps = [0 * eta, eta - psi[0], 2 * eta - psi[0] - psi[1]]
    log_p = log_softmax(np.stack(steps, axis=2), axis=2)
    y = table["y"].to_numpy()
    own = pd.DataFrame(log_p[np.arange(y.size), :, y]).groupby(table["id"].to_numpy()).sum()
    return float(logsumexp(own.to_numpy() + LOG_WEIGHTS, axis=1).sum())


@pytest.mark.parametrize("effect, column", [("1", None), ("0 + time", "time")])
def test_quadrature_is_the_maximum_of_the_sums(effect, column):
    table = growing()
    slope = np.ones(len(table)) if column is None else table[column].to_numpy()
    model = il.Model(f"y ~ treat + time + ({effect} | id)", table, "adjacent")
    fit = il.quadrature(model)
    psi = np.append(fit.mode["beta"].to_numpy(), fit.mode["sd_id"].to_numpy())
    # the engine's own nodes are as many as keep the likelihood to far less than 1e-6
    assert fit.loglik == pytest.approx(by_hand(table, psi, slope), abs=1e-6)
    found = minimize(lambda x: -by_hand(table, x, slope), [0, 0, 0, 0, 0.7], method="BFGS")
    assert fit.loglik == pytest.approx(-found.fun, abs=2e-5)
    # BFGS with differenced gradients stops within about 1e-3 of the maximum
    np.testing.assert_allclose(psi, found.x, atol=3e-3)
    errors = np.sqrt(np.diag(fit.mode["beta_cov"].to_numpy()))
    assert (errors > 0.02).all() and (errors < 1).all()
    assert fit.mode.attrs["laplace_loglik"] == pytest.approx(fit.loglik, abs=1.0)


def test_two_categories_are_binary():
    table = rated(persons=30, items=5, categories=2)
    formula = "y ~ treat + (1 | id) + (treat || item)"
    ours = il.quadrature(il.Model(formula, table, "adjacent"))
    binary = il.quadrature(il.Model(formula, table))
    assert ours.loglik == pytest.approx(binary.loglik, abs=1e-7)
    np.testing.assert_allclose(ours.mode["beta"], binary.mode["beta"] * [-1, 1], atol=1e-5)
    np.testing.assert_allclose(ours.mode["sd_id"], binary.mode["sd_id"], atol=1e-4)


@pytest.fixture(scope="module")
def trial():
    return rated(persons=60, items=5, categories=3, seed=8)


def test_persons_are_integrated_by_themselves(trial):
    model = il.il_hte(trial, response="y", family="adjacent")
    fit = il.sample(model, draws=100, tune=200, chains=2, progress=False)
    assert fit.tree["posterior"].attrs["integrated"] == "id"
    assert max(fit.tree["posterior"].attrs["grid_error"]) < 1e-3
    persons = fit.persons(draws=40).frame
    score = trial.groupby("id")["y"].sum()
    within = persons["deviation"][score.index[score.index % 2 == 0]]
    # equal loadings and integer scores: within an arm abilities go up with the sum score alone
    assert within.groupby(score[within.index]).std(ddof=0).max() < 1e-9
    assert within.groupby(score[within.index]).mean().is_monotonic_increasing


def test_persons_abilities_are_those_of_the_sums(trial):
    """Posterior means of a maximised fit's persons, at its estimates, by a fine grid."""
    fit = il.quadrature(il.Model("y ~ treat + (1 | id)", trial, "adjacent"))
    beta, sd = fit.mode["beta"].to_numpy(), float(fit.mode["sd_id"][0])
    eta = (beta[2] * trial["treat"]).to_numpy()[:, None] + sd * NODES
    steps = [0 * eta, eta - beta[0], 2 * eta - beta[0] - beta[1]]
    log_p = log_softmax(np.stack(steps, axis=2), axis=2)
    y = trial["y"].to_numpy()
    own = pd.DataFrame(log_p[np.arange(y.size), :, y]).groupby(trial["id"].to_numpy()).sum()
    mass = np.exp(log_softmax(own.to_numpy() + LOG_WEIGHTS, axis=1))
    # both sums are exact to rounding
    np.testing.assert_allclose(fit.mode["re_id"].to_numpy()[:, 0], sd * mass @ NODES, atol=1e-7)


@pytest.mark.slow
def test_integrated_and_sampled_persons_agree(trial):
    model = il.il_hte(trial, response="y", family="adjacent")
    options = {"draws": 1000, "tune": 500, "chains": 4, "progress": False}
    fits = [il.sample(model, integrate=how, **options).tree["posterior"] for how in ("id", "none")]
    for name in ("beta", "sd_id", "sd_item"):
        one, other = (fit[name].to_numpy().reshape(4000, -1) for fit in fits)
        # Monte Carlo errors of 0.05 SD each (400 effective draws): a difference of 0.07, 4 times
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 0.28 * one.std(axis=0)).all(), name
