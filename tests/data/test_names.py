"""Names at the door: cleaned where they cannot be printed, distinct, and otherwise untouched."""

import string
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ilhte_bayes as il
from ilhte_bayes.data.integer_codes import encode
from ilhte_bayes.data.names import LONGEST, printable, printable_names

FINE = [
    "q1",
    "",
    " q 2",
    "<b>",
    "=1+1",
    "Zoë",
    "日本",
    "می\u200cخواهم",
    "👩\u200d🏫",
    "\u05d0\u200f",
    "a&b",
]


def test_names_that_can_be_printed_are_left_alone():
    assert printable_names(FINE) == FINE
    column = encode(pd.Series(FINE[:1] + FINE[2:]))
    assert column.renamed == () and set(column.texts) == set(FINE) - {""}


@pytest.mark.parametrize(
    "name, shown",
    [("a\r\nb\tc", "a b c"), ("\x00", "�"), ("\x1b[31mred", "�[31mred"), ("\u202eevil\u202c", "�evil�"),
     ("\x85", " "), ("half \ud83d", "half �"), ("\ufeffid", "�id")],
)  # fmt: skip
def test_what_would_be_obeyed_is_shown(name, shown):
    assert printable(name) == shown


@given(st.lists(st.text(st.characters(codec=None), max_size=8), unique=True, max_size=20))
def test_cleaned_names_are_distinct_and_hold_nothing_to_obey(texts):
    names = printable_names(texts)
    assert len(set(names)) == len(texts)
    for name in names:
        assert not {unicodedata.category(c) for c in name} & {"Cc", "Cs"}
        name.encode()  # a file can hold it
    assert printable_names(names) == names  # once is enough


def test_a_document_is_no_name():
    long = [string.ascii_letters * 10**5 + end for end in "xy"]
    names = printable_names(["q1", *long])
    assert all(len(name) <= LONGEST for name in names)
    assert names[1].endswith("(5,200,001 characters)") and len(set(names)) == 3


def test_rows_keep_their_level_and_the_reader_is_told(make_trial):
    table = make_trial()
    odd = table.replace({"item": {"q1": "q\n1", "q2": "q 1", "q3": "q\t1"}})
    with pytest.warns(
        il.errors.IlhteWarning, match=r"'item' holds 2 name\(s\) with line ends.*as.*'q 1 \(2\)'"
    ):
        model = il.Model("resp ~ treat + (1 | id) + (1 | item)", odd)
    group = model.design.group("item")
    assert set(group.labels) == {"q 1", "q 1 (2)", "q 1 (3)", "q4", "q5", "q6"}
    assert np.bincount(group.level, model.design.count).tolist() == [40.0] * 6
    again = encode(odd["item"].astype("category"))
    assert again.renamed and set(again.texts) == set(group.labels)


@pytest.mark.parametrize("name", ["tre\nat", "treat\x00", "t" * 201])
def test_a_column_whose_name_cannot_be_printed_is_refused(make_trial, name):
    table = make_trial().rename(columns={"treat": name})
    with pytest.raises(il.errors.DataError, match=r"in its name, or more than 200 .* Rename"):
        il.il_hte(table, treatment=name)
