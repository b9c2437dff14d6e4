"""Columns become codes: what is missing, in which order, and what cannot be told apart."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilhte_bayes.data.integer_codes import cross, encode, natural_order, ranked, used
from ilhte_bayes.errors import DataError


def column(values, **options) -> pd.Series:
    return pd.Series(values, name="x", **options)


def decoded(values, **options) -> list:
    """Codes turned back into values; missing is None."""
    coded = encode(column(values, **options))
    labels = [*coded.labels().tolist(), None]
    return [labels[code] for code in coded.code]


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 2, 3],
        [-5, 3, 10**12],
        [0.5, -1.25, 0.5],
        ["b", "a", "b"],
        np.array([2**63 + 1, 1], dtype=np.uint64),
        np.array([7, 7, 9], dtype=np.int8),
        pd.Categorical(["b", "a"], categories=["z", "b", "a"]),
        pd.array([1, 3], dtype="Int64"),
        pd.array([1.5, 2.5], dtype="double[pyarrow]"),
        pd.array(["a", "b"], dtype="string[pyarrow]"),
    ],
    ids=str,
)
def test_codes_turn_back_into_the_values(values):
    assert decoded(values) == list(values)


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1.0, np.nan, 2.0], [1, None, 2]),
        (["a", None, "", "NA", "NaN", "None", "null", "nan"], [
            "a", None, None, None, None, "None", "null", "nan"
        ]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pd.array([True, None], dtype="boolean"), ["True", None]),
        (pd.Categorical(["NA", "b", None]), [None, "b", None]),
        ([True, None, False], ["True", None, "False"]),
        (pd.to_datetime(["2024-02-29", None]), ["2024-02-29", None]),
    ],
    ids=str,
)  # fmt: skip
def test_only_empty_cells_na_and_nan_are_missing(values, expected):
    assert decoded(values) == expected


@pytest.mark.parametrize(
    "values, kind",
    [
        ([1, 2], "number"),
        ([1.5, 2], "number"),
        ([decimal.Decimal("1.5"), None], "number"),
        ([True, None], "bool"),
        (["a"], "text"),
        ([1, "a"], "text"),
        ([None, None], "text"),
        (pd.Categorical([2, 1]), "categorical"),
        (pd.cut([1, 5, 9], 3), "categorical"),
        ([datetime.date(2024, 2, 29)], "time"),
        (pd.to_timedelta([1, 2], unit="D"), "time"),
        ([1j, 2j], "other"),
        ([b"a"], "other"),
    ],
    ids=str,
)
def test_kinds_of_columns(values, kind):
    assert encode(column(values)).kind == kind


def test_numbers_sort_by_value_and_text_naturally():
    assert natural_order(["q10", "q2", "b", "q2b", "q1"]) == ["b", "q1", "q2", "q2b", "q10"]
    assert encode(column([10, 9, 2])).values.tolist() == [2, 9, 10]
    assert encode(column(["q10", "q9"])).values.tolist() == ["q9", "q10"]


def test_a_categorical_keeps_its_order_and_loses_unused_levels_on_request():
    coded = encode(column(pd.Categorical(["b", "a"], categories=["z", "b", "a"], ordered=True)))
    assert coded.values.tolist() == ["z", "b", "a"] and coded.ordered
    assert used(coded).values.tolist() == ["b", "a"]
    assert used(coded).code.tolist() == [0, 1]


def test_whole_numbers_stored_as_floating_point_are_named_as_whole():
    assert encode(column([1.0, 2.0])).labels().tolist() == [1, 2]
    assert encode(column([1.0, 2.5])).texts == ["1.0", "2.5"]


def test_ids_rounded_by_floating_point_are_refused():
    # 2**53 and 2**53 + 1 are one number as float64: two persons would have become one
    coded = encode(column([float(2**53), 1.0]))
    with pytest.raises(DataError, match=r"column 'x' holds ids such as 9007199254740992.*dtype"):
        coded.labels()


def test_twenty_digits_are_kept():
    assert decoded([2**70, 2**70 + 1]) == [str(2**70), str(2**70 + 1)]


def test_a_number_beside_the_same_number_as_text_is_refused():
    with pytest.raises(DataError, match="both the number 1 and the text '1'"):
        encode(column([1, "1", "a"]))


def test_lists_are_refused():
    with pytest.raises(DataError, match="column 'x' holds values of type list"):
        encode(column([[1], [2]]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50))
def test_ranks_are_numpys(numbers):
    values, code = ranked(np.array(numbers))
    expected, inverse = np.unique(numbers, return_inverse=True)
    assert np.array_equal(values, expected) and np.array_equal(code, inverse)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), min_size=1, max_size=60))
def test_pairs_are_numbered_in_order(pairs):
    outer, inner = (np.array(part, dtype=np.int32) for part in zip(*pairs, strict=True))
    code, outer_at, inner_at = cross(outer, inner)
    found = list(zip(outer_at.tolist(), inner_at.tolist(), strict=True))
    assert found == sorted(set(pairs))
    assert [found[at] for at in code] == pairs
