"""Leave-one-out of ordinal answers: densities against sums over the categories' probabilities.

The brute force knows nothing of cuts and gaps: P(Y = k) is the difference of two logistic curves,
ability is a trapezoid sum, an item's effects another one.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp, softmax

import ilhte_bayes as il
from ilhte_bayes.checks.answer_gaps import AnswerGaps
from ilhte_bayes.checks.leave_clusters import LeaveClusters
from ilhte_bayes.checks.leave_items import LeaveItems
from ilhte_bayes.checks.leave_persons import LeavePersons, LeaveResponses
from ilhte_bayes.checks.refit_left_out import model_of
from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.likelihood.plan import make_plan

THETA = np.linspace(-14, 14, 281)  # trapezoid sums over smooth integrands: exact to rounding
FAMILIES = ("cumulative", "adjacent")
STEP = THETA[1] - THETA[0]
KAPPA = np.array([-1.2, 0.1, 1.9])
SHAPES = np.array([[-1.0, 0.0, 1.0], [1.0, -2.0, 1.0]])
SHAPES = SHAPES / np.sqrt((SHAPES**2).mean(axis=1, keepdims=True))


def a_trial(seed=1, *, persons=24, items=4) -> pd.DataFrame:
    """Persons in 4 schools; item 1 is never answered 3, item 2 never 0."""
    rng = np.random.default_rng(seed)
    person, item = (grid.ravel() for grid in np.indices((persons, items)))
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2, "school": person // 6})
    eta = rng.normal(0, 1, persons)[person] + 0.5 * table["treat"] + rng.logistic(size=len(table))
    table["resp"] = np.digitize(eta, [-1.0, 0.3, 1.5])
    table["resp"] = table["resp"].where(item != 1, table["resp"].clip(0, 2))
    table["resp"] = table["resp"].where(item != 2, table["resp"].clip(1, 3))
    return table


def a_model(table, family="cumulative", **options) -> il.Model:
    return il.il_hte(table, clusters=["school"], family=family, **options)


def some_values(model, seed=3) -> Values:
    """Parameters around plausible ones; items' own thresholds where the model has them."""
    rng = np.random.default_rng(seed)
    item, school = model.design.group("item"), model.design.group("school")
    sd = np.array([0.8, 0.4, 0.2, 0.1])[: item.n_columns]
    corr = np.eye(sd.size)
    corr[0, 1] = corr[1, 0] = -0.3
    covariance = {"item": sd[:, None] * corr * sd, "school": np.array([[0.36]])}
    effects = {
        "item": rng.multivariate_normal(np.zeros(sd.size), covariance["item"], item.n_levels),
        "school": rng.normal(0, 0.6, (school.n_levels, 1)),
    }
    return Values(np.append(KAPPA, 0.5), effects, np.array([1.1]), covariance)


class Brute:
    """P(Y = k) of every row, on a grid of ability, at given effects."""

    def __init__(self, table, values, family="cumulative"):
        self.table, self.values, self.family = table.reset_index(drop=True), values, family

    def chances(self, effects=None) -> np.ndarray:
        """(row, node)"""
        table, effects = self.table, effects or self.values.effects
        u = effects["item"][table["item"]]
        treat = table["treat"].to_numpy()
        eta = self.values.beta[3] * treat + u[:, 0] + u[:, 1] * treat
        eta = eta + effects["school"][table["school"], 0]
        kappa = KAPPA + u[:, 2:] @ SHAPES[: u.shape[1] - 2]
        if self.family == "adjacent":
            steps = eta[:, None, None] + THETA - kappa[:, :, None]
            logits = np.concatenate([0.0 * steps[:, :1], np.cumsum(steps, axis=1)], axis=1)
            each = softmax(logits, axis=1)
            return each[np.arange(len(table)), table["resp"]]
        below = expit(kappa[:, :, None] - eta[:, None, None] - THETA)
        n = len(table)
        edge = np.zeros((n, 1, THETA.size))
        each = np.diff(np.concatenate([edge, below, edge + 1], axis=1), axis=1)
        return each[np.arange(n), table["resp"]]

    def log_marginal(self, rows, log_p=None) -> float:
        sd = self.values.sd[0]
        log_p = np.log(self.chances()) if log_p is None else log_p
        prior = -0.5 * (THETA / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi)) + np.log(STEP)
        return float(logsumexp(log_p[rows].sum(axis=0) + prior))


@pytest.fixture(
    scope="module",
    params=[(family, kind) for family in FAMILIES for kind in ("common", "item")],
    ids=" ".join,
)
def small(request):
    family, thresholds = request.param
    table = a_trial()
    model = a_model(table, family, thresholds=thresholds)
    values = some_values(model)
    return model, values, make_plan(model.rows, "school:id"), Brute(table, values, family)


def answers_in_order(model, table) -> np.ndarray:
    """Row of the table that each row of the design stands for."""
    design = model.design
    key = design.group("school:id").level.astype(int) * 100 + design.group("item").level
    return pd.Index(table["id"] * 100 + table["item"]).get_indexer(key)


def test_density_of_a_person(small):
    model, values, plan, brute = small
    found = LeavePersons(model.design, plan).log_density(values)
    expected = [brute.log_marginal(brute.table["id"] == j) for j in range(24)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_density_of_an_answer_given_the_persons_others(small):
    model, values, plan, brute = small
    found = LeaveResponses(model.design, plan).log_density(values)
    table, at = brute.table, answers_in_order(model, brute.table)
    assert found.size == len(table) == np.unique(at).size
    expected = []
    for r in at:
        own = table["id"] == table["id"][r]
        expected.append(brute.log_marginal(own) - brute.log_marginal(own & (table.index != r)))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_density_of_a_cluster(family):
    table = a_trial()
    model = a_model(table, family)
    values = some_values(model)
    brute, plan = Brute(table, values, family), make_plan(model.rows, "school:id")
    found = LeaveClusters(model.design, plan, model.design.group("school")).log_density(values)
    axis = np.linspace(-6, 6, 49)
    for school in (0, 3):
        terms = []
        for v in axis:
            effects = values.effects | {"school": np.full((4, 1), 0.6 * v)}
            log_p = np.log(brute.chances(effects))
            persons = table["id"][table["school"] == school].unique()
            total = sum(brute.log_marginal(table["id"] == j, log_p) for j in persons)
            terms.append(total - 0.5 * v**2 - 0.5 * np.log(2 * np.pi) + np.log(axis[1] - axis[0]))
        # 15 nodes around the mode; binary answers agree as closely
        assert found[school] == pytest.approx(logsumexp(terms), abs=2e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_density_of_an_item(family):
    table = a_trial()
    model = a_model(table, family)
    values = some_values(model)
    brute, plan = Brute(table, values, family), make_plan(model.rows, "school:id")
    leave = LeaveItems(model.design, plan, model.design.group("item"))
    axis = np.linspace(-5.5, 5.5, 31)
    v = np.stack([g.ravel() for g in np.meshgrid(axis, axis)], axis=1)
    effects = v @ np.linalg.cholesky(values.covariance["item"]).T
    weight = -0.5 * (v**2).sum(axis=1) - np.log(2 * np.pi) + 2 * np.log(axis[1] - axis[0])
    known, prior = np.log(brute.chances()), -0.5 * (THETA / values.sd[0]) ** 2
    for item in (0, 2):
        own = Brute(table[table["item"] == item], values, family)
        others = (table["item"] != item).to_numpy()
        left = np.stack(
            [known[others & (table["id"] == j).to_numpy()].sum(axis=0) for j in own.table["id"]]
        )
        left = np.exp(left + prior - logsumexp(left + prior, axis=1, keepdims=True))
        terms = np.zeros(len(v))
        for k, u in enumerate(effects):
            moved = values.effects["item"].copy()
            moved[item] = u
            chance = own.chances(values.effects | {"item": moved})
            terms[k] = np.log((chance * left).sum(axis=1)).sum()
        # 9 x 9 adaptive nodes around the mode: binary answers agree as closely
        assert leave.log_density(values)[item] == pytest.approx(logsumexp(terms + weight), abs=1e-4)
        kept = leave.kept(item)
        np.testing.assert_array_equal(kept == 0, model.design.group("item").level == item)


def test_items_with_thresholds_of_their_own_are_not_left_out():
    model = a_model(a_trial(), thresholds="item")
    with pytest.raises(il.errors.NotAvailable, match=r"thresholds of its own.*unit='person'"):
        LeaveItems(model.design, make_plan(model.rows, "school:id"), model.design.group("item"))


def test_binary_answers_have_no_gaps():
    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    values = Values(np.zeros(len(model.design.terms)), {}, np.ones(1), {})
    assert not AnswerGaps(model.design)(values).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_refit_keeps_the_thresholds(family):
    model = a_model(a_trial(), family)
    rest = model_of(model, np.where(model.design.group("item").level == 0, 0, model.design.count))
    assert rest.design.n_cuts == 3 and rest.rows.n_cuts == 3
    assert rest.design.n_obs == 72
    assert rest.design.n_categories == model.design.n_categories


@pytest.mark.filterwarnings("ignore")  # few draws: R-hat has its own tests
def test_all_units_of_a_sampled_fit():
    model = a_model(a_trial())
    fit = il.sample(model, draws=60, tune=60, chains=2, seed=1, progress=False)
    parts = {"person": 24, "response": 96, "item": 4, "cluster": 4}
    for unit, n in parts.items():
        found = il.loo(fit, unit, draws=100)
        assert len(found.frame) == n and np.isfinite(found.elpd)
        # no answer is predicted better than by certainty, nor much worse than by guessing
        assert -3 * 96 * np.log(4) < found.elpd < 0
