"""Parts of ordinal answers: every answer finds its own rows among those it was split into."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.formulas.cuts import ABOVE, BELOW, GAP, parts_of


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
