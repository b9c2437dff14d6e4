"""Absent persons: the shift's effect is linear, with a closed form."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


@pytest.fixture(scope="module")
def roster():
    """160 persons who answered, 40 of arm 1 and 10 of arm 0 who did not."""
    return pd.DataFrame(
        {"id": np.arange(210), "treat": [*(np.arange(160) % 2), *[1] * 40, *[0] * 10]}
    )


@pytest.fixture(scope="module")
def fit(after, roster):
    return il.laplace(il.il_hte(after, roster=roster), objective="map")


@pytest.fixture(scope="module")
def found(fit):
    return il.absent_persons(fit, shifts=(-1.0, 0.5))


def test_the_effect_is_linear_in_the_shift(fit, found):
    rows = found.frame.droplevel("contrast")
    own = fit.coefficients.loc["treat"]
    p1, p0 = 40 / 120, 10 / 90
    for who, slope in (("treat = 1", p1), ("treat = 0", -p0), ("both arms, alike", p1 - p0)):
        for sds in (-1.0, 0.5):
            row = rows.loc[(who, sds)]
            for key in ("estimate", "lower", "upper"):
                assert row[key] == pytest.approx(own[key] + slope * row["shift"])
    np.testing.assert_allclose(rows.loc[("nobody (ignorable)", 0.0), "estimate"], own["estimate"])


def test_at_the_tipping_point_the_interval_touches_zero(fit, found):
    lower = fit.coefficients.loc["treat", "lower"]
    tipping = found.tipping.droplevel("contrast")
    assert lower > 0
    assert tipping.loc["treat = 1", "tipping"] == pytest.approx(-lower / (40 / 120))
    assert tipping.loc["treat = 0", "tipping"] == pytest.approx(lower / (10 / 90))
    unit = tipping.loc["treat = 1", "tipping"] / tipping.loc["treat = 1", "tipping_sd"]
    card = il.effect_card(fit).notes[0]
    assert f"{unit:.2f} logits" in card
    again = il.absent_persons(fit, shifts=[tipping.loc["treat = 1", "tipping_sd"]])
    row = again.frame.droplevel("contrast").loc["treat = 1"].iloc[0]
    assert row["lower"] == pytest.approx(0.0, abs=1e-12)


def test_no_tipping_point_where_the_interval_holds_zero(make_answers, roster):
    table = make_answers(11, np.zeros(6))
    found = il.absent_persons(il.il_hte(table, roster=roster))
    assert found.tipping["tipping"].isna().all()
    assert "-" in repr(found)


def test_persons_without_answers_count_without_a_roster(gaps, fit_gaps):
    found = il.absent_persons(fit_gaps)
    share = found.tipping.droplevel("contrast")["share"]
    assert share["treat = 1"] == pytest.approx(5 / 80) and share["treat = 0"] == pytest.approx(
        1 / 80
    )
    assert any("without a roster" in note for note in found.notes)


def test_arms_in_words(after, roster):
    names = np.array(["placebo", "drug"])
    table = after.assign(trt=names[after["treat"]])
    people = roster.assign(trt=names[roster["treat"]])
    model = il.il_hte(
        table, treatment="trt", roster=people, reference={"trt": "placebo"}, assignment="randomised"
    )
    found = il.absent_persons(model)
    share = found.tipping.droplevel("contrast")["share"]
    assert share["trt = drug"] == pytest.approx(40 / 120)
    truth = il.il_hte(
        table.assign(trt=table["treat"].astype(bool)),
        treatment="trt",
        roster=people.assign(trt=people["treat"].astype(bool)),
    )
    share = il.absent_persons(truth).tipping.droplevel("contrast")["share"]
    assert share["trt = True"] == pytest.approx(40 / 120)


def test_it_prints_within_a_page(found):
    assert max(map(len, repr(found).splitlines())) <= 100
    assert "40 of 120 (arm 1)" in repr(found).replace("\n", " ")
    assert "tipping point" in found._repr_html_()


def test_without_absent_persons_it_is_refused(fit_after, after, roster):
    with pytest.raises(il.errors.ModelError, match="with roster="):
        il.absent_persons(fit_after)
    everyone = il.il_hte(after, roster=roster.head(160))
    with pytest.raises(il.errors.ModelError, match="nobody is absent"):
        il.absent_persons(everyone)
