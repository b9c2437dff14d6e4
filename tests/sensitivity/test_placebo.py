"""Placebo: the same model on answers before treatment, by hand; planted differences are said."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


@pytest.fixture(scope="module")
def before(make_answers):
    return make_answers(11, np.zeros(6))


@pytest.fixture(scope="module")
def by_hand(before):
    return il.laplace(il.il_hte(before), objective="map")


def of(found, quantity):
    return found.frame.loc[quantity]


def test_it_is_the_fit_of_the_first_wave(fit_after, after, before, by_hand):
    both = pd.concat([after.assign(wave=1), before.assign(wave=0)], ignore_index=True)
    found = il.placebo(fit_after, both)
    row = by_hand.coefficients.loc["treat"]
    assert of(found, "average effect")["estimate"] == pytest.approx(row["estimate"], abs=1e-6)
    assert of(found, "average effect")["se"] == pytest.approx(row["se"], rel=1e-5)
    sd = by_hand.sd("item")["treat"]
    assert of(found, "SD of effects over items")["estimate"] == pytest.approx(sd, abs=1e-6)
    after_row = fit_after.coefficients.loc["treat", "estimate"]
    assert of(found, "average effect")["after"] == pytest.approx(after_row)
    assert "wave = 0" in found.notes[0] and "No sign" in found.notes[1]


def test_p_of_the_spread_is_the_likelihood_ratio(fit_after, before):
    found = il.placebo(fit_after, before)
    plain = il.laplace(il.il_hte(before, effects="constant"))
    gain = 2 * (il.laplace(il.il_hte(before)).loglik - plain.loglik)
    from scipy.stats import chi2

    wanted = 0.5 * (chi2.sf(gain, 1) + chi2.sf(gain, 2)) if gain > 1e-4 else 1.0
    assert of(found, "SD of effects over items")["p"] == pytest.approx(wanted, abs=1e-5)


def test_arms_come_from_later_rows_or_from_the_model(fit_after, after, before):
    whole = il.placebo(fit_after, before).frame
    # before treatment everybody is untreated, as some tables have it
    both = pd.concat([before.assign(wave=1, treat=0), after.assign(wave=2)], ignore_index=True)
    later = il.placebo(fit_after, both, before=1)
    model = il.placebo(fit_after, before.drop(columns="treat"))
    for found, source in ((later, "later rows"), (model, "the model's table")):
        np.testing.assert_allclose(found.frame["estimate"], whole["estimate"], atol=1e-6)
        assert f"taken from {source}" in found.notes[0]


def test_differences_before_treatment_are_said(fit_after, make_answers):
    apart = make_answers(12, [2.5, -1.5, 2.5, -1.5, 2.5, 2.5], persons=300)
    found = il.placebo(fit_after, apart)
    assert (of(found, "SD of effects over items")["p"]) < 1e-4
    assert any("Items differed between arms before" in note for note in found.notes)
    ahead = il.placebo(fit_after, make_answers(13, np.full(6, 1.5)))
    assert "The arms differed before treatment" in ahead.notes[1]


@pytest.mark.parametrize(
    "kind, title, reason",
    [
        ("observational", "how far the groups differed already", "by selection, since nobody"),
        ("randomised", "where no effect can be", "by chance, or because assignment failed."),
        (None, "where no effect can be", "if arms were not randomised, by selection"),
    ],
)
def test_groups_that_nobody_randomised_may_differ_before(after, make_answers, kind, title, reason):
    fit = il.laplace(il.il_hte(after, assignment=kind), objective="map")
    found = il.placebo(fit, make_answers(13, np.full(6, 1.5)))
    assert title in found.title and reason in found.notes[1]


def test_answers_after_treatment_are_no_placebo(fit_after, after, before):
    """They would show the treatment's own effect, and accuse the assignment."""
    with pytest.raises(il.errors.DataError, match=r"answers that the model was made of.*occasion="):
        il.placebo(fit_after, after.sample(frac=1, random_state=1))
    both = pd.concat([before.assign(wave=0), after.assign(wave=1)], ignore_index=True)
    with pytest.raises(
        il.errors.DataError, match=r"wave = 1: these are the answers that the model"
    ):
        il.placebo(fit_after, both, before=1)


def test_rows_that_say_nothing_are_refused(fit_after, after, before):
    with pytest.raises(il.errors.DataError, match=r"column 'wave' has 1, 2\. Name occasions"):
        both = pd.concat([before.assign(wave=1), after.assign(wave=2)])
        il.placebo(fit_after, both, before=0)
    with pytest.raises(il.errors.DataError, match="no column of occasions"):
        il.placebo(fit_after, before, before=0)
    with pytest.raises(il.errors.DataError, match="none of these persons' arms"):
        il.placebo(fit_after, before.drop(columns="treat").assign(id=lambda t: t["id"] + 1000))


def test_which_occasion_came_first(fit_after, after, before):
    """Of an ordered Categorical its own order; words are not sorted, but asked about."""
    both = pd.concat([after.assign(wave="post"), before.assign(wave="pre")], ignore_index=True)
    with pytest.raises(il.errors.DataError, match="words, so which came first is not known"):
        il.placebo(fit_after, both)
    named = il.placebo(fit_after, both, before="pre").frame
    ordered = both.assign(wave=pd.Categorical(both["wave"], ["pre", "post"], ordered=True))
    pd.testing.assert_frame_equal(il.placebo(fit_after, ordered).frame, named)


@pytest.mark.parametrize("kind", ["words", "bool", "categorical"])
def test_answers_keep_the_coding_of_the_fit(kind, after, before):
    """The answer scored 0 is the one named by reference, in the table before treatment, too."""

    def coded(table):
        yes = table["resp"] == 1
        as_words = yes.map({True: "n", False: "y"})  # "n" is scored 1, against the alphabet
        kinds = {"words": as_words, "bool": ~yes, "categorical": as_words.astype("category")}
        return table.assign(resp=kinds[kind])

    first = "True" if kind == "bool" else "y"
    fit = il.laplace(il.il_hte(coded(after), reference={"resp": first}), objective="map")
    found = il.placebo(fit, coded(before)).frame["estimate"]
    plain = il.laplace(il.il_hte(after), objective="map")
    np.testing.assert_allclose(found, il.placebo(plain, before).frame["estimate"], atol=1e-5)
