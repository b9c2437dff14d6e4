"""Effects where items discriminate differently, from draws made by hand."""

import numpy as np
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.fits.fit import Fit


@pytest.fixture(scope="module")
def fits(make_trial):
    return {kind: a_fit(make_trial(), kind) for kind in ("loaded", "additive")}


def a_fit(trial, kind) -> Fit:
    """A fit with seeded draws, twice 300, as the sampler would name them."""
    model = il.il_hte(trial, discrimination=kind)
    rng = np.random.default_rng(5)
    lead, items, columns = (2, 300), model.design.group("item").labels, ["Intercept", "treat"]
    corr = np.broadcast_to(np.array([[1, 0.3], [0.3, 1]]), (*lead, 2, 2))
    draws = ("chain", "draw")
    posterior = xr.Dataset(
        {
            "beta": ((*draws, "term"), rng.normal([0.1, 0.5], 0.05, (*lead, 2))),
            "sd_id": ((*draws, "id_column"), rng.uniform(0.9, 1.1, (*lead, 1))),
            "sd_item": ((*draws, "item_column"), rng.uniform(0.3, 0.5, (*lead, 2))),
            "corr_item": ((*draws, "item_column", "item_column_"), corr),
            "re_item": ((*draws, "item", "item_column"), rng.normal(0, 0.4, (*lead, len(items), 2))),
            "sd_discrimination": (draws, rng.uniform(0.35, 0.45, lead)),
            "discrimination": ((*draws, "item"), rng.lognormal(0, 0.4, (*lead, len(items)))),
        },
        {"term": ["Intercept", "treat"], "item": list(items), "item_column": columns,
         "item_column_": columns, "id_column": ["Intercept"], "chain": [0, 1],
         "draw": np.arange(300)},
    )  # fmt: skip
    stats = xr.Dataset({"diverging": (draws, np.zeros(lead, dtype=bool))})
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    return Fit(model, "nuts", "posterior", tree, (), 1.0, 1.0)


def flat(fit, name):
    values = fit.tree["posterior"][name].to_numpy()
    return values.reshape(600, *values.shape[2:])


@pytest.mark.parametrize("kind", ["loaded", "additive"])
def test_effects_are_on_each_items_own_logits(fits, kind):
    fit = fits[kind]
    effects = il.item_effects(fit)
    expected = flat(fit, "beta")[:, [1]] + flat(fit, "re_item")[:, :, 1]
    if kind == "loaded":
        expected = expected * flat(fit, "discrimination")
    np.testing.assert_allclose(effects["effect"], expected.mean(axis=0), rtol=1e-12)
    assert any("discriminate differently" in note for note in effects.notes)


def test_average_over_the_item_population_is_the_mean_of_many_items(fits):
    """E(a (beta + zeta)) = exp(sd^2 / 2) beta, here against simulated items."""
    fit = fits["loaded"]
    rng = np.random.default_rng(1)
    beta, sd = flat(fit, "beta")[:, 1], flat(fit, "sd_discrimination")
    zeta = flat(fit, "sd_item")[:, 1, None] * rng.standard_normal((600, 4000))
    simulated = np.exp(sd[:, None] * rng.standard_normal((600, 4000))) * (beta[:, None] + zeta)
    average = il.item_effects(fit).average["effect"].iloc[0]
    # 2.4 million items whose effects have an SD of about .6: Monte Carlo error .0004
    assert average == pytest.approx(simulated.mean(), abs=0.002)
    additive = il.item_effects(fits["additive"]).average["effect"].iloc[0]
    assert additive == pytest.approx(beta.mean(), rel=1e-12)


def test_card_has_logits_of_answers_and_sds_of_ability(fits):
    fit = fits["loaded"]
    card = il.effect_card(fit, k=3)
    frame = card.frame.droplevel("contrast")
    beta, sd = flat(fit, "beta")[:, 1], flat(fit, "sd_discrimination")
    at = "item population"
    assert frame.loc[(at, "logits"), "estimate"] == pytest.approx((beta * np.exp(sd**2 / 2)).mean())
    ratio = np.median(beta / flat(fit, "sd_id")[:, 0])
    assert frame.loc[(at, "SDs of ability"), "estimate"] == pytest.approx(ratio)
    width = frame["upper"] - frame["lower"]
    # a new item carries zeta and a, a test of three a third of their variance
    scale = "logits"
    new, test = width["one new item", scale], width["a new 3-item test", scale]
    assert new / test == pytest.approx(np.sqrt(3), rel=0.25)  # skewed, and beta's own share
    assert any("on ability itself" in note for note in card.notes)


def test_additive_card_is_in_logits_of_the_items(fits):
    fit = fits["additive"]
    frame = il.effect_card(fit).frame.droplevel("contrast")
    own = (flat(fit, "beta")[:, [1]] + flat(fit, "re_item")[:, :, 1]).mean()
    assert frame.loc[("these 6 items", "logits"), "estimate"] == pytest.approx(own)


def test_tables_and_words_have_the_spread_of_discriminations(fits):
    fit = fits["loaded"]
    table = fit.variance_components
    assert table.loc[("item", "sd[log discrimination]"), "estimate"] == pytest.approx(0.4, abs=0.01)
    assert "discrimination" in repr(fit) and fit.n_parameters == 7
    from ilhte_bayes.show.model_words import equation_html, model_sentences

    assert any("multiplies ability and the effect" in s for s in model_sentences(fit))
    assert "a</var><sub>item</sub> (" in equation_html(fit.model)[0]


def test_a_saved_fit_comes_back_with_its_discriminations(fits, tmp_path):
    fit = fits["additive"]
    again = il.load(fit.save(tmp_path / "fit.nc"))
    assert again.model.discrimination == "additive"
    assert again.model.priors["sd_discrimination"] == fit.model.priors["sd_discrimination"]
    assert repr(il.item_effects(again)) == repr(il.item_effects(fit))


@pytest.mark.parametrize("kind", ["loaded", "additive"])
def test_page_and_figures_are_made(fits, kind, tmp_path):
    il.report(fits[kind], tmp_path / "page.html")
    assert "discriminat" in (tmp_path / "page.html").read_text()
