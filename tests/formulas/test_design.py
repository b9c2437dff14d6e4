"""The design: groups as the grammar says, and fixed columns that can be told apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ilhte_bayes as il
from ilhte_bayes.errors import FormulaError, ModelError
from ilhte_bayes.formulas.design import _triangle


def groups(model: il.Model) -> dict:
    return {g.name: (g.columns, g.blocks, g.n_levels) for g in model.design.groups}


@pytest.mark.parametrize(
    "random, expected",
    [
        ("(1 | school/id)", {
            "school": (("Intercept",), ((0,),), 5), "school:id": (("Intercept",), ((0,),), 40)
        }),
        ("(treat | item)", {"item": (("Intercept", "treat"), ((0, 1),), 6)}),
        ("(1 + treat || item)", {"item": (("Intercept", "treat"), ((0,), (1,)), 6)}),
        ("(0 + treat | item)", {"item": (("treat",), ((0,),), 6)}),
        ("(treat - 1 | item)", {"item": (("treat",), ((0,),), 6)}),
        ("(1 | item) + (0 + treat | item)", {
            "item": (("Intercept", "treat"), ((0,), (1,)), 6)
        }),
        ("(trt | item)", {"item": (("Intercept", "trt[T.placebo]"), ((0, 1),), 6)}),
        ("(0 + trt | item)", {"item": (("trt[drug]", "trt[placebo]"), ((0, 1),), 6)}),
        ("(1 | school:item)", {"school:item": (("Intercept",), ((0,),), 30)}),
        ("(1 | item:school)", {"item:school": (("Intercept",), ((0,),), 30)}),
        ("(1 | id) + (scale(age) | item)", {
            "id": (("Intercept",), ((0,),), 40),
            "item": (("Intercept", "scale(age)"), ((0, 1),), 6),
        }),
    ],
)  # fmt: skip
def test_random_terms(make_trial, random, expected):
    model = il.Model(f"resp ~ treat + {random}", make_trial(), roles={})
    assert groups(model) == expected


def test_every_answer_finds_its_level(make_trial):
    trial = make_trial()
    model = il.Model("resp ~ treat + (1 | school:item)", trial, roles={})
    group = model.design.groups[0]
    found = np.bincount(group.level, weights=model.design.count * model.design.score)
    expected = trial.groupby(["school", "item"])["resp"].sum()
    assert group.labels.tolist() == [f"{a}:{b}" for a, b in expected.index]
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "right, changes, error, said",
    [
        ("treat + age + a2 + (1 | id)", {"a2": lambda t: 2 * t["age"] + t["treat"]}, ModelError,
         "fixed column 'a2' is a combination of 'treat', 'age'"),
        ("treat + trt + (1 | id)", {}, ModelError,
         r"'trt\[T.placebo\]' is a combination of 'Intercept', 'treat'"),
        ("treat * trt + (1 | id)", {}, ModelError, r"'trt\[T.placebo\]' is a combination"),
        ("age + I(3 * age) + (1 | id)", {}, ModelError, r"'I\(3 \* age\)' is a combination of 'age'"),
        ("log(age - 20) + (1 | id)", {"age": lambda t: t["age"].mask(t["id"] == 0, 20)}, ModelError,
         r"'log\(age - 20\)' is infinite or not a number for 1 of 28 combinations"),
        ("I(1 / (treat - treat)) + (1 | id)", {}, ModelError, "infinite or not a number for 2 of 2"),
        ("treat + I(age > 0) + (1 | id)", {}, ModelError, r"'I\(age > 0\)' is 1 in every row"),
        ("treat + (1 | one)", {"one": 1}, ModelError, "group one has one level, 1"),
        ("treat + (treat | item)", {"item": "q1"}, ModelError, "group item has one level, 'q1'"),
        ("treat + (0 | id)", {}, FormulaError, "random term of group id has no columns"),
        ("treat + (treat | item) + (1 | item)", {}, FormulaError, "'Intercept' stands twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_named(make_trial, right, changes, error, said):
    with pytest.raises(error, match=said):
        il.Model(f"resp ~ {right}", make_trial().assign(**changes), roles={})


def test_log_of_zero_is_said_without_numpys_warning(make_trial, recwarn):
    trial = make_trial()
    trial["age"] = trial["age"].mask(trial["id"] == 0, 0)
    with pytest.raises(ModelError, match=r"'log\(age\)' is infinite .* for 1 of 29 .*log of zero"):
        il.Model("resp ~ log(age) + (1 | id)", trial)
    assert not recwarn.list


@settings(max_examples=50, deadline=None)
@given(
    rows=st.integers(1, 30),
    columns=st.integers(1, 6),
    rank=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_a_combination_is_found_wherever_there_is_one(rows, columns, rank, seed):
    rng = np.random.default_rng(seed)
    x = (
        rng.normal(size=(rows, rank))
        @ rng.normal(size=(rank, columns))
        * 10.0 ** rng.integers(-6, 6, columns)
    )
    r = _triangle(x, ones=False)
    independent = np.abs(np.diag(r)) > 1e-9 * np.linalg.norm(r, axis=0)
    assert independent.sum() == min(rows, columns, rank)


def test_a_triangle_of_many_blocks_is_that_of_one():
    x = np.random.default_rng(1).normal(size=(150_000, 3))
    scaled = np.column_stack([np.ones(len(x)), x / np.abs(x).max(axis=0)])
    np.testing.assert_allclose(
        np.abs(_triangle(x, ones=True)),
        np.abs(np.linalg.qr(scaled, mode="r")),
        rtol=1e-9,
        atol=1e-9,
    )


def test_a_slash_in_a_groups_name_is_refused():
    frame = pd.DataFrame({"y": [0, 1, 0, 1], "a/b": [1, 1, 2, 2]})
    with pytest.raises(il.errors.FormulaError, match="has a slash in its name"):
        il.Model("y ~ 1 + (1 | `a/b`)", frame)


@pytest.mark.parametrize("name", ["term", "psi", "chain", "draw"])
def test_a_group_called_like_a_dim_of_every_fit_is_refused(name):
    frame = pd.DataFrame({"y": [0, 1, 0, 1], name: [1, 1, 2, 2]})
    with pytest.raises(il.errors.FormulaError, match=f"cannot be called '{name}'"):
        il.Model(f"y ~ 1 + (1 | {name})", frame)
