"""Effects on kinds of items, such as near and far transfer: means over each, and differences."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.estimands.distribution import (
    AS_GOOD_AS_NORMAL,
    Distribution,
    NormalDistribution,
    SampledDistribution,
    linear,
)
from ilhte_bayes.estimands.item_sample import effect_variance, few_treated
from ilhte_bayes.estimands.items import (
    ItemWeights,
    beyond_the_edge,
    changes_by_item,
    effects_at_zero,
    effects_distribution,
    treatment_contrasts,
)
from ilhte_bayes.estimands.parameters import mean_discrimination, parameters_at
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit, require_group

POPULATION = "all such items"
_ROUNDING = 1e-9  # means that the model makes equal agree to this
_TINY = 1e-300


def subscale_effects(fit: Fit, by: str | Mapping) -> Result:
    """Mean effect on the items of each subscale, and differences between subscales.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment and item roles, by any engine.
    by : str or mapping
        Column of the model that says to which subscale an item belongs, the same in all answers to
        it; or a mapping item -> subscale, `{"q1": "near", "q2": "far"}`, for one the model does
        not have.

    Returns
    -------
    Result
        Index (contrast of arms, with more than two; target; `by` or subscale); `items`, how many,
        `estimate`, `se`, `lower`, `upper` (95 %, logits), `p_positive`. Targets: these items (the mean
        of their own effects, estimated jointly), and all such items: the population that these are
        a sample of, what the fixed part of the model says. "near - far" is a difference.

    Raises
    ------
    DataError
        If an item is missing in `by`, has several values, or all have the same.
    ModelError
        If the treatment or item column is not known.

    Notes
    -----
    With d the items' effects and A their means by subscale: A d, with the covariance of all items'
    effects, given the parameters and by them. Items of one test share the uncertainty of the
    average effect, which differences between subscales are free of.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", item_features="reverse"))
    >>> il.subscale_effects(fit, "reverse").frame.loc["these items"].index.tolist()
    ['0', '1', '1 - 0']
    """
    name = require_group(fit, "item")
    kinds = _kinds(fit, name, by)
    matrix, labels, counts = _means(kinds)
    index = pd.Index(labels, name=by if isinstance(by, str) else "subscale")
    contrasts = treatment_contrasts(fit)
    weights = [changes_by_item(fit, name, c) for c in contrasts]
    pieces = {}
    for contrast, own in zip(contrasts, weights, strict=True):
        targets = {
            "these items": linear(effects_distribution(fit, name, own), matrix),
            POPULATION: _population(fit, name, own, matrix),
        }
        pieces[contrast.label] = pd.concat(
            {target: _rows(found, index, counts) for target, found in targets.items()},
            names=["target"],
        )
        if effects_at_zero(fit, name, own):
            pieces[contrast.label].loc["these items", ["lower", "upper", "p_positive"]] = np.nan
    frame = (
        pd.concat(pieces, names=["contrast"]) if len(pieces) > 1 else next(iter(pieces.values()))
    )
    noun = fit.model.noun
    title = f"Mean {noun}s on kinds of items (logits), 95 % intervals"
    return Result(
        frame, title, _notes(fit, name, weights, matrix, len(set(kinds)), noun), topic="items"
    )


def _kinds(fit: Fit, name: str, by: str | Mapping) -> list[str]:
    """Subscale of every item."""
    model = fit.model
    group, patterns = model.design.group(name), model.responses.patterns
    if isinstance(by, str):
        if by not in patterns:
            raise DataError(
                f"{by!r} is not in the formula; its covariates are "
                f"{listed(list(map(str, patterns.columns)), 10)}. Give a mapping of items: "
                f"by=dict(zip(table[{name!r}], table[{by!r}]))."
            )
        pairs = pd.DataFrame(
            {"item": group.level, "kind": patterns[by].to_numpy()[model.design.pattern]}
        ).drop_duplicates()
        if pairs["item"].duplicated().any():
            item = group.labels[pairs["item"][pairs["item"].duplicated()].iloc[0]]
            raise DataError(
                f"{by!r} has several values in answers to one item, first {item!r}. Subscales are "
                "of items: name a column that is the same in all answers to an item."
            )
        values = pairs.set_index("item")["kind"].sort_index()
        kinds = [_name(fit, by, value) for value in values]
    else:
        known = {str(item): str(kind) for item, kind in by.items()}
        if missing := [item for item in group.labels if str(item) not in known]:
            raise DataError(
                f"by has no subscale for {name} {listed(missing, 6)}. Give one for every item."
            )
        kinds = [known[str(item)] for item in group.labels]
    if len(set(kinds)) < 2:
        raise DataError(
            f"all items belong to {kinds[0]!r}, so there is nothing to compare. Give by with two "
            "subscales or more."
        )
    return kinds


def _name(fit: Fit, column: str, value: object) -> str:
    """A value as the table has it."""
    named = [c.levels for c in fit.model.responses.codings if c.column == column]
    if isinstance(value, float | np.floating):
        return named[0][int(value)] if named else f"{value:g}"
    return str(value)


def _means(kinds: list[str]) -> tuple[np.ndarray, list[str], list[int | None]]:
    """(row, item) weights of means and of their differences, names, and numbers of items."""
    of_kind = np.array(kinds)
    labels = list(dict.fromkeys(sorted(kinds)))
    means = {label: (of_kind == label) / (of_kind == label).sum() for label in labels}
    counts: list[int | None] = [int((of_kind == label).sum()) for label in labels]
    rows = list(means.values())
    for first, second in combinations(labels, 2):
        rows.append(means[second] - means[first])
    names = [*labels, *(f"{b} - {a}" for a, b in combinations(labels, 2))]
    return np.stack(rows), names, counts + [None] * (len(rows) - len(labels))


def _population(fit: Fit, name: str, own: ItemWeights, matrix: np.ndarray) -> Distribution:
    """Means over all items of each kind: fixed effects, times the mean discrimination.

    By maximum likelihood with intervals of t, on the items or on the few clusters that were treated.
    """
    weights = matrix @ own.fixed
    if fit.sampled:
        times = np.reshape(mean_discrimination(fit), (-1, 1))
        return SampledDistribution(flat(fit.tree, "beta") @ weights.T * times)
    beta, covariance = fit.mode["beta"].to_numpy(), fit.mode["beta_cov"].to_numpy()
    found = NormalDistribution(weights @ beta, weights @ covariance @ weights.T)
    shared, df = found.sd, np.full(found.mean.size, np.inf)
    if fit.objective == "ml":
        left, of_items = _of_items(fit, name, own, weights)
        with np.errstate(divide="ignore"):  # Satterthwaite's rule
            df = left / np.minimum(of_items / np.maximum(shared, _TINY), 1.0) ** 4
    if units := few_treated(fit):  # each row by what limits it more
        of_clusters = weights * units.constant
        variance = np.einsum("rp,pq,rq->r", of_clusters, covariance, of_clusters)
        fewer = (variance > _ROUNDING * shared**2) & (units.df < df)
        shared, df = np.where(fewer, np.sqrt(variance), shared), np.where(fewer, units.df, df)
    return replace(found, shared=shared, few=np.where(df < AS_GOOD_AS_NORMAL, df, np.inf))


def _of_items(
    fit: Fit, name: str, own: ItemWeights, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """Items less the columns that tell them apart; (row,) SD of the error that items make."""
    columns = own.fixed
    left = float(max(len(columns) - np.linalg.matrix_rank(columns), 1))
    at = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
    spread = float(effect_variance(at, name, own)[0])
    inverse = np.linalg.pinv(columns.T @ columns)
    return left, np.sqrt(spread * np.einsum("rp,pq,rq->r", weights, inverse, weights))


def _rows(found: Distribution, index: pd.Index, counts: list[int | None]) -> pd.DataFrame:
    """Estimates; nothing is said of a difference that the model has at 0."""
    lower, upper = found.interval()
    frame = pd.DataFrame(
        {
            "items": ["" if n is None else str(n) for n in counts],
            "estimate": found.mean,
            "se": found.sd,
            "lower": lower,
            "upper": upper,
            "p_positive": found.positive(),
        },
        index=index,
    )
    numbers = ["estimate", "se"]
    none = (frame[numbers].abs() < _ROUNDING).all(axis=1)
    frame.loc[none, numbers] = 0.0
    frame.loc[none, ["lower", "upper", "p_positive"]] = np.nan
    return frame


def _notes(
    fit: Fit, name: str, weights: list[ItemWeights], matrix: np.ndarray, kinds: int, noun: str
) -> tuple[str, ...]:
    notes = [
        "These items: the mean of their own effects. All such items: the population they are a "
        "sample of, as the fixed part of the model has it.",
    ]
    apart = [np.ptp((matrix[:kinds] @ own.fixed), axis=0).max(initial=0.0) for own in weights]
    if max(apart) < _ROUNDING:
        notes.append(
            f"The model gives all such items the same mean {noun}, by assumption, and shrinks "
            f"subscales of these items towards each other: write {fit.model.roles.treatment} * "
            "the column of subscales to let them differ."
        )
    if any(effects_at_zero(fit, name, own) for own in weights):
        here, cure = beyond_the_edge(fit)
        notes.append(
            f"The SD of {noun}s over items is estimated at 0: intervals of these items are not "
            f"available by {here}. Use {cure}."
        )
    elif fit.objective == "ml":
        notes.append(
            f"All such items: intervals are those of t, since {len(matrix[0])} items stand for them."
        )
    if fit.objective == "ml":
        notes.append("p positive: one minus a one-sided p-value, no posterior probability.")
    if (pairs := kinds * (kinds - 1) // 2) > 1:
        notes.append(f"{pairs} differences: each interval is its own, not simultaneous.")
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
