"""Centring: means over rows, within groups, and what was subtracted."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "school": ["a", "a", "b"],
            "ses": [1.0, 3.0, 8.0],
            "age": [6, 7, 11],
            "sex": ["f", "m", "f"],
        }
    )


def test_grand_means_over_rows(frame):
    table, subtracted = il.centre(frame, ["ses", "age"])
    assert table["ses"].tolist() == [-3.0, -1.0, 4.0]
    assert subtracted.loc["all rows"].to_dict() == {"ses": 4.0, "age": 8.0}
    assert frame["ses"].tolist() == [1.0, 3.0, 8.0]  # the caller's table is as it was


def test_group_means(frame):
    table, subtracted = il.centre(frame, "ses", by="school")
    assert table["ses"].tolist() == [-1.0, 1.0, 0.0]
    assert subtracted["ses"].to_dict() == {"a": 2.0, "b": 8.0}


def test_missing_values_stay_and_count_in_no_mean(frame):
    frame.loc[2, "ses"] = np.nan
    table, subtracted = il.centre(frame, "ses")
    assert subtracted.loc["all rows", "ses"] == 2.0
    assert table["ses"].isna().tolist() == [False, False, True]


def test_it_says_what_was_subtracted(frame):
    assert "all rows  4.0" in repr(il.centre(frame, "ses"))
    assert "<table" in il.centre(frame, "ses")._repr_html_()


@pytest.mark.parametrize(
    "columns, by, words",
    [
        ("income", None, "'income' not found"),
        ("sex", None, "'sex' holds"),
        ("ses", "sess", "Did you mean 'ses'"),
        ("age", "age", "Name another column"),
    ],
)
def test_refusals_say_what_to_do(frame, columns, by, words):
    with pytest.raises(il.errors.DataError, match=words):
        il.centre(frame, columns, by)


def test_rows_without_a_group_are_refused(frame):
    frame.loc[0, "school"] = None
    with pytest.raises(il.errors.DataError, match="1 row"):
        il.centre(frame, "ses", by="school")
