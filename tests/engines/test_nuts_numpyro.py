"""NUTS through numpyro: the same posterior as nutpie's; what is said where it is not installed."""

import importlib.util

import arviz as az
import numpy as np
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.engines import nuts_numpyro
from ilhte_bayes.show import recipe

installed = all(importlib.util.find_spec(name) for name in ("jax", "numpyro"))
needs_numpyro = pytest.mark.skipif(
    not installed, reason="numpyro is not installed: pip install 'ilhte-bayes[jax]'"
)
NUMBERS = {"draws": 300, "tune": 300, "chains": 2, "seed": 3, "progress": False}
# how the model is made, and how it is sampled
PATHS = {
    "joint": ({}, {"integrate": "none"}),
    "integrated": ({}, {"integrate": "id"}),
    "by arm": ({"ability_sd": "by_arm"}, {}),
    "ordinal": ({"family": "cumulative"}, {}),
}
LONGER = {
    "free shape": ({"ability": "histogram"}, {}),
    "2PL": ({"discrimination": True}, {}),
    "2PL joint": ({"discrimination": True}, {"integrate": "none"}),
    "ordinal joint": ({"family": "cumulative"}, {"integrate": "none"}),
    "multinomial": ({"family": "multinomial"}, {}),
}


def a_trial(options: dict):
    ordinal = options.get("family", "bernoulli") != "bernoulli"
    kind = {"family": "cumulative", "thresholds": (-1.0, 0.5)} if ordinal else {}
    plan = il.Trial(persons=80, items=6, effect=0.5, sigma_zeta=0.4, **kind)
    return il.simulate(plan, seed=1).table


def agree(one: xr.Dataset, other: xr.Dataset) -> None:
    """Means of parameters within Monte Carlo error.

    Four and a half standard errors: over some 30 numbers a false alarm in 5,000; of numbers whose
    draws are few (an SD against 0) the estimated error is itself off by a tenth or so.
    """
    assert set(one.data_vars) == set(other.data_vars)
    errors = [az.mcse(posterior) for posterior in (one, other)]
    for name in one.data_vars:
        assert one[name].dims == other[name].dims
        if str(name).startswith("corr_"):
            continue
        error = np.sqrt(sum(each[name] ** 2 for each in errors))
        gap = one[name].mean(("chain", "draw")) - other[name].mean(("chain", "draw"))
        assert float((np.abs(gap) / error).max()) < 4.5, name


def compared(how: tuple[dict, dict]) -> il.Fit:
    options, sampling = how
    model = il.il_hte(a_trial(options), **options)
    fit = il.sample(model, sampler="numpyro", **NUMBERS, **sampling)
    nutpie = il.sample(model, **NUMBERS, **sampling)
    agree(*(each.tree["posterior"].to_dataset() for each in (fit, nutpie)))
    return fit


@needs_numpyro
@pytest.mark.parametrize("path", PATHS)
def test_the_posterior_is_that_of_nutpie(path):
    fit = compared(PATHS[path])
    attrs = fit.tree["posterior"].attrs
    assert attrs["sampler"] == "NUTS (numpyro)"
    assert attrs["divergences"] == int(fit.tree["sample_stats"]["diverging"].sum())
    if path != "joint":
        assert attrs["integrated"] == "id"
        assert attrs["grid_error"][0] < 1e-4


@needs_numpyro
@pytest.mark.slow
@pytest.mark.parametrize("path", LONGER)
def test_the_posterior_is_that_of_nutpie_on_the_other_paths(path):
    compared(LONGER[path])


@needs_numpyro
def test_a_fit_says_who_made_it(tmp_path):
    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    fit = il.sample(model, sampler="numpyro", draws=50, tune=100, chains=2, progress=False)
    assert "sampler='numpyro'" in recipe.code(fit)
    kept = il.load(fit.save(tmp_path / "fit.nc"))
    made = kept.tree.attrs["made_with"]
    assert made["jax"] == fit.tree["posterior"].attrs["jax"]
    assert made["numpyro"] == fit.tree["posterior"].attrs["numpyro"]
    xr.testing.assert_equal(kept.tree["posterior"].to_dataset(), fit.tree["posterior"].to_dataset())


def test_without_numpyro_it_says_what_to_type(monkeypatch):
    find = importlib.util.find_spec
    hidden = lambda name, *more: None if name == "numpyro" else find(name, *more)  # noqa: E731
    monkeypatch.setattr(nuts_numpyro, "find_spec", hidden)
    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    with pytest.raises(il.errors.ModelError, match=r"pip install 'ilhte-bayes\[jax\]'"):
        il.sample(model, sampler="numpyro")


def test_another_sampler_is_not_known():
    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    with pytest.raises(il.errors.ModelError, match="it is 'nutpie' or 'numpyro'"):
        il.sample(model, sampler="stan")
