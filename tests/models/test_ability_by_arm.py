"""Abilities with a spread of their own in each arm."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.likelihood.integrable import choose_group


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(6)
    persons, items = 240, 6
    person, item = np.repeat(np.arange(persons), items), np.tile(np.arange(items), persons)
    treat = person % 2
    ability = np.where(treat, 1.6, 0.8) * rng.normal(size=persons)[person]
    chance = expit(ability + 0.4 * treat + rng.normal(0, 0.8, items)[item])
    return pd.DataFrame(
        {"id": person, "item": item, "treat": treat, "school": person // 2 % 12,
         "arm": np.where(treat, "drug", "none"), "resp": (rng.random(person.size) < chance) * 1}
    )  # fmt: skip


def test_formula_has_a_column_for_each_arm(trial):
    model = il.il_hte(trial, ability_sd="by_arm")
    assert model.formula.text == "resp ~ treat + (0 + C(treat) || id) + (treat | item)"
    person = model.design.group("id")
    assert person.split and person.blocks == ((0,), (1,))
    assert choose_group(model.design, "auto", person="id") == "id"
    assert not model.design.group("item").split
    nested = il.il_hte(trial, ability_sd="by_arm", clusters=["school"])
    assert "(1 | school) + (0 + C(treat) || school:id)" in nested.formula.text
    assert nested.design.group("id").name == "school:id"


def test_odd_names_are_quoted(trial):
    other = trial.rename(columns={"arm": "which arm"})
    model = il.il_hte(other, treatment="which arm", ability_sd="by_arm")
    assert model.design.group("id").n_columns == 2


def test_each_arm_has_the_prior_of_a_level(trial):
    priors = il.il_hte(trial, ability_sd="by_arm").priors
    assert priors["sd_id[C(treat)[0]]"] == priors["sd_id[C(treat)[1]]"] == il.priors.HalfNormal(2.0)
    assert priors["sd_item[treat]"] == il.priors.HalfNormal(1.0)


def test_maximum_likelihood_is_that_of_the_arms_apart(trial):
    """With item effects free in each arm nothing is shared: two separate fits, to rounding."""
    both = il.laplace(il.Model("resp ~ treat * C(item) + (0 + C(treat) || id)", trial))
    apart = [
        il.laplace(il.Model("resp ~ C(item) + (1 | id)", trial[trial["treat"] == arm]))
        for arm in (0, 1)
    ]
    assert both.loglik == pytest.approx(sum(fit.loglik for fit in apart), abs=1e-6)
    # the search stops within 1e-6 of the maximum: SDs to about 1e-4
    np.testing.assert_allclose(both.sd("id"), [f.sd("id").iloc[0] for f in apart], rtol=1e-3)


def test_card_and_words_tell_the_arms_apart(trial):
    from ilhte_bayes.show.model_words import equation_html, model_sentences

    fit = il.laplace(il.il_hte(trial, ability_sd="by_arm"))
    sd = fit.sd("id").to_numpy()
    control, both = il.effect_card(fit, sd="control"), il.effect_card(fit)
    # medians of draws on a skewed scale, not the estimates themselves
    assert float(control.notes[0].split()[5]) == pytest.approx(sd[0], abs=0.03)
    assert float(both.notes[0].split()[5]) == pytest.approx(np.sqrt((sd**2).mean()), abs=0.03)
    assert any("SDs of ability of their own" in note for note in both.notes)
    sentences = " ".join(model_sentences(fit))
    assert "Ability where treat = 0 varies" in sentences
    assert "θ" in equation_html(fit.model)[0]
    assert len(il.item_effects(fit)) == 6


def test_what_makes_no_sense_is_refused(trial):
    with pytest.raises(il.errors.DataError, match="'common'"):
        il.il_hte(trial, ability_sd="free")
    with pytest.raises(il.errors.DataError, match="crossover"):
        il.il_hte(trial, ability_sd="by_arm", crossover=True)
    doses = trial.assign(treat=trial["id"] % 20)
    with pytest.raises(il.errors.DataError, match="20 values"):
        il.il_hte(doses, ability_sd="by_arm")


@pytest.mark.slow
def test_unequal_spreads_look_like_unequal_effects(capsys):
    """SDs of ability 1 and 1.5, one effect on all of 8 items: ML of 20 large trials."""
    rows = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        persons, easiness = 4000, rng.normal(0, 1, 8)
        person, item = np.repeat(np.arange(persons), 8), np.tile(np.arange(8), persons)
        treat = person % 2
        ability = np.where(treat, 1.5, 1.0) * rng.normal(size=persons)[person]
        y = rng.random(person.size) < expit(ability + 0.4 * treat + easiness[item])
        table = pd.DataFrame({"id": person, "item": item, "treat": treat, "resp": y.astype(int)})
        common, own = (
            il.laplace(il.il_hte(table, ability_sd=which)) for which in ("common", "by_arm")
        )
        given = il.conditional(common.model)
        rows.append(
            [*common.sd("item"), common.variance_components["estimate"].iloc[-1],
             own.sd("item")["treat"], *own.sd("id"), given.sigma_zeta.estimate,
             given.andersen.p]
        )  # fmt: skip
    names = ["sd b", "common", "rho", "by arm", "sd 0", "sd 1", "conditional", "p"]
    table = pd.DataFrame(rows, columns=names)
    with capsys.disabled():
        print("\n", table.round(3), "\n", table.median().round(3))
    middle = table.median()
    assert middle["common"] > 0.08 and middle["rho"] < -0.7
    # what 4,000 persons cannot tell from 0: the standard error of an item's effect is .07
    assert middle["by arm"] < 0.04 and middle["conditional"] < 0.04
    # Laplace's own bias: with 8 answers a person its SDs are 3 % low
    np.testing.assert_allclose(middle[["sd 0", "sd 1"]], [1.0, 1.5], rtol=0.05)
