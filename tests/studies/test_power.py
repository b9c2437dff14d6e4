"""Power: the same numbers as full fits of the same tables, closed forms near, counts in order."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ilhte_bayes as il
from ilhte_bayes.studies.closed_form import closed_form, information, t_power
from ilhte_bayes.studies.power import Power
from ilhte_bayes.studies.power_trials import Chunk, prepare, run_chunk
from ilhte_bayes.studies.trial import draw_answers, draw_effects, long_table

PLAN = il.Trial(persons=120, items=6, effect=0.4, sigma_zeta=0.5)
CLUSTERED = il.Trial(
    persons=160, items=8, effect=0.4, sigma_zeta=0.5, clusters=10, by_cluster=True, missing=0.1
)
RATED = PLAN.changed(family="cumulative", slope=0.3)


@pytest.fixture(scope="module")
def found() -> Power:
    return il.power(
        PLAN, persons=[60, 120], items=[5, 8], n=6, engine="laplace", workers=1, progress=False
    )


@pytest.mark.parametrize(
    ("plan", "engine"), [(PLAN, "quadrature"), (CLUSTERED, "laplace"), (RATED, "laplace")]
)
def test_each_trial_has_the_numbers_of_full_fits(plan, engine):
    """The short way (models built once, warm starts) against the long one, trial by trial."""
    rows = run_chunk(Chunk(0, plan, 3, engine, range(3))).set_index("trial")
    assert (rows["failed"] == "").all()
    layout = prepare(plan, 3, engine).layout
    fit = il.quadrature if engine == "quadrature" else il.laplace
    for k, row in rows.iterrows():
        rng = np.random.default_rng([3, k + 1])
        drawn = draw_effects(plan, rng)
        table = long_table(plan, layout, draw_answers(plan, layout, drawn, rng))
        models = [il.il_hte(table, effects=e, **plan.options) for e in ("item", "constant")]
        full, null = (fit(model) for model in models)
        own = full.coefficients.loc["treat"]
        assert row["estimate"] == pytest.approx(own["estimate"], abs=1e-4)
        assert row["se"] == pytest.approx(own["se"], rel=2e-3)
        card = il.effect_card(full)
        df = card.items["df"].iloc[0]
        assert row["df"] == pytest.approx(df, rel=0.02)
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(row["estimate"] / row["se"]), df), 0.02)
        test = il.boundary_test(null, full)
        assert row["lr"] == pytest.approx(test.statistic, abs=1e-3)
        if np.isfinite(test.p("mixture")):  # refused at an edge, where power counts it all the same
            assert row["p_items"] == pytest.approx(test.p("mixture"), abs=1e-3)
        new = card.frame.loc[(slice(None), "one new item", "logits"), :].iloc[0]
        # the card draws: two quantiles of 4,000 draws err by 2 % of their distance (t of few df: 3)
        assert row["width"] == pytest.approx(new["upper"] - new["lower"], rel=0.1)


def test_counts_and_summaries_are_those_of_the_trials(found):
    frame, trials = found.frame, found.trials
    assert len(frame) == 4 and (frame["n"] + frame["failed"] == 6).all()
    own = trials[(trials["design"] == 2) & (trials["failed"] == "")]
    row = frame.loc[2]
    assert row["power"] == (own["p"] < 0.05).mean()
    assert row["bias"] == pytest.approx(own["estimate"].mean() - 0.4)
    half = stats.t.ppf(0.975, own["df"]) * own["se"]
    assert row["coverage"] == (np.abs(own["estimate"] - 0.4) <= half).mean()
    np.testing.assert_allclose(frame["floor"], 0.5 / np.sqrt(frame["items"]))


def test_a_design_does_not_depend_on_the_grid_nor_on_processes(found):
    plan = PLAN.changed(persons=120, items=5)
    alone = il.power(plan, n=6, engine="laplace", workers=2, progress=False)
    assert found.plans[2] == plan
    kept = found.trials[found.trials["design"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        alone.trials.drop(columns="design"), kept.drop(columns="design"), rtol=1e-9
    )


def test_trials_that_cannot_be_fitted_are_counted_by_reason():
    """Two persons an arm who all answer alike, more or less: no first fit."""
    plan = il.Trial(persons=4, items=2, intercept=30.0)
    found = il.power(plan, n=3, engine="laplace", workers=1, progress=False)
    assert found.frame["failed"].item() == 3
    assert found.failures["trials"].sum() == 3
    assert "3 trials left out: DataError" in " ".join(found.notes)
    assert repr(found)


def test_closed_form_without_item_spread_and_with_endless_items_is_a_two_sample_t():
    """Endless items show abilities without error: SE^2 = sigma_theta^2 (1/n1 + 1/n0)."""
    trial = il.Trial(persons=200, items=20_000, sigma_zeta=0.0, sigma_theta=1.2)
    assert closed_form(trial).se == pytest.approx(1.2 * np.sqrt(2 / 100), rel=2e-3)


def test_persons_without_number_leave_the_floor():
    few, many = (
        closed_form(il.Trial(persons=n, items=16, sigma_zeta=0.4)) for n in (500, 5_000_000)
    )
    assert few.floor == few.limit == pytest.approx(0.1)
    assert many.se == pytest.approx(0.1, rel=1e-3)
    assert few.se > 0.13
    assert few.highest == pytest.approx(t_power(0.3, 0.1, 15, 0.05))
    treated = il.Trial(persons=400, items=16, clusters=20, by_cluster=True, sigma_cluster=0.5)
    assert closed_form(treated).limit > closed_form(treated).floor


def test_t_power_against_simulated_t_tests():
    rng = np.random.default_rng(1)
    n, df = 200_000, 9
    t = (rng.normal(0.5 / 0.2, 1, n)) / np.sqrt(rng.chisquare(df, n) / df)
    share = np.mean(np.abs(t) > stats.t.ppf(0.975, df))
    assert t_power(0.5, 0.2, df, 0.05) == pytest.approx(share, abs=4 * 0.5 / np.sqrt(n))
    assert t_power(0.0, 0.2, np.inf, 0.05) == pytest.approx(0.05)


def test_power_to_find_spread_is_the_level_where_there_is_none():
    """The mixture is for many items; with finitely many the ratio is a little smaller."""
    trial = il.Trial(persons=500, items=400, sigma_zeta=0.0)
    assert closed_form(trial).power_items == pytest.approx(0.05, abs=0.005)
    assert closed_form(trial.changed(items=8)).power_items < 0.05
    assert closed_form(trial.changed(items=20, sigma_zeta=1.0)).power_items > 0.99


@pytest.mark.parametrize("family", ["bernoulli", "cumulative", "adjacent"])
def test_information_is_the_expected_curvature(family):
    """-E[d2 log p / d eta2], by differences of log-probabilities."""
    trial = il.Trial() if family == "bernoulli" else il.Trial(family=family)
    from ilhte_bayes.families import get_family

    def log_p(eta: float) -> np.ndarray:
        if family == "bernoulli":
            return np.log([1 / (1 + np.exp(eta)), 1 / (1 + np.exp(-eta))])
        cuts = np.array(trial.thresholds)
        if family == "cumulative":
            return np.log(np.diff([0.0, *(1 / (1 + np.exp(eta - cuts))), 1.0]))
        steps = np.arange(4) * eta - np.concatenate([[0.0], np.cumsum(cuts)])
        return steps - np.log(np.exp(steps).sum())

    assert get_family(trial.family).name == family
    h = 1e-3
    second = (log_p(0.4 + h) - 2 * log_p(0.4) + log_p(0.4 - h)) / h**2
    wanted = -np.exp(log_p(0.4)) @ second
    assert information(trial, np.array(0.4)) == pytest.approx(wanted, rel=1e-4)


def test_it_prints_tables_that_fit_and_says_what_persons_cannot_buy(found):
    text = repr(found)
    assert "Power, 6 trials each, by laplace; effect 0.4, sigma_zeta 0.5" in text
    assert "more persons cannot bring the SE of the average effect below 0.224" in text
    assert max(map(len, text.splitlines())) < 100
    assert "<table" in found._repr_html_()


def test_the_figure_shows_the_floor_of_each_number_of_items(found):
    axes = il.plot.power(found).figure.axes
    assert axes[0].get_title() == "SE of the average effect (logits)"
    dashed = [
        line for line in axes[0].lines if line.get_linestyle() == "--" and len(line.get_ydata())
    ]
    heights = sorted({round(float(line.get_ydata()[0]), 6) for line in dashed})
    assert heights == sorted(round(0.5 / np.sqrt(k), 6) for k in (5, 8))
    assert type(il.plot.power(found, backend="plotly")).__name__ == "Figure"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n=0: it is a whole number"),
        ({"engine": "nuts"}, "'quadrature' or 'laplace'"),
        ({"alpha": 5}, "such as 0.05"),
        ({"persons": [2]}, "persons=2"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(il.errors.ModelError, match=words):
        il.power(PLAN, progress=False, workers=1, **arguments)


def test_something_else_than_trials_is_refused(make_trial):
    with pytest.raises(il.errors.ModelError, match=r"Write il.power\(il.Trial"):
        il.power([make_trial()])


@pytest.mark.parametrize("whole, said", [(True, "Whole clusters"), (False, "within clusters")])
def test_what_is_randomised_is_said(whole, said):
    plan = il.Trial(persons=60, items=5, clusters=6, by_cluster=whole)
    found = il.power(plan, n=2, engine="laplace", workers=1, progress=False)
    assert [note for note in found.notes if said in note]


def test_the_ceiling_is_said_to_be_that_of_t_and_few_items_are_warned_of():
    """Of 3 items the test of maximum likelihood finds more than t with 2 degrees of freedom may."""
    plan = il.Trial(persons=60, items=3, effect=0.3, sigma_zeta=0.35)
    few = " ".join(il.power(plan, n=2, engine="laplace", workers=1, progress=False).notes)
    highest = t_power(0.3, 0.35 / np.sqrt(3), 2, 0.05)
    assert f"its power is then {highest:.2f} at most, by t with 2 degrees of freedom" in few
    assert "With 5 items or fewer the test of maximum likelihood exceeds its level" in few
    found = il.power(plan.changed(items=8), n=2, engine="laplace", workers=1, progress=False)
    assert "exceeds its level" not in " ".join(found.notes)
