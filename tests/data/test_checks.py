"""What a trial's table must be: errors where roles are stated, warnings where recognised."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, IlhteWarning

FORMULA = "resp ~ treat + (1 | id) + (treat | item)"
ROLES = {"treatment": "treat", "person": "id", "item": "item"}


def two_arms(trial: pd.DataFrame) -> pd.DataFrame:
    return trial.assign(treat=trial["treat"].mask(trial.index == 8, 0))  # person 1 is in arm 1


def twice(trial: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([trial, trial.iloc[8:10]])


@pytest.mark.parametrize(
    "damage, said",
    [
        (two_arms, "one person is in more than one arm of 'treat': id 1.*--crossover"),
        (twice, r"2 row\(s\) answer an item that the same person has already answered"),
    ],
)
def test_a_breach_is_an_error_if_roles_are_stated_and_a_warning_if_not(make_trial, damage, said):
    table = damage(make_trial())
    with pytest.raises(DataError, match=said):
        il.Model(FORMULA, table, roles=ROLES)
    with pytest.raises(DataError, match=said):
        il.il_hte(table)
    with pytest.warns(IlhteWarning, match=said):
        model = il.Model(FORMULA, table)
    assert model.design.n_obs == len(table)
    assert len(model.notes) == 1


def test_persons_in_two_arms_are_counted_and_the_first_named(make_trial):
    trial = make_trial()
    trial["treat"] = trial["treat"].mask(trial["item"] == "q1", 0)
    with pytest.raises(DataError, match=r"20 persons are .*: id 1, id 3, id 5 and 17 more"):
        il.il_hte(trial)


def test_a_declared_crossover_is_none_of_our_business(make_trial):
    trial = make_trial()
    both = pd.concat([trial.assign(treat=0), trial.assign(treat=1)])
    model = il.il_hte(both, crossover=True)
    assert model.design.n_obs == 2 * len(trial)
    assert model.assignment is not None and "a crossover" in model.assignment.sentence
    with pytest.raises(DataError, match="already answered"):  # in the same arm, still
        il.il_hte(pd.concat([both, both]), crossover=True)


def test_repeated_answers_are_shown_with_what_tells_them_apart(make_trial):
    trial = make_trial()
    waves = pd.concat([trial.assign(wave=0), trial.assign(wave=1)])
    with pytest.raises(DataError, match="occasion='wave' in il_hte") as caught:
        il.il_hte(waves)
    shown = str(caught.value).splitlines()[1:6]
    assert shown[0].split() == ["id", "item", "resp", "wave"]
    assert [line.split()[1:3] for line in shown[1:]] == [["0", "q1"]] * 2 + [["0", "q2"]] * 2
    assert [line.split()[-1] for line in shown[1:]] == ["0", "1", "0", "1"]


def test_a_named_occasion_tells_repeated_answers_apart(make_trial):
    trial = make_trial()
    waves = pd.concat([trial.assign(wave=0), trial.assign(wave=1)])
    assert il.il_hte(waves, occasion="wave").design.n_obs == 2 * len(trial)
    assert il.Model(f"{FORMULA} + wave", waves).notes == ()
    with pytest.raises(DataError, match="on each wave"):
        il.il_hte(pd.concat([waves, waves.iloc[:1]]), occasion="wave")


def test_items_without_a_difference_in_an_arm_are_named(make_trial):
    trial = make_trial()
    here = (trial["item"] == "q2") & (trial["treat"] == 1)
    with pytest.warns(IlhteWarning, match="every answer is the same for q2 where treat = 1"):
        il.il_hte(trial.assign(resp=trial["resp"].mask(here, 1)))
    with pytest.warns(IlhteWarning, match="there are no answers for q2 where treat = 1"):
        il.il_hte(trial[~here])


def test_a_dose_of_many_values_has_no_arms_to_look_into(make_trial):
    dose = make_trial().assign(treat=lambda t: t["pre"])
    assert il.Model(FORMULA, dose, roles=ROLES).notes == ()


class TestNesting:
    formula = "resp ~ treat + (1 | school/id)"

    def test_ids_that_lie_within_pass(self, make_trial):
        assert il.Model(self.formula, make_trial()).notes == ()

    def test_an_id_in_two_places_is_refused_and_named(self, make_trial):
        trial = make_trial()
        trial["school"] = trial["school"].mask(trial.index == 8, 4)  # id 1 is at school 0
        with pytest.raises(
            DataError, match=r"1 of its 40 ids .*first id 1 in school 0, 4"
        ) as caught:
            il.Model(self.formula, trial)
        assert "(1 | school) + (1 | id) instead of (1 | school/id)" in str(caught.value)

    def test_ids_given_to_schools_at_random_are_refused(self, make_trial):
        trial = make_trial()
        trial["teacher"] = np.random.default_rng(1).integers(0, 100, len(trial))
        with pytest.raises(DataError, match="column 'teacher' is not nested in 'school'"):
            il.Model("resp ~ treat + (1 | school/teacher)", trial)

    def test_the_cures_work(self, make_trial):
        trial = make_trial()
        trial["school"] = trial["school"].mask(trial.index == 8, 4)
        moved = il.Model("resp ~ treat + (1 | school) + (1 | id)", trial)
        assert [group.n_levels for group in moved.design.groups] == [5, 40]
        anew = il.Model("resp ~ treat + (1 | school) + (1 | school:id)", trial)
        assert [group.n_levels for group in anew.design.groups] == [5, 41]

    def test_ids_that_restart_are_different_units(self, make_trial):
        trial = make_trial()
        restarting = trial.assign(id=trial["id"] // 10 * 2 + trial["id"] % 2)
        with pytest.warns(
            IlhteWarning, match="ids in column 'id' restart in each school"
        ) as caught:
            model = il.Model(self.formula, restarting)
        assert len(caught) == 1
        unique = il.Model(self.formula, trial)
        assert model.design.group("school:id").n_levels == 40
        assert il.laplace(model).loglik == pytest.approx(il.laplace(unique).loglik, abs=1e-6)

    def test_restarting_ids_taken_for_one_person_are_warned_of(self, make_trial):
        trial = make_trial()
        restarting = trial.assign(id=trial["id"] // 10 * 2 + trial["id"] % 2)
        with pytest.warns(IlhteWarning, match=r"Write \(1 \| school/id\) instead of \(1 \| id\)"):
            il.Model(FORMULA, restarting, roles=ROLES | {"clusters": ["school"]})

    def test_three_levels_are_checked_against_all_above(self, make_trial):
        trial = make_trial()
        trial["teacher"] = trial["id"] // 10 % 2  # 0 and 1 in every school
        with pytest.warns(IlhteWarning, match="'teacher' restart in each school"):
            model = il.Model("resp ~ treat + (1 | school/teacher/id)", trial)
        assert [group.n_levels for group in model.design.groups] == [5, 10, 40]
