"""The same model on the answers that are left, and what it says of those left out."""

from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from ilhte_bayes.checks.left_out import LeftOut
from ilhte_bayes.engines.refit import refit
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.spread_draws import SpreadDraws, spread_draws
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.roots import root_of


def model_of(model: Model, count: np.ndarray) -> Model:
    """The model with other counts of its rows; rows of none, and levels without rows, are gone.

    Priors stay those of the whole table.
    """
    design = model.design
    rows = np.flatnonzero(count)
    small = replace(
        design,
        pattern=design.pattern[rows],
        score=design.score[rows],
        count=count[rows].astype(design.count.dtype),
        groups=tuple(_group_of(group, rows) for group in design.groups),
        n_obs=int(count.sum()),
    )
    out = object.__new__(Model)
    for name in Model.__dataclass_fields__:
        object.__setattr__(out, name, getattr(model, name))
    object.__setattr__(out, "design", small)
    return out


def _group_of(group: Group, rows: np.ndarray) -> Group:
    present, level = np.unique(group.level[rows], return_inverse=True)
    return replace(group, level=level.astype(np.int32), labels=group.labels[present])


def exact_density(fit: Fit, left_out: LeftOut, k: int, *, draws: int, seed: int = 1) -> float:
    """Log predictive density of what was left out, from a fit of the rest.

    Parameters
    ----------
    fit : Fit
        Of all answers.
    left_out : LeftOut
    k : int
        Position of what is left out.
    draws : int
        To average over.
    seed : int
        Of the sampler, and of effects of levels that the rest does not have.
    """
    count = left_out.kept(k)
    rest = refit(fit, model_of(fit.model, count), seed=seed)
    name = left_out.plan.group.name
    values = _with_all_levels(
        spread_draws(rest, name, draws), fit.model.design, np.flatnonzero(count), name, seed
    )
    found = [left_out.log_density(each, only=k)[k] for each in values]
    return float(logsumexp(found) - np.log(len(found)))


def _with_all_levels(
    draws: SpreadDraws, design: Design, rows: np.ndarray, open_group: str, seed: int
) -> SpreadDraws:
    """Give levels that were left out effects drawn from their population."""
    rng = np.random.default_rng(seed)
    effects = {}
    for group in design.groups:
        if group.name == open_group:
            continue
        root = root_of(draws.covariance[group.name])
        noise = rng.standard_normal((len(draws), group.n_levels, group.n_columns))
        out = np.einsum("sij,slj->sli", root, noise)
        out[:, np.unique(group.level[rows])] = draws.effects[group.name]
        effects[group.name] = out
    return replace(draws, effects=effects)
