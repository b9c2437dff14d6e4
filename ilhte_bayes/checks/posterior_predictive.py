"""Replicated answers in a fit's DataTree, where ArviZ's predictive plots look for them."""

from dataclasses import replace

import numpy as np
import xarray as xr

from ilhte_bayes.checks.replicates import Replicates, Who, replicate
from ilhte_bayes.errors import ModelError, is_whole_number
from ilhte_bayes.fits.fit import Fit

_MOST_CELLS = 400_000_000  # of replicated answers that are kept at once, a byte each
NAME = "answer"


def posterior_predictive(
    fit: Fit, *, persons: Who = "same", draws: int = 200, seed: int = 1
) -> Fit:
    """Add replicated answers to a fit, for ArviZ's plots.

    Parameters
    ----------
    fit : Fit
        By any engine. Of a maximised fit, parameters are drawn from the normal approximation at
        the mode, and abilities given them.
    persons : {"same", "new"}
        Whose answers: those of the persons who answered, with abilities from their posterior; or
        of as many new persons from the same population. Items, clusters and arms stay.
    draws : int
        About how many tables of answers, spread evenly over the chains.
    seed : int

    Returns
    -------
    Fit
        The same fit, whose `tree` has `posterior_predictive` (chain, draw, obs) and `observed_data`
        (obs) with a variable `answer`: the position of the category, 0 to K - 1. Coordinates of
        `obs` say which person, item and pattern of covariates each answer belongs to.

    Raises
    ------
    ModelError
        If the numbers would not fit in memory, or persons="new" and the person is not known.
    NotAvailable
        If items discriminate differently or abilities have a free shape.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> fit = il.posterior_predictive(il.laplace(model, objective="map"), draws=20)
    >>> fit.tree["posterior_predictive"]["answer"].sizes["obs"]
    220
    """
    if is_whole_number(draws, 1) and draws * fit.n_obs > _MOST_CELLS:
        most = max(1, _MOST_CELLS // fit.n_obs)
        raise ModelError(
            f"draws={draws} tables of {fit.n_obs:,} answers are more than is kept in memory at once. "
            f"Use draws={most}."
        )
    found = replicate(fit, persons=persons, draws=draws, seed=seed)
    coords = _coordinates(fit, found)
    answers = np.stack([_one_by_one(table, found.total) for table in found.tables()])
    shaped = answers.reshape(found.chains, -1, answers.shape[1])
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    groups["posterior_predictive"] = xr.Dataset(
        {NAME: (("chain", "draw", "obs"), shaped)},
        coords={**coords, "chain": range(found.chains), "draw": range(shaped.shape[1])},
        attrs={"persons": persons, "seed": seed},
    )
    own = xr.Dataset({NAME: (("obs",), _one_by_one(found.observed, found.total))}, coords=coords)
    groups["observed_data"] = own  # ArviZ looks for each of its variables among the replicated ones
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(fit.tree.attrs)
    return replace(fit, tree=tree)


def _one_by_one(counts: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(answer,) category of each answer, those of one question in rising order."""
    if total.max(initial=1) == 1:
        return counts.argmax(axis=1).astype(np.int8)
    category = np.tile(np.arange(counts.shape[1], dtype=np.int8), len(counts))
    return np.repeat(category, counts.ravel())


def _coordinates(fit: Fit, found: Replicates) -> dict[str, tuple[tuple[str], np.ndarray]]:
    """Labels of the answers: level of each group, pattern of covariates."""
    design = fit.model.design
    row = np.repeat(found.row, found.total)
    named = {
        f"obs_{group.name.replace(':', '_')}": (("obs",), group.labels[group.level[row]])
        for group in design.groups
    }
    return {**named, "obs_pattern": (("obs",), design.pattern[row])}
