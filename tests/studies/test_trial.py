"""A planned trial: what it draws has the moments it is asked for, and nonsense is refused."""

import numpy as np
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.studies.trial import draw_answers, draw_effects, lay_out, long_table

LARGE = il.Trial(
    persons=3_000, items=2_000, sigma_zeta=0.4, rho=-0.6, sigma_b=0.8, sigma_theta=1.5,
    sd_discrimination=0.3,
)  # fmt: skip


def test_effects_have_the_moments_of_the_plan():
    drawn = draw_effects(LARGE, np.random.default_rng(1))
    # SE of an SD of n normals: SD / sqrt(2 n); 4 of them
    assert drawn.easiness.std() == pytest.approx(0.8, abs=4 * 0.8 / np.sqrt(4_000))
    assert drawn.zeta.std() == pytest.approx(0.4, abs=4 * 0.4 / np.sqrt(4_000))
    assert drawn.ability.std() == pytest.approx(1.5, abs=4 * 1.5 / np.sqrt(6_000))
    assert np.log(drawn.discrimination).std() == pytest.approx(0.3, abs=4 * 0.3 / np.sqrt(4_000))
    rho = np.corrcoef(drawn.easiness, drawn.zeta)[0, 1]
    assert rho == pytest.approx(-0.6, abs=4 * (1 - 0.36) / np.sqrt(2_000))


@pytest.mark.parametrize("family", ["bernoulli", "cumulative", "adjacent"])
def test_answers_follow_the_equation(family):
    """Persons, items and effects without spread: every arm has one distribution, written out."""
    cuts = () if family == "bernoulli" else (-0.5, 0.7)
    same = {"sigma_theta": 0.0, "sigma_b": 0.0, "sigma_zeta": 0.0}
    trial = il.Trial(persons=2_000, items=50, effect=0.8, family=family, thresholds=cuts, **same)
    rng = np.random.default_rng(2)
    layout = lay_out(trial, rng)
    answers = draw_answers(trial, layout, draw_effects(trial, rng), rng)
    for arm in (0, 1):
        eta = 0.8 * arm
        if family == "bernoulli":
            wanted = np.array([1 - expit(eta), expit(eta)])
        elif family == "cumulative":
            wanted = np.diff([0.0, *expit(np.array(cuts) - eta), 1.0])
        else:
            wanted = np.exp([0.0, eta + 0.5, 2 * eta + 0.5 - 0.7])
            wanted /= wanted.sum()
        found = np.bincount(answers[layout.arm == arm].ravel()) / 50_000
        np.testing.assert_allclose(found, wanted, atol=4 * 0.5 / np.sqrt(50_000))


def test_covariate_clusters_and_feature_move_the_logits_as_said():
    trial = il.Trial(
        persons=40, items=4, clusters=4, by_cluster=True, slope=0.5, interaction=0.25, feature=0.6,
        sigma_theta=0.0, sigma_zeta=0.0, sigma_b=0.0, effect=0.3,
    )  # fmt: skip
    made = il.simulate(trial, seed=3)
    model = made.model()
    from ilhte_bayes.models.simulated import linear_predictor

    eta = linear_predictor(model.design, made.truth.sel(term=list(model.design.terms)))
    rows = made.table.sort_values(["id", "item"])
    cluster = made.truth["re_cluster_id"].to_numpy()[rows["cluster_id"] - 1, 0]
    effect = 0.3 + 0.25 * rows["x"] + 0.6 * rows["feature"]
    wanted = 0.5 * rows["x"] + cluster + effect * rows["treat"]
    np.testing.assert_allclose(np.sort(eta), np.sort(wanted), atol=1e-12)
    assert rows.groupby("cluster_id")["treat"].nunique().eq(1).all()
    assert set(rows["feature"]) == {-0.5, 0.5}


def test_arms_booklets_and_missing_answers_are_as_planned():
    trial = il.Trial(persons=400, items=10, share_treated=0.25, booklets=2, missing=0.2)
    layout = lay_out(trial, np.random.default_rng(4))
    assert layout.arm.sum() == 100
    asked = layout.asked
    assert not (asked[:, 0] & asked[:, 1]).any()  # items of different booklets
    # 400 x 5 answers asked for, a fifth missing
    assert asked.sum() == pytest.approx(1_600, abs=4 * np.sqrt(2_000 * 0.16))
    table = long_table(trial, layout, np.zeros((400, 10), dtype=int))
    assert len(table) == asked.sum() and list(table) == ["id", "item", "treat", "resp"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"persons": 3}, "persons=3.*whole number of at least 4"),
        ({"items": 2.5}, "items=2.5.*whole number"),
        ({"sigma_zeta": -0.1}, "sigma_zeta=-0.1.*an SD is 0 or more"),
        ({"rho": 1.2}, "between -1 and 1"),
        ({"family": "multinomial"}, "il.simulate\\(model\\)"),
        ({"thresholds": (0.0,)}, "Add family='cumulative'"),
        ({"family": "cumulative", "thresholds": (1.0, 0.0)}, "rise"),
        ({"family": "cumulative", "sd_discrimination": 0.2}, "are not there"),
        ({"by_cluster": True}, "say how many clusters"),
        ({"clusters": 300}, "2 to 250"),
        ({"share_treated": 0.0001}, "leaves an arm empty"),
        ({"booklets": 30}, "20 items to deal"),
    ],
)
def test_impossible_plans_are_refused_with_a_cure(changes, words):
    with pytest.raises(il.errors.ModelError, match=words):
        il.Trial(**changes)


def test_a_field_that_is_not_there_is_named():
    with pytest.raises(
        il.errors.ModelError, match="a trial has no 'n_items'; it has persons, items"
    ):
        il.Trial().changed(n_items=5)


def test_it_prints_what_is_not_the_default():
    assert repr(il.Trial(items=8, rho=-0.2)) == (
        "Trial(persons=500, items=8, effect=0.3, sigma_zeta=0.2, rho=-0.2)"
    )
