"""The question a fit answers, and its answer, in a sentence or two of plain words."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.estimands.card import EffectCard
from ilhte_bayes.estimands.item_sample import few_treated
from ilhte_bayes.estimands.items import (
    ItemEffects,
    changes_by_item,
    effects_at_zero,
    treatment_contrasts,
)
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.formulas.contrasts import Contrast, fixed_change
from ilhte_bayes.models.model import Model
from ilhte_bayes.show.people import group_of_role
from ilhte_bayes.show.words import (
    against_words,
    answer_words,
    contrast_arms,
    count_of,
    number,
    outcome_words,
    quoted,
    range_of,
)


def title_of(model: Model) -> str:
    """Headline of a page."""
    treatment, answer = model.roles.treatment, answer_words(model)
    if treatment is None:
        return f"{answer}: a multilevel model"
    by_item = ", item by item" if group_of_role(model, "item") else ""
    if model.noun == "difference":
        return f"Differences in {answer} by {treatment}{by_item}"
    return f"The {model.noun} of {treatment} on {answer}{by_item}"


def question(model: Model) -> str:
    """What was asked, of whom."""
    treatment, answer = model.roles.treatment, outcome_words(model)
    person, item = group_of_role(model, "person"), group_of_role(model, "item")
    who = f" {count_of(person.n_counted, 'person')} answered" if person else " There are"
    what = f" {count_of(item.n_levels, 'item')}:" if item else ""
    base = f"{who}{what} {count_of(model.design.n_obs, 'answer')}."
    if treatment is None:
        return f"How does the probability of {answer} vary?{base}"
    where = ", on average and item by item" if item else ""
    if model.noun == "difference":
        return f"How do groups of {treatment} differ in the probability of {answer}{where}?{base}"
    return f"Does {treatment} change the probability of {answer}{where}?{base}"


def answers(fit: Fit, effects: ItemEffects | None, card: EffectCard | None) -> list[str]:
    """One paragraph for each contrast: the average, and how effects differ between items."""
    treatment = fit.model.roles.treatment
    if treatment is None or treatment not in fit.model.responses.patterns:
        return []
    if fit.model.family.nominal:
        return [_by_category(fit, treatment)]
    if (units := few_treated(fit)) and units.confounded:
        return [f"The answers do not tell what {treatment} does. {units.confounded}"]
    out = []
    for contrast in treatment_contrasts(fit):
        if effects is None:
            average, after = _average_over_answers(fit, contrast), ""
        else:
            average = effects.average.loc[contrast.label]
            after = f" {_items_sentence(fit, effects, contrast.label)}"
        unit = None if card is None else _in_sds(card, contrast.label)
        out.append(_average_sentence(fit.model, contrast, average, unit) + after)
    return out


def _by_category(fit: Fit, treatment: str) -> str:
    """Where the effects on each category of a nominal answer are."""
    return (
        f"Each category has coefficients of its own, {against_words(fit.model)}: those of "
        f"{treatment} stand among the estimates, named by category."
    )


def _average_over_answers(fit: Fit, contrast: Contrast) -> pd.Series:
    """Effect averaged over all answers, for models without items."""
    model = fit.model
    design, patterns = model.design, model.responses.patterns
    rows = np.repeat(design.pattern, design.count)
    treatment = str(model.roles.treatment)
    change = fixed_change(model.formula, patterns, rows, treatment, contrast, design.terms)
    weight = np.average(change[design.pattern], axis=0, weights=design.count)
    drawn = parameter_draws(fit).beta @ weight
    lower, upper = np.quantile(drawn, TAILS)
    middle = float(weight @ fit.coefficients["estimate"].to_numpy())
    return pd.Series({"effect": middle, "lower": lower, "upper": upper})


def _in_sds(card: EffectCard, label: str) -> pd.Series:
    return card.frame.loc[(label, "item population", "SDs of ability")]


def _average_sentence(
    model: Model, contrast: Contrast, average: pd.Series, unit: pd.Series | None
) -> str:
    answer, noun = outcome_words(model), model.noun
    reference, other = contrast_arms(model, contrast)
    lower, upper = float(average["lower"]), float(average["upper"])
    size = f"{number(average['effect'])} logits (95 % interval {range_of(lower, upper)})"
    odds = f"{number(np.exp(average['effect']))} ({range_of(np.exp(lower), np.exp(upper))})"
    if model.family.ordinal:
        odds += " for each step up" if model.design.n_categories else " at every threshold"
    if unit is not None:
        size += f", which is {number(unit['estimate'])} SDs of ability "
        size += f"({range_of(unit['lower'], unit['upper'])})"
    size += f" or an odds ratio of {odds}" if unit is not None else f", an odds ratio of {odds}"
    under = "in" if noun == "difference" else "under"
    than = f"likely {under} {other} than {under} {reference}"
    if lower <= 0.0 <= upper:
        return f"The answers do not tell whether {answer} is more or less {than}: the average {noun} is {size}, and its interval holds 0."
    where = "On the average item" if group_of_role(model, "item") else "Over all answers"
    word = "more" if lower > 0.0 else "less"
    return f"{where}, {answer} is {word} {than}: the average {noun} is {size}."


def _items_sentence(fit: Fit, effects: ItemEffects, label: str) -> str:
    """How effects differ between items, with the caveat that belongs to it."""
    spread = spread_of_effects(fit, label)
    noun = effects.noun
    if spread is None:
        return f"The model gives every item the same {noun}, by assumption."
    if spread.at_zero:
        return (
            f"The {noun}s on single items are equal by estimate, not by evidence: their SD over "
            "items is estimated at 0, which does not show that it is 0."
        )
    frame = effects.frame
    if frame.index.nlevels > 1:
        frame = frame.xs(label, level="contrast")
    low, high = frame["effect"].idxmin(), frame["effect"].idxmax()
    between = f"Between items the estimated SD of {noun}s is {number(spread.sd)} logits"
    if not np.isnan(spread.lower):
        between += f" (95 % interval {range_of(spread.lower, spread.upper)})"
    return (
        f"{between}: from {number(frame['effect'][low])} on item {quoted(low)} to "
        f"{number(frame['effect'][high])} on item {quoted(high)}, as estimated."
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """SD over items of the random part of an effect, in logits."""

    sd: float
    lower: float
    upper: float
    at_zero: bool


def spread_of_effects(fit: Fit, label: str) -> Spread | None:
    """SD of effects over items; None where no random term lets them differ."""
    name = require_group(fit, "item")
    group = fit.model.design.group(name)
    contrast = next(c for c in treatment_contrasts(fit) if c.label == label)
    weights = changes_by_item(fit, name, contrast)
    random = weights.random.mean(axis=0)
    moving = np.flatnonzero(random)
    if not moving.size:
        return None
    if effects_at_zero(fit, name, weights):
        return Spread(0.0, float("nan"), float("nan"), True)
    if moving.size == 1 and abs(random[moving[0]]) == 1.0:
        row = fit.variance_components.loc[(name, f"sd[{group.columns[moving[0]]}]")]
        return Spread(float(row["estimate"]), float(row["lower"]), float(row["upper"]), False)
    covariance = parameter_draws(fit).covariance[name]
    sd = np.sqrt(np.maximum(np.einsum("dij,i,j->d", covariance, random, random), 0.0))
    lower, middle, upper = np.quantile(sd, [TAILS[0], 0.5, TAILS[1]])
    return Spread(float(middle), float(lower), float(upper), False)
