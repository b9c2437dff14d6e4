"""Values become scores, numbers or levels; the coding is told in words."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.data.coding import code_covariate, code_response
from ilhte_bayes.data.integer_codes import encode
from ilhte_bayes.errors import DataError
from ilhte_bayes.formulas.grammar import parse_formula

ANSWERS = ["no", "perhaps", "yes"]


def scores(values, left: str = "y", levels=None, reference=None):
    column = encode(pd.Series(values, name="y"))
    term = parse_formula(f"{left} ~ 1").response
    score, coding = code_response(column, term, levels, reference)
    return score.tolist(), str(coding)


@pytest.mark.parametrize(
    "values, left, expected, words",
    [
        ([0, 1, 1], "y", [0, 1, 1], "y: 0 = 0, 1 = 1"),
        ([0.0, 1.0], "y", [0, 1], "y: 0 = 0, 1 = 1"),
        ([0, 2, 1], "y", [0, 2, 1], "y: 0 = 0, 1 = 1, 2 = 2"),
        ([True, False], "y", [1, 0], "y: 0 = False, 1 = True"),
        (["wrong", "right"], "y", [1, 0], "y: 0 = right, 1 = wrong"),
        (pd.Categorical(["b", "a"], ["b", "a"]), "y", [0, 1], "y: 0 = b, 1 = a"),
        (pd.Categorical(["b", "a"], ["b", "z", "a"]), "y", [0, 1], "y: 0 = b, 1 = a"),
        ([1, 2, 3], "y >= 2", [0, 1, 1], "y >= 2: 0 = no, 1 = yes"),
        ([1, 2, 3], "I(y < 2)", [1, 0, 0], "y < 2: 0 = no, 1 = yes"),
        ([0.5, 1.5], "(y > 1)", [0, 1], "y > 1: 0 = no, 1 = yes"),
        (ANSWERS, "y == 'yes'", [0, 0, 1], "y == 'yes': 0 = no, 1 = yes"),
        (ANSWERS, "y != 'no'", [0, 1, 1], "y != 'no': 0 = no, 1 = yes"),
        (pd.Categorical(ANSWERS, ANSWERS, ordered=True), "y >= 'perhaps'", [0, 1, 1], None),
        # an ordered Categorical may be compared with a level that no row holds
        (pd.Categorical(["no", "yes"], ANSWERS, ordered=True), "y >= 'perhaps'", [0, 1], None),
        (pd.Categorical([0, 3, 1], [0, 1, 2, 3], ordered=True), "y >= 2", [0, 1, 0], None),
    ],
    ids=str,
)
def test_answers_become_scores(values, left, expected, words):
    found, coding = scores(values, left)
    assert found == expected
    assert words is None or coding == words


def test_levels_put_text_in_order():
    assert scores(ANSWERS, levels=["yes", "perhaps", "no"])[0] == [2, 1, 0]
    assert scores(ANSWERS, "y >= 'perhaps'", levels=ANSWERS)[0] == [0, 1, 1]
    assert scores([1, 2, 2], levels=[2, 1])[0] == [1, 0, 0]


def test_reference_names_the_answer_scored_zero():
    assert scores(["wrong", "right"], reference="wrong")[0] == [0, 1]


@pytest.mark.parametrize(
    "values, left, options, said",
    [
        ([1, 1], "y", {}, "the response 'y' is 1 in all 2 rows"),
        ([1, 2], "y >= 3", {}, "the response 'y >= 3' is no in all 2 rows"),
        ([1, 2], "y", {}, 'holds 1, 2; scores start at 0.*"y >= 2 ~ ..."'),
        ([-1, 0], "y", {}, "scores start at 0"),
        ([0, 300], "y", {}, "holds 0, 300; scores start at 0"),
        ([0, 0.5], "y", {}, "2 different numbers from 0 to 0.5"),
        ([0, 1, np.inf], "y", {}, r"infinite in 1 row\(s\)"),
        (np.arange(200) / 7, "y", {}, "200 different numbers from 0 to 28.4286"),
        (pd.to_datetime(["2024-02-28", "2024-02-29"]), "y", {}, "holds values such as 2024-02-28"),
        (ANSWERS, "y >= 'yes'", {}, "asks for the order of 'y', which is text.*in levels"),
        (ANSWERS, "y == 'maybe'", {}, "no value 'maybe'; it has 'no', 'perhaps', 'yes'"),
        ([1, 2], "y == '1'", {}, "Write the number without quotes"),
        (ANSWERS, "y", {"levels": ["no", "yes"]}, "levels leaves out 'perhaps'"),
        (ANSWERS, "y", {"levels": [*ANSWERS, "never"]}, "levels names 'never', which no row"),
        (ANSWERS, "y", {"levels": ["no", *ANSWERS]}, "names an answer twice"),
        (ANSWERS, "y", {"levels": ANSWERS, "reference": "no"}, "levels and reference both order"),
        (ANSWERS, "y", {"reference": "never"}, "column 'y' has no level 'never'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_answer_is_refused(values, left, options, said):
    with pytest.raises(DataError, match=said):
        scores(values, left, **options)


@pytest.mark.parametrize(
    "values, said",
    [
        ([0, 1, 2], "holds 0, 1, 2; family 'bernoulli' takes 0 and 1.*\"y >= 1 ~ ...\""),
        ([0, 2, 2], "holds 0, 2; family 'bernoulli' takes 0 and 1"),
        (ANSWERS, "takes two answers.*\"y == 'yes' ~ ...\""),
    ],
    ids=str,
)
def test_bernoulli_takes_two_answers(values, said):
    table = pd.DataFrame({"y": values * 4, "g": list("abcd") * 3})
    with pytest.raises(DataError, match=said) as caught:
        il.Model("y ~ 1 + (1 | g)", table)
    # and what it says to type works
    typed = str(caught.value).split('"')[1].removesuffix("...")
    assert il.Model(f"{typed} 1 + (1 | g)", table).design.n_obs == 12


def covariate(values, reference=None, **options):
    return code_covariate(encode(pd.Series(values, name="x")), reference, **options)


def test_text_is_coded_against_its_first_level_in_sorted_order():
    column, coding = covariate(["drug", "placebo", "drug"])
    assert list(column.categories) == ["drug", "placebo"]
    assert str(coding) == "x: 0 = drug, 1 = placebo"


def test_a_categorical_keeps_its_order_and_reference_overrides_it():
    values = pd.Categorical(["b", "a", "c"], ["b", "a", "c"])
    assert list(covariate(values)[0].categories) == ["b", "a", "c"]
    assert list(covariate(values, "c")[0].categories) == ["c", "b", "a"]
    assert list(covariate([True, False], "True")[0].categories) == ["True", "False"]


def test_numbers_and_truth_values_are_floating_point():
    # int8 would overflow in I(x**2); floating point does not
    column, coding = covariate(np.array([1, 100], dtype=np.int8))
    assert column.dtype == np.float64 and coding is None
    column, coding = covariate([True, False])
    assert column.tolist() == [0.0, 1.0] and str(coding) == "x: 0 = False, 1 = True"


def test_levels_named_by_whole_numbers_have_no_decimal_point(make_trial):
    trial = make_trial()
    gap = trial.assign(school=trial["school"].where(trial.index > 5))  # pandas: floating point
    terms = il.Model("resp ~ C(school) + (1 | id)", gap).design.terms
    assert terms[1:] == tuple(f"C(school)[T.{k}]" for k in range(1, 5))


@pytest.mark.parametrize(
    "values, reference, said",
    [
        ([1, 2], "1", "reference names a level of column 'x', which holds numbers"),
        (["a", "b"], "c", "column 'x' has no level 'c'; it has 'a', 'b'"),
        (pd.to_datetime(["2024-02-28", "2024-02-29"]), None, "days since the start"),
        ([1j, 2j], None, "have no place in a formula"),
        ([*map(str, range(20)), "."], None, r"holds '.' in 1 row\(s\) among 20 different numbers"),
    ],
    ids=str,
)
def test_what_is_no_covariate_is_refused(values, reference, said):
    with pytest.raises(DataError, match=said):
        covariate(values, reference)


def test_levels_that_hold_numbers_are_kept_where_they_are_meant():
    spoiled = [*map(str, range(20)), "."]
    assert len(covariate(spoiled, as_factor=True)[0].categories) == 21
    assert list(covariate(["0", "1", "2", "3+"])[0].categories) == ["0", "1", "2", "3+"]


def test_reference_changes_the_sign_of_an_effect_and_nothing_else(make_trial):
    formula, trial = "resp ~ trt + (1 | id)", make_trial()
    plain = il.laplace(il.Model(formula, trial))
    turned = il.laplace(il.Model(formula, trial, reference={"trt": "placebo"}))
    effect = plain.coefficients.loc["trt[T.placebo]", "estimate"]
    # two searches stop at slightly different points of one maximum
    assert turned.coefficients.loc["trt[T.drug]", "estimate"] == pytest.approx(-effect, abs=1e-5)
    assert turned.loglik == pytest.approx(plain.loglik, abs=1e-7)


def test_more_categories_than_answers_can_have_are_refused(make_trial):
    trial = make_trial(60, 4)
    for kind in ("object", "category"):
        words = pd.Series([f"w{k:03d}" for k in range(len(trial))]).astype(kind)
        with pytest.raises(DataError, match=r"240 categories .* at most 100"):
            il.il_hte(trial.assign(resp=words.to_numpy()), family="multinomial")
