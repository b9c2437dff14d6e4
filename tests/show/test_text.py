"""Tables in a terminal: the columns, the words for what is missing or nearly certain, the noun."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.show.card_words import card_table
from ilhte_bayes.show.html_tables import components_table, html_table
from ilhte_bayes.show.text import average_sentences, caterpillar, items_table
from ilhte_bayes.show.words import (
    arm_words,
    count_of,
    joined,
    number,
    plural,
    range_of,
    sentence,
    signed,
    term_words,
    true_minus,
)


def test_card_has_a_line_for_each_target_and_a_column_for_each_scale(fit_of):
    card = il.effect_card(fit_of("caffeine_map"))
    table = card_table(card)
    assert list(table.columns) == ["logits", "SDs of ability", "P(effect > 0)"]
    targets = ["these 10 items", "item population", "one new item", "a new 10-item test"]
    assert list(table.index) == targets
    row = card.frame.loc[("caffeine v placebo", "item population", "logits")]
    shown = f"{row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]"
    assert table.loc["item population", "logits"] == shown
    assert table.loc["item population", "P(effect > 0)"] == "> .999"
    assert "Effect of treatment, 95 % intervals (caffeine v placebo)" in repr(card)


def test_thresholds_stand_apart_from_coefficients(fit_of):
    text = repr(fit_of("ordinal"))
    thresholds, coefficients = text.index("Thresholds (logits)"), text.index("Coefficients")
    assert thresholds < text.index("2|3") < coefficients < text.rindex("treat ")
    assert "above 0: higher answers" in text
    assert "3 between 0 < 1 < 2 < 3; each item its own" in repr(fit_of("ordinal").model)
    html = fit_of("ordinal")._repr_html_()
    assert html.index("Thresholds, logits") < html.index("Coefficients, logits")
    assert "Thresholds" not in repr(fit_of("caffeine_map"))


def test_card_of_several_arms_names_them(fit_of):
    table = card_table(il.effect_card(fit_of("three_arms")))
    assert table.index.names == ["contrast", "target"]
    assert list(table.index.unique(0)) == ["tablets v control", "tutoring v control"]


def test_item_table_shows_interval_and_ranks_in_one_column_each(fit_of):
    effects = il.item_effects(fit_of("caffeine_map"))
    table = items_table(effects.frame, effects.noun)
    assert list(table.columns) == [
        "effect", "SE", "95 % interval", "P(effect > 0)", "rank", "easiness", "difficulty",
    ]  # fmt: skip
    row = effects.frame.loc["sleepy"]
    ranks = [effects.frame.at["sleepy", end] for end in ("rank_lower", "rank_upper")]
    assert table.loc["sleepy", "95 % interval"] == f"{row['lower']:.2f} to {row['upper']:.2f}"
    assert table.loc["sleepy", "rank"] == "{} to {}".format(*ranks)
    assert set(table["P(effect > 0)"]) == {"> .999"}


def test_what_is_missing_is_a_dash(fit_of):
    effects = il.item_effects(fit_of("zero"))
    table = items_table(effects.frame, effects.noun)
    missing = table[["95 % interval", "P(effect > 0)", "rank"]]
    assert (missing == "-").all(axis=None)
    assert "nan" not in repr(effects).lower() and "<NA>" not in repr(effects)


def test_groups_have_differences(fit_of):
    fit = fit_of("verbagg")
    effects, card = il.item_effects(fit), il.effect_card(fit)
    for shown in (repr(effects), repr(card), effects._repr_html_(), card._repr_html_()):
        assert "ifference" in shown and "effect" not in shown.lower()
    assert "Difference between groups, 95 % intervals" in repr(card)


def test_averages_are_sentences(fit_of):
    first, second = average_sentences(il.item_effects(fit_of("three_arms")))
    assert first.startswith("tablets v control: the average effect over the item population is")
    assert second.startswith("tutoring v control:") and second.endswith(".")


def test_notebook_forms_say_what_the_text_says(fit_of):
    fit = fit_of("caffeine_ml")
    shown = fit._repr_html_()
    assert "The correlation of Intercept and treat over item is estimated at +1" in shown
    assert "correlation of Intercept and treat" in shown and "Wald" not in shown
    assert il.item_effects(fit)._repr_html_().count("<tr>") == 11  # ten items and the header


@pytest.mark.parametrize("name", ["caffeine_map", "draws", "verbagg", "zero"])
def test_texts_hold_no_nan(fit_of, name):
    fit = fit_of(name)
    for shown in (
        repr(fit),
        repr(il.item_effects(fit)),
        repr(il.effect_card(fit)),
        repr(fit.model),
    ):
        assert "nan" not in shown.lower().replace("nanded", "")


def test_drawn_intervals_hold_their_points_and_the_axis():
    low, high = caterpillar([1.0, -1.0], [0.5, -2.0], [2.0, float("nan")], average=0.0, width=41)
    assert len(low) == len(high) == 41
    assert low[20] == "┊" and low[25:31] == "─────●" and low.count(" ") == 24  # 0.5 to 2.0
    assert high[0] == "─" and high[10] == "●" and high[11] == " "  # no upper end


def test_html_tables_escape_align_and_leave_out_repetitions():
    index = pd.MultiIndex.from_tuples([("a", "<b>"), ("a", "c"), ("b", "c")], names=["x", "y"])
    frame = pd.DataFrame(
        {"value": [-0.5, np.nan, 1234.0], "n": [1, 20000, -3], "why": ["-", "of -2", "a-1"]}, index
    )
    shown = html_table(frame, "What & why")
    assert "&lt;b&gt;" in shown and "<b>" not in shown
    assert shown.count(">a</span>") == 1 and shown.count(">c</span>") == 2
    assert "<td>−0.50</td>" in shown and "<td>–</td>" in shown and "<td>20,000</td>" in shown
    assert '<td class="text">of −2</td>' in shown and '<td class="text">a-1</td>' in shown
    assert "<caption>What &amp; why</caption>" in shown


def test_components_are_words():
    index = pd.MultiIndex.from_tuples(
        [("item", "sd[arm[T.a,b]]"), ("item", "corr[Intercept,arm[T.a,b]]")],
        names=["group", "parameter"],
    )
    columns = {"estimate": [1.0, -0.5], "se": 0.1, "lower": [0.5, np.nan], "upper": [2.0, np.nan]}
    table = components_table(pd.DataFrame(columns, index))
    assert list(table.index) == [
        ("item", "SD of arm = a,b"),
        ("item", "correlation of Intercept and arm = a,b"),
    ]
    assert list(table["95 % interval"]) == ["0.50 to 2.00", "-"]


def test_words():
    assert number(-0.001) == "0.00" and number(-1.5) == "−1.50" and number(float("nan")) == "–"
    assert signed(0.2) == "+0.20" and signed(-0.2) == "−0.20"
    assert range_of(-1, 1) == "−1.00 to 1.00"
    assert [plural(w) for w in ("study", "day", "class", "item")] == [
        "studies", "days", "classes", "items",
    ]  # fmt: skip
    assert count_of(1, "study") == "1 study" and count_of(1200, "item") == "1,200 items"
    assert joined(["a"]) == "a" and joined(["a", "b", "c"]) == "a, b and c"
    assert sentence("no dot") == "No dot." and sentence("Why?") == "Why?"
    assert term_words("arm[T.drug]:pre") == "arm = drug × pre"
    assert true_minus("+-.9, a-1, -2 (-.5)") == "±.9, a-1, −2 (−.5)"


def test_arms_are_called_by_their_names(fit_of, logistic_table):
    assert arm_words(fit_of("caffeine_map").model, 1.0) == "caffeine"
    assert arm_words(fit_of("three_arms").model, "tutoring") == "tutoring"
    table = logistic_table(1, persons=20, items=3)
    formula = "resp ~ treat + (1 | id) + (1 | item)"
    numbers = il.Model(formula, table.astype({"treat": int}))
    truths = il.Model(formula, table.assign(treat=table["treat"] == "1"))
    assert arm_words(numbers, 1.0) == "treat = 1"
    assert arm_words(truths, 0.0) == "treat = False"
