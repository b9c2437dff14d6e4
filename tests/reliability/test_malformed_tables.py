"""Damaged tables end in a sentence that names what is wrong, or in the very data they hold.

First by hand, the kinds that researchers meet, each through Python and through the command line;
then by hypothesis, damage upon damage to a good table.
"""

import gzip
import re
import sys
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ilhte_bayes as il
from ilhte_bayes import cli
from ilhte_bayes.errors import IlhteError, IlhteWarning

PLAIN = "resp ~ treat + (1 | id) + (treat | item)"
WITH = "resp ~ treat + {} + (1 | id) + (treat | item)"


def replaced(**changes) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A damage: columns given anew, by value or as functions of the table."""
    return lambda t: t.assign(**changes)


def unchanged(table: pd.DataFrame) -> pd.DataFrame:
    return table


# what is wrong: (damage, formula, what the sentence must say)
KINDS = {
    "a column is missing": (lambda t: t.drop(columns="resp"), PLAIN, "'resp' not found"),
    "a name is misspelt": (
        lambda t: t.rename(columns={"treat": "treatt"}), PLAIN, "'treat' not found.*'treatt'?"),
    "a name has a space": (
        lambda t: t.rename(columns={"item": "item "}), PLAIN, r"'item ' \(mind the space\)"),
    "the response never changes": (replaced(resp=1), PLAIN, "'resp' is 1 in all 240 rows"),
    "answers are 1 and 2": (
        replaced(resp=lambda t: t["resp"] + 1), PLAIN, 'holds 1, 2; .*"resp >= 2 ~'),
    "answers are 0 to 3": (unchanged, PLAIN.replace("resp", "rate"), "holds 0, 1, 2, 3; .*takes 0 and 1"),
    "answers are three words": (
        replaced(resp=lambda t: t["rate"].clip(0, 2).map(["no", "perhaps", "yes"].__getitem__)),
        PLAIN, "'no', 'perhaps', 'yes'; .*takes two"),
    "answers are not whole": (replaced(resp=lambda t: t["resp"] / 2), PLAIN, "from 0 to 0.5"),
    "a covariate is infinite": (
        replaced(pre=lambda t: t["pre"].mask(t.index == 7, np.inf)), WITH.format("pre"),
        r"'pre' is infinite in 1 row"),
    "a covariate never changes": (replaced(age=40), WITH.format("age"), "'age' is 40 in all 240"),
    "a covariate repeats others": (
        replaced(sum=lambda t: t["age"] + t["treat"]), WITH.format("age + sum"),
        "'sum' is a combination of 'treat', 'age'"),
    "numbers hold a stray text": (
        replaced(age=lambda t: t["age"].astype(str).mask(t["id"] == 3, "unknown")),
        WITH.format("age"), "'age' holds 'unknown' in 6 row"),
    "there is one item": (replaced(item="q1"), "resp ~ treat + (treat | item)", "item has one level"),
    "there is one arm": (replaced(treat=0), PLAIN, "'treat' is 0 in all 240 rows"),
    "there is one person": (replaced(id=1), "resp ~ treat + (1 | id)", "id has one level"),
    "a number is the group": (unchanged, "resp ~ treat + (id | 1)", "the group after the bar is the number 1"),
    "ids are not nested": (
        replaced(school=lambda t: t["school"].mask(t.index == 8, 4)),
        "resp ~ treat + (1 | school/id)", "'id' is not nested in 'school'.*first id 1 in school 0, 4"),
    "there are no rows": (lambda t: t.iloc[:0], PLAIN, "has no rows"),
    "every row lacks something": (
        replaced(pre=np.nan), WITH.format("pre"), "'pre' is missing in all rows"),
    "the formula does not parse": (unchanged, "resp ~ treat + (1 | id", "never closed"),
    "a level is misspelt": (unchanged, "rate == 'x' ~ treat + (1 | id)", "without quotes"),
    "a function is R's": (unchanged, WITH.format("as.numeric(age)"), r"as.numeric\(\) is not available"),
    "a date is a covariate": (
        replaced(day=lambda t: [f"2024-02-{k % 28 + 1:02}" for k in t["id"]]),
        WITH.format("I(day > 3)"), r"I\(day > 3\)' cannot be evaluated"),
}  # fmt: skip
ROLES = {
    "a person is in two arms": (
        replaced(treat=lambda t: t["treat"].mask(t.index == 8, 0)), "more than one arm of 'treat': id 1"),
    "a person answers an item twice": (
        lambda t: pd.concat([t, t.iloc[8:9]]), "already answered, for example\n.*\n.* 1 +q3"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_table_is_refused_in_words(make_trial, kind):
    damage, formula, said = KINDS[kind]
    with pytest.raises(IlhteError, match=said) as caught:
        il.Model(formula, damage(make_trial()))
    assert_kind(str(caught.value))


@pytest.mark.parametrize("kind", ROLES)
def test_a_damaged_trial_is_refused_in_words(make_trial, kind):
    damage, said = ROLES[kind]
    with pytest.raises(IlhteError, match=said) as caught:
        il.il_hte(damage(make_trial()))
    assert_kind(str(caught.value))


def assert_kind(sentence: str) -> None:
    """A sentence for readers: not empty, not endless, ended, without Python's inner names."""
    assert 30 < len(sentence) < 900
    assert sentence.rstrip().endswith((".", "?"))
    assert not re.search(r"Traceback|object at 0x|numpy\.|<class", sentence)


@pytest.mark.parametrize("kind", [*KINDS, *ROLES])
def test_the_command_line_ends_with_status_2_and_the_sentence(
    make_trial, tmp_path, monkeypatch, capsys, kind
):
    damage, *rest = KINDS.get(kind) or ROLES[kind]
    said = rest[-1]
    path = tmp_path / "trial.csv"
    damage(make_trial()).to_csv(path, index=False)
    formula = ["--formula", rest[0]] if len(rest) == 2 else []
    err = refused(monkeypatch, capsys, ["fit", str(path), *formula])
    assert re.search(said, err)


def refused(monkeypatch, capsys, arguments: list[str]) -> str:
    """What the command line says on standard error, having said nothing else."""
    monkeypatch.setattr(sys, "argv", ["ilhte", *arguments])
    with pytest.raises(SystemExit) as caught, warnings.catch_warnings():
        cli.main()
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == ""
    assert err.startswith("ilhte: ") and "Traceback" not in err
    return err


FILES = {
    "empty": (".csv", b"", "is empty"),
    "only a header": (".csv", b"id,item,treat,resp\n", "has no rows"),
    "semicolons": (".csv", b"id;item;treat;resp\n1;q1;0;1\n", "separated by semicolons"),
    "not UTF-8": (".csv", b"id,item,treat,resp\n1,\xe9,0,1\n", "not UTF-8"),
    "a spreadsheet": (".csv", b"PK\x03\x04", "zip archive"),
    "damaged gzip": (".csv.gz", gzip.compress(b"id,resp\n1,0\n", mtime=0)[:-9], "cannot be read"),
    "damaged parquet": (".parquet", b"PAR1", "cannot be read"),
    "ragged": (".csv", b"id,item\n1,q1\n1,q2,3\n", "line 3 has 3 values"),
    "columns twice": (".csv", b"id,item,id\n1,q1,1\n", "'id' more than once"),
    "of another kind": (".sav", b"", "ends in '.sav'"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_ends_with_status_2(tmp_path, monkeypatch, capsys, kind):
    ending, content, said = FILES[kind]
    path = tmp_path / f"trial{ending}"
    path.write_bytes(content)
    assert said in refused(monkeypatch, capsys, ["fit", str(path)])


# ---------------------------------------------------------------------------------------------
# Damage at random.

COLUMNS = ["resp", "treat", "trt", "id", "item", "school", "age", "pre"]
FORMULAS = [
    PLAIN,
    "resp ~ treat * pre + age + (1 | school/id) + (treat | item)",
    "resp ~ trt + scale(age) + (1 | id) + (trt || item)",
    "resp ~ treat + C(school) + (1 | school:item) + (1 | id)",
]
WORDS = ["", "NA", "None", "x", "drug ", "1", "0", "q1", ".", "é", "a:b", "inf", "True"]
CELLS = st.one_of(
    st.sampled_from([np.nan, None, np.inf, -np.inf, 0, 1, -1, 2**60, 0.5, True, pd.NaT, *WORDS]),
)
TYPES = [str, float, object, "category", "string", "Int64", bool, "float32", "int8"]


@st.composite
def damages(draw):
    """One way of spoiling a table, with the columns that it touches."""
    kind = draw(st.sampled_from(
        ["cells", "constant", "drop", "rename", "retype", "rows", "again", "shuffle", "one", "swap"]
    ))  # fmt: skip
    column = draw(st.sampled_from(COLUMNS))
    rows = draw(st.lists(st.integers(0, 71), min_size=1, max_size=12))
    value = draw(CELLS)
    other = draw(st.sampled_from(COLUMNS))
    type_ = draw(st.sampled_from(TYPES))

    def damage(t: pd.DataFrame) -> pd.DataFrame:
        if column not in t or other not in t:
            return t
        at = [row % max(len(t), 1) for row in rows]
        if kind == "cells":
            values = t[column].astype(object).to_list()
            for row in at[: len(values)]:
                values[row] = value
            return t.assign(**{column: pd.Series(values, index=t.index)})
        if kind == "constant":
            return t.assign(**{column: value})
        if kind == "drop":
            return t.drop(columns=column)
        if kind == "rename":
            return t.rename(columns={column: f" {column.upper()}"})
        if kind == "retype":
            return t.assign(**{column: t[column].astype(type_)})
        if kind == "rows":
            return t.iloc[: at[0]]
        if kind == "again":
            return pd.concat([t, t.iloc[at]])
        if kind == "shuffle":
            return t.sample(frac=1, random_state=at[0]).set_axis(np.zeros(len(t)))
        if kind == "one":
            return t[t[column] == t[column].iloc[0]]
        return t.assign(**{column: t[other].to_numpy()})

    return damage


def complete(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Rows without a missing value, worked out in the plainest way there is."""
    rows = zip(*(table[name].astype(object).tolist() for name in columns), strict=True)
    return table[[not any(pd.isna(v) or v in ("", "NA", "NaN") for v in row) for row in rows]]


def named(values) -> list[str]:
    """Values as the labels of levels: whole numbers without a point, unless others have one."""
    plain = [v.item() if isinstance(v, np.generic) else v for v in values]
    if all(isinstance(v, bool) for v in plain):
        return [str(v) for v in plain]
    plain = [int(v) if isinstance(v, bool) else v for v in plain]
    numbers = all(isinstance(v, int | float) for v in plain)
    if numbers and not all(float(v).is_integer() for v in plain):
        return [str(float(v)) for v in plain]
    return [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in plain]


@settings(max_examples=250, deadline=None)
@given(
    several=st.lists(damages(), min_size=1, max_size=3),
    formula=st.sampled_from(FORMULAS),
    stated=st.booleans(),
)
def test_any_damage_ends_in_a_sentence_or_in_the_very_data(make_trial, several, formula, stated):
    table = make_trial(12, 6)
    for damage in several:
        try:
            table = damage(table)
        except (ValueError, TypeError, IndexError, OverflowError):
            return  # pandas cannot make such a table
    roles = {"treatment": "treat", "person": "id", "item": "item"} if stated else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing of NumPy's or pandas' reaches the reader
            warnings.simplefilter("ignore", IlhteWarning)
            model = il.Model(formula, table, roles=roles)
    except IlhteError as error:
        sentence = str(error)
        assert_kind(sentence)
        what = [*COLUMNS, "the table", "no row is complete", *map(str.upper, COLUMNS)]
        assert any(word in sentence for word in what), sentence
        return
    expected = complete(table, list(_used(formula)))
    assert model.design.count.sum() == model.design.n_obs == len(expected)
    for group in model.design.groups:
        parts = [named(expected[name]) for name in group.variables]
        labels = pd.Series([":".join(pair) for pair in zip(*parts, strict=True)])
        found = pd.Series(0, index=map(str, group.labels))
        found += np.bincount(group.level, model.design.count, group.n_levels).astype(int)
        assert found.sort_index().to_dict() == labels.value_counts().sort_index().to_dict()


def _used(formula: str) -> list[str]:
    return [name for name in COLUMNS if re.search(rf"\b{name}\b", formula)]
