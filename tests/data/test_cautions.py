"""What may be meant and often is not is said in a warning."""

import re

import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.data.cautions import arms_without_zero
from ilhte_bayes.errors import IlhteWarning

ROLES = {"treatment": "treat", "person": "id", "item": "item"}


@pytest.mark.parametrize(
    "formula, said",
    [
        ("resp ~ treat + (1 | id:item)", "id:item has 240 levels for 240 rows"),
        ("resp ~ treat + (id | treat)", "the treatment 'treat' stands after a bar"),
        ("resp ~ treat + id + (1 | item)", r"numbers of units.*Write C\(id\), or \(1 \| id\)"),
        ("resp ~ treat + (1 | pre)", "'pre' is used as a group and holds numbers with decimals"),
    ],
)
def test_terms_that_look_swapped_are_warned_of(make_trial, formula, said):
    with pytest.warns(IlhteWarning) as caught:
        il.Model(formula, make_trial(), roles=ROLES)
    assert [note for note in caught if re.search(said, str(note.message))]


@pytest.mark.parametrize(
    "column, changes, said",
    [
        ("trt", {"drug": "drug "}, "column 'trt' holds 'drug' and 'drug '"),
        ("trt", {"drug": "Drug"}, "column 'trt' holds 'drug' and 'Drug'|'Drug' and 'drug'"),
        ("item", {"q2": " q2"}, "column 'item' holds ' q2' and 'q2'|'q2' and ' q2'"),
    ],
)
def test_levels_that_look_alike_are_warned_of(make_trial, column, changes, said):
    trial = make_trial()
    few = trial["id"].isin([1, 3])
    trial[column] = trial[column].mask(few, trial[column].replace(changes))
    with pytest.warns(IlhteWarning, match=said):
        il.Model("resp ~ trt + (1 | id) + (1 | item)", trial, roles={})


@pytest.mark.parametrize("low, high, warned", [(1, 2, True), (0, 1, False), (-0.5, 0.5, False)])
def test_arms_of_which_neither_is_zero_are_warned_of(low, high, warned):
    patterns = pd.DataFrame({"treat": [low, high]})
    found = arms_without_zero(patterns, "treat")
    assert bool(found) == warned
    assert not warned or ("never 0" in found[0] and "== 2" in found[0])


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        ({0: "wrong", 1: "right"}, True),
        ({0: "no", 1: "Yes"}, True),
        ({0: "no", 1: "yes"}, False),
        ({0: "bus", 1: "car"}, False),
    ],
)
def test_right_that_is_scored_0_is_warned_of(make_trial, words, warned):
    """As typed, the reference turns the effect round."""
    trial = make_trial()
    spoken = trial.assign(resp=trial["resp"].map(words))
    plain = il.laplace(il.il_hte(trial)).coefficients.loc["treat", "estimate"]
    if warned:
        with pytest.warns(IlhteWarning, match=f"'{words[1]}' is scored 0 .*'resp': '{words[0]}'"):
            turned = il.il_hte(spoken)
        found = il.laplace(turned).coefficients.loc["treat", "estimate"]
        assert found == pytest.approx(-plain, abs=1e-5)
    model = il.il_hte(spoken, reference={"resp": words[0]})
    found = il.laplace(model).coefficients.loc["treat", "estimate"]
    assert found == pytest.approx(plain, abs=1e-5)
