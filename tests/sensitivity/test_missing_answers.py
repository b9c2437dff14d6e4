"""Missing answers: each row is the fit of a table recoded by hand."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il


def by_hand(table, recoded, **options):
    filled = table.copy()
    filled.loc[recoded, "resp"] = 0
    return il.laplace(il.il_hte(filled.dropna(subset="resp"), **options), objective="map")


def late_rows(table):
    """Missing answers after each person's last one, by a loop; and all missing ones."""
    late, every = np.zeros(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
    for _, rows in table.groupby("id"):
        given = rows["resp"].notna()
        if given.any():
            last = rows.loc[given, "position"].max()
            gone = rows.index[~given]
            every[gone] = True
            late[gone] = rows.loc[gone, "position"] > last
    return late, every


@pytest.fixture(scope="module")
def found(fit_gaps, gaps):
    return il.missing_answers(fit_gaps, gaps, order="position")


def test_every_assumption_is_a_table_recoded_by_hand(found, fit_gaps, gaps):
    late, every = late_rows(gaps)
    recoded = {
        "ignorable": np.zeros(len(gaps), dtype=bool),
        "all wrong": every,
        "not reached wrong": late,
        "omitted wrong": every & ~late,
    }
    assert list(found.frame.index.get_level_values("assumption").unique()) == list(recoded)
    for assumption, rows in recoded.items():
        fit = by_hand(gaps, rows)
        row = found.frame.loc[assumption]
        wanted = fit.coefficients.loc["treat"]
        np.testing.assert_allclose(
            row.loc["average effect", ["estimate", "lower", "upper"]].astype(float),
            wanted[["estimate", "lower", "upper"]],
            atol=1e-5,
        )
        sd = fit.sd("item")["treat"]
        assert row.loc["SD of effects", "estimate"] == pytest.approx(sd, abs=1e-5)
        assert (row["recoded"] == rows.sum()).all() and (row["answers"] == fit.n_obs).all()


def test_rows_that_were_left_out_can_be_missing_answers(found, gaps):
    small = gaps.dropna(subset="resp")
    fit = il.laplace(il.il_hte(small), objective="map")
    labels = [f"q{k}" for k in range(1, 7)]
    for order in (labels, "position"):
        again = il.missing_answers(fit, small, order=order, absent_rows="missing")
        np.testing.assert_allclose(again.frame["estimate"], found.frame["estimate"], atol=1e-5)
        np.testing.assert_array_equal(again.frame["recoded"], found.frame["recoded"])


def test_pairs_without_a_row_are_counted_where_no_answer_is_empty(gaps):
    small = gaps.dropna(subset="resp")
    fit = il.laplace(il.il_hte(small), objective="map")
    persons = small["id"].nunique()
    absent = persons * 6 - len(small)
    with pytest.raises(il.errors.DataError) as refused:
        il.missing_answers(fit, small)
    assert f"but {absent} of {persons * 6} pairs" in str(refused.value)
    assert "say absent_rows='missing'; 'not asked', the default" in str(refused.value)
    assert il.missing_answers(fit, small, absent_rows="missing").frame["recoded"].max() == absent


def test_the_assumptions_are_printed(found):
    text = repr(found)
    for word in ("Ignorable: ", "All wrong: ", "Not reached wrong: ", "Omitted wrong: "):
        assert word in text
    assert "% where treat = 1" in text
    table = text.splitlines()[1 : 3 + len(found)]
    assert max(map(len, table)) <= 100


@pytest.mark.parametrize(
    "response, wrong, family",
    [("resp >= 2", 0, "bernoulli"), ("resp <= 1", 2, "bernoulli"), ("resp", 0, "cumulative")],
)
def test_wrong_is_the_answer_scored_lowest(response, wrong, family, gaps, after, make_answers):
    """Also where a comparison holds for low answers: not holding is scored 0."""
    table = gaps.assign(resp=gaps["resp"] + make_answers(21, np.zeros(6))["resp"])
    fit = il.laplace(il.il_hte(table, response=response, family=family), objective="map")
    found = il.missing_answers(fit, table).frame.loc["all wrong"]
    _, every = late_rows(table)
    filled = table.copy()
    filled.loc[every, "resp"] = wrong
    again = il.laplace(
        il.il_hte(filled.dropna(subset="resp"), response=response, family=family), objective="map"
    )
    wanted = again.coefficients.loc["treat", "estimate"]
    assert found.loc["average effect", "estimate"] == pytest.approx(wanted, abs=1e-5)


def test_answers_in_words(gaps, found):
    words = gaps.assign(resp=gaps["resp"].map({0.0: "no", 1.0: "yes"}))
    fit = il.laplace(il.il_hte(words), objective="map")
    again = il.missing_answers(fit, words, order="position")
    np.testing.assert_allclose(again.frame["estimate"], found.frame["estimate"], atol=1e-5)


def test_draws_are_refitted_as_draws(gaps):
    post = il.sample(il.il_hte(gaps), draws=150, tune=150, chains=2, progress=False)
    found = il.missing_answers(post, gaps).frame["estimate"]
    assert found["all wrong", "average effect"] != found["ignorable", "average effect"]


def test_what_cannot_be_told_is_refused(fit_gaps, fit_after, gaps, after):
    for absent_rows in ("not asked", "missing"):
        with pytest.raises(il.errors.DataError, match="no answer is missing: every person"):
            il.missing_answers(fit_after, after, absent_rows=absent_rows)
    with pytest.raises(il.errors.DataError, match="not the table that the model was made of"):
        il.missing_answers(fit_after, gaps)
    with pytest.raises(il.errors.DataError, match="order leaves out 'q3', 'q4', 'q5', 'q6'"):
        il.missing_answers(fit_gaps, gaps, order=["q1", "q2"])
    with pytest.raises(il.errors.DataError, match="'not asked' or 'missing'"):
        il.missing_answers(fit_gaps, gaps, absent_rows="wrong")
    broken = gaps.assign(position=gaps["position"].where(gaps["item"] != "q2"))
    with pytest.raises(il.errors.DataError, match="position is missing"):
        il.missing_answers(fit_gaps, broken, order="position")
    pieces = pd.concat([gaps, gaps.assign(resp=2.0, id=gaps["id"] + 500)])
    nominal = il.laplace(il.il_hte(pieces, family="multinomial"))
    with pytest.raises(il.errors.ModelError, match="no answer is a wrong one"):
        il.missing_answers(nominal, pieces)
