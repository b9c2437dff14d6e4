"""Containment: counts against the ranks of the columns themselves, and SD173's printed numbers."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.degrees_of_freedom import (
    constant_within,
    containment,
    rank_contributions,
)
from ilhte_bayes.estimands.levels import levels_above


def ranks_by_brute_force(design):
    """What each random column's dummies add to the rank of all columns before them."""
    x = design.x[design.pattern]
    if design.n_cuts:
        x = np.column_stack([np.ones(len(x)), x[:, design.n_cuts :]])
    columns, rank, out = [x], np.linalg.matrix_rank(x), {}
    for name in levels_above(design):
        group = design.group(name)
        for k, column in enumerate(group.columns):
            z = np.zeros((design.n_rows, group.n_levels))
            z[np.arange(design.n_rows), group.level] = group.z[design.pattern, k]
            columns.append(z)
            now = np.linalg.matrix_rank(np.hstack(columns))
            out[name, column], rank = int(now - rank), now
    return out


@pytest.fixture(scope="module")
def district():
    """Unbalanced: a school without any variation of lep, teachers of one student kind."""
    rng, n = np.random.default_rng(1), 200
    table = pd.DataFrame(
        {
            "school": rng.integers(0, 8, n),
            "teacher": rng.integers(0, 5, n),
            "item": rng.integers(0, 7, n),
            "lep": rng.integers(0, 2, n),
            "ec": (rng.random(n) < 0.15).astype(int),
            "y": rng.integers(0, 2, n),
            "grade": rng.integers(0, 3, n),
        }
    )
    table["teacher"] += 10 * table["school"]  # ids of their own
    table["years"] = table["teacher"] % 7 * 1.0
    table["frl"], table["treat"] = table["school"] ** 2 % 5 * 0.1, table["school"] % 2
    table.loc[table["school"] == 3, "lep"] = 0
    return table


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ 1 + (1 | school/teacher)",
        "y ~ lep + ec + (lep + ec || school/teacher)",
        "y ~ lep + ec + years + frl + treat + (lep + ec || school/teacher) + (1 | item)",
        "y ~ lep * frl + (lep | school)",
        "y ~ years + (1 | school) + (years | school:teacher)",
        "y ~ lep + (1 | school) + (1 | item) + (1 | school:item)",
    ],
)
def test_contributions_are_ranks(district, formula):
    design = il.Model(formula, district).design
    assert rank_contributions(design).random == ranks_by_brute_force(design)


def test_ordinal_answers_count_every_threshold_once(district):
    formula = "grade ~ lep + (lep || school/teacher)"
    design = il.Model(formula, district, family="cumulative").design
    ranks = rank_contributions(design)
    assert ranks.random == ranks_by_brute_force(design)
    assert ranks.residual == 200 - 3 - sum(ranks.random.values())


def growth(formula):
    """120 children at 4 times, as SD173's examples 3 and 4."""
    child = np.repeat(np.arange(120), 4)
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"child": child, "month": np.tile([0, 8, 12, 20], 120)})
    table["sex"], table["y"] = child % 2, rng.integers(0, 2, 480)
    return il.Model(formula, table).design


@pytest.mark.parametrize(
    "formula, printed",
    [
        ("y ~ 1 + (1 | child)", {"Intercept": 119}),
        ("y ~ month + (1 | child)", {"Intercept": 119, "month": 359}),
        ("y ~ month + sex + (1 | child)", {"Intercept": 118, "month": 359, "sex": 359}),
    ],
)
def test_sd173_growth(formula, printed):
    assert containment(growth(formula))[0] == printed


@pytest.mark.parametrize("family, residual", [("bernoulli", 72279), ("cumulative", 72278)])
def test_sd173_organisational(family, residual):
    """73,671 students of 1,390 teachers (as its degrees of freedom say) in 140 schools."""
    n = 73_671
    teacher = np.arange(n) % 1390
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"teacher": teacher, "school": teacher % 140})
    table["lep"], table["ec"] = rng.integers(0, 2, (2, n))
    table["y"] = rng.integers(0, 2 if family == "bernoulli" else 3, n)
    design = il.Model("y ~ lep + ec + (1 | school/teacher)", table, family).design
    found, _ = containment(design)
    assert set(found.values()) == {139, residual}
    assert found["lep"] == found["ec"] == residual


def test_constant_within(district):
    design = il.Model("y ~ lep + frl + treat + (1 | school)", district).design
    assert constant_within(design, design.group("school")).tolist() == [True, False, True, True]


def test_unordered_categories_count_each_logit_apart(district):
    formula = "grade ~ lep + (lep || school)"
    binary = il.Model(formula.replace("grade", "y"), district).design
    several = il.Model(formula, district, family="multinomial").design
    alone, found = rank_contributions(binary).random, rank_contributions(several).random
    for (group, column), own in alone.items():
        for category in (1, 2):
            assert found[group, f"{category}: {column}"] == own
