"""Figures say what the tables say, in words, with every interval, and no two texts touch."""

import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.special import expit
from scipy.stats import halfnorm, norm

import ilhte_bayes as il
from ilhte_bayes.show.plots import BLUE

CASES = ["caffeine_ml", "caffeine_map", "verbagg", "large", "three_arms", "draws", "ordinal"]
FIGURES = ["item_effects", "effect_by_easiness", "item_curves", "prior_posterior"]
PAIRS = [
    (case, figure)
    for case in CASES
    for figure in FIGURES
    # no prior in maximum likelihood; draws of 5,000 persons would take seconds
    if (case, figure) not in {("caffeine_ml", "prior_posterior"), ("large", "item_curves")}
] + [
    ("constant", "item_curves"), ("constant", "prior_posterior"),
    ("ordinal", "category_curves"), ("ordinal", "information"), ("verbagg", "information"),
    ("ordinal", "person_item_map"), ("three_arms", "person_item_map"),
    ("draws", "person_item_map"), ("caffeine_map", "caterpillar"), ("draws", "caterpillar"),
]  # fmt: skip
OPTIONS = {"caterpillar": {"group": "item"}}


@pytest.fixture(scope="module")
def drawn(fit_of):
    """Axes by case and figure; a warning while drawing is an error."""
    made = {}

    def get(case, figure):
        if (case, figure) not in made:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                axes = getattr(il.plot, figure)(fit_of(case), **OPTIONS.get(figure, {}))
                axes.figure.draw_without_rendering()
            made[case, figure] = axes
        return made[case, figure]

    return get


def shown_texts(figure):
    """Texts that a reader sees, with the room they take."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            room = 1e-9 * (high - low)
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low - room <= tick.get_loc() <= high + room:
                    hidden |= {id(tick.label1), id(tick.label2)}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            yield text.get_text(), text.get_window_extent()


def colour_of(artist):
    return artist.get_edgecolor()[0] if len(artist.get_edgecolor()) else artist.get_facecolor()[0]


def segments(axes):
    """Number of lines in each collection of intervals, in order of drawing."""
    return [len(c.get_segments()) for c in axes.collections if isinstance(c, LineCollection)]


@pytest.mark.parametrize(("case", "figure"), PAIRS)
def test_no_two_texts_touch_and_none_leaves_the_figure(drawn, case, figure):
    nothing_touches(drawn(case, figure).get_figure(root=True))


@pytest.mark.parametrize("figure", [*FIGURES, "category_curves", "person_item_map", "caterpillar"])
def test_nothing_touches_on_a_slide(fit_of, figure):
    fit = fit_of("ordinal")
    axes = getattr(il.plot, figure)(fit, size="slide", **OPTIONS.get(figure, {}))
    host = axes.get_figure(root=True)
    host.draw_without_rendering()
    nothing_touches(host)
    sizes = {text.get_fontsize() for text in host.findobj(Text) if text.get_text().strip()}
    assert min(sizes) > 9.5  # x-small on paper is 6.9 points


def nothing_touches(host):
    texts = list(shown_texts(host))
    edge = host.bbox.padded(0.5)
    for text, box in texts:
        assert edge.contains(box.x0, box.y0) and edge.contains(box.x1, box.y1), text
    for (a, box), (b, other) in itertools.combinations(texts, 2):
        # tick labels may stand edge to edge; a pixel of either is white
        assert not box.padded(-1).overlaps(other.padded(-1)), f"{a!r} touches {b!r}"


@pytest.mark.parametrize(("case", "figure"), PAIRS)
def test_labels_are_words_with_units(drawn, case, figure):
    host = drawn(case, figure).get_figure(root=True)
    words = " ".join(text for text, _ in shown_texts(host))
    assert "(logits" in words
    assert "[" not in words and "_" not in words.replace("std_", ""), words


@pytest.mark.parametrize("case", CASES)
def test_every_item_has_its_interval(drawn, fit_of, case):
    n_items = len(il.item_effects(fit_of(case)).frame.index.unique(level=-1))
    assert segments(drawn(case, "item_effects")) == [n_items]
    assert segments(drawn(case, "effect_by_easiness")) == [n_items, n_items]  # level, upright


@pytest.mark.parametrize("case", ["caffeine_map", "verbagg", "three_arms", "draws", "constant"])
def test_each_panel_has_two_curves_with_bands(drawn, fit_of, case):
    fit = fit_of(case)
    panels = drawn(case, "item_curves").figure.axes
    assert len(panels) == min(12, fit.model.design.group("item").n_levels)
    for panel in panels:
        assert sum(isinstance(c, PolyCollection) for c in panel.collections) == 2
        assert len([line for line in panel.lines if len(line.get_xdata()) > 2]) == 2
        assert len([line for line in panel.lines if len(line.get_xdata()) == 2]) == 4  # SDs


def test_points_and_intervals_are_those_of_the_table(drawn, fit_of):
    axes, effects = drawn("verbagg", "item_effects"), il.item_effects(fit_of("verbagg"))
    frame = effects.frame.sort_values("effect")
    points = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_xdata(), frame["effect"])
    (intervals,) = (c for c in axes.collections if isinstance(c, LineCollection))
    ends = np.array(intervals.get_segments())[:, :, 0]
    np.testing.assert_allclose(ends, frame[["lower", "upper"]])
    assert [t.get_text() for t in axes.get_yticklabels()] == list(frame.index)


def test_line_through_items_is_the_one_the_correlation_implies(drawn, fit_of):
    fit = fit_of("caffeine_map")
    rho = fit.variance_components.loc[("item", "corr[Intercept,treat]"), "estimate"]
    slope = rho * fit.sd("item")["treat"] / fit.sd("item")["Intercept"]
    axes = drawn("caffeine_map", "effect_by_easiness")
    x, y = max((line.get_data() for line in axes.lines), key=lambda data: len(data[0]))
    beta = fit.coefficients.loc["treat", "estimate"]
    np.testing.assert_allclose(y, beta + slope * np.asarray(x), rtol=1e-9)


def test_correlation_stands_in_the_legend_with_its_interval_or_says_why_not(drawn, fit_of):
    def legend(case):
        axes = drawn(case, "effect_by_easiness")
        return " ".join(text.get_text() for text in axes.get_legend().get_texts())

    row = fit_of("verbagg").variance_components.loc[("item", "corr[Intercept,treat]")]
    signs = (f"{row[k]:+.2f}".replace("-", "−") for k in ("estimate", "lower", "upper"))
    middle, lower, upper = (text.lstrip("+") if k else text for k, text in enumerate(signs))
    assert f"correlation {middle}, 95 % interval {lower} to {upper}" in legend("verbagg")
    assert "correlation +1.00, at the edge of its range: no interval" in legend("caffeine_ml")


def test_most_extreme_items_are_named(drawn, fit_of):
    frame = il.item_effects(fit_of("large")).frame
    axes = drawn("large", "effect_by_easiness")
    named = {text.get_text() for text in axes.texts}
    assert {str(frame["effect"].idxmax()), str(frame["effect"].idxmin())} <= named
    assert len(named) <= 6


def test_curves_pass_through_the_items_probabilities(drawn, fit_of):
    fit = fit_of("caffeine_map")
    easiness = fit.random_effects("item")["estimate"].unstack("term")
    beta = fit.coefficients["estimate"]
    for panel in drawn("caffeine_map", "item_curves").figure.axes:
        b, z = easiness.loc[panel.get_title(), ["Intercept", "treat"]]
        curves = [line for line in panel.lines if len(line.get_xdata()) > 2]
        reference, treated = (np.interp(0.0, *line.get_data()) for line in curves)
        # 2,000 draws of a logit with SD below .7: their median is known to .06, 4 standard errors
        # with the slope of the curve, at most 1/4
        assert abs(reference - expit(beta["Intercept"] + b)) < 0.02
        assert abs(treated - expit(beta.sum() + b + z)) < 0.02


def test_curves_of_ordinal_answers_are_expected_scores(drawn, fit_of):
    """At average ability, the sum over thresholds of the chance to pass them."""
    fit = fit_of("ordinal")
    own = fit.random_effects("item")["estimate"].unstack("term")
    kappa = il.item_thresholds(fit).frame["estimate"].unstack()
    panels = drawn("ordinal", "item_curves").figure.axes
    assert panels[0].figure.get_supylabel() == "Expected score of resp"
    for panel in panels:
        item = panel.get_title()
        b, z = own.loc[item, ["Intercept", "treat"]]
        curves = [line for line in panel.lines if len(line.get_xdata()) > 2]
        at = (b, b + z + fit.coefficients.loc["treat", "estimate"])
        for curve, place in zip(curves, at, strict=True):
            expected = expit(place - kappa.loc[item]).sum()
            # medians of 2,000 draws: the score's SD is about .3, its median's error .008
            assert abs(np.interp(0.0, *curve.get_data()) - expected) < 0.04
        assert panel.get_ylim()[1] == pytest.approx(3.06)


def test_items_are_spread_from_the_largest_effect_to_the_smallest(drawn, fit_of):
    order = il.item_effects(fit_of("verbagg")).frame["effect"].sort_values(ascending=False).index
    titles = [panel.get_title() for panel in drawn("verbagg", "item_curves").figure.axes]
    places = [list(map(str, order)).index(title) for title in titles]
    # neighbours in effect may change places between table and draws
    assert places[0] <= 1 and places[-1] >= len(order) - 2
    assert np.all(np.diff(places) > 0)


def test_priors_are_drawn_as_they_are(drawn):
    panels = drawn("caffeine_map", "prior_posterior").figure.axes
    by_label = {panel.get_xlabel().replace("\n", " "): panel for panel in panels}
    densities = {
        "Coefficient of treat (logits)": norm(0, 2.5).pdf,
        "SD of ability over persons (logits)": halfnorm(scale=2.0).pdf,
        "SD of slopes of treat over items (logits)": halfnorm(scale=1.0).pdf,
        # LKJ(2) of a 2 x 2 matrix: (1 - r^2) normalised
        "Correlation of easiness and treat over items": lambda r: 0.75 * (1 - np.asarray(r) ** 2),
    }
    assert len(panels) == 6
    for label, density in densities.items():
        *_, prior = by_label[label].lines
        np.testing.assert_allclose(prior.get_ydata(), density(prior.get_xdata()), atol=1e-6)


@pytest.mark.parametrize("case", ["caffeine_map", "draws"])
def test_posterior_densities_have_mass_one_and_their_fits_mean(drawn, fit_of, case):
    fit = fit_of(case)
    for panel in drawn(case, "prior_posterior").figure.axes:
        posterior, *_ = panel.lines
        x, y = posterior.get_data()
        assert posterior.get_color() == BLUE
        assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.02)  # ends at the last draw
        if panel.get_xlabel().startswith("Coefficient"):
            middle = np.trapezoid(np.asarray(x) * y, x)
            row = fit.coefficients.loc["treat"]
            assert abs(middle - row["estimate"]) < 0.1 * row["se"]  # MC error .022 SEs


def test_what_cannot_be_shown_is_a_sentence(fit_of):
    with pytest.raises(il.errors.ModelError, match=r"same effect.*Write \(treat \| item\)"):
        il.plot.effect_by_easiness(fit_of("constant"))
    with pytest.raises(il.errors.ModelError, match=r"same effect.*Write \(treat \| item\)"):
        il.plot.item_effects(fit_of("constant"))
    with pytest.raises(il.errors.ModelError, match="objective='map'"):
        il.plot.prior_posterior(fit_of("caffeine_ml"))


def test_sd_of_zero_draws_no_intervals_and_says_so(fit_of):
    fit = fit_of("zero")
    assert fit.sd("item")["treat"] == 0.0
    axes = il.plot.item_effects(fit)
    assert segments(axes) == []
    assert "no interval at SD = 0" in axes.get_legend().get_texts()[0].get_text()
    axes = il.plot.effect_by_easiness(fit)
    assert len(segments(axes)) == 1  # easiness alone
    words = " ".join(text.get_text() for text in axes.get_legend().get_texts())
    assert "uncorrelated by assumption" in words
    legend = il.plot.item_curves(fit).figure.legends[0]
    assert "too narrow" in legend.get_texts()[1].get_text()


def test_arms_are_chosen_by_their_contrast(fit_of):
    fit = fit_of("three_arms")
    for figure in ("item_effects", "effect_by_easiness"):
        axes = getattr(il.plot, figure)(fit, contrast="tutoring v control")
        assert "tutoring v control" in axes.get_xlabel() + axes.get_ylabel()
    legend = il.plot.item_curves(fit, contrast="tutoring v control").figure.legends[0]
    assert [t.get_text().split(",")[0] for t in legend.get_texts()] == ["control", "tutoring"]
    with pytest.raises(il.errors.ModelError, match="'tablets v control', 'tutoring v control'"):
        il.plot.item_effects(fit, contrast="tea v control")


def test_figures_go_where_they_are_put(fit_of):
    fit = fit_of("caffeine_map")
    figure = Figure(figsize=(14, 6), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert il.plot.item_effects(fit, ax=left) is left
    first = il.plot.item_curves(fit, ax=right)
    figure.draw_without_rendering()
    assert first.get_figure(root=True) is figure
    assert len(figure.axes) == 11  # the left axes, and ten panels in place of the right
    with pytest.raises(il.errors.ModelError, match="subplots"):
        il.plot.prior_posterior(fit, ax=Figure().add_axes((0, 0, 1, 1)))


def test_names_are_never_read_as_mathematics(logistic_table):
    table = logistic_table(3, persons=100, items=4).astype({"treat": int})
    renamed = {
        "q1": "$5 and $6_x",
        "q2": "a very long question " * 4,
        "q3": r"\frac{1}{2}",
        "q4": "%",
    }
    fit = il.laplace(il.il_hte(table.replace({"item": renamed})), objective="map")
    for figure in ("item_effects", "effect_by_easiness", "item_curves"):
        host = getattr(il.plot, figure)(fit).get_figure(root=True)
        host.draw_without_rendering()
    labels = [t.get_text() for t in il.plot.item_effects(fit).get_yticklabels()]
    assert r"\$5 and \$6_x" in labels
    assert max(map(len, labels)) <= 32


def test_pyplot_is_loaded_in_notebooks_alone():
    """Elsewhere its state would leak between a user's figures and ours."""
    code = (
        "import sys\nfrom ilhte_bayes.show.figures.canvas import new_axes\n"
        "new_axes(3, 2)\nprint('matplotlib.pyplot' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
    in_notebook = ran.args[-1].replace(
        "import sys\n", "import sys\nsys.modules['ipykernel'] = sys\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", in_notebook], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "True"
