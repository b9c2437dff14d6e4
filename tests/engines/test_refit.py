"""A refit is the same call again: group integrated out, objective, and every setting of draws."""

import pytest

import ilhte_bayes as il
from ilhte_bayes.engines import refit as refits
from ilhte_bayes.engines.refit import refit, sampling_settings


@pytest.fixture(scope="module")
def model(make_trial):
    return il.Model("resp ~ treat + (1 | id) + (1 | item)", make_trial(40, 8))


def test_quadrature_integrates_the_same_group_with_the_same_objective(model):
    fit = il.quadrature(model, objective="map", integrate="item")
    again = refit(fit, model)
    assert again.mode.attrs["integrated"] == "item"  # left to itself it takes persons
    assert again.objective == "map"
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-8)  # one search twice


@pytest.mark.parametrize("integrate", ["item", "none"])
def test_draws_keep_every_setting_but_those_that_change(model, integrate, monkeypatch, tmp_path):
    asked = {"draws": 20, "tune": 50, "chains": 2, "seed": 7, "target_accept": 0.95}
    asked |= {"integrate": integrate}
    fit = il.sample(model, progress=False, **asked)
    assert sampling_settings(fit) == asked
    loaded = il.load(fit.save(tmp_path / "fit"))
    called = {}
    monkeypatch.setattr(refits, "sample", lambda model, **options: called.update(options))
    refit(loaded, model, seed=3)
    assert called == asked | {"seed": 3, "progress": False}
    assert type(called["tune"]) is int  # il.sample refuses NumPy's, which files give


def test_smaller_steps_stay_possible_where_none_were_asked_for(model, monkeypatch):
    """The same call again takes smaller steps after divergences; a fixed 0.9 would not."""
    fit = il.sample(model, draws=20, tune=50, chains=1, integrate="none", progress=False)
    assert sampling_settings(fit)["target_accept"] == 0.9
    called = {}
    monkeypatch.setattr(refits, "sample", lambda model, **options: called.update(options))
    refit(fit, model)
    assert "target_accept" not in called
