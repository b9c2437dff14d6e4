"""NUTS with persons integrated out: against the joint model, and what a fit says of the integral."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.checks.refit_left_out import model_of
from ilhte_bayes.engines import nuts
from ilhte_bayes.engines.drawn import Drawn

NUMBERS = {"chains": 2, "seed": 4, "progress": False}


@pytest.fixture(scope="module")
def model():
    return il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))


@pytest.fixture(scope="module")
def integrated(model):
    return il.sample(model, draws=2000, tune=500, **NUMBERS)


def test_converged(integrated):
    found = integrated.tree["posterior"].attrs
    assert found["divergences"] == 0
    assert found["max_rhat"] < 1.02
    assert 0 < found["warmup_seconds"] < found["sample_seconds"]


def test_agrees_with_the_joint_model(model, integrated):
    """Two programs, two parametrisations: means and SDs within Monte Carlo error."""
    joint = il.sample(model, integrate="none", draws=1000, tune=500, **NUMBERS)
    for table in ("coefficients", "variance_components"):
        a, b = getattr(integrated, table), getattr(joint, table)
        ess = min(f.tree["posterior"].attrs["min_ess_bulk"] for f in (integrated, joint))
        error = a["se"] * np.sqrt(2 / ess)
        # four standard errors: one false alarm in 3,000 for each of five numbers
        assert (np.abs(a["estimate"] - b["estimate"]) < 4 * error).all()
        # an SD's own error is about 1 / sqrt(2 ess) for a normal, more for skewed posteriors
        np.testing.assert_allclose(a["se"], b["se"], rtol=6 / np.sqrt(2 * ess))


def test_says_which_group_and_how_exact(integrated):
    found = integrated.tree["posterior"].attrs
    assert found["integrated"] == "ID"
    assert found["grid"][2] > 15
    assert found["grid_error"][0] < 1e-4
    assert found["grid_error"][1] < 1e-3
    assert "re_ID" not in integrated.tree["posterior"]


def test_the_same_seed_gives_the_same_draws(model):
    numbers = NUMBERS | {"draws": 50, "tune": 100}
    a, b = (il.sample(model, **numbers).tree["posterior"]["beta"] for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_a_group_with_two_effects_a_level_is_not_integrated():
    table = il.load_dataset("bacteria")
    model = il.Model("yy ~ week + (1 + week | ID)", table)
    with pytest.raises(il.errors.ModelError, match="2 random effects"):
        il.sample(model, integrate="ID")
    with pytest.raises(il.errors.ModelError, match="'auto', 'none' or a group"):
        il.sample(model, integrate="person")


def test_persons_without_any_spread_are_sampled_without_a_spike():
    """Less spread than by chance: the SD's posterior lies against 0, where nodes cannot follow."""
    rng = np.random.default_rng(3)
    answers = [rng.permutation([0, 1, 1, 0, 1]) for _ in range(60)]
    table = pd.DataFrame({"id": np.repeat(np.arange(60), 5), "y": np.concatenate(answers)})
    fit = il.sample(il.Model("y ~ 1 + (1 | id)", table), draws=1000, tune=500, **NUMBERS)
    sd = fit.tree["posterior"]["sd_id"].to_numpy().ravel()
    # density of the SD from the exact likelihood on a fine grid, by the trapezoid rule
    grid = np.linspace(1e-3, 1.0, 200)
    node, weight = np.polynomial.hermite_e.hermegauss(41)
    intercepts = np.linspace(-1.0, 2.0, 241)
    eta = intercepts[:, None, None] + grid[None, :, None] * node
    log_person = np.log(np.exp(3 * eta - 5 * np.logaddexp(0, eta)) @ weight)
    prior = fit.model.priors
    log_density = 60 * log_person + prior["sd_id[Intercept]"].log_density(grid)
    log_density = log_density + prior["beta[Intercept]"].log_density(intercepts)[:, None]
    density = np.exp(log_density - log_density.max()).sum(axis=0)
    density /= density.sum()
    # Monte Carlo error of a mean of 2,000 draws with an effective size of at least 300
    assert sd.mean() == pytest.approx(density @ grid, abs=4 * sd.std() / np.sqrt(300))
    assert fit.tree["posterior"].attrs["divergences"] == 0


def test_missing_answers_and_no_spread_leave_the_integral_exact():
    """Persons of many patterns whose answers are coin tosses: SDs near 0 are visited often."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"id": np.repeat(np.arange(60), 6), "item": np.tile(np.arange(6), 60)})
    table["y"] = (rng.random(len(table)) < 0.6).astype(float)
    table.loc[rng.random(len(table)) < 0.3, "y"] = np.nan
    model = il.Model("y ~ 1 + (1 | id) + (1 | item)", table)
    fit = il.sample(model, draws=200, tune=200, **NUMBERS)
    assert not any("exact enough" in problem for problem in fit.problems)
    assert float(fit.tree["posterior"]["sd_id"].min()) < 0.05  # the case was met


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
def test_ordinal_answers_integrated_agree_with_the_joint_model():
    """Wine's bitterness, five categories: PyMC's OrderedLogistic with every judge sampled.

    And, by default (no persons are named), the compiled density with every judge sampled.
    """
    table = il.load_dataset("wine")
    model = il.Model("rating ~ temp + contact + (1 | judge)", table, family="cumulative")
    joint = il.sample(model, draws=1000, tune=500, integrate="none", **NUMBERS)
    for how, integrated in (("judge", "judge"), ("auto", "")):
        fit = il.sample(model, draws=1000, tune=500, integrate=how, **NUMBERS)
        assert fit.tree["posterior"].attrs["integrated"] == integrated
        same_posterior(fit, joint)


def same_posterior(one: il.Fit, other: il.Fit) -> None:
    """Means and SDs within four Monte Carlo errors: one false alarm in 2,000 for seven numbers."""
    ess = min(f.tree["posterior"].attrs["min_ess_bulk"] for f in (one, other))
    for name in ("coefficients", "variance_components"):
        a, b = getattr(one, name), getattr(other, name)
        error = 4 * a["se"] * np.sqrt(2 / ess)
        assert (np.abs(a["estimate"] - b["estimate"]) < error).all()
        np.testing.assert_allclose(a["se"], b["se"], rtol=6 / np.sqrt(2 * ess))


def test_a_category_that_is_left_empty_keeps_thresholds_in_order():
    """Answers left out, or simulated, may leave a category without any: only priors say of it."""
    wine = il.load_dataset("wine")
    model = il.Model("rating ~ temp + (1 | judge)", wine, "cumulative")
    count = np.where(model.design.score == 2, 0, model.design.count)
    fit = il.sample(model_of(model, count), draws=200, tune=200, **NUMBERS)
    thresholds = fit.tree["posterior"]["beta"].to_numpy()[..., :4]
    assert (np.diff(thresholds, axis=-1) > 0).all()


def test_runs_again_with_smaller_steps_or_more_draws(model, monkeypatch):
    """Smaller steps where draws diverged, more draws where chains only disagree."""
    runs, rng = [], np.random.default_rng(1)

    def drawn(pilot, centred, integrated, run):
        runs.append((run.draws, run.tune, run.target_accept))
        beta = rng.normal(size=(run.chains, run.draws, 1))
        if len(runs) == 2:
            beta += np.arange(run.chains)[:, None, None]  # chains that disagree
        diverging = xr.DataArray(np.full(run.draws, len(runs) == 1), dims="draw")
        posterior = xr.Dataset({"beta": (("chain", "draw", "term"), beta)})
        return Drawn(posterior, xr.Dataset({"diverging": diverging}), 0.0, 0.0, 0.5, {})

    class Done(Exception):
        pass

    def stop(model, found):
        raise Done

    monkeypatch.setattr(nuts, "draw_integrated", drawn)
    monkeypatch.setattr(nuts, "_tree", stop)
    with pytest.raises(Done):
        il.sample(model, draws=1000, tune=60, chains=2, seed=1, progress=False)
    assert runs == [(1000, 60, 0.9), (1000, 120, 0.97), (2000, 240, 0.97)]
