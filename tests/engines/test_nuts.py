"""The NUTS engine on a small trial: what a fit holds, and that its parts agree with each other."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ilhte_bayes as il
from ilhte_bayes.engines import nuts
from ilhte_bayes.models.model import with_parts


@pytest.fixture(scope="module")
def fits():
    """Bacteria: 220 answers of 50 children, one random intercept; sampled and maximised."""
    model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    numbers = {"draws": 500, "tune": 500, "chains": 2, "seed": 3, "progress": False}
    sampled = il.sample(model, integrate="none", **numbers)
    return sampled, il.laplace(model, objective="map")


def test_holds_the_groups_and_names_of_the_schema(fits):
    tree = fits[0].tree
    assert {"posterior", "sample_stats", "observed_data", "constant_data", "log_prior"} <= set(
        tree.children
    )
    posterior = tree["posterior"]
    assert {"beta", "sd_ID", "re_ID"} == set(posterior.data_vars)
    assert posterior["beta"].dims == ("chain", "draw", "term")
    assert posterior["re_ID"].sizes["ID"] == 50
    assert posterior.attrs["seed"] == 3


def test_converged_without_divergences(fits):
    found = fits[0].tree["posterior"].attrs
    assert found["divergences"] == 0
    # 1,000 draws of a well-behaved posterior: R-hat scatters to about 1.01
    assert found["max_rhat"] < 1.03
    assert found["min_ess_bulk"] > 150


def test_agrees_with_map_where_the_posterior_is_nearly_normal(fits):
    """Coefficients: the posterior mean lies further out than the mode, by less than half an SD."""
    sampled, mode = fits[0].coefficients, fits[1].coefficients
    np.testing.assert_array_less(
        np.abs(sampled["estimate"] - mode["estimate"]), 0.5 * sampled["se"]
    )
    np.testing.assert_allclose(sampled["se"], mode["se"], rtol=0.25)


def test_log_prior_is_that_of_the_declared_priors(fits):
    tree, priors = fits[0].tree, fits[0].model.priors
    beta = tree["posterior"]["beta"].sel(term="late").to_numpy()
    own = priors["beta[late]"]
    expected = stats.norm(own.mean, own.sd).logpdf(beta)
    found = tree["log_prior"]["beta"].sel(term="late").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    sd = tree["posterior"]["sd_ID"].to_numpy()[..., 0]
    expected = stats.halfnorm(scale=priors["sd_ID[Intercept]"].sd).logpdf(sd)
    np.testing.assert_allclose(tree["log_prior"]["sd_ID"][..., 0], expected, rtol=1e-10)


def test_tables_are_those_of_the_draws(fits):
    sampled = fits[0]
    late = sampled.tree["posterior"]["beta"].sel(term="late").to_numpy().ravel()
    row = sampled.coefficients.loc["late"]
    assert row["estimate"] == pytest.approx(late.mean())
    assert row["lower"] == pytest.approx(np.quantile(late, 0.025))
    assert sampled.sd("ID")["Intercept"] == pytest.approx(
        float(sampled.tree["posterior"]["sd_ID"].mean())
    )
    assert len(sampled.random_effects("ID")) == 50
    assert "chains" in repr(sampled) and "yy ~ trt" in sampled._repr_html_()


def test_a_sampled_fit_has_no_mode_and_no_aic(fits):
    with pytest.raises(il.errors.ModelError, match="no mode"):
        fits[0].mode  # noqa: B018
    with pytest.raises(
        il.errors.ModelError, match="belongs to maximum likelihood; this fit is a post"
    ):
        fits[0].aic  # noqa: B018


@pytest.mark.parametrize("numbers", [{"draws": 0}, {"tune": 3}, {"chains": 2.5}])
def test_impossible_numbers_are_refused_before_any_work(fits, numbers):
    name = next(iter(numbers))
    with pytest.raises(il.errors.ModelError, match=f"{name}="):
        il.sample(fits[0].model, **numbers)


@pytest.mark.parametrize("prior", [il.priors.Exponential(1.0), il.priors.Gamma(0.8, 1.0)])
def test_priors_without_a_mode_still_have_a_start(prior):
    """MAP refuses them and recommends NUTS, whose pilot then is maximum likelihood."""
    from ilhte_bayes.engines.nuts import _pilot

    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"), priors={"sd": prior})
    with pytest.raises(il.errors.ModelError, match="sample with NUTS"):
        il.laplace(model, objective="map")
    assert _pilot(model).objective == "ml"


@pytest.mark.parametrize("integrate", ["auto", "none"])
def test_chains_start_where_an_sd_is_estimated_at_zero(integrate):
    """Every item is solved by half of each arm: at the mode all effects, and a gradient, are 0."""
    ids, item = np.repeat(np.arange(60), 6), np.tile(np.arange(6), 60)
    table = pd.DataFrame({"id": ids, "item": item, "treat": ids % 2, "resp": (ids // 2 + item) % 2})
    priors = {"sd_id": il.priors.Gamma(8, 8)}  # near 0 the grid has thousands of nodes
    model = il.Model("resp ~ treat + (1 | id) + (treat | item)", table, priors=priors)
    assert il.laplace(model, objective="map").sd("item")["Intercept"] == 0.0
    fit = il.sample(model, integrate=integrate, draws=50, tune=100, seed=1, progress=False)
    assert np.isfinite(fit.coefficients["estimate"]).all()


def test_a_family_that_compiled_densities_do_not_know_is_sampled_from_its_graph(
    make_trial, monkeypatch
):
    """Where nothing can be integrated out the compiled logit would be taken for any link."""
    model = il.Model("resp ~ treat + (1 + treat | id)", make_trial(40, 6))
    unknown = with_parts(model, design=replace(model.design, compiled=False))
    taken = []

    def drawing(name):
        def draw(*_):
            taken.append(name)
            raise InterruptedError

        return draw

    for name in ("draw_joint", "draw_direct"):
        monkeypatch.setattr(nuts, name, drawing(name))
    for each in (model, unknown):
        with pytest.raises(InterruptedError):
            il.sample(each, draws=10, tune=50, progress=False)
    assert taken == ["draw_direct", "draw_joint"]
