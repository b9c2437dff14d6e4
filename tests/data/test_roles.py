"""Roles: stated by the caller, or recognised by IRW's names."""

import pytest

import ilhte_bayes as il
from ilhte_bayes.data.roles import Roles, read_roles
from ilhte_bayes.errors import DataError


def test_irw_names_that_the_formula_uses_are_recognised(make_trial):
    table = make_trial().assign(cluster_id=1, wave=0, std_baseline=0.5, cov_age=3, covid=1)
    used = {"treat", "id", "item", "resp", "wave"}
    assert read_roles(None, table, used) == Roles(
        treatment="treat",
        person="id",
        item="item",
        occasion="wave",
        clusters=("cluster_id",),
        given=False,
        covariates=("std_baseline", "cov_age"),
    )
    assert read_roles(None, table, {"resp"}).person is None


def test_stated_roles_are_taken_as_they_are(make_trial):
    trial = make_trial()
    stated = {"treatment": "trt", "person": "id", "item": "item", "clusters": "school"}
    roles = read_roles(stated, trial, {"resp"})
    assert roles.treatment == "trt" and roles.clusters == ("school",) and roles.given
    assert read_roles(roles, trial, set()) == roles


def test_a_bundled_set_brings_its_own_roles():
    trial = il.load_dataset("caffeine")
    model = il.Model("resp >= 2 ~ treat + (1 | study/id) + (treat | item)", trial)
    assert (model.roles.treatment, model.roles.person, model.roles.clusters) == (
        "treat", "id", ("study",)
    )  # fmt: skip
    assert not model.roles.given


@pytest.mark.parametrize(
    "roles, said",
    [
        ({"treat": "treat"}, "roles has no 'treat'; the roles are 'treatment', 'person'"),
        ({"treatment": "tret"}, "column 'tret' not found.*Did you mean 'treat'"),
        ({"person": "id", "item": "id"}, "column 'id' plays two roles"),
        ("treat", "roles is a str. Write a mapping"),
    ],
)
def test_roles_that_make_no_sense_are_refused(make_trial, roles, said):
    with pytest.raises(DataError, match=said):
        il.Model("resp ~ treat + (1 | id)", make_trial(), roles=roles)


def test_il_hte_takes_irw_names_by_default(make_trial):
    model = il.il_hte(make_trial())
    assert model.formula.text == "resp ~ treat + (1 | id) + (treat | item)"
    assert model.roles.given and model.roles.item == "item"


def test_il_hte_names_the_argument_for_a_missing_column(make_trial):
    table = make_trial().rename(columns={"treat": "zzz", "trt": "yyy"})
    with pytest.raises(DataError, match=r"'treat' not found.*treatment='...' \(--treatment"):
        il.il_hte(table)


def test_il_hte_writes_the_formula_of_all_its_arguments(make_trial):
    table = make_trial().rename(columns={"pre": "pre test"})
    model = il.il_hte(
        table,
        response="rate >= 2",
        treatment="trt",
        clusters=["school"],
        covariates=["pre test"],
        moderators="age",
        reference={"trt": "placebo"},
    )
    assert model.formula.text == (
        "rate >= 2 ~ trt + `pre test` + trt * age + (1 | school/id) + (trt | item)"
    )
    same = il.Model(
        model.formula.text,
        table,
        roles={"treatment": "trt", "person": "id", "item": "item", "clusters": ["school"]},
        reference={"trt": "placebo"},
    )
    assert same.responses.fingerprint() == model.responses.fingerprint()
    assert same.design.terms == model.design.terms


def test_effects_are_by_item_or_constant(make_trial):
    model = il.il_hte(make_trial(), effects="constant")
    assert model.formula.text == "resp ~ treat + (1 | id) + (1 | item)"
    with pytest.raises(DataError, match="effects='none'; it is 'item'"):
        il.il_hte(make_trial(), effects="none")
