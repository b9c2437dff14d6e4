"""Answers counted by their linear predictor: the same likelihood as row by row."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.formulas.cuts import ABOVE, GAP
from ilhte_bayes.likelihood.answers import (
    binary_answers,
    gap_log_likelihood,
    gaps,
    without_gaps,
)

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

MODELS = {
    "binary": ("y > 1 ~ lep + (lep || school/class)", {}),
    "ordinal": ("y ~ lep + (lep || school/class)", {"family": "cumulative"}),
    "thresholds by item": (
        "y ~ lep + (1 | school/class) + (lep | item)",
        {"family": "cumulative", "thresholds": "item", "roles": {"item": "item"}},
    ),
}


def students(n: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"school": rng.integers(0, 4, n), "lep": rng.integers(0, 2, n)})
    table["class"] = table["school"] * 5 + rng.integers(0, 5, n)
    table["item"], table["y"] = rng.integers(0, 3, n), rng.integers(0, 4, n)
    return table


@pytest.mark.parametrize("name", MODELS)
def test_counted_answers_have_the_likelihood_of_the_rows(name):
    formula, options = MODELS[name]
    model = il.Model(formula, students(), **options)
    rows, rng = model.rows, np.random.default_rng(1)
    beta = rng.normal(0, 0.4, len(rows.terms))
    beta[: rows.n_cuts] = np.arange(rows.n_cuts) - 1.0
    effects = {g.name: rng.normal(0, 0.2, (g.n_levels, g.n_columns)) for g in rows.groups}
    eta = (rows.x @ beta)[rows.pattern]
    for g in rows.groups:
        eta += np.einsum("rk,rk->r", g.z[rows.pattern], effects[g.name][g.level])
    expected = model.family.log_probability(eta, rows.score, rows.count)

    counted = binary_answers(rows)
    at = counted.predictor.value(beta, effects)
    found = counted.ones @ at - counted.count @ np.logaddexp(0, at)
    if rows.n_cuts:
        between = gaps(rows)
        found += gap_log_likelihood(between, beta, effects)
        items = 3 if name == "thresholds by item" else 1
        assert between.count.size == items * (rows.n_cuts - 1)
        assert between.count.sum() == students()["y"].isin([1, 2]).sum()
    assert found == pytest.approx(expected, rel=1e-12)  # the same sum in another order
    assert counted.count.size < 0.6 * rows.n_rows  # 900 students in at most 40 kinds by threshold


@pytest.mark.parametrize("name", ["binary", "ordinal"])
def test_every_answer_is_counted_once(name):
    formula, options = MODELS[name]
    rows = il.Model(formula, students(), **options).rows
    counted = binary_answers(rows)
    kept = rows.score != GAP if rows.n_cuts else np.ones(rows.n_rows, bool)
    assert counted.count.sum() == rows.count[kept].sum()
    assert counted.ones.sum() == rows.count[kept & (rows.score == ABOVE)].sum()


def test_without_gaps_keeps_the_binary_rows_as_they_are():
    rows = il.Model(*MODELS["ordinal"][:1], students(), family="cumulative").rows
    left, kept = without_gaps(rows), rows.score != GAP
    assert not (left.score == GAP).any()
    np.testing.assert_array_equal(left.x[left.pattern], rows.x[rows.pattern[kept]])
    np.testing.assert_array_equal(left.groups[0].level, rows.groups[0].level[kept])
    np.testing.assert_array_equal(
        left.groups[1].z[left.pattern], rows.groups[1].z[rows.pattern[kept]]
    )


def test_thresholds_that_cross_are_impossible():
    model = il.Model("y ~ lep + (1 | school)", students(), family="cumulative")
    beta = np.array([0.0, 0.5, 0.4, 0.0])
    assert gap_log_likelihood(gaps(model.rows), beta, {}) == -np.inf
