"""Counts by kind of person: the same from every engine as from plain pandas; refused alike."""

import importlib.util
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.data.reduction import kind_rows

COLUMNS = {"clusters": "school", "covariates": ["pre"]}


def need(package: str, who: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: {who}")


@pytest.fixture(scope="module")
def trial() -> pd.DataFrame:
    """Persons in schools, two booklets, a covariate, some missing answers."""
    rng = np.random.default_rng(7)
    persons, items = 120, 45  # more items than one column of powers of two holds
    t = pd.DataFrame(
        {
            "id": np.repeat(np.arange(persons), items),
            "item": np.tile([f"q{k}" for k in range(1, items + 1)], persons),
        }
    )
    t["school"] = np.array([f"s{k}" for k in range(6)])[t["id"] // 20]
    t["treat"] = np.where(t["id"] % 2 == 0, "placebo", "drug")
    t["pre"] = (t["id"] % 3) / 2
    number = np.tile(np.arange(items), persons)
    asked = np.where(t["id"] % 4 < 2, number < 22, number >= 20)
    chance = 1 / (1 + np.exp(-rng.normal(size=persons)[t["id"]] - 0.1 * (number % 7)))
    t["resp"] = (rng.random(len(t)) < chance).astype(float)
    t = t[asked].reset_index(drop=True)
    t.loc[[3, 200, 201], "resp"] = np.nan
    t.loc[7, "pre"] = np.nan
    return t


@pytest.fixture(scope="module")
def reduced(trial):
    return il.reduce(trial, **COLUMNS)


def plainly(t: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of persons and of yeses, by pandas alone: booklets as text."""
    t = t.dropna(subset=["resp", "pre"])
    by = ["school", "id"]
    person = t.groupby([*by, "treat", "pre"]).agg(
        score=("resp", "sum"), booklet=("item", lambda s: " ".join(sorted(s)))
    )
    person = person.reset_index()
    kind = ["treat", "school", "pre", "booklet", "score"]
    counts = person.groupby(kind).size()
    merged = t.merge(person, on=[*by, "treat", "pre"])
    return counts, merged.groupby([*kind, "item"])["resp"].sum()


def in_words(reduced) -> tuple[pd.Series, pd.Series]:
    """The same two tables from what was reduced."""
    rows = pd.DataFrame({"kind": reduced.kind, "item": reduced.item, "resp": reduced.ones})
    booklet = rows.groupby("kind")["item"].agg(lambda s: " ".join(sorted(s)))
    about = reduced.kinds.assign(booklet=booklet, score=reduced.score.astype(float))
    kind = ["treat", "school", "pre", "booklet", "score"]
    counts = about.assign(persons=reduced.persons).groupby(kind)["persons"].sum()
    return counts, rows.join(about, on="kind").groupby([*kind, "item"])["resp"].sum()


def test_counts_are_those_of_plain_pandas(trial, reduced):
    for ours, theirs in zip(in_words(reduced), plainly(trial), strict=True):
        pd.testing.assert_series_equal(
            ours, theirs, check_names=False, check_dtype=False, check_index_type=False
        )
    assert reduced.n_persons == 120
    assert reduced.n_answers == len(trial) - 4
    assert reduced.dropped.by_column == {"resp": 3, "pre": 1}
    assert reduced.dropped.n_rows == 4


def as_duckdb(t, folder):
    need("duckdb", "pip install 'ilhte-bayes[duckdb]'")
    import duckdb

    return duckdb.connect().from_df(t)


def as_parquet(t, folder):
    need("duckdb", "pip install 'ilhte-bayes[duckdb]'")
    for part, rows in enumerate(np.array_split(np.arange(len(t)), 3)):
        t.iloc[rows].to_parquet(folder / f"part{part}.parquet")
    return folder


def as_csv(t, folder):
    need("duckdb", "pip install 'ilhte-bayes[duckdb]'")
    t.to_csv(folder / "t.csv", index=False)
    return str(folder / "*.csv")


def as_dask(t, folder):
    need("dask", "pip install 'ilhte-bayes[dask]'")
    import dask
    import dask.dataframe as dd

    dask.config.set(scheduler="synchronous")
    return dd.from_pandas(t, npartitions=3)


def as_polars(t, folder):
    need("polars", "pip install polars")
    import polars as pl

    return pl.from_pandas(t).lazy()


def as_arrow(t, folder):
    import pyarrow as pa

    return pa.Table.from_pandas(t)


def as_spark(t, folder):
    need("pyspark", "pip install 'ilhte-bayes[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark runs on Java, which is not on this machine")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    return builder.config("spark.sql.shuffle.partitions", 1).getOrCreate().createDataFrame(t)


ENGINES = [as_duckdb, as_parquet, as_csv, as_dask, as_polars, as_arrow, as_spark]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.__name__[3:])
def test_every_engine_counts_exactly_alike(engine, trial, reduced, tmp_path):
    found = il.reduce(engine(trial, tmp_path), **COLUMNS)
    for name in ("persons", "score", "booklet", "kind", "item", "ones"):
        np.testing.assert_array_equal(getattr(found, name), getattr(reduced, name), err_msg=name)
    pd.testing.assert_frame_equal(found.kinds, reduced.kinds)
    assert found.dropped == reduced.dropped
    assert found.roles == reduced.roles


def test_the_order_of_rows_leaves_no_trace(trial, reduced):
    again = il.reduce(trial.sample(frac=1.0, random_state=1), **COLUMNS)
    np.testing.assert_array_equal(again.ones, reduced.ones)
    pd.testing.assert_frame_equal(again.kinds, reduced.kinds)


# damage -> words of the refusal, the same by il.il_hte on the table
def answered_twice(t):
    return pd.concat([t, t.iloc[[20, 21]]], ignore_index=True)


def in_two_arms(t):
    return t.assign(treat=t["treat"].mask(t.index == 30, "drug").mask(t.index == 31, "placebo"))


def moved(t):
    return t.assign(school=t["school"].mask(t["id"].eq(5) & (t["item"] < "q3"), "s4"))


REFUSED = {
    answered_twice: "that the same person has already answered",
    in_two_arms: "in more than one arm of 'treat'",
    moved: "is not nested in 'school': 1 of its 120 ids appear in more than one school",
}


@pytest.mark.parametrize("engine", [None, as_duckdb, as_dask], ids=["pandas", "duckdb", "dask"])
@pytest.mark.parametrize("damage", REFUSED, ids=lambda d: d.__name__)
def test_damage_is_refused_as_in_memory(damage, engine, trial, tmp_path):
    t = damage(trial)
    with pytest.raises(il.errors.DataError, match=REFUSED[damage]):
        il.reduce(t if engine is None else engine(t, tmp_path), **COLUMNS)
    with pytest.raises(il.errors.IlhteError, match=REFUSED[damage]), warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        il.il_hte(t, **COLUMNS)


def test_a_covariate_that_differs_within_a_person_is_refused(trial):
    t = trial.assign(pre=np.arange(len(trial)) % 2)
    with pytest.raises(
        il.errors.DataError, match=r"covariates \(pre\) differ between the answers of 120"
    ):
        il.reduce(t, **COLUMNS)


@pytest.mark.parametrize("engine", [None, as_duckdb, as_dask], ids=["pandas", "duckdb", "dask"])
def test_codes_beside_0_and_1_are_refused(engine, trial, tmp_path):
    t = trial.assign(resp=trial["resp"].mask(trial.index == 40, 2.0))
    with pytest.raises(il.errors.DataError, match="the response 'resp' holds 2 in 1 rows"):
        il.reduce(t if engine is None else engine(t, tmp_path), **COLUMNS)
    with pytest.raises(il.errors.IlhteError):
        il.il_hte(t, **COLUMNS)


def test_answers_in_words_are_refused(trial):
    t = trial.assign(resp=np.where(trial["resp"] == 1, "yes", "no"))
    with pytest.raises(il.errors.DataError, match="holds text"):
        il.reduce(t, **COLUMNS)


def test_true_and_false_are_1_and_0(trial, reduced):
    t = trial.dropna()
    found = il.reduce(t.assign(resp=t["resp"] == 1), **COLUMNS)
    np.testing.assert_array_equal(found.ones, reduced.ones)


def test_ids_that_restart_in_schools_are_told_apart(trial, reduced):
    found = il.reduce(trial.assign(id=trial["id"] % 20), **COLUMNS)
    assert found.n_persons == 120
    np.testing.assert_array_equal(found.ones, reduced.ones)
    assert "restart in each school" in found.notes[0]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.parquet", "no file at 'nowhere.parquet'"),
        ("answers.xlsx", "is none of .parquet"),
        (3, "a int is no table that can be reduced"),
    ],
)
def test_what_cannot_be_read_is_said(source, words):
    with pytest.raises(il.errors.DataError, match=words):
        il.reduce(source)


def test_too_little_memory_is_said(trial, tmp_path):
    with pytest.raises(il.errors.DataError, match="within memory_limit='2MB'"):
        il.reduce(as_parquet(trial, tmp_path), memory_limit="2MB", **COLUMNS)
    with pytest.raises(il.errors.DataError, match="memory_limit='much' is no amount"):
        il.reduce(as_parquet(trial, tmp_path), memory_limit="much", **COLUMNS)


def test_a_missing_column_is_named(trial):
    with pytest.raises(il.errors.DataError, match="column 'answer' not found"):
        il.reduce(trial, response="answer")


def test_a_saved_reduction_comes_back(reduced, tmp_path):
    found = il.load(reduced.save(tmp_path / "r.parquet"))
    for name in ("persons", "score", "booklet", "kind", "item", "ones"):
        np.testing.assert_array_equal(getattr(found, name), getattr(reduced, name), err_msg=name)
    pd.testing.assert_frame_equal(found.kinds, reduced.kinds)
    rest = ("response", "roles", "dropped", "notes", "source")
    assert [getattr(found, name) for name in rest] == [getattr(reduced, name) for name in rest]


def test_a_change_of_one_count_is_noticed(reduced, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(reduced.save(tmp_path / "r.parquet"))
    ones = table["ones"].to_numpy().copy()
    ones[0] += 1
    changed = table.set_column(table.column_names.index("ones"), "ones", [ones])
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), tmp_path / "c.parquet")
    with pytest.raises(il.errors.DataError, match="was changed after it was saved"):
        il.load(tmp_path / "c.parquet")


def test_a_table_of_answers_is_no_reduction(trial, tmp_path):
    trial.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(il.errors.DataError, match=r"no file that Reduced\.save wrote"):
        il.load(tmp_path / "t.parquet")


def test_a_damaged_file_is_said_to_be(reduced, tmp_path):
    path = reduced.save(tmp_path / "r.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(il.errors.DataError, match="is damaged"):
        il.load(path)


def test_it_prints_what_it_holds(reduced):
    text = repr(reduced)
    assert "of 120 persons (id)" in text
    assert "left out: 4 rows with a missing value: resp (3), pre (1)" in text
    assert max(map(len, text.splitlines())) <= 100


def test_totals_by_arm(trial, reduced):
    t = trial.dropna()
    totals = reduced.item_totals()
    plain = t.groupby(["item", "treat"])["resp"].agg(["size", "sum"])
    assert (totals["ones"] == plain["sum"].loc[totals.index]).all()
    assert (totals["answers"] == plain["size"].loc[totals.index]).all()


def test_rows_in_long_form_are_all_the_answers(reduced):
    table, answers, persons = kind_rows(reduced)
    assert answers.sum() == reduced.n_answers
    assert (answers <= persons).all()
    assert not table.duplicated(["id", "item", "resp"]).any()


def test_a_column_with_two_roles_is_refused(make_trial):
    with pytest.raises(il.errors.DataError, match="'id' plays two roles"):
        il.reduce(make_trial(20, 3), item="id")


def test_how_arms_were_given_is_one_of_two_words(make_trial):
    reduced = il.reduce(make_trial(60, 4))
    with pytest.raises(il.errors.DataError, match="assignment='randomized'"):
        il.il_hte(reduced, assignment="randomized")
    assert il.il_hte(reduced, assignment="randomised").assignment.kind == "randomised"
