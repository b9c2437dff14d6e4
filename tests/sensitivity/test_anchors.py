"""Anchors: planted item effects, and equality with effects estimated freely."""

import numpy as np
import pytest
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.sensitivity.unpooled import unpooled_effects

EFFECT, OFF = 0.4, 1.5  # on ability; of two items out of ten beside it


@pytest.fixture(scope="module")
def contaminated(make_answers):
    table = make_answers(1, EFFECT + OFF * (np.arange(10) < 2), persons=500)
    return il.laplace(il.il_hte(table), objective="map")


@pytest.fixture(scope="module")
def found(contaminated):
    return il.anchors(contaminated, items=["q5", "q6", "q7"])


def test_two_items_off_do_not_move_the_sparse_average(found):
    rows = found.frame.droplevel("contrast")
    mean, sparse = rows.loc["mean zero (the model's)"], rows.loc["sparse: most items zero"]
    # the mean moves by 2 * 1.5 / 10 = .3; its error and the sparse one's largely cancel
    assert mean["effect"] - sparse["effect"] == pytest.approx(0.3, abs=0.12)
    for name in ("sparse: most items zero", "anchors: q5, q6, q7"):
        row = rows.loc[name]
        assert abs(row["effect"] - EFFECT) < 3 * row["se"]
    median = rows.loc["median zero", "effect"]
    assert sparse["effect"] < median < mean["effect"]


def test_the_planted_items_are_found(found):
    differs = found.items["p_differs"].droplevel("contrast")
    assert (differs[["q1", "q2"]] > 0.95).all()
    assert (differs.drop(["q1", "q2"]) < 0.6).all()
    (said,) = [note for note in found.notes if note.startswith("Sparse (")]
    assert f"{differs.sum():.1f} of 10 items" in said
    deviation = found.items.droplevel("contrast").loc[["q1", "q2"]]
    assert (deviation["lower"] < OFF).all() and (deviation["upper"] > OFF).all()


def test_named_anchors_are_the_mean_of_free_effects(contaminated, found):
    (effects,) = unpooled_effects(contaminated).values()
    weight = np.isin(np.arange(10), [4, 5, 6]) / 3
    row = found.frame.droplevel("contrast").loc["anchors: q5, q6, q7"]
    mean, sd = weight @ effects.mean, np.sqrt(weight @ effects.covariance @ weight)
    assert row["effect"] == pytest.approx(mean)
    np.testing.assert_allclose([row["lower"], row["upper"]], norm(mean, sd).interval(0.95))


def test_free_effects_are_those_of_fixed_coefficients(contaminated, make_answers):
    (effects,) = unpooled_effects(contaminated).values()
    table = make_answers(1, EFFECT + OFF * (np.arange(10) < 2), persons=500)
    fixed = il.quadrature(
        il.Model(
            "resp ~ item:treat + (1 | id) + (1 | item)",
            table.assign(item=table["item"].astype("category")),
            roles={"person": "id"},
        )
    )
    rows = fixed.coefficients.drop("Intercept")
    names = [str(label) for label in contaminated.model.design.group("item").labels]
    rows = rows.loc[[f"item[{name}]:treat" for name in names]]
    # pulled to the mean by (.25 / 5)^2 of deviations up to 1.3: .003; priors of SDs do the rest
    np.testing.assert_allclose(effects.mean, rows["estimate"], atol=0.1 * rows["se"].mean())
    np.testing.assert_allclose(effects.sd, rows["se"], rtol=0.05)


def test_it_prints_within_a_page(found):
    text = repr(found)
    assert max(map(len, text.splitlines())) <= 100
    assert "only invariance adds" in text and "chi2(2)" in text
    assert "P(differs)" in found._repr_html_()
    assert "named anchors are about these items" in text.replace("\n", " ")
    assert "Randomisation, if arms were randomised, identifies" in text.replace("\n", " ")


def test_ordinal_answers_and_several_arms(make_answers):
    table = make_answers(3, [0.2, 0.5, 0.9, 0.4], persons=150, arms=3)
    table["resp"] += make_answers(5, [0.2, 0.5, 0.9, 0.4], persons=150, arms=3)["resp"]
    table["arm"] = np.array(["a", "b", "c"])[table.pop("treat")]
    model = il.il_hte(table, treatment="arm", family="cumulative")
    found = il.anchors(il.laplace(model, objective="map"))
    assert list(found.frame.index.get_level_values("contrast").unique()) == ["b v a", "c v a"]
    assert found.frame["lower"].notna().all()
    assert max(map(len, repr(found).splitlines())) <= 100


def test_what_cannot_be_anchored_is_refused(fit_after, after):
    with pytest.raises(il.errors.ModelError, match="no such item; the model's are 'q1'"):
        il.anchors(fit_after, items=["q9"])
    with pytest.raises(il.errors.ModelError, match="all 6 items are named"):
        il.anchors(fit_after, items=[f"q{k}" for k in range(1, 7)])
    with pytest.raises(il.errors.ModelError, match="df above 2"):
        il.anchors(fit_after, df=1)
    constant = il.laplace(il.il_hte(after, effects="constant"))
    with pytest.raises(il.errors.ModelError, match=r"Write \(treat \| item\)"):
        il.anchors(constant)
    slopes = il.laplace(il.Model("resp ~ treat + (position | id) + (treat | item)", after))
    with pytest.raises(il.errors.ModelError, match="can be integrated out"):
        il.anchors(slopes)
