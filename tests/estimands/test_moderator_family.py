"""Families of moderators: what belongs to them, and Holm's correction."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

import ilhte_bayes as il
from ilhte_bayes.estimands.moderator_family import holm, moderated_terms


def test_holm_is_that_of_statsmodels():
    p = np.random.default_rng(3).uniform(0, 0.3, 9)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_moderators_are_what_interacts_with_treatment(make_trial):
    formula = "resp ~ trt * pre + trt * age + pre:age + (1 | id) + (1 | item)"
    model = il.Model(formula, make_trial(), roles={"treatment": "trt"})
    assert moderated_terms(model) == {"pre": ["trt[T.placebo]:pre"], "age": ["trt[T.placebo]:age"]}
    notes = il.fixed_tests(il.laplace(model)).notes
    (note,) = [text for text in notes if "Moderators" in text]
    assert "one of a family of 2 (2 moderators)" in note


def test_no_moderator_no_note(make_trial):
    model = il.Model("resp ~ treat + (1 | id) + (1 | item)", make_trial())
    assert not [text for text in il.fixed_tests(il.laplace(model)).notes if "Moderators" in text]
