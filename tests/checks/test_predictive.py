"""The dashboard flags what is planted, is quiet otherwise, and says what it cannot check."""

import arviz as az
import numpy as np
import pytest
from made_fits import trial

import ilhte_bayes as il

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


def fit_of(table, **options):
    return il.laplace(il.il_hte(table, **options), objective="map")


@pytest.fixture(scope="module")
def plain():
    return fit_of(trial(11))


@pytest.fixture(scope="module")
def draws():
    model = il.il_hte(trial(11, persons=120, items=6))
    return il.sample(model, draws=200, tune=300, chains=2, seed=1, progress=False)


@pytest.mark.parametrize("persons", ["new", "same"])
def test_answers_of_the_model_are_expected(plain, persons):
    found = il.predictive_check(plain, persons=persons, draws=100)
    assert not found.unexpected
    assert found.n_tables == 100
    table = trial(11)
    shares = table.groupby(["item", "treat"])["resp"].mean().unstack()
    observed = found.items.filter(regex="^share")
    np.testing.assert_allclose(observed, shares.loc[observed.index], atol=1e-12)
    # what is fitted, an effect for each item and arm: shrunken, and of 100 tables, within .06
    np.testing.assert_allclose(found.items.filter(regex="^expected"), shares, atol=0.06)


@pytest.mark.parametrize(
    ("planted", "name"), [({"guessing": 0.5}, "item-rest"), ({"pair": 2.5}, "worst pair")]
)
def test_planted_misfit_is_found_and_named(planted, name):
    found = il.predictive_check(fit_of(trial(13, **planted)), draws=100)
    assert found.unexpected
    assert found.frame["p"][name] < 0.05
    if name == "worst pair":
        assert found.pairs.index[0] == ("q0", "q1")


def test_ordinal_answers_have_residuals():
    found = il.predictive_check(fit_of(trial(13, top=3), family="cumulative"), draws=60)
    assert "residuals" in found.frame.index
    assert not found.unexpected


def test_persons_who_answer_against_the_order_of_items_are_the_oddest():
    table = trial(14, persons=200, items=12)
    rank = table["item"].str[1:].astype(int)
    for person in (7, 70):
        own = table["id"] == person
        table.loc[own, "resp"] = (rank[own] < 6).astype(int)  # hard ones right, easy ones wrong
    found = il.predictive_check(fit_of(table), draws=60)
    assert {7, 70} <= set(found.people.index[:4])


def test_what_has_no_order_is_refused():
    table = trial(15, persons=60, items=5, top=2)
    table["resp"] = np.array(["bus", "car", "foot"])[table["resp"]]
    fit = fit_of(table, family="multinomial", effects="constant")
    with pytest.raises(il.errors.NotAvailable, match="multinomial"):
        il.predictive_check(fit)
    assert "not checked" in repr(il.check(fit))


def test_arviz_plots_and_storage_know_the_groups(plain, tmp_path):
    import arviz_plots as ap

    fit = il.posterior_predictive(plain, draws=30)
    observed = fit.tree["observed_data"]["answer"]
    assert int(observed.sum()) == int(plain.model.responses.score @ plain.model.responses.count)
    assert fit.tree["posterior_predictive"]["answer"].shape == (1, 30, 3000)
    assert ap.plot_ppc_dist(fit.tree, backend="matplotlib", kind="ecdf") is not None
    again = il.load(fit.save(tmp_path / "fit.nc"))
    assert again.tree["posterior_predictive"]["answer"].equals(
        fit.tree["posterior_predictive"]["answer"]
    )


def test_a_fit_of_draws_can_be_plotted_and_keeps_its_draws(draws):
    import arviz_plots as ap

    fit = il.posterior_predictive(draws, persons="new", draws=20)
    assert set(fit.tree["observed_data"].data_vars) == {"answer"}  # ArviZ takes each of them
    assert ap.plot_ppc_dist(fit.tree, backend="matplotlib", kind="ecdf", num_samples=20)
    assert fit.tree["posterior_predictive"]["answer"].sizes["chain"] == 2
    np.testing.assert_array_equal(
        fit.tree["posterior"]["beta"].to_numpy(), draws.tree["posterior"]["beta"].to_numpy()
    )


def test_too_many_answers_are_refused(plain):
    with pytest.raises(il.errors.ModelError, match="draws=133333"):
        il.posterior_predictive(plain, draws=10**6)


def test_check_answers_every_question(plain):
    found = il.check(plain, draws=60)
    assert not found.misfit
    assert found.frame["verdict"].iloc[0] == "look"  # a correlation without interval, by this fit
    assert found.frame["next_step"].iloc[0] == " ".join(plain.problems)
    text = repr(found)
    for words in ("Did it converge? LOOK", "Does Laplace suffice", "il.check(il.sample(model))"):
        assert words in text
    assert max(map(len, text.splitlines())) < 100
    assert "<table" in found._repr_html_()
    assert "<table" in found.predictive["new"]._repr_html_()


def test_check_weighs_the_priors_of_draws(draws):
    found = il.check(draws, draws=60)
    row = found.frame.loc["Does the prior matter?"]
    # six items say little of the correlation of effect and easiness
    assert row["verdict"] in ("good", "look")
    assert "sensitivity to the prior" in row["evidence"]
    assert "posterior" in found.frame.loc["Does Laplace suffice here?", "evidence"]


def test_a_strong_prior_is_seen():
    priors = {"sd_item[treat]": il.priors.HalfNormal(0.02)}
    model = il.il_hte(trial(11, persons=120, items=6), priors=priors)
    fit = il.sample(model, draws=200, tune=300, chains=2, seed=1, progress=False)
    row = il.check(fit, draws=60).frame.loc["Does the prior matter?"]
    assert row["verdict"] == "look"
    assert "SD item[treat]" in row["evidence"]


def test_laplace_with_two_answers_a_unit_is_called_out():
    """Pairs of answers: Laplace is known to underestimate the variance (Breslow & Lin 1995)."""
    rng = np.random.default_rng(1)
    table = trial(16, persons=400, items=2)
    table["resp"] = (
        2.0 * rng.normal(size=400)[table["id"]] + rng.logistic(size=len(table)) > 0
    ).astype(int)
    model = il.Model("resp ~ treat + (1 | id)", table, roles={"person": "id", "item": "item"})
    row = il.check(il.laplace(model), draws=60).frame.loc["Does Laplace suffice here?"]
    assert row["verdict"] == "bad"
    assert "il.quadrature" in row["next_step"]


def test_loo_table_agrees_with_arviz(draws):
    constant = il.il_hte(trial(11, persons=120, items=6), effects="constant")
    other = il.sample(constant, draws=200, tune=300, chains=2, seed=1, progress=False)
    parts = {"by item": il.loo(draws, draws=400), "constant": il.loo(other, draws=400)}
    found = il.loo_table(parts)
    wanted = az.compare({name: part.arviz for name, part in parts.items()})
    assert list(found.frame.index) == list(wanted.index)
    one, other_part = (parts[name].arviz.elpd_i.to_numpy() for name in found.frame.index)
    assert -found.frame["difference"].iloc[1] == pytest.approx(float((one - other_part).sum()))
    assert (
        abs(found.frame["difference"].iloc[1] - wanted["elpd_diff"].iloc[1]) < 1.0
    )  # rounded there
    assert "person" in repr(found)
    again = il.loo_table({"by item": draws, "constant": other}, draws=400)
    np.testing.assert_allclose(again.frame["elpd"], found.frame["elpd"])


def test_loo_table_refuses_what_cannot_be_compared(draws):
    with pytest.raises(il.errors.ModelError, match="two or more"):
        il.loo_table({"A": draws})
    part = il.loo(draws, draws=100)
    with pytest.raises(il.errors.ModelError, match="leaves out other parts"):
        il.loo_table({"A": part, "B": il.loo(draws, "response", draws=100)})


def test_prior_predictive_covers_what_the_priors_say():
    model = il.il_hte(
        trial(11, persons=60, items=6), priors={"beta[Intercept]": il.priors.Normal(4, 0.1)}
    )
    found = il.prior_predictive(model, draws=40).frame
    assert found.loc["share of points", "50 %"] > 0.8
    assert found.loc["share of points", "table"] == pytest.approx(
        model.responses.score @ model.responses.count / model.responses.n_obs
    )


def test_figure_has_a_panel_for_each_arm_and_three_more(plain):
    found = il.predictive_check(plain, draws=60)
    panels = il.plot.predictive(found).figure.axes
    names = [panel.get_title() for panel in panels]
    assert [name.split(":")[0] for name in names] == [
        "Sum scores", "Sum scores", "Items", "Items", "Pairs", ""
    ]  # fmt: skip
    observed = np.concatenate([line.get_ydata() for line in panels[2].lines[1:]])
    share = found.items["share"] if "share" in found.items else found.counted["items"][0]
    np.testing.assert_allclose(np.sort(observed), np.sort(np.ravel(share)))
    cells = panels[4].images[0].get_array()
    (one, other), most = found.pairs.index[0], found.pairs["together"].iloc[0]
    at = [list(map(str, found.tables.items)).index(str(name)) for name in (one, other)]
    assert cells[*at] == pytest.approx(most)


def test_figure_in_plotly_has_the_same_cells_and_says_them(plain):
    pytest.importorskip("plotly")
    found = il.predictive_check(plain, draws=60)
    figure = il.plot.predictive(found, backend="plotly")
    (heat,) = [trace for trace in figure.data if trace.type == "heatmap"]
    (one, other), most = found.pairs.index[0], found.pairs["together"].iloc[0]
    texts = [text for row in heat.hovertext for text in row]
    assert any(t.startswith(f"{one}, {other}: ") and f"{most:.2f}" in t for t in texts)
    assert figure.layout.yaxis5.range[0] > figure.layout.yaxis5.range[1]  # first row on top
    assert figure.to_json()


def test_no_figure_without_replicated_answers():
    with pytest.raises(il.errors.ModelError, match="no replicated answers"):
        table = trial(15, persons=60, items=5, top=2)
        table["resp"] = np.array(["bus", "car", "foot"])[table["resp"]]
        il.plot.predictive(il.check(fit_of(table, family="multinomial", effects="constant")))
