"""An effect card as text, as HTML, and as a paragraph for a paper."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ilhte_bayes.errors import plural
from ilhte_bayes.estimands.item_sample import few_treated
from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.html_tables import html_table, notes_html
from ilhte_bayes.show.text import method_words
from ilhte_bayes.show.words import (
    about,
    answer_words,
    count_of,
    number,
    quoted,
    range_of,
    sentence,
    wrapped,
)

if TYPE_CHECKING:
    from ilhte_bayes.estimands.card import EffectCard

_ANSWERS = ("probability", "score points")
_DIGITS = {"probability": 3}
_INTERVALS = {
    "ml": "95 % confidence interval",
    "map": "95 % interval of the posterior's normal approximation",
    "posterior": "95 % credible interval",
}


def card_table(card: "EffectCard") -> pd.DataFrame:
    """Logits and SDs of ability: "0.45 [0.31, 0.59]" by target and scale; and P(effect > 0)."""
    table = _cells(card, [s for s in _scales(card) if s not in _ANSWERS])
    positive = card.frame["p_positive"].xs("logits", level="scale").to_numpy()
    return table.assign(**{f"P({card.noun} > 0)": [p_value(p) for p in positive]})


def answers_table(card: "EffectCard") -> pd.DataFrame | None:
    """Probability and score points; None where a model has neither."""
    scales = [s for s in _scales(card) if s in _ANSWERS]
    return _cells(card, scales) if scales else None


def answers_title(card: "EffectCard") -> str:
    """Whose answers the second table is about, and which."""
    scales, model = _scales(card), card.fit.model
    parts = ["Score points"]
    if "probability" in scales:
        parts = [f"Probability of {quoted(answer_words(model))}, and score points"]
    whose = {"population": "averaged over persons", "typical": "of the typical person"}
    return f"{parts[0]}: {card.noun}, {whose[card.average]}"


def describe_card(card: "EffectCard") -> str:
    """Text form: a block for each contrast."""
    contrasts = _contrasts(card)
    what = "between groups" if card.noun == "difference" else "of treatment"
    title = f"{card.noun.capitalize()} {what}, 95 % intervals"
    title += f" ({contrasts[0]})" if len(contrasts) == 1 else ""
    lines, answers = [title], answers_table(card)
    for contrast in contrasts:
        many = len(contrasts) > 1
        lines += ["", f"{contrast}"] if many else []
        blocks = [("", card_table(card))]
        blocks += [(f"\n{answers_title(card)}", answers)] if answers is not None else []
        for heading, table in blocks:
            lines += [heading] if heading else []
            lines.append((table.loc[contrast] if many else table).to_string())
    return "\n".join([*lines, "", *map(wrapped, card.notes)])


def card_html(card: "EffectCard") -> str:
    """HTML form, for a notebook."""
    notes = notes_html(card.notes)
    return "".join(card_tables_html(card)) + notes


def card_tables_html(card: "EffectCard") -> list[str]:
    """Both tables."""
    out = [html_table(card_table(card), f"{card.noun.capitalize()} [95 % interval]")]
    answers = answers_table(card)
    if answers is not None:
        out.append(html_table(answers, f"{answers_title(card)} [95 % interval]"))
    return out


def card_paragraph(card: "EffectCard") -> str:
    """Estimates with their intervals, on what scale, about whom, by which engine."""
    fit = card.fit
    model, design = fit.model, fit.model.design
    persons = design.group(str(model.roles.person)).n_levels
    items = design.group(str(model.roles.item)).n_levels
    out = [
        f"{design.n_obs:,} answers of {count_of(persons, 'person')} to {count_of(items, 'item')} "
        f"were analysed with the model {model.formula.text} (family {model.family.name}; "
        f"{method_words(fit)})."
    ]
    if model.assignment is not None and model.assignment.kind == "randomised":
        out.append(about(model, model.assignment.sentence))
    for contrast in _contrasts(card):
        out += _contrast_sentences(card, contrast, items)
    out += _cautions(card)
    return " ".join(out)


def _contrast_sentences(card: "EffectCard", contrast: str, items: int) -> list[str]:
    rows = card.frame.loc[contrast]
    these, population, new, test = rows.index.unique("target")
    kind = _INTERVALS[card.fit.objective]
    noun, facts = card.noun, card.items.loc[contrast]
    spoken = "difference between groups" if noun == "difference" else "effect of treatment"
    t = f", t with {facts['df']:.0f} degrees of freedom" if np.isfinite(facts["df"]) else ""
    # "One SD of ability is 1.01 logits [..]: total SD of ..." under the card
    unit = card.notes[0].partition(": ")[2].rstrip(".")
    out = [
        f"The average {spoken} ({contrast}) over the population of items that these "
        f"{items} are taken to represent was {_said(rows, population, 'logits')} logits ({kind} "
        f"{_range(rows, population, 'logits')}{t}), or "
        f"{_said(rows, population, 'SDs of ability')} SDs of ability "
        f"({_range(rows, population, 'SDs of ability')}; {unit})."
    ]
    if units := _confounded(card):
        return [f"{out[0].partition(' (' + kind)[0]}. {units} There is no interval."]
    same = f"on these {items} items themselves it was {_said(rows, these, 'logits')} logits"
    out.append(sentence(f"{same} ({_range(rows, these, 'logits')})"))
    out += _answers_sentence(card, rows, population)
    out.append(
        f"For one new item of this kind the interval for its {noun} is "
        f"{_range(rows, new, 'logits')} logits, for the mean of {test} "
        f"{_range(rows, test, 'logits')}."
    )
    if facts["share"] > 0:
        out.append(
            f"Of the squared standard error for the population of items {100 * facts['share']:.0f} % "
            "comes from the sample of items, which more persons would not reduce."
        )
    return out


def _confounded(card: "EffectCard") -> str:
    """That treatment and clusters cannot be told apart, if so."""
    units = few_treated(card.fit)
    return units.confounded if units else ""


def _answers_sentence(card: "EffectCard", rows: pd.DataFrame, target: str) -> list[str]:
    """The population target in the answers' own units."""
    scales, model = rows.index.unique("scale"), card.fit.model
    whose = {
        "population": "Averaged over persons and items",
        "typical": "For a person of median ability and average covariates, averaged over items",
    }[card.average]
    if "probability" in scales:
        what, scale = f"the probability of {quoted(answer_words(model))}", "probability"
    elif "score points" in scales:
        test = rows.index.unique("target")[3].removeprefix("a new ")
        what, scale = f"the expected score of a {test}", "score points"
    else:
        return []
    change = "differed between groups" if card.noun == "difference" else "differed between arms"
    return [
        f"{whose}, {what} {change} by {_said(rows, target, scale)} ({_range(rows, target, scale)})."
    ]


def _cautions(card: "EffectCard") -> list[str]:
    """What the numbers do not hold."""
    assignment, out = card.fit.model.assignment, []
    sds = card.items["sd"]
    if sds.isna().any():
        alike = "of equal features " if (card.items["features"] > 0).any() else ""
        out.append(f"The model gave every item {alike}the same {card.noun}, by assumption.")
    elif (sds == 0).any():
        out.append(
            f"The SD of {plural(card.noun)} over items was estimated at 0, and intervals leave its "
            "uncertainty out."
        )
    if any(note.startswith("Read this first") for note in card.notes):
        out.append(f"The chains had not done when this was written: {card.fit.problems[0]}")
    if any(note.startswith("The model lets the") for note in card.notes):
        out.append(
            f"The {card.noun} varies with other variables in the model; this is its average "
            "over the answers in the table."
        )
    if card.noun == "difference":
        out.append(
            "Arms were not randomised: these are differences between groups, which need not be "
            "effects of treatment."
        )
    elif assignment is None or assignment.kind is None:
        out.append(
            "Whether arms were randomised was not stated; “effect” is to be read as a difference "
            "unless they were."
        )
    return out


def _scales(card: "EffectCard") -> list[str]:
    return list(card.frame.index.unique("scale"))


def _contrasts(card: "EffectCard") -> list[str]:
    return list(card.frame.index.unique("contrast"))


def _cells(card: "EffectCard", scales: list[str]) -> pd.DataFrame:
    """Estimate and interval by target and scale; the contrast too where there are several."""
    columns = {
        scale: card.frame.xs(scale, level="scale").apply(
            _cell, axis=1, digits=_DIGITS.get(scale, 2)
        )
        for scale in scales
    }
    table = pd.DataFrame(columns)
    return table.droplevel("contrast") if len(_contrasts(card)) == 1 else table


def _cell(row: pd.Series, digits: int) -> str:
    if math.isnan(row["estimate"]):
        return "-"
    values = (row["estimate"], row["lower"], row["upper"])
    estimate, lower, upper = (f"{value:.{digits}f}" for value in values)
    if math.isnan(row["lower"]):
        return f"{estimate} [-]"
    return f"{estimate} [{lower}, {upper}]"


def _said(rows: pd.DataFrame, target: str, scale: str) -> str:
    return number(rows.loc[(target, scale), "estimate"], _DIGITS.get(scale, 2))


def _range(rows: pd.DataFrame, target: str, scale: str) -> str:
    row = rows.loc[(target, scale)]
    return range_of(row["lower"], row["upper"], _DIGITS.get(scale, 2))
