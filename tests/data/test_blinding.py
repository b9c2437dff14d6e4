"""Blinded tables: nothing of the answers is left but which are missing."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


def test_answers_say_nothing(make_trial):
    table = make_trial()
    one, two = il.blinded(table), il.blinded(table.assign(resp=1 - table["resp"]))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(one.drop(columns="resp"), table.drop(columns="resp"))
    assert set(one["resp"]) == {0, 1}
    assert not il.blinded(table, seed=2)["resp"].equals(one["resp"])


def test_answers_that_are_not_there_yet(make_trial):
    table = make_trial().drop(columns="resp")
    found = il.blinded(table, categories=["no", "perhaps", "yes"])
    assert set(found["resp"]) == {"no", "perhaps", "yes"} and "resp" not in table


def test_missing_answers_stay_missing(make_trial):
    table = make_trial()
    table["resp"] = table["resp"].astype(float).where(np.arange(len(table)) % 7 > 0)
    np.testing.assert_array_equal(il.blinded(table)["resp"].isna(), table["resp"].isna())


def test_the_model_knows(make_trial):
    assert il.il_hte(il.blinded(make_trial())).source == "a table in memory, answers blinded"
    with pytest.raises(il.errors.DataError, match="two categories or more"):
        il.blinded(make_trial(), categories=[1])
