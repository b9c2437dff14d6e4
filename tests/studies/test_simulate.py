"""Simulated trials: one seed, a truth in the model's own names, and a table that reads back."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.models.simulated import _named
from ilhte_bayes.studies.table_of_answers import table_of

PLANS = {
    "binary": il.Trial(persons=60, items=6),
    "2PL": il.Trial(persons=60, items=6, sd_discrimination=0.3, slope=0.3),
    "everything": il.Trial(
        persons=80, items=6, family="cumulative", clusters=6, by_cluster=True, slope=0.3,
        interaction=0.2, feature=0.4, missing=0.1, booklets=2,
    ),
    "adjacent": il.Trial(persons=60, items=6, family="adjacent", slope=0.2),
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


@pytest.mark.parametrize("name", PLANS)
def test_truth_has_the_names_and_levels_of_the_model_that_reads_the_table(name):
    made = il.simulate(PLANS[name], seed=3)
    design = made.model().design
    assert list(made.truth["term"].to_numpy()) == list(design.terms)
    _named(design, made.truth)  # refuses what is missing or of another shape
    for group in design.groups:
        levels = [str(label) for label in made.truth[group.name].to_numpy()]
        assert levels == [str(label) for label in group.labels]
    assert list(made.items.index) == list(design.group("item").labels)


def test_one_seed_makes_one_trial():
    first, again, other = (il.simulate(PLANS["everything"], seed=s) for s in (5, 5, 6))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.truth.identical(again.truth)
    assert not first.table["resp"].equals(other.table["resp"])


def test_a_model_can_be_fitted_with_other_options():
    made = il.simulate(PLANS["binary"])
    assert made.model(effects="constant").formula.text == "resp ~ treat + (1 | id) + (1 | item)"


def test_estimates_find_a_large_trials_truth_again():
    made = il.simulate(il.Trial(persons=800, items=12, effect=0.5, sigma_theta=1.3), seed=11)
    fit = il.laplace(made.model())
    effects = il.item_effects(fit).frame
    z = (effects["effect"] - made.items["effect"]) / effects["se"]
    assert np.abs(z).max() < 3.5  # 12 normal z; 1 in 180
    assert abs(fit.sd("id").iloc[0] - 1.3) < 0.15  # SE .04, and Laplace's bias of about .02


@pytest.fixture(scope="module")
def rated():
    trial = il.load_dataset("caffeine")
    return il.laplace(il.il_hte(trial, clusters=["study"], family="cumulative"))


def test_a_table_written_from_a_model_reads_as_the_same_model(rated):
    again = il.il_hte(table_of(rated.model), clusters=["study"], family="cumulative")
    assert again.design.terms == rated.model.design.terms
    assert il.laplace(again).loglik == pytest.approx(rated.loglik, abs=1e-5)


def test_a_trial_like_a_fitted_one_keeps_who_and_what_is_said_to_be_the_same(rated):
    made = il.simulate(rated, persons="new", items="same", parameters="estimates", seed=2)
    np.testing.assert_allclose(
        made.truth["re_item"], rated.mode["re_item"].transpose(*made.truth["re_item"].dims)
    )
    assert not np.allclose(made.truth["re_study"], rated.mode["re_study"])
    assert len(made.table) == rated.n_obs
    both = il.simulate(rated, persons="same", items="same", parameters="estimates", seed=2)
    np.testing.assert_allclose(both.truth["re_study:id"], rated.mode["re_study:id"])


def test_a_trial_like_a_fitted_one_has_other_sizes(rated):
    model = rated.model
    people, items = model.design.group("id").n_levels, model.design.group("item").n_levels
    made = il.simulate(rated, persons=2 * people, items=items + 3, seed=2)
    again = il.il_hte(made.table, clusters=["study"], family="cumulative")
    assert again.design.group("id").n_levels == 2 * people
    assert again.design.group("item").n_levels == items + 3
    # each person twice, each of three items again: everyone answers 10 items but a few gaps
    each = made.table.groupby("id").size()
    assert each.max() == items + 3 and len(made.table) > 2 * rated.n_obs
    own, read = il.laplace(made.model()).loglik, il.laplace(again).loglik
    assert own == pytest.approx(read, abs=1e-5)


def test_truth_from_priors_and_from_draws(make_trial):
    model = il.il_hte(make_trial())
    made = il.simulate(model, seed=4, persons=80)
    assert made.truth.sizes["id"] == 80 and made.truth.sizes["item"] == 6
    assert il.simulate(model, seed=4, persons=80).truth.identical(made.truth)
    fit = il.laplace(model, objective="map")
    drawn = [float(il.simulate(fit, seed=s).truth["beta"].sel(term="treat")) for s in range(40)]
    row = fit.coefficients.loc["treat"]
    # 40 draws of the approximation: its mean, and its SD (SE 11 %)
    assert np.mean(drawn) == pytest.approx(row["estimate"], abs=4 * row["se"] / np.sqrt(40))
    assert np.std(drawn) == pytest.approx(row["se"], rel=0.45)


def test_what_makes_no_sense_is_refused(make_trial, rated):
    model = il.il_hte(make_trial())
    for call, words in (
        (lambda: il.simulate(make_trial()), "takes a Trial, a Model or a Fit"),
        (lambda: il.simulate(il.Trial(), persons=5), "trial.changed"),
        (lambda: il.simulate(model, persons="same"), "those of a fit"),
        (lambda: il.simulate(rated, items=0), "whole number of at least 2"),
        (lambda: il.simulate(rated, parameters="mean"), "'draw' or 'estimates'"),
        (lambda: il.simulate(rated).model(effects="constant"), "its formula stays"),
    ):
        with pytest.raises(il.errors.ModelError, match=words):
            call()


def test_it_prints_sizes_truth_and_rows():
    text = repr(il.simulate(PLANS["binary"]))
    assert "360 answers" in text and "Intercept 0.00, treat 0.30" in text
    assert "item: SD 1.00, 0.20, correlation 0.00" in text
    assert max(map(len, text.splitlines())) < 100
