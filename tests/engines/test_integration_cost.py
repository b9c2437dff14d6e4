"""When NUTS sums a group out: tests of items, not classrooms of students who all differ."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.engines.integration_cost import worth_integrating

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


def pilot(formula: str, table: pd.DataFrame, **options) -> il.Fit:
    return il.laplace(il.Model(formula, table, **options), objective="map")


@pytest.mark.parametrize("family", ["bernoulli", "cumulative"])
def test_persons_on_a_test_are_summed_out(family):
    """Nobody's answers are missing and persons share everything: a few hundred units."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"id": np.repeat(np.arange(800), 10), "item": np.tile(np.arange(10), 800)})
    table["treat"] = table["id"] % 2
    categories = 2 if family == "bernoulli" else 3
    table["y"] = rng.integers(0, categories, len(table))
    assert worth_integrating(pilot("y ~ treat + (1 | id) + (1 | item)", table, family=family), "id")


def test_schools_of_students_who_all_differ_are_sampled():
    """40,000 students with a pretest each, in 150 schools: sampling 150 effects is far cheaper."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"school": rng.integers(0, 150, 40_000)})
    table["pre"] = rng.normal(size=len(table)).round(4)
    eta = rng.normal(size=150)[table["school"]] + rng.logistic(size=len(table))
    table["y"] = (eta > 0).astype(int)
    fit = pilot("y ~ pre + (1 | school)", table)
    assert not worth_integrating(fit, "school")


def test_a_small_table_is_always_summed_out():
    table = il.load_dataset("bacteria")
    assert worth_integrating(pilot("yy ~ week + (1 | ID)", table), "ID")
