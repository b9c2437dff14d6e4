"""What changes in a formula's columns when one arm becomes another."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.contrasts import arm_contrasts, fixed_change, group_change


def changes(model: il.Model, treatment: str):
    """By contrast: (pattern, term) changes and those of the items' columns."""
    design, patterns = model.design, model.responses.patterns
    answers = np.repeat(design.pattern, design.count)
    for contrast in arm_contrasts(model.responses, treatment):
        rest = (model.formula, patterns, answers, treatment, contrast)
        yield contrast, fixed_change(*rest, design.terms), group_change(*rest, design.group("item"))


def test_two_numbers_are_two_arms(make_trial):
    model = il.Model("resp ~ treat * pre + (treat | item)", make_trial(), roles={})
    (contrast, fixed, random), *others = changes(model, "treat")
    assert not others and contrast.label == "treat 1 v 0"
    pre = model.responses.patterns["pre"].to_numpy()
    expected = np.column_stack([np.zeros_like(pre), np.ones_like(pre), np.zeros_like(pre), pre])
    assert np.allclose(fixed, expected) and np.allclose(random, [[0, 1]])


def test_thresholds_do_not_change_with_the_arm(make_trial):
    formula = "rate ~ treat * pre + (1 | id) + (treat | item)"
    model = il.Model(formula, make_trial(), "cumulative", thresholds="item")
    ((_, fixed, random),) = changes(model, "treat")
    pre = model.responses.patterns["pre"].to_numpy()
    nothing = np.zeros_like(pre)
    expected = np.column_stack([nothing] * 3 + [np.ones_like(pre), nothing, pre])
    assert model.design.terms[:4] == ("0|1", "1|2", "2|3", "treat")
    assert np.allclose(fixed, expected)
    assert model.design.group("item").columns == ("Intercept", "treat", "spread", "bend")
    assert np.allclose(random, [[0, 1, 0, 0]])


def test_text_is_compared_with_its_reference(make_trial):
    trial = make_trial()
    trial["trt"] = trial["trt"].mask(trial["id"] % 3 == 0, "both")
    model = il.Model("resp ~ trt + (trt | item)", trial, reference={"trt": "placebo"}, roles={})
    found = list(changes(model, "trt"))
    assert [contrast.label for contrast, _, _ in found] == ["both v placebo", "drug v placebo"]
    assert [fixed[0].tolist() for _, fixed, _ in found] == [[0, 1, 0], [0, 0, 1]]
    assert [random[0].tolist() for _, _, random in found] == [[0, 1, 0], [0, 0, 1]]


def test_a_dose_changes_by_one_unit(make_trial):
    model = il.Model("resp ~ rate + (rate | item)", make_trial(), roles={})
    (contrast, fixed, _), *others = changes(model, "rate")
    assert not others and contrast.label == "rate, one unit more"
    assert np.allclose(fixed, [[0, 1]])


@pytest.mark.parametrize("spelling", ["C(treat)", "factor(treat)", "I(treat == 1)", "treat"])
def test_spellings_of_two_arms_have_one_contrast(make_trial, spelling):
    trial = make_trial().assign(treat=lambda t: t["treat"].astype(float))
    model = il.Model(f"resp ~ {spelling} + ({spelling} | item)", trial, roles={})
    ((_, fixed, random),) = changes(model, "treat")
    assert np.allclose(fixed, [[0, 1]]) and np.allclose(random, [[0, 1]])


def test_yes_and_no_are_named(make_trial):
    trial = make_trial().assign(treat=lambda t: t["treat"] == 1)
    model = il.Model("resp ~ treat + (treat | item)", trial, roles={})
    ((contrast, fixed, _),) = changes(model, "treat")
    assert contrast.label == "True v False" and np.allclose(fixed, [[0, 1]])


def test_a_scaled_treatment_changes_by_its_own_scale(make_trial):
    trial = make_trial()
    model = il.Model("resp ~ scale(treat) + (treat | item)", trial, roles={})
    ((_, fixed, _),) = changes(model, "treat")
    assert np.allclose(fixed[:, 1], 1 / trial["treat"].std())


def test_a_formula_without_the_treatment_is_told_so(make_trial):
    responses = il.Model("resp ~ pre + (1 | item)", make_trial(), roles={}).responses
    with pytest.raises(
        ModelError, match="the formula has no treatment: column 'treat' is not in it"
    ):
        arm_contrasts(responses, "treat")
