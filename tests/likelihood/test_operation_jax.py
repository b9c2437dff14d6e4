"""The likelihood in JAX: value and gradient are those of the compiled loops."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.likelihood.kernel import value_and_gradient
from ilhte_bayes.likelihood.plan import make_plan, sum_scores

jax = pytest.importorskip("jax", reason="jax is not installed: pip install 'ilhte-bayes[jax]'")

FORMULAS = {
    "counts": "y ~ treat + (1 | id) + (treat | item)",
    "covariate": "y ~ treat + pre + (1 | id) + (treat | item)",
    "by arm": "y ~ treat + (0 + C(treat) || id) + (treat | item)",
    "slope": "y ~ treat + (0 + time | id) + (1 | item)",
}


def a_plan(name: str):
    """Twenty persons, two arms, answers missing at random: tables of different cells."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"id": np.repeat(np.arange(20), 5), "item": np.tile(np.arange(5), 20)})
    table["treat"] = table["id"] % 2
    table["pre"] = rng.normal(size=20).round(1)[table["id"]]
    table["time"] = rng.normal(size=len(table)).round(2)
    table["y"] = rng.integers(0, 2, len(table))
    table = table[rng.random(len(table)) > 0.2]
    return make_plan(il.Model(FORMULAS[name], table, roles={"treatment": "treat"}).rows, "id")


@pytest.mark.parametrize("dense", [True, False], ids=["products", "by number"])
@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_gradient_are_those_of_the_loops(name, dense, monkeypatch):
    from ilhte_bayes.likelihood import operation_jax

    if not dense:
        monkeypatch.setattr(operation_jax, "_DENSE", 0)
    plan, rng = a_plan(name), np.random.default_rng(1)
    first, step, nodes = -8.0, 0.4, 41
    slope = plan.slopes * rng.uniform(0.7, 1.3, plan.slopes.size)
    parameters = (
        np.log(step) + rng.normal(0, 0.3, (len(plan.classes), nodes)),
        rng.uniform(0.3, 2.0, len(plan.classes)),
        rng.normal(0, 1.5, plan.n_cells),
        slope,
        sum_scores(plan, slope).astype(float),
        rng.normal(0, 0.8, plan.n_means),
    )
    expected = value_and_gradient(plan.units, first, step, *parameters)

    def value(*parameters):
        return operation_jax.log_likelihood(*parameters, first, step, plan.units)

    found = jax.value_and_grad(value, argnums=tuple(range(6)))(*parameters)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-11)
    for ours, theirs in zip(found[1], expected[1:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)
