"""Bands for all items at once: closed forms of the largest |t|, and coverage."""

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

import ilhte_bayes as il
from ilhte_bayes.estimands.distribution import NormalDistribution, SampledDistribution
from ilhte_bayes.estimands.simultaneous import largest_t


def test_independent_effects_have_a_closed_form():
    """P(max |t| < c) = (2 Phi(c) - 1)^n; a quantile of 4,000 draws errs by about .02."""
    for n in (1, 5, 30):
        exact = norm.ppf(0.5 + 0.5 * 0.9 ** (1 / n))
        joint = NormalDistribution(np.arange(n), np.diag(np.arange(1.0, n + 1)))
        assert largest_t(joint, 0.9) == pytest.approx(exact, abs=0.06)


def test_effects_that_are_one_need_no_correction():
    joint = NormalDistribution(np.zeros(30), np.ones((30, 30)))
    assert largest_t(joint, 0.9) == pytest.approx(norm.ppf(0.95), abs=0.05)


def test_draws_are_covered_all_at_once_as_often_as_said():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(5000, 1)) + rng.normal(size=(5000, 12))
    joint = SampledDistribution(values)
    critical = largest_t(joint, 0.9)
    fresh = rng.normal(size=(5000, 1)) + rng.normal(size=(5000, 12))
    inside = (np.abs(fresh) < critical * np.sqrt(2)).all(axis=1).mean()
    assert inside == pytest.approx(0.9, abs=0.02)  # four standard errors of two shares


def test_the_table_of_a_fit(trial_table):
    model = il.Model(
        "resp ~ treat + (1 | id) + (treat | item)", trial_table(3, persons=120, items=8)
    )
    fit = il.laplace(model)
    frame, single = il.simultaneous(fit).frame, il.item_effects(fit)
    assert frame["effect"].to_numpy() == pytest.approx(single["effect"].to_numpy())
    ninety = single["se"].to_numpy() * norm.ppf(0.95)
    assert (frame["upper_all"] - frame["effect"] > ninety).all()
    items = list(frame.index)
    assert frame["p_other_sign"].sum() == pytest.approx(single.false_signs(items))
    assert "band, all items" in repr(il.simultaneous(fit))
    wide = il.simultaneous(fit, prob=0.99).frame
    assert (wide["upper_all"] > frame["upper_all"]).all()


def test_several_arms_share_what_is_missed(trial_table):
    table = trial_table(3, persons=120, items=6, arms=3)
    table["treat"] = table["treat"].map({0: "a", 1: "b", 2: "c"})
    model = il.Model("resp ~ treat + (1 | id) + (treat || item)", table)
    fit = il.laplace(model, objective="map")
    found = il.simultaneous(fit)
    assert found.frame.index.names == ["contrast", "item"]
    assert len(found.frame) == 12
    assert "one item alone: 1.96" in "".join(found.notes)  # 10 % over two contrasts: 95 % each


def test_an_sd_of_0_has_no_bands(trial_table):
    table = trial_table(5, persons=120, items=8, spread=0.0)
    fit = il.laplace(il.Model("resp ~ treat + (1 | id) + (treat || item)", table))
    found = il.simultaneous(fit)
    assert found.frame["lower_all"].isna().all()
    assert "estimated at 0" in "".join(found.notes)


def test_a_level_is_a_probability(caffeine):
    with pytest.raises(il.errors.ModelError, match="a probability"):
        il.simultaneous(caffeine, prob=90)


def test_few_clusters_make_the_bands_of_a_joint_t():
    """One effect for all items known with 6 df: the band is that of t(6), 1.943 against 1.645; a
    quantile of 4,000 draws errs by about .045."""
    joint = NormalDistribution(np.zeros(30), np.ones((30, 30)), 1.0, 6.0)
    assert largest_t(joint, 0.9) == pytest.approx(student.ppf(0.95, 6), abs=0.13)
