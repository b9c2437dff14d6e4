"""What a person's answers say of theta, against each person's integral by adaptive quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.persons import Arguments, answer_term, unit_masses
from ilhte_bayes.likelihood.plan import sum_scores
from tests.likelihood.test_kernel import a_plan, a_trial

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
GRID = Grid(-12.0, 0.05, 481)


def some_arguments(plan) -> tuple[Arguments, np.ndarray]:
    rng = np.random.default_rng(3)
    sd = rng.uniform(0.7, 1.4, len(plan.classes))
    weight = np.log(GRID.step) - np.log(sd * np.sqrt(2 * np.pi))
    at = Arguments(
        np.tile(weight[:, None], (1, GRID.size)), sd**-2, rng.normal(size=plan.cells.n_places),
        plan.slopes, sum_scores(plan, plan.slopes), rng.normal(size=plan.n_means),
    )  # fmt: skip
    return at, sd


def moments(d, slope, y, n, mean, sd) -> list[float]:
    """Integrals of a person's likelihood times the density of theta, and of theta times these."""

    def density(theta):
        p = expit(d + slope * theta)
        return np.prod(np.where(y > 0, p, 1 - p) ** n) * norm.pdf(theta, mean, sd)

    ends, exact = (mean - 9 * sd, mean + 9 * sd), {"epsabs": 0.0, "epsrel": 1e-11, "limit": 200}
    return [
        quad(lambda theta, k=k: theta**k * density(theta), *ends, points=[mean], **exact)[0]
        for k in (0, 1)
    ]


@pytest.mark.parametrize("name", ["counts", "covariate", "by arm", "slope"])
def test_each_persons_likelihood_and_mean_ability(name):
    plan = a_plan(name, a_trial(9))
    at, sd = some_arguments(plan)
    loglik, mass = unit_masses(plan, GRID, at)
    whole = loglik[plan.person_unit] + answer_term(plan, plan.rows.score, plan.rows.count, at.d)
    table = np.repeat(np.arange(plan.units.table_class.size), np.diff(plan.units.unit_start))
    slope = at.slope[plan.units.cell_slope]
    for person in range(plan.n_persons):
        mine = plan.group.level == person
        cell, y, n = plan.row_cell[mine], plan.rows.score[mine], plan.rows.count[mine]
        unit = plan.person_unit[person]
        mean = at.mean[plan.units.unit_mean[unit]]
        own = sd[plan.units.table_class[table[unit]]]

        total, first = moments(at.d[cell], slope[cell], y, n, mean, own)
        assert whole[person] == pytest.approx(np.log(total), abs=1e-9)
        assert mass[unit] @ GRID.nodes == pytest.approx(first / total, abs=1e-8)


def test_some_units_are_those_of_all():
    plan = a_plan("covariate", a_trial(9))
    at, _ = some_arguments(plan)
    loglik, mass = unit_masses(plan, GRID, at)
    some, own = unit_masses(plan, GRID, at, slice(3, 11))
    np.testing.assert_array_equal(some, loglik[3:11])
    np.testing.assert_array_equal(own, mass[3:11])
