"""Which group is integrated out: the persons, else the largest, if it has one effect a level."""

from dataclasses import replace

import pytest

import ilhte_bayes as il
from ilhte_bayes.likelihood.integrable import choose_group, one_dimensional
from ilhte_bayes.models.family_terms import complete_design
from tests.likelihood.test_kernel import FORMULAS, a_model, a_trial

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


def a_design(formula: str):
    return il.Model(formula, a_trial(1, n=40), roles={"treatment": "treat"}).design


@pytest.mark.parametrize("name", FORMULAS)
def test_persons_with_one_effect_each_are_chosen(name):
    design = a_model(name, a_trial(1, n=40)).design
    assert choose_group(design, "auto", person="id") == "id"


def test_nothing_is_chosen_where_the_largest_group_has_two_effects_a_level():
    design = a_design("y ~ treat + (1 + time | id) + (1 | item)")
    assert not one_dimensional(design, design.group("id"))
    assert choose_group(design, "auto", person="id") is None
    assert choose_group(design, "item", person="id") == "item"
    with pytest.raises(il.errors.ModelError, match="id has 2 random effects"):
        choose_group(design, "id", person="id")


def test_columns_that_persons_mix_are_two_effects():
    """Of columns by arm each person uses one; of columns by half of the test, both."""
    arms = a_design("y ~ treat + (0 + C(treat) || id) + (1 | item)")
    halves = a_design("y ~ treat + (0 + C(item > 2) || id) + (1 | item)")
    assert one_dimensional(arms, arms.group("id"))
    assert not one_dimensional(halves, halves.group("id"))


def test_groups_of_few_levels_are_left_and_names_are_checked():
    design = a_design("y ~ treat + (1 | school) + (1 | item)")
    assert choose_group(design, "auto", person=None) is None
    assert choose_group(design, "auto", person=None, many=2) == "item"
    assert choose_group(design, "none", person="id") is None
    with pytest.raises(il.errors.ModelError, match="'auto', 'none' or a group of the formula"):
        choose_group(design, "pupil", person="id")


@pytest.mark.parametrize("integrate", ["auto", "id"])
def test_a_family_that_the_kernel_does_not_know_is_never_integrated_as_a_logit(integrate):
    """A probit, say, has the design of binary answers, and only its family tells them apart."""
    model = a_model(next(iter(FORMULAS)), a_trial(1, n=40))
    family = replace(model.family, compiled=False)
    options = {"thresholds": "common", "own_slopes": (), "logits": "independent"}
    unknown = complete_design(model.design, family, model.responses, "item", **options)
    assert choose_group(model.design, integrate, person="id") == "id"
    if integrate == "auto":
        assert choose_group(unknown, "auto", person="id") is None
    else:
        with pytest.raises(il.errors.NotAvailable, match="persons are not integrated out"):
            choose_group(unknown, integrate, person="id")
