"""Responses: nothing is lost, nothing depends on the order of rows, and little memory is used."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, FormulaError

FORMULA = "resp ~ treat * pre + trt:age + (1 | school/id) + (treat | item)"


def decoded(model: il.Model) -> pd.DataFrame:
    """The rows that a model holds, with their values, each as often as it counts."""
    kept = model.responses
    rows = kept.patterns.iloc[kept.pattern].reset_index(drop=True)
    rows["resp"] = kept.score
    for group in model.design.groups:
        rows[group.name] = kept.coords[group.name][group.level]
    return rows.iloc[np.repeat(np.arange(kept.score.size), kept.count)]


def test_every_row_is_there_with_its_values(make_trial):
    trial = make_trial()
    model = il.Model("resp ~ treat + pre + trt:age + (1 | school/id) + (treat | item)", trial)
    found = decoded(model)
    expected = trial.assign(
        **{"school:id": trial["school"].astype(str) + ":" + trial["id"].astype(str)}
    )
    columns = ["treat", "pre", "trt", "age", "resp", "item", "school", "school:id"]
    by_value = [frame[columns].astype(str).map(lambda t: t.removesuffix(".0")).value_counts()
                for frame in (found, expected)]  # fmt: skip
    assert by_value[0].sort_index().equals(by_value[1].sort_index())


def test_identical_rows_are_kept_once():
    table = pd.DataFrame({"y": [0, 1] * 50, "x": [0, 0, 1, 1] * 25, "g": ["a", "b"] * 50})
    model = il.Model("y ~ x + (1 | g)", table)
    assert model.design.n_rows == 4 and model.design.count.tolist() == [25] * 4
    assert model.design.n_obs == 100


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_leaves_no_trace(make_trial, seed):
    trial = make_trial()
    shuffled = trial.sample(frac=1, random_state=seed)
    one, other = (il.Model(FORMULA, table) for table in (trial, shuffled))
    assert one.responses.fingerprint() == other.responses.fingerprint()
    assert np.array_equal(one.design.x, other.design.x)


def test_the_order_of_columns_and_the_types_of_ids_leave_no_trace(make_trial):
    trial = make_trial()
    expected = il.Model(FORMULA, trial).responses.fingerprint()
    for same in (
        trial[trial.columns[::-1]],
        trial.astype({"id": float, "school": float, "treat": float}),
        trial.astype({"item": "category", "trt": "category"}),
        trial.convert_dtypes(),
        trial.convert_dtypes(dtype_backend="pyarrow"),
    ):
        assert il.Model(FORMULA, same).responses.fingerprint() == expected


def test_a_changed_answer_changes_the_fingerprint(make_trial):
    trial = make_trial()
    other = trial.assign(resp=trial["resp"].mask(trial.index == 0, 1 - trial["resp"]))
    first, second = (il.Model(FORMULA, table).responses.fingerprint() for table in (trial, other))
    assert first != second


def test_a_file_and_its_frame_are_one_table(tmp_path, make_trial):
    trial = make_trial()
    expected = il.il_hte(trial).responses.fingerprint()
    trial.to_csv(tmp_path / "trial.csv", index=False)
    trial.to_csv(tmp_path / "trial.csv.gz", index=False)
    trial.to_parquet(tmp_path / "trial.parquet")
    for path in tmp_path.iterdir():
        assert il.il_hte(path).responses.fingerprint() == expected


def test_the_table_is_not_changed(make_trial):
    trial = make_trial()
    il.il_hte(trial)
    assert trial.equals(make_trial())


def test_levels_are_in_natural_order(make_trial):
    group = il.Model("resp ~ treat + (1 | item)", make_trial(40, 12), roles={}).design.group("item")
    assert group.labels.tolist() == [f"q{k}" for k in range(1, 13)]


def test_two_pairs_of_ids_that_read_alike_are_refused():
    table = pd.DataFrame({"a": ["x:y", "x", "x"], "b": ["z", "y:z", "w"], "y": [0, 1, 1]})
    with pytest.raises(DataError, match="two levels of a:b would have the same name"):
        il.Model("y ~ 1 + (1 | a:b)", table)


@pytest.mark.parametrize(
    "changes, formula, said",
    [
        ({"pre": 3}, "resp ~ treat + pre + (1 | id)", "column 'pre' is 3 in all 240 rows"),
        ({"pre": "a"}, "resp ~ treat + pre + (1 | id)", "column 'pre' is 'a' in all 240 rows"),
        ({"treat": 1}, "resp ~ treat + (1 | id)", "column 'treat' is 1 .*holds both arms"),
        ({"pre": np.inf}, "resp ~ treat + age + pre + (1 | id)", "column 'pre' is inf in all"),
    ],
)
def test_a_constant_covariate_is_named(make_trial, changes, formula, said):
    with pytest.raises(DataError, match=said):
        il.Model(formula, make_trial().assign(**changes))


def test_an_infinite_covariate_is_named_with_its_rows(make_trial):
    trial = make_trial()
    trial["pre"] = trial["pre"].mask(trial.index.isin([3, 4]), -np.inf)
    with pytest.raises(DataError, match=r"column 'pre' is infinite in 2 row\(s\)"):
        il.Model("resp ~ treat + pre + (1 | id)", trial)


@pytest.mark.parametrize(
    "reference, said",
    [
        ({"trtt": "drug"}, "reference names 'trtt', which is neither the response nor a covariate"),
        ({"trt": "drugs"}, "column 'trt' has no level 'drugs'; it has 'drug', 'placebo'"),
        ({"rate": "1"}, "which the response compares with a value"),
    ],
)
def test_reference_names_a_column_and_its_level(make_trial, reference, said):
    with pytest.raises(DataError, match=said):
        il.Model("rate >= 2 ~ trt + (1 | id)", make_trial(), reference=reference)


@pytest.mark.parametrize("right", ["resp + treat", "treat + (resp | item)", "treat + (1 | resp)"])
def test_answers_do_not_explain_themselves(make_trial, right):
    with pytest.raises(FormulaError, match="'resp' stands on both sides"):
        il.Model(f"resp ~ {right} + (1 | id)", make_trial())


def big_trial(persons: int, items: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    ids = np.repeat(np.arange(persons), items)
    return pd.DataFrame(
        {
            "id": ids,
            "item": np.tile(np.arange(items), persons),
            "treat": ids % 2,
            "pre": rng.normal(size=persons)[ids],
            "y": rng.integers(0, 2, ids.size),
        }
    )


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_door_needs_little_memory(shuffled):
    """A whole fit may take 80 bytes a row beyond the caller's table; the door takes half of them.

    Measured: 40 bytes a row in order, 53 shuffled (NumPy reports to tracemalloc, so the count does
    not depend on the machine). 60 leaves room for other versions of pandas.
    """
    table = big_trial(10_000)
    table = table.sample(frac=1, random_state=1) if shuffled else table
    formula = "y ~ treat + pre + (1 | id) + (treat | item)"
    il.Model(formula, big_trial(50))  # what is loaded once is not counted
    tracemalloc.start()
    il.Model(formula, table, roles={"treatment": "treat", "person": "id", "item": "item"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / len(table) < 60
