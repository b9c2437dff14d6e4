"""Columns are formulaic's on the whole table, whatever is worked out once for each pattern."""

import formulaic
import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, FormulaError
from ilhte_bayes.formulas.columns import build_columns, columns_where, factors, variables

SIDES = [
    "1",
    "0 + treat",
    "treat * pre",
    "trt * age - age",
    "(treat + pre + age)**2",
    "trt:age",
    "trt/age",
    "I(age**2) + log(age) + sqrt(age) + np.log2(age)",
    "treat * scale(age)",
    "center(age) + poly(pre, 3)",
    "bs(age, df=5) + cr(pre, df=3, constraints='center')",
    "I(scale(age)**2) + {scale(pre) / 2}",
    "C(school) + C(trt, Treatment('placebo'))",
    "C(school, contr.sum)",
    "np.where(age > 40, 1, 0) + I(pre > 0)",
    "I(age - age.mean()) + I(pre / np.std(pre))",  # functions of a whole column, unknown to us
    "log1p(age) + {age / 10}",
]


@pytest.fixture
def uneven(make_trial):
    """A table in which covariate values occur unequally often, as scale() and poly() notice."""
    trial = make_trial()
    return trial[(trial.index % 5 > 0) | (trial["id"] < 10)].reset_index(drop=True)


def by_pattern(table: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    if not columns:
        return pd.DataFrame(index=range(1)), np.zeros(len(table), dtype=int)
    patterns = table[columns].drop_duplicates().reset_index(drop=True)
    at = patterns.reset_index().merge(table[columns].reset_index(), on=columns, suffixes=("", "_r"))
    return patterns, at.sort_values("index_r")["index"].to_numpy()


@pytest.mark.parametrize("side", SIDES)
def test_columns_are_those_of_the_whole_table(uneven, side):
    patterns, pattern = by_pattern(uneven, list(variables(side, uneven.columns.tolist())))
    names, matrix = build_columns(side, patterns, pattern)
    functions = {"sqrt": np.sqrt, "log1p": np.log1p}
    expected = formulaic.model_matrix(side, uneven, context=functions)
    assert names == tuple(expected.columns)
    # sums over the same numbers in another order: a few units in the last place
    np.testing.assert_allclose(matrix[pattern], expected.to_numpy(float), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("side", [side for side in SIDES if "age" in side])
def test_changed_values_are_seen_with_the_datas_own_scale(uneven, side):
    patterns, pattern = by_pattern(uneven, list(variables(side, uneven.columns.tolist())))
    # everyone as old as the first: the columns of that age, with everything else as it was
    changed = patterns.assign(age=patterns["age"].iloc[0])
    names, matrix = columns_where(side, patterns, pattern, changed)
    assert names == build_columns(side, patterns, pattern)[0]
    if "mean" not in side and "std" not in side:
        own = build_columns(side, patterns, pattern)[1]
        np.testing.assert_allclose(matrix[0], own[0], rtol=1e-12)


def test_levels_and_scale_survive_a_table_of_one_arm(uneven):
    patterns, pattern = by_pattern(uneven.astype({"trt": "category"}), ["trt", "age"])
    all_placebo = patterns.assign(
        trt=pd.Categorical(["placebo"] * len(patterns), ["drug", "placebo"])
    )
    names, matrix = columns_where("trt * scale(age)", patterns, pattern, all_placebo)
    assert names[1] == "trt[T.placebo]" and (matrix[:, 1] == 1).all()


@pytest.mark.parametrize(
    "side, expected",
    [
        ("treat + log(age)", ("treat", "age")),
        ("x.y + log(x.y)", ("x.y",)),
        ("`my col` + np.log(`my col`)", ("my col",)),
        ("cc + log", ("cc", "log")),
        ("poly(age, 2, raw=True)", ("age",)),
        ("C(school, Treatment('age'))", ("school",)),
        ("class * lambda", ("class", "lambda")),
        ("1", ()),
    ],
)
def test_variables_in_order_of_appearance(side, expected):
    columns = [
        "age",
        "treat",
        "x.y",
        "my col",
        "cc",
        "log",
        "school",
        "class",
        "lambda",
        "raw",
        "x",
    ]
    assert variables(side, columns) == expected


def test_factors_are_what_the_formula_makes_levels():
    assert factors("C(a) + C( `b c`, Treatment(1)) + d + log(e)") == {"a", "b c"}


NAMES = [
    "my col", "x.y", "it's", 'a"b', "a:b", "a~b", "a|b", "a+b", "1st", "âge", "年齢", "_x", "class",
    "lambda", "in", "None", "True", "cc", "bs", "log", "np", "I", "C", "x y.z", "(age)", "resp2",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_any_name_are_read(make_trial, name):
    trial = make_trial().rename(columns={"pre": name, "school": f"{name} s"})
    quoted = f"`{name}`"
    model = il.Model(f"resp ~ treat * {quoted} + (1 + {quoted} | `{name} s`)", trial, roles={})
    assert model.design.terms == ("Intercept", "treat", name, f"treat:{name}")
    plain = il.Model("resp ~ treat * pre + (1 + pre | school)", make_trial(), roles={})
    assert np.array_equal(model.design.x, plain.design.x)
    assert np.array_equal(model.design.groups[0].z, plain.design.groups[0].z)


@pytest.mark.parametrize("name", ["class", "x.y", "âge", "lambda", "cc", "_x"])
def test_plain_names_need_no_back_ticks(make_trial, name):
    trial = make_trial().rename(columns={"pre": name})
    assert il.Model(f"resp ~ treat + {name} + (1 | id)", trial).design.terms[-1] == name
    assert il.il_hte(trial, covariates=[name]).design.terms[-1] == name


@pytest.mark.parametrize(
    "side, renamed, said",
    [
        ("Intercept", "Intercept", "'Intercept' cannot be told from the intercept"),
        ("C(C)", "C", "the column 'C' cannot be told from the function C"),
        ("log(log)", "log", "the column 'log' cannot be told from the function log"),
        ("np + np.log(age)", "np", "the column 'np' cannot be told from the function np"),
    ],
)
def test_names_that_mean_something_else_are_refused(make_trial, side, renamed, said):
    trial = make_trial().rename(columns={"pre": renamed})
    with pytest.raises(FormulaError, match=f"{said}. Rename the column"):
        il.Model(f"resp ~ treat + {side} + (1 | id)", trial)


@pytest.mark.parametrize(
    "side, said",
    [
        ("foo(age)", r"there is no function foo\(\)"),
        ("mean(age)", r"there is no function mean\(\)"),
        ("(age > 40)", r"Put arithmetic and comparisons in I\(\)"),
        ("age / 10", r"Put arithmetic and comparisons in I\(\)"),
        ("3 * age", r"Put arithmetic and comparisons in I\(\)"),
        ("age age", "Join terms with"),
        ("* age", "does not parse"),
        ("'age'", "does not parse"),
        ("log(trt)", r"'log\(trt\)' cannot be evaluated"),
        ("poly(age, 99)", r"poly\(age, 99\)|is infinite or not a number|combination"),
    ],
)
def test_what_formulaic_cannot_do_is_a_sentence(make_trial, side, said):
    with pytest.raises((FormulaError, il.errors.ModelError), match=said):
        il.Model(f"resp ~ treat + {side} + (1 | id)", make_trial())


def test_a_missing_column_in_a_formula_has_a_suggestion(make_trial):
    with pytest.raises(DataError, match=r"column 'agee' not found.*Did you mean 'age'"):
        il.Model("resp ~ treat + log(agee) + (1 | id)", make_trial())
    with pytest.raises(DataError, match=r"column 'age.y' not found.*Did you mean 'age'"):
        il.Model("resp ~ treat + log(`age.y`) + (1 | id)", make_trial())
    with pytest.raises(DataError, match=r"column 'my.age' not found"):
        il.Model("resp ~ treat + my.age + (1 | id)", make_trial())
