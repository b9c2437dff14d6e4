"""The effect on every item, with its interval, beside the item's easiness."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import normal_interval
from ilhte_bayes.formulas.contrasts import Contrast, arm_contrasts, fixed_change, group_change


@dataclass(frozen=True, repr=False)
class ItemEffects:
    """Effects on the items of a test; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index item (and contrast, with more than two arms); `effect`, `se`, `lower`, `upper`
        (95 %, logits), `easiness`, `difficulty` (logits).
    average : pandas.DataFrame
        Index contrast; the same columns for the average effect over the item population.
    noun : str
        "effect", or "difference" where arms were not randomised.
    notes : tuple of str
        How to read the table.
    """

    frame: pd.DataFrame
    average: pd.DataFrame
    noun: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def __getitem__(self, column: str) -> pd.Series:
        return self.frame[column]

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_item_effects

        return describe_item_effects(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.page import item_effects_html

        return item_effects_html(self)


def item_effects(fit: Fit) -> ItemEffects:
    """Effect of treatment on every item: the average effect plus the item's own deviation.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment and item roles.

    Returns
    -------
    ItemEffects
        In logits. Where the model has interactions of treatment with other variables, each item's
        effect is averaged over the answers to that item. Standard errors hold the uncertainty of
        fixed effects, deviations and variance parameters, and their correlation.

    Raises
    ------
    ModelError
        If the treatment or item column is not known, or the formula lacks it.

    Notes
    -----
    With u the item's deviations, d their weights and c those of the fixed effects, the variance is
    d' Var(u | psi) d + g' Cov(psi) g with g = c + (du/dpsi)' d: glmmTMB's joint precision.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]))
    >>> effects = il.item_effects(fit)
    >>> effects.to_frame().shape
    (10, 6)
    """
    model = fit.model
    treatment = model.roles.treatment
    if treatment is None:
        raise ModelError(
            "which column is the treatment is not known. Say roles={'treatment': ...} when "
            "building the model."
        )
    name = require_group(fit, "item")
    contrasts = arm_contrasts(model.responses.patterns, treatment)
    pieces, averages, constant = [], [], True
    for contrast in contrasts:
        fixed, random, same = _changes_by_item(fit, name, treatment, contrast)
        constant = constant and same
        pieces.append(_effects(fit, name, fixed, random))
        averages.append(_average(fit, fixed))
    several = len(contrasts) > 1
    labels = [contrast.label for contrast in contrasts]
    frame = pd.concat(pieces, keys=labels, names=["contrast"]) if several else pieces[0]
    average = pd.DataFrame(averages, index=pd.Index(labels, name="contrast"))
    noun = model.assignment.noun if model.assignment else "effect"
    return ItemEffects(frame, average, noun, _notes(fit, name, random, constant))


def _changes_by_item(
    fit: Fit, name: str, treatment: str, contrast: Contrast
) -> tuple[np.ndarray, np.ndarray, bool]:
    """(item, term) and (item, column) weights: changes averaged over the answers to each item.

    The last tells whether the fixed change is the same for all answers.
    """
    model = fit.model
    design, patterns = model.design, model.responses.patterns
    group = design.group(name)
    answers = np.repeat(design.pattern, design.count)
    fixed = fixed_change(model.formula, patterns, answers, treatment, contrast, design.terms)
    random = group_change(model.formula, patterns, answers, treatment, contrast, group)
    weight = np.zeros((group.n_levels, len(patterns)))
    np.add.at(weight, (group.level, design.pattern), design.count)
    weight /= weight.sum(axis=1, keepdims=True)
    return weight @ fixed, weight @ random, bool(np.ptp(fixed, axis=0).max(initial=0.0) == 0)


def _effects(fit: Fit, name: str, fixed: np.ndarray, random: np.ndarray) -> pd.DataFrame:
    mode = fit.mode
    beta, modes = mode["beta"].to_numpy(), mode[f"re_{name}"].to_numpy()
    given = mode[f"re_{name}_cov"].to_numpy()
    by_psi = mode[f"re_{name}_by_psi"].to_numpy()
    effect = fixed @ beta + np.einsum("ic,ic->i", random, modes)
    slope = np.einsum("pic,ic->ip", by_psi, random)
    slope[:, : beta.size] += fixed
    variance = np.einsum("ic,icd,id->i", random, given, random)
    variance += np.einsum("ip,pq,iq->i", slope, mode["psi_cov"].to_numpy(), slope)
    se = np.sqrt(variance)
    if _at_zero(fit, name, random):
        lower = upper = np.full(effect.size, np.nan)
    else:
        lower, upper = normal_interval(effect, se)
    columns = list(mode[f"{name}_column"].to_numpy())
    easiness = (
        modes[:, columns.index("Intercept")]
        if "Intercept" in columns
        else np.full(effect.size, np.nan)
    )
    return pd.DataFrame(
        {
            "effect": effect,
            "se": se,
            "lower": lower,
            "upper": upper,
            "easiness": easiness,
            "difficulty": -easiness,
        },
        index=pd.Index(mode[name].to_numpy(), name=name),
    )


def _average(fit: Fit, fixed: np.ndarray) -> dict[str, float]:
    """Average effect over the item population: fixed effects only."""
    weight = fixed.mean(axis=0)
    effect = float(weight @ fit.mode["beta"].to_numpy())
    se = float(np.sqrt(weight @ fit.mode["beta_cov"].to_numpy() @ weight))
    lower, upper = normal_interval(np.array(effect), np.array(se))
    return {"effect": effect, "se": se, "lower": float(lower), "upper": float(upper)}


def _at_zero(fit: Fit, name: str, random: np.ndarray) -> bool:
    """Whether every SD that lets effects differ between items is estimated at 0."""
    sd = fit.mode[f"sd_{name}"].to_numpy()
    moving = np.any(random != 0, axis=0)
    return bool(moving.any() and np.all(sd[moving] == 0.0))


def _notes(fit: Fit, name: str, random: np.ndarray, constant: bool) -> tuple[str, ...]:
    noun = fit.model.assignment.noun if fit.model.assignment else "effect"
    notes = []
    if not np.any(random):
        notes.append(
            f"The model gives every item the same {noun}, by assumption: write "
            f"({fit.model.roles.treatment} | {name}) to let them differ."
        )
    elif _at_zero(fit, name, random):
        notes.append(
            f"The {noun}s are equal by estimate, not by evidence: their SD over items is "
            "estimated at 0, and intervals for single items are not available by ML. "
            "Use objective='map' or NUTS."
        )
    if not constant:
        notes.append(
            f"The model lets the {noun} vary with other variables: each item's is averaged over "
            "the answers to that item, as they are in the table."
        )
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
