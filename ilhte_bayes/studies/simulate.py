"""Simulate: parameters from a model's priors, and answers from parameters, on the model's design.

The design (persons, items, arms, covariates, who answered what) stays; only scores are new.
Nothing is refused: items that everyone solves stay in, as they would have to for calibration.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.formulas.logits import columns_of_categories
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import (
    LKJ,
    Exponential,
    Gamma,
    HalfNormal,
    HalfStudentT,
    Normal,
    Prior,
    StudentT,
    correlated,
)
from ilhte_bayes.models.unconstrained import pairs_of

_MOST_TRIES = 10_000  # draws from the prior until thresholds are in order for every answer


class Simulated(NamedTuple):
    """Answers, and the parameters and random effects they came from."""

    truth: xr.Dataset
    model: Model


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
        "il.Normal(-1, 0.5)}, and slopes or items' deviations at single thresholds smaller SDs."
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
    return _with_effects(design, xr.Dataset(values), rng)


def simulate_answers(
    model: Model, parameters: xr.Dataset | Mapping[str, np.ndarray], rng: np.random.Generator
) -> Simulated:
    """Draw new answers to the same questions by the same persons.

    Parameters
    ----------
    model : Model
        Its design is kept, and its priors, even where defaults were made for other answers.
    parameters : xr.Dataset or mapping
        Named like one posterior draw (see `draw_from_prior`), such as
        `fit.draws["posterior"].isel(chain=0, draw=0)`. Random effects `re_g` that are missing are
        drawn anew from their SDs and correlations.
    rng : numpy.random.Generator

    Returns
    -------
    Simulated
        `truth`, the parameters with all random effects; `model`, with the new answers.

    Raises
    ------
    ModelError
        If a parameter is missing, or has another shape than the model's.
    """
    require_plain(model, "simulate")
    design = model.design
    truth = _with_effects(design, _named(design, parameters), rng)
    first, total = _questions(design)
    eta = linear_predictor(design, truth)[first]
    counts = model.family.draw(eta, thresholds(design, truth, first), total, rng)
    rows = np.repeat(first, counts.shape[1])
    score = np.tile(np.arange(counts.shape[1], dtype=design.score.dtype), first.size)
    count = counts.ravel().astype(design.count.dtype)
    given = count > 0
    return Simulated(truth, _with_answers(model, rows[given], score[given], count[given]))


def linear_predictor(
    design: Design, parameters: xr.Dataset | Mapping[str, np.ndarray]
) -> np.ndarray:
    """(row,) logits of each row of a design, for one set of parameters with all random effects.

    Of nominal answers (row, category - 1).
    """
    if design.logit is not None:
        return np.column_stack(
            [_one_predictor(design, x, z, parameters) for x, z in columns_of_categories(design)]
        )
    return _one_predictor(design, design.x, [group.z for group in design.groups], parameters)


def _one_predictor(
    design: Design,
    x: np.ndarray,
    z: list[np.ndarray],
    parameters: xr.Dataset | Mapping[str, np.ndarray],
) -> np.ndarray:
    eta = np.zeros(design.n_rows)
    if design.terms:
        eta += (x @ np.asarray(parameters["beta"]))[design.pattern]
    for group, own in zip(design.groups, z, strict=True):
        effects = np.asarray(parameters[f"re_{group.name}"])
        eta += np.einsum("rk,rk->r", own[design.pattern], effects[group.level])
    return eta


def thresholds(
    design: Design, parameters: xr.Dataset | Mapping[str, np.ndarray], rows: np.ndarray
) -> np.ndarray:
    """(row, cut) thresholds of an ordinal response at some rows, in logits; none otherwise."""
    if design.by_cut is None:
        return np.zeros((rows.size, 0))
    pattern, n_cuts = design.pattern[rows], design.n_cuts
    out = np.empty((rows.size, n_cuts))
    for k in range(n_cuts):
        own = np.flatnonzero(design.by_cut.cut == k)
        out[:, k] = -design.by_cut.x[pattern][:, own] @ np.asarray(parameters["beta"])[own]
        for group in design.groups:
            if group.cut_z is not None:
                effects = np.asarray(parameters[f"re_{group.name}"])[group.level[rows]]
                out[:, k] -= effects @ group.cut_z[k]
    return out


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
        f"model.with_priors({{{parameter!r}: il.{kind}}})."
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


def _with_effects(design: Design, parameters: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Add the random effects that are missing, drawn given SDs and correlations."""
    for group in design.groups:
        name = group.name
        if f"re_{name}" in parameters:
            continue
        standard = rng.normal(size=(group.n_levels, group.n_columns))
        if correlated(group):
            # a root by eigenvalues exists at correlations of +-1 too
            value, vector = np.linalg.eigh(parameters[f"corr_{name}"].to_numpy())
            standard = standard @ (vector * np.sqrt(np.maximum(value, 0.0))).T
        effects = standard * parameters[f"sd_{name}"].to_numpy()
        coords = {name: list(group.labels), f"{name}_column": list(group.columns)}
        parameters = parameters.assign(
            {f"re_{name}": xr.DataArray(effects, coords, (name, f"{name}_column"))}
        )
    return parameters


def _named(design: Design, parameters: xr.Dataset | Mapping[str, np.ndarray]) -> xr.Dataset:
    """Parameters with names, dims and shapes as the design has them."""
    wanted = _shapes(design)
    found: dict[str, xr.DataArray] = {}
    for name, (dims, coords, optional) in wanted.items():
        if name not in parameters:
            if optional:
                continue
            raise ModelError(
                f"parameter {name!r} is missing; answers are simulated from "
                f"{listed([n for n, (*_, extra) in wanted.items() if not extra], 12)}. Add it."
            )
        given = parameters[name]
        values = given.transpose(*dims).to_numpy() if isinstance(given, xr.DataArray) else given
        shape = tuple(len(labels) for labels in coords.values())
        if np.shape(values) != shape:
            raise ModelError(
                f"parameter {name!r} has shape {np.shape(values)}; the model's is {shape}, "
                f"{' x '.join(dims)}. Give one value for each."
            )
        found[name] = xr.DataArray(np.asarray(values, dtype=float), coords, dims)
    return xr.Dataset(found)


def _shapes(design: Design) -> dict[str, tuple[tuple[str, ...], dict[str, list], bool]]:
    """Dims and labels of every parameter, and whether it can be drawn if it is missing."""
    out: dict[str, tuple[tuple[str, ...], dict[str, list], bool]] = {}
    if design.terms:
        out["beta"] = ("term",), {"term": list(design.terms)}, False
    for group in design.groups:
        name, column = group.name, f"{group.name}_column"
        labels = list(group.columns)
        out[f"sd_{name}"] = (column,), {column: labels}, False
        if correlated(group):
            out[f"corr_{name}"] = (
                (column, f"{column}_"),
                {column: labels, f"{column}_": labels},
                False,
            )
        out[f"re_{name}"] = (name, column), {name: list(group.labels), column: labels}, True
    return out


def _questions(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """First row and number of answers of each distinct question: all but the score alike.

    Rows are sorted by everything else before the score, so those of a question are neighbours.
    """
    keys = [design.pattern, *(group.level for group in design.groups)]
    new = np.append(True, np.any([key[1:] != key[:-1] for key in keys], axis=0))
    first = np.flatnonzero(new)
    return first, np.add.reduceat(design.count.astype(np.int64), first)


def _with_answers(model: Model, rows: np.ndarray, score: np.ndarray, count: np.ndarray) -> Model:
    """The model with these rows of its design, scored and counted anew."""
    responses, design = model.responses, model.design
    levels = {name: level[rows] for name, level in responses.levels.items()}
    groups = tuple(replace(group, level=group.level[rows]) for group in design.groups)
    changed = {"score": score, "count": count, "pattern": responses.pattern[rows]}
    return with_parts(
        model,
        responses=replace(responses, levels=levels, **changed),
        design=replace(design, groups=groups, **changed),
        notes=(),  # about the answers of the table
        source="",
        build_seconds=0.0,
    )
