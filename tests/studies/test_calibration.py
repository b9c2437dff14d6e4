"""Calibration: passes what is right, and finds four planted errors; NUTS's own is slow.

The posterior here is neither ours nor sampled by a chain: draws from the prior, written out in
NumPy, resampled with their likelihood as weights.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from defects import Forgetful, Narrow, WrongSign

import ilhte_bayes as il
from ilhte_bayes.studies.calibration import Calibration, calibrate, data_set, rank, thin

PRIORS = {
    "beta": il.priors.Normal(0, 1),
    "sd_item[Intercept]": il.priors.HalfNormal(1),
    "sd_item[treat]": il.priors.HalfNormal(2),
    "corr": il.priors.LKJ(2),
}
N = 150


@pytest.fixture(scope="module")
def model() -> il.Model:
    """Four items, two arms, four answers in each of the eight cells; equal rows are counted."""
    item, treat = np.repeat(np.arange(4), 8), np.tile([0, 1], 16)
    table = pd.DataFrame({"item": item, "treat": treat, "resp": np.arange(32) // 2 % 2})
    return il.Model("resp ~ treat + (treat | item)", table, priors=PRIORS)


def importance(model: il.Model, draws: int, seed: int) -> xr.Dataset:
    """Posterior by importance resampling from the prior."""
    rng, n = np.random.default_rng(seed), 8_000
    beta = rng.normal(size=(n, 2))
    sd = np.abs(rng.normal(size=(n, 2))) * [1.0, 2.0]
    rho = 2 * rng.beta(2, 2, size=n) - 1  # LKJ(2) of two columns
    z = rng.normal(size=(2, n, 4))
    easiness = sd[:, :1] * z[0]
    effect = sd[:, 1:] * (rho[:, None] * z[0] + np.sqrt(1 - rho[:, None] ** 2) * z[1])
    design = model.design
    cell = 2 * design.groups[0].level + design.x[design.pattern, 1].astype(int)
    total = np.bincount(cell, weights=design.count, minlength=8)
    ones = np.bincount(cell, weights=design.count * design.score, minlength=8)
    eta = beta[:, :1] + easiness  # (draw, item), arm 0
    eta = np.stack([eta, eta + beta[:, 1:] + effect], axis=-1).reshape(n, 8)
    loglik = eta @ ones - np.logaddexp(0.0, eta) @ total
    weight = np.exp(loglik - loglik.max())
    at = rng.choice(n, size=draws, p=weight / weight.sum())
    corr = np.ones((draws, 2, 2))
    corr[:, 0, 1] = corr[:, 1, 0] = rho[at]
    return xr.Dataset(
        {
            "beta": (("draw", "term"), beta[at]),
            "sd_item": (("draw", "item_column"), sd[at]),
            "corr_item": (("draw", "item_column", "item_column_"), corr),
            "re_item": (("draw", "item", "item_column"), np.stack([easiness, effect], -1)[at]),
        }
    ).expand_dims("chain")


def prior(model: il.Model, draws: int, seed: int) -> xr.Dataset:
    """Draws from the prior, as if nothing had been answered."""
    none = np.zeros(model.design.n_rows, dtype=bool)
    return Forgetful(importance, keep=none)(model, draws, seed)


ENGINES = {
    "right": importance,
    "30 % too narrow": Narrow(importance),
    "prior": prior,
    "an item dropped": Forgetful(importance),
    "wrong sign": WrongSign(importance),
}


@pytest.fixture(scope="module")
def study(model):
    made: dict[str, Calibration] = {}

    def make(name: str) -> Calibration:
        if name not in made:
            made[name] = calibrate(model, n=N, draws=200, kept=63, engine=ENGINES[name])
        return made[name]

    return make


def test_a_right_posterior_passes(study):
    table = study("right").uniformity()
    # 14 quantities: 1 in 1,000 runs by chance alone, after Bonferroni
    assert table["p"].min() > 0.001 / len(table)
    outside = table.index[~table["inside"]]
    verdict = study("right").verdict
    assert ("no sign of an error" in verdict) == (len(outside) == 0)
    # one of 14 outside its 99 % band happens by chance: then it is named, and no error is claimed
    assert all(name in verdict for name in outside)
    assert "the posterior is wrong" not in verdict


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "right"])
def test_a_wrong_posterior_is_found(name, study):
    table = study(name).uniformity()
    assert table["p"].min() < 1e-4 / len(table), table
    assert "the posterior is wrong" in study(name).verdict


def test_a_narrow_posterior_shows_in_the_spread_of_ranks(study):
    spread = study("30 % too narrow").uniformity()["spread"]
    assert spread["beta[treat]"] > 1.05 > study("right").uniformity()["spread"]["beta[treat]"] - 0.1


def test_intervals_cover_as_often_as_they_say_and_narrow_ones_do_not(study):
    right, narrow = (study(name).coverage(0.9) for name in ("right", "30 % too narrow"))
    # 64 ranks, 3 left out at each end
    assert right["expected"].tolist() == [58 / 64] * len(right)
    # a 95 % interval for each of 14 quantities, correlated: 5 or more outside by chance 1 in 1,000
    outside = (right["lower"] > 58 / 64) | (right["upper"] < 58 / 64)
    assert outside.sum() <= 4
    # 1.64 * 0.7 SDs on each side: 75 %
    assert narrow.loc["beta[treat]", "share"] < 0.85
    table = study("right").uniformity()
    np.testing.assert_array_equal(table["covers_90"], right["share"])


def test_only_quantities_that_see_the_answers_find_the_prior(study):
    """Every parameter's rank is uniform when posterior = prior: why log_likelihood is there."""
    table = study("prior").uniformity()
    assert table.loc["log_likelihood", "p"] < 1e-10
    assert table["p"].drop("log_likelihood").min() > 0.001 / len(table)


def test_the_same_seed_gives_the_same_study_and_data_sets(model):
    first, again = (
        calibrate(model, n=3, draws=200, kept=63, engine=importance, seed=4) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.ranks, again.ranks)
    truth, _ = data_set(model, 2, seed=4)
    assert first.truth.loc[2, "beta[treat]"] == float(truth["beta"].sel(term="treat"))


def test_ranks_count_draws_below_and_share_ties():
    rng = np.random.default_rng(1)
    assert rank(0.5, np.array([0.1, 0.4, 0.9]), rng) == 2
    tied = [rank(0.5, np.full(4, 0.5), rng) for _ in range(200)]
    assert set(tied) == {0, 1, 2, 3, 4}


def test_thinning_takes_equal_spaces():
    np.testing.assert_array_equal(thin(np.arange(12.0).reshape(2, 6), 4), [1, 4, 7, 10])
    with pytest.raises(il.errors.ModelError, match="kept=13, of 12 draws"):
        thin(np.arange(12.0), 13)


def test_it_prints_a_table_and_a_verdict(study):
    text = repr(study("an item dropped"))
    assert "150 data sets drawn from the priors" in text
    assert "log_likelihood" in text and "NO" in text
    assert "<table" in study("right")._repr_html_()


def test_the_figure_has_a_panel_for_each_quantity(study):
    calibration = study("wrong sign")
    figure = il.plot.calibration(calibration).figure
    titles = [ax.get_title() for ax in figure.axes if ax.get_visible()]
    assert titles == list(calibration.ranks)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(labels) == {"99 % band if all is well", "150 data sets", "outside"}


def test_numbers_that_make_no_sense_are_refused(model):
    with pytest.raises(il.errors.ModelError, match="n=0: it is a whole number"):
        calibrate(model, n=0)


def test_an_error_says_which_data_set_it_came_from(model):
    def fails(model, draws, seed):
        raise RuntimeError("no start")

    with pytest.raises(RuntimeError) as caught:
        calibrate(model, n=1, engine=fails, seed=9)
    assert "data_set(model, 0, seed=9) makes it again" in caught.value.__notes__[0]
