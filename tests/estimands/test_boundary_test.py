"""The likelihood ratio against other programs', its p-values by hand, and the bootstrap's parts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

import ilhte_bayes as il
from ilhte_bayes.estimands import bootstrap as module
from ilhte_bayes.estimands.boundary_test import boundary_test
from ilhte_bayes.estimands.nesting import null_in_full, null_of
from ilhte_bayes.models.model import with_parts
from ilhte_bayes.models.simulated import simulate_answers

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
SMALL, LARGE = "resp ~ treat + (1 | id) + (1 | item)", "resp ~ treat + (1 | id) + (treat | item)"


@pytest.fixture(scope="module")
def pair(trial_table):
    table = trial_table(3, persons=100, items=8, spread=0.5)
    return il.laplace(il.Model(SMALL, table)), il.laplace(il.Model(LARGE, table))


@pytest.mark.parametrize(
    "null, full, family, note",
    [
        ("y ~ treat + (1 | id) + (1 | item)", "y ~ treat + (1 | id) + (treat | item)",
         "bernoulli", "IL-HTE random slope (VerbAgg)"),
        ("resp ~ treat + (1 | id) + (1 | item)", "resp ~ treat + (1 | id) + (treat | item)",
         "cumulative", "ordinal IL-HTE (VerbAgg)"),
    ],
)  # fmt: skip
def test_ratios_and_p_values_are_the_peers(table, null, full, family, note):
    """glmer (binary, run tight) and clmm (ordinal); two log-likelihoods to 1e-3 each."""
    if not (REFERENCE / "LRT.json").is_file():
        pytest.skip("likelihood ratios of other programs are in the shared folder, which is absent")
    (case,) = [c for c in json.loads((REFERENCE / "LRT.json").read_text()) if c["note"] == note]
    models = [il.Model(formula, table("verbagg"), family) for formula in (null, full)]
    found = boundary_test(*models)
    assert found.statistic == pytest.approx(case["chisq"], abs=4e-3)
    for reference, key in (
        ("chi-squared", "p_chisq"),
        ("halved", "p_halved"),
        ("mixture", "p_mixture_chibar_1_2"),
    ):
        # p changes by half the error of the ratio, relatively
        assert found.p(reference) == pytest.approx(case[key], rel=3e-3)


def test_closed_forms_by_hand(pair):
    found = boundary_test(*pair)
    lr = 2 * (pair[1].loglik - pair[0].loglik)
    assert found.statistic == pytest.approx(lr, abs=1e-12)
    assert found.p("chi-squared") == pytest.approx(chi2.sf(lr, 2), abs=1e-10)
    assert found.p("halved") == pytest.approx(chi2.sf(lr, 2) / 2, abs=1e-10)
    by_hand = (chi2.sf(lr, 1) + chi2.sf(lr, 2)) / 2
    assert found.p("mixture") == pytest.approx(by_hand, abs=1e-10)
    text = repr(found)
    assert "1/2 chi2(1) + 1/2 chi2(2)" in text
    assert "6.6 %" in text
    assert max(map(len, text.splitlines()[:5])) < 100


def test_one_variance_alone(pair, trial_table):
    table = trial_table(3, persons=100, items=8, spread=0.5)
    found = boundary_test(pair[0], il.Model("resp ~ treat + (1 | id) + (treat || item)", table))
    assert found.p("mixture") == pytest.approx(chi2.sf(found.statistic, 1) / 2, abs=1e-10)
    assert found.p("mixture") == found.p("halved")  # with one parameter halving is right


def test_several_variances_have_no_mixture(trial_table):
    table = trial_table(3, persons=100, items=8)
    null = il.Model("resp ~ treat + (1 | id)", table)
    found = boundary_test(null, il.Model(LARGE, table))
    assert np.isnan(found.p("mixture"))
    assert "halved" not in found.frame.index
    assert "2 variances are tested together" in "".join(found.notes)
    assert "bootstrap=1000" in "".join(found.notes)


def test_a_nuisance_variance_at_0_has_no_mixture(trial_table):
    table = trial_table(3, persons=100, items=8)
    rng = np.random.default_rng(1)
    table["school"] = rng.integers(0, 6, 100)[table["id"]]
    null = il.laplace(il.Model("resp ~ treat + (1 | school/id) + (1 | item)", table))
    assert null.sd("school")["Intercept"] == 0.0
    full = il.Model("resp ~ treat + (1 | school/id) + (treat | item)", table)
    found = boundary_test(null, full)
    assert np.isnan(found.p("mixture"))
    assert "at the edge of its range under the null" in "".join(found.notes)


def test_without_variances_chi2_is_the_reference(trial_table):
    table = trial_table(3, persons=100, items=8)
    null = il.Model("resp ~ 1 + (1 | id) + (1 | item)", table)
    found = boundary_test(null, il.Model(SMALL, table))
    assert list(found.frame.index) == ["chi-squared"]
    assert "No variance is tested" in "".join(found.notes)


def test_refused_pairs(pair, trial_table):
    null, full = pair
    with pytest.raises(il.errors.ModelError, match="Give the smaller model first"):
        boundary_test(full, null)
    other = trial_table(9, persons=100, items=8)
    with pytest.raises(il.errors.ModelError, match="different answers"):
        boundary_test(il.Model(SMALL, other), full)
    with pytest.raises(
        il.errors.ModelError, match=r"by il.laplace and the larger by il.quadrature"
    ):
        boundary_test(null, il.quadrature(full.model))
    with pytest.raises(il.errors.ModelError, match="is MAP"):
        boundary_test(null, il.laplace(full.model, objective="map"))
    with pytest.raises(il.errors.ModelError, match="bootstrap=-1"):
        boundary_test(null, full, bootstrap=-1)
    with pytest.raises(il.errors.ModelError, match="engine='nuts'"):
        boundary_test(null.model, full.model, engine="nuts")


@pytest.mark.parametrize("engine", [il.laplace, il.quadrature])
def test_the_bootstrap_is_refits_of_simulated_trials(pair, engine):
    null, full = (engine(fit.model) for fit in pair)
    found = boundary_test(null, full, bootstrap=4, seed=7, progress=False)
    parameters = null_in_full(null, full.model)
    for k, ratio in enumerate(found.simulated):
        rng = np.random.default_rng((7, k))
        larger = simulate_answers(full.model, parameters, rng).model
        smaller = null_of(larger, null.model)
        direct = 2 * (engine(larger).loglik - engine(smaller).loglik)
        assert ratio == pytest.approx(max(direct, 0.0), abs=2e-4)  # two searches of 1e-5 or so
    assert found.p("bootstrap") == (1 + np.sum(found.simulated >= found.statistic)) / 5
    again = boundary_test(null, full, bootstrap=2, seed=7, progress=False)
    assert np.array_equal(again.simulated, found.simulated[:2])


def test_it_simulates_under_the_null(pair, monkeypatch):
    """The null's coefficients and SDs, effects that do not differ, persons and items drawn anew."""
    null, full = pair
    truths = []

    def watched(model, parameters, rng):
        out = simulate_answers(model, parameters, rng)
        truths.append(out.truth)
        return out

    monkeypatch.setattr(module, "simulate_answers", watched)
    module.bootstrap_ratios(null, full, 60, seed=1, progress=False)
    assert truths[0]["beta"].to_numpy() == pytest.approx(null.coefficients["estimate"].to_numpy())
    items = np.array([t["re_item"].to_numpy() for t in truths])  # (trial, item, column)
    assert (items[..., 1] == 0).all()
    persons = np.array([t["re_id"].to_numpy() for t in truths])
    # 6,000 persons and 480 items: SDs to 1 and 3 %, here to four times that
    assert persons.std() == pytest.approx(null.sd("id")["Intercept"], rel=0.04)
    assert items[..., 0].std() == pytest.approx(null.sd("item")["Intercept"], rel=0.13)


def test_failures_are_counted_and_bounded(pair, monkeypatch):
    null, full = pair
    right, calls = module._maximum, []

    def sometimes(like, model, parameters):
        calls.append(model)
        if len(calls) in (4, 8):
            raise np.linalg.LinAlgError("not positive definite")
        return right(like, model, parameters)

    monkeypatch.setattr(module, "_maximum", sometimes)
    found = boundary_test(null, full, bootstrap=6, progress=False)
    assert np.isnan(found.simulated).sum() == 2
    assert "2 of 6 simulated trials could not be fitted" in "".join(found.notes)
    assert "4 simulated trials" in found.frame.loc["bootstrap", "distribution"]
    reached = np.nansum(found.simulated >= found.statistic)
    assert found.p("bootstrap") == (1 + reached) / 5
    low, high = (1 + reached) / 7, (3 + reached) / 7
    assert f"p would be {low:.3f} or {high:.3f}" in "".join(found.notes)


def test_columns_of_one_name_that_differ_are_refused(pair):
    """A full model in which the items' columns have changed names."""
    null, full = pair
    groups = tuple(
        replace(g, z=np.ascontiguousarray(g.z[:, ::-1])) for g in full.model.design.groups
    )
    design = replace(full.model.design, groups=groups)
    odd = il.laplace(with_parts(full.model, design=design))
    with pytest.raises(il.errors.ModelError, match="coded in different ways"):
        module.bootstrap_ratios(null, odd, 2, seed=1, progress=False)
