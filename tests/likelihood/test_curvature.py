"""Gradient and Hessian of the integrated likelihood against differences and the compiled value."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from ilhte_bayes.likelihood.curvature import curvature
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.kernel import value_and_gradient
from ilhte_bayes.likelihood.plan import sum_scores
from tests.likelihood.test_kernel import FORMULAS, a_plan, a_trial

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
GRID = Grid(-10.0, 0.3, 67)


def at(plan, by_cell, by_mean, x, d0, mean0):
    """Everything as a function of the unknowns alone."""
    n = by_cell.shape[1]
    return curvature(
        plan, GRID, d0 + by_cell @ x[:n], mean0 + by_mean @ x[:n], np.exp(x[n:]), by_cell, by_mean
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_those_of_the_value(name):
    plan = a_plan(name, a_trial(6))
    rng = np.random.default_rng(1)
    n = 7
    places = plan.cells.n_places
    by_cell = csr_array(rng.normal(size=(places, n)) * (rng.random((places, n)) < 0.5))
    by_mean = csr_array(rng.normal(size=(plan.n_means, n)) * (rng.random((plan.n_means, n)) < 0.5))
    d0, mean0 = rng.normal(size=places), rng.normal(size=plan.n_means) * 0.5
    x = np.concatenate([rng.normal(0, 0.2, n), rng.normal(0, 0.2, len(plan.classes))])
    found = at(plan, by_cell, by_mean, x, d0, mean0)
    step = 1e-5
    for k in range(x.size):
        e = np.zeros(x.size)
        e[k] = step
        up, down = (at(plan, by_cell, by_mean, x + s * e, d0, mean0) for s in (1, -1))
        # central differences: rounding 1e-13 * |value| / step, and step squared
        assert found.gradient[k] == pytest.approx((up.value - down.value) / (2 * step), abs=1e-5)
        np.testing.assert_allclose(
            found.hessian[k], (up.gradient - down.gradient) / (2 * step), rtol=1e-6, atol=1e-5
        )


@pytest.mark.parametrize("name", FORMULAS)
def test_value_is_that_of_the_sampler(name):
    """Two programs for one sum, written apart."""
    plan = a_plan(name, a_trial(8))
    rng = np.random.default_rng(2)
    d, mean = rng.normal(size=plan.cells.n_places), rng.normal(size=plan.n_means) * 0.5
    sd = rng.uniform(0.7, 1.3, len(plan.classes))
    none = csr_array((plan.cells.n_places, 0)), csr_array((plan.n_means, 0))
    found = curvature(plan, GRID, d, mean, sd, *none)
    weight = np.log(GRID.step) - np.log(sd * np.sqrt(2 * np.pi))
    expected, *_ = value_and_gradient(
        plan.units, GRID.first, GRID.step, np.tile(weight[:, None], (1, GRID.size)), sd**-2, d,
        plan.slopes, sum_scores(plan, plan.slopes), mean,
    )  # fmt: skip
    assert found.value == pytest.approx(expected, rel=1e-12)
