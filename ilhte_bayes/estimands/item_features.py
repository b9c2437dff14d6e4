"""Item features: which kinds of items a treatment moves more, and how much of the spread that is."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ilhte_bayes.engines.refit import refit
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.distribution import AS_GOOD_AS_NORMAL
from ilhte_bayes.estimands.fixed_tests import wald_t
from ilhte_bayes.estimands.functionals import estimates
from ilhte_bayes.estimands.items import (
    ItemWeights,
    beyond_the_edge,
    changes_by_item,
    treatment_contrasts,
)
from ilhte_bayes.estimands.parameters import ParameterDraws, parameter_draws, parameters_at
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.draw_tables import summary
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.contrasts import Contrast, fixed_change
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import Priors

WITHOUT, WITH = "SD of item effects, features left out", "SD of item effects, beside the features"
SHARE, FALL = "share explained, within the model", "fall of the variance, between the models"


@dataclass(frozen=True, slots=True)
class _Features:
    """The features of one contrast of arms."""

    terms: list[int]  # their interactions with the treatment
    by_item: np.ndarray  # (item, term of these) what the arm changes in their columns
    random: np.ndarray  # (column,) how the item's random effects enter its effect


def item_features(fit: Fit, without: Fit | None = None) -> Result:
    """What interactions of the treatment with item features say, and how much they explain.

    Parameters
    ----------
    fit : Fit
        Of a model with `treat * feature` and `(treat | item)`, by any engine.
    without : Fit, optional
        Of the same model without these interactions. A maximised fit's is made here; of a
        posterior give it: `il.sample(model)`.

    Returns
    -------
    Result
        Index (contrast of arms, with more than two; quantity); `estimate`, `se`, `lower`, `upper`
        (95 %). Interactions, in logits: by how much the effect is larger on items with one unit
        more of the feature. The SD of item effects, sigma_zeta in logits, in both models. Two answers
        to what share of its square the features explain:

        - within the model: the variance over these items of what the features predict, over that
          plus the variance that is left. Between 0 and 1 by construction, and above 0 even for
          features that explain nothing.
        - between the models: 1 - variance beside the features / variance without. Negative where
          the estimated variance rises; without an interval, since both come from the same answers.

    Raises
    ------
    ModelError
        If the model has no interaction of the treatment with an item feature, effects do not
        differ by item, or `without` is another model.

    Notes
    -----
    Features are terms whose change from arm to arm is the same in all answers to an item, and
    differs between items. The interval of the share is that of draws, of the posterior or of the
    normal approximation: it is skewed, and a delta method fails at features that explain nothing.

    References
    ----------
    De Boeck & Wilson (2004), Explanatory Item Response Models, ch. 2 and 6. Gilbert, Kim & Miratrix
    (2023), J. Educ. Behav. Stat. 48(6), 889-913.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.il_hte(trial, response="resp >= 2", item_features="reverse")
    >>> il.item_features(il.laplace(model)).frame.index[0]
    'treat:reverse'
    """
    name = require_group(fit, "item")
    contrasts = treatment_contrasts(fit)
    features = {c.label: _features_of(fit, name, c) for c in contrasts}
    terms = sorted({k for own in features.values() for k in own.terms})
    if without is None:
        without = _without(fit, terms)
    _check_pair(fit, without, terms)
    pieces = {label: _table(fit, without, name, own) for label, own in features.items()}
    frame = (
        pd.concat(pieces, names=["contrast"]) if len(pieces) > 1 else next(iter(pieces.values()))
    )
    title = "Item features and the effect (logits; shares of the variance of item effects)"
    return Result(frame, title, _notes(fit, frame, features, name), topic="items")


def _features_of(fit: Fit, name: str, contrast: Contrast) -> _Features:
    """Terms that change with the arm alike in all answers to an item, not alike for all items."""
    model, design = fit.model, fit.model.design
    weights: ItemWeights = changes_by_item(fit, name, contrast)
    change = fixed_change(
        model.formula,
        model.responses.patterns,
        design.pattern_of_answers(),
        str(model.roles.treatment),
        contrast,
        design.terms,
    )[design.pattern]
    group = design.group(name)
    first = np.unique(group.level, return_index=True)[1]
    same = np.isclose(change, change[first][group.level]).all(axis=0)
    differs = np.ptp(weights.fixed, axis=0) > 0
    terms = np.flatnonzero(same & differs).tolist()
    treatment = model.roles.treatment
    if not terms:
        raise ModelError(
            f"no item feature meets the treatment in {model.formula.text!r}. Add one that is the "
            f"same in all answers to an item: {treatment} * feature, or il_hte(..., "
            "item_features='feature'). Of a grouping that is not in the model, "
            "il.subscale_effects(fit, by={item: group}) has the means."
        )
    if not np.any(weights.random):
        raise ModelError(
            f"the effect does not differ between items beside their features: write ({treatment} | "
            f"{name}), without which features seem to explain more surely than they do."
        )
    return _Features(terms, weights.fixed[:, terms], weights.random.mean(axis=0))


def without_terms(model: Model, terms: list[int]) -> Model:
    """The model without some fixed terms; priors of the others stay."""
    design = model.design
    keep = [k for k in range(len(design.terms)) if k not in terms]
    by_cut = design.by_cut
    if by_cut is not None:
        by_cut = replace(by_cut, cut=by_cut.cut[keep], x=np.ascontiguousarray(by_cut.x[:, keep]))
    smaller = replace(
        design,
        terms=tuple(design.terms[k] for k in keep),
        x=np.ascontiguousarray(design.x[:, keep]),
        by_cut=by_cut,
    )
    gone = {design.parameter(design.terms[k]) for k in terms}
    priors = Priors(tuple(entry for entry in model.priors if entry.parameter not in gone))
    return with_parts(model, design=smaller, priors=priors)


def _without(fit: Fit, terms: list[int]) -> Fit:
    """The smaller model by the same engine."""
    if fit.sampled:
        names = [fit.model.design.terms[k] for k in terms]
        raise ModelError(
            f"of a posterior, give the fit without {listed(names)} too: "
            "il.item_features(fit, il.sample(model_without))."
        )
    return refit(fit, without_terms(fit.model, terms))


def _check_pair(fit: Fit, without: Fit, terms: list[int]) -> None:
    """Refuse a second fit that differs by more than the features' interactions."""
    design, other = fit.model.design, without.model.design
    expected = [t for k, t in enumerate(design.terms) if k not in terms]
    same = list(other.terms) == expected and other.n_obs == design.n_obs
    columns = [(g.name, g.columns) for g in design.groups]
    if not same or columns != [(g.name, g.columns) for g in other.groups]:
        raise ModelError(
            f"the second fit is of {without.model.formula.text!r}; it has to be of the same answers "
            f"and terms as the first without {listed([design.terms[k] for k in terms], 6)}. Leave it "
            "out to have it made (maximised fits)."
        )


def _variance(parameters: ParameterDraws, name: str, own: _Features) -> np.ndarray:
    """(draw,) variance of effects between items of equal features."""
    made = np.einsum("dij,i,j->d", parameters.covariance[name], own.random, own.random)
    return np.maximum(made, 0.0)


def _share(parameters: ParameterDraws, name: str, own: _Features) -> np.ndarray:
    """(draw,) share of the variance over these items that the features predict."""
    predicted = (parameters.beta[:, own.terms] @ own.by_item.T).var(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(predicted / (predicted + _variance(parameters, name, own)))


def _interactions(fit: Fit, name: str, own: _Features, terms: list[str]) -> pd.DataFrame:
    """Coefficients; by maximum likelihood with t on the items less their columns.

    Where only a share of a squared standard error comes from the items, Satterthwaite's rule makes
    of these degrees of freedom more, as in `item_sample`.
    """
    table = fit.coefficients.loc[terms]
    if fit.objective != "ml":
        return table
    columns = np.column_stack([np.ones(len(own.by_item)), own.by_item])
    left = len(columns) - np.linalg.matrix_rank(columns)
    if left < 1:
        return table
    at = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
    of_items = float(_variance(at, name, own)[0]) * np.diag(np.linalg.pinv(columns.T @ columns))[1:]
    share = np.minimum(of_items / table["se"] ** 2, 1.0)
    with np.errstate(divide="ignore"):
        df = left / share**2
    df = np.where(df < AS_GOOD_AS_NORMAL, df, np.inf)
    tested = wald_t(table["estimate"], table["se"], pd.Series(df, index=table.index))
    return tested[["estimate", "se", "lower", "upper"]]


def _table(fit: Fit, without: Fit, name: str, own: _Features) -> pd.DataFrame:
    """Interactions, SDs and shares of one contrast."""
    terms = [fit.model.design.terms[k] for k in own.terms]
    rows = [_interactions(fit, name, own, terms)]
    for label, each in ((WITHOUT, without), (WITH, fit)):

        def spread(parameters: ParameterDraws) -> np.ndarray:
            return np.sqrt(_variance(parameters, name, own))[:, None]

        rows.append(estimates(each, spread, ["log"], near_edge=True).set_axis([label]))
    share = pd.DataFrame(summary(_share(parameter_draws(fit), name, own)[:, None]))
    if not fit.sampled:
        at = estimates(fit, lambda p: _share(p, name, own)[:, None], ["identity"])
        share["estimate"] = at["estimate"]
    before, after = (row["estimate"].item() ** 2 for row in rows[1:])
    if after == 0.0:
        share[["se", "lower", "upper"]] = np.nan
    fall = 1.0 - after / before if before > 0 else np.nan
    last = pd.DataFrame({"estimate": [fall]}, index=[FALL])
    frame = pd.concat([*rows, share.set_axis([SHARE]), last])
    return frame[["estimate", "se", "lower", "upper"]].rename_axis("quantity")


def _notes(
    fit: Fit, frame: pd.DataFrame, features: dict[str, _Features], name: str
) -> tuple[str, ...]:
    items = fit.model.design.group(name).n_levels
    table = frame["estimate"]
    falls = table[table.index.get_level_values("quantity") == FALL]
    n = max(len(own.terms) for own in features.values())
    notes = [
        f"Within the model: variance over these {items} items that features predict, over that plus "
        "what is left. It is above 0 even for features that explain nothing "
        f"({n} against {items - 1} differences between items).",
        "Between the models: by how much the variance fell. Both come from the same answers, so it "
        "has no interval here.",
    ]
    spread = table[table.index.get_level_values("quantity") == WITH]
    if fit.objective == "ml" and (spread > 0).all():
        notes.append(
            f"Intervals of interactions are those of t: {items} items, less the columns that describe "
            "them, limit what is known (Satterthwaite's degrees of freedom)."
        )
    if (falls < 0).any():
        notes.append(
            "It is negative: beside the features the variance is estimated as larger. As far as "
            f"{items} items can tell, they explain nothing."
        )
    if falls.isna().any():
        notes.append("It is not defined: without the features the SD is estimated at 0.")
    if (spread == 0).any():
        notes.append(
            "Beside the features the SD is estimated at 0: a share of 1 by estimate, not by "
            f"evidence, and interactions have too narrow intervals. Use {beyond_the_edge(fit)[1]}."
        )
    noun = fit.model.noun
    if noun == "difference":
        notes.append("Arms were not randomised: effects are differences between groups.")
    notes.append("Features were not assigned to items at random: other features may go with them.")
    return tuple(notes)
