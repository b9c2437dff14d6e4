"""Slips of a real table: codes of missing answers, a pupil on the wrong list, ids that start again."""

import warnings

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


@pytest.fixture
def schools() -> pd.DataFrame:
    """16 schools, half of them treated, 10 pupils each, 5 items."""
    plan = il.Trial(persons=160, items=5, clusters=16, by_cluster=True)
    return il.simulate(plan, seed=1).table


def notes_of(table: pd.DataFrame, **options) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        return " ".join(il.il_hte(table, clusters="cluster_id", **options).notes)


@pytest.mark.parametrize("code", [9, 99, -99])
@pytest.mark.parametrize("family", ["bernoulli", "cumulative"])
def test_a_code_of_missing_answers_is_not_compared_with(schools, code, family):
    schools.loc[::50, "resp"] = code
    with pytest.raises(il.errors.DataError, match=rf"looks like a code.*replace\({code}, float"):
        il.il_hte(schools, clusters="cluster_id", family=family)
    assert "looks like a code for missing" in notes_of(schools, response="resp >= 1")


def test_scores_that_follow_each_other_are_no_codes(schools):
    schools["resp"] = np.arange(len(schools)) % 10  # 0 to 9
    assert "looks like" not in notes_of(schools, response="resp >= 5")
    schools["resp"] = np.arange(len(schools)) % 5 * 2  # 0, 2, 4, 6, 8
    assert "looks like" not in notes_of(schools, response="resp >= 4")
    schools["resp"] = np.arange(len(schools)) % 3 - 1  # -1, 0, 1
    assert "looks like" not in notes_of(schools, response="resp >= 1")


def test_one_pupil_in_the_wrong_arm_is_named(schools):
    first = schools["id"].iloc[0]
    arm = schools.loc[schools["id"] == first, "treat"].iloc[0]
    schools.loc[schools["id"] == first, "treat"] = 1 - arm
    found = notes_of(schools)
    assert f"in 15 of 16 cluster_ids, but not in 1: id '{first}' has {1 - arm}" in found


def test_arms_mixed_in_every_school_are_no_slip():
    table = il.simulate(il.Trial(persons=160, items=5, clusters=16), seed=1).table
    assert "is the same for everybody" not in notes_of(table)


def test_persons_are_counted_where_ids_start_again_in_each_school(schools):
    """80 in each arm, 40 numbers of ids at most."""
    schools["id"] = schools.groupby("cluster_id")["id"].transform(lambda s: pd.factorize(s)[0])
    schools.loc[::37, "resp"] = np.nan
    with pytest.warns(il.errors.IlhteWarning, match="restart in each"):
        flow = il.il_hte(schools, clusters="cluster_id").flow
    assert flow["in the table"].tolist() == [80, 80]


def test_a_feature_of_persons_is_no_feature_of_items(schools):
    schools["sex"] = schools["id"] % 2
    with pytest.raises(il.errors.DataError, match=r"item feature 'sex'.*moderators=\['sex'\]"):
        il.il_hte(schools, clusters="cluster_id", item_features="sex")


def test_an_unknown_argument_and_a_missing_column_name_the_right_one(schools):
    with pytest.raises(TypeError, match=r"il_hte has no argument 'covariate'. Did you mean covari"):
        il.il_hte(schools, covariate="pre")
    with pytest.raises(il.errors.DataError, match=r"column 'school' not found.*clusters='...'"):
        il.il_hte(schools, clusters="school")


def test_names_with_spaces(schools):
    table = schools.rename(columns={"id": "Pupil ID", "treat": "In arm"})
    table["Pre Test"] = table["Pupil ID"] % 7 - 3.0
    roles = {"person": "Pupil ID", "treatment": "In arm", "clusters": "cluster_id"}
    found = il.identification(table, "Pre Test", n=2, **roles, assignment="randomised")
    assert "In arm:Pre Test" in found.fits["M_C"].coefficients.index
    with pytest.raises(il.errors.NotAvailable, match=r"rename\(columns=\{.*'Pupil ID': 'Pupil_ID'"):
        il.as_code(il.il_hte(table, **roles), "glmer")


def test_what_has_t_for_few_clusters_is_what_the_model_has(schools):
    """Without items there is neither a card nor an effect by item to point to."""
    fit = il.laplace(il.il_hte(schools, clusters="cluster_id"))
    assert "il.effect_card" in repr(il.odds_ratios(fit))
    one = schools[schools["item"] == schools["item"].iloc[0]]
    plain = il.Model("resp ~ treat + (1 | cluster_id)", one, roles={"treatment": "treat"})
    text = repr(il.odds_ratios(il.laplace(plain)))
    assert "il.fixed_tests has those of t" in text and "il.effect_card" not in text


@pytest.mark.parametrize(
    ("answers", "codes"),
    [
        ([*range(10), -9], "-9"),
        ([*range(11), 99], "99"),
        ([0, 1, 7, 8, 9], "7, 8, 9"),
        ([1, 2, 3, 4, 98, 99], "98, 99"),
    ],
)
def test_each_code_is_judged_by_the_gap_below_it(schools, answers, codes):
    schools["resp"] = np.resize(answers, len(schools))
    assert f" {codes} looks like a code" in notes_of(schools, response="resp >= 3")
