"""Tables as given: what is refused, and which name the reader probably meant."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import ilhte_bayes as il
from ilhte_bayes.data.open_table import open_table, require_columns
from ilhte_bayes.errors import DataError


def test_a_frame_is_not_copied(make_trial):
    trial = make_trial()
    assert open_table(trial) is trial


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.iloc[:0], "the table has no rows"),
        (lambda t: pd.DataFrame(), "the table has no columns"),
        (lambda t: pd.concat([t, t[["treat"]]], axis=1), "column 'treat' more than once"),
        (lambda t: t.set_axis(pd.MultiIndex.from_product([["a"], t]), axis=1), "2 rows of column"),
        (lambda t: pa.Table.from_pandas(t), r"of type pyarrow.Table.*table.to_pandas\(\)"),
        (lambda t: t.to_dict("list"), r"of type dict.*pd.DataFrame\(table\)"),
        (lambda t: t["resp"], "of type pandas.Series"),
        (lambda t: t.to_numpy(), "of type numpy.ndarray.*Give a pandas DataFrame"),
        (lambda t: None, "of type NoneType"),
    ],
)
def test_what_is_no_table_is_refused(make_trial, change, said):
    with pytest.raises(DataError, match=said):
        open_table(change(make_trial()))


def test_a_lazy_frame_is_told_how_to_become_one():
    class LazyFrame:
        def collect(self):
            return None

    with pytest.raises(DataError, match=r"table.collect\(\).to_pandas\(\)"):
        open_table(LazyFrame())  # type: ignore[arg-type]


def test_columns_named_by_numbers_are_read(make_trial):
    trial = make_trial().rename(columns={"treat": 5})
    assert il.Model("resp ~ `5` + (1 | id)", trial).design.terms == ("Intercept", "5")


@pytest.mark.parametrize(
    "change, name, said",
    [
        (lambda t: t, "treet", "Did you mean 'treat'"),
        (lambda t: t, "TREAT", "Did you mean 'treat'"),
        (lambda t: t.rename(columns={"treat": " treat"}), "treat", r"' treat' \(mind the space\)"),
        (lambda t: t.set_index("id"), "id", r"'id' is in the index: table.reset_index\(\)"),
        (lambda t: t, "zzz", "Check its spelling"),
    ],
)
def test_a_missing_column_comes_with_a_suggestion(make_trial, change, name, said):
    with pytest.raises(DataError, match=rf"column '{name}' not found; .*{said}"):
        require_columns(change(make_trial()), [name])


def test_a_wide_table_is_told_how_to_become_long(make_trial):
    trial = make_trial()
    wide = trial.pivot(index=["id", "treat"], columns="item", values="resp").reset_index()
    with pytest.raises(DataError, match=r"each item has a column of its own.*") as caught:
        il.il_hte(wide)
    # the advice works as it stands
    advice = str(caught.value)
    code = advice[advice.index("table.melt") :].rstrip(".")
    long = eval(code, {"table": wide})
    assert il.il_hte(long).design.n_obs == len(trial)


def test_the_index_plays_no_part(make_trial):
    trial = make_trial()
    expected = il.il_hte(trial).responses.fingerprint()
    same_label = trial.set_axis(np.zeros(len(trial)))
    several = trial.set_index(["id", "item"], drop=False).rename_axis([None, None])
    gap = trial.assign(resp=trial["resp"].mask(trial.index == 3))
    assert il.il_hte(same_label).responses.fingerprint() == expected
    assert il.il_hte(several).responses.fingerprint() == expected
    once = il.il_hte(gap)
    twice = il.il_hte(gap.set_axis(np.zeros(len(gap))))
    assert once.responses.fingerprint() == twice.responses.fingerprint()
    assert once.flow is not None and once.flow.equals(twice.flow)
