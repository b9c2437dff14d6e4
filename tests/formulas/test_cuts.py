"""Ordinal answers split at their thresholds: the same likelihood as the definition's."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.formulas.cuts import (
    ABOVE,
    BELOW,
    GAP,
    parts_of,
    split_answers,
    with_group_cuts,
    with_own_slopes,
)

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

FORMULA = "y ~ treat + pre + (1 | id) + (treat | item)"


def a_table(seed: int, n_categories: int, persons: int = 12, items: int = 5) -> pd.DataFrame:
    """Every category is chosen at least once; a third of the answers are missing, some doubled."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": np.repeat(np.arange(persons), items)})
    table["item"] = np.tile(np.arange(items), persons)
    table["treat"] = table["id"] % 2
    table["pre"] = rng.normal(size=persons).round(1)[table["id"]]
    table["y"] = rng.integers(0, n_categories, len(table))
    table.loc[: n_categories - 1, "y"] = np.arange(n_categories)
    kept = (rng.random(len(table)) > 0.3) | (table.index < 2 * items) | (table["item"] == 0)
    return pd.concat([table[kept], table.iloc[: 2 * items]], ignore_index=True)


def a_design(table: pd.DataFrame, kind: str):
    """Common thresholds, those of each item, slopes of their own, or both."""
    design = il.Model(FORMULA, table, family="cumulative", roles={"treatment": "treat"}).design
    if "item" in kind:
        design = with_group_cuts(design, "item")
    if "slopes" in kind:
        design = with_own_slopes(design, ["pre", "treat"])
    return design


def random_values(design, rng):
    """Thresholds in order for every item and covariate: what differs between them is small."""
    beta = rng.normal(0, 0.5, len(design.terms))
    beta[: design.n_cuts] = np.cumsum(rng.uniform(0.6, 1.5, design.n_cuts)) - 1.5
    for k, name in enumerate(design.terms):
        if ", " in name:
            beta[k] = rng.normal(0, 0.05)
    effects = {}
    for g in design.groups:
        scale = np.where(np.isin(g.columns, ["Intercept", "treat"]), 0.7, 0.05)
        effects[g.name] = rng.normal(size=(g.n_levels, g.n_columns)) * scale
    return beta, effects


def by_split(design, beta, effects):
    """Log-likelihood from the split rows."""
    rows = split_answers(design)
    eta = (rows.x @ beta)[rows.pattern]
    for g in rows.groups:
        eta += np.einsum("rk,rk->r", g.z[rows.pattern], effects[g.name][g.level])
    return il.families.cumulative.Cumulative().log_probability(eta, rows.score, rows.count)


def by_definition(table, design, beta, effects):
    """Sum of log P(Y = y), answer by answer, from the table's own columns."""
    beta = dict(zip(design.terms, beta, strict=True))
    cuts = list(beta)[: design.n_cuts]
    items = dict(zip(design.group("item").columns, effects["item"].T, strict=True))
    powers = np.vander(np.linspace(-1, 1, len(cuts)), increasing=True)
    total = 0.0
    for row in table.itertuples():
        eta = beta["treat"] * row.treat + beta["pre"] * row.pre + effects["id"][row.id, 0]
        eta += items["Intercept"][row.item] + items["treat"][row.item] * row.treat
        kappa = np.array([beta[cut] for cut in cuts])
        kappa -= [beta.get(f"pre, {cut}", 0.0) * row.pre for cut in cuts]
        kappa -= [beta.get(f"treat, {cut}", 0.0) * row.treat for cut in cuts]
        shapes = [name for name in items if name not in ("Intercept", "treat")]
        for degree, name in enumerate(shapes, start=1):
            # Gram-Schmidt, written out: the power less its projections on the lower ones
            shape = powers[:, degree].copy()
            for lower in range(degree):
                basis = np.linalg.qr(powers[:, : degree + 1])[0][:, lower]
                shape -= basis * (basis @ powers[:, degree])
            shape *= np.sqrt(len(cuts) / (shape @ shape))
            kappa += items[name][row.item] * shape
        passed = np.concatenate([[1.0], 1 - expit(kappa - eta), [0.0]])
        total += np.log(passed[row.y] - passed[row.y + 1])
    return total


@pytest.mark.parametrize("kind", ["common", "item", "slopes", "item slopes"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), n_categories=st.integers(3, 6))
def test_equals_the_definition(kind, seed, n_categories):
    table = a_table(seed, n_categories)
    design = a_design(table, kind)
    beta, effects = random_values(design, np.random.default_rng(seed))
    expected = by_definition(table, design, beta, effects)
    # rounding: the definition takes differences of probabilities, some as small as 1e-3
    assert by_split(design, beta, effects) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kind", ["common", "item", "slopes"])
def test_thresholds_and_locations_move_together(kind):
    """A constant on all thresholds and on every item's location changes nothing else."""
    table = a_table(3, 4)
    design = a_design(table, kind)
    beta, effects = random_values(design, np.random.default_rng(3))
    before = by_split(design, beta, effects)
    moved = beta.copy()
    moved[: design.n_cuts] += 0.7
    shifted = {**effects, "item": effects["item"].copy()}
    shifted["item"][:, 0] += 0.7
    assert by_split(design, moved, shifted) == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("n_categories", [3, 4, 7])
def test_deviations_of_an_items_thresholds_sum_to_zero(n_categories):
    design = a_design(a_table(1, n_categories), "item")
    items = design.group("item")
    assert items.n_columns == 2 + n_categories - 2
    np.testing.assert_allclose(items.cut_z.sum(axis=0), 0, atol=1e-13)
    shapes = items.cut_z[:, 2:]
    # of one size each, and independent: an SD is the mean-square deviation of a threshold
    np.testing.assert_allclose(
        shapes.T @ shapes / len(shapes), np.eye(n_categories - 2), atol=1e-13
    )
    assert items.blocks == ((0, 1), *((k,) for k in range(2, items.n_columns)))


def test_a_gap_is_counted_once_for_all_answers_in_it():
    table = a_table(5, 4)
    rows = split_answers(a_design(table, "common"))
    gaps = rows.score == GAP
    counts = table["y"].value_counts()
    assert sorted(rows.count[gaps]) == sorted(counts[[1, 2]])
    assert rows.count[rows.score == ABOVE].sum() == (table["y"] > 0).sum()
    assert rows.count[rows.score == BELOW].sum() == (table["y"] < 3).sum()


@pytest.mark.parametrize("thresholds", ["common", "item"])
def test_where_thresholds_are_counted_from_changes_no_effect(thresholds):
    """Every item easier by a constant: the thresholds take it up; b, rho and zeta are as before.

    The same answers, with the covariate `pre` counted from elsewhere: thresholds move by the
    slope times the shift, and nothing else does.
    """
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"id": np.repeat(np.arange(150), 8), "item": np.tile(np.arange(8), 150)})
    table["treat"] = table["id"] % 2
    table["pre"] = rng.normal(size=150).round(2)[table["id"]]
    easy, zeta = rng.normal(0, 1, 8), rng.normal(0.4, 0.5, 8)
    eta = rng.normal(size=150)[table["id"]] + easy[table["item"]] + 0.5 * table["pre"]
    eta += zeta[table["item"]] * table["treat"] + rng.logistic(size=len(table))
    table["y"] = np.searchsorted([-1.0, 0.3, 1.5], eta)
    options = {
        "family": "cumulative",
        "thresholds": thresholds,
        "roles": {"treatment": "treat", "item": "item"},
    }
    one = il.laplace(il.Model(FORMULA, table, **options))
    other = il.laplace(il.Model(FORMULA, table.assign(pre=table["pre"] + 3.0), **options))
    # two searches for the same maximum: each stops within 1e-4 of a standard error or so
    assert other.loglik == pytest.approx(one.loglik, abs=1e-7)
    a, b = one.coefficients, other.coefficients
    shift = np.where(np.arange(len(a)) < 3, 3.0 * a.loc["pre", "estimate"], 0.0)
    assert (np.abs(b["estimate"] - a["estimate"] - shift) < 1e-3 * a["se"]).all()
    for name in ("re_item", "sd_item", "corr_item"):
        np.testing.assert_allclose(other.mode[name], one.mode[name], atol=2e-4)


@pytest.mark.parametrize("thresholds", ["common", "item"])
def test_every_answer_finds_its_parts(thresholds):
    rng = np.random.default_rng(1)
    person, item = (grid.ravel() for grid in np.indices((12, 4)))
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2})
    table["resp"] = np.r_[0:4, rng.integers(0, 4, person.size - 4)]
    model = il.il_hte(table, family="cumulative", thresholds=thresholds)
    design, rows, parts = model.design, model.rows, parts_of(model.design)
    binary = np.flatnonzero(rows.score != GAP)
    gaps = np.flatnonzero(rows.score == GAP)
    level = {g.name: g.level for g in rows.groups}
    for name, kind, has in (("above", ABOVE, design.score > 0), ("below", BELOW, design.score < 3)):
        at = getattr(parts, name)
        np.testing.assert_array_equal(at >= 0, has)
        own = binary[at[has]]
        assert (rows.score[own] == kind).all() and np.unique(own).size == own.size
        for group in design.groups:
            np.testing.assert_array_equal(level[group.name][own], group.level[has])
        cut = design.score[has] - (kind == ABOVE)  # the threshold it lies above, or below
        np.testing.assert_array_equal(rows.x[rows.pattern[own], :3].argmin(axis=1), cut)
    between = (design.score > 0) & (design.score < 3)
    np.testing.assert_array_equal(parts.gap >= 0, between)
    own = gaps[parts.gap[between]]
    np.testing.assert_array_equal(  # the upper threshold enters with 1, the lower with -1
        rows.x[rows.pattern[own], :3].argmax(axis=1), design.score[between]
    )
    if thresholds == "item":
        same = design.group("item").level[between]
        np.testing.assert_array_equal(level["item"][own], same)
    counts = np.bincount(parts.gap[between], weights=design.count[between])
    np.testing.assert_array_equal(counts, rows.count[gaps])
