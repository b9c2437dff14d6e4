"""What stands under an effect card: denominators, averages, what intervals hold and what they lack."""

from collections.abc import Sequence

import numpy as np

from ilhte_bayes.estimands.ability import WORDS, AbilitySD
from ilhte_bayes.estimands.expected import Average
from ilhte_bayes.estimands.item_sample import ItemSample, features_differ, few_treated
from ilhte_bayes.estimands.items import ItemWeights, beyond_the_edge, effects_at_zero
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.formulas.contrasts import Contrast, moderators

_LOADING = {
    "loaded": (
        "Items discriminate differently: logits are those of the answers, discrimination times the "
        "{noun} on ability; SDs are of the {noun} on ability itself."
    ),
    "additive": (
        "Items discriminate differently, the {noun} is added to their own logits: an SD of ability "
        "is what it moves an item with discrimination 1."
    ),
}
_SHOWN = 0.005  # logits: less prints as .00, from items whose answers differ in covariates
VERY_FEW_ITEMS = 5  # at so many or fewer, tests by maximum likelihood exceed their level
TOO_OFTEN = (
    "of 200 simulated trials without an average effect, 600 persons each, .10 with 2 items, .14 with 3 "
    "and .11 with 5 had p < .05; .05 with 8"
)
_FEW_ITEMS = 20  # below it, intervals are known to be too short
# Of 90 % intervals in simulated trials of 8 items whose effects differ by an SD of .4, those that
# held one new item's effect, and the population's: benchmarks/coverage_of_card.csv.
_HELD = {
    "ml": (".81 to .86", ".86 to .88"),
    "map": (".76 to .80", ".91 to .93"),
    "posterior": (".77 to .79", ".93 to .94"),
}
_STANDARDISED = {
    "effect": "what is expected if everybody were in an arm",
    "difference": (
        "the model's answers with the arm's column set to each value, standardised to these "
        "covariates"
    ),
}
_AVERAGES = {
    "population": (
        "averaged over persons, clusters and covariates, {what}; average='typical' has those of the "
        "median person"
    ),
    "typical": (
        "of the typical person (ability and clusters at their mean, average covariates); "
        "average='population' has the average over persons"
    ),
}


def card_notes(
    fit: Fit,
    name: str,
    contrasts: Sequence[Contrast],
    weights: Sequence[ItemWeights],
    samples: Sequence[ItemSample],
    unit: np.ndarray,
    sd: AbilitySD,
    average: Average,
    missing: str | None,
) -> tuple[str, ...]:
    """Sentences, the denominator's first; `missing` says why the answers' scales are not there."""
    model = fit.model
    noun = model.noun
    low, high = np.quantile(unit, TAILS)
    notes = [
        f"One SD of ability is {np.median(unit):.2f} logits [{low:.2f}, {high:.2f}]: {WORDS[sd]}."
    ]
    if sd == "irw":
        notes[0] = f"One SD of ability is {unit[0]:.2f} logits: {WORDS[sd]}."
    if model.design.group(require_group(fit, "person")).split and sd != "control":
        notes.append("Arms have SDs of ability of their own: their variances are averaged.")
    if model.discrimination is not None:
        notes.append(_LOADING[model.discrimination].format(noun=noun))
    if any(effects_at_zero(fit, name, w) for w in weights):
        notes.append(
            f"The SD of {noun}s over items is estimated at 0, so the intervals of a new item and "
            f"of a new test leave it out: they are too narrow. Use {beyond_the_edge(fit)[1]}."
        )
    elif not any(np.any(w.random) for w in weights):
        alike = not any(map(features_differ, weights))
        notes.append(
            f"The model gives every item the same {noun}, by assumption: in logits the four targets "
            "agree."
            if alike
            else f"The model gives items of equal features the same {noun}, by assumption."
        )
    else:
        notes.append(_of_items(contrasts, samples))
    notes += _of_moderators(fit, contrasts, noun) + _of_features(samples) + _of_clusters(fit)
    if any(np.any(w.random) for w in weights):
        notes += _of_few_items(fit, len(weights[0].fixed), noun)
    if fit.sampled and fit.problems:
        notes.append(f"Read this first: {fit.problems[0]}")
    notes.append(missing if missing else _of_answers(fit, average, noun))
    if fit.objective == "ml":
        notes.append(
            f"P({noun} > 0): by maximum likelihood one minus a one-sided p-value, no posterior "
            "probability."
        )
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)


def _of_few_items(fit: Fit, n_items: int, noun: str) -> list[str]:
    """What few items do to intervals, by how the fit was made."""
    if n_items >= _FEW_ITEMS:
        return []
    if fit.objective == "ml" and n_items <= VERY_FEW_ITEMS:
        return [
            f"{n_items} items are too few for maximum likelihood: the SD of {noun}s over items is often "
            f"estimated too small, so that tests exceed their level ({TOO_OFTEN}) and intervals are too "
            "short. Use il.sample(model), whose intervals of the item population are not."
        ]
    new, population = _HELD[fit.objective]
    found = (
        f"{n_items} items are few: they say little of how much {noun}s vary, and the interval of a "
        "new item comes out too short. Of 8 items whose effects differ by an SD of .4, intervals "
        f"meant to hold .90 held a new item's in {new} of simulated trials, the population's in "
        f"{population}"
    )
    if fit.sampled:
        return [f"{found}."]
    new, population = _HELD["posterior"]
    return [f"{found}; by il.sample {new} and {population}."]


def _of_items(contrasts: Sequence[Contrast], samples: Sequence[ItemSample]) -> str:
    """The share of the standard error that rests on the sample of items; t's degrees of freedom."""
    shares = [f"{100 * sample.share:.0f} %" for sample in samples]
    dfs = [_df(sample.df) for sample in samples]
    if len(contrasts) > 1:
        labels = [contrast.label for contrast in contrasts]
        shares = [f"{a} ({b})" for a, b in zip(shares, labels, strict=True)]
        dfs = [f"{a} ({b})" for a, b in zip(dfs, labels, strict=True)]
    text = (
        f"Of the squared standard error for the item population {', '.join(shares)} comes from the "
        "sample of items: more persons do not remove it, more items do."
    )
    if all(np.isinf(sample.df) and np.isinf(sample.df_items) for sample in samples):
        return text
    if any(sample.df == 0 for sample in samples):
        return text
    new = _df(samples[0].df_items)
    return (
        f"{text} Degrees of freedom of t: for the item population {', '.join(dfs)}, for what is new "
        f"in an item or a test {new}."
    )


def _of_clusters(fit: Fit) -> list[str]:
    """That a treatment of few clusters has their degrees of freedom."""
    units = few_treated(fit)
    if units is None:
        return []
    if units.confounded:
        return [f"{units.confounded} There are no intervals by maximum likelihood or MAP."]
    return [
        f"Few clusters were treated: the average over these items and that over their population are "
        f"known by t with at most {units.df} degrees of freedom, {units.words}; a new item and a new "
        "test no better."
    ]


def _of_features(samples: Sequence[ItemSample]) -> list[str]:
    """Whose features the population's items, and new ones, are taken to have."""
    if not any(sample.features >= _SHOWN for sample in samples):
        return []
    sds = ", ".join(f"{sample.features:.2f}" for sample in samples)
    return [
        "Items differ in what the fixed part says of them (item features; SD over these items "
        f"{sds} logits): the item population has features as these items have them, a new item those "
        "of one of them at random. With newdata= and a feature's value, all have that value."
    ]


def standardised(noun: str) -> str:
    """What an arm's expected answers are: of everybody in it, claimed of effects only."""
    return _STANDARDISED[noun]


def _df(value: float) -> str:
    return "normal" if np.isinf(value) else f"{value:.0f}"


def _of_moderators(fit: Fit, contrasts: Sequence[Contrast], noun: str) -> list[str]:
    """Which variables the effect is averaged over though it varies with them."""
    model = fit.model
    design, patterns = model.design, model.responses.patterns
    answers = design.pattern_of_answers()
    treatment = str(model.roles.treatment)
    same = (model.formula, patterns, answers, treatment)
    found = dict.fromkeys(name for c in contrasts for name in moderators(*same, c, design.terms))
    if not found:
        return []
    which = " and ".join(found)
    first = next(iter(found))
    return [
        f"The model lets the {noun} vary with {which}: it is averaged over the answers in the "
        f"table. effect_card(fit, newdata={{{first!r}: [...]}}) has it at chosen values."
    ]


def _of_answers(fit: Fit, average: Average, noun: str) -> str:
    """Whose answers are counted, and how."""
    levels = fit.model.responses.response_coding.levels
    how = _AVERAGES[average].format(what=standardised(noun)) + "."
    if fit.model.design.n_cuts <= 1:
        return (
            "Probability (mean over items) and score points (their sum; for the population, over as "
            f"many items as the new test has): {how}"
        )
    return (
        f"Score points, 0 to {len(levels) - 1} an item, summed over items (for the population, over "
        f"as many as the new test has): {how} Ordinal answers have no one probability; "
        "il.score_effects(fit) has each category's."
    )
