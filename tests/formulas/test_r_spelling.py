"""What an lme4 user types works, or is answered with what to type."""

import re

import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import FormulaError
from ilhte_bayes.formulas.r_spelling import _ELSEWHERE, python_spelling


def spelled(piece: str) -> str:
    return python_spelling(piece, f"y ~ {piece}", 4)


@pytest.mark.parametrize(
    "r, python",
    [
        ("I(age^2)", "I(age**2)"),
        ("I((age - 40)^2)", "I((age - 40)**2)"),
        ("I(log(x)^2)", "I(log(x)**2)"),
        ("(a + b)^2", "(a + b)^2"),
        ("factor(x)", "C(x)"),
        ("as.factor(x):z", "C(x):z"),
        ("refactor", "refactor"),
        ("x.y", "x.y"),
        ("I(x * 1.5)", "I(x * 1.5)"),
        ("`ns(x)`", "`ns(x)`"),
        ("C(x, Treatment('TRUE'))", "C(x, Treatment('TRUE'))"),
    ],
)
def test_spellings(r, python):
    assert spelled(r) == python


@pytest.mark.parametrize("name", sorted(_ELSEWHERE))
def test_every_function_that_is_elsewhere_is_answered(name):
    with pytest.raises(FormulaError, match=rf"{re.escape(name)}\(\) is not available") as caught:
        spelled(f"z + {name}(x, 3)")
    assert "Write " in str(caught.value)


@pytest.mark.parametrize("name", ["ns", "s", "ifelse", "pmax", "pmin", "mo", "dummy"])
def test_the_spelling_we_offer_works(make_trial, name):
    trial = make_trial().rename(columns={"age": "x"}).assign(a=0, b=1)
    offered = _ELSEWHERE[name].split(", a ")[0].split(", one ")[0].replace("'level'", "30")
    # 30 and 0 are values within the range of x, so that no column is constant
    offered = offered.replace("x > 0", "x > 30").replace("(x, 0)", "(x, 30)")
    trial.loc[trial["id"] < 3, "x"] = 30
    model = il.Model(f"resp ~ treat + {offered} + (1 | id)", trial)
    assert len(model.design.terms) >= 3


def test_r_and_python_spellings_are_one_model(make_trial):
    trial = make_trial()
    r = il.Model("resp ~ treat + I(age^2) + factor(school) + (1|id)", trial)
    python = il.Model("resp ~ treat + I(age**2) + C(school) + (1 | id)", trial)
    assert r.design.terms == python.design.terms
    assert (r.design.x == python.design.x).all()
    assert "I(age ** 2)" in r.design.terms and "C(school)[T.1]" in r.design.terms
