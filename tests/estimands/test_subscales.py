"""Subscales: means of item effects, with the uncertainty that items share."""

import numpy as np
import pytest
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.estimands.subscales import POPULATION


def test_means_and_their_errors_are_those_of_the_draws(caffeine):
    """Draws of coefficients and deviations are made by other code."""
    kinds = {item: "far" if k < 4 else "near" for k, item in enumerate(items_of(caffeine))}
    found = il.subscale_effects(caffeine, kinds).frame
    posterior = caffeine.draws["posterior"]
    effects = posterior["beta"].sel(term="treat") + posterior["re_item"].sel(item_column="treat")
    by_kind = {
        kind: effects.sel(item=[i for i, k in kinds.items() if k == kind]).mean("item")
        for kind in ("far", "near")
    }
    by_kind["near - far"] = by_kind["near"] - by_kind["far"]
    for name, values in by_kind.items():
        row = found.loc[("these items", name)]
        # 2,000 draws: the mean to se / 45, the SD to 1.6 %; four of each
        assert row["estimate"] == pytest.approx(values.mean().item(), abs=0.09 * row["se"])
        assert row["se"] == pytest.approx(values.std().item(), rel=0.064)
        assert row["p_positive"] == pytest.approx(norm.cdf(row["estimate"] / row["se"]))


def items_of(fit):
    return list(fit.model.design.group("item").labels)


def test_a_difference_is_surer_than_independent_means_would_be(caffeine):
    """Items share the average effect's error, which a difference is free of."""
    kinds = {item: k % 2 for k, item in enumerate(items_of(caffeine))}
    se = il.subscale_effects(caffeine, kinds).frame["se"]["these items"]
    assert se["1 - 0"] < 0.9 * np.hypot(se["0"], se["1"])


def test_all_items_of_the_model_without_features_have_one_mean(caffeine):
    kinds = {item: k % 2 for k, item in enumerate(items_of(caffeine))}
    found = il.subscale_effects(caffeine, kinds)
    own = caffeine.coefficients.loc["treat"]
    for kind in ("0", "1"):
        row = found.frame.loc[(POPULATION, kind)]
        assert row["estimate"] == pytest.approx(own["estimate"])
        assert row["se"] == pytest.approx(own["se"])
    gap = found.frame.loc[(POPULATION, "1 - 0")]
    assert gap["estimate"] == 0.0
    assert np.isnan(gap["p_positive"])
    assert "by assumption" in repr(found)


@pytest.mark.parametrize("kinds, said", [(2, None), (3, "3 differences"), (4, "6 differences")])
def test_differences_are_counted_where_there_are_several(caffeine, kinds, said):
    by = {item: k % kinds for k, item in enumerate(items_of(caffeine))}
    notes = [n for n in il.subscale_effects(caffeine, by).notes if "each interval is its own" in n]
    assert [n.split(":")[0] for n in notes] == ([said] if said else [])


@pytest.fixture(scope="module")
def reverse():
    trial = il.load_dataset("caffeine")
    return il.laplace(il.il_hte(trial, response="resp >= 2", item_features="reverse"))


def test_population_means_are_the_fixed_part(reverse):
    found = il.subscale_effects(reverse, "reverse")
    beta = reverse.coefficients["estimate"]
    assert found.frame.index.names == ["target", "reverse"]
    population = found.frame.loc[POPULATION]
    assert population.loc["0", "estimate"] == pytest.approx(beta["treat"])
    assert population.loc["1", "estimate"] == pytest.approx(beta["treat"] + beta["treat:reverse"])
    gap = population.loc["1 - 0"]
    own = reverse.coefficients.loc["treat:reverse"]
    np.testing.assert_allclose(gap[["estimate", "se", "lower"]].astype(float), own.iloc[:3])
    assert found.frame["items"].tolist() == ["7", "3", ""] * 2
    assert max(map(len, repr(found).split("\n")[:8])) < 100


def test_means_over_items_are_the_items_own(reverse):
    effects = il.item_effects(reverse)["effect"]
    trial = il.load_dataset("caffeine").drop_duplicates("item").set_index("item")["reverse"]
    found = il.subscale_effects(reverse, "reverse").frame.loc["these items", "estimate"]
    for kind in (0, 1):
        mine = effects[trial[trial == kind].index]
        assert found[str(kind)] == pytest.approx(mine.mean(), rel=1e-10)


def test_draws(trial_table, fit_of_draws):
    """Two draws of four items: means of each draw."""
    model = il.Model(
        "resp ~ treat + (1 | id) + (treat || item)",
        trial_table(1, persons=60, items=4),
        roles={"treatment": "treat", "person": "id", "item": "item"},
    )
    effects = np.random.default_rng(1).normal(size=(2, 4, 2))
    fit = fit_of_draws(
        model,
        np.array([[0.0, 0.5], [0.0, 0.7]]),
        {"id": np.ones((2, 1)), "item": np.ones((2, 2))},
        re={"item": effects},
    )
    found = il.subscale_effects(fit, {1: "a", 2: "a", 3: "b", 4: "b"}).frame["estimate"]
    own = effects[:, :, 1] + np.array([[0.5], [0.7]])
    assert found["these items", "a"] == pytest.approx(own[:, :2].mean())
    assert found["these items", "b - a"] == pytest.approx((own[:, 2:] - own[:, :2]).mean())
    assert found[POPULATION, "a"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    "by, words",
    [
        ("kind", "is not in the formula"),
        ("treat", "several values in answers to one item"),
        ({"q": "near"}, "has no subscale for item"),
    ],
)
def test_refusals(reverse, by, words):
    with pytest.raises(il.errors.DataError, match=words):
        il.subscale_effects(reverse, by)
    with pytest.raises(il.errors.DataError, match="nothing to compare"):
        il.subscale_effects(reverse, dict.fromkeys(items_of(reverse), "near"))


def test_kinds_have_the_words_of_their_own_column():
    """The arms have words, the feature has none, and its name comes after theirs."""
    trial = il.load_dataset("caffeine").rename(columns={"reverse": "turned"})
    fit = il.laplace(il.il_hte(trial, response="resp >= 2", item_features="turned"))
    assert [c.column for c in fit.model.responses.codings] == ["treat"]
    found = il.subscale_effects(fit, "turned").frame.loc["these items"]
    assert found.index.tolist() == ["0", "1", "1 - 0"]
