"""What few clusters leave unknown: no quantity is known better than the error it shares with others."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il

TREATED = {2: (0, 1), 3: (0, 1, 0), 4: (0, 1, 0, 1)}  # of each school


def table_of(schools: int, per: int = 20, items: int = 8, seed: int = 1) -> pd.DataFrame:
    """Schools treated as a whole, 20 pupils each."""
    rng = np.random.default_rng(seed)
    pupil = np.repeat(np.arange(schools * per), items)
    item, school = np.tile(np.arange(items), schools * per), pupil // per
    arm = np.array(TREATED[schools])[school]
    ability = rng.normal(size=schools * per) + rng.normal(0, 0.5, schools).repeat(per)
    eta = ability[pupil] + 0.5 * arm + np.linspace(-1, 1, items)[item]
    columns = {"id": pupil, "item": item, "resp": rng.random(eta.size) < 1 / (1 + np.exp(-eta)),
               "treat": arm, "school": school}  # fmt: skip
    return pd.DataFrame(columns).astype({"resp": int, "item": str})


@pytest.fixture(scope="module", params=["ml", "map"])
def three(request):
    """Three schools: 1 degree of freedom."""
    return il.laplace(il.il_hte(table_of(3), clusters=["school"]), objective=request.param)


@pytest.fixture(scope="module")
def card(three):
    return il.effect_card(three)


def ends(card, target, scale):
    return card.frame.loc[("treat 1 v 0", target, scale), ["lower", "upper"]].to_numpy()


def test_nothing_new_is_known_better_than_the_population(card):
    for scale, size in (
        ("logits", 1), ("SDs of ability", 1), ("probability", 1), ("score points", 8),
    ):  # fmt: skip
        low, high = ends(card, "item population", scale)
        for target, times in (("one new item", size), ("a new 8-item test", 1)):
            new = ends(card, target, scale) * times
            assert new[0] <= low and high <= new[1], (scale, target)


def test_no_item_is_known_better_than_the_error_all_share(three):
    """Their mean has that error too, and nothing else: its interval in logits is the shortest."""
    low, high = ends(il.effect_card(three), "these 8 items", "logits")
    items = il.item_effects(three).frame
    assert (items["upper"] - items["lower"] >= (high - low) * (1 - 1e-6)).all()
    bands = il.simultaneous(three, prob=0.95).frame
    # draws of t are evenly spread; those of the rest err by a few thousandths
    longer = (bands["upper_all"] - bands["lower_all"]) / (items["upper"] - items["lower"])
    assert (longer > 0.99).all()


def test_differences_of_probabilities_and_points_are_possible_ones(three, card):
    for target, points in (
        ("these 8 items", 8), ("item population", 8), ("one new item", 1), ("a new 8-item test", 8),
    ):  # fmt: skip
        assert (np.abs(ends(card, target, "probability")) <= 1).all()
        assert (np.abs(ends(card, target, "score points")) <= points).all()
    scores = il.score_effects(three, draws=200)
    assert (scores.frame[["lower", "upper"]].abs() <= 1).all(axis=None)
    assert (scores.test.xs("score points", level="outcome")[["lower", "upper"]].abs() <= 8).all(
        axis=None
    )


def test_the_same_sign_is_as_likely_in_probability_as_in_logits(card):
    """The arms' probabilities move with the effect's t: P(effect > 0) is one number."""
    rows = card.frame["p_positive"].loc["treat 1 v 0", "item population"]
    # of 1,000 draws against the exact one; logits and probabilities differ in sign for few draws
    assert rows["probability"] == pytest.approx(rows["logits"], abs=0.02)


def test_effects_by_item_in_points_hold_the_shared_error(three):
    """By 1 degree of freedom every item's interval reaches far to both sides, as in logits."""
    found = il.score_effects(three, draws=400)
    points = found.frame.xs("expected score", level="outcome")
    assert (points["lower"] < -0.3).all() and (points["upper"] > 0.5).all()
    assert "by t with 1 degrees of freedom, 3 levels of school" in " ".join(found.notes)


@pytest.mark.parametrize("objective", ["ml", "map"])
def test_one_school_an_arm_has_no_intervals(objective, tmp_path):
    with pytest.warns(il.errors.IlhteWarning, match="treat and school cannot be told apart"):
        model = il.il_hte(table_of(2), clusters=["school"])
    assert model.assignment.unit == "school" and model.assignment.n_units == 2
    fit = il.laplace(model, objective=objective)
    items = il.item_effects(fit)
    assert items.average[["lower", "upper", "p_positive"]].isna().all(axis=None)
    assert items.frame[["lower", "upper", "p_positive"]].isna().all(axis=None)
    test = il.fixed_tests(fit)
    treat = test.frame.loc["treat"]
    assert treat["df"] == 0 and treat[["p", "lower", "upper"]].isna().all()
    scores = il.score_effects(fit, draws=50)
    assert scores.frame[["lower", "upper", "p_positive"]].isna().all(axis=None)
    card = il.effect_card(fit)
    assert card.frame[["lower", "upper", "p_positive"]].isna().all(axis=None)
    assert card.frame["estimate"].notna().all()
    page = il.report(fit, tmp_path / "page.html").read_text()
    assert "The answers do not tell what treat does." in page and "[nan" not in page
    for text in (repr(card), card.sentence(), repr(items), repr(test), repr(scores), repr(fit),
                 repr(il.simultaneous(fit)), repr(il.odds_ratios(fit))):  # fmt: skip
        flat = " ".join(text.split())
        assert "Treatment and school cannot be told apart" in flat and "nan" not in flat


def test_few_clusters_are_in_every_table_of_normal_intervals(three):
    for found in (
        il.compare(three, three), il.odds_ratios(three), il.anchors(three, items=["0"]),
    ):  # fmt: skip
        assert "Few clusters were treated (3 levels of school)" in " ".join(found.notes)
