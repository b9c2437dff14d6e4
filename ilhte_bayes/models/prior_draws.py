"""Parameters and random effects drawn from a model's priors."""

import numpy as np
import xarray as xr

from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.distributions import (
    LKJ,
    Exponential,
    Gamma,
    HalfNormal,
    HalfStudentT,
    Normal,
    Prior,
    StudentT,
)
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import correlated
from ilhte_bayes.models.simulated import thresholds, with_effects
from ilhte_bayes.models.unconstrained import pairs_of

_MOST_TRIES = 10_000  # draws from the prior until thresholds are in order for every answer


def draw_from_prior(model: Model, rng: np.random.Generator) -> xr.Dataset:
    """Draw parameters and all random effects from the model's priors.

    Parameters
    ----------
    model : Model
    rng : numpy.random.Generator

    Returns
    -------
    xr.Dataset
        Named like one posterior draw, in logits: `beta` (term), and for each group g `sd_g`
        (g_column), `corr_g` (g_column, g_column_) if it has correlations, `re_g` (g, g_column).

    Raises
    ------
    ModelError
        If a prior is flat: there is nothing to draw from; or if thresholds drawn from their priors
        are hardly ever in order.

    Notes
    -----
    Thresholds have their priors on the condition that they are in order for every answer: draws in
    which they are not are made again.
    """
    for _ in range(_MOST_TRIES):
        drawn = _draw_once(model, rng)
        if model.design.n_ordered < 2 or _in_order(model.design, drawn):
            return drawn
    raise _out_of_order()


def _out_of_order() -> ModelError:
    return ModelError(
        f"in {_MOST_TRIES:,} draws from the priors, thresholds were never in order for every "
        "answer. Give each threshold a prior around its place, for example priors={'threshold[0|1]': "
        "il.priors.Normal(-1, 0.5)}, and slopes or items' deviations at single thresholds smaller SDs."
    )


def _draw_thresholds(model: Model, rng: np.random.Generator) -> list[float]:
    """Common thresholds, in order."""
    design = model.design
    names = [design.parameter(term) for term in design.terms[: design.n_ordered]]
    own = [model.priors[name] for name in names]
    for _ in range(_MOST_TRIES):
        drawn = [_draw(prior, name, rng) for prior, name in zip(own, names, strict=True)]
        if len(set(own)) == 1:
            return sorted(drawn)  # exchangeable: as if drawn until in order
        if sorted(drawn) == drawn:
            return drawn
    raise _out_of_order()


def _in_order(design: Design, parameters: xr.Dataset) -> bool:
    """Whether every category has a positive probability in every row."""
    return bool((np.diff(thresholds(design, parameters, np.arange(design.n_rows))) > 0).all())


def _draw_once(model: Model, rng: np.random.Generator) -> xr.Dataset:
    """Parameters and effects; items' thresholds may be out of order."""
    design, priors = model.design, model.priors
    values: dict[str, xr.DataArray] = {}
    if design.terms:
        beta = _draw_thresholds(model, rng) if design.n_ordered else []
        slopes = [design.parameter(term) for term in design.terms[design.n_ordered :]]
        beta += [_draw(priors[name], name, rng) for name in slopes]
        values["beta"] = xr.DataArray(beta, {"term": list(design.terms)}, ("term",))
    for group in design.groups:
        name, column = group.name, f"{group.name}_column"
        own = [f"sd_{name}[{c}]" for c in group.columns]
        columns = list(group.columns)
        sd = [_draw(priors[parameter], parameter, rng) for parameter in own]
        values[f"sd_{name}"] = xr.DataArray(sd, {column: columns}, (column,))
        if correlated(group):
            corr = _correlations(group, priors[f"corr_{name}"], rng)
            coords = {column: columns, f"{column}_": columns}
            values[f"corr_{name}"] = xr.DataArray(corr, coords, (column, f"{column}_"))
    return with_effects(design, xr.Dataset(values), rng)


def _draw(prior: Prior, parameter: str, rng: np.random.Generator) -> float:
    """One number from a prior."""
    match prior:
        case Normal():
            return rng.normal(prior.mean, prior.sd)
        case StudentT():
            return prior.mean + prior.sd * rng.standard_t(prior.df)
        case HalfNormal():
            return abs(rng.normal(0.0, prior.sd))
        case HalfStudentT():
            return prior.sd * abs(rng.standard_t(prior.df))
        case Exponential():
            return rng.exponential(prior.mean)
        case Gamma():
            return rng.gamma(prior.shape, 1.0 / prior.rate)
    kind = "Normal(0, 1)" if parameter.startswith("beta") else "HalfNormal(1)"
    raise ModelError(
        f"{parameter} has prior {prior}, from which nothing can be drawn. Give it a proper one: "
        f"model.with_priors({{{parameter!r}: il.priors.{kind}}})."
    )


def _correlations(group: Group, prior: Prior, rng: np.random.Generator) -> np.ndarray:
    """(column, column) correlation matrix, each block from LKJ (flat is LKJ(1)).

    Partial correlations are independent, (1 + r) / 2 beta distributed (Lewandowski, Kurowicka &
    Joe 2009, section 2.4).
    """
    eta = prior.eta if isinstance(prior, LKJ) else 1.0
    root = np.zeros((group.n_columns, group.n_columns))
    left = np.ones(group.n_columns)  # squared length of a row not yet used up
    for size, row, column, place in pairs_of(group):
        shape = eta + (size - 2 - place) / 2
        partial = 2.0 * rng.beta(shape, shape) - 1.0
        root[row, column] = partial * np.sqrt(left[row])
        left[row] *= 1.0 - partial**2
    np.fill_diagonal(root, np.sqrt(left))
    return root @ root.T
