"""lme4's grammar: what is read, and the place marked where something is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ilhte_bayes as il
from ilhte_bayes.errors import FormulaError, IlhteError
from ilhte_bayes.formulas.grammar import parse_formula


def random_terms(right: str) -> list[str]:
    return [str(term) for term in parse_formula(f"y ~ {right}").random]


@pytest.mark.parametrize(
    "right, fixed, random",
    [
        ("x", "x", []),
        ("1", "1", []),
        ("(1 | g)", "1", ["(1 | g)"]),
        ("x*z + (1|g)", "x*z", ["(1 | g)"]),
        ("x + (1 + z || g)", "x", ["(1 + z || g)"]),
        ("(x|g)+(0+z|h)", "1", ["(x | g)", "(0+z | h)"]),
        ("x + (1 | a/b)", "x", ["(1 | a)", "(1 | a:b)"]),
        ("x + (z | a/b/c)", "x", ["(z | a)", "(z | a:b)", "(z | a:b:c)"]),
        ("x + (1 | a:b)", "x", ["(1 | a:b)"]),
        ("x + (1 | a:b/c)", "x", ["(1 | a:b)", "(1 | a:b:c)"]),
        ("x + (1 | factor(a))", "x", ["(1 | a)"]),
        ("x + (1 | as.factor(a):b)", "x", ["(1 | a:b)"]),
        ("(1 | g) + x - 1", "x - 1", ["(1 | g)"]),
        ("-1 + x", "- 1 + x", []),
        ("x + -1", "x - 1", []),
        ("0 + x", "0 + x", []),
        ("x + (1 | `my group`)", "x", ["(1 | my group)"]),
        ("x + `a|b` + (1 | g)", "x + `a|b`", ["(1 | g)"]),
        ("(a + b)^2 + (1 | g)", "(a + b)^2", ["(1 | g)"]),
        ("x + (I(z^2) | g)", "x", ["(I(z**2) | g)"]),
        ("x +\n  (1 |\n g)", "x", ["(1 | g)"]),
    ],
)
def test_what_is_read(right, fixed, random):
    formula = parse_formula(f"y ~ {right}")
    assert formula.fixed == fixed
    assert [str(term) for term in formula.random] == random


@pytest.mark.parametrize(
    "left, column, comparison, value",
    [
        ("y", "y", None, None),
        ("`my y`", "my y", None, None),
        ("y.total", "y.total", None, None),
        ("factor(y)", "y", None, None),
        ("as.ordered(y)", "y", None, None),
        ("y >= 2", "y", ">=", 2),
        ("(y>=2)", "y", ">=", 2),
        ("I(y == 'yes')", "y", "==", "yes"),
        ('`my y` != "no ~ way"', "my y", "!=", "no ~ way"),
        ("y.total < -1.5", "y.total", "<", -1.5),
        ("class >= 2", "class", ">=", 2),
        ("y == True", "y", "==", True),
    ],
)
def test_responses_that_are_read(left, column, comparison, value):
    response = parse_formula(f"{left} ~ x").response
    assert (response.column, response.comparison, response.value) == (column, comparison, value)


MARKED = [
    ("y x", "no `~`", 0),
    ("y ~ x ~ z", "2 times `~`", 6),
    ("~ x", "no response", 0),
    ("y ~ (1 | g", "never closed", 4),
    ("y ~ 1 | g)", "closes nothing", 9),
    ("y ~ x + `my col + (1 | g)", "this quote is never closed", 8),
    ("y ~ x + + z", "a term is missing", 7),
    ("y ~ x +", "a term is missing", 6),
    ("y ~ x + 1 | g", "needs brackets", 8),
    ("y ~ x + (1 | g) * z", "stands by itself", 8),
    ("y ~ x + ar1(1 | g)", "stands by itself", 8),
    ("y ~ x - (1 | g)", "stands by itself", 8),
    ("y ~ x + (| g)", "no columns before the bar", 8),
    ("y ~ x + (1 | )", "no group after the bar", 8),
    ("y ~ x + (1 ||| g)", "cannot be read", 8),
    ("y ~ x + (z |i| g)", "cannot be read", 8),
    ("y ~ x + (id | 1)", "is the number 1", 14),
    ("y ~ x + (1 | a * b)", "'a * b' cannot be read", 13),
    ("y ~ x + (1 | gr(a, by = b))", "cannot be read", 13),
    ("y ~ x - 40", "takes away terms, not numbers", 8),
    ("log(y) ~ x", "the response 'log(y)' cannot be read", 0),
    ("cbind(a, b) ~ x", "one row for each answer", 0),
    ("y == yes ~ x", "Put text in quotes", 0),
    ("y >= 1 >= 0 ~ x", "cannot be read", 0),
    ("y ~ .", "for all other columns", 4),
    ("y ~ x + age^2", "this power is age itself", 8),
    ("y ~ x %in% g", "%in% is R's", 6),
    ("y ~ splines::bs(x)", "R's packages", 4),
    ("y ~ bs(x) + ns(x, 3)", r"ns() is not available", 12),
    ("y ~ x + poly(x, 2, raw = TRUE)", "TRUE is R's", 25),
]


@pytest.mark.parametrize("text, said, place", MARKED)
def test_the_place_is_marked(text, said, place):
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    lines = str(caught.value).splitlines()
    assert said in str(caught.value)
    assert lines[1] == f"  {text}"
    assert lines[2].index("^") - 2 == place


@pytest.mark.parametrize(
    "text, said",
    [("", "is empty"), (3, "the formula is a int"), (None, "the formula is a NoneType")],
)
def test_what_is_no_formula(text, said):
    with pytest.raises(FormulaError, match=said):
        parse_formula(text)


@pytest.mark.parametrize(
    "right, said",
    [
        ("(1 | g) + (1 | g)", r"\(1 \| g\) appears twice"),
        ("(1 | a/b) + (1 | a)", "`a/b` already contains `a`"),
        ("(1 | a:b) + (1 | b:a)", "appears twice"),
    ],
)
def test_copies_of_a_random_term_are_refused(right, said):
    with pytest.raises(FormulaError, match=said):
        parse_formula(f"y ~ x + {right}")


@pytest.mark.parametrize(
    "wrong, cure",
    [
        ("(1 | a * b)", "(1 | a) + (1 | b) + (1 | a:b)"),
        ("(1 | a + b)", "(1 | a) + (1 | b)"),
        ("1 | g", "(1 | g)"),
    ],
)
def test_a_cure_is_a_formula(wrong, cure):
    with pytest.raises(FormulaError) as caught:
        parse_formula(f"y ~ x + {wrong}")
    assert cure in str(caught.value)
    assert random_terms(cure)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="yxg12+-*/:|()~.^ `'\"[]{}%#=<>!,&é", max_size=25))
def test_any_text_is_a_formula_or_a_sentence(text):
    for whole in (text, f"y ~ x + {text}", f"y ~ x + (1 | {text})"):
        try:
            formula = parse_formula(whole)
        except FormulaError as error:
            assert len(str(error)) > 20
        else:
            assert formula.text == " ".join(whole.split())


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="xz12+-*/:().^ `'[]{}<>!,&", max_size=12))
def test_any_fixed_part_is_a_design_or_a_sentence(make_trial, text):
    trial = make_trial(8, 3).rename(columns={"treat": "x", "pre": "z"})
    try:
        model = il.Model(f"resp ~ {text} + (1 | id)", trial, roles={})
    except IlhteError as error:
        assert len(str(error)) > 20
    else:
        assert model.design.count.sum() == len(trial)
