"""The sum-score effect: by hand, by bootstrap, and with a truth that classical test theory knows."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.score_effect import ALPHA, CORRECTED, NAIVE


def by_hand(table):
    """d, alpha and corrected d, written as textbooks do."""
    wide = table.pivot(index=["id", "treat"], columns="item", values="resp")
    arms = [wide.xs(arm, level="treat") for arm in (0, 1)]
    n = [len(arm) for arm in arms]
    pooled = sum((m - 1) * arm.cov() for m, arm in zip(n, arms, strict=True)) / (sum(n) - 2)
    k, variance = wide.shape[1], pooled.to_numpy().sum()
    alpha = k / (k - 1) * (1 - np.trace(pooled) / variance)
    d = (arms[1].sum(axis=1).mean() - arms[0].sum(axis=1).mean()) / np.sqrt(variance)
    return np.array([d, alpha, d / np.sqrt(alpha)])


@pytest.fixture(scope="module")
def table(trial_table):
    return trial_table(4, persons=150, items=6)


def test_by_hand(table):
    found = il.sum_score_effect(il.il_hte(table)).frame
    np.testing.assert_allclose(found["estimate"], by_hand(table), rtol=1e-12)
    assert list(found.index) == [NAIVE, ALPHA, CORRECTED]


def test_standard_errors_are_those_of_the_bootstrap(table):
    found = il.sum_score_effect(il.il_hte(table)).frame
    rng, n = np.random.default_rng(1), 600
    wide = table.pivot(index="id", columns="item", values="resp").to_numpy()
    arm = table.groupby("id")["treat"].first().to_numpy()
    places = [np.flatnonzero(arm == a) for a in (0, 1)]
    drawn = []
    for _ in range(n):
        chosen = np.concatenate([rng.choice(p, p.size) for p in places])
        long = pd.DataFrame(wide[chosen]).melt(
            ignore_index=False, var_name="item", value_name="resp"
        )
        drawn.append(by_hand(long.assign(id=long.index, treat=arm[chosen][long.index])))
    # an SD of 600 draws is known to 2.9 %; 4 of these, and 3 % for what is not linear
    np.testing.assert_allclose(found["se"], np.std(drawn, axis=0, ddof=1), rtol=0.15)


def test_clusters_count_where_they_were_assigned(table):
    """Every person twice, as a cluster: standard errors of the clusters, not of the persons."""
    twin = pd.concat([table, table.assign(id=table["id"] + 1000)])
    twin["school"] = twin["id"] % 1000
    once = il.sum_score_effect(il.il_hte(table))
    model = il.il_hte(twin, clusters=["school"])
    assert model.assignment.unit == "school"
    twice = il.sum_score_effect(model)
    # pooled variances differ by (2 n - 2) / (2 (n - 2)), n = 150
    np.testing.assert_allclose(twice.frame["estimate"], once.frame["estimate"], rtol=0.01)
    np.testing.assert_allclose(twice.frame["se"], once.frame["se"], rtol=0.02)
    assert "150 assigned units (school)" in repr(twice)


def test_the_correction_finds_the_effect_on_true_scores():
    """Probabilities linear in ability, so that true scores are: effect .5 SDs by construction."""
    rng, persons, items = np.random.default_rng(2), 20_000, 5
    arm = np.arange(persons) % 2
    ability = rng.uniform(-(3**0.5), 3**0.5, persons) + 0.5 * arm  # of SD 1
    chance = 0.45 + 0.15 * ability
    score = (rng.random((persons, items)) < chance[:, None]).astype(int)
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    data = pd.DataFrame({"resp": score.ravel(), "id": person, "item": item, "treat": arm[person]})
    frame = il.sum_score_effect(il.il_hte(data)).frame
    corrected, naive = frame.loc[CORRECTED], frame.loc[NAIVE]
    assert abs(corrected["estimate"] - 0.5) < 4 * corrected["se"] < 0.15
    assert naive["upper"] < 0.4  # the naive one is far off


def test_ordinal_scores_three_arms_and_groups(trial_table):
    data = trial_table(3, persons=150, items=4, arms=3)
    data["resp"] = data["resp"] + np.random.default_rng(1).integers(0, 2, len(data))
    data["treat"] = np.array(["a", "b", "c"])[data["treat"]]
    model = il.il_hte(data, family="cumulative", assignment="observational")
    result = il.sum_score_effect(model)
    assert list(result.frame.index.unique("contrast")) == ["b v a", "c v a"]
    two = data[data["treat"] != "b"].assign(treat=lambda t: (t["treat"] == "c").astype(int))
    np.testing.assert_allclose(result.frame.loc["c v a", "estimate"], by_hand(two), rtol=1e-12)
    assert "differences between groups" in repr(result)


def test_missing_answers_and_other_refusals(table, make_trial):
    gaps = table.drop(index=table.index[[0, 1, 20]])  # of persons 0 and 3
    result = il.sum_score_effect(il.il_hte(gaps))
    whole = table[~table["id"].isin([0, 3])]
    np.testing.assert_allclose(result.frame["estimate"], by_hand(whole))
    assert "148 persons with answers to all 6 items; 2 with missing answers" in repr(result)
    booklets = table[(table["id"] // 2 + table["item"]) % 2 == 0]
    with pytest.raises(il.errors.ModelError, match="0 of 150 persons answered all 6 items"):
        il.sum_score_effect(il.il_hte(booklets))
    crossed = table.assign(treat=(table["id"] + table["item"]) % 2)
    with pytest.raises(il.errors.ModelError, match="more than one arm"):
        il.sum_score_effect(il.il_hte(crossed, crossover=True))
    dose = table.assign(treat=table["id"] % 3 * 0.5)
    with pytest.raises(il.errors.ModelError, match="dose of 3 values"):
        il.sum_score_effect(il.il_hte(dose))
    twice = pd.concat([table.assign(wave=1), table.assign(wave=2)])
    with pytest.raises(il.errors.ModelError, match="more than once"):
        il.sum_score_effect(il.il_hte(twice, occasion="wave"))
    nominal = table.assign(resp=np.array(["x", "y", "z"])[(table["resp"] + table["id"]) % 3])
    with pytest.raises(il.errors.NotAvailable, match="no sum score"):
        il.sum_score_effect(il.il_hte(nominal, family="multinomial"))


def test_unreliable_scores_cannot_be_corrected():
    rng = np.random.default_rng(3)
    person, item = (grid.ravel() for grid in np.indices((60, 2)))
    first = rng.integers(0, 2, 60)
    resp = np.where(item == 0, first[person], 1 - first[person])
    resp[::7] = 1 - resp[::7]
    data = pd.DataFrame({"resp": resp, "id": person, "item": item, "treat": person % 2})
    result = il.sum_score_effect(il.il_hte(data))
    assert result.frame.loc[ALPHA, "estimate"] < 0
    assert np.isnan(result.frame.loc[CORRECTED, "estimate"])
    assert "nothing to correct with" in repr(result) and "nan" not in repr(result)
