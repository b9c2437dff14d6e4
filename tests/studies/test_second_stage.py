"""The distribution over trials is what other ways of computing it give; SDs of 0 count for what they say."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.studies.likelihood_curves import likelihood_curves
from ilhte_bayes.studies.second_stage import second_stage


def study_of(beta, se, curves):
    """What a study would hold of these trials."""
    names = [f"t{k}" for k in range(len(beta))]
    done = pd.DataFrame(
        {"ate_logit": beta, "ate_logit_se": se, "effect_term": "trt", "item_group": "q"},
        index=names,
    )
    return SimpleNamespace(done=done, curves=dict(zip(names, curves, strict=True)))


def sharp(value, share=0.01):
    """The curve of an SD that is as good as known."""
    around = np.linspace(-4, 4, 33)
    return {
        "sigma_zeta": (value * np.exp(around * share)).tolist(),
        "sigma_zeta_lost": (around**2).tolist(),
    }


def moments(values, log):
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = float(weight @ values)
    return mean, float(np.sqrt(weight @ values**2 - mean**2))


RNG = np.random.default_rng(8)
BETA, SE = RNG.normal(0.2, 0.35, 12), RNG.uniform(0.05, 0.4, 12)
SIGMA = RNG.gamma(3.0, 0.1, 12)


@pytest.fixture(scope="module")
def found():
    return second_stage(study_of(BETA, SE, [sharp(s) for s in SIGMA]))


def test_average_effects_are_the_closed_form_s(found):
    # the effects of trials integrated out by hand: y ~ N(m, t^2 + se^2)
    m, t = (g.ravel() for g in np.meshgrid(np.linspace(-1, 2, 401), np.linspace(1e-3, 2, 400)))
    log = stats.norm.logpdf(BETA, m[:, None], np.sqrt(t[:, None] ** 2 + SE**2)).sum(axis=1)
    log += stats.norm.logpdf(m, 0, 2) + stats.norm.logpdf(t)
    table = found.frame.loc["average effect"]
    # grids of 32 x 32 and of 1,000 cells: sums over them err by a few thousandths of an SD
    for name, values in (("mean of trials", m), ("SD over trials", t)):
        mean, sd = moments(values, log)
        assert table.loc[name, "estimate"] == pytest.approx(mean, abs=0.03 * sd), name
        assert table.loc[name, "se"] == pytest.approx(sd, rel=0.03), name
    weight = np.exp(log - log.max())
    variance = np.average(t**2 + m**2, weights=weight) - np.average(m, weights=weight) ** 2
    assert table.loc["next trial", "se"] == pytest.approx(np.sqrt(variance), rel=0.01)


@pytest.mark.parametrize("beta", [np.linspace(0.3, 0.31, 5), np.array([0.0, 0.3, 0.6])])
def test_few_trials_that_agree_leave_the_spread_open(beta):
    """What standard errors and priors allow, not what the estimates happen to span."""
    se = np.full(beta.size, 0.2)
    m, t = (g.ravel() for g in np.meshgrid(np.linspace(-4, 4, 801), np.linspace(1e-3, 4, 500)))
    log = stats.norm.logpdf(beta, m[:, None], np.sqrt(t[:, None] ** 2 + se**2)).sum(axis=1)
    log += stats.norm.logpdf(m, 0, 2) + stats.norm.logpdf(t)
    table = second_stage(study_of(beta, se, [sharp(0.2)] * beta.size)).frame.loc["average effect"]
    for name, values in (("mean of trials", m), ("SD over trials", t)):
        mean, sd = moments(values, log)
        assert table.loc[name, "estimate"] == pytest.approx(mean, abs=0.03 * sd), name
        assert table.loc[name, "se"] == pytest.approx(sd, rel=0.04), name


def test_sds_all_estimated_at_0_leave_what_their_curves_allow():
    values = np.linspace(0.001, 0.9, 40)
    curve = {"sigma_zeta": values.tolist(), "sigma_zeta_lost": ((values / 0.2) ** 2).tolist()}
    table = second_stage(study_of(np.full(4, 0.3), np.full(4, 0.1), [curve] * 4)).frame.loc[
        "sigma_zeta"
    ]
    m, t = (g.ravel() for g in np.meshgrid(np.linspace(4e-3, 2, 250), np.linspace(4e-3, 2, 250)))
    inside = t <= m
    m, t = m[inside], t[inside]
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 2.0, 600)])
    cells = np.diff(stats.gamma.cdf(edges, ((m / t) ** 2)[:, None], scale=(t**2 / m)[:, None]))
    middle = 0.5 * (edges[1:] + edges[:-1])
    log = 4 * np.log(cells @ np.exp(-0.5 * (middle / 0.2) ** 2))
    log += stats.norm.logpdf(m) + stats.norm.logpdf(t)
    mean, sd = moments(m, log)
    assert table.loc["mean of trials", "estimate"] == pytest.approx(mean, abs=0.05 * sd)
    assert table.loc["mean of trials", "se"] == pytest.approx(sd, rel=0.05)


def test_sds_that_are_known_are_draws_of_a_gamma(found):
    m, t = (g.ravel() for g in np.meshgrid(np.linspace(1e-2, 1, 400), np.linspace(5e-3, 1, 400)))
    log = stats.gamma.logpdf(SIGMA, ((m / t) ** 2)[:, None], scale=(t**2 / m)[:, None]).sum(axis=1)
    log += stats.norm.logpdf(m) + stats.norm.logpdf(t)
    log[t > m] = -np.inf
    table = found.frame.loc["sigma_zeta"]
    for name, values in (("mean of trials", m), ("SD over trials", t)):
        mean, sd = moments(values, log)
        assert table.loc[name, "estimate"] == pytest.approx(mean, abs=0.05 * sd), name
        assert table.loc[name, "se"] == pytest.approx(sd, rel=0.05), name


def test_a_trial_that_says_nothing_changes_nothing():
    curves = [sharp(s) for s in SIGMA]
    silent = {"sigma_zeta": [0.001, 1.0, 2.0], "sigma_zeta_lost": [0.0, 0.0, 0.0]}
    small = {"sigma_zeta": [1e-4, 0.05, 0.1], "sigma_zeta_lost": [0.0, 2.0, 9.0]}
    one = second_stage(study_of(BETA, SE, curves)).frame.loc["sigma_zeta"]
    two = second_stage(study_of([*BETA, 0.2], [*SE, 9.0], [*curves, silent])).frame.loc[
        "sigma_zeta"
    ]
    three = second_stage(study_of([*BETA, 0.2], [*SE, 9.0], [*curves, small])).frame.loc[
        "sigma_zeta"
    ]
    at = ("mean of trials", "estimate")
    # other cells and another grid; a hundredth of the mean's SD is their doing
    assert two.loc[at] == pytest.approx(one.loc[at], abs=0.05 * one.loc["mean of trials", "se"])
    assert three.loc[at] < one.loc[at] - 0.2 * one.loc["mean of trials", "se"]


@pytest.mark.slow
def test_next_trials_fall_into_their_intervals():
    rng, inside = np.random.default_rng(3), []
    for _ in range(60):
        truth = rng.normal(0.3, 0.3, 9)
        se = rng.uniform(0.05, 0.3, 8)
        curves = [sharp(s) for s in rng.gamma(4.0, 0.08, 8)]
        frame = second_stage(study_of(truth[:8] + se * rng.normal(size=8), se, curves)).frame
        row = frame.loc[("average effect", "next trial")]
        inside.append(row["lower"] < truth[8] < row["upper"])
    # 95 % of 60 is 57; with probability .999 at least 50
    assert sum(inside) >= 50


def test_priors_are_for_the_next_trial(found, trial_of):
    priors = found.priors()
    assert set(priors) == {"beta[trt]", "sd_q[trt]"}
    row = found.frame.loc[("sigma_zeta", "next trial")]
    gamma = priors["sd_q[trt]"]
    assert gamma.shape / gamma.rate == pytest.approx(row["estimate"])
    assert np.sqrt(gamma.shape) / gamma.rate == pytest.approx(row["se"])
    model = il.il_hte(trial_of(1), priors=found.priors(term="treat", group="item"))
    assert model.priors["beta[treat]"].sd == pytest.approx(
        found.frame.loc[("average effect", "next trial"), "se"]
    )


def fit_of_prior_draws(trial, n=20_000):
    """A fit whose answers said nothing: its draws are the priors'."""
    model = il.il_hte(trial, priors={"sd_item[treat]": il.priors.HalfNormal(0.7)})
    rng = np.random.default_rng(2)
    rho = 2.0 * rng.beta(2.0, 2.0, n) - 1.0  # LKJ(2), the default
    corr = np.ones((1, n, 2, 2))
    corr[0, :, 0, 1] = corr[0, :, 1, 0] = rho
    sd = np.abs(rng.normal(size=(1, n, 2))) * [2.0, 0.7]
    columns = {"item_column": ["Intercept", "treat"], "item_column_": ["Intercept", "treat"]}
    posterior = xr.Dataset(
        {
            "sd_item": (("chain", "draw", "item_column"), sd),
            "corr_item": (("chain", "draw", "item_column", "item_column_"), corr),
        },
        coords=columns,
    )
    tree = xr.DataTree.from_dict({"posterior": posterior})
    return Fit(model, "nuts", "posterior", tree, (), 0.0, 0.0)


def test_draws_of_the_prior_make_flat_curves(trial_of):
    curves = likelihood_curves(fit_of_prior_draws(trial_of(1)), "item", "treat")
    rho, zeta = np.array(curves["rho_lost"]), np.array(curves["sigma_zeta_lost"])
    # 2,000 draws: a density errs by 5 % in the middle, 10 to 20 % at the ends, twice that in lost
    assert np.ptp(rho) < 0.6
    middle = np.array(curves["sigma_zeta"]) < 1.2  # 91 % of the draws
    assert np.ptp(zeta[middle]) < 0.6


@pytest.mark.parametrize(("rho", "se"), [(0.4, 0.1), (-0.9999, 0.05), (0.99, 3.0)])
def test_rho_near_its_edge_has_a_curve_that_can_be_read(rho, se):
    """Fisher's z, of as many different values next to the edge as elsewhere."""
    index = [("item", "sd[treat]"), ("item", "corr[Intercept,treat]")]
    table = pd.DataFrame(
        {"estimate": [0.4, rho], "se": [0.01, se]}, index=pd.MultiIndex.from_tuples(index)
    )
    curve = likelihood_curves(
        SimpleNamespace(sampled=False, variance_components=table), "item", "treat"
    )
    values, lost = np.array(curve["rho"]), np.array(curve["rho_lost"])
    assert (np.diff(values) > 0).all() and np.abs(values).max() < 1
    expected = ((np.arctanh(values) - np.arctanh(rho)) * (1 - rho**2) / se) ** 2
    np.testing.assert_allclose(lost, expected, rtol=1e-6, atol=1e-9)


def test_a_study_becomes_priors(trial_of):
    trials = {f"t{k}": trial_of(k, persons=80, items=6) for k in range(4)}
    study = il.study(trials, models=["M_A"], engine="laplace", progress=False)
    found = il.second_stage(study)
    assert (found.frame["lower"] <= found.frame["upper"]).all()
    assert found.frame.loc[("sigma_zeta", "next trial"), "lower"] > 0
    assert {"beta[treat]", "sd_item[treat]"} <= set(found.priors())
    assert max(map(len, repr(found).splitlines())) < 100


def test_refusals(trial_of):
    study = il.study({"a": trial_of(1)}, models=["M_A"], engine="laplace", progress=False)
    with pytest.raises(DataError, match="3 or more"):
        il.second_stage(study)
    with pytest.raises(ModelError, match="no study"):
        il.second_stage(study.frame)
