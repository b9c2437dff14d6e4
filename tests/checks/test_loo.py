"""Leave-one-out: densities against brute-force integrals, and the estimate against refits."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp

import ilhte_bayes as il
from ilhte_bayes.checks.leave_clusters import LeaveClusters
from ilhte_bayes.checks.leave_items import LeaveItems
from ilhte_bayes.checks.leave_persons import LeavePersons, LeaveResponses
from ilhte_bayes.checks.left_out import left_out
from ilhte_bayes.checks.refit_left_out import exact_density, model_of
from ilhte_bayes.fits.spread_draws import Values
from ilhte_bayes.likelihood.plan import make_plan

THETA = np.linspace(-14, 14, 281)  # trapezoid sums over smooth integrands: exact to rounding
STEP = THETA[1] - THETA[0]


def a_trial(seed=1, *, persons=60, items=6, crossover=False):
    """Persons in 10 schools; in a crossover everyone answers some items in both arms."""
    rng = np.random.default_rng(seed)
    person, item = (grid.ravel() for grid in np.indices((persons, items)))
    school = person // 2 % 10
    table = pd.DataFrame({"id": person, "item": item + 1, "treat": person % 2, "school": school})
    if crossover:
        again = table[table["item"] % 2 == 1].assign(treat=lambda t: 1 - t["treat"])
        table = pd.concat([table, again], ignore_index=True)
    ability = rng.normal(0, 1, persons) + rng.normal(0, 0.6, 10)[np.arange(persons) // 2 % 10]
    easiness, effect = rng.normal(0, 1, items), rng.normal(0.5, 0.4, items)
    at = table["item"] - 1
    eta = ability[table["id"]] + easiness[at] + effect[at] * table["treat"]
    table["resp"] = (rng.random(len(table)) < expit(eta)).astype(int)
    return table


def a_model(table, **options):
    return il.il_hte(table, clusters=["school"], **options)


def some_values(model, seed=3, effect_sd=0.5):
    """Parameters drawn around plausible ones."""
    rng = np.random.default_rng(seed)
    sd = np.array([1.0, effect_sd])
    item = sd[:, None] * np.array([[1.0, -0.3], [-0.3, 1.0]]) * sd
    school = np.array([[0.36]])
    groups = {g.name: g for g in model.design.groups}
    effects = {
        "item": rng.multivariate_normal([0, 0], item, groups["item"].n_levels),
        "school": rng.normal(0, 0.6, (groups["school"].n_levels, 1)),
    }
    return Values(np.array([0.2, 0.5]), effects, np.array([1.1]), {"item": item, "school": school})


class Brute:
    """Everything from the rows of the design, person by person, on a dense grid."""

    def __init__(self, model, values):
        self.design, self.values = model.design, values
        self.person = self.design.group("id").level
        self.item, self.school = (self.design.group(n).level for n in ("item", "school"))
        self.treat = self.design.x[self.design.pattern, 1]
        u = values.effects["item"][self.item]
        self.eta = values.beta[0] + values.beta[1] * self.treat + u[:, 0] + u[:, 1] * self.treat
        self.eta = self.eta + values.effects["school"][self.school, 0]

    def log_joint(self, rows, shift=0.0):
        """log p(answers | e) + log p(e) on the grid."""
        eta = (self.eta[rows] + shift)[:, None] + THETA
        score, count = self.design.score[rows, None], self.design.count[rows, None]
        prior = -0.5 * (THETA / self.values.sd[0]) ** 2 - np.log(
            self.values.sd[0] * np.sqrt(2 * np.pi)
        )
        return (count * (score * eta - np.logaddexp(0, eta))).sum(axis=0) + prior

    def log_marginal(self, rows, shift=0.0):
        return logsumexp(self.log_joint(rows, shift)) + np.log(STEP)


@pytest.fixture(scope="module")
def small():
    model = a_model(a_trial())
    values = some_values(model)
    return model, values, make_plan(model.design, "school:id"), Brute(model, values)


def test_density_of_a_person(small):
    model, values, plan, brute = small
    found = LeavePersons(model.design, plan).log_density(values)
    expected = [brute.log_marginal(brute.person == j) for j in range(60)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_density_of_an_answer_given_the_persons_others(small):
    """log p(y_j) - log p(y_j without the answer), both by brute force."""
    model, values, plan, brute = small
    found = LeaveResponses(model.design, plan).log_density(values)
    assert found.size == model.design.n_obs
    rows = np.arange(model.design.n_rows)
    for r in (0, 1, 100, 200, 359):
        own = brute.person == brute.person[r]
        expected = brute.log_marginal(own) - brute.log_marginal(own & (rows != r))
        assert found[r] == pytest.approx(expected, rel=1e-8)


def test_one_of_several_equal_answers():
    """Rows that stand for several answers: one of them is left out."""
    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    plan = make_plan(model.design, "ID")
    values = Values(np.array([1.5, -0.5, 0.3])[: len(model.design.terms)], {}, np.array([1.4]), {})
    found = LeaveResponses(model.design, plan).log_density(values)
    assert found.size == model.design.n_obs == 220
    design, group = model.design, model.design.group("ID")
    r = int(np.argmax(design.count))
    eta = design.x[design.pattern] @ values.beta

    def marginal(count):
        rows = np.flatnonzero(group.level == group.level[r])
        at = eta[rows, None] + THETA
        log_p = (count[rows, None] * (design.score[rows, None] * at - np.logaddexp(0, at))).sum(0)
        return logsumexp(log_p - 0.5 * (THETA / 1.4) ** 2)

    less = design.count - (np.arange(design.n_rows) == r)
    answer = int(design.count[:r].sum())
    assert found[answer] == pytest.approx(marginal(design.count) - marginal(less), rel=1e-8)


def brute_item(brute, item, covariance, width=6.5, points=45):
    """Two-dimensional trapezoid over standardised effects of the item."""
    root = np.linalg.cholesky(covariance)
    axis = np.linspace(-width, width, points)
    v = np.stack([g.ravel() for g in np.meshgrid(axis, axis)], axis=1)
    u = v @ root.T
    drawn = brute.values.effects["item"][item]
    total = -0.5 * np.sum(v**2, axis=1) - np.log(2 * np.pi) + 2 * np.log(axis[1] - axis[0])
    for j in np.unique(brute.person[brute.item == item]):
        own = brute.person == j
        left = brute.log_joint(own & (brute.item != item))
        left = np.exp(left - logsumexp(left))
        rows = np.flatnonzero(own & (brute.item == item))
        p = np.ones((len(v), THETA.size))
        for r in rows:
            z = np.array([1.0, brute.treat[r]])
            chance = expit(brute.eta[r] + (u - drawn) @ z[:, None] + THETA)
            p *= chance if brute.design.score[r] else 1.0 - chance
        total += np.log(p @ left)
    return logsumexp(total)


@pytest.mark.parametrize("effect_sd", [0.5, 0.02])
def test_density_of_an_item(effect_sd):
    """Gauss-Hermite around the mode with 9 x 9 nodes: the worst of 24 items was off by 2e-8."""
    model = a_model(a_trial(2, persons=40, items=4))
    values = some_values(model, effect_sd=effect_sd)
    plan = make_plan(model.design, "school:id")
    found = LeaveItems(model.design, plan, model.design.group("item")).log_density(values)
    brute = Brute(model, values)
    expected = [brute_item(brute, k, values.covariance["item"]) for k in range(2)]
    np.testing.assert_allclose(found[:2], expected, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
def test_density_of_an_item_answered_in_both_arms():
    """As above; the worst of four items was off by 3e-7."""
    model = a_model(a_trial(2, persons=30, items=4, crossover=True), crossover=True)
    values = some_values(model)
    plan = make_plan(model.design, "school:id")
    left = LeaveItems(model.design, plan, model.design.group("item"))
    assert not left._items[0].apart
    expected = brute_item(Brute(model, values), 0, values.covariance["item"])
    assert left.log_density(values, only=0)[0] == pytest.approx(expected, abs=1e-6)


def test_density_of_a_cluster(small):
    """One-dimensional trapezoid over the school's effect; 15 Gauss-Hermite nodes: 1e-6."""
    model, values, plan, brute = small
    school = model.design.group("school")
    found = LeaveClusters(model.design, plan, school).log_density(values)
    u = np.linspace(-6, 6, 241)
    for c in (0, 4):
        total = -0.5 * (u / 0.6) ** 2 - np.log(0.6 * np.sqrt(2 * np.pi)) + np.log(u[1] - u[0])
        drawn = values.effects["school"][c, 0]
        for j in np.unique(brute.person[brute.school == c]):
            own = brute.person == j
            total += [brute.log_marginal(own, shift=x - drawn) for x in u]
        assert found[c] == pytest.approx(logsumexp(total), abs=1e-5)


@pytest.fixture(scope="module")
def sampled():
    table = a_trial()
    numbers = {"draws": 500, "tune": 500, "chains": 4, "seed": 1, "progress": False}
    return il.sample(a_model(table), **numbers)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
@pytest.mark.parametrize("unit, parts", [("person", 60), ("response", 360), ("cluster", 10)])
def test_works_with_arviz(sampled, unit, parts):
    found = il.loo(sampled, unit, draws=200)
    again = az.loo(found.tree, pointwise=True)
    assert len(found.frame) == parts
    assert again.elpd == pytest.approx(found.elpd, rel=1e-6)
    assert found.se == pytest.approx(again.se, rel=1e-3)
    assert found.p_loo == pytest.approx(again.p, rel=1e-2)
    assert found.tree["log_likelihood"]["answers"].dtype == np.float32
    assert "leaving out costs" in " ".join(repr(found).split()) and "<p>" in found._repr_html_()


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_compares_models(sampled):
    table = a_trial()
    constant = il.sample(
        a_model(table, effects="constant"), draws=250, tune=300, seed=2, progress=False
    )
    trees = {
        "by item": il.with_log_likelihood(sampled, "person", draws=400),
        "constant": il.with_log_likelihood(constant, "person", draws=400),
    }
    assert set(az.compare(trees).index) == set(trees)
    results = {name: il.loo(fit, "person", draws=400) for name, fit in
               (("by item", sampled), ("constant", constant))}  # fmt: skip
    ranked = az.compare({name: found.arviz for name, found in results.items()})
    assert set(ranked.index) == set(trees)


def test_the_default_follows_the_assignment(sampled):
    assert left_out(sampled, None).noun == "person"  # arms differ within schools
    table = a_trial()
    table["treat"] = table["school"] % 2
    model = a_model(table)
    fit = sampled.__class__(model, "nuts", "posterior", sampled.tree, (), 0.0, 0.0)
    assert left_out(fit, None).noun == "cluster (school)"


def test_says_what_to_do(sampled):
    with pytest.raises(il.errors.ModelError, match=r"unit='pupil'.*'person', 'response', 'item'"):
        il.loo(sampled, "pupil")
    with pytest.raises(il.errors.ModelError, match=r"posterior draws.*il\.sample"):
        il.loo(il.laplace(sampled.model))
    with pytest.raises(il.errors.ModelError, match="draws=3"):
        il.loo(sampled, draws=3)


def test_a_model_without_a_part_has_no_level_of_it(sampled):
    model = sampled.model
    count = np.where(model.design.group("item").level == 2, 0, model.design.count)
    rest = model_of(model, count)
    assert rest.design.group("item").n_levels == 5
    assert rest.design.n_obs == 300
    assert list(rest.design.group("item").labels) == [1, 2, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit, parts",
    [("person", range(0, 60, 10)), ("response", range(0, 360, 60)), ("item", range(6)),
     ("cluster", range(0, 10, 2))],
)  # fmt: skip
def test_equals_refits(unit, parts):
    """Pareto-smoothed weights against a fit without each part.

    Standard errors of log mean density: from the spread of densities over draws of the refit, and
    for the smoothed weights as much again (k below .67), both with 500 effective draws.
    """
    numbers = {"draws": 1000, "tune": 500, "chains": 4, "seed": 1, "progress": False}
    fit = il.sample(a_model(a_trial()), **numbers)
    found = il.loo(fit, unit, draws=2000)
    own = left_out(fit, unit)
    for k in parts:
        row = found.frame.iloc[k]
        exact = exact_density(fit, own, k, draws=1000, seed=100 + k)
        values = found.tree["log_likelihood"]["answers"].to_numpy().reshape(2000, -1)[:, k]
        error = np.sqrt(2 * np.expm1(values.astype(float).var()) / 500)
        print(f"{unit} {k}: PSIS {row['elpd']:.3f}, refit {exact:.3f}, "
              f"k {row['pareto_k']:.2f}, error {error:.3f}")  # fmt: skip
        if row["pareto_k"] < found.good_k:
            assert abs(row["elpd"] - exact) < 4 * error + 0.005
