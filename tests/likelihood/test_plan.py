"""Persons who are equal for the likelihood are counted once, and nobody is lost."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.likelihood.plan import make_plan
from tests.likelihood.test_kernel import FORMULAS, a_plan, a_trial

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


def test_a_table_without_covariates_collapses_to_arms_and_scores():
    table = a_trial(1, n=400, share_missing=0.0).drop_duplicates(["id", "item"])
    plan = a_plan("counts", table)
    assert plan.n_tables == 2
    assert plan.n_units <= 2 * 7
    assert plan.units.unit_count.sum() == 400


def test_booklets_share_tables():
    table = a_trial(1, n=300, share_missing=0.0).drop_duplicates(["id", "item"])
    table = table[(table["item"] < 4) | (table["id"] % 3 == 0)]
    assert a_plan("counts", table).n_tables == 4  # two booklets in two arms


@pytest.mark.parametrize("slope_group", [None, "item"])
@pytest.mark.parametrize("name", FORMULAS)
def test_each_person_is_in_a_unit_that_answered_alike(name, slope_group):
    """Cells, sum score and mean of every person by a plain loop, against those of the unit."""
    table = a_trial(4)
    plan = a_plan(name, table, slope_group=slope_group)
    units, level = plan.units, plan.group.level
    table_of = np.repeat(np.arange(plan.n_tables), np.diff(units.unit_start))
    design = plan.rows
    for person, unit in enumerate(plan.person_unit):
        rows = np.flatnonzero(level == person)
        cells = np.bincount(plan.row_cell[rows], design.count[rows], plan.n_cells)
        t = table_of[unit]
        entries = slice(units.table_start[t], units.table_start[t + 1])
        own = np.bincount(units.entry_cell[entries], units.entry_count[entries], plan.n_cells)
        np.testing.assert_array_equal(own, cells)
        assert plan.score[unit] == design.count[rows] @ design.score[rows]
        if plan.answered is not None:
            start, slope = plan.answered
            ones = units.cell_slope[plan.row_cell[rows]]
            ones = np.repeat(ones, design.count[rows] * design.score[rows])
            assert sorted(slope[start[unit] : start[unit + 1]]) == sorted(ones)
    np.testing.assert_array_equal(units.unit_count, np.bincount(plan.person_unit))


def test_covariates_of_persons_shift_abilities_of_partial_credit_too():
    """Six categories: sums of real columns over five steps are multiples but for rounding."""
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(20), 6)
    table = pd.DataFrame({"id": person, "item": np.tile(np.arange(6), 20)})
    table["pre"], table["y"] = rng.normal(size=20)[person], np.arange(120) % 6
    model = il.Model("y ~ pre + (1 | id) + (1 | item)", table, "adjacent")
    plan = make_plan(model.rows, "id")
    assert [model.design.terms[k] for k in plan.means.terms] == ["pre"]
    assert (plan.n_cells, plan.n_steps, plan.cells.n_places) == (6, 5, 30)
    assert plan.score.sum() <= table["y"].sum()
