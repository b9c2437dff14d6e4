"""Rows with a missing value are dropped once, and counted by column, item and arm."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError

FORMULA = "resp ~ treat + pre + (1 | id) + (treat | item)"


@pytest.fixture
def gaps(make_trial):
    trial = make_trial()
    return trial.assign(
        resp=trial["resp"].mask(trial.index % 7 == 0), pre=trial["pre"].mask(trial.index % 5 == 0)
    )


def test_counts_of_dropped_rows_are_pandas_own(gaps):
    model = il.Model(FORMULA, gaps)
    dropped = model.responses.dropped
    lost = gaps[gaps[["resp", "pre"]].isna().any(axis=1)]
    assert dropped.n_rows == len(lost)
    assert dropped.by_column == {"resp": gaps["resp"].isna().sum(), "pre": gaps["pre"].isna().sum()}
    assert dropped.by_item == lost["item"].value_counts().to_dict()
    assert dropped.by_arm == lost["treat"].astype(str).value_counts().to_dict()
    assert model.design.n_obs == model.design.count.sum() == len(gaps) - len(lost)


def test_dropping_here_is_dropping_before(gaps):
    here = il.Model(FORMULA, gaps).responses
    before = il.Model(FORMULA, gaps.dropna(subset=["resp", "pre"])).responses
    assert here.fingerprint() == before.fingerprint()


def test_gaps_in_columns_that_the_formula_does_not_use_drop_nothing(gaps):
    model = il.Model("rate >= 2 ~ treat + (1 | id)", gaps)
    assert model.responses.dropped.n_rows == 0 and model.flow is None


def test_levels_whose_rows_are_all_dropped_are_gone(make_trial):
    trial = make_trial().astype({"item": "category"})
    trial["resp"] = trial["resp"].mask(trial["item"] == "q3")
    model = il.Model("resp ~ treat + (1 | item) + (1 | id)", trial)
    assert model.design.group("item").labels.tolist() == ["q1", "q2", "q4", "q5", "q6"]


def test_a_gap_in_the_treatment_itself_is_counted_as_such(make_trial):
    trial = make_trial()
    trial["treat"] = trial["treat"].mask(trial["id"] == 3)
    dropped = il.Model("resp ~ treat + (1 | id)", trial).responses.dropped
    assert dropped.by_arm == {"(missing)": 6}


@pytest.mark.parametrize("column", ["resp", "pre"])
def test_a_column_that_is_missing_throughout_is_named(make_trial, column):
    with pytest.raises(DataError, match=f"column '{column}' is missing in all rows"):
        il.Model(FORMULA, make_trial().assign(**{column: np.nan}))


def test_no_complete_row_names_the_worst_column(make_trial):
    trial = make_trial()
    trial["resp"] = trial["resp"].mask(trial.index < 100)
    trial["pre"] = trial["pre"].mask(trial.index >= 60)
    with pytest.raises(DataError, match="column 'pre' is missing in 180 of 240 rows"):
        il.Model(FORMULA, trial)


def test_text_that_says_missing_is_missing_in_frames_too(make_trial):
    trial = make_trial()
    trial["trt"] = trial["trt"].mask(trial["id"] == 3, "NA").mask(trial["id"] == 4, "")
    dropped = il.Model("resp ~ trt + (1 | id)", trial).responses.dropped
    assert dropped.by_column == {"trt": 12}


def test_none_as_text_is_a_level(make_trial):
    trial = make_trial()
    trial["trt"] = trial["trt"].replace({"placebo": "None", "drug": "null"})
    model = il.Model("resp ~ trt + (1 | id)", trial)
    assert model.design.terms == ("Intercept", "trt[T.null]")
    assert model.responses.dropped.n_rows == 0
