"""Thresholds of every item: the common ones, and around them its own where it has any."""

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.draw_tables import flat, summary
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.design import Group


def thresholds_by_item(
    items: Group, n_cuts: int, beta: np.ndarray, effects: np.ndarray
) -> np.ndarray:
    """Thresholds kappa_k + delta_ik in logits, (..., item, cut); one of 0 for binary answers.

    Parameters
    ----------
    items : Group
        Of the design.
    n_cuts : int
    beta : (..., term) array
        Thresholds first.
    effects : (..., item, column) array
        Of these items, or of others of their kind.
    """
    if not n_cuts:
        return np.zeros((*effects.shape[:-1], 1))
    common = np.broadcast_to(beta[..., None, :n_cuts], (*effects.shape[:-1], n_cuts))
    if items.cut_z is None:
        return np.asarray(common)
    return np.asarray(common - effects @ items.cut_z.T)


def item_thresholds(fit: Fit) -> Result:
    """Thresholds of every item, in logits.

    Parameters
    ----------
    fit : Fit
        Of ordinal answers, with an item role. With `thresholds="common"` all items have the same.

    Returns
    -------
    Result
        Index (item, threshold); estimate (median over draws), se (their SD), lower, upper (95 %)
        of kappa_k + delta_ik. The item's easiness is not in them: sum_k delta_ik = 0, and an item
        is as easy as `item_effects(fit)["easiness"]` says.

    Raises
    ------
    ModelError
        If the answers are not ordinal, or the item column is not known.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("rating ~ temp + contact + (1 | judge)", il.load_dataset("wine"),
    ...     family="cumulative", roles={"item": "judge"})
    >>> found = il.item_thresholds(il.laplace(model))
    >>> found.frame.loc[1, "estimate"].round(2).to_dict()
    {'1|2': -1.62, '2|3': 1.54, '3|4': 4.26, '4|5': 6.13}
    """
    design, name = fit.model.design, require_group(fit, "item")
    if not design.n_cuts:
        raise ModelError(
            f"family {fit.model.family.name!r} has no thresholds. Fit family='cumulative'."
        )
    group = design.group(name)
    drawn = thresholds_by_item(
        group, design.n_cuts, flat(fit.draws, "beta"), effect_draws(fit, name)
    )
    table = summary(drawn.reshape(len(drawn), -1)) | {"estimate": np.median(drawn, axis=0).ravel()}
    names = [name, "threshold"]
    index = pd.MultiIndex.from_product([group.labels, design.terms[: design.n_cuts]], names=names)
    return Result(
        pd.DataFrame(table, index=index),
        "Thresholds by item (logits), 95 % intervals",
        ("An item's own thresholds lie around the common ones; its easiness is not in them.",),
        across="threshold",
        topic="items",
    )
