"""Middle categories without answers: against the definition, maximised directly."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.formulas.unchosen import find_unchosen

ITEM = {"item": "item"}


def a_table(items=6, each=40, seed=3) -> pd.DataFrame:
    """Answers 0 .. 2 to items; of item 1 nobody chose 1, of item 4 nobody chose 1 or 2."""
    rng = np.random.default_rng(seed)
    item = np.repeat(np.arange(items), each)
    eta = rng.normal(0, 0.8, items)[item] + rng.logistic(size=item.size)
    y = np.digitize(eta, [-0.5, 0.7])
    y[(item == 1) & (y == 1)] = 2
    y[item == 4] = 0
    return pd.DataFrame({"item": item, "y": y, "id": np.arange(item.size)})


def log_p(y: np.ndarray, cuts: np.ndarray, u: np.ndarray) -> float:
    """Log-probability of an item's answers, a gap counted once where nobody chose 1."""
    low, high = cuts[0] - u[0] - u[1], cuts[1] - u[0] + u[1]
    if high <= low:
        return -np.inf
    chance = np.array([expit(low), expit(high) - expit(low), expit(-high)])
    out = np.bincount(y, minlength=3)
    value = float(out[out > 0] @ np.log(chance[out > 0]))
    return value + (0.0 if out[1] else float(np.log(-np.expm1(low - high))))


def laplace_by_hand(table: pd.DataFrame, psi: np.ndarray) -> float:
    """Laplace log-likelihood, item by item; psi: two thresholds, log SDs of place and spread."""
    cuts, sd = psi[:2], np.exp(psi[2:])
    total = 0.0
    for _, own in table.groupby("item"):
        y = own["y"].to_numpy()

        def loss(v, y=y):
            return 0.5 * v @ v - log_p(y, cuts, v * sd)

        found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-7})
        v, h, hessian = found.x, 1e-3, np.empty((2, 2))
        for a, b in np.ndindex(2, 2):
            e, f = h * np.eye(2)[a], h * np.eye(2)[b]
            second = loss(v + e + f) - loss(v + e - f) - loss(v - e + f) + loss(v - e - f)
            hessian[a, b] = second / (4 * h * h)
        total += -found.fun - 0.5 * np.linalg.slogdet(hessian)[1]
    return total


def test_maximum_is_that_of_the_definition():
    table = a_table()
    with pytest.warns(il.errors.IlhteWarning, match="counts as if one answer lay in it"):
        model = il.Model(
            "y ~ 1 + (1 | item)", table, "cumulative", thresholds="item", roles=ITEM
        )  # fmt: skip
    assert model.design.group("item").columns == ("Intercept", "spread")
    fit = il.laplace(model)
    cuts, sd = fit.mode["beta"].to_numpy(), fit.mode["sd_item"].to_numpy()
    psi = np.concatenate([cuts, np.log(sd)])
    # differences of step 1e-3 leave the determinants an error of about 1e-6 each
    assert fit.loglik == pytest.approx(laplace_by_hand(table, psi), abs=2e-5)
    for k in range(4):
        for size in (-0.1, 0.1):
            moved = psi + size * np.eye(4)[k]
            assert laplace_by_hand(table, moved) < fit.loglik


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
@pytest.mark.parametrize("engine", ["ml", "map", "quadrature"])
def test_thresholds_stay_in_order(engine):
    rng = np.random.default_rng(2)
    person, item = np.repeat(np.arange(60), 5), np.tile(np.arange(5), 60)
    eta = rng.normal(size=60)[person] + rng.logistic(size=person.size)
    table = pd.DataFrame({"id": person, "item": item, "y": np.digitize(eta, [-1.0, 0.0, 1.0])})
    table.loc[(table["item"] == 2) & (table["y"] == 1), "y"] = 0
    model = il.Model(
        "y ~ 1 + (1 | id) + (1 | item)", table, "cumulative", thresholds="item", roles=ITEM
    )
    engines = {"quadrature": il.quadrature, "ml": il.laplace}
    fit = engines[engine](model) if engine in engines else il.laplace(model, objective="map")
    cuts = il.item_thresholds(fit).frame["estimate"].unstack().to_numpy()
    assert (np.diff(cuts, axis=1) > 0).all()
    assert np.abs(cuts).max() < 6
    # of 60 answers about one is expected in the category, pulled towards what others have of it
    at_middle = expit(cuts[2]) @ [-1.0, 1.0, 0.0]
    assert 0.5 / 60 < at_middle < 6 / 60


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
def test_an_arm_that_never_chose_a_category():
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(80), 4)
    table = pd.DataFrame({"id": person, "treat": person % 2})
    table["y"] = np.digitize(rng.logistic(size=person.size), [-1.0, 0.0, 1.0])
    table.loc[(table["treat"] == 1) & (table["y"] == 2), "y"] = 3
    model = il.Model("y ~ treat + (1 | id)", table, "cumulative", own_slopes=["treat"])
    found = find_unchosen(model.design)
    assert found.category.tolist() == [2]
    fit = il.laplace(model)
    beta = fit.mode["beta"].to_series()
    slopes = beta["treat"] + np.append(0.0, beta[["treat, 1|2", "treat, 2|3"]])
    treated = beta[["0|1", "1|2", "2|3"]].to_numpy() - slopes
    assert (np.diff(treated) > 0).all()
    # the shares of the arm's 160 answers, one of them in category 2; without persons' effects,
    # whose SD was simulated 0
    share = np.bincount(table.loc[table["treat"] == 1, "y"], minlength=4) / 160
    np.testing.assert_allclose(np.diff(expit(treated), prepend=0.0, append=1.0), share, atol=0.02)


def test_nothing_is_added_where_every_category_was_chosen():
    table = a_table()
    table = table[~table["item"].isin([1, 4])]
    model = il.Model("y ~ 1 + (1 | item)", table, "cumulative", thresholds="item", roles=ITEM)
    assert find_unchosen(model.design).size == 0
    assert not any("one answer" in note for note in model.notes)
