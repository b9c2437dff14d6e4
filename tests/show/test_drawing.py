"""One drawing, two ways to draw it: the same numbers and names, and what each refuses."""

import sys

import numpy as np
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.show.figures import curves
from ilhte_bayes.show.figures.canvas import chosen_contrast

go = pytest.importorskip("plotly.graph_objects")


@pytest.fixture(scope="module")
def steps():
    table = il.load_dataset("bacteria")
    formulas = ["yy ~ 1 + (1 | ID)", "yy ~ trt + (1 | ID)", "yy ~ trt + late + (1 | ID)"]
    return il.ladder(formulas, table)


@pytest.fixture(scope="module")
def tested():
    model = il.Model("rating ~ temp + contact + (1 | judge)", il.load_dataset("wine"), "cumulative")
    return il.equal_slopes(il.laplace(model), "contact")


def markers(figure):
    """Traces of points."""
    return [trace for trace in figure.data if trace.mode == "markers"]


def test_item_effects_of_both_ways_are_those_of_the_table(fit_of):
    effects = il.item_effects(fit_of("verbagg"))
    frame = effects.frame.sort_values("effect")
    figure = il.plot.item_effects(effects, backend="plotly")
    (points,) = markers(figure)
    np.testing.assert_allclose(points.x, frame["effect"])
    np.testing.assert_allclose(points.x + points.error_x.array, frame["upper"])
    np.testing.assert_allclose(points.x - points.error_x.arrayminus, frame["lower"])
    assert list(figure.layout.yaxis.ticktext) == list(frame.index)
    row = frame.iloc[0]
    words = [f"{row[k]:.2f}".replace("-", "−") for k in ("effect", "lower", "upper")]
    assert points.hovertext[0].startswith(f"{frame.index[0]}<br>Difference between groups, ")
    assert points.hovertext[0].endswith(f": {words[0]}, 95 % {words[1]} to {words[2]}")
    average = next(t for t in figure.data if t.name and t.name.startswith("average"))
    np.testing.assert_allclose(average.x, effects.average["effect"].iloc[0])


@pytest.mark.parametrize(
    "name", ["item_effects", "effect_by_easiness", "item_curves", "category_curves", "information",
             "person_item_map", "prior_posterior"],
)  # fmt: skip
def test_every_figure_is_drawn_both_ways_with_the_same_words(fit_of, name):
    fit = fit_of("ordinal")
    axes = getattr(il.plot, name)(fit)
    figure = getattr(il.plot, name)(fit, backend="plotly", size="slide")
    assert isinstance(figure, go.Figure)
    host = axes.get_figure(root=True)
    own = axes.get_legend() or host.legends[0]
    here = [text.get_text() for text in own.get_texts()]
    assert [trace.name for trace in figure.data if trace.showlegend] == here
    titles = [panel.get_title() for panel in host.axes if panel.get_title()]
    texts = [note.text for note in figure.layout.annotations]
    assert set(titles) <= set(texts)
    assert figure.to_json()  # no value that a browser could not read


def test_caterpillar_ladder_and_slopes_say_what_their_tables_say(fit_of, steps, tested):
    fit = fit_of("caffeine_map")
    table = fit.random_effects("item")
    level, slope = markers(il.plot.caterpillar(fit, "item", backend="plotly"))
    own = table["estimate"].unstack("term").sort_values("Intercept")
    np.testing.assert_allclose(level.x, own["Intercept"])
    np.testing.assert_allclose(slope.x, own["treat"])
    half = 1.959964 * table["se"].unstack("term").loc[own.index]
    np.testing.assert_allclose(slope.error_x.array, half["treat"], rtol=1e-6)

    panels = markers(il.plot.model_ladder(steps, backend="plotly"))
    titles = [n.text for n in il.plot.model_ladder(steps, backend="plotly").layout.annotations]
    late = panels[[t.startswith("late") for t in titles].index(True)]
    last = steps.frame.loc[("fixed", "")].filter(like="late", axis="index")["Model 3"].iloc[0]
    np.testing.assert_allclose(late.y, [last["estimate"]])
    np.testing.assert_allclose(late.error_y.array, [1.959964 * last["se"]], rtol=1e-6)
    spread = panels[[t.startswith("SD over ID") for t in titles].index(True)]
    variance = steps.frame.loc[("variance", "ID", "Intercept")]
    np.testing.assert_allclose(spread.y[2] ** 2, variance["Model 3", "estimate"])
    # on the log scale the interval of the SD is that of the variance, halved
    away = np.exp(1.959964 * variance["Model 3", "se"] / variance["Model 3", "estimate"] / 2)
    np.testing.assert_allclose(1 + spread.error_y.array[2] / spread.y[2], away, rtol=1e-6)
    np.testing.assert_allclose(panels[-1].y, steps.criteria["bic"] - steps.criteria["bic"].min())

    points, bars = markers(il.plot.slopes(tested, backend="plotly"))
    np.testing.assert_allclose(points.y, tested.slopes["estimate"])
    np.testing.assert_allclose(bars.y, tested.slopes["shrunken"])
    axes = il.plot.slopes(tested)
    assert axes.get_ylabel() == "Slope (logits)"


def test_information_is_that_of_the_closed_form():
    """Binary: a^2 p (1 - p). Ordinal: minus the expected second derivative, by differences."""
    ability, h = np.linspace(-2, 2, 9), 1e-3
    level, slope = np.array([0.4]), np.array([1.3])
    found = curves.information(level, slope, np.zeros((1, 1)), ability, steps=False)
    p = expit(0.4 + 1.3 * ability)
    np.testing.assert_allclose(found[0], 1.69 * p * (1 - p), rtol=1e-12)
    cuts = np.array([[-1.0, 0.2, 1.1]])
    for steps in (False, True):
        chance, above, below = (
            curves.chances(level, slope, cuts, ability + by, steps=steps)[0] for by in (0, h, -h)
        )
        np.testing.assert_allclose(chance.sum(axis=1), 1.0)
        second = (np.log(above) - 2 * np.log(chance) + np.log(below)) / h**2
        found = curves.information(level, slope, cuts, ability, steps=steps)
        # differences err by h^2 and by rounding, 1e-16 / h^2
        np.testing.assert_allclose(found[0], -(chance * second).sum(axis=1), rtol=1e-5)


def test_category_probabilities_add_up_to_the_expected_score(fit_of):
    fit = fit_of("ordinal")
    logits = curves.item_logits(fit, chosen_contrast(fit, None))
    places = np.array([-1.0, 0.0, 2.0])
    one = logits.of(logits.treated, 3)
    chance = curves.chances(*one, places, steps=False)
    lower, middle, upper = curves.score_band(*one, places, steps=False)
    np.testing.assert_allclose(np.median(chance @ np.arange(4), axis=0), middle)
    assert (lower < middle).all() and (middle < upper).all()


def test_items_of_the_map_stand_where_the_answer_has_probability_one_half(fit_of):
    fit = fit_of("caffeine_map")
    logits = curves.item_logits(fit, chosen_contrast(fit, None))
    figure = il.plot.person_item_map(fit, backend="plotly")
    reference, treated = markers(figure)
    where = [text.split(",")[0] for text in reference.hovertext]
    at = [list(map(str, logits.items)).index(name) for name in where]
    np.testing.assert_allclose(reference.x, -np.median(logits.reference, axis=0)[at])
    np.testing.assert_allclose(treated.x, -np.median(logits.treated, axis=0)[at])
    people = [trace for trace in figure.data if trace.mode == "lines" and trace.fill is None]
    for trace in people:  # shares a logit add up to one
        x, y = np.asarray(trace.x), np.asarray(trace.y)
        assert np.sum(np.diff(x)[::2] * y[::2]) == pytest.approx(1.0)


def test_names_of_items_are_no_markup_and_no_mathematics(logistic_table):
    table = logistic_table(3, persons=80, items=3).astype({"treat": int})
    names = {"q1": "<b>bold</b>", "q2": "$x^2$", "q3": "a & b"}
    fit = il.laplace(il.il_hte(table.replace({"item": names})), objective="map")
    figure = il.plot.item_effects(fit, backend="plotly")
    assert set(figure.layout.yaxis.ticktext) == {
        "&lt;b&gt;bold&lt;/b&gt;", "&#36;x^2&#36;", "a &amp; b",
    }  # fmt: skip
    assert not any("<b>" in text for text in markers(figure)[0].hovertext)


def test_what_cannot_be_drawn_is_a_sentence(fit_of, monkeypatch):
    fit = fit_of("caffeine_map")
    with pytest.raises(il.errors.ModelError, match="'matplotlib', 'plotly'"):
        il.plot.item_effects(fit, backend="bokeh")
    with pytest.raises(il.errors.ModelError, match="'paper', 'slide'"):
        il.plot.item_effects(fit, size="poster")
    with pytest.raises(il.errors.ModelError, match="Leave one of them out"):
        il.plot.item_effects(fit, backend="plotly", ax=il.plot.item_effects(fit))
    with pytest.raises(il.errors.ModelError, match="item_curves"):
        il.plot.category_curves(fit)
    with pytest.raises(il.errors.ModelError, match="estimated at 0"):
        zero = fit_of("zero")
        assert zero.sd("item")["treat"] == 0.0
        il.plot.caterpillar(_without_spread(), "id")
    monkeypatch.setitem(sys.modules, "ilhte_bayes.show.figures.draw_plotly", None)
    with pytest.raises(il.errors.NotAvailable, match=r"pip install 'ilhte-bayes\[plotly\]'"):
        il.plot.item_effects(fit, backend="plotly")


def _without_spread():
    """Groups that do not differ at all."""
    import pandas as pd

    table = pd.DataFrame({"y": [0, 1] * 60, "id": [k // 6 for k in range(120)]})
    return il.laplace(il.Model("y ~ 1 + (1 | id)", table))


def test_draws_of_a_fit_work_in_arviz_plots_too(fit_of):
    """Its figures have their own labels and need draws; ours show the table's intervals."""
    import arviz_plots

    made = arviz_plots.plot_forest(
        fit_of("draws").draws, var_names=["beta"], ci_kind="eti", backend="none"
    )
    assert made is not None
