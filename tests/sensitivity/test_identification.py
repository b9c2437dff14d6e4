"""Identification: its numbers are those of the single fits, engines agree, and it reads well."""

import dataclasses

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.boundary import likelihood_ratio_p


@pytest.fixture(scope="module")
def found():
    return il.identification(il.load_dataset("mathexam"), "cov_tests", n=8)


def test_numbers_are_those_of_each_model(found):
    exam = il.load_dataset("mathexam")
    fits = {
        "M_0": il.laplace(il.il_hte(exam, effects="constant")),
        "M_A": il.laplace(il.il_hte(exam)),
        "M_B": il.laplace(il.il_hte(exam, moderators=["cov_tests"], effects="constant")),
        "M_C": il.laplace(il.il_hte(exam, moderators=["cov_tests"])),
    }
    for key in ("M_B", "M_C"):
        wanted = fits[key].coefficients.loc["treat:cov_tests"]
        np.testing.assert_allclose(found.beta_3.loc[key], wanted, atol=1e-6)
    both = found.beta_3["estimate"]
    assert both["M_B - M_C"] == pytest.approx(both["M_B"] - both["M_C"])
    spread = fits["M_A"].variance_components.loc["item"]
    table = found.easiness.loc["M_A"]
    np.testing.assert_allclose(table.loc["sigma_zeta"], spread.loc["sd[treat]"], atol=1e-5)
    np.testing.assert_allclose(table.loc["rho"], spread.loc["corr[Intercept,treat]"], atol=1e-5)
    chi2 = 2 * (fits["M_A"].loglik - fits["M_0"].loglik)
    assert found.ratio_test[0] == pytest.approx(chi2, abs=1e-5)
    assert found.ratio_test[1] == pytest.approx(likelihood_ratio_p(chi2, 2, 1), rel=1e-4)
    assert found.pure.observed == both["M_B"]


def test_quadrature_agrees_where_persons_answer_many_items(trial_table):
    """Laplace's error in a slope is small with 14 items; the simulation is the same anyway."""
    table = trial_table(6, persons=150, items=14, spread=0.8)
    table["pre"] = np.random.default_rng(1).normal(size=150)[table["id"]]
    one, two = (
        il.identification(table, "pre", engine=engine, n=1, assignment="randomised")
        for engine in ("laplace", "quadrature")
    )
    difference = two.beta_3["estimate"] - one.beta_3["estimate"]
    assert (difference.abs() < 0.1 * one.beta_3.loc["M_B", "se"]).all()
    ratios = [each.easiness.loc[("M_A", "sd_ratio"), "estimate"] for each in (one, two)]
    assert ratios[0] == pytest.approx(ratios[1], rel=0.01)
    # one estimator on both sides of the check, whatever the engine
    assert two.pure.observed == pytest.approx(one.pure.observed, abs=1e-6)


def test_it_reads_well(found):
    text = repr(found)
    assert max(map(len, text.splitlines())) <= 100
    words = found.paragraph
    assert "1.57 times" in words
    assert "not where rho = 0" in words
    assert "below M_C's" in words  # cov_tests goes with higher ability
    assert "rough" in text
    assert "<table" in found._repr_html_()


def test_words_follow_the_numbers(found):
    pure = dataclasses.replace(found.pure, observed=5.0, simulated=np.linspace(-1, 1, 199))
    outside = dataclasses.replace(found, pure=pure).paragraph
    assert "lies outside what items alone would produce (p = .010)" in outside
    pure = dataclasses.replace(pure, observed=0.0)
    inside = dataclasses.replace(found, pure=pure).paragraph
    assert "no evidence that the difference varies" in inside


def test_figure_shows_each_part(found):
    left, middle, right = il.plot.identification(found).figure.axes
    edges = np.unique(left.collections[0].get_paths()[0].vertices[:, 0])
    bins = np.histogram(found.pure.simulated, edges)[0]
    tops = left.collections[0].get_paths()[0].vertices[:, 1]
    assert bins.sum() == found.pure.simulated.size and bins.max() == tops.max()
    assert found.pure.observed in [line.get_xdata()[0] for line in left.lines]
    estimate = found.beta_3.loc["M_B"]
    own = middle.collections[0].get_segments()[0][:, 0]
    np.testing.assert_allclose(own, [estimate["lower"], estimate["upper"]])
    assert [t.get_text().split("(")[1] for t in middle.get_yticklabels()] == ["M_B)", "M_C)"]
    assert "SDs of easiness" in right.get_xlabel()


def test_an_estimate_without_an_interval_is_hollow_in_both_figures(found):
    pytest.importorskip("plotly")
    easiness = found.easiness.copy()
    easiness.loc[("M_A", "sd_ratio"), ["lower", "upper"]] = np.nan
    edge = dataclasses.replace(found, easiness=easiness)
    right = il.plot.identification(edge).figure.axes[2]
    assert not right.collections
    assert [line.get_markerfacecolor() for line in right.lines[1:]] == ["white", "white"]
    figure = il.plot.identification(edge, backend="plotly", size="slide")
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [p.marker.symbol for p in points] == ["square", "circle", "circle-open", "diamond-open"]
    np.testing.assert_allclose(points[0].x, found.beta_3.loc["M_B", "estimate"])


def test_an_edge_is_said(make_trial):
    table = make_trial(80, 5)
    model = il.il_hte(table, moderators=["pre"], assignment="randomised")
    result = il.identification(model, n=2)
    assert result.easiness.loc["M_A"]["lower"].isna().any()
    assert "edge of its range" in repr(result)
    assert result.paragraph


def test_wrong_requests_are_refused(make_trial):
    table = make_trial()
    with pytest.raises(ModelError, match="engine="):
        il.identification(table, "pre", engine="glmer")
    with pytest.raises(ModelError, match="n=0"):
        il.identification(table, "pre", n=0, assignment="randomised")


@pytest.mark.slow
def test_nuts_agrees_with_maximum_likelihood(found):
    other = il.identification(
        il.load_dataset("mathexam"), "cov_tests", engine="nuts", draws=250, n=8
    )
    se = found.beta_3.loc["M_B", "se"]
    # posterior means under weak priors; Monte Carlo error of 1,000 draws is below .05 se
    for key in ("M_B", "M_C"):
        assert abs(other.beta_3.loc[key, "estimate"] - found.beta_3.loc[key, "estimate"]) < 0.2 * se
    ratio = other.easiness.loc[("M_A", "sd_ratio")]
    assert ratio["lower"] < 1.57 < ratio["upper"]
    assert other.ratio_test is None
    assert "M_0" not in other.fits
    assert other.pure.observed == pytest.approx(found.pure.observed, abs=1e-6)
