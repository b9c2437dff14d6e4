"""Replicated answers have the probabilities of the model, for new persons and the same ones."""

import numpy as np
import pandas as pd
import pytest
from made_fits import integral, known_fit, trial
from scipy.special import expit
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.checks.replicates import replicate

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

SD = 1.3
ITEMS = np.column_stack([np.linspace(-1, 1, 5), np.linspace(0.4, -0.4, 5)])


@pytest.fixture(scope="module")
def model():
    return il.il_hte(trial(1, persons=40, items=5))


@pytest.fixture(scope="module")
def fit(model):
    """Everything but abilities is known, and they are integrated out."""
    values = {"beta": [0.2, 0.5], "sd_id": [SD], "re_item": ITEMS}
    return known_fit(model, values, without=["re_id"])


def by_item_and_arm(model, rows, values):
    item = model.design.group("item").level[rows]
    arm = model.design.x[model.design.pattern[rows], 1].astype(int)
    return np.array([[values[(item == i) & (arm == a)].mean() for i in range(5)] for a in (0, 1)])


def test_new_persons_answer_as_the_population_does(model, fit):
    found = replicate(fit, persons="new", draws=400)
    share = found.replicated[:, :, 0].mean(axis=0)
    wanted = integral(0.2 + ITEMS[:, 0] + np.array([[0], [1]]) * (0.5 + ITEMS[:, 1]), SD)
    # 8,000 answers to each item in each arm, of 20 persons a table: SE .005 at most
    np.testing.assert_allclose(by_item_and_arm(model, found.row, share), wanted, atol=0.022)


def test_same_persons_answer_by_their_posterior(model, fit):
    """E(replicated sum score | answers) of each person, by a dense grid over ability."""
    found = replicate(fit, persons="same", draws=400, seed=3)
    design = model.design
    person = design.group("id").level[found.row]
    item = design.group("item").level[found.row]
    arm = design.x[design.pattern[found.row], 1]
    logit = 0.2 + ITEMS[item, 0] + arm * (0.5 + ITEMS[item, 1])
    theta = np.linspace(-8, 8, 801)
    chance = expit(logit[:, None] + theta)
    y = found.observed[:, 1][:, None]
    log_density = norm.logpdf(theta, 0, SD) + np.array(
        [np.log(np.where(y == 1, chance, 1 - chance))[person == p].sum(axis=0) for p in range(40)]
    )
    mass = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    mass /= mass.sum(axis=1, keepdims=True)
    wanted = np.array([(mass[p] * chance[person == p].sum(axis=0)).sum() for p in range(40)])
    drawn = np.array([found.replicated[:, person == p, 0].sum(axis=1) for p in range(40)])
    z = (drawn.mean(axis=1) - wanted) / (drawn.std(axis=1) / 20)
    assert np.abs(z).max() < 4  # one in 400 false alarms among 40 persons
    assert 0.6 < z.std() < 1.4


def test_new_random_slopes_keep_their_correlation():
    table = trial(2, persons=60, items=6).assign(time=lambda t: t["item"].str[1:].astype(float) / 6)
    roles = {"person": "id", "item": "item"}
    model = il.Model("resp ~ time + (time | id) + (1 | item)", table, roles=roles)
    corr = np.array([[1.0, -0.6], [-0.6, 1.0]])
    fit = known_fit(model, {"sd_id": [1.0, 2.0], "corr_id": corr}, draws=200)
    from ilhte_bayes.checks.replicates import _parameters

    drawn, _ = _parameters(fit, "new", 200, np.random.default_rng(1))
    found = np.cov(drawn["re_id"].reshape(-1, 2).T)
    np.testing.assert_allclose(found, [[1, -1.2], [-1.2, 4]], atol=0.12)  # 12,000 draws: 3 SE


def test_equal_draws_and_seed_give_equal_tables(fit):
    one, two = (replicate(fit, persons="new", draws=20, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.replicated, two.replicated)


@pytest.mark.parametrize("engine", ["laplace", "quadrature"])
def test_every_answer_has_its_question(engine):
    """Observed answers come back as the table has them, repeated answers counted."""
    table = trial(3, persons=30, items=4)
    model = il.Model("resp ~ treat + (1 | item)", table.drop(columns="id"))
    fit = il.laplace(model) if engine == "laplace" else None
    if fit is None:
        model = il.il_hte(table)
        fit = il.quadrature(model, objective="map")
    found = replicate(fit, draws=10)
    assert found.observed.sum() == found.total.sum() == len(table)
    assert found.observed[:, 1].sum() == table["resp"].sum()
    assert (found.replicated.sum(axis=2) <= found.total).all()


def test_what_cannot_be_replicated_is_refused(fit):
    with pytest.raises(il.errors.ModelError, match="persons='other'"):
        replicate(fit, persons="other")
    with pytest.raises(il.errors.ModelError, match="draws=0"):
        replicate(fit, draws=0)
    nobody = il.Model("resp ~ treat + (1 | item)", trial(3, persons=30, items=4), roles={})
    with pytest.raises(il.errors.ModelError, match="persons='same'"):
        replicate(il.laplace(nobody), persons="new")


def test_counts_of_many_equal_answers_do_not_wrap():
    """40,000 equal answers to one question: more than 16 bits hold."""
    table = pd.DataFrame({"y": np.repeat([0, 1], [10_000, 40_000]), "g": "a"})
    table.loc[::2, "g"] = "b"
    fit = il.laplace(il.Model("y ~ 1 + (1 | g)", table), objective="map")
    found = replicate(fit, draws=4)
    assert found.observed.sum(axis=0).tolist() == [10_000, 40_000]
    means = [one[:, 1].sum() / one.sum() for one in found.tables()]
    np.testing.assert_allclose(means, 0.8, atol=0.02)  # 50,000 answers: SE .002, and of the fit
