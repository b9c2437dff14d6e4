"""The level of assignment is found in the table, whatever the formula says."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, IlhteWarning

FORMULA = "resp ~ treat + (1 | id) + (treat | item)"


def by_school(trial: pd.DataFrame) -> pd.DataFrame:
    """Ten schools of four persons, five in each arm."""
    return trial.assign(school=trial["id"] // 4, treat=trial["id"] // 4 % 2)


def test_persons_assigned_one_by_one(make_trial):
    found = il.Model(FORMULA, make_trial()).assignment
    assert found is not None and (found.unit, found.n_units) == ("id", 40)
    assert found.sentence == "treat is constant within 40 persons (id): assigned person by person."


def test_a_cluster_trial_without_a_term_for_the_cluster_is_warned_with_the_formula(make_trial):
    with pytest.warns(IlhteWarning, match="no term for school") as caught:
        model = il.Model(FORMULA, by_school(make_trial()))
    found = model.assignment
    assert found is not None and (found.unit, found.n_units) == ("school", 10)
    assert found.sentence == "treat is constant within 10 schools: cluster-assigned."
    # the formula that the warning says to write is the one that ends it
    advised = str(caught[0].message).partition("Write ")[2].removesuffix(".")
    assert il.Model(advised, by_school(make_trial())).notes == ()


def test_a_cluster_column_of_any_type_is_found(make_trial):
    trial = by_school(make_trial())
    for type_ in (float, str, "category", "Int64", "int64[pyarrow]"):
        table = trial.astype({"school": type_})
        model = il.Model(f"{FORMULA} + (1 | school)", table)
        assert model.assignment is not None and model.assignment.unit == "school", type_


def test_the_coarsest_cluster_is_the_unit(make_trial):
    trial = by_school(make_trial()).assign(town=lambda t: t["school"] % 2 + t["school"] // 4 * 2)
    with pytest.warns(IlhteWarning, match="no term for town"):
        model = il.Model(f"{FORMULA} + (1 | school)", trial)
    assert model.assignment is not None and model.assignment.unit == "town"


def test_no_cluster_is_seen_where_there_is_none(make_trial):
    trial = make_trial()
    rng = np.random.default_rng(1)
    table = trial.assign(
        form=trial["trt"] + np.where(trial["treat"] == 1, trial["id"] % 5, 0).astype(str),  # arms
        seconds=rng.integers(0, 1000, len(trial)),  # by row
        note=[[k] for k in range(len(trial))],  # no column to group by
        when=pd.Timestamp("2024-02-29") + pd.to_timedelta(trial["id"] // 3, unit="D"),
    )
    assert il.Model(FORMULA, table).notes == ()


def test_ids_missing_in_some_rows_do_not_hide_a_cluster(make_trial):
    trial = by_school(make_trial())
    trial["school"] = trial["school"].mask(trial.index % 11 == 0)
    with pytest.warns(IlhteWarning, match="within each of 10 schools"):
        il.Model(FORMULA, trial)


@pytest.mark.parametrize(
    "kind, noun, verb",
    [(None, "effect", "assigned"), ("randomised", "effect", "randomised"),
     ("observational", "difference", "assigned")],
)  # fmt: skip
def test_what_is_not_randomised_is_called_a_difference(make_trial, kind, noun, verb):
    found = il.Model(FORMULA, make_trial(), assignment=kind).assignment
    assert found is not None and found.noun == noun and verb in found.sentence


def test_an_unknown_kind_is_refused(make_trial):
    with pytest.raises(DataError, match="assignment='rct'; it is 'randomised'"):
        il.Model(FORMULA, make_trial(), assignment="rct")


def test_a_bundled_set_knows_whether_it_was_randomised():
    model = il.il_hte(il.load_dataset("verbagg"), response="y", assignment=None)
    assert model.assignment is not None and model.assignment.noun == "difference"


@pytest.mark.parametrize(
    "name, plural", [("school", "schools"), ("study", "studies"), ("class", "classes"), ("day", "days")]
)  # fmt: skip
def test_plurals(make_trial, name, plural):
    table = by_school(make_trial()).rename(columns={"school": name})
    model = il.Model(f"{FORMULA} + (1 | `{name}`)", table)
    assert model.assignment is not None and f"10 {plural}" in model.assignment.sentence


def few_schools(trial: pd.DataFrame, arms: tuple[int, ...], name: str = "school") -> pd.DataFrame:
    """So many schools, each wholly in an arm."""
    school = trial["id"] % len(arms)
    return trial.assign(**{name: school, "treat": np.array(arms)[school]})


@pytest.mark.parametrize("arms", [(0, 1, 0), (1, 0, 0, 0, 0, 0, 0)])
def test_a_single_school_in_an_arm_is_seen_without_being_declared(make_trial, arms):
    table = few_schools(make_trial(), arms)
    with pytest.warns(
        IlhteWarning, match=rf"within each of {len(arms)} schools.*no term for school"
    ):
        model = il.Model(FORMULA, table)
    assert model.assignment is not None and model.assignment.n_units == len(arms)


def test_one_school_an_arm_cannot_be_told_from_the_arm(make_trial):
    table = few_schools(make_trial(), (0, 1), "schoolID")
    for formula in (FORMULA, f"{FORMULA} + (1 | schoolID)"):
        with pytest.warns(IlhteWarning, match="treat and schoolID cannot be told apart"):
            model = il.Model(formula, table)
        assert model.assignment is not None and model.assignment.unit == "schoolID"
        assert "cluster-assigned" in model.assignment.sentence


def test_a_term_of_the_formula_declares_a_cluster_of_any_name(make_trial):
    table = few_schools(make_trial(), (0, 1, 0), "wing")
    assert il.Model(FORMULA, table).assignment.unit == "id"  # may describe the arms
    model = il.Model(f"{FORMULA} + (1 | wing)", table)
    assert model.assignment is not None and (model.assignment.unit, model.notes) == ("wing", ())


def test_two_persons_in_two_arms_are_no_crossover(make_trial):
    trial = make_trial()
    first = [trial.loc[trial["treat"] == arm, "id"].iloc[0] for arm in (0, 1)]
    with pytest.warns(IlhteWarning, match="every answer is the same"):
        found = il.Model(FORMULA, trial[trial["id"].isin(first)]).assignment
    assert found is not None and found.unit == "id" and "person by person" in found.sentence
