"""Item effects given the sum score in text: the table, the test of equal effects, their SD."""

from html import escape
from typing import TYPE_CHECKING

from ilhte_bayes.fits.intervals import p_words

if TYPE_CHECKING:
    from ilhte_bayes.engines.conditional import AndersenTest, ConditionalFit
    from ilhte_bayes.engines.effect_spread import EffectSpread


def describe_conditional(fit: "ConditionalFit") -> str:
    """Text form."""
    ordered = fit.items.sort_values("estimate", ascending=False)
    lines = [
        f"{fit.contrast}: {fit.noun} on each item beyond the average item's "
        "(logits, 95 % intervals), given the sum score",
        f"{fit.n_informative:,} persons; {fit.n_left_out:,} left out, who gave the same "
        "answer to all their items",
        "",
        ordered.to_string(float_format="{:.3f}".format),
        "",
        fit.andersen.sentence(fit.noun),
        fit.sigma_zeta.sentence(fit.noun),
        f"The average {fit.noun} cannot be told from abilities, which were conditioned away. "
        "Items are taken to discriminate equally: one that reacts more to "
        "ability shows here as moved more.",
    ]
    return "\n".join([*lines, *(f"Note: {problem}" for problem in fit.problems)])


def conditional_html(fit: "ConditionalFit") -> str:
    """HTML form."""
    return f"<pre>{escape(describe_conditional(fit))}</pre>"


def andersen_sentence(test: "AndersenTest", noun: str) -> str:
    """Whether one effect for all items is rejected."""
    verdict = "is rejected" if test.p < 0.05 else "is not rejected"
    return (
        f"Andersen's test: chi-square {test.statistic:.2f}, {test.df} df, {p_words(test.p)}. "
        f"One {noun} for all items {verdict} at 5 %."
    )


def spread_sentence(spread: "EffectSpread", noun: str) -> str:
    """The SD of the effects, and whether none at all agrees with the answers."""
    text = (
        f"The SD of the {noun}s over items is estimated at {spread.estimate:.2f} logits, 95 % "
        f"interval {spread.lower:.2f} to {spread.upper:.2f}"
    )
    if spread.lower > 0:
        return f"{text}."
    return f"{text}: no spread at all agrees with these answers, and so does {spread.upper:.2f}."
