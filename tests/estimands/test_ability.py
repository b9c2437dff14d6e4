"""SD of ability by hand: pandas on the persons of a small table, draws chosen by the test."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.ability import WORDS, ability_sd
from ilhte_bayes.estimands.parameters import parameter_draws

BETA = {"Intercept": -1.0, "treat": 0.7, "pre": 0.5, "sex[T.m]": -0.4}
SD = {"school": [0.6], "school:id": [0.9], "item": [1.1, 0.3]}


@pytest.fixture(scope="module")
def table(trial_table):
    """48 persons in 6 schools, some of whose answers are missing."""
    table = trial_table(1, persons=48, items=5)
    rng = np.random.default_rng(2)
    table["school"] = table["id"] % 6 + 10 * (table["id"] % 2)
    table["pre"] = (rng.normal(0, 1, 48) + 0.8 * (np.arange(48) % 6))[table["id"]]
    table["sex"] = np.array(["f", "m"])[(rng.random(48) < 0.4).astype(int)][table["id"]]
    return table.drop(table.index[::7])


@pytest.fixture(scope="module")
def fit(table, fit_of_draws):
    roles = {"treatment": "treat", "person": "id", "item": "item", "clusters": ["school"]}
    formula = "resp ~ treat + pre + sex + (1 | school/id) + (treat | item)"
    model = il.Model(formula, table, roles=roles)
    beta = np.array([[BETA[term] for term in model.design.terms]] * 2)
    beta[1] *= 2.0  # a second draw, so that draws must not be mixed
    sd = {name: np.array([SD[name]] * 2) for name in SD}
    corr = {"item": np.array([[[1.0, 0.2], [0.2, 1.0]]] * 2)}
    return fit_of_draws(model, beta, sd, corr)


def linear_predictor(table):
    """Persons' X beta at the first draw, one row each."""
    persons = table.drop_duplicates("id").set_index("id")
    value = BETA["pre"] * persons["pre"] + BETA["sex[T.m]"] * (persons["sex"] == "m")
    return persons.assign(value=value)


def pooled(persons, by):
    """Variance within strata, with one degree of freedom less for each."""
    within = persons["value"] - persons.groupby(by)["value"].transform("mean")
    return (within**2).sum() / (len(persons) - persons.groupby(by).ngroups)


def test_within_arm_adds_persons_schools_and_covariates(fit, table):
    spread = pooled(linear_predictor(table), "treat")
    expected = np.sqrt([0.9**2 + 0.6**2 + spread, 0.9**2 + 0.6**2 + 4 * spread])
    np.testing.assert_allclose(ability_sd(fit, parameter_draws(fit)), expected)


def test_residual_is_the_sd_of_persons(fit):
    np.testing.assert_allclose(ability_sd(fit, parameter_draws(fit), "residual"), [0.9, 0.9])


def test_control_counts_the_reference_arm_alone(fit, table):
    persons = linear_predictor(table)
    spread = persons.loc[persons["treat"] == 0, "value"].var()
    expected = np.sqrt(0.9**2 + 0.6**2 + spread)
    assert ability_sd(fit, parameter_draws(fit), "control")[0] == pytest.approx(expected)


def test_within_cluster_leaves_the_schools_out(fit, table):
    spread = pooled(linear_predictor(table), ["treat", "school"])
    expected = np.sqrt(0.9**2 + spread)
    assert ability_sd(fit, parameter_draws(fit), "within_cluster")[0] == pytest.approx(expected)


def test_a_slope_of_persons_counts_as_often_as_it_was_answered(fit_of_draws):
    """Var(a + b t) averaged over answers at t = 0, 1, 1: half of it would count too little."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(20), 6),
            "item": np.tile([1, 2], 60),
            "time": np.tile([0, 0, 1, 1, 1, 1], 20),
            "occasion": np.tile([0, 0, 1, 1, 2, 2], 20),
            "resp": rng.integers(0, 2, 120),
        }
    )
    table["treat"] = table["id"] % 2
    roles = {"treatment": "treat", "person": "id", "item": "item", "occasion": "occasion"}
    model = il.Model("resp ~ treat + (time | id) + (1 | item)", table, roles=roles)
    corr = {"id": np.array([[[1.0, -0.5], [-0.5, 1.0]]])}
    sd = {"id": [[1.0, 0.8]], "item": [[1.0]]}
    fit = fit_of_draws(model, np.zeros((1, 2)), sd, corr)
    at_one = 1.0 + 0.8**2 + 2 * (-0.5) * 0.8
    expected = np.sqrt((1.0 + 2 * at_one) / 3)
    assert ability_sd(fit, parameter_draws(fit), "residual")[0] == pytest.approx(expected)


def test_without_covariates_all_kinds_but_clusters_agree(caffeine):
    draws = parameter_draws(caffeine)
    person, study = (caffeine.sd(name).iloc[0] for name in ("study:id", "study"))
    # medians of 4,000 draws: within 4 of their standard errors, 1.25 / sqrt(4000) of an SD of .14
    middle = {kind: np.median(ability_sd(caffeine, draws, kind)) for kind in WORDS}
    assert middle["residual"] == pytest.approx(person, abs=0.02)
    assert middle["within_cluster"] == pytest.approx(person, abs=0.02)
    assert middle["within_arm"] == middle["control"]
    assert middle["within_arm"] == pytest.approx(np.hypot(person, study), abs=0.03)


def test_an_unknown_kind_lists_those_there_are(caffeine):
    with pytest.raises(il.errors.ModelError, match="'within_arm', 'residual', 'control'"):
        ability_sd(caffeine, parameter_draws(caffeine), "total")


def test_features_of_the_items_a_person_was_asked_are_no_part_of_ability():
    """Two booklets of easy and of hard items: SD of ability = the persons' own, no more."""
    rng = np.random.default_rng(3)
    person, item = np.repeat(np.arange(200), 5), np.tile(np.arange(5), 200)
    item = item + 5 * (person % 4 >= 2)  # hard booklet, balanced over arms
    frame = pd.DataFrame({"id": person, "item": item, "treat": person % 2})
    frame["hard"] = (item >= 5).astype(int)
    eta = rng.normal(size=200)[person] - 2.0 * frame["hard"] + 0.3 * frame["treat"]
    frame["resp"] = rng.binomial(1, 1 / (1 + np.exp(-eta)))
    mixed = frame.assign(item=np.where(frame["item"] % 5 == 0, 10, frame["item"]))
    mixed["hard"] = mixed["hard"].where(mixed["item"] != 10, 0)  # one easy item for everybody
    fit = il.laplace(il.Model(
        "resp ~ treat + hard + (1 | id) + (treat || item)", mixed,
        roles={"treatment": "treat", "person": "id", "item": "item"},
    ))  # fmt: skip
    draws = parameter_draws(fit)
    np.testing.assert_allclose(
        ability_sd(fit, draws, "within_arm"), ability_sd(fit, draws, "residual"), rtol=1e-12
    )
