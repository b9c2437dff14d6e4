"""The effect card: one treatment effect, four questions it can answer."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.ability import WORDS, AbilitySD, ability_sd
from ilhte_bayes.estimands.distribution import (
    SEED,
    Distribution,
    NormalDistribution,
    SampledDistribution,
)
from ilhte_bayes.estimands.items import (
    ItemWeights,
    beyond_the_edge,
    changes_by_item,
    effects_at_zero,
    effects_before_loading,
    effects_distribution,
    treatment_contrasts,
)
from ilhte_bayes.estimands.parameters import ParameterDraws, mean_discrimination, parameter_draws
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit, require_group

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


@dataclass(frozen=True, repr=False)
class EffectCard:
    """Effects on four targets, in logits and in SDs of ability; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (contrast, target, scale); `estimate`, `lower`, `upper` (95 %), `p_positive`.
    noun : str
        "effect", or "difference" where arms were not randomised.
    notes : tuple of str
        What the SD is, and how to read the card.
    """

    frame: pd.DataFrame
    noun: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.tables import to_latex

        return to_latex(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_card

        return describe_card(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.page import card_html

        return card_html(self)


def effect_card(fit: Fit, *, k: int | None = None, sd: AbilitySD = "within_arm") -> EffectCard:
    """Treatment effect on these items, on the item population, on a new item, on a new test.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment, person and item roles.
    k : int, optional
        Items of the new test; as many as were asked, by default.
    sd : {"within_arm", "residual", "control", "within_cluster"}
        Denominator of the standardised effect, named under the card.

    Returns
    -------
    EffectCard
        Intervals of the first two targets are confidence or credible intervals; those of a new
        item and of a new test also hold the spread of effects between items.

    Notes
    -----
    With zeta_i the items' deviations and sigma their SD: beta + mean(zeta_i) over these items;
    beta; beta + N(0, sigma^2); beta + N(0, sigma^2 / k). Where discriminations multiply the effect
    (`discrimination="loaded"`) these are effects on ability, which the column in SDs holds; the
    logits are those of the items: mean(a_i (beta + zeta_i)); E(a) beta; a (beta + zeta); the mean
    of k of these, with a log-normal.

    References
    ----------
    Gilbert, Himmelsbach, Soland & Domingue (2025), J. Policy Anal. Manag. 44(4), 1417-1449.
    """
    name = require_group(fit, "item")
    n_items = fit.model.design.group(name).n_levels
    k = n_items if k is None else k
    if k < 1:
        raise ModelError(f"k={k}: a new test has at least one item. Leave k out for {n_items}.")
    draws = parameter_draws(fit)
    unit = ability_sd(fit, draws, sd)
    pieces, weights = {}, []
    for contrast in treatment_contrasts(fit):
        weights.append(changes_by_item(fit, name, contrast))
        pieces[contrast.label] = _card_of(fit, name, weights[-1], draws, unit, k)
    frame = pd.concat(pieces, names=["contrast"])
    noun = fit.model.assignment.noun if fit.model.assignment else "effect"
    return EffectCard(frame, noun, _notes(fit, name, weights, unit, sd, noun))


def _card_of(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, unit: np.ndarray, k: int
) -> pd.DataFrame:
    in_logits, on_ability = _targets(fit, name, weights, draws, k)
    centre = _centre(fit, name, weights)
    in_sds = float(np.median(on_ability["item population"] / unit))  # of a new item or test too
    rows = {}
    for target, values in in_logits.items():
        own = target.startswith("these")
        rows[target, "logits"] = _row(values, centre[0] if own else centre[1])
        rows[target, "SDs of ability"] = _row(on_ability[target] / unit, None if own else in_sds)
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["target", "scale"])
    return frame


def _targets(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draws of the effect on each target: in logits of the answers, and on ability.

    They differ only where discriminations multiply the effect.
    """
    rng = np.random.default_rng(SEED + 1)
    average, random = weights.fixed.mean(axis=0), weights.random.mean(axis=0)
    population = draws.beta @ average
    variance = np.einsum("dij,i,j->d", draws.covariance[name], random, random)
    spread = np.sqrt(np.maximum(variance, 0.0))
    these, new, test = f"these {len(weights.fixed)} items", "one new item", f"a new {k}-item test"
    if fit.model.discrimination != "loaded":
        out = {
            these: _mean_over_items(fit, name, weights, draws),
            "item population": population,
            new: population + spread * rng.standard_normal(population.size),
            test: population + spread / np.sqrt(k) * rng.standard_normal(population.size),
        }
        return out, out
    logits = {
        these: _mean_over_items(fit, name, weights, draws),
        "item population": population * mean_discrimination(fit),
    }
    ability = {
        these: effects_before_loading(fit, name, weights).mean(axis=1),
        "item population": population,
    }
    sd = flat(fit.tree, "sd_discrimination")
    for target, items in ((new, 1), (test, k)):
        logits[target], ability[target] = np.zeros(population.size), np.zeros(population.size)
        for _ in range(items):
            effect = population + spread * rng.standard_normal(population.size)
            ability[target] += effect / items
            logits[target] += np.exp(sd * rng.standard_normal(population.size)) * effect / items
    return logits, ability


def _row(values: np.ndarray, middle: float | None) -> dict[str, float]:
    """Estimate (the fit's own, or the median of draws), interval and probability of a plus."""
    distribution: Distribution = SampledDistribution(values[:, None])
    lower, upper = distribution.interval()
    return {
        "estimate": float(np.median(values)) if middle is None else middle,
        "lower": float(lower[0]),
        "upper": float(upper[0]),
        "p_positive": float(distribution.positive()[0]),
    }


def _centre(fit: Fit, name: str, weights: ItemWeights) -> tuple[float, float]:
    """The fit's own estimates of the first two targets."""
    these = float(effects_distribution(fit, name, weights).mean.mean())
    if fit.model.discrimination == "loaded":
        population = flat(fit.tree, "beta") @ weights.fixed.mean(axis=0) * mean_discrimination(fit)
        return these, float(population.mean())
    beta = fit.coefficients["estimate"].to_numpy()
    return these, float(weights.fixed.mean(axis=0) @ beta)


def _mean_over_items(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws
) -> np.ndarray:
    """Draws of the mean effect over these items, along with the parameters' draws."""
    distribution = effects_distribution(fit, name, weights)
    if fit.sampled:
        return np.asarray(distribution.draws().mean(axis=1))
    assert isinstance(distribution, NormalDistribution)
    assert draws.moved is not None
    by_psi = fit.mode[f"re_{name}_by_psi"].to_numpy()
    slope = np.einsum("pic,ic->ip", by_psi, weights.random).mean(axis=0)
    slope[: weights.fixed.shape[1]] += weights.fixed.mean(axis=0)
    total = float(np.mean(distribution.covariance))
    given = max(total - float(slope @ fit.mode["psi_cov"].to_numpy() @ slope), 0.0)
    noise = np.random.default_rng(SEED + 2).standard_normal(len(draws.moved))
    return np.asarray(distribution.mean.mean() + draws.moved @ slope + np.sqrt(given) * noise)


def _notes(
    fit: Fit,
    name: str,
    weights: list[ItemWeights],
    unit: np.ndarray,
    sd: AbilitySD,
    noun: str,
) -> tuple[str, ...]:
    low, high = np.quantile(unit, [0.025, 0.975])
    notes = [
        f"One SD of ability is {np.median(unit):.2f} logits [{low:.2f}, {high:.2f}]: {WORDS[sd]}."
    ]
    if fit.model.design.group(require_group(fit, "person")).split and sd != "control":
        notes.append("Arms have SDs of ability of their own: their variances are averaged.")
    if fit.model.discrimination is not None:
        notes.append(_LOADING[fit.model.discrimination].format(noun=noun))
    if any(effects_at_zero(fit, name, w) for w in weights):
        notes.append(
            f"The SD of {noun}s over items is estimated at 0, so the intervals of a new item and "
            f"of a new test leave it out: they are too narrow. Use {beyond_the_edge(fit)[1]}."
        )
    elif not any(np.any(w.random) for w in weights):
        notes.append(
            f"The model gives every item the same {noun}, by assumption: the four targets agree."
        )
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
