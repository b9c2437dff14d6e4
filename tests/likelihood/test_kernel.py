"""The compiled likelihood against the plain graph, finite differences and adaptive quadrature."""

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit, logsumexp

import ilhte_bayes as il
from ilhte_bayes.likelihood.answers import gap_log_likelihood, gaps
from ilhte_bayes.likelihood.kernel import _FLUSH, _REUSED, _STEEP, BLOCK, value_and_gradient
from ilhte_bayes.likelihood.operation import integrated_persons
from ilhte_bayes.likelihood.plan import make_plan, sum_scores
from ilhte_bayes.likelihood.reference import reference_loglik

# Toy tables are warned of: repeated answers, clusters not in the formula.
pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

# What differs within a person, what between, and who has which distribution of ability.
FORMULAS = {
    "counts": "y ~ treat + (1 | id) + (treat | item)",
    "covariate": "y ~ treat + pre + (1 | id) + (treat | item)",
    "clusters": "y ~ treat + (1 + pre | school) + (1 | id) + (treat | item) + (1 | school:item)",
    "growth": "y ~ treat * time + (1 | id) + (1 | item)",
    "by arm": "y ~ treat + pre + (0 + C(treat) || id) + (treat | item)",
    "slope": "y ~ treat + (0 + time | id) + (1 | item)",
    "ordinal": "rate ~ treat + (1 | id) + (treat | item)",
    "ordinal growth": "rate ~ treat * time + (1 | id) + (1 | item)",
    "adjacent": "rate ~ treat + (1 | id) + (treat | item)",
    "adjacent clusters": "rate ~ treat + pre + (1 + pre | school) + (1 | id) + (1 | item)",
    "adjacent growth": "rate ~ treat * time + (1 | id) + (1 | item)",
    "adjacent slope": "rate ~ treat + (0 + time | id) + (1 | item)",
    "adjacent by arm": "rate ~ treat + pre + (0 + C(treat) || id) + (treat | item)",
    "adjacent, thresholds of items": "rate ~ treat + (1 | id) + (treat | item)",
}
ORDINAL = [name for name in FORMULAS if name.startswith("ordinal")]


def a_trial(seed: int, n: int = 23, items: int = 6, share_missing: float = 0.2) -> pd.DataFrame:
    """Persons in schools, two arms, answers missing at random, an item asked twice of some."""
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(n), items), np.tile(np.arange(items), n)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2, "school": person % 4})
    table["pre"] = rng.normal(size=n).round(1)[person]
    table["time"] = rng.normal(size=len(table)).round(2)
    table["y"] = rng.integers(0, 2, len(table))
    table = pd.concat([table[rng.random(len(table)) > share_missing], table.iloc[[0, 1, 40]]])
    table["y"] = np.where(np.arange(len(table)) % 9 == 0, 1 - table["y"], table["y"])
    table["rate"] = rng.integers(0, 4, len(table))
    return table


def a_model(name: str, table: pd.DataFrame) -> il.Model:
    family = "cumulative" if name in ORDINAL else "bernoulli"
    family = "adjacent" if name.startswith("adjacent") else family
    thresholds = "item" if "thresholds" in name else "common"
    roles = {"treatment": "treat", "item": "item"}
    return il.Model(FORMULAS[name], table, family=family, roles=roles, thresholds=thresholds)


def a_plan(name: str, table: pd.DataFrame, **options):
    return make_plan(a_model(name, table).rows, "id", **options)


def reused(plan) -> bool:
    """Whether each cell's curve is computed once for all tables."""
    return plan.units.entry_cell.size > _REUSED * plan.n_cells


def random_values(plan, seed: int, nodes: int = 37):
    """Arguments of the likelihood around plausible values, and the grid."""
    rng = np.random.default_rng(seed)
    n_class = len(plan.classes)
    grid = np.linspace(-8, 7, nodes)
    log_weight = np.log(grid[1] - grid[0]) + rng.normal(0, 0.3, (n_class, nodes))
    return grid, {
        "log_weight": log_weight,
        "tau": rng.uniform(0.3, 2.0, n_class),
        "d": rng.normal(0, 1.5, plan.cells.n_places),
        "slope": plan.slopes * rng.uniform(0.7, 1.3, plan.slopes.size),
        "mean": rng.normal(0, 0.8, plan.n_means),
    }


def compiled(plan, grid, values):
    score = sum_scores(plan, values["slope"])
    own = {name: values[name] for name in ("log_weight", "tau", "d", "slope")}
    found = value_and_gradient(
        plan.units, grid[0], grid[1] - grid[0], *own.values(), score, values["mean"]
    )
    value, g_weight, g_tau, g_d, g_slope, g_score, g_mean = found
    if plan.answered is None:
        g_slope[0] += plan.score @ g_score
    else:
        unit = np.repeat(np.arange(plan.n_units), np.diff(plan.answered[0]))
        np.add.at(g_slope, plan.answered[1], g_score[unit])
    return value, (g_weight, g_tau, g_d, g_slope, g_mean)


def graph(plan, grid, values):
    symbols = [pt.as_tensor(v).type() for v in values.values()]
    loglik = reference_loglik(plan, grid, *symbols)
    out = [loglik, *pytensor.grad(loglik, symbols)]
    value, *gradient = pytensor.function(symbols, out, mode="FAST_COMPILE")(*values.values())
    return value, gradient


@pytest.mark.parametrize(
    "options",
    [{}, {"fold": True}, {"slope_group": "item"}],
    ids=["means", "all in cells", "discriminations"],
)
@pytest.mark.parametrize("name", FORMULAS)
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000))
def test_equals_the_plain_graph(name, options, seed):
    """Both are sums over the same nodes: they differ by rounding alone."""
    plan = a_plan(name, a_trial(seed), **options)
    grid, values = random_values(plan, seed)
    value, gradient = compiled(plan, grid, values)
    expected, expected_gradient = graph(plan, grid, values)
    assert value == pytest.approx(expected, rel=1e-10)
    for own, other in zip(gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-10 * np.abs(other).max())


@pytest.mark.parametrize("tau", [0.8, 60.0], ids=["progressions", "steep"])
@pytest.mark.parametrize("name", ["covariate", "by arm"])
def test_tables_with_many_units_are_worked_on_in_blocks(name, tau):
    """Everybody answers everything, and has a mean of their own: two tables of some 200 units each."""
    plan = a_plan(name, a_trial(4, n=900, items=5, share_missing=0.0))
    assert np.diff(plan.units.unit_start).max() > BLOCK
    grid, values = random_values(plan, 4, nodes=301)
    values["tau"][:] = tau
    furthest = tau * np.ptp(values["mean"]) / 2.0 * (grid[-1] - grid[0]) / 2.0
    assert (furthest > _STEEP) == (tau == 60.0)
    value, gradient = compiled(plan, grid, values)
    expected, expected_gradient = graph(plan, grid, values)
    assert value == pytest.approx(expected, rel=1e-10)
    for own, other in zip(gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-9, atol=1e-10 * np.abs(other).max())


def test_an_item_that_nobody_could_solve_overflows_nothing():
    """Easiness of -700 and 650 logits: exp would be 0 or infinite, logs are taken term by term."""
    plan = a_plan("covariate", a_trial(4, n=40, items=5, share_missing=0.0))
    assert not reused(plan)
    grid, values = random_values(plan, 4)
    values["d"][:2] = -_FLUSH - 100.0, _FLUSH + 50.0
    value, gradient = compiled(plan, grid, values)
    expected, expected_gradient = graph(plan, grid, values)
    assert value == pytest.approx(expected, rel=1e-10)
    for own, other in zip(gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("name", ["counts", "ordinal", "covariate"])
def test_cells_that_many_tables_share_are_met_in_these_tests(name):
    """Answers missing at random, or ordinal: nearly every person has a table of their own."""
    assert reused(a_plan(name, a_trial(0)))


def test_both_ways_of_adding_a_tables_cells_agree():
    """Equal persons twice over: with more tables than `_REUSED` for each cell, and with fewer."""
    table = a_trial(4, n=8, share_missing=0.0)
    few = a_plan("counts", table)
    assert not reused(few)
    copies = [table.assign(id=table["id"] + 100 * k) for k in range(6)]
    rng = np.random.default_rng(1)
    for k in range(1, 6):  # of each copy one answer is dropped: other tables of the same cells
        copies[k] = copies[k].drop(copies[k].index[rng.integers(len(table))])
    many = a_plan("counts", pd.concat(copies, ignore_index=True))
    assert reused(many)
    for plan in (few, many):
        grid, values = random_values(plan, 3)
        value, gradient = compiled(plan, grid, values)
        expected, expected_gradient = graph(plan, grid, values)
        assert value == pytest.approx(expected, rel=1e-12)
        for own, other in zip(gradient, expected_gradient, strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-10 * np.abs(other).max())


@pytest.mark.parametrize("name", FORMULAS)
def test_equals_adaptive_quadrature_person_by_person(name):
    """The joint likelihood of one person at a time, integrated by SciPy over the whole line."""
    table = a_trial(7, n=9)
    model = a_model(name, table)
    design, plan = model.design, make_plan(model.rows, "id")
    rng = np.random.default_rng(1)
    beta = rng.normal(size=len(design.terms))
    beta[: design.n_cuts] = np.sort(beta[: design.n_cuts])
    effects = {g.name: rng.normal(size=(g.n_levels, g.n_columns)) for g in design.groups}
    sd = rng.uniform(0.6, 1.4, len(plan.classes))
    group = design.group("id")
    eta = design.x[design.pattern] @ beta
    cuts = np.tile(beta[: design.n_cuts], (eta.size, 1))
    for g in design.groups:
        if g.name != "id":
            eta += np.sum(g.z[design.pattern] * effects[g.name][g.level], axis=1)
        if g.cut_z is not None:
            cuts -= effects[g.name][g.level] @ g.cut_z.T
    total = 0.0
    for person in range(group.n_levels):
        rows = np.flatnonzero(group.level == person)
        z = (group.z[design.pattern[rows]] * sd).sum(axis=1)

        def integrand(e, rows=rows, z=z):
            own = eta[rows] + z * e
            log_p = design.count[rows] * log_chance(design, cuts[rows], own, design.score[rows])
            return np.exp(log_p.sum() - e**2 / 2) / np.sqrt(2 * np.pi)

        total += np.log(quad(integrand, -9, 9, epsabs=0, epsrel=1e-11, limit=200)[0])
    means = plan.means.value(beta, effects)
    grid = np.linspace(means.min() - 11, means.max() + 11, 121)
    log_weight = np.log(grid[1] - grid[0]) - np.log(sd * np.sqrt(2 * np.pi))
    value, *_ = value_and_gradient(
        plan.units,
        grid[0],
        grid[1] - grid[0],
        np.tile(log_weight[:, None], (1, grid.size)),
        sd**-2,
        plan.cells.value(beta, effects),
        plan.slopes,
        sum_scores(plan, plan.slopes),
        means,
    )
    if design.n_ordered:
        value += gap_log_likelihood(gaps(model.rows), beta, effects)
    # quad's own tolerance, 1e-11 for each of nine persons; the grid's error is smaller
    assert value == pytest.approx(total, rel=1e-9)


def log_chance(design, cuts, eta, score):
    """Log-probability of each answer, from its definition; cuts (answer, cut)."""
    row = np.arange(score.size)
    if not design.n_cuts:
        return score * eta - np.logaddexp(0, eta)
    if design.n_categories:
        logits = np.column_stack([np.zeros(eta.size), np.cumsum(eta[:, None] - cuts, axis=1)])
        return logits[row, score] - logsumexp(logits, axis=1)
    ends = np.full((score.size, 1), np.inf)
    cuts = np.hstack([-ends, cuts, ends])
    return np.log(expit(cuts[row, score + 1] - eta) - expit(cuts[row, score] - eta))


@pytest.mark.parametrize("name", ["covariate", "adjacent"])
@pytest.mark.parametrize("far", [30.0, 400.0, 900.0])
def test_extreme_predictors_stay_finite(far, name):
    """Products that would overflow are taken as logarithms, with the same result."""
    plan = a_plan(name, a_trial(2))
    grid, values = random_values(plan, 2)
    values["d"] *= far / np.abs(values["d"]).max()
    value, gradient = compiled(plan, grid, values)
    expected, expected_gradient = graph(plan, grid, values)
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient[2], expected_gradient[2], rtol=1e-7, atol=1e-9)


def test_means_far_apart_leave_the_progression_for_exponentials():
    plan = a_plan("covariate", a_trial(2))
    grid, values = random_values(plan, 2, nodes=601)
    values["tau"] = np.array([900.0])
    values["mean"] = np.linspace(-6, 6, plan.n_means)
    value, gradient = compiled(plan, grid, values)
    expected, expected_gradient = graph(plan, grid, values)
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient[4], expected_gradient[4], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", ["covariate", "adjacent"])
def test_the_operation_serves_a_pytensor_graph(name):
    plan = a_plan(name, a_trial(5))
    grid, values = random_values(plan, 5)
    symbols = {name: pt.as_tensor(v).type() for name, v in values.items()}
    loglik = integrated_persons(
        symbols["log_weight"], symbols["tau"], symbols["d"], symbols["slope"],
        plan.score * symbols["slope"][0], symbols["mean"], grid[0], grid[1] - grid[0], *plan.units,
    )[0]  # fmt: skip
    out = [loglik, *pytensor.grad(loglik, list(symbols.values()))]
    for mode in ("NUMBA", "FAST_COMPILE"):
        value, *gradient = pytensor.function(list(symbols.values()), out, mode=mode)(
            *values.values()
        )
        expected, expected_gradient = compiled(plan, grid, values)
        assert value == pytest.approx(expected, rel=1e-12)
        for own, other in zip(gradient, expected_gradient, strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-11, atol=1e-11 * np.abs(other).max())
