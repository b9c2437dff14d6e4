"""Ordinal answers that are damaged, missing in places or separable: a sentence, or finite numbers."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes import cli

FORMULA = "resp ~ treat + (1 | id) + (treat | item)"
WORDS = np.array(["no", "perhaps", "yes", "always"])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    person, item = (grid.ravel() for grid in np.indices((60, 5)))
    eta = rng.normal(0, 1, 60)[person] + np.linspace(-1, 1, 5)[item] + 0.6 * (person % 2)
    score = np.digitize(eta + rng.logistic(size=person.size), [-1, 0.3, 1.6])
    return pd.DataFrame({"id": person, "item": item, "treat": person % 2, "resp": score})


def worded(table):
    return table.assign(resp=WORDS[table["resp"]])


# what is wrong: (damage, options, what the sentence must say)
KINDS = {
    "words without an order": (worded, {}, r"words have no order.*--levels always,no,perhaps,yes"),
    "a Categorical without an order": (
        lambda t: t.assign(resp=pd.Categorical(WORDS[t["resp"]], WORDS)), {},
        r"words have no order.*--levels no,perhaps,yes,always"),
    "an answer is left out of levels": (
        worded, {"levels": list(WORDS[:3])}, r"leaves out 'always'.*--levels"),
    "levels names an answer twice": (
        worded, {"levels": [*WORDS, "no"]}, r"names an answer twice"),
    "levels names what nobody chose": (
        worded, {"levels": [*WORDS, "ever"]}, r"names 'ever', which no row"),
    "a category that nobody chose": (
        lambda t: t.assign(resp=t["resp"].replace({2: 4})), {},
        r"holds 0, 1, 3, 4 only: .* a category that nobody chose.*rank\(method='dense'\)"),
    "one category": (lambda t: t.assign(resp=2), {}, "'resp' is 2 in all 300 rows"),
    "codes are not whole": (
        lambda t: t.assign(resp=t["resp"] / 2), {}, r"from 0 to 1.5; .*Recode them: .*rank"),
    "a predictor is constant": (
        lambda t: t.assign(treat=1), {}, r"'treat' is 1 in all 300 rows"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_answers_are_refused_in_words(table, kind):
    damage, options, said = KINDS[kind]
    with pytest.raises(il.errors.IlhteError, match=said) as caught:
        il.Model(FORMULA, damage(table), "cumulative", **options)
    assert 30 < len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", KINDS)
def test_and_on_the_command_line(table, kind, tmp_path, monkeypatch, capsys):
    damage, options, _ = KINDS[kind]
    damage(table).to_csv(tmp_path / "trial.csv", index=False)
    levels = ["--levels", ",".join(options["levels"])] if options else []
    arguments = ["fit", str(tmp_path / "trial.csv"), "--family", "cumulative", *levels]
    monkeypatch.setattr(sys, "argv", ["ilhte", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == "" and err.startswith("ilhte: ")


def test_scores_may_start_anywhere(table):
    for shift in (-1, 1, 5):
        model = il.Model(FORMULA, table.assign(resp=table["resp"] + shift), "cumulative")
        assert model.design.terms[0] == f"{shift}|{shift + 1}"
        np.testing.assert_array_equal(model.design.score, il.Model(
            FORMULA, table, "cumulative").design.score)  # fmt: skip


def missing_in_items(t):
    """Item 0 has no 2 and 3, item 1 no 0, item 2 only the ends (if `thresholds` are common)."""
    low, high = t["resp"].clip(0, 1), t["resp"].clip(1, 3)
    return np.select(
        [t["item"] == 0, t["item"] == 1, t["item"] == 2], [low, high, ends(t)], t["resp"]
    )


def ends(t):
    """No answers between the lowest and the highest."""
    return t["resp"].where(t["resp"].isin([0, 3]), 0)


EMPTY = {
    "in items": missing_in_items,
    "in an arm": lambda t: np.where(t["treat"] == 0, t["resp"].clip(0, 2), t["resp"]),
}


@pytest.mark.parametrize("thresholds", ["common", "item"])
@pytest.mark.parametrize("where", EMPTY)
def test_categories_may_be_empty_in_places(table, where, thresholds):
    """Every number stays finite, and a fit's probabilities stay near the shares that were seen."""
    damaged = table.assign(resp=EMPTY[where](table))
    with warnings.catch_warnings():  # thresholds without answers between them are told
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        model = il.Model(FORMULA, damaged, "cumulative", thresholds=thresholds)
    fit = il.laplace(model, objective="map")
    assert np.isfinite(fit.coefficients.to_numpy()).all()
    assert np.diff(fit.thresholds["estimate"]).min() > 0
    scores = il.score_effects(fit, draws=100)
    assert np.isfinite(scores.frame.to_numpy()).all()
    seen = damaged.groupby(["item", "treat"])["resp"].mean().unstack()
    expected = scores.frame.xs("expected score", level="outcome").droplevel("contrast")
    # 30 answers a cell, SD 1.1: errors of .2, shrunken
    np.testing.assert_allclose(expected["reference"], seen[0], atol=0.5)
    np.testing.assert_allclose(expected["treated"], seen[1], atol=0.5)


def test_own_thresholds_without_answers_between_them_are_told(table):
    """What keeps the thresholds around an empty category apart, and what else there is to do."""
    with pytest.warns(il.errors.IlhteWarning, match=r"nobody chose a middle category.*'common'"):
        model = il.Model(
            FORMULA, table.assign(resp=missing_in_items), "cumulative", thresholds="item"
        )
    own = il.item_thresholds(il.laplace(model)).frame["estimate"].unstack()
    assert (np.diff(own.to_numpy(), axis=1) > 0).all()


def test_an_arm_that_always_answers_highest(table):
    """Separated: maximum likelihood has no finite slope; the fit says so, and MAP is finite."""
    rng = np.random.default_rng(0)
    answers = np.where(table["treat"] == 1, 3, rng.integers(0, 3, len(table)))
    with pytest.warns(il.errors.IlhteWarning, match="every answer is the same for"):
        model = il.Model(FORMULA, table.assign(resp=answers), "cumulative")
    ml, map_ = il.laplace(model), il.laplace(model, objective="map")
    assert any("logits" in problem for problem in ml.problems)
    assert np.isfinite(ml.coefficients["estimate"]).all()
    assert 2 < map_.coefficients.loc["treat", "estimate"] < 15
    effect = il.score_effects(map_, draws=100).test["effect"].iloc[0]
    assert 5 * 1.5 < effect < 5 * 2.5  # from a score of 1 on average to 3, on 5 items


def test_items_that_everyone_answers_alike(table):
    alike = table.assign(resp=table["item"].clip(0, 3))
    with pytest.warns(il.errors.IlhteWarning, match="every answer is the same for"):
        model = il.Model("resp ~ treat + (1 | id) + (1 | item)", alike, "cumulative")
    fit = il.laplace(model)
    assert np.isfinite(fit.loglik) and fit.problems
    assert np.isfinite(fit.coefficients["estimate"]).all()


def test_a_predictor_that_never_changes_within_an_item(table):
    """Item features are what they are: their coefficient is estimated over items."""
    hard = table.assign(hard=table["item"] % 2)
    fit = il.laplace(
        il.Model("resp ~ treat + hard + (1 | id) + (treat | item)", hard, "cumulative"),
        objective="map",
    )
    assert fit.coefficients.loc["hard", "se"] > fit.coefficients.loc["treat", "se"]


def test_other_abilities(table):
    by_arm = il.laplace(il.il_hte(table, family="cumulative", ability_sd="by_arm"))
    assert list(by_arm.sd("id").index) == ["C(treat)[0]", "C(treat)[1]"]
    with pytest.raises(il.errors.ModelError, match=r"'cumulative'; sum scores.*\"resp >= 2 ~"):
        il.conditional(il.Model(FORMULA, table, "cumulative"))
    with pytest.raises(il.errors.NotAvailable, match="family='bernoulli'"):
        il.il_hte(table, family="cumulative", discrimination=True)
