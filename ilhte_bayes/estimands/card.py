"""The effect card: one treatment effect, four questions it can answer, on four scales."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError, names_arguments
from ilhte_bayes.estimands.ability import AbilitySD, ability_sd
from ilhte_bayes.estimands.card_notes import card_notes
from ilhte_bayes.estimands.card_scales import Rows, answer_rows, draws_of, why_not
from ilhte_bayes.estimands.card_targets import Row, target_rows
from ilhte_bayes.estimands.expected import Average
from ilhte_bayes.estimands.item_sample import ItemSample, item_sample
from ilhte_bayes.estimands.items import (
    ItemWeights,
    average_over_population,
    changes_by_item,
    treatment_contrasts,
)
from ilhte_bayes.estimands.parameters import ParameterDraws, parameter_draws
from ilhte_bayes.estimands.t_parts import mixture_interval, mixture_positive
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.contrasts import Contrast, contrasts_at
from ilhte_bayes.formulas.new_values import Values


@dataclass(frozen=True, repr=False)
class EffectCard:
    """Effects on four targets and four scales; prints as tables.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (contrast, target, scale); `estimate`, `lower`, `upper` (95 %), `p_positive`. Scales:
        "logits"; "SDs of ability"; "probability" of a binary answer, averaged over the target's
        items; "score points", the sum over them.
    items : pandas.DataFrame
        Index contrast; `share`, that part of the squared standard error of the average over the
        item population that more persons cannot remove; `df`, degrees of freedom of its interval;
        `sd` of effects over items of equal features (logits; on ability where discriminations
        multiply effects), missing where the model gives these the same; `features`, the SD over
        these items of what the fixed part makes of their effects.
    average : {"population", "typical"}
        Whose answers probabilities and score points are.
    noun : str
        "effect", or "difference" where arms were not randomised.
    notes : tuple of str
        What the SD is, and how to read the card.
    fit : Fit
        What it is of.
    """

    frame: pd.DataFrame
    items: pd.DataFrame
    average: Average
    noun: str
    notes: tuple[str, ...]
    fit: Fit = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def sentence(self) -> str:
        """The card in a paragraph for a paper: estimates, intervals and their kind, on what."""
        from ilhte_bayes.show.card_words import card_paragraph

        return card_paragraph(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.card_words import describe_card

        return describe_card(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.card_words import card_html

        return card_html(self)


@names_arguments(dict.fromkeys(("level", "prob", "ci", "conf_level"), "Intervals are of 95 %."))
def effect_card(
    fit: Fit,
    *,
    k: int | None = None,
    sd: AbilitySD = "within_arm",
    average: Average = "population",
    newdata: Values = None,
) -> EffectCard:
    """Treatment effect on these items, on the item population, on a new item, on a new test.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment, person and item roles.
    k : int, optional
        Items of the new test; as many as were asked, by default.
    sd : {"within_arm", "residual", "control", "within_cluster", "irw"}
        Denominator of the standardised effect, named under the card. "irw" fits the model once
        more, with one effect for all items.
    average : {"population", "typical"}
        Whose probabilities and score points: averaged over persons, clusters and covariates; or
        those of the typical person, of median ability and average covariates.
    newdata : mapping or pandas.DataFrame, optional
        `{"pretest": [-1, 0, 1]}`: a card for each combination of these covariate values, for a
        model in which the effect varies with them. By default it is averaged over the answers.

    Returns
    -------
    EffectCard
        Intervals of the first two targets are confidence or credible intervals; those of a new
        item and of a new test also hold the spread of effects between items.

    Raises
    ------
    ModelError
        If a role is not known, k is below 1, or the answers have no order.
    DataError
        If `newdata` names something else than covariates and levels of the table.

    Notes
    -----
    With zeta_i the items' deviations and sigma their SD: beta + mean(zeta_i) over these items;
    beta; beta + N(0, sigma^2); beta + N(0, sigma^2 / k). Where effects also differ by item features,
    beta is their average over these items, and each new item has the features of one of these,
    drawn at random: the variance over these items of what the features predict adds to sigma^2.
    Where discriminations multiply the effect
    (`discrimination="loaded"`) these are effects on ability, which the column in SDs holds; the
    logits are those of the items: mean(a_i (beta + zeta_i)); E(a) beta; a (beta + zeta); the mean
    of k of these, with a log-normal.

    Probabilities are differences between arms of E[1 / (1 + exp(-eta))], with ability and the
    items' (easiness, effect) integrated out, or drawn jointly for new items.

    By maximum likelihood the population's average has an interval of t with (I - 1) / share^2 degrees
    of freedom, where `share` of the squared standard error comes from the sample of I items. If fewer
    than 40 clusters were treated as a whole, it and that of these items have at most those of
    `il.fixed_tests`; at 0 there are no intervals. What is new in an item or a test is added to the
    population's average, by ML as a t with I - 1 degrees of freedom: neither is ever known better
    than it. Probabilities and score points are those of the arms with the average effect so drawn,
    so that their differences keep within -1 and 1 and within the test's points.

    References
    ----------
    Gilbert, Himmelsbach, Soland, Joshi & Domingue (2025), J. Policy Anal. Manag. 44(4), 1417-1449.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.il_hte(il.load_dataset("caffeine"), response="resp >= 2", clusters=["study"])
    >>> card = il.effect_card(il.laplace(model, objective="map"))
    >>> list(card.frame.loc[("caffeine v placebo", "item population")].index)
    ['logits', 'SDs of ability', 'probability', 'score points']
    """
    name = require_group(fit, "item")
    n_items = fit.model.design.group(name).n_levels
    k = n_items if k is None else k
    if k < 1:
        raise ModelError(f"k={k}: a new test has at least one item. Leave k out for {n_items}.")
    if average not in ("population", "typical"):
        raise ModelError(
            f"average={average!r}; it is 'population' (averaged over persons) or 'typical' (the "
            "median person)."
        )
    contrasts = treatment_contrasts(fit)
    contrasts = contrasts_at(
        contrasts, fit.model.responses, str(fit.model.roles.treatment), newdata
    )
    found = card_draws(fit, name, contrasts, k, sd, average)
    tables = {
        contrast.label: _frame(rows, average_over_population(fit, name, own), fit, k)
        for contrast, own, rows in zip(contrasts, found.weights, found.rows, strict=True)
    }
    frame = pd.concat(tables, names=["contrast"])
    items = pd.DataFrame(
        {
            "share": [s.share for s in found.samples],
            "df": [s.df for s in found.samples],
            "sd": [s.sd for s in found.samples],
            "features": [s.features for s in found.samples],
        },
        index=pd.Index([c.label for c in contrasts], name="contrast"),
    )
    noun = fit.model.noun
    notes = card_notes(
        fit, name, contrasts, found.weights, found.samples, found.unit, sd, average, found.missing
    )
    return EffectCard(frame, items, average, noun, notes, fit)


@dataclass(frozen=True, slots=True)
class CardDraws:
    """What a card summarises: for each contrast, draws and an estimate by (target, scale)."""

    rows: list[Rows]
    weights: list[ItemWeights]
    samples: list[ItemSample]
    unit: np.ndarray  # (draw,) SD of ability, logits
    missing: str | None  # why there are no probabilities and score points


def card_draws(
    fit: Fit,
    name: str,
    contrasts: Sequence[Contrast],
    k: int,
    sd: AbilitySD,
    average: Average,
) -> CardDraws:
    """Draws of all targets on all scales."""
    draws = parameter_draws(fit)
    unit = ability_sd(fit, draws, sd)
    missing = why_not(fit, name)
    expected = [] if missing else draws_of(fit, name)
    weights = [changes_by_item(fit, name, contrast) for contrast in contrasts]
    samples = [item_sample(fit, name, w) for w in weights]
    rows = []
    for contrast, own, sample in zip(contrasts, weights, samples, strict=True):
        rows.append(_logit_rows(fit, name, own, draws, unit, k, sample))
        if expected:
            rows[-1] |= answer_rows(fit, name, contrast, own, expected, k, sample, average)
    return CardDraws(rows, weights, samples, unit, missing)


def _logit_rows(
    fit: Fit,
    name: str,
    weights: ItemWeights,
    draws: ParameterDraws,
    unit: np.ndarray,
    k: int,
    sample: ItemSample,
) -> Rows:
    """In logits and in SDs of ability."""
    in_logits, on_ability = target_rows(fit, name, weights, draws, k, sample)
    rows: Rows = {}
    for target, row in in_logits.items():
        # a new item and a new test are expected to be as the population is
        one = on_ability[target if target.startswith("these") else "item population"]
        in_sds = np.median(one.values / unit) if fit.sampled else row.middle / np.median(unit)
        own = on_ability[target]
        rows[target, "logits"] = row
        rows[target, "SDs of ability"] = Row(own.values / unit, float(in_sds), own.sd / unit)
    return rows


def _summary(row: Row) -> dict[str, float]:
    """Estimate, interval and probability of a plus."""
    lower, upper = mixture_interval(row.values, row.sd)
    return {
        "estimate": row.middle,
        "lower": lower,
        "upper": upper,
        "p_positive": mixture_positive(row.values, row.sd),
    }


def _frame(rows: Rows, exact: dict[str, float], fit: Fit, k: int) -> pd.DataFrame:
    """Targets in order, and within each the scales.

    `exact` is the population's interval in logits, which needs no draws.
    """
    targets = list(dict.fromkeys(target for target, _ in rows))
    found = {key: _summary(rows[key]) for target in targets for key in rows if key[0] == target}
    own = found["item population", "logits"]
    own |= {column: exact[column] for column in ("lower", "upper", "p_positive")}
    if not fit.sampled:
        _no_better(found, k)
    frame = pd.DataFrame(list(found.values()))
    frame.index = pd.MultiIndex.from_tuples(list(found), names=["target", "scale"])
    return frame


def _no_better(found: dict[tuple[str, str], dict[str, float]], k: int) -> None:
    """Keep Monte Carlo error from making what is new better known than the population, in place.

    What is new has the population's effect as its mean, given every draw.
    """
    for (target, scale), row in found.items():
        if not target.startswith(("one new", "a new")):
            continue
        size = 1.0 / k if scale == "score points" and target == "one new item" else 1.0
        population = found["item population", scale]
        row["lower"] = min(row["lower"], size * population["lower"])
        row["upper"] = max(row["upper"], size * population["upper"])
