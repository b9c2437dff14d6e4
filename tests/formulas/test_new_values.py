"""Design rows at covariate values of the caller's choice are those of the table's own rows."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.formulas.new_values import new_rows

FORMULA = "resp ~ trt * scale(pre) + poly(age, 2) + (1 + trt | item) + (1 | id)"


def rows_at(model, at):
    return new_rows(model.formula, model.responses, model.design, at)


@pytest.fixture(scope="module")
def trial(make_trial):
    return make_trial()


def test_the_tables_own_values_give_the_designs_own_rows(trial):
    model = il.Model(FORMULA, trial)
    patterns = model.responses.patterns
    rows = rows_at(model, pd.DataFrame(patterns))
    np.testing.assert_allclose(rows.x, model.design.x, atol=1e-12)
    for group in model.design.groups:
        np.testing.assert_allclose(rows.z[group.name], group.z, atol=1e-12)
    assert rows.held == ()


def test_every_combination_in_order(trial):
    rows = rows_at(il.Model(FORMULA, trial), {"trt": ["placebo", "drug"], "pre": [0, 1, 2]})
    assert rows.values["trt"].tolist() == ["placebo"] * 3 + ["drug"] * 3
    assert rows.values["pre"].tolist() == [0, 1, 2] * 2
    assert rows.x.shape == (6, 6)


def test_what_is_left_out_is_at_0_or_the_reference_and_said(trial):
    rows = rows_at(il.Model(FORMULA, trial), {"pre": 1.0})
    assert rows.held[0] == "trt = drug"  # first in sorted order
    assert rows.held[1].startswith("age = 0 (the table has 2")  # nobody is 0 years old


def test_thresholds_have_no_columns(trial):
    model = il.Model("rate ~ treat + (1 | id)", trial, family="cumulative")
    np.testing.assert_array_equal(rows_at(model, {"treat": [0, 1]}).x, [[0, 0, 0, 0], [0, 0, 0, 1]])


def test_numbers_may_be_named_as_the_data_set_names_them():
    model = il.il_hte(il.load_dataset("caffeine"), response="resp >= 2")
    rows = rows_at(model, {"treat": ["placebo", "caffeine"]})
    assert rows.x[:, 1].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "at, words",
    [
        ({"age_": 3}, "'age_' is not a covariate"),
        ({"trt": "surgery"}, "no level 'surgery'; it has"),
        ({"pre": "high"}, "cannot be 'high': give a number"),
        ({"pre": np.nan}, "cannot be nan"),
        ({"pre": []}, "no value is given"),
    ],
)
def test_refusals(trial, at, words):
    with pytest.raises(il.errors.DataError, match=words):
        rows_at(il.Model(FORMULA, trial), at)


def test_functions_of_all_rows_are_refused(trial):
    model = il.Model("resp ~ I(pre - pre.mean()) + (1 | id)", trial)
    with pytest.raises(il.errors.FormulaError, match="may look at all rows"):
        rows_at(model, {"pre": 0})
